"""A loopback server for every test that asks for one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest
from loopback import Behaviour, Loopback, always, loopback, server_tls

Serve = Callable[..., Awaitable[Loopback]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Start a loopback server with a behaviour, or with one raw answer; it ends with the test."""
    async with AsyncExitStack() as stack:

        async def start(what: Behaviour | bytes, *, tls: str = "", close: bool = False) -> Loopback:
            behave = always(what, close=close) if isinstance(what, bytes) else what
            return await stack.enter_async_context(loopback(behave, tls=server_tls(tls) if tls else None))

        yield start
