"""Times without polling: nobody could see the screen, or the process was suspended (stopped, or the machine slept)."""

from __future__ import annotations

import time
from collections.abc import Callable

from queries.model.frozen import dataclass

BEAT_SECONDS = 1.0
_SUSPENDED_SECONDS = 3.0
"""A beat this late means that the process was suspended; a busy machine delays it by less."""


@dataclass(frozen=True, slots=True)
class ClockPause:
    """The time in which these sources were not polled, Unix seconds; `ended_at` is None while it lasts."""

    began_at: float
    sources: frozenset[str]
    ended_at: float | None = None


def boot_seconds() -> float:
    """A monotonic clock that includes the time the machine sleeps, if the system has one."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


class PauseDetector:
    """Detects that this process was suspended. Call `beat` every `BEAT_SECONDS`.

    Events may be handled before the next beat: `missed` and `missed_since` take that into account.
    """

    def __init__(self, clock: Callable[[], float] = boot_seconds) -> None:
        self.clock = clock
        self._beat_at: float | None = None
        self._resumed_at = float("-inf")

    def beat(self) -> float:
        """For how many seconds the process was suspended before this beat; 0 if it ran."""
        now, missed = self.clock(), self.missed()
        if missed:
            self._resumed_at = now
        self._beat_at = now
        return missed

    def missed(self) -> float:
        """For how many seconds it was suspended since the last beat; 0 if it ran."""
        passed = 0.0 if self._beat_at is None else self.clock() - self._beat_at - BEAT_SECONDS
        return passed if passed >= _SUSPENDED_SECONDS else 0.0

    def missed_since(self, began: float) -> bool:
        """Whether the process was suspended after this time of the same clock."""
        return self._resumed_at >= began or self.missed() > 0.0
