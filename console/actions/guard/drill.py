"""The guard of a drill's fault: rolls it back when its time is up or a person stops it, whatever the signals show."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from console.actions.guard.guard import Guard, GuardReport, clock_now
from console.actions.guard.model import GuardOptions, GuardPhase
from queries.text.durations import format_duration
from queries.text.times import format_clock


class DrillGuard(Guard):
    """It judges no signal: that they get worse is what a drill is for. Its time begins with the fault, not with the end of the
    verification, which for a bad image never comes.
    """

    def __init__(self, options: GuardOptions, *given: Any, **named: Any) -> None:
        super().__init__(options, *given, **named)
        self._control.stop_undoes = True
        self._ends = clock_now() + self._watch_seconds
        self._acts_at = self._ends_at = self._clock() + self._watch_seconds

    @property
    def is_worse(self) -> bool:
        """Whether nobody waits for the end of the change any longer."""
        return bool(self._why_roll_back())

    @property
    def verdict_text(self) -> str:
        return self._why_roll_back() or f"a drill: rolled back at {format_clock(self._ends_at or 0.0)}"

    async def watch(self, failure: str = "") -> AsyncGenerator[GuardReport, None]:
        """As of any guard; a fault that does not complete is what was asked for."""
        self._watch_seconds = max(0.0, self._ends - clock_now())
        async with aclosing(super().watch()) as reports:
            async for report in reports:
                yield report

    def _is_proved(self) -> bool:
        return False

    def _why_roll_back(self) -> str:
        if self._control.undo_now:
            return "a person stopped the drill"
        if clock_now() >= self._ends:
            return f"the time limit of {format_duration(self.options.watch_seconds)} is over"
        return ""

    async def _observe(self, *, check_target: bool = True) -> str:
        self._due = clock_now() + self._source.interval_seconds
        if check_target and not await self._check_target():
            return self._lost
        if self._phase is GuardPhase.WATCH:
            self._acts_at = self._ends_at
        return "; ".join(filter(None, (self.verdict_text, self._doubts())))


def guard_class(options: GuardOptions) -> type[Guard]:
    """The guard of a change with these options."""
    return DrillGuard if options.drill else Guard


def describe_protected(environment: str) -> str:
    """Why a drill is refused there."""
    return f"{environment} is protected: drills run only in environments with `protected: false`"
