"""Lets what a server sends bit by bit gather for a tenth of a second, so that a thread wakes up once for many pieces."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TypeVar

T = TypeVar("T")

PAUSE_SECONDS = 0.1
_BLOCKED_SECONDS, _BUSY_SECONDS = 0.001, 0.1
"""A piece that came sooner was there already; after one that took longer, the next will too."""
_AWAKE_SECONDS = 0.03
"""At least so long it reads without a pause, also where each piece seems to have been waited for: the machine is busy."""


def gather(
    pieces: Iterator[T], *, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
) -> Iterator[T]:
    """The same pieces. The first one comes at once; while more keep arriving one by one, it pauses between them."""
    woke = started = clock()
    for piece in pieces:
        arrived = clock()
        yield piece
        if _BLOCKED_SECONDS <= arrived - started <= _BUSY_SECONDS and arrived - woke >= _AWAKE_SECONDS:
            sleep(PAUSE_SECONDS)
            woke = clock()
        started = clock()
