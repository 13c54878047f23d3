"""Tell when an app under test has nothing left to do, from what its event loop still has to run.

Textual's pilot looks at the processor: two or three times a key it sleeps for 20 ms, until the process computed for less than a
millisecond of them. An event loop that no socket and no foreign thread can wake knows without a sleep what is left to run, on a
busy machine too.
"""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures.thread import _threads_queues as executor_threads
from typing import Any

import textual.app
import textual.pilot
import textual.screen
from textual._wait import SLEEP_GRANULARITY, wait_for_idle

_DRAW_SECONDS = 1 / 500
"""How often a screen may draw, and how long its timer goes on after it drew: a sixtieth of a second for a person."""
_SOON_SECONDS = 0.04
"""A timer that is due so soon belongs to what the app is doing."""
_PATIENCE_SECONDS = 0.2
"""An app with a timer every few milliseconds is never idle in this sense; then the processor decides after all."""


class WatchedLoop(asyncio.SelectorEventLoop):
    """The event loop of the tests."""

    def __init__(self) -> None:
        super().__init__()
        self._strangers = set(threading.enumerate())  # they cannot know a loop that is made after them
        self._own_sockets = len(self._selector.get_map())  # type: ignore[attr-defined]
        self.jobs: set[asyncio.Future[Any]] = set()

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> asyncio.Future[Any]:
        job = super().run_in_executor(executor, func, *args)
        self.jobs.add(job)
        job.add_done_callback(self.jobs.discard)
        return job

    def knows_all(self) -> bool:
        """Whether only its timers and the jobs of executors can wake it."""
        sockets = len(self._selector.get_map()) - self._own_sockets  # type: ignore[attr-defined]
        return not sockets and not set(threading.enumerate()) - self._strangers - set(executor_threads)

    def next_seconds(self) -> float:
        """The seconds until it runs something again: 0.0 if something is ready, infinite without a timer."""
        if self._ready:  # type: ignore[attr-defined]
            return 0.0
        due = (timer.when() for timer in self._scheduled if not timer.cancelled())  # type: ignore[attr-defined]
        return max(0.0, min(due, default=float("inf")) - self.time())


async def wait_until_idle(min_sleep: float = SLEEP_GRANULARITY, max_sleep: float = 1.0) -> None:
    """Textual's `wait_for_idle`: returns when nothing is left to run and no timer is due soon.

    Each job of an executor gets a quarter of `max_sleep` seconds to end.
    """
    loop = asyncio.get_running_loop()
    if isinstance(loop, WatchedLoop):
        began = loop.time()
        ends = began + max_sleep
        while loop.knows_all() and loop.time() < min(ends, began + _PATIENCE_SECONDS):
            await asyncio.sleep(0)
            if loop.jobs and (await asyncio.wait(loop.jobs, timeout=max_sleep / 4))[0]:
                began = loop.time()
                continue
            pause = loop.next_seconds()
            if pause > _SOON_SECONDS:
                return
            await asyncio.sleep(pause)
    await wait_for_idle(min_sleep, max_sleep)


def install() -> None:
    """Let every pilot wait like that, and screens draw as soon as they can."""
    textual.screen.UPDATE_PERIOD = _DRAW_SECONDS  # type: ignore[misc]
    textual.app.wait_for_idle = textual.pilot.wait_for_idle = wait_until_idle  # type: ignore[attr-defined]
