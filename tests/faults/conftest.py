"""The real servers behind the proxies, started once for the folder."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest
from fault_proxy import ProxyHouse

from console.demo.stack import DemoStack

# httpcore does not close the socket of a TLS handshake that is cancelled, as it is at a session's end: the collector does.
LOST_HANDSHAKE = (
    r"ignore:Exception ignored in. <(socket\.socket|function _SelectorTransport)"
    ":pytest.PytestUnraisableExceptionWarning"
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.filterwarnings(LOST_HANDSHAKE))


@pytest.fixture(scope="module", autouse=True)
def collected() -> Iterator[None]:
    """Such a socket is found here, and not in the middle of another folder's test."""
    yield
    gc.collect()


@pytest.fixture(scope="session")
def stack(calm_stack: DemoStack) -> DemoStack:
    return calm_stack


@pytest.fixture(scope="session")
def house() -> Iterator[ProxyHouse]:
    with ProxyHouse() as opened:
        yield opened
