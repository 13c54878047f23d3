"""The embedded stack with a bad release out, and the real program in a real pseudo-terminal in front of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from terminal import PROGRAM, Terminal

from console.demo.scenarios import scenario
from console.demo.server_binaries import Servers
from console.demo.stack import DemoStack


@pytest.fixture
def bad_deploy(servers: Servers) -> Iterator[DemoStack]:
    with DemoStack(scenario("bad-deploy"), servers) as stack:
        stack.settle()
        yield stack


@pytest.fixture(scope="module")
def standing_deploy(servers: Servers) -> Iterator[DemoStack]:
    """The same for tests that only look at it: one for all of them."""
    with DemoStack(scenario("bad-deploy"), servers) as stack:
        stack.settle()
        yield stack


@pytest.fixture
def open_console() -> Iterator[Callable[..., Terminal]]:
    """Start the program on a stack: `open_console(stack, "--read-only", columns=80, rows=24)`."""
    with ExitStack() as opened:

        def start(stack: DemoStack, *flags: str, columns: int = 80, rows: int = 24) -> Terminal:
            env = {**os.environ, **stack.addresses.environment(), "LANG": "C.UTF-8"}
            env.pop("NO_COLOR", None)
            return opened.enter_context(Terminal([PROGRAM, "--refresh", "1", *flags], env=env, columns=columns, rows=rows))

        yield start
