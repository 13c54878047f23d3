"""When nothing was asked: nobody could see the screen, or this process did not run (stopped, or the machine slept)."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

BEAT_SECONDS = 1.0
_STOOD_STILL_SECONDS = 3.0
"""A beat that comes so much too late: the process stood still. A busy machine delays one by less."""


@dataclass(frozen=True, slots=True)
class ClockPause:
    """From when to when these sources were not asked, Unix seconds; `ended_at` is None while that goes on."""

    began_at: float
    sources: frozenset[str]
    ended_at: float | None = None


def boot_seconds() -> float:
    """A clock that nobody sets and that goes on while the machine sleeps, where the system has one."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


class PauseDetector:
    """Notices that this process stood still. `beat` is called every `BEAT_SECONDS`.

    What comes right after may be handled before the next beat: `missed` and `missed_since` know all the same.
    """

    def __init__(self, clock: Callable[[], float] = boot_seconds) -> None:
        self.clock = clock
        self._beat_at: float | None = None
        self._resumed_at = float("-inf")

    def beat(self) -> float:
        """For how many seconds the process stood still before this beat; 0 where it ran."""
        now, missed = self.clock(), self.missed()
        if missed:
            self._resumed_at = now
        self._beat_at = now
        return missed

    def missed(self) -> float:
        """For how many seconds it stood still since the last beat; 0 where it ran."""
        passed = 0.0 if self._beat_at is None else self.clock() - self._beat_at - BEAT_SECONDS
        return passed if passed >= _STOOD_STILL_SECONDS else 0.0

    def missed_since(self, began: float) -> bool:
        """Whether the process stood still after this moment of the same clock."""
        return self._resumed_at >= began or self.missed() > 0.0
