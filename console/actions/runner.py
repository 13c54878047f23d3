"""The one order of an action's stages: plan, preflight, confirm, journal intent, execute, verify, journal outcome."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from console.actions.action import Action, ChangeWriter, ClusterReader, Landing
from console.actions.aftermath import Aftermath
from console.actions.alert_place import place_checks
from console.actions.journal_payload import declined_data, intent_data, outcome_data
from console.actions.plan import ActionRefused, CheckLevel, Outcome, Plan, PreflightCheck, Preview, Request, RunStep, Stage
from console.actions.recovery import RecoveryProbe, Trigger
from console.actions.registry import action_named
from console.actions.write_failure import never_left, reason, refused
from console.config.settings import Settings
from console.journal.event import Event
from console.journal.sqlite import INTENT, OUTCOME, Journal, JournalError
from queries.errors import SourceError
from queries.model.fault import Fault
from queries.text.times import InvalidTime

DECLINED = "action.declined"
LANDING_SECONDS = 10.0
"""How long it is looked whether a write whose answer was lost took effect."""
POLL_SECONDS = 1.0
_PREVIEWS = 5

Confirm = Callable[[Preview], Awaitable[bool]]


class _Ended(Exception):
    """The run is over before anything was sent."""

    def __init__(self, text: str, fault: Fault | None = None) -> None:
        super().__init__(text)
        self.fault = fault


async def run(
    request: Request,
    *,
    settings: Settings,
    reads: ClusterReader,
    writes: ChangeWriter,
    journal: Journal | None,
    confirm: Confirm,
    clock: Callable[[], float] = time.time,
    journal_fault: str = "",
) -> AsyncGenerator[RunStep, None]:
    """Runs one action and reports each step; exactly the last one has an outcome.

    A blocked preview comes with a PREFLIGHT step; `confirm` shows it, but is not asked: nothing is sent then.
    Leaving early (closing this generator, or a cancelled task) is safe: before the write nothing happens, after it the
    journal says that the outcome is unknown.
    """
    course = _ActionRun(
        request,
        settings=settings,
        reads=reads,
        writes=writes,
        journal=journal,
        journal_fault=journal_fault,
        confirm=confirm,
        clock=clock,
    )
    async with aclosing(course.steps()) as steps:
        async for step in steps:
            yield step


class _ActionRun:
    """One run: its clock, its identity, and how far it came."""

    def __init__(
        self,
        request: Request,
        *,
        settings: Settings,
        reads: ClusterReader,
        writes: ChangeWriter,
        journal: Journal | None,
        journal_fault: str,
        confirm: Confirm,
        clock: Callable[[], float],
    ) -> None:
        self.settings = settings
        self.reads = reads
        self.writes = writes
        self.journal = journal
        self.journal_fault = journal_fault or "there is no journal"
        self.confirm = confirm
        self.clock = clock
        self.request = request
        self.began = clock()
        self.sent_at = self.began
        self.identity = uuid.uuid4().hex[:12]
        self.stage = Stage.PLAN
        self.plan: Plan | None = None
        self.intent = False
        self.sent = False
        self.taken = False
        self.aftermath: Aftermath | None = None
        self.settled = False

    async def steps(self) -> AsyncGenerator[RunStep, None]:
        try:
            for part in (self._before, self._after):
                async with aclosing(part()) as steps:
                    async for step in steps:
                        yield step
        except _Ended as end:
            text = str(end)
            if self.intent:
                text += await self._journal_outcome(Outcome.REFUSED, text)
            yield self._step(text, outcome=Outcome.REFUSED, fault=end.fault)
        finally:
            self._left()

    # Before anything is sent

    async def _before(self) -> AsyncGenerator[RunStep, None]:
        action = self._action()
        yield self._step(f"{action.title.lower()} {self.request.target}")
        preview = None
        for _ in range(_PREVIEWS):
            plan, facts = await self._planned(action)
            self.plan = plan
            if preview is not None and preview.plan.digest == plan.digest:
                return
            again = preview is not None
            self.stage = Stage.PREFLIGHT
            yield self._step("the facts moved meanwhile: look again" if again else "checking, nothing is sent yet")
            asked = (*await self._place_checks(action), *await self._own_checks())
            checks = (*await self._checked(action, plan, facts), *self._watchers(plan), *asked)
            preview = Preview(plan, checks, self.settings.protected, self._cluster())
            if preview.blocked:
                yield self._step("it cannot be done as things are", preview=preview)
                await self.confirm(preview)  # so that it is seen; the answer does not count
                why = "; ".join(check.text for check in checks if check.level is CheckLevel.BLOCK)
                raise _Ended(f"refused, nothing was sent: {why}")
            self.stage = Stage.CONFIRM
            yield self._step(plan.title, preview=preview)
            if not await self.confirm(preview):
                await self._declined(plan)
                raise _Ended("not confirmed: nothing was sent")
        raise _Ended("the facts keep moving: nothing was sent; look again in a moment")

    def _action(self) -> Action:
        action = action_named(self.request.action)
        if action is None:
            raise _Ended(f"there is no action {self.request.action!r}")
        known = {item.name for item in action.parameters}
        missing = [item.name for item in action.parameters if item.missing_from(self.request.parameters)]
        unknown = sorted(self.request.parameters.keys() - known)
        if missing or unknown:
            words = [f"needs {name}" for name in missing] + [f"has no parameter {name}" for name in unknown]
            raise _Ended(f"refused, nothing was sent: {action.name} {', '.join(words)}")
        self.request = replace(self.request, user=self.settings.user)
        return action

    async def _planned(self, action: Action) -> tuple[Plan, Any]:
        try:
            facts = await action.facts(self.request, self.reads)
            return action.plan(self.request, facts, self.clock()), facts
        except (ActionRefused, InvalidTime) as refusal:
            raise _Ended(f"refused, nothing was sent: {refusal}") from None
        except SourceError as error:
            raise _Ended(f"refused, nothing was sent: {error}", error.fault) from None

    async def _checked(self, action: Action, plan: Plan, facts: Any) -> tuple[PreflightCheck, ...]:
        try:
            return await action.preflight(plan, facts, self.reads, self.writes)
        except SourceError as error:
            raise _Ended(f"refused, nothing was sent: {error}", error.fault) from None

    def _watchers(self, plan: Plan) -> tuple[PreflightCheck, ...]:
        """Who may take it back, and for how long that is watched."""
        found = []
        for item in plan.reconcilers:
            seconds = self.settings.settle_seconds(item.kind)
            watched = (
                f"watched for {seconds:g} s after it is done" if seconds else "its next run sets it again, change it there"
            )
            found.append(PreflightCheck(CheckLevel.WARN, f"{item.name} sets this too: {watched}", item.why))
        return tuple(found)

    async def _place_checks(self, action: Action) -> tuple[PreflightCheck, ...]:
        return await place_checks(self.request, self.settings, self.reads) if action.targets == "deployment" else ()

    async def _own_checks(self) -> tuple[PreflightCheck, ...]:
        checks = []
        try:
            await asyncio.to_thread(self._journal().probe)
            checks.append(PreflightCheck(CheckLevel.OK, "journal writable", "journal"))
        except JournalError as error:
            checks.append(PreflightCheck(CheckLevel.BLOCK, f"no write without its journal entry: {error}", "journal"))
        if self._is_placeless():
            text = (
                "which cluster this is was not known when the console began: its kubeconfig could not be read; start it again"
            )
            checks.append(PreflightCheck(CheckLevel.BLOCK, text, "place"))
        elif self._cluster() and not self.settings.cluster_named:
            origin = dict(self.settings.origins).get("kubernetes", "").partition(" (")[0]
            text = f"the environment {self.settings.environment} does not name this cluster: it is from {origin}"
            checks.append(PreflightCheck(CheckLevel.WARN, text, "place"))
        if self.settings.read_only:
            checks.append(PreflightCheck(CheckLevel.BLOCK, "read-only: nothing will be sent", "read-only"))
        return tuple(checks)

    def _cluster(self) -> str:
        """Where a change of a workload goes, and as whom; empty for what does not go to Kubernetes."""
        action, endpoint = action_named(self.request.action), self.settings.kubernetes
        if action is None or action.targets != "deployment" or endpoint is None:
            return ""
        return endpoint.sentence()

    def _is_placeless(self) -> bool:
        """Whether it would change a workload of a cluster that neither preview nor journal could name."""
        action, endpoint = action_named(self.request.action), self.settings.kubernetes
        return action is not None and action.targets == "deployment" and endpoint is not None and endpoint.place is None

    async def _declined(self, plan: Plan) -> None:
        event = self._event(DECLINED, declined_data(plan, self._cluster()))
        try:
            await asyncio.to_thread(self._journal().append, event)
        except JournalError:
            return  # nothing happened, so nothing has to be on record

    # From the intent on

    async def _after(self) -> AsyncGenerator[RunStep, None]:
        plan, action = self._fixed(), self._action()
        cause = Trigger(self.request if action.heals else Request(action.name, ""), self.settings)
        before = await cause.look(self.reads) if cause else RecoveryProbe()
        self.stage = Stage.INTENT
        try:
            event = await asyncio.to_thread(self._journal().append, self._event(INTENT, intent_data(plan, self._cluster())))
        except JournalError as error:
            raise _Ended(f"refused, nothing was sent: no write without its journal entry: {error}") from None
        self.intent = True
        yield self._step(f"the intent is journalled as #{event.sequence}")
        self.stage = Stage.EXECUTE
        plan = await self._freshest(action, plan)
        yield self._step(f"sending: {plan.command}")
        fault = None
        self.sent = True
        self.sent_at = self.clock()
        try:
            plan = replace(plan, written=await action.execute(plan, self.writes))
        except PermissionError as error:
            self.sent = False
            raise _Ended(f"refused: {error}") from None
        except (ActionRefused, InvalidTime) as refusal:
            self.sent = False
            raise _Ended(f"refused, nothing was sent: {refusal}") from None
        except SourceError as error:
            fault = error.fault
        if fault is not None:
            if never_left(fault):
                self.sent = False
                raise _Ended(f"nothing was sent: {fault.sentence()}", fault)
            if refused(fault):
                yield await self._finished(Outcome.FAILED, f"failed, nothing was changed: {reason(fault)}", fault)
                return
            yield self._step(f"no answer ({fault.sentence()}); looking whether it took effect")
            landing = await self._landed(action, plan)
            if landing.plan is None:
                text = f"{fault.sentence()}; {landing.text}"
                if landing.unchanged:
                    yield await self._finished(Outcome.FAILED, f"failed, nothing was changed: {text}", fault)
                else:
                    yield await self._finished(Outcome.UNKNOWN, f"unknown: {text}", fault)
                return
            plan = landing.plan
            yield self._step("it took effect")
        else:
            yield self._step("the server took it")
        self.taken = True
        async for step in self._verified(action, plan, cause, before):
            yield step

    async def _freshest(self, action: Action, agreed: Plan) -> Plan:
        """The plan with the precondition of this very moment: a rollout under way changes the object several times a second."""
        plan, _ = await self._planned(action)
        if plan.digest != agreed.digest:
            raise _Ended("refused, nothing was sent: the facts moved while it was journalled; look again")
        self.plan = plan
        return plan

    async def _landed(self, action: Action, plan: Plan) -> Landing:
        """Looks again and again, until it is seen or no look can show more."""
        deadline = time.monotonic() + LANDING_SECONDS
        while True:
            try:
                landing = await action.landed(plan, self.reads)
            except SourceError as error:
                landing = Landing(text=f"it cannot be looked up: {error}")
            if landing.plan is not None or landing.final:
                return landing
            if time.monotonic() > deadline:
                return Landing(text=f"{landing.text} {LANDING_SECONDS:g} s later; it may still arrive")
            await asyncio.sleep(POLL_SECONDS)

    async def _verified(
        self, action: Action, plan: Plan, cause: Trigger, before: RecoveryProbe
    ) -> AsyncGenerator[RunStep, None]:
        self.stage = Stage.VERIFY
        limit = self.settings.verify_timeout_seconds
        deadline = time.monotonic() + limit
        said, done, fault, undone_by = "", None, None, ""
        while done is None and time.monotonic() < deadline:
            try:
                async with asyncio.timeout(max(0.1, deadline - time.monotonic())):
                    async with aclosing(action.verify(plan, self.reads)) as progresses:
                        async for progress in progresses:
                            fault = None
                            if progress.text != said:
                                said = progress.text
                                yield self._step(said)
                            done, undone_by = progress.done, progress.undone_by
                            if done is not None:
                                break
            except SourceError as error:
                fault = error.fault
                if fault.sentence() != said:
                    said = fault.sentence()
                    yield self._step(f"cannot see it: {said}")
                await asyncio.sleep(POLL_SECONDS)
            except TimeoutError:
                break
        if done is None:
            outcome = Outcome.UNKNOWN if fault else Outcome.FAILED
            verb = "unknown: it was sent, but it cannot be seen how it went" if fault else f"failed: not done after {limit:g} s"
            yield await self._finished(outcome, f"{verb}; last seen: {said or 'nothing'}", fault)
        elif undone_by:
            yield await self._finished(Outcome.UNDONE, f"undone by {undone_by}: {said}")
        elif not done:
            yield await self._finished(Outcome.FAILED, f"failed: {said}")
        else:
            aftermath = Aftermath(action, plan, cause, before, said, settings=self.settings)
            async for step in self._watched(aftermath, deadline):
                yield step

    async def _watched(self, aftermath: Aftermath, deadline: float) -> AsyncGenerator[RunStep, None]:
        """The action itself is done; now whether it stays so, and whether the panel and the alert behind it follow."""
        self.aftermath, done_in, told = aftermath, self._elapsed(), ""
        deadline = max(deadline, time.monotonic() + aftermath.seconds)
        while not aftermath.over:
            recovered = aftermath.well
            await aftermath.look(self.reads)
            if not recovered:
                done_in = self._elapsed()
            if aftermath.over or (aftermath.settled and time.monotonic() > deadline):
                break
            if aftermath.text != told:
                told = aftermath.text
                yield self._step(told)
            await asyncio.sleep(POLL_SECONDS)
        if aftermath.undone is not None:
            text = f"undone by {aftermath.undone.undone_by} within {self._elapsed()}: {aftermath.undone.text}"
            yield await self._finished(Outcome.UNDONE, text)
            return
        yield await self._finished(*aftermath.verdict(done_in))

    # The journal, and leaving early

    def _journal(self) -> Journal:
        if self.journal is None:
            raise JournalError(self.journal_fault)
        return self.journal

    def _fixed(self) -> Plan:
        if self.plan is None:
            raise _Ended("there is no plan")
        return self.plan

    def _event(self, kind: str, data: dict[str, Any]) -> Event:
        return Event(self.clock(), kind, self.identity, self.settings.user, self.settings.environment, data)

    async def _finished(self, outcome: Outcome, text: str, fault: Fault | None = None) -> RunStep:
        trouble = await self._journal_outcome(outcome, text)
        self.stage = Stage.OUTCOME
        return self._step(text + trouble, outcome=outcome, fault=fault)

    async def _journal_outcome(self, outcome: Outcome, text: str) -> str:
        self.settled = True
        event = self._outcome_event(outcome, text)
        try:
            await asyncio.to_thread(self._journal().append, event)
        except JournalError as error:
            return f" (this outcome could not be journalled: {error})"
        return ""

    def _outcome_event(self, outcome: Outcome, text: str) -> Event:
        elapsed, rolled_out = self.clock() - self.began, self.aftermath is not None
        taken = self.taken
        return self._event(
            OUTCOME,
            outcome_data(self._fixed(), self._cluster(), outcome, text, elapsed, taken=taken, rolled_out=rolled_out),
        )

    def _left(self) -> None:
        """Whoever listened has gone: what is not known is journalled as unknown, without waiting for anything."""
        if not self.intent or self.settled:
            return
        self.settled = True
        outcome = Outcome.UNKNOWN if self.sent else Outcome.REFUSED
        text = "unknown: the console left before it was verified" if self.sent else "the console left; nothing was sent"
        if self.aftermath is not None:
            text = self.aftermath.left_early
        event = self._outcome_event(outcome, text)
        try:
            self._journal().append(event)
        except JournalError:
            return  # the intent without outcome is named at the next start

    def _elapsed(self) -> str:
        """Since it was sent: how long a person looked at the preview says nothing about the action."""
        return f"{max(0.0, self.clock() - self.sent_at):.0f} s"

    def _step(
        self, text: str, *, preview: Preview | None = None, outcome: Outcome | None = None, fault: Fault | None = None
    ) -> RunStep:
        now = self.clock()
        return RunStep(self.stage, text, now, max(0.0, now - self.began), preview, outcome, self.identity, fault)
