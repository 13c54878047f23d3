"""The one order of an action's stages: plan, preflight, confirm, journal intent, execute, verify, journal outcome."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

from console.actions.action import (
    Action,
    AppliedCheck,
    ChangeWriter,
    ClusterReader,
    Guardable,
    Progress,
    StepAction,
    list_parameters,
)
from console.actions.guard import GuardControl, GuardSource
from console.actions.guard_fence import GuardFence
from console.actions.guard_gates import check_freezes
from console.actions.guard_model import GuardResult
from console.actions.guarded_run import GuardedRun
from console.actions.journal_payload import declined_payload, intent_payload, outcome_payload, step_payload
from console.actions.plan import (
    ActionRefused,
    CheckLevel,
    ClusterTarget,
    Outcome,
    Plan,
    PreflightCheck,
    Preview,
    Request,
    RunStep,
    Stage,
    StepReport,
)
from console.actions.preflight import changes_cluster, check_alert_place, check_console, check_identity, check_reconcilers
from console.actions.recovery import RecoveryProbe, RecoveryWatch, Trigger
from console.actions.registry import action_named
from console.actions.writers import describe_rejection, is_rejected, was_never_sent
from console.config.settings import Settings
from console.journal.event import Event
from console.journal.payloads import ActionIntent, ActionOutcome, Payload, create_event, event_kinds
from console.journal.sqlite import Journal, JournalError
from console.state.news import describe_action
from queries.errors import SourceError
from queries.model.fault import Fault
from queries.text.durations import format_duration, format_span
from queries.text.times import InvalidTime

APPLIED_SECONDS = 10.0
"""How long the runner checks whether a write whose response was lost took effect."""
_MAX_PREVIEWS = 5
_NOTHING_SENT = "refused, nothing was sent: "
_UNWATCHED = {
    Outcome.UNDONE: GuardResult.CHANGED,
    Outcome.FAILED: GuardResult.NOT_MADE,
    Outcome.ROLLED_BACK: GuardResult.ROLLED_BACK,
    Outcome.ROLLBACK_FAILED: GuardResult.ROLLBACK_FAILED,
}
"""How a guard ends whose change ended before there was anything to watch."""
_ACTION_KINDS = event_kinds(ActionIntent, ActionOutcome)

Confirm = Callable[[Preview], Awaitable[bool]]


class _Refused(Exception):
    """The run ends before anything was sent."""

    def __init__(self, text: str, fault: Fault | None = None) -> None:
        super().__init__(text)
        self.fault = fault


async def run(
    request: Request,
    *,
    settings: Settings,
    reader: ClusterReader,
    writer: ChangeWriter,
    journal: Journal | None,
    confirm: Confirm,
    clock: Callable[[], float] = time.time,
    journal_fault: str = "",
    fetch_journal: Callable[[], Awaitable[object]] | None = None,
    clock_ahead_seconds: Callable[[str], float] = lambda author: 0.0,
    guard_source: GuardSource | None = None,
    control: GuardControl | None = None,
) -> AsyncGenerator[RunStep, None]:
    """Runs one action and reports each step; only the last one has an outcome. `fetch_journal` reads what other consoles wrote,
    `clock_ahead_seconds` returns how far the clock of an author is ahead of this one. `guard_source` is what the guard of a
    request reads, `control` what a person asks of it.

    A blocked preview comes with a PREFLIGHT step; `confirm` shows it, but its answer does not count: nothing is sent.
    Closing this generator early or cancelling its task is safe: before the write nothing happens, after it the journal
    records the outcome as unknown.
    """
    action_run = _ActionRun(
        request,
        settings=settings,
        reader=reader,
        writer=writer,
        journal=journal,
        journal_fault=journal_fault,
        confirm=confirm,
        clock=clock,
        fetch_journal=fetch_journal,
        clock_ahead_seconds=clock_ahead_seconds,
        guard_source=guard_source,
        control=control or GuardControl(),
    )
    async with aclosing(action_run.steps()) as steps:
        async for step in steps:
            yield step


@dataclass(slots=True)
class _Effect:
    """What the verification has reported so far."""

    last: str = ""
    done: bool | None = None
    undone_by: str = ""
    takes_long: bool = False
    expects_recovery: bool = True
    fault: Fault | None = None

    def ingest(self, report: Progress) -> bool:
        """Whether its text is new."""
        new, self.last, self.fault = report.text != self.last, report.text, None
        self.done, self.undone_by, self.takes_long = report.done, report.undone_by, report.takes_long
        self.expects_recovery = report.expects_recovery
        return new

    def fail(self, fault: Fault) -> bool:
        """Whether its text is new."""
        new, self.last, self.fault = fault.sentence() != self.last, fault.sentence(), fault
        return new

    def verdict(self, limit_seconds: float) -> tuple[Outcome, str]:
        """Of a change that is not known to have taken effect."""
        if self.undone_by:
            return Outcome.UNDONE, f"undone by {self.undone_by}: {self.last}"
        if self.done is False:
            return Outcome.FAILED, f"failed: {self.last}"
        seen = f"last seen: {self.last or 'nothing'}"
        if self.fault is not None:
            return Outcome.UNKNOWN, f"unknown: sent, but its result could not be checked; {seen}"
        outcome = Outcome.UNKNOWN if self.takes_long else Outcome.FAILED
        return outcome, f"{outcome}: not done after {format_duration(limit_seconds)}; {seen}"


class _ActionRun:
    """One run: its clock, its identity, and how far it got."""

    def __init__(
        self,
        request: Request,
        *,
        settings: Settings,
        reader: ClusterReader,
        writer: ChangeWriter,
        journal: Journal | None,
        journal_fault: str,
        confirm: Confirm,
        clock: Callable[[], float],
        fetch_journal: Callable[[], Awaitable[object]] | None,
        clock_ahead_seconds: Callable[[str], float],
        guard_source: GuardSource | None,
        control: GuardControl,
    ) -> None:
        self.settings = settings
        self.clock_ahead_seconds = clock_ahead_seconds
        self.fetch_journal = fetch_journal
        self.journal_before: int | None = None
        """The journal's last sequence when the first plan was made."""
        self.reader = reader
        self.writer = writer
        self.journal = journal
        self.journal_fault = journal_fault or "there is no journal"
        self.confirm = confirm
        self.clock = clock
        self.request = request
        self.started_at = clock()
        self.sent_at = self.started_at
        self.identity = uuid.uuid4().hex[:12]
        self.stage = Stage.PLAN
        self.plan: Plan | None = None
        self.target = ClusterTarget()
        self.intent_journalled = False
        self.sent = False
        self.accepted = False
        self.recovery: RecoveryWatch | None = None
        self.recovered_at: float | None = None
        self.outcome_journalled = False
        self.step = ""
        """The last step that began, of an action that takes several."""
        self.guard_source = guard_source
        self.control = control
        self.guarded: GuardedRun | None = None

    async def steps(self) -> AsyncGenerator[RunStep, None]:
        try:
            for part in (self._prepare, self._carry_out):
                async with aclosing(part()) as steps:
                    async for step in steps:
                        yield step
        except _Refused as refusal:
            text = str(refusal)
            if self.intent_journalled:
                text += await self._journal_outcome(Outcome.REFUSED, text)
            if self.guarded is not None and self.plan is not None:
                await self.guarded.end(GuardResult.NOT_MADE, text, self.plan)
            yield self._step(text, outcome=Outcome.REFUSED, fault=refusal.fault)
        finally:
            self._journal_abandoned()
            if self.guarded is not None:
                self.guarded.abandon()

    # Before anything is sent

    async def _prepare(self) -> AsyncGenerator[RunStep, None]:
        action = self._find_action()
        yield self._step(f"{action.title.lower()} {self.request.target}")
        self.journal_before = await self._last_sequence()
        self.target = await self._find_target(action)
        bound, found = self.request.bound_to, self.target.identity
        if bound is not None and (bound.cluster_uid, bound.namespace_uid) != (found.cluster_uid, found.namespace_uid):
            raise _Refused(f"{_NOTHING_SENT}this is another cluster or namespace than the one in which the change was made")
        self.guarded = self._open_guard(action)
        preview = None
        for _ in range(_MAX_PREVIEWS):
            try:
                plan, facts = await self._plan(action)
            except _Refused as refusal:
                raise await self._explain(refusal) from None
            self.plan = plan
            if preview is not None and preview.plan.digest == plan.digest:
                return
            again = preview is not None
            self.stage = Stage.PREFLIGHT
            text = "checking, nothing is sent yet"
            if again:
                text = ": ".join(filter(None, ("the cluster changed since the preview; review again", await self._meanwhile())))
            yield self._step(text)
            checks = await self._preflight(action, plan, facts)
            if self.guarded is not None:
                plan = self.plan = replace(plan, notes=(*plan.notes, *self.guarded.describe(plan)))
            preview = Preview(plan, checks, self.settings.protected, self.target.place)
            if preview.blocked:
                yield self._step("not possible at the moment", preview=preview)
                await self.confirm(preview)  # shows it; the answer does not count
                why = "; ".join(check.text for check in checks if check.level is CheckLevel.BLOCK)
                raise _Refused(f"refused, nothing was sent: {why}")
            self.stage = Stage.CONFIRM
            yield self._step(plan.title, preview=preview)
            if not await self.confirm(preview):
                await self._journal_declined(plan)
                raise _Refused("not confirmed: nothing was sent")
        raise _Refused("the cluster keeps changing: nothing was sent; try again in a moment")

    def _find_action(self) -> Action:
        action = action_named(self.request.action)
        if action is None:
            raise _Refused(f"there is no action {self.request.action!r}")
        try:
            parameters = list_parameters(action, self.request.target, self.reader)
        except ActionRefused as refusal:
            raise _Refused(f"{_NOTHING_SENT}{refusal}") from None
        known = {item.name for item in parameters}
        missing = [item.name for item in parameters if item.missing_from(self.request.parameters)]
        unknown = sorted(self.request.parameters.keys() - known)
        if missing or unknown:
            errors = [f"needs {name}" for name in missing] + [f"has no parameter {name}" for name in unknown]
            raise _Refused(f"refused, nothing was sent: {action.name} {', '.join(errors)}")
        self.request = replace(self.request, user=self.settings.user)
        return action

    def _open_guard(self, action: Action) -> GuardedRun | None:
        if self.request.guard is None:
            return None
        if self.guard_source is None:
            raise _Refused(f"{_NOTHING_SENT}this console reads no signals that a guard could watch")
        try:
            return GuardedRun(
                self.identity,
                action,
                self.request.guard,
                self.guard_source,
                settings=self.settings,
                reader=self.reader,
                append=lambda payload: self._require_journal().append(self._event(payload)),
                append_to=lambda subject, payload: self._require_journal().append(self._event(payload, subject)),
                fence=GuardFence(self.identity, self.journal, self.guard_source),
                run_undo=lambda request, confirm: self._run(replace(request, bound_to=self.target.identity), confirm),
                send=self._run,
                control=self.control,
                clock=self.clock,
            )
        except ActionRefused as refusal:
            raise _Refused(f"{_NOTHING_SENT}{refusal}") from None

    def _run(self, request: Request, confirm: Confirm) -> AsyncGenerator[RunStep, None]:
        """What the guard does: a run of its own, which follows the same stages through the same writer."""
        return run(
            request,
            settings=self.settings,
            reader=self.reader,
            writer=self.writer,
            journal=self.journal,
            journal_fault=self.journal_fault,
            confirm=confirm,
            clock=self.clock,
            fetch_journal=self.fetch_journal,
            clock_ahead_seconds=self.clock_ahead_seconds,
        )

    async def _plan(self, action: Action) -> tuple[Plan, Any]:
        try:
            facts = await action.fetch_facts(self.request, self.reader)
            return action.plan(self.request, facts, self.clock()), facts
        except (ActionRefused, InvalidTime) as refusal:
            raise _Refused(f"refused, nothing was sent: {refusal}") from None
        except SourceError as error:
            raise _Refused(f"refused, nothing was sent: {error}", error.fault) from None

    async def _explain(self, refusal: _Refused) -> _Refused:
        """With what another console did to the target since this run began, where that is why."""
        meanwhile = await self._meanwhile()
        if not meanwhile:
            return refusal
        return _Refused(f"{_NOTHING_SENT}{meanwhile}; {str(refusal).removeprefix(_NOTHING_SENT)}", refusal.fault)

    async def _meanwhile(self) -> str:
        """`bob@vm: Roll back deployment/x, image 1.9.0 → 1.8.2, 1s ago: …`; empty where nobody else did anything."""
        journal, before = self.journal, self.journal_before
        if journal is None or before is None:
            return ""
        try:
            if self.fetch_journal is not None:
                await self.fetch_journal()
            events = await asyncio.to_thread(journal.events, after=before, kinds=_ACTION_KINDS)
        except JournalError:
            return ""
        target = self.request.target
        others = [event for event in events if event.subject != self.identity and event.data.get("target") == target]
        if not others:
            return ""
        seconds = self.clock() - others[-1].at + self.clock_ahead_seconds(others[-1].author)
        return describe_action(others, format_span(seconds))

    async def _last_sequence(self) -> int | None:
        try:
            return await asyncio.to_thread(self.journal.last_sequence) if self.journal is not None else None
        except JournalError:
            return None  # the preflight names what is wrong with it

    async def _preflight(self, action: Action, plan: Plan, facts: Any) -> tuple[PreflightCheck, ...]:
        in_cluster = changes_cluster(action, self.request, self.settings)
        place = await check_alert_place(self.request, self.settings, self.reader) if in_cluster else ()
        console = await check_console(action, self.request, self.settings, self.journal, journal_error=self.journal_fault)
        try:
            own = await action.preflight(plan, facts, self.reader, self.writer)
            gates = await self.guarded.check(plan, self.target) if self.guarded is not None else ()
        except SourceError as error:
            raise _Refused(f"refused, nothing was sent: {error}", error.fault) from None
        identity = check_identity(self.target) if in_cluster else ()
        if self.guarded is None and isinstance(action, Guardable):
            gates = check_freezes(self.settings.freezes, self.request.overrule, now=self.clock(), guarded=False)
        return (*own, *check_reconcilers(plan, self.settings), *place, *identity, *console, *gates)

    async def _find_target(self, action: Action) -> ClusterTarget:
        """The cluster that a change would reach, and the identity that its server sees."""
        cluster = self.settings.kubernetes
        if cluster is None or not changes_cluster(action, self.request, self.settings):
            return ClusterTarget()
        try:
            identity = await self.writer.cluster_identity()
        except SourceError as error:
            raise _Refused(f"refused, nothing was sent: {error}", error.fault) from None
        return ClusterTarget(cluster.sentence(), cluster.place.server if cluster.place else "", identity)

    async def _check_target(self, action: Action) -> None:
        """Raises _Refused if the address or the credentials now lead to another cluster or identity than in the preview."""
        if await self._find_target(action) != self.target:
            raise _Refused("refused, nothing was sent: the cluster or the identity differs from the preview; review again")

    async def _journal_declined(self, plan: Plan) -> None:
        event = self._event(declined_payload(plan, self.target))
        try:
            await asyncio.to_thread(self._require_journal().append, event)
        except JournalError:
            return  # nothing happened, so nothing has to be on record

    # From the intent on

    async def _carry_out(self) -> AsyncGenerator[RunStep, None]:
        plan, action = self._require_plan(), self._find_action()
        trigger = Trigger(self.request if action.expects_recovery else Request(action.name, ""), self.settings)
        before = await trigger.probe(self.reader) if trigger else RecoveryProbe()
        self.stage = Stage.INTENT
        intent = self._event(intent_payload(plan, self.target))
        try:
            event = await asyncio.to_thread(self._require_journal().append, intent)
        except JournalError as error:
            raise _Refused(f"refused, nothing was sent: no write without its journal entry: {error}") from None
        self.intent_journalled = True
        yield self._step(f"intent journalled as #{event.sequence}")
        await self._start_guard(plan)
        self.stage = Stage.EXECUTE
        plan = await self._replan(action, plan)
        carry_out = self._carry_out_steps if isinstance(action, StepAction) else self._send
        async with aclosing(carry_out(action, plan, trigger, before)) as steps:
            async for step in steps:
                yield step

    async def _send(self, action: Action, plan: Plan, trigger: Trigger, before: RecoveryProbe) -> AsyncGenerator[RunStep, None]:
        yield self._step(f"sending: {plan.command}")
        fault = None
        self.sent = True
        self.sent_at = self.clock()
        try:
            plan = replace(plan, written=await action.execute(plan, self.writer))
        except PermissionError as error:
            self.sent = False
            raise _Refused(f"refused: {error}") from None
        except (ActionRefused, InvalidTime) as refusal:
            self.sent = False
            raise _Refused(f"refused, nothing was sent: {refusal}") from None
        except SourceError as error:
            fault = error.fault
        if fault is None:
            yield self._step("accepted by the server")
        elif was_never_sent(fault):
            self.sent = False
            raise _Refused(f"nothing was sent: {fault.sentence()}", fault)
        else:
            if not is_rejected(fault):
                yield self._step(f"no response ({fault.sentence()}); checking whether the change took effect")
            end, plan = await self._find_effect(action, plan, fault)
            if end is not None:
                async for step in self._conclude(*end):
                    yield step
                return
            yield self._step("change confirmed")
        self.accepted = True
        if self.guarded is not None:
            await self.guarded.on_accepted(plan)
        async for step in self._verify(action, plan, trigger, before):
            yield step

    async def _find_effect(self, action: Action, plan: Plan, fault: Fault) -> tuple[tuple[Outcome, str, Fault] | None, Plan]:
        """What a failed write changed: the outcome if that ends the run, and the plan with what the server chose."""
        if is_rejected(fault):
            why = "; ".join(filter(None, (describe_rejection(fault), await self._meanwhile())))
            return (Outcome.FAILED, f"failed, nothing was changed: {why}", fault), plan
        applied = await self._check_applied(action, plan)
        if applied.plan is not None:
            return None, applied.plan
        text = f"{fault.sentence()}; {applied.text}"
        if applied.unchanged:
            return (Outcome.FAILED, f"failed, nothing was changed: {text}", fault), plan
        return (Outcome.UNKNOWN, f"unknown: {text}", fault), plan

    async def _carry_out_steps(
        self, action: Action, plan: Plan, trigger: Trigger, before: RecoveryProbe
    ) -> AsyncGenerator[RunStep, None]:
        """The same stages for an action that takes several steps; each is journalled before it begins."""
        if not isinstance(action, StepAction):
            raise TypeError(f"{action.name} does not take several steps")
        self.sent_at = self.clock()
        end = StepReport("", "unknown: the action ended without an outcome", outcome=Outcome.UNKNOWN)
        try:
            async with aclosing(action.carry_out(plan, self.reader, self.writer)) as reports:
                async for report in reports:
                    self.stage = report.stage
                    if report.outcome is not None:
                        end = report
                        break
                    if report.done is None:
                        self.sent, self.step = True, report.text
                    yield self._step(report.text + await self._journal_step(plan, report))
        except (PermissionError, ActionRefused, InvalidTime) as refusal:
            if self.sent:
                raise
            raise _Refused(f"{_NOTHING_SENT}{refusal}") from None
        self.accepted = end.outcome is Outcome.DONE
        if end.outcome is Outcome.DONE:
            if self.guarded is not None:
                await self.guarded.on_accepted(plan)
            recovery = RecoveryWatch(action, plan, trigger, before, end.text, settings=self.settings)
            async for step in self._watch(recovery, time.monotonic() + self.settings.verify_timeout_seconds):
                yield step
        else:
            async for step in self._conclude(end.outcome or Outcome.UNKNOWN, end.text):
                yield step

    async def _journal_step(self, plan: Plan, report: StepReport) -> str:
        """Why the step could not be journalled; it is carried out all the same, because the intent names all of them."""
        event = self._event(step_payload(plan, report))
        try:
            await asyncio.to_thread(self._require_journal().append, event)
        except JournalError as error:
            return f" (this step could not be journalled: {error})"
        return ""

    async def _replan(self, action: Action, confirmed: Plan) -> Plan:
        """The same plan with a current precondition: during a rollout the object changes several times a second."""
        try:
            plan, _ = await self._plan(action)
            await self._check_target(action)
            if plan.digest != confirmed.digest:
                raise _Refused("refused, nothing was sent: the cluster changed while the intent was journalled; review again")
        except _Refused as refusal:
            raise await self._explain(refusal) from None
        self.plan = plan
        return plan

    async def _check_applied(self, action: Action, plan: Plan) -> AppliedCheck:
        """Reads again until the change is seen or further reads cannot show more."""
        deadline = time.monotonic() + APPLIED_SECONDS
        while True:
            try:
                applied = await action.check_applied(plan, self.reader)
            except SourceError as error:
                applied = AppliedCheck(text=f"could not check: {error}")
            if applied.plan is not None or applied.final:
                return applied
            if time.monotonic() > deadline:
                return AppliedCheck(text=f"{applied.text} {format_duration(APPLIED_SECONDS)} later; it may still arrive")
            await asyncio.sleep(2 * self.settings.verify_poll_seconds)

    async def _verify(
        self, action: Action, plan: Plan, trigger: Trigger, before: RecoveryProbe
    ) -> AsyncGenerator[RunStep, None]:
        self.stage = Stage.VERIFY
        limit = self.settings.verify_timeout_seconds
        deadline = time.monotonic() + limit
        effect = _Effect()
        async for step in self._await_effect(action, plan, effect, deadline):
            yield step
        if effect.done:
            trigger = trigger if effect.expects_recovery else Trigger(Request(action.name, ""), self.settings)
            recovery = RecoveryWatch(action, plan, trigger, before, effect.last, settings=self.settings)
            async for step in self._watch(recovery, deadline):
                yield step
            return
        outcome, text = (Outcome.UNKNOWN, self._why_stopped(effect.last)) if self._is_worse() else effect.verdict(limit)
        async for step in self._conclude(outcome, text, effect.fault):
            yield step

    async def _await_effect(
        self, action: Action, plan: Plan, effect: _Effect, deadline: float
    ) -> AsyncGenerator[RunStep, None]:
        """Reports until the change took effect or cannot, until the deadline, or until its guard says that it is worse."""
        while effect.done is None and not self._is_worse() and time.monotonic() < deadline:
            try:
                async with asyncio.timeout(max(0.1, deadline - time.monotonic())):
                    async with aclosing(action.verify(plan, self.reader)) as reports:
                        async for report in reports:
                            if effect.ingest(report):
                                yield self._step(effect.last)
                            if effect.done is not None:
                                break
                            if verdict := await self._observe_guard():
                                yield verdict
                            if self._is_worse():
                                break
                            await asyncio.sleep(self.settings.verify_poll_seconds)
            except SourceError as error:
                if effect.fail(error.fault):
                    yield self._step(f"cannot check: {effect.last}")
                await asyncio.sleep(2 * self.settings.verify_poll_seconds)
            except TimeoutError:
                return

    async def _watch(self, recovery: RecoveryWatch, deadline: float) -> AsyncGenerator[RunStep, None]:
        """The action is done; watch whether it stays so, and whether the panel and the alert behind it recover."""
        self.recovery, done_in, last = recovery, self._elapsed(), ""
        deadline = max(deadline, time.monotonic() + recovery.settle_seconds)
        while not recovery.finished:
            recovered = recovery.recovered
            await recovery.check(self.reader)
            if recovery.was_unhealthy and recovery.recovered and self.recovered_at is None:
                self.recovered_at = self.clock()
            if not recovered:
                done_in = self._elapsed()
            if recovery.finished or (recovery.settled and time.monotonic() > deadline):
                break
            if recovery.text != last:
                last = recovery.text
                yield self._step(last)
            if verdict := await self._observe_guard():
                yield verdict
            if self._is_worse():
                async for step in self._conclude(Outcome.UNKNOWN, self._why_stopped(last)):
                    yield step
                return
            await asyncio.sleep(2 * self.settings.verify_poll_seconds)
        outcome, text = recovery.verdict(done_in)
        if recovery.undone is not None:
            outcome = Outcome.UNDONE
            text = f"undone by {recovery.undone.undone_by} within {self._elapsed()}: {recovery.undone.text}"
        async for step in self._conclude(outcome, text):
            yield step

    # The guard

    async def _start_guard(self, plan: Plan) -> None:
        if self.guarded is None:
            return
        self.stage = Stage.GUARD
        try:
            await self.guarded.start(plan, self.target)
        except (SourceError, ActionRefused, JournalError) as error:
            raise _Refused(f"{_NOTHING_SENT}{error}", error.fault if isinstance(error, SourceError) else None) from None

    async def _observe_guard(self) -> RunStep | None:
        """The guard's verdict, if one is due."""
        guard = self.guarded.guard if self.guarded is not None else None
        text = await guard.observe_if_due() if guard is not None else ""
        return replace(self._step(text), guard=guard.status()) if guard is not None and text else None

    def _is_worse(self) -> bool:
        return self.guarded is not None and self.guarded.guard is not None and self.guarded.guard.is_worse

    def _why_stopped(self, last: str) -> str:
        """The outcome of a change whose signals are worse before it is complete: nobody waits for its end."""
        guard = self.guarded.guard if self.guarded is not None else None
        why = guard.verdict_text if guard is not None else ""
        return f"unknown: its guard does not wait for the end ({last}): {why}"

    async def _conclude(self, outcome: Outcome, text: str, fault: Fault | None = None) -> AsyncGenerator[RunStep, None]:
        """Journals how the change ended; a guard watches on, or takes back what did not complete."""
        end = await self._finish(outcome, text, fault)
        guarded = self.guarded
        if guarded is None or guarded.guard is None or outcome is Outcome.UNDONE:
            if guarded is not None and outcome in _UNWATCHED:
                # An action of several steps that failed in a later one did change something.
                result = GuardResult.FAILED if outcome is Outcome.FAILED and self.step else _UNWATCHED[outcome]
                end = replace(end, text=end.text + await guarded.end(result, text, self._require_plan()))
            yield end
            return
        yield replace(end, outcome=None)
        self.stage = Stage.GUARD
        async with aclosing(guarded.watch(text if outcome is Outcome.FAILED else "")) as reports:
            async for report in reports:
                yield replace(self._step(report.text, outcome=report.outcome), guard=report.status)

    # The journal

    def _require_journal(self) -> Journal:
        if self.journal is None:
            raise JournalError(self.journal_fault)
        return self.journal

    def _require_plan(self) -> Plan:
        if self.plan is None:
            raise _Refused("there is no plan")
        return self.plan

    def _event(self, payload: Payload, subject: str = "") -> Event:
        author, environment = self.settings.user, self.settings.environment
        return create_event(payload, at=self.clock(), subject=subject or self.identity, author=author, environment=environment)

    async def _finish(self, outcome: Outcome, text: str, fault: Fault | None = None) -> RunStep:
        error = await self._journal_outcome(outcome, text)
        self.stage = Stage.OUTCOME
        return self._step(text + error, outcome=outcome, fault=fault)

    async def _journal_outcome(self, outcome: Outcome, text: str) -> str:
        self.outcome_journalled = True
        event = self._outcome_event(outcome, text)
        try:
            await asyncio.to_thread(self._require_journal().append, event)
        except JournalError as error:
            return f" (this outcome could not be journalled: {error})"
        return ""

    def _outcome_event(self, outcome: Outcome, text: str) -> Event:
        elapsed, rolled_out = self.clock() - self.started_at, self.recovery is not None
        return self._event(
            outcome_payload(
                self._require_plan(), self.target, outcome, text, elapsed, accepted=self.accepted, rolled_out=rolled_out
            ),
        )

    def _journal_abandoned(self) -> None:
        """The caller stopped listening: journal what is unknown as unknown, without waiting for anything."""
        if not self.intent_journalled or self.outcome_journalled:
            return
        self.outcome_journalled = True
        outcome = Outcome.UNKNOWN if self.sent else Outcome.REFUSED
        text = "unknown: the console exited before it was verified" if self.sent else "the console exited; nothing was sent"
        if self.step:
            text = f"unknown: the console exited; the last step that began: {self.step}"
        if self.recovery is not None:
            text = self.recovery.left_early
        event = self._outcome_event(outcome, text)
        try:
            self._require_journal().append(event)
        except JournalError:
            return  # the console names the intent without outcome at its next start

    def _elapsed(self) -> str:
        """Since it was sent: how long a person read the preview is not part of it."""
        return format_span(self.clock() - self.sent_at)

    def _step(
        self, text: str, *, preview: Preview | None = None, outcome: Outcome | None = None, fault: Fault | None = None
    ) -> RunStep:
        now = self.clock()
        elapsed = max(0.0, now - self.started_at)
        return RunStep(self.stage, text, now, elapsed, preview, outcome, self.identity, fault, recovered_at=self.recovered_at)
