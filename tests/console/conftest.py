"""A log of its own for a test, and a real PostgreSQL for those of the shared journal; started once."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from postgresql_fixture import Server, binaries


@pytest.fixture
def own_log() -> Iterator[None]:
    """The log of this test, and not of the first one that ran in this process."""
    root = logging.getLogger()
    kept = root.handlers[:]
    root.handlers = [handler for handler in kept if handler.name != "cad-console"]
    yield
    for handler in root.handlers:
        if handler not in kept:
            handler.close()
    root.handlers = kept


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    pytest.importorskip("psycopg", reason="psycopg is not installed: make install")
    found = binaries()
    if found is None:
        pytest.skip("PostgreSQL is not installed here: apt-get install postgresql")
    with Server(found) as server:
        yield server
