"""A small pool of threads of our own, for decoding and for files, so that the event loop stays free.

asyncio's default pool is shared with name resolution, where one hung resolver would starve the decoding.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

_MANY = 300
_POOL = ThreadPoolExecutor(max_workers=4, thread_name_prefix="cad-console-decode")


TURN = threading.Lock()
"""Held by every thread that computes for longer than a key may wait, so that there is one of them at a time.

Threads that compute take turns at the interpreter. The loop that draws gets its turn after one of them within a millisecond,
after three of them only by chance, and it needs one after every request that it sends and every byte that it writes.
"""


async def offload(work: Callable[[], T]) -> T:
    """Run `work`, which mostly waits, in the pool; gives what it gives or raises, and cancelling only stops the waiting."""
    return await asyncio.get_running_loop().run_in_executor(_POOL, work)


async def compute(work: Callable[[], T]) -> T:
    """As `offload`, for work that keeps the processor busy."""

    def alone() -> T:
        with TURN:
            return work()

    return await offload(alone)


async def aside(work: Callable[[], T], size: int) -> T:
    """Run `work` here, or in the pool where it is about so many things that a key press would wait for it."""
    return await compute(work) if size > _MANY else work()
