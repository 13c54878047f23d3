"""Requests that belong together: none of them goes on after another has failed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any


@asynccontextmanager
async def siblings(*tasks: asyncio.Task[Any]) -> AsyncIterator[None]:
    """Leaves only when every task has ended, and ends those that still run.

    `asyncio.gather` would raise at once and leave the others to run beside the next poll, or into the end of the loop.
    """
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
