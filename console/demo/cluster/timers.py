"""Delayed calls in order of time: run by the event loop, or all at once for a fixture."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable


class Timers:
    """`after` queues a call. A running loop makes it in time; `run_pending` makes it without waiting."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._count = itertools.count()
        self._timer: asyncio.TimerHandle | None = None
        self._elapsed = 0.0

    def run_in(self, loop: asyncio.AbstractEventLoop | None) -> None:
        """Attaches the queue to a loop, or detaches it from an ending one."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._loop = loop
        if loop is not None:
            waiting, self._queue = self._queue, []
            for _, number, call in sorted(waiting):
                heapq.heappush(self._queue, (loop.time(), number, call))
            self._arm()

    def now(self) -> float:
        return self._loop.time() if self._loop is not None else self._elapsed

    def after(self, seconds: float, call: Callable[[], None]) -> None:
        heapq.heappush(self._queue, (self.now() + seconds, next(self._count), call))
        self._arm()

    def _arm(self) -> None:
        if self._loop is None or not self._queue:
            return
        if self._timer is not None:
            if self._timer.when() <= self._queue[0][0]:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(self._queue[0][0], self._run)

    def _run(self) -> None:
        self._timer = None
        now = self.now()
        try:
            while self._queue and self._queue[0][0] <= now:
                heapq.heappop(self._queue)[2]()
        finally:
            self._arm()

    def run_pending(self, within_seconds: float = 10.0) -> None:
        """Makes every call due within this time at once, in order."""
        end = self.now() + within_seconds
        while self._queue and self._queue[0][0] <= end:
            at, _, call = heapq.heappop(self._queue)
            if self._loop is None:
                self._elapsed = max(self._elapsed, at)
            call()
