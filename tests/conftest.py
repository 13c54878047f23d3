"""Fixtures that every test folder may use."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator

import pytest
from servers import servers as bring_servers

from console.demo.bring import Servers
from console.demo.scenarios import scenario
from console.demo.stack import DemoStack


@pytest.fixture(scope="session")
def servers() -> Servers:
    """The real programs, brought once where this machine has none."""
    return bring_servers()


@pytest.fixture(scope="session")
def calm_stack(servers: Servers) -> Iterator[DemoStack]:
    """Prometheus with the platform's rules and a week of history, Alertmanager, cluster and API; all is calm."""
    with DemoStack(scenario("calm"), servers) as running:
        yield running


@pytest.fixture
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The local time is UTC."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def pytest_configure() -> None:
    """A shell starts what it puts into the background with SIGINT ignored; children inherit that, tests send it to them."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long run first: with two files at a time it would otherwise begin when all others are done."""
    items.sort(key=lambda item: "soak" not in item.path.parts)
