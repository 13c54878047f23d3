"""The one order of an action's stages: plan, preflight, confirm, journal intent, execute, verify, journal outcome."""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from typing import Any

from console.actions.action import Action, ChangeWriter, ClusterReader, Guardable, StepAction, WriteAction
from console.actions.guard.fence import GuardFence
from console.actions.guard.gates import check_freezes
from console.actions.guard.guard import GuardControl
from console.actions.guard.model import GuardResult
from console.actions.guard.run import GuardedRun
from console.actions.guard.source import GuardSource
from console.actions.journal_payload import intent_payload, outcome_payload, step_payload
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
from console.actions.preflight import (
    changes_cluster,
    check_alert_place,
    check_console,
    check_identity,
    check_reconcilers,
    find_target,
)
from console.actions.recovery import RecoveryProbe, Trigger
from console.actions.registry import find_action
from console.actions.run_effect import Verification, find_applied
from console.actions.run_journal import RunJournal
from console.config.settings import Settings
from console.journal.errors import JournalError
from console.journal.payloads import Payload
from console.journal.sqlite import Journal
from queries.errors import SourceError
from queries.model.fault import Fault, describe_rejection, is_rejected, was_never_sent
from queries.model.frozen import dataclass
from queries.text.times import InvalidTime

_MAX_PREVIEWS = 5
_UNWATCHED = {
    Outcome.UNDONE: GuardResult.CHANGED,
    Outcome.FAILED: GuardResult.NOT_MADE,
    Outcome.ROLLED_BACK: GuardResult.ROLLED_BACK,
    Outcome.ROLLBACK_FAILED: GuardResult.ROLLBACK_FAILED,
}
"""How a guard ends whose change ended before there was anything to watch."""
Confirm = Callable[[Preview], Awaitable[bool]]


class _Refused(Exception):
    """The run ends before anything was sent, for this reason; its text is the outcome's."""

    def __init__(self, reason: str, fault: Fault | None = None, *, prefix: str = "refused, nothing was sent: ") -> None:
        super().__init__(prefix + reason)
        self.reason = reason
        self.fault = fault


@dataclass(frozen=True, slots=True)
class RunContext:
    """What the runs of one console share.

    `journal_fault` says why there is no journal. `fetch_journal` reads what other consoles wrote, `clock_ahead_seconds` returns
    how far the clock of an author's console is ahead of this one. `guard_source` is what a guard reads; None where none can
    watch.
    """

    settings: Settings
    reader: ClusterReader
    writer: ChangeWriter
    journal: Journal | None
    journal_fault: str = ""
    clock: Callable[[], float] = time.time
    fetch_journal: Callable[[], Awaitable[object]] | None = None
    clock_ahead_seconds: Callable[[str, str], float] = lambda author, console: 0.0
    guard_source: GuardSource | None = None


async def run(
    request: Request, context: RunContext, confirm: Confirm, *, control: GuardControl | None = None
) -> AsyncGenerator[RunStep, None]:
    """Runs one action and reports each step; only the last one has an outcome. `control` is what a person asks of the guard.

    A blocked preview comes with a PREFLIGHT step; `confirm` shows it, but its answer does not count: nothing is sent.
    Closing this generator early or cancelling its task is safe: before the write nothing happens, after it the journal
    records the outcome as unknown.
    """
    async with aclosing(_ActionRun(request, context, confirm, control or GuardControl()).steps()) as steps:
        async for step in steps:
            yield step


