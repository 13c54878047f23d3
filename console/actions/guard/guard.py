"""The watch after a change: kept if its signals stay as before, else rolled back by itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import replace

from console.actions.guard.checks import describe_call
from console.actions.guard.model import (
    NO_ROLLBACK,
    GuardOptions,
    GuardPhase,
    GuardResult,
    GuardStatus,
    GuardVerdict,
    SignalReading,
)
from console.actions.guard.notices import UNTOLD, GuardNotices
from console.actions.guard.signals import evaluate_signal, overall_verdict, series_name
from console.actions.guard.source import GuardSource
from console.actions.plan import ActionRefused, Outcome, Preview, Request, RunStep
from console.config.settings import Settings
from console.journal.payloads import GuardAnnounced, GuardEnded, GuardEvaluated, GuardSignal, Payload
from queries.errors import SourceError
from queries.model.action import ActionCall
from queries.model.fault import is_absent
from queries.model.frozen import dataclass
from queries.model.panel import PanelState
from queries.text.durations import format_duration, format_span

_TRY_AGAIN_SECONDS = 2.0
"""After a refused roll-back, of which nothing was sent."""
_AFTER_CONFLICT_SECONDS = 0.2
_CONFLICTS = 5
"""So many roll-backs in a row that met a newer version are followed by another, even after the hold: during a rollout the
controller writes the object several times a second.
"""
RunUndo = Callable[[Request, Callable[[Preview], Awaitable[bool]]], AsyncGenerator[RunStep, None]]
FindChange = Callable[[], Awaitable[str]]
"""What somebody else did to the change since; empty while it is in place. Raises SourceError and ActionRefused."""
FindLoss = Callable[[bool], Awaitable[tuple[str, str]]]
"""As `GuardFence.find_loss`."""


def clock_now() -> float:
    """Seconds of the clock that nobody sets, which the guard's decisions follow."""
    return asyncio.get_running_loop().time()


async def _find_no_loss(newest: bool) -> tuple[str, str]:
    """Of a watch that no other console could take over."""
    return "", ""


class GuardControl:
    """What a person asks of a running guard; the guard acts on it at once."""

    def __init__(self) -> None:
        self.stopped_by = ""
        """Who ended the guard: the change stays."""
        self.undo_now = False
        self.stop_undoes = False
        """Of a drill: nothing stays that it changed."""
        self._changed = asyncio.Event()

    def stop(self, who: str) -> None:
        if self.stop_undoes:
            self.undo_now = True
        else:
            self.stopped_by = who
        self._changed.set()

    def roll_back(self) -> None:
        self.undo_now = True
        self._changed.set()

    async def wait(self, seconds: float) -> None:
        """Until a person asks for something, at most so long."""
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                await self._changed.wait()
        except TimeoutError:
            pass
        self._changed.clear()


@dataclass(frozen=True, slots=True)
class GuardReport:
    """One report; the last one has an outcome."""

    text: str
    status: GuardStatus
    outcome: Outcome | None = None


