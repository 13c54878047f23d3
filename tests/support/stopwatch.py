"""Times something in ways in which a busy machine does not count: what is slow in itself is slow every time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest

from queries.http import client

T = TypeVar("T")


def quickest(work: Callable[[], object], *, times: int = 5) -> float:
    """Seconds of the processor that the quickest run took in this thread."""
    found = []
    for _ in range(times):
        begun = time.thread_time()
        work()
        found.append(time.thread_time() - begun)
    return min(found)


async def turns(ask: Callable[[], Awaitable[object]]) -> tuple[int, int]:
    """How often the loop came round while this was asked: as it is, and with everything decoded on the loop itself."""

    async def here(work: Callable[[], T]) -> T:
        return work()

    as_it_is = await _most_turns(ask)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(client, "run_cpu_bound", here)
        return as_it_is, await _most_turns(ask)


async def _most_turns(ask: Callable[[], Awaitable[object]], *, times: int = 5) -> int:
    """Of the best of several runs."""
    found = []
    for _ in range(times):
        asking = asyncio.ensure_future(ask())
        count = 0
        while not asking.done():
            await asyncio.sleep(0.001)
            count += 1
        await asking
        found.append(count)
    return max(found)