class _ActionRun:
    """One run: its clock, its identity, and how far it got."""

    def __init__(self, request: Request, context: RunContext, confirm: Confirm, control: GuardControl) -> None:
        self.context = context
        self.settings = context.settings
        self.reader = context.reader
        self.writer = context.writer
        self.clock = context.clock
        self.confirm = confirm
        self.control = control
        self.request = replace(request, user=self.settings.user)
        self.started_at = self.clock()
        self.sent_at = self.started_at
        self.identity = uuid.uuid4().hex[:12]
        self.journal = RunJournal(
            context.journal,
            self.identity,
            error=context.journal_fault,
            settings=self.settings,
            clock=self.clock,
            fetch=context.fetch_journal,
            clock_ahead_seconds=context.clock_ahead_seconds,
        )
        self.stage = Stage.PLAN
        self.plan: Plan | None = None
        self.target = ClusterTarget()
        self.intent_journalled = False
        self.sent = False
        self.accepted = False
        self.verification: Verification | None = None
        self.outcome_journalled = False
        self.step = ""
        """The last step that began, of an action that takes several."""
        self.guarded: GuardedRun | None = None

    async def steps(self) -> AsyncGenerator[RunStep, None]:
        try:
            action = self._find_action()
            for part in (self._prepare, self._carry_out):
                async with aclosing(part(action)) as steps:
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

    async def _prepare(self, action: Action) -> AsyncGenerator[RunStep, None]:
        yield self._step(f"{action.title.lower()} {self.request.target}")
        await self.journal.begin()
        self.target = await self._find_target(action)
        bound, found = self.request.bound_to, self.target.identity
        if bound is not None and (bound.cluster_uid, bound.namespace_uid) != (found.cluster_uid, found.namespace_uid):
            raise _Refused("this is another cluster or namespace than the one in which the change was made")
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
                text = ": ".join(
                    filter(
                        None,
                        (
                            "the cluster changed since the preview; review again",
                            await self._meanwhile(),
                        ),
                    )
                )
            yield self._step(text)
            checks = await self._preflight(action, plan, facts)
            if self.guarded is not None:
                plan = self.plan = replace(plan, notes=(*plan.notes, *self.guarded.describe(plan)))
            preview = Preview(plan, checks, self.settings.protected, self.target.place)
            if preview.blocked:
                yield self._step("not possible at the moment", preview=preview)
                await self.confirm(preview)  # shows it; the answer does not count
                why = "; ".join(check.text for check in checks if check.level is CheckLevel.BLOCK)
                raise _Refused(why)
            self.stage = Stage.CONFIRM
            yield self._step(plan.title, preview=preview)
            if not await self.confirm(preview):
                await self.journal.write_declined(plan, self.target)
                raise _Refused("not confirmed: nothing was sent", prefix="")
        raise _Refused("the cluster keeps changing: nothing was sent; try again in a moment", prefix="")

    def _find_action(self) -> Action:
        try:
            return find_action(self.request, self.reader)
        except ActionRefused as refusal:
            raise _Refused(str(refusal), prefix="") from None

    def _open_guard(self, action: Action) -> GuardedRun | None:
        if self.request.guard is None:
            return None
        if self.context.guard_source is None:
            raise _Refused("this console reads no signals that a guard could watch")
        try:
            return GuardedRun(
                self.identity,
                action,
                self.request.guard,
                self.context.guard_source,
                settings=self.settings,
                reader=self.reader,
                append=self.journal.append,
                append_to=lambda subject, payload: self.journal.append(payload, subject),
                fence=GuardFence(self.identity, self.journal.journal, self.context.guard_source),
                run_undo=lambda request, confirm: self._run(replace(request, bound_to=self.target.identity), confirm),
                send=self._run,
                control=self.control,
                clock=self.clock,
            )
        except ActionRefused as refusal:
            raise _Refused(str(refusal)) from None

    def _run(self, request: Request, confirm: Confirm) -> AsyncGenerator[RunStep, None]:
        """What the guard does: a run of its own, which follows the same stages through the same writer."""
        return run(request, replace(self.context, guard_source=None), confirm)

    async def _plan(self, action: Action) -> tuple[Plan, Any]:
        try:
            facts = await action.fetch_facts(self.request, self.reader)
            return action.plan(self.request, facts, self.clock()), facts
        except (ActionRefused, InvalidTime) as refusal:
            raise _Refused(str(refusal)) from None
        except SourceError as error:
            raise _Refused(str(error), error.fault) from None

    async def _explain(self, refusal: _Refused) -> _Refused:
        """The refusal together with what another console did to the target since this run began."""
        meanwhile = await self._meanwhile()
        return _Refused(f"{meanwhile}; {refusal.reason}", refusal.fault) if meanwhile else refusal

    async def _meanwhile(self) -> str:
        return await self.journal.describe_meanwhile(self.request.target)

    async def _preflight(self, action: Action, plan: Plan, facts: Any) -> tuple[PreflightCheck, ...]:
        in_cluster = changes_cluster(action, self.request, self.settings)
        place = await check_alert_place(self.request, self.settings, self.reader) if in_cluster else ()
        console = await check_console(
            action, self.request, self.settings, self.journal.journal, journal_error=self.journal.error
        )
        try:
            own = await action.preflight(plan, facts, self.reader, self.writer)
            gates = await self.guarded.check(plan, self.target) if self.guarded is not None else ()
        except SourceError as error:
            raise _Refused(str(error), error.fault) from None
        identity = check_identity(self.target) if in_cluster else ()
        if self.guarded is None and isinstance(action, Guardable):
            gates = check_freezes(self.settings.freezes, self.request.overrule, now=self.clock(), guarded=False)
        return (*own, *check_reconcilers(plan, self.settings), *place, *identity, *console, *gates)

    def _confirmed_plan(self) -> Plan:
        """Only for what follows the preview: nothing else reaches it."""
        if self.plan is None:
            raise RuntimeError("the run has no plan before its preview")
        return self.plan

    async def _find_target(self, action: Action) -> ClusterTarget:
        """The cluster that a change would reach, and the identity that its server sees."""
        try:
            return await find_target(action, self.request, self.settings, self.writer)
        except SourceError as error:
            raise _Refused(str(error), error.fault) from None

    async def _check_target(self, action: Action) -> None:
        """Raises _Refused if the address or the credentials now lead to another cluster or identity than in the preview."""
        if await self._find_target(action) != self.target:
            raise _Refused("the cluster or the identity differs from the preview; review again")

    # From the intent on

    async def _carry_out(self, action: Action) -> AsyncGenerator[RunStep, None]:
        plan = self._confirmed_plan()
        trigger = Trigger(self.request if action.expects_recovery else Request(action.name, ""), self.settings)
        before = await trigger.probe(self.reader) if trigger else RecoveryProbe()
        self.stage = Stage.INTENT
        try:
            event = await self.journal.write(intent_payload(plan, self.target))
        except JournalError as error:
            raise _Refused(f"no write without its journal entry: {error}") from None
        self.intent_journalled = True
        yield self._step(f"intent journalled as #{event.sequence}")
        await self._start_guard(plan)
        self.stage = Stage.EXECUTE
        plan = await self._replan(action, plan)
        if isinstance(action, StepAction):
            parts = self._carry_out_steps(action, plan, trigger, before)
        elif isinstance(action, WriteAction):
            parts = self._send(action, plan, trigger, before)
        else:
            raise TypeError(f"{action.name} has no way to be carried out")
        async with aclosing(parts) as steps:
            async for step in steps:
                yield step

    async def _send(
        self, action: WriteAction, plan: Plan, trigger: Trigger, before: RecoveryProbe
    ) -> AsyncGenerator[RunStep, None]:
        yield self._step(f"sending: {plan.command}")
        fault = None
        self.sent = True
        self.sent_at = self.clock()
        try:
            plan = replace(plan, written=await action.execute(plan, self.writer))
        except PermissionError as error:
            self.sent = False
            raise _Refused(str(error), prefix="refused: ") from None
        except (ActionRefused, InvalidTime) as refusal:
            self.sent = False
            raise _Refused(str(refusal)) from None
        except SourceError as error:
            fault = error.fault
        if fault is None:
            yield self._step("accepted by the server")
        elif was_never_sent(fault):
            self.sent = False
            raise _Refused(fault.sentence(), fault, prefix="nothing was sent: ")
        else:
            if not is_rejected(fault):
                yield self._step(f"no response ({fault.sentence()}); checking whether the change took effect")
            end, plan = await self._find_effect(action, plan, fault)
            if end is not None:
                async with aclosing(self._conclude(*end)) as steps:
                    async for step in steps:
                        yield step
                return
            yield self._step("change confirmed")
        verification = await self._accept(action, plan, trigger, before)
        self.stage = Stage.VERIFY
        async with aclosing(self._verify(verification, verification.watch_effect(action))) as steps:
            async for step in steps:
                yield step

    async def _find_effect(
        self, action: WriteAction, plan: Plan, fault: Fault
    ) -> tuple[tuple[Outcome, str, Fault] | None, Plan]:
        """What a failed write changed: the outcome if that ends the run, and the plan with what the server chose."""
        if is_rejected(fault):
            why = "; ".join(filter(None, (describe_rejection(fault), await self._meanwhile())))
            return (Outcome.FAILED, f"failed, nothing was changed: {why}", fault), plan
        pause = 2 * self.settings.verify_poll_seconds
        applied = await find_applied(partial(action.check_applied, plan, self.reader), pause_seconds=pause)
        if applied.plan is not None:
            return None, applied.plan
        text = f"{fault.sentence()}; {applied.text}"
        if applied.unchanged:
            return (Outcome.FAILED, f"failed, nothing was changed: {text}", fault), plan
        return (Outcome.UNKNOWN, f"unknown: {text}", fault), plan

    async def _carry_out_steps(
        self, action: StepAction, plan: Plan, trigger: Trigger, before: RecoveryProbe
    ) -> AsyncGenerator[RunStep, None]:
        """The same stages for an action that takes several steps; each is journalled before it begins."""
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
            raise _Refused(str(refusal)) from None
        if end.outcome is Outcome.DONE:
            verification = await self._accept(action, plan, trigger, before)
            parts = self._verify(verification, verification.watch_recovery(end.text))
        else:
            parts = self._conclude(end.outcome or Outcome.UNKNOWN, end.text)
        async with aclosing(parts) as steps:
            async for step in steps:
                yield step

    async def _journal_step(self, plan: Plan, report: StepReport) -> str:
        """Why the step could not be journalled; it is carried out all the same, because the intent names all of them."""
        try:
            await self.journal.write(step_payload(plan, report))
        except JournalError as error:
            return f" (this step could not be journalled: {error})"
        return ""

    async def _replan(self, action: Action, confirmed: Plan) -> Plan:
        """The same plan with a current precondition: during a rollout the object changes several times a second."""
        try:
            plan, _ = await self._plan(action)
            await self._check_target(action)
            if plan.digest != confirmed.digest:
                raise _Refused("the cluster changed while the intent was journalled; review again")
        except _Refused as refusal:
            raise await self._explain(refusal) from None
        self.plan = plan
        return plan

    async def _accept(self, action: Action, plan: Plan, trigger: Trigger, before: RecoveryProbe) -> Verification:
        """The change was made: a guard begins to watch it, and its verification opens."""
        self.accepted = True
        if self.guarded is not None:
            await self.guarded.on_accepted(plan)
        self.verification = Verification(
            action,
            plan,
            trigger,
            before,
            reader=self.reader,
            settings=self.settings,
            clock=self.clock,
            sent_at=self.sent_at,
            observe_guard=self._observe_guard,
            why_worse=self._why_worse,
        )
        return self.verification

    async def _verify(self, verification: Verification, reports: AsyncGenerator[str, None]) -> AsyncGenerator[RunStep, None]:
        """Shows what the verification reports, then how it ended."""
        async with aclosing(reports):
            async for text in reports:
                step = self._step(text)
                guard = self.guarded.guard if self.guarded is not None else None
                yield replace(step, guard=guard.status()) if guard is not None and text == verification.guard_text else step
        async with aclosing(self._conclude(*verification.end)) as steps:
            async for step in steps:
                yield step

    # The guard

    async def _start_guard(self, plan: Plan) -> None:
        if self.guarded is None:
            return
        self.stage = Stage.GUARD
        try:
            await self.guarded.start(plan, self.target)
        except (SourceError, ActionRefused, JournalError) as error:
            raise _Refused(str(error), error.fault if isinstance(error, SourceError) else None) from None

    async def _observe_guard(self) -> str:
        """The guard's verdict in words, if one is due."""
        guard = self.guarded.guard if self.guarded is not None else None
        return await guard.observe_if_due() if guard is not None else ""

    def _why_worse(self) -> str:
        """Why the change has to be rolled back already; empty while it has not."""
        guard = self.guarded.guard if self.guarded is not None else None
        return guard.verdict_text if guard is not None and guard.is_worse else ""

    async def _conclude(self, outcome: Outcome, text: str, fault: Fault | None = None) -> AsyncGenerator[RunStep, None]:
        """Journals how the change ended; a guard watches on, or rolls back what did not complete."""
        end = await self._finish(outcome, text, fault)
        guarded = self.guarded
        if guarded is None or guarded.guard is None or outcome is Outcome.UNDONE:
            if guarded is not None and outcome in _UNWATCHED:
                # An action of several steps that failed in a later one did change something.
                result = GuardResult.FAILED if outcome is Outcome.FAILED and self.step else _UNWATCHED[outcome]
                end = replace(end, text=end.text + await guarded.end(result, text, self._confirmed_plan()))
            yield end
            return
        yield replace(end, outcome=None)
        self.stage = Stage.GUARD
        async with aclosing(guarded.watch(text if outcome is Outcome.FAILED else "")) as reports:
            async for report in reports:
                yield replace(self._step(report.text, outcome=report.outcome), guard=report.status)

    # The journal

    async def _finish(self, outcome: Outcome, text: str, fault: Fault | None = None) -> RunStep:
        error = await self._journal_outcome(outcome, text)
        self.stage = Stage.OUTCOME
        return self._step(text + error, outcome=outcome, fault=fault)

    async def _journal_outcome(self, outcome: Outcome, text: str) -> str:
        self.outcome_journalled = True
        try:
            await self.journal.write(self._outcome(outcome, text))
        except JournalError as error:
            return f" (this outcome could not be journalled: {error})"
        return ""

    def _outcome(self, outcome: Outcome, text: str) -> Payload:
        elapsed = self.clock() - self.started_at
        rolled_out = self.verification is not None and self.verification.recovery is not None
        return outcome_payload(
            self._confirmed_plan(), self.target, outcome, text, elapsed, accepted=self.accepted, rolled_out=rolled_out
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
        if self.verification is not None and self.verification.recovery is not None:
            text = self.verification.recovery.left_early
        try:
            self.journal.append(self._outcome(outcome, text))
        except JournalError:
            return  # the console names the intent without outcome at its next start

    def _step(
        self, text: str, *, preview: Preview | None = None, outcome: Outcome | None = None, fault: Fault | None = None
    ) -> RunStep:
        now = self.clock()
        elapsed = max(0.0, now - self.started_at)
        recovered_at = self.verification.recovered_at if self.verification is not None else None
        return RunStep(self.stage, text, now, elapsed, preview, outcome, self.identity, fault, recovered_at=recovered_at)
