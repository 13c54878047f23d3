"""An event loop whose clock jumps to the next timer: hours of waiting pass at once, and no busy machine makes them longer."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class QuickLoop(asyncio.SelectorEventLoop):
    """For code that only sleeps and computes; what waits for a socket or a thread would see its time pass too early."""

    def __init__(self) -> None:
        super().__init__()
        self._passed = 0.0

    def time(self) -> float:
        return self._passed

    def _run_once(self) -> None:
        # Where something is ready it comes first, and no time passes.
        if not self._ready:  # type: ignore[attr-defined]
            due = [timer.when() for timer in self._scheduled if not timer.cancelled()]  # type: ignore[attr-defined]
            self._passed = max(self._passed, min(due, default=0.0))
        super()._run_once()  # type: ignore[misc]


def run_quickly(task: Coroutine[Any, Any, T]) -> T:
    """Runs it to its end. The time that passed in it is what it slept, to the microsecond."""
    with asyncio.Runner(loop_factory=QuickLoop) as runner:
        return runner.run(task)
