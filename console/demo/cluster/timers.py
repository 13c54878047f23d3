"""What is to be done later, in order of time: by the event loop, or all at once while a scene is set."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable


class Timers:
    """`after` queues calls. With a running loop they are made in time; `settle` makes them without waiting."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._count = itertools.count()
        self._timer: asyncio.TimerHandle | None = None
        self._elapsed = 0.0

    def run_in(self, loop: asyncio.AbstractEventLoop | None) -> None:
        """Hands the queue to a loop, or takes it away from one that ends."""
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

    def settle(self, within_seconds: float = 10.0) -> None:
        """Makes every call that is due within this time, at once and in order."""
        ends = self.now() + within_seconds
        while self._queue and self._queue[0][0] <= ends:
            at, _, call = heapq.heappop(self._queue)
            if self._loop is None:
                self._elapsed = max(self._elapsed, at)
            call()
