"""One run of a drill: its fault through the runner, its undo at the latest when the time is up, and the console as witness."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import replace
from enum import StrEnum
from itertools import takewhile
from typing import TYPE_CHECKING, Protocol

from console.actions.deployment_state import RESOURCES, parse_target
from console.actions.guard.checks import GuardChecks, describe_call
from console.actions.guard.guard import GuardControl
from console.actions.guard.model import GuardOptions, GuardPhase
from console.actions.guard.source import GuardSource
from console.actions.plan import ActionRefused, CheckLevel, Outcome, PreflightCheck, Preview, Request, RunStep, Stage
from console.drills.witness import (
    ACKNOWLEDGE,
    BLIND_SECONDS,
    DETECT,
    RECOVER,
    STABLE_SECONDS,
    DrillWitness,
    why_blind,
    why_unhealthy,
)
from console.journal import process
from console.journal.errors import JournalError
from console.journal.payloads import DrillEnded, DrillFault, DrillObserved, DrillStarted, DrillTime, Payload, create_event
from console.state.drills import CHANGED, GOALS, INTERRUPTED, NOT_MADE, ROLLED_BACK, UNDO_FAILED, UNKNOWN
from console.state.snapshot import Snapshot
from queries.catalogue.drills import Drill
from queries.concurrency import end_tasks
from queries.errors import SourceError
from queries.kubernetes.pod_decode import decode_pod
from queries.model.action import ActionCall
from queries.model.frozen import dataclass
from queries.text.durations import format_duration, format_span

if TYPE_CHECKING:
    from console.actions.action import ClusterReader
    from console.config.settings import Settings
    from console.journal.event import Event
    from console.journal.sqlite import Journal
    from console.state.journal_state import JournalState

HOW = "drill"
_ANSWERS_SECONDS = 15.0
"""How long a drill waits for the first answers of a console that has just started."""
_SETTLE_SECONDS = 300.0
"""How long the target is watched for its recovery after the fault is gone."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How often a drill looks at its target (seconds), for how long it is healthy once it has recovered, and how long a source
    may be silent in sum.
    """

    poll_seconds: float = 0.5
    stable_seconds: float = STABLE_SECONDS
    blind_seconds: float = BLIND_SECONDS


PACE = Pace()
_UNSEEN_SECONDS = 60.0
"""After so long without anything unhealthy the fault, which is over, had no effect."""
_RESULTS = {
    Outcome.ROLLED_BACK: ROLLED_BACK,
    Outcome.ROLLBACK_FAILED: UNDO_FAILED,
    Outcome.UNDONE: CHANGED,
    Outcome.REFUSED: NOT_MADE,
    Outcome.FAILED: NOT_MADE,
}

Confirm = Callable[[Preview], Awaitable[bool]]


class DrillSession(Protocol):
    """What a drill needs of a session that polls."""

    @property
    def settings(self) -> Settings: ...

    @property
    def journal(self) -> Journal | None: ...

    @property
    def reader(self) -> ClusterReader: ...

    @property
    def guard_source(self) -> GuardSource: ...

    def snapshot(self) -> Snapshot: ...

    def run(self, request: Request, confirm: Confirm, *, control: GuardControl | None = None) -> AsyncIterator[RunStep]: ...

    async def record(self, subject: str, payload: Payload) -> Event: ...

    async def newest_ledger(self, *, after_write: bool = False) -> tuple[JournalState, str]: ...


class DrillPhase(StrEnum):
    PREPARE = "preparing"
    FAULT = "the fault is in place"
    BACK = "rolling it back"
    RECOVERY = "watching the recovery"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class DrillStatus:
    """A drill at one moment. Times are Unix seconds, for people; None before the fault. `undo` says how it is rolled back."""

    drill: Drill
    target: str
    phase: DrillPhase
    goals: Mapping[str, float]
    times: tuple[DrillTime, ...] = ()
    undo: str = ""
    fault_at: float | None = None
    ends_at: float | None = None
    result: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class DrillStep:
    """One report; `elapsed_seconds` counts from the fault, before it from the start. Only the last one has a `result`."""

    text: str
    at: float
    elapsed_seconds: float
    status: DrillStatus
    run: RunStep | None = None

    @property
    def result(self) -> str:
        return self.status.result


class DrillRun:
    """`steps` runs it to its end; closing them early leaves what was changed to its guard, which another console takes over."""

    def __init__(
        self,
        session: DrillSession,
        drill: Drill,
        target: str,
        *,
        confirm: Confirm,
        limit_seconds: float,
        parameters: Mapping[str, str],
        pace: Pace = PACE,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._pace = pace
        self.drill = drill
        self.target = target
        self.identity = uuid.uuid4().hex[:12]
        self._session = session
        self._confirm = confirm
        self._limit = limit_seconds
        self._parameters = {**drill.parameters, **parameters}
        self._clock = clock
        self._began = time.monotonic()
        self._control = GuardControl()
        self._control.stop_undoes = True
        self._stopped = asyncio.Event()
        self._sent = asyncio.Event()
        """Set when the fault is being sent."""
        self._queue: asyncio.Queue[DrillStep | None] = asyncio.Queue()
        self._phase = DrillPhase.PREPARE
        self._witness: DrillWitness | None = None
        self._first: Preview | None = None
        self._why = ""
        self._journal_error = ""
        self._undo = drill.undo
        self._fault: float | None = None
        self._fault_at: float | None = None
        self._over: float | None = None
        """When the drill stopped to break things."""
        self._back: float | None = None
        """When its undo began."""
        self._ended_as = self._ended_text = ""
        """The result and the text of the fault's own end."""
        self._change_seen = ""
        """What somebody else did to the target instead of the undo."""
        self._result = self._text = ""
        self._open = False
        self._deleted = 0
        self._unsure = ""
        """Why it is not known whether a pod was deleted; empty while that is known of every one."""
        self._breaking: tuple[asyncio.Task[None], ...] = ()
        """The task that makes the fault, once it runs."""
        self._runs: set[asyncio.Task[None]] = set()

    @property
    def status(self) -> DrillStatus:
        return DrillStatus(
            self.drill,
            self.target,
            self._phase,
            GOALS,
            self._witness.times if self._witness is not None else (),
            self._undo,
            self._fault_at,
            None if self._fault_at is None else self._fault_at + self._limit,
            self._result,
            self._text,
        )

    @property
    def control(self) -> GuardControl:
        """What a person asks of the fault's guard."""
        return self._control

    def stop(self, who: str) -> None:
        """Roll the fault back now; before the fault nothing is sent any more."""
        self._control.stop(who)
        self._stopped.set()

    async def steps(self) -> AsyncGenerator[DrillStep, None]:
        task = asyncio.create_task(self._run(), name=f"the drill {self.drill.id}")
        try:
            while (step := await self._queue.get()) is not None:
                yield step
            await task
        finally:
            try:
                await end_tasks((task,))
                await end_tasks(self._breaking)  # in this order: `task` starts the fault, and the fault starts the runs
                await end_tasks(self._runs)
            finally:
                self._leave()

    async def _run(self) -> None:
        try:
            self._report("waiting for the sources")
            await self._wait_for_answers()
            work = self._break_pods() if self.drill.pods else self._change()
            fault = asyncio.create_task(work, name="the fault of the drill")
            self._breaking = (fault,)
            await self._watch(fault)
            await fault
            await self._end()
        finally:
            self._queue.put_nowait(None)

    async def _wait_for_answers(self) -> None:
        ends = time.monotonic() + _ANSWERS_SECONDS
        while time.monotonic() < ends:
            if not why_blind(self._session.snapshot(), self.target):
                return
            await asyncio.sleep(self._pace.poll_seconds)

    # The fault

    async def _change(self) -> None:
        """A change that its guard rolls back when the time is up."""
        guard = GuardOptions(watch_seconds=self._limit, signals=(), countdown_seconds=0.0, drill=self.drill.id)
        request = Request(self.drill.action, self.target, self._parameters, cause=f"drill {self.drill.id}", guard=guard)
        last = await self._follow(request, self._ask)
        if last is not None and last.outcome is not None:
            self._ended_as, self._ended_text = _RESULTS.get(last.outcome, UNKNOWN), last.text
            self._change_seen = last.guard.reason if last.guard is not None else ""
        self._stop_breaking()

    async def _break_pods(self) -> None:
        """Deletes pods; a person confirms the first deletion, and with it those that follow."""
        try:
            pods = await self._list_ready_pods()
        except (SourceError, ActionRefused) as error:
            self._ended_as, self._ended_text = NOT_MADE, f"refused, nothing was sent: {error}"
            return
        if not pods:
            self._ended_as, self._ended_text = NOT_MADE, f"refused, nothing was sent: no pod of {self.target} is ready"
            return
        first, sent = self._delete(pods[0], self._ask), asyncio.create_task(self._sent.wait())
        await asyncio.wait({first, sent}, return_when=asyncio.FIRST_COMPLETED)
        sent.cancel()
        if not self._sent.is_set():
            self._ended_as = NOT_MADE
            return
        if self.drill.pods == "each":
            for name in pods[1:]:
                self._delete(name, self._agree)
        await self._repeat()
        self._stop_breaking()
        await asyncio.gather(*self._runs, return_exceptions=True)
        if self._deleted:
            self._ended_as = ROLLED_BACK
            self._ended_text = f"{self._deleted} pods deleted, then stopped" if self.drill.every else "stopped deleting pods"
        elif self._unsure:
            self._ended_as, self._ended_text = UNKNOWN, self._unsure
        else:
            self._ended_as = NOT_MADE

    async def _repeat(self) -> None:
        every, ends = self.drill.every_seconds, time.monotonic() + self._limit
        while every and not self._stopped.is_set() and (left := ends - time.monotonic()) > 0:
            try:
                async with asyncio.timeout(min(every, left)):
                    await self._stopped.wait()
            except TimeoutError:
                if time.monotonic() >= ends:
                    return
                await self._next_round()

    async def _next_round(self) -> None:
        try:
            pods = await self._list_ready_pods()
        except (SourceError, ActionRefused) as error:
            self._report(f"could not list the pods: {error}")
            return
        for name in pods if self.drill.pods == "each" else pods[:1]:
            self._delete(name, self._agree)

    def _delete(self, pod: str, confirm: Confirm) -> asyncio.Task[None]:
        request = Request(self.drill.action, f"pod/{pod}", self._parameters, cause=f"drill {self.drill.id} on {self.target}")
        task = asyncio.create_task(self._run_pod(request, confirm), name=f"the deletion of {pod}")
        self._runs.add(task)
        return task

    async def _run_pod(self, request: Request, confirm: Confirm) -> None:
        last = await self._follow(request, confirm)
        if last is None:
            return
        self._ended_text = self._ended_text or last.text
        if last.outcome is Outcome.UNKNOWN and last.fault is not None:
            self._unsure = self._unsure or last.text
        elif last.outcome is not Outcome.REFUSED and last.fault is None:
            self._deleted += 1  # a failure without a fault is of the recovery: the server has deleted the pod

    async def _list_ready_pods(self) -> list[str]:
        kind, name = parse_target(ActionCall(self.drill.action, self.target))
        workload = await self._session.reader.workload(RESOURCES[kind], name)
        pods = [decode_pod(item) for item in await self._session.reader.pods(workload)]
        return sorted(pod.name for pod in pods if pod.ready and pod.reason != "Terminating")

    async def _follow(self, request: Request, confirm: Confirm) -> RunStep | None:
        """Reports every step of one run, and returns the last."""
        last = None
        async with aclosing(self._session.run(request, confirm, control=self._control)) as steps:  # type: ignore[type-var]
            async for step in steps:
                if step.stage is Stage.EXECUTE and step.outcome is None and not self._sent.is_set():
                    await self._begin(step)
                if step.guard is not None and step.guard.phase is GuardPhase.UNDO:
                    self._phase = DrillPhase.BACK
                    self._back = self._back or time.monotonic()
                text = self._why if step.outcome is Outcome.REFUSED and self._why else step.text
                last = replace(step, text=text)
                self._report(text, last)
        return last

    async def _begin(self, step: RunStep) -> None:
        """From now on the times count: the request is on its way."""
        self._fault, self._fault_at = time.monotonic(), self._clock()
        self._phase = DrillPhase.FAULT
        self._sent.set()
        await self._record(DrillFault(step.identity, step.text))

    def _stop_breaking(self) -> None:
        self._over = time.monotonic()
        if self._sent.is_set():
            self._phase = DrillPhase.RECOVERY

    # The preview

    async def _ask(self, preview: Preview) -> bool:
        """Shows the fault with what makes it a drill; journals the drill once a person has confirmed it."""
        checks = await self._check(preview)
        plan, undo = preview.plan, preview.plan.undo
        self._undo = self.drill.undo or (describe_call(undo) if undo is not None else "")
        full = replace(
            preview,
            plan=replace(plan, title=f"Drill {self.drill.id}: {plan.title}", notes=(*plan.notes, *self._notes())),
            checks=(*preview.checks, *checks),
        )
        agreed = await self._confirm(full)
        if full.blocked:
            blocked = "; ".join(item.text for item in full.checks if item.level is CheckLevel.BLOCK)
            self._why = f"refused, nothing was sent: {blocked}"
            return False
        if not agreed or self._stopped.is_set():
            return False
        self._first = preview
        return self._open or await self._start()

    async def _agree(self, preview: Preview) -> bool:
        """A further deletion, as the first preview said: of the same place, and with nothing that blocks it."""
        first = self._first
        return first is not None and not preview.blocked and not self._stopped.is_set() and _place(preview) == _place(first)

    async def _start(self) -> bool:
        drill, limit = self.drill, self._limit
        own = process.current().text()
        started = DrillStarted(drill.id, drill.title, self.target, own, limit, self._undo, dict(GOALS))
        try:
            await self._session.record(self.identity, started)
            ledger, _ = await self._session.newest_ledger(after_write=True)
        except JournalError as error:
            self._why = f"refused, nothing was sent: no drill without its journal entry: {error}"
            return False
        self._open = True
        # Every console has the same order, so of two that start at once the second refuses.
        before = [*takewhile(lambda item: item.id != self.identity, ledger.drills.open)]
        if before:
            self._why = f"refused, nothing was sent: {before[0].author} started the drill {before[0].title} at the same moment"
            return False
        self._witness = DrillWitness(
            drill,
            self.target,
            GOALS,
            self._session.snapshot(),
            stable_seconds=self._pace.stable_seconds,
            blind_seconds=self._pace.blind_seconds,
        )
        return True

    async def _check(self, preview: Preview) -> list[PreflightCheck]:
        session, found = self._session, []
        snapshot = session.snapshot()
        ledger, caveat = await session.newest_ledger()
        if self.drill.pods:
            found += await self._check_gates()
        elif preview.plan.undo is None:
            found.append(PreflightCheck(CheckLevel.BLOCK, "this change has no undo, so it cannot be a drill", HOW))
        for other in ledger.drills.open:
            if other.id != self.identity:
                text = f"the drill {other.title} of {other.author} runs; wait for its end"
                found.append(PreflightCheck(CheckLevel.BLOCK, text, HOW))
        if caveat:
            text = f"could not check for drills of other consoles: {caveat}"
            found.append(PreflightCheck(CheckLevel.WARN, text, HOW, unknown=True))
        for incident in ledger.incidents.open[:1]:
            text = f"incident {incident.number} {incident.severity} is open: no drill during an incident"
            found.append(PreflightCheck(CheckLevel.BLOCK, text, HOW))
        if why := why_unhealthy(snapshot, self.drill, self.target):
            text = f"{self.target} is not healthy before the drill: {why}"
            found.append(PreflightCheck(CheckLevel.BLOCK, text, HOW))
        else:
            found.append(PreflightCheck(CheckLevel.OK, f"{self.target} is healthy, and nothing fires for it", HOW))
        return found

    async def _check_gates(self) -> list[PreflightCheck]:
        """Those of a guard, which the deletion of a pod does not have."""
        target = self.target
        checks = GuardChecks(GuardOptions(signals=(), drill=self.drill.id), self._session.guard_source, self._session.settings)
        try:
            return await checks.check(
                target, lambda guards: [item for item in guards.open if item.start.target == target], self._clock()
            )
        except SourceError as error:
            return [PreflightCheck(CheckLevel.BLOCK, f"could not check the gates: {error}", HOW)]

    def _notes(self) -> tuple[str, ...]:
        detect, acknowledge, recover = (format_duration(GOALS[what]) for what in (DETECT, ACKNOWLEDGE, RECOVER))
        goals = f"goals: detect within {detect}, acknowledge within {acknowledge} of that, recover within {recover}"
        if not self.drill.pods:
            return (self.drill.about, goals)
        which = f"every ready pod of {self.target}" if self.drill.pods == "each" else f"one ready pod of {self.target}"
        again = (
            f", and again every {format_duration(self.drill.every_seconds)}, for {format_duration(self._limit)} or until you "
            "stop it; confirming this confirms all of them"
            if self.drill.every
            else ""
        )
        return (self.drill.about, f"a drill: {self.drill.action} of {which}{again}", f"undo: {self.drill.undo}", goals)

    # The witness

    async def _watch(self, fault: asyncio.Task[None]) -> None:
        """Until the fault is over and the target has recovered, or nobody waits for that any longer."""
        while True:
            if self._fault is not None and self._witness is not None:
                await self._observe(self._witness, time.monotonic() - self._fault)
            over = self._over if self._sent.is_set() else (self._began if fault.done() else None)
            if over is not None and self._is_finished(time.monotonic() - over):
                return
            if fault.done() and fault.exception() is not None:
                return
            await asyncio.sleep(self._pace.poll_seconds)

    async def _observe(self, witness: DrillWitness, elapsed: float) -> None:
        # A change that is in place is no recovery, whatever is quiet, and neither is what the drill's own undo does.
        may_recover = self._ended_as == CHANGED or (bool(self.drill.pods) and (self._over is not None or not self.drill.every))
        in_place = bool(self.drill.pods) or self._phase is DrillPhase.FAULT
        how = self._change_seen if self._ended_as == CHANGED else ""
        found = witness.observe(self._session.snapshot(), elapsed, in_place=in_place, may_recover=may_recover, how=how)
        for seen in found:
            await self._record(DrillObserved(seen.what, seen.seconds or 0.0, seen.source))
            self._report(f"time to {seen.what}: {format_span(seen.seconds or 0.0)}, {seen.result}; {seen.source}")

    def _is_finished(self, since_over: float) -> bool:
        """Whether nothing more is waited for, so long after the fault was over."""
        witness, fault = self._witness, self._fault
        if fault is None or witness is None or self._ended_as in (NOT_MADE, UNDO_FAILED, UNKNOWN):
            return True
        if self._ended_as == ROLLED_BACK and not self.drill.pods:
            return witness.healthy_seconds >= self._pace.stable_seconds or since_over >= _SETTLE_SECONDS
        if witness.recovered or (not witness.was_unhealthy and since_over >= _UNSEEN_SECONDS):
            return True
        patience = max(_SETTLE_SECONDS, GOALS[RECOVER] - (time.monotonic() - fault)) if self._ended_as == CHANGED else 0.0
        return since_over >= max(_SETTLE_SECONDS, patience)

    # The end

    async def _end(self) -> None:
        self._text = self._ended_text or self._why or "ended"
        witness = self._witness
        times: tuple[DrillTime, ...] = ()
        if self._fault is not None and witness is not None and self._ended_as != NOT_MADE:
            after = format_span((self._back or self._over or time.monotonic()) - self._fault)
            ended = {
                ROLLED_BACK: f"the drill rolled it back after {after}",
                CHANGED: f"somebody changed it after {after}",
            }.get(self._ended_as, f"the drill ended after {after}")
            times = witness.finish(ended)
            if self._ended_as == ROLLED_BACK:
                healthy = witness.healthy_seconds >= self._pace.stable_seconds or witness.recovered
                self._text += "; healthy again" if healthy else f"; NOT healthy {format_span(_SETTLE_SECONDS)} later"
        self._result, self._phase = self._ended_as or UNKNOWN, DrillPhase.ENDED
        if self._open:
            self._open = False
            await self._record(DrillEnded(self._result, self._text, self.target, times))
        status = replace(self.status, times=times)
        error = f" (not journalled: {self._journal_error})" if self._journal_error else ""
        self._queue.put_nowait(DrillStep(f"{self._text}{error}", self._clock(), self._elapsed(), status))

    def _leave(self) -> None:
        """Nobody listens any more: journal that without waiting. What was changed is its guard's."""
        journal, settings = self._session.journal, self._session.settings
        if not self._open or journal is None:
            return
        self._open = False
        ended = "the console that watched it ended"
        times = self._witness.finish(ended) if self._witness is not None and self._fault is not None else ()
        text = ended if self._fault is not None else "the console ended; nothing was sent"
        payload = DrillEnded(INTERRUPTED if self._fault is not None else NOT_MADE, text, self.target, times)
        event = create_event(
            payload, at=self._clock(), subject=self.identity, author=settings.user, environment=settings.environment
        )
        try:
            journal.append(event)
        except JournalError:
            return  # the next console finds a drill whose process has ended

    async def _record(self, payload: Payload) -> None:
        try:
            await self._session.record(self.identity, payload)
        except JournalError as error:
            self._journal_error = str(error)

    def _report(self, text: str, run: RunStep | None = None) -> None:
        self._queue.put_nowait(DrillStep(text, self._clock(), self._elapsed(), self.status, run))

    def _elapsed(self) -> float:
        return time.monotonic() - (self._began if self._fault is None else self._fault)


def _place(preview: Preview) -> tuple[str, ...]:
    """Where a change goes, as the server says it."""
    return (preview.cluster, *(item.text for item in preview.checks if item.how == "identity"))
