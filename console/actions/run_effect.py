"""Whether a change took effect: what its verification reports, and what is there after a response that was lost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass

from console.actions.action import Action, AppliedCheck, ClusterReader, Progress, WriteAction
from console.actions.plan import Outcome, Plan, Request
from console.actions.recovery import RecoveryProbe, RecoveryWatch, Trigger
from console.config.settings import Settings
from queries.errors import SourceError
from queries.model.fault import Fault
from queries.text.durations import format_duration, format_span

APPLIED_SECONDS = 10.0
"""How long the runner checks whether a write whose response was lost took effect."""


@dataclass(slots=True)
class Effect:
    """What the verification has reported so far."""

    last: str = ""
    done: bool | None = None
    undone_by: str = ""
    takes_long: bool = False
    unseen: bool = False
    expects_recovery: bool = True
    fault: Fault | None = None

    def ingest(self, report: Progress) -> bool:
        """Whether its text is new."""
        new, self.last, self.fault = report.text != self.last, report.text, None
        self.done, self.undone_by, self.takes_long = report.done, report.undone_by, report.takes_long
        self.expects_recovery, self.unseen = report.expects_recovery, report.unseen
        return new

    def fail(self, fault: Fault) -> bool:
        """Whether its text is new."""
        new, self.last, self.fault = fault.sentence() != self.last, fault.sentence(), fault
        return new

    def verdict(self, limit_seconds: float) -> tuple[Outcome, str]:
        """Of a change that is not known to have taken effect."""
        if self.undone_by:
            return Outcome.UNDONE, f"undone by {self.undone_by}: {self.last}"
        if self.done is False and self.unseen:
            return Outcome.UNKNOWN, f"unknown: {self.last}"
        if self.done is False:
            return Outcome.FAILED, f"failed: {self.last}"
        seen = f"last seen: {self.last or 'nothing'}"
        if self.fault is not None:
            return Outcome.UNKNOWN, f"unknown: sent, but its result could not be checked; {seen}"
        outcome = Outcome.UNKNOWN if self.takes_long else Outcome.FAILED
        return outcome, f"{outcome}: not done after {format_duration(limit_seconds)}; {seen}"


class Verification:
    """Watches one change from the moment on that the server accepted it, until its end is known: `end` then."""

    def __init__(
        self,
        action: Action,
        plan: Plan,
        trigger: Trigger,
        before: RecoveryProbe,
        *,
        reader: ClusterReader,
        settings: Settings,
        clock: Callable[[], float],
        sent_at: float,
        observe_guard: Callable[[], Awaitable[str]],
        why_worse: Callable[[], str],
    ) -> None:
        """`before` is the trigger's state when the change was sent. `observe_guard` returns the verdict of its guard if one is
        due; nobody waits for the end of a change for which `why_worse` says why it has to be rolled back.
        """
        self.recovery: RecoveryWatch | None = None
        """From the moment on that the change took effect."""
        self.recovered_at: float | None = None
        self.guard_text = ""
        """The newest verdict of the guard, one of the reports."""
        self.end: tuple[Outcome, str, Fault | None] = (Outcome.UNKNOWN, "unknown: it was not verified", None)
        self._action, self._plan, self._trigger, self._before = action, plan, trigger, before
        self._reader, self._settings, self._clock, self._sent_at = reader, settings, clock, sent_at
        self._observe_guard, self._why_worse = observe_guard, why_worse
        self._deadline = time.monotonic() + settings.verify_timeout_seconds

    async def watch_effect(self, action: WriteAction) -> AsyncGenerator[str, None]:
        """Reports until the change took effect or cannot, then as `watch_recovery`."""
        effect = Effect()
        async with aclosing(self._await_effect(action, effect)) as reports:
            async for text in reports:
                yield text
        if effect.done:
            if not effect.expects_recovery:
                self._trigger = Trigger(Request(self._action.name, ""), self._settings)
            async with aclosing(self.watch_recovery(effect.last)) as reports:
                async for text in reports:
                    yield text
        elif self._why_worse():
            self.end = (Outcome.UNKNOWN, self._describe_stop(effect.last), effect.fault)
        else:
            self.end = (*effect.verdict(self._settings.verify_timeout_seconds), effect.fault)

    async def watch_recovery(self, result: str) -> AsyncGenerator[str, None]:
        """The change took effect, with this result; reports whether it stays so, and whether its panel and alert recover."""
        recovery = RecoveryWatch(self._action, self._plan, self._trigger, self._before, result, settings=self._settings)
        self.recovery, done_in, last = recovery, self._elapsed(), ""
        deadline = max(self._deadline, time.monotonic() + recovery.settle_seconds)
        # The last look comes after the end of the time that a reconciler is watched.
        waits = not recovery.finished
        while waits:
            recovered = recovery.recovered
            await recovery.check(self._reader)
            if not recovery.recovered:
                self.recovered_at = None
            elif recovery.was_unhealthy and self.recovered_at is None:
                self.recovered_at = self._clock()
            if not recovered:
                done_in = self._elapsed()
            over = recovery.settled and time.monotonic() > deadline and not recovery.confirming
            if recovery.finished or over:
                break
            if recovery.text != last:
                last = recovery.text
                yield last
            if verdict := await self._observe():
                yield verdict
            if self._why_worse():
                self.end = (Outcome.UNKNOWN, self._describe_stop(last), None)
                return
            await asyncio.sleep(2 * self._settings.verify_poll_seconds)
        outcome, text = recovery.verdict(done_in)
        if recovery.undone is not None:
            outcome = Outcome.UNDONE
            text = f"undone by {recovery.undone.undone_by} within {self._elapsed()}: {recovery.undone.text}"
        self.end = (outcome, text, None)

    async def _await_effect(self, action: WriteAction, effect: Effect) -> AsyncGenerator[str, None]:
        """Reports until the change took effect or cannot, until the deadline, or until its guard says that it is worse."""
        poll = self._settings.verify_poll_seconds
        while effect.done is None and not self._why_worse() and time.monotonic() < self._deadline:
            try:
                async with asyncio.timeout(max(0.1, self._deadline - time.monotonic())):
                    async with aclosing(action.verify(self._plan, self._reader)) as reports:
                        async for report in reports:
                            if effect.ingest(report):
                                yield effect.last
                            if effect.done is not None:
                                break
                            if verdict := await self._observe():
                                yield verdict
                            if self._why_worse():
                                break
                            await asyncio.sleep(poll)
            except SourceError as error:
                if effect.fail(error.fault):
                    yield f"cannot check: {effect.last}"
                await asyncio.sleep(2 * poll)
            except TimeoutError:
                return

    async def _observe(self) -> str:
        text = await self._observe_guard()
        self.guard_text = text or self.guard_text
        return text

    def _describe_stop(self, last: str) -> str:
        """The outcome of a change whose signals are worse before it is complete: nobody waits for its end."""
        return f"unknown: its guard does not wait for the end ({last}): {self._why_worse()}"

    def _elapsed(self) -> str:
        """Since it was sent: how long a person read the preview is not part of it."""
        return format_span(self._clock() - self._sent_at)


async def find_applied(check: Callable[[], Awaitable[AppliedCheck]], *, pause_seconds: float) -> AppliedCheck:
    """Checks again until the change is seen or further reads cannot show more."""
    deadline = time.monotonic() + APPLIED_SECONDS
    while True:
        try:
            applied = await check()
        except SourceError as error:
            applied = AppliedCheck(text=f"could not check: {error}")
        if applied.plan is not None or applied.final:
            return applied
        if time.monotonic() > deadline:
            return AppliedCheck(text=f"{applied.text} {format_duration(APPLIED_SECONDS)} later; it may still arrive")
        await asyncio.sleep(pause_seconds)
