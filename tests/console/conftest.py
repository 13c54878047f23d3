"""A real PostgreSQL for the tests of the shared journal; started once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from postgresql_fixture import Server, binaries


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    pytest.importorskip("psycopg", reason="psycopg is not installed: make install")
    found = binaries()
    if found is None:
        pytest.skip("PostgreSQL is not installed here: apt-get install postgresql")
    with Server(found) as server:
        yield server
