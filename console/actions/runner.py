"""The one order of an action's stages: plan, preflight, confirm, journal intent, execute, verify, journal outcome."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from console.actions.action import Action, AppliedCheck, ChangeWriter, ClusterReader
from console.actions.journal_payload import declined_payload, intent_payload, outcome_payload
from console.actions.plan import ActionRefused, CheckLevel, Outcome, Plan, PreflightCheck, Preview, Request, RunStep, Stage
from console.actions.preflight import changes_cluster, check_alert_place, check_console, check_reconcilers
from console.actions.recovery import RecoveryProbe, RecoveryWatch, Trigger
from console.actions.registry import action_named
from console.actions.writers import describe_rejection, is_rejected, was_never_sent
from console.config.settings import Settings
from console.journal.event import Event
from console.journal.payloads import Payload, create_event
from console.journal.sqlite import Journal, JournalError
from queries.errors import SourceError
from queries.model.fault import Fault
from queries.text.times import InvalidTime

APPLIED_SECONDS = 10.0
"""How long the runner checks whether a write whose response was lost took effect."""
POLL_SECONDS = 1.0
_MAX_PREVIEWS = 5

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
) -> AsyncGenerator[RunStep, None]:
    """Runs one action and reports each step; only the last one has an outcome.

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
    )
    async with aclosing(action_run.steps()) as steps:
        async for step in steps:
            yield step


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
    ) -> None:
        self.settings = settings
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
        self.intent_journalled = False
        self.sent = False
        self.accepted = False
        self.recovery: RecoveryWatch | None = None
        self.outcome_journalled = False

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
            yield self._step(text, outcome=Outcome.REFUSED, fault=refusal.fault)
        finally:
            self._journal_abandoned()

    # Before anything is sent

    async def _prepare(self) -> AsyncGenerator[RunStep, None]:
        action = self._find_action()
        yield self._step(f"{action.title.lower()} {self.request.target}")
        preview = None
        for _ in range(_MAX_PREVIEWS):
            plan, facts = await self._plan(action)
            self.plan = plan
            if preview is not None and preview.plan.digest == plan.digest:
                return
            again = preview is not None
            self.stage = Stage.PREFLIGHT
            yield self._step(
                "the cluster changed since the preview; review again" if again else "checking, nothing is sent yet"
            )
            checks = await self._preflight(action, plan, facts)
            preview = Preview(plan, checks, self.settings.protected, self._cluster())
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
        known = {item.name for item in action.parameters}
        missing = [item.name for item in action.parameters if item.missing_from(self.request.parameters)]
        unknown = sorted(self.request.parameters.keys() - known)
        if missing or unknown:
            errors = [f"needs {name}" for name in missing] + [f"has no parameter {name}" for name in unknown]
            raise _Refused(f"refused, nothing was sent: {action.name} {', '.join(errors)}")
        self.request = replace(self.request, user=self.settings.user)
        return action

    async def _plan(self, action: Action) -> tuple[Plan, Any]:
        try:
            facts = await action.fetch_facts(self.request, self.reader)
            return action.plan(self.request, facts, self.clock()), facts
        except (ActionRefused, InvalidTime) as refusal:
            raise _Refused(f"refused, nothing was sent: {refusal}") from None
        except SourceError as error:
            raise _Refused(f"refused, nothing was sent: {error}", error.fault) from None

    async def _preflight(self, action: Action, plan: Plan, facts: Any) -> tuple[PreflightCheck, ...]:
        place = await check_alert_place(self.request, self.settings, self.reader) if changes_cluster(action) else ()
        console = await check_console(action, self.settings, self.journal, journal_error=self.journal_fault)
        try:
            own = await action.preflight(plan, facts, self.reader, self.writer)
        except SourceError as error:
            raise _Refused(f"refused, nothing was sent: {error}", error.fault) from None
        return (*own, *check_reconcilers(plan, self.settings), *place, *console)

    def _cluster(self) -> str:
        """Where a change to a workload goes, and as whom; empty for an action that does not change the cluster."""
        cluster = self.settings.kubernetes
        return cluster.sentence() if cluster is not None and changes_cluster(action_named(self.request.action)) else ""

    async def _journal_declined(self, plan: Plan) -> None:
        event = self._event(declined_payload(plan, self._cluster()))
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
        intent = self._event(intent_payload(plan, self._cluster()))
        try:
            event = await asyncio.to_thread(self._require_journal().append, intent)
        except JournalError as error:
            raise _Refused(f"refused, nothing was sent: no write without its journal entry: {error}") from None
        self.intent_journalled = True
        yield self._step(f"intent journalled as #{event.sequence}")
        self.stage = Stage.EXECUTE
        plan = await self._replan(action, plan)
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
        elif is_rejected(fault):
            yield await self._finish(Outcome.FAILED, f"failed, nothing was changed: {describe_rejection(fault)}", fault)
            return
        else:
            yield self._step(f"no response ({fault.sentence()}); checking whether the change took effect")
            applied = await self._check_applied(action, plan)
            if applied.plan is None:
                text = f"{fault.sentence()}; {applied.text}"
                if applied.unchanged:
                    yield await self._finish(Outcome.FAILED, f"failed, nothing was changed: {text}", fault)
                else:
                    yield await self._finish(Outcome.UNKNOWN, f"unknown: {text}", fault)
                return
            plan = applied.plan
            yield self._step("change confirmed")
        self.accepted = True
        async for step in self._verify(action, plan, trigger, before):
            yield step

    async def _replan(self, action: Action, confirmed: Plan) -> Plan:
        """The same plan with a current precondition: during a rollout the object changes several times a second."""
        plan, _ = await self._plan(action)
        if plan.digest != confirmed.digest:
            raise _Refused("refused, nothing was sent: the cluster changed while the intent was journalled; review again")
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
                return AppliedCheck(text=f"{applied.text} {APPLIED_SECONDS:g} s later; it may still arrive")
            await asyncio.sleep(POLL_SECONDS)

    async def _verify(
        self, action: Action, plan: Plan, trigger: Trigger, before: RecoveryProbe
    ) -> AsyncGenerator[RunStep, None]:
        self.stage = Stage.VERIFY
        limit = self.settings.verify_timeout_seconds
        deadline = time.monotonic() + limit
        last, done, fault, undone_by = "", None, None, ""
        while done is None and time.monotonic() < deadline:
            try:
                async with asyncio.timeout(max(0.1, deadline - time.monotonic())):
                    async with aclosing(action.verify(plan, self.reader)) as reports:
                        async for report in reports:
                            fault = None
                            if report.text != last:
                                last = report.text
                                yield self._step(last)
                            done, undone_by = report.done, report.undone_by
                            if done is not None:
                                break
            except SourceError as error:
                fault = error.fault
                if fault.sentence() != last:
                    last = fault.sentence()
                    yield self._step(f"cannot check: {last}")
                await asyncio.sleep(POLL_SECONDS)
            except TimeoutError:
                break
        if done is None:
            outcome = Outcome.UNKNOWN if fault else Outcome.FAILED
            text = "unknown: sent, but its result could not be checked" if fault else f"failed: not done after {limit:g} s"
            yield await self._finish(outcome, f"{text}; last seen: {last or 'nothing'}", fault)
        elif undone_by:
            yield await self._finish(Outcome.UNDONE, f"undone by {undone_by}: {last}")
        elif not done:
            yield await self._finish(Outcome.FAILED, f"failed: {last}")
        else:
            recovery = RecoveryWatch(action, plan, trigger, before, last, settings=self.settings)
            async for step in self._watch(recovery, deadline):
                yield step

    async def _watch(self, recovery: RecoveryWatch, deadline: float) -> AsyncGenerator[RunStep, None]:
        """The action is done; watch whether it stays so, and whether the panel and the alert behind it recover."""
        self.recovery, done_in, last = recovery, self._elapsed(), ""
        deadline = max(deadline, time.monotonic() + recovery.settle_seconds)
        while not recovery.finished:
            recovered = recovery.recovered
            await recovery.check(self.reader)
            if not recovered:
                done_in = self._elapsed()
            if recovery.finished or (recovery.settled and time.monotonic() > deadline):
                break
            if recovery.text != last:
                last = recovery.text
                yield self._step(last)
            await asyncio.sleep(POLL_SECONDS)
        if recovery.undone is not None:
            text = f"undone by {recovery.undone.undone_by} within {self._elapsed()}: {recovery.undone.text}"
            yield await self._finish(Outcome.UNDONE, text)
            return
        yield await self._finish(*recovery.verdict(done_in))

    # The journal

    def _require_journal(self) -> Journal:
        if self.journal is None:
            raise JournalError(self.journal_fault)
        return self.journal

    def _require_plan(self) -> Plan:
        if self.plan is None:
            raise _Refused("there is no plan")
        return self.plan

    def _event(self, payload: Payload) -> Event:
        author, environment = self.settings.user, self.settings.environment
        return create_event(payload, at=self.clock(), subject=self.identity, author=author, environment=environment)

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
                self._require_plan(), self._cluster(), outcome, text, elapsed, accepted=self.accepted, rolled_out=rolled_out
            ),
        )

    def _journal_abandoned(self) -> None:
        """The caller stopped listening: journal what is unknown as unknown, without waiting for anything."""
        if not self.intent_journalled or self.outcome_journalled:
            return
        self.outcome_journalled = True
        outcome = Outcome.UNKNOWN if self.sent else Outcome.REFUSED
        text = "unknown: the console exited before it was verified" if self.sent else "the console exited; nothing was sent"
        if self.recovery is not None:
            text = self.recovery.left_early
        event = self._outcome_event(outcome, text)
        try:
            self._require_journal().append(event)
        except JournalError:
            return  # the console names the intent without outcome at its next start

    def _elapsed(self) -> str:
        """Since it was sent: how long a person read the preview is not part of it."""
        return f"{max(0.0, self.clock() - self.sent_at):.0f} s"

    def _step(
        self, text: str, *, preview: Preview | None = None, outcome: Outcome | None = None, fault: Fault | None = None
    ) -> RunStep:
        now = self.clock()
        return RunStep(self.stage, text, now, max(0.0, now - self.started_at), preview, outcome, self.identity, fault)
