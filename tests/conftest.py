"""Fixtures that every test folder may use."""

from __future__ import annotations

import gc
import os
import signal
import sys
import time
from collections.abc import Generator, Iterator

import fast_set
import idle
import limits
import pytest
from hypothesis import HealthCheck, settings
from servers import servers as bring_servers

from console.demo.scenarios import scenario
from console.demo.server_binaries import Servers
from console.demo.stack import DemoStack
from queries.catalogue.error_codes import use_team_codes


@pytest.fixture(scope="session")
def servers() -> Servers:
    """The real programs, brought once where this machine has none."""
    return bring_servers()


@pytest.fixture(scope="session")
def calm_stack(servers: Servers) -> Iterator[DemoStack]:
    """Prometheus with the platform's rules and a week of history, Alertmanager, cluster and API; all is calm."""
    with DemoStack(scenario("calm"), servers) as running:
        yield running


@pytest.fixture(autouse=True)
def _no_team_codes() -> Iterator[None]:
    """One process serves one configuration; here each test is one of its own."""
    yield
    use_team_codes(())


@pytest.fixture
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The local time is UTC."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


_LONGEST = ("soak", "faults", "test_truth.py", "demo", "rules")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--fast", action="store_true", help="only the tests that start no server or pseudo-terminal and are not slow"
    )


def pytest_configure(config: pytest.Config) -> None:
    """A shell starts background jobs with SIGINT ignored, nohup ignores SIGHUP; children inherit both, and tests send both."""
    for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)
    # Most tests that start the program start it anew: where no bytecode is kept, each start compiles the whole product.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    idle.install()
    # How long a busy machine takes to make an example or to run it says nothing about the claim.
    settings.register_profile("patient", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("patient")
    if config.getoption("--fast"):
        config.pluginmanager.register(fast_set.Guard())


def pytest_make_parametrize_id(val: object) -> str | None:
    """A megabyte of a parameter is no part of a name: pytest hands the name of the test on to every process that it starts."""
    return f"{ascii(val[:60])[:70]}... {len(val)}" if isinstance(val, str | bytes) and len(val) > 100 else None


def pytest_asyncio_loop_factories() -> dict[str, type[idle.WatchedLoop]]:
    return {"watched": idle.WatchedLoop}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The longest files first: the last one to start would otherwise run alone at the end."""
    fast_set.mark(items)
    if config.getoption("--fast"):
        left_out = [item for item in items if any(map(item.get_closest_marker, fast_set.LEFT_OUT))]
        config.hook.pytest_deselected(items=left_out)
        apart = set(left_out)
        items[:] = [item for item in items if item not in apart]
    items.sort(key=lambda item: next((at for at, name in enumerate(_LONGEST) if name in item.path.parts), len(_LONGEST)))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """The collection makes hundreds of thousands of objects, and all stay: the garbage collector would search in vain."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


def pytest_collection_finish(session: pytest.Session) -> None:
    """What the collection made lives as long as the session: the garbage collector need not look at it again."""
    gc.freeze()
    if session.items and not session.config.option.collectonly:
        limits.extend(0.0)  # measured now, and not in the middle of the first test that waits
