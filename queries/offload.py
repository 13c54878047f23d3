"""A small pool of threads of our own, for decoding and for files, so that the event loop stays free.

asyncio's default pool is shared with name resolution, where one hung resolver would starve the decoding.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

_MANY = 300
_POOL = ThreadPoolExecutor(max_workers=4, thread_name_prefix="cad-console-decode")


async def offload(work: Callable[[], T]) -> T:
    """Run `work` in the pool and give what it gives or raises; cancelling only stops the waiting."""
    return await asyncio.get_running_loop().run_in_executor(_POOL, work)


async def aside(work: Callable[[], T], size: int) -> T:
    """Run `work` here, or in the pool where it is about so many things that a key press would wait for it."""
    return await offload(work) if size > _MANY else work()