class Guard:
    """Watches one change until it is kept, rolled back, or somebody else decides."""

    def __init__(
        self,
        options: GuardOptions,
        signals: tuple[GuardSignal, ...],
        *,
        target: str,
        undo: ActionCall | None,
        source: GuardSource,
        settings: Settings,
        record: Callable[[Payload], Awaitable[str]],
        run_undo: RunUndo,
        find_change: FindChange,
        find_loss: FindLoss = _find_no_loss,
        control: GuardControl,
        clock: Callable[[], float],
        fingerprint: str = "",
        notices: GuardNotices | None = None,
        watch_seconds: float | None = None,
        verdicts_kept: int = 500,
        no_undo: str = NO_ROLLBACK,
    ) -> None:
        """`record` journals an event and returns why it could not, or an empty text; `fingerprint` is the alert that the change
        was made for; `watch_seconds` is what is left of the watch, None for all of it; the newest `verdicts_kept` are shown.
        `no_undo` is said of a failure where there is no `undo`.
        """
        self._verdicts_kept = verdicts_kept
        self.options = options
        self.signals = signals
        self.ended: GuardResult | None = None
        self._target = target
        self._undo, self._no_undo = undo, no_undo
        self._source = source
        self._settings = settings
        self._record = record
        self._run_undo = run_undo
        self._find_change = find_change
        self._find_loss = find_loss
        self._control = control
        self._clock = clock
        self._fingerprint = fingerprint
        self._notices = notices
        self._watch_seconds = options.watch_seconds if watch_seconds is None else watch_seconds
        self._started_at = clock()
        self._phase = GuardPhase.WATCH
        self._readings: tuple[SignalReading, ...] = ()
        self._verdict: GuardVerdict | None = None
        self._journalled: GuardVerdict | None = None
        self._verdicts: tuple[tuple[float, GuardVerdict, str], ...] = ()
        self._left_out = 0
        self._due = self._ends = 0.0
        self._ends_at: float | None = None
        self._acts_at: float | None = None
        self._unknown_since: float | None = None
        self._moved = self._target_error = ""
        self._lost = self._doubt = ""
        self._reason = ""
        self._called_off = False
        self._journal_error = ""

    # What the runner calls while the change is still under way

    async def observe_if_due(self) -> str:
        """Looks at the signals if the interval has passed; returns the verdict in words then, else an empty text."""
        if clock_now() < self._due:
            return ""
        return await self._observe(check_target=False)

    @property
    def is_worse(self) -> bool:
        """Whether the change has to be rolled back already."""
        return self._verdict is GuardVerdict.WORSE

    @property
    def verdict_text(self) -> str:
        """The signals that decide the verdict, in words."""
        return "; ".join(item.text for item in self._readings if item.verdict is self._verdict)

    def status(self) -> GuardStatus:
        """For the screen."""
        return GuardStatus(
            self._phase,
            describe_call(self._undo) if self._undo else "",
            self._started_at,
            self._readings,
            self._ends_at,
            self._acts_at,
            self._reason,
            self._verdicts,
            self.ended,
            self._left_out,
            self.options.drill,
        )

    # From the end of the change on

    async def watch(self, failure: str = "") -> AsyncGenerator[GuardReport, None]:
        """Reports until the guard ends. `failure` is why the change itself did not complete: then it is rolled back at once."""
        try:
            async with aclosing(self._watch(failure)) as reports:
                async for report in reports:
                    if report.outcome is None or self._notices is None:
                        yield report
                        continue
                    if not await self._notices.settle():
                        yield replace(report, text=f"{report.text}; telling the incident", outcome=None)
                    yield replace(report, text=report.text + await self._notices.finish())
        finally:
            if self._notices is not None:
                await self._notices.close()

    async def _watch(self, failure: str) -> AsyncGenerator[GuardReport, None]:
        self._ends = clock_now() + self._watch_seconds
        self._ends_at = self._clock() + self._watch_seconds
        if failure:
            async with aclosing(self._roll_back(failure, can_call_off=False)) as reports:
                async for report in reports:
                    yield report
        while self.ended is None:
            text = await self._observe()
            if self._lost:
                yield self._leave()
            elif self._control.stopped_by:
                yield await self._end(GuardResult.STOPPED, f"stopped by {self._control.stopped_by}: change kept, not verified")
            elif self._moved:
                yield await self._end_changed()
            elif reason := self._why_roll_back():
                async with aclosing(self._roll_back(reason, can_call_off=self._verdict is GuardVerdict.WORSE)) as reports:
                    async for report in reports:
                        yield report
            elif self._is_proved():
                yield await self._end(GuardResult.KEPT, f"kept: {text}")
            elif clock_now() >= self._ends + self.options.hold_seconds:
                yield await self._end(GuardResult.UNKNOWN, f"unknown: cannot check the target: {self._target_error}")
            else:
                yield self._report(text)
                await self._control.wait(self._source.interval_seconds)

    def _is_proved(self) -> bool:
        return clock_now() >= self._ends and self._verdict is GuardVerdict.OK and not self._target_error

    def _why_roll_back(self) -> str:
        """Why the change has to be rolled back now; empty while it does not."""
        if self._control.undo_now:
            return "a person asked for it"
        if self._verdict is GuardVerdict.WORSE:
            return self.verdict_text
        since = self._unknown_since
        if since is not None and clock_now() - since >= self.options.hold_seconds:
            return f"unknown for {format_duration(self.options.hold_seconds)}: {self.verdict_text}"
        return ""

    async def _observe(self, *, check_target: bool = True) -> str:
        """One evaluation: the target, then the signals. Returns it in words."""
        self._due = clock_now() + self._source.interval_seconds
        if check_target and not await self._check_target():
            return self._lost
        self._readings = await self._read()
        verdict = self._verdict = overall_verdict(self._readings)
        now = clock_now()
        if verdict is not GuardVerdict.UNKNOWN:
            self._unknown_since = None
        elif self._unknown_since is None:
            self._unknown_since = now
        if self._phase in (GuardPhase.WATCH, GuardPhase.HOLD):
            self._phase = GuardPhase.HOLD if verdict is GuardVerdict.UNKNOWN else GuardPhase.WATCH
            left = self.options.hold_seconds - (now - (self._unknown_since or now))
            self._acts_at = self._clock() + max(0.0, left) if verdict is GuardVerdict.UNKNOWN else None
        text = self.verdict_text
        verdicts = (*self._verdicts, (self._clock(), verdict, text))
        self._verdicts = verdicts[-self._verdicts_kept :]
        self._left_out += len(verdicts) - len(self._verdicts)
        if verdict is not self._journalled:
            self._journalled = verdict
            await self._write(GuardEvaluated(verdict.value, text))
        return self._describe(verdict, text)

    async def _check_target(self) -> bool:
        """Whether the guard is still this process' own; then also whether somebody changed the target since."""
        self._lost, self._doubt = await self._find_loss(False)
        if self._lost:
            return False
        await self._find_move()
        return True

    async def _find_move(self) -> bool:
        """Looks for what somebody else did to the change; False if that could not be checked."""
        try:
            self._moved, self._target_error = await self._find_change(), ""
        except SourceError as error:
            if not is_absent(error.fault):
                self._target_error = str(error)
                return False
            self._moved, self._target_error = f"{self._target} no longer exists", ""
        except ActionRefused as refusal:  # such as for a file of calls that cannot be read
            self._target_error = str(refusal)
            return False
        return True

    async def _read(self) -> tuple[SignalReading, ...]:
        names, target, twin = [item.panel for item in self.signals], series_name(self._target), self.options.twin
        try:
            states: Mapping[str, PanelState] = {item.spec.id: item for item in await self._source.fetch_panels(names)}
        except SourceError as error:
            unknown = GuardVerdict.UNKNOWN
            return tuple(SignalReading(item, unknown, f"{item.title}: NO DATA, {error}") for item in self.signals)
        return tuple(evaluate_signal(item, states.get(item.panel), target=target, twin=twin) for item in self.signals)

    def _describe(self, verdict: GuardVerdict, text: str) -> str:
        if verdict is GuardVerdict.UNKNOWN and self._unknown_since is not None:
            left = max(0.0, self.options.hold_seconds - (clock_now() - self._unknown_since))
            then = "rolls back" if self._undo else "gives up"
            text = f"{text}; holding, {then} in {format_span(left)}"
        return "; ".join(filter(None, (text, self._doubts())))

    def _doubts(self) -> str:
        """What it could not check the last time; a roll-back waits for that."""
        target = f"cannot check the target: {self._target_error}" if self._target_error else ""
        owner = f"cannot check who runs this guard: {self._doubt}" if self._doubt else ""
        return "; ".join(filter(None, (target, owner)))

    # Rolling back

    async def _roll_back(self, reason: str, *, can_call_off: bool) -> AsyncGenerator[GuardReport, None]:
        """Announces, counts down and runs the undo. Signals that recover call it off if they are the reason."""
        self._reason = reason
        if self._undo is None:
            yield await self._end(GuardResult.FAILED, "; ".join(filter(None, (f"failed: {reason}", self._no_undo))))
            return
        self._phase, self._called_off = GuardPhase.COUNTDOWN, False
        seconds = 0.0 if self._control.undo_now else self.options.countdown_seconds
        deadline = clock_now() + seconds
        self._acts_at = self._clock() + seconds
        yield await self._announce(f"{reason}: rolls back in {format_duration(seconds)}: {describe_call(self._undo)}")

        async def confirm(preview: Preview) -> bool:
            return not preview.blocked and await self._count_down(deadline, can_call_off=can_call_off)

        give_up, conflicts = deadline + self.options.hold_seconds, 0
        while self.ended is None:
            last: RunStep | None = None
            request = Request(self._undo.action, self._undo.target, self._undo.parameters, cause=f"guard: {reason}"[:400])
            async with aclosing(self._run_undo(request, confirm)) as steps:
                async for step in steps:
                    last = step
                    yield self._report(f"roll-back: {step.text}")
            if self._called_off:
                self._phase, self._acts_at, self._reason = GuardPhase.WATCH, None, ""
                yield await self._announce(f"called off: {self.verdict_text}")
                return
            conflicts = conflicts + 1 if last is not None and _is_conflict(last) else 0
            final = clock_now() >= give_up and not 0 < conflicts <= _CONFLICTS
            end = await self._judge_undo(last, reason, final=final)
            if end is not None:
                yield end
                continue
            if conflicts:
                yield self._report("the server has a newer version and rejected the update: plans the roll-back again from it")
            elif doubts := self._doubts():
                yield self._report(f"holds, nothing is sent: {doubts}")
            await self._control.wait(_AFTER_CONFLICT_SECONDS if conflicts else _TRY_AGAIN_SECONDS)

    async def _count_down(self, deadline: float, *, can_call_off: bool) -> bool:
        """Whether to send the undo; looks at the signals meanwhile, and at the end whether the change is still there."""
        control, interval = self._control, self._source.interval_seconds
        while (left := deadline - clock_now()) > 0 and not control.undo_now:
            await control.wait(min(left, interval))
            if control.stopped_by:
                return False
            if can_call_off and clock_now() < deadline and not control.undo_now:
                await self._observe(check_target=False)
                if self._verdict is GuardVerdict.OK:
                    self._called_off = True
                    return False
        if control.stopped_by:
            return False
        if not await self._find_move():
            return False  # it may be somebody else's change by now
        self._lost, self._doubt = await self._find_loss(True)
        # Both were read with the countdown still shown, and with it what stops it.
        if control.stopped_by or self._moved or self._lost or self._doubt:
            return False
        self._phase = GuardPhase.UNDO
        return True

    async def _judge_undo(self, last: RunStep | None, reason: str, *, final: bool) -> GuardReport | None:
        """The guard's end after one run of the undo; None if nothing was sent and it may be tried again."""
        if last is None or last.outcome is None:
            return await self._end(GuardResult.UNKNOWN, f"unknown: {reason}; the roll-back ended without an outcome")
        if last.outcome is Outcome.DONE:
            await self._observe(check_target=False)
            return await self._end(GuardResult.ROLLED_BACK, f"rolled back: {reason}; {last.text}")
        if last.outcome is Outcome.REFUSED:
            if self._lost:
                return self._leave()
            if self._control.stopped_by:
                text = f"stopped by {self._control.stopped_by}: the change stays, although {reason}"
                return await self._end(GuardResult.STOPPED, text)
            if not self._moved:
                await self._find_move()
            if self._moved:
                return await self._end_changed()
        if (last.outcome is Outcome.REFUSED or _is_conflict(last)) and not final:
            return None
        undo = describe_call(self._undo) if self._undo else ""
        why = "; ".join(filter(None, (reason, last.text, self._doubts())))
        text = f"ROLLBACK FAILED: {why}; check the target and roll the change back by hand: {undo}"
        return await self._end(GuardResult.ROLLBACK_FAILED, text)

    # Reports

    async def _announce(self, text: str) -> GuardReport:
        await self._write(GuardAnnounced(text, self._target, self._fingerprint))
        if self._notices is not None:
            self._notices.announce(text)
        return self._report(text)

    async def _end_changed(self) -> GuardReport:
        self._reason = self._moved
        return await self._end(GuardResult.CHANGED, f"{self._moved}: nothing is rolled back")

    async def _end(self, result: GuardResult, text: str) -> GuardReport:
        self.ended, self._phase, self._acts_at = result, GuardPhase.ENDED, None
        await self._write(GuardEnded(result.value, text, self._target, self._fingerprint))
        if self._notices is not None and result not in UNTOLD:
            self._notices.announce(text)
        error = f" (this end could not be journalled: {self._journal_error})" if self._journal_error else ""
        return GuardReport(text + error, self.status(), OUTCOMES[result])

    def _leave(self) -> GuardReport:
        """The guard is somebody else's now: this process neither acts nor journals an end."""
        self.ended, self._phase, self._acts_at = GuardResult.UNKNOWN, GuardPhase.ENDED, None
        return GuardReport(f"{self._lost}: this console stopped watching and sends nothing", self.status(), Outcome.UNKNOWN)

    async def _write(self, payload: Payload) -> None:
        self._journal_error = await self._record(payload)

    def _report(self, text: str) -> GuardReport:
        error = f"; not journalled: {self._journal_error}" if self._journal_error else ""
        return GuardReport(text + error, self.status())


OUTCOMES = {
    GuardResult.KEPT: Outcome.DONE,
    GuardResult.ROLLED_BACK: Outcome.ROLLED_BACK,
    GuardResult.ROLLBACK_FAILED: Outcome.ROLLBACK_FAILED,
    GuardResult.NOT_MADE: Outcome.REFUSED,
    GuardResult.CHANGED: Outcome.UNDONE,
    GuardResult.STOPPED: Outcome.UNKNOWN,
    GuardResult.FAILED: Outcome.FAILED,
    GuardResult.UNKNOWN: Outcome.UNKNOWN,
}
"""The outcome of a guarded run by its guard's end."""


def _is_conflict(step: RunStep) -> bool:
    """The server has a newer version of the object, so it rejected the update."""
    return step.fault is not None and step.fault.status == 409
