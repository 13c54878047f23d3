"""Watches on where the console that ran a guard has ended: takes the guard over, or says what became of its change."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import replace

from console.actions.action import NAMED_TARGETS, Action, ChangeWriter, ClusterReader, Guardable, MadeCheck
from console.actions.guard.checks import describe_call
from console.actions.guard.drill import guard_class
from console.actions.guard.fence import GuardFence
from console.actions.guard.guard import OUTCOMES, Guard, GuardControl, RunUndo
from console.actions.guard.model import GuardOptions, GuardResult
from console.actions.guard.notices import GuardNotices
from console.actions.guard.source import GuardSource
from console.actions.plan import ActionRefused, CheckLevel, NothingToDo, Outcome, Request, RunStep, Stage
from console.actions.preflight import changes_cluster
from console.actions.registry import action_named
from console.config.settings import Settings
from console.journal import process
from console.journal.errors import JournalError
from console.journal.event import Event
from console.journal.payloads import GuardEnded, GuardTakenOver, GuardWatching, Payload, create_event
from console.journal.sqlite import Journal
from console.state.guards import GuardRecord, Guards, GuardsProjection
from queries.errors import SourceError
from queries.http.endpoint import ClusterIdentity
from queries.model.action import ActionCall
from queries.model.frozen import dataclass

_KINDS = GuardsProjection.kinds
_LEAST_HOLD_SECONDS = 1.0
_LEAST_INTERVALS = 3
"""A guard whose time is up is watched for so many intervals before its change is kept: nobody did meanwhile."""


class NotTaken(Exception):
    """This console cannot take the guard over; the change stays unguarded."""


@dataclass(frozen=True, slots=True)
class _Ended:
    result: GuardResult
    text: str


class GuardTakeover:
    """One attempt to take a guard over and to bring it to its end."""

    def __init__(
        self,
        record: GuardRecord,
        *,
        settings: Settings,
        reader: ClusterReader,
        writer: ChangeWriter,
        journal: Journal,
        source: GuardSource,
        run_undo: RunUndo,
        control: GuardControl,
        clock: Callable[[], float],
    ) -> None:
        self._guard_record = record
        self._settings = settings
        self._reader = reader
        self._writer = writer
        self._journal = journal
        self._source = source
        self._run_undo = run_undo
        self._control = control
        self._clock = clock
        self._started_at = clock()
        self._own = process.current().text()
        self._open = False
        self._last = 0
        """The sequence of the guard's newest event when this console looked."""
        self._identity: ClusterIdentity | None = None
        """Where the roll-back may go; None for a change outside the cluster."""

    async def steps(self) -> AsyncGenerator[RunStep, None]:
        """Reports to the guard's end; only the last step has an outcome. Raises NotTaken before anything was journalled."""
        record = self._guard_record
        if self._settings.read_only:
            raise NotTaken("read-only")
        try:
            record = self._guard_record = await asyncio.to_thread(self._find_own)
        except JournalError as fault:
            raise NotTaken(_by_hand(record, str(fault))) from None
        action = await self._check()
        await self._take()
        yield self._step(f"took over the guard of {record.author}: {record.title}")
        try:
            ended = await self._find_end(action)
            if ended is not None:
                start = record.start
                error = await self._record(GuardEnded(ended.result.value, ended.text, start.target, start.fingerprint))
                self._open = False
                caveat = f" (this end could not be journalled: {error})" if error else ""
                yield self._step(ended.text + caveat + await self._tell(ended.text), OUTCOMES[ended.result])
                return
            guard = self._build_guard(action)
            async with aclosing(guard.watch()) as reports:
                async for report in reports:
                    self._open = report.outcome is None
                    yield RunStep(
                        Stage.GUARD,
                        report.text,
                        self._clock(),
                        self._elapsed(),
                        outcome=report.outcome,
                        identity=record.id,
                        guard=report.status,
                    )
        finally:
            self._leave()

    async def _check(self) -> Guardable:
        """Whether this console may and can take it over. Raises NotTaken."""
        record, settings = self._guard_record, self._settings
        action = action_named(record.start.action)
        if not isinstance(action, Guardable):
            raise NotTaken(f"this version has no action {record.start.action}")
        try:
            if changes_cluster(action, self._call(), settings):
                self._identity = found = await self._writer.cluster_identity()
                uids = (record.start.cluster_uid, record.start.namespace_uid)
                if not all(uids) or uids != (found.cluster_uid, found.namespace_uid):
                    raise NotTaken(_by_hand(record, "its change is not known to be on this cluster and in this namespace"))
            await self._check_undo()
        except (SourceError, ActionRefused) as error:
            raise NotTaken(str(error)) from None
        return action

    def _find_own(self) -> GuardRecord:
        """The guard as the consoles of this host wrote it down: what the shared store delivered is nobody's order to send a
        change. Raises NotTaken and JournalError.
        """
        record, settings = self._guard_record, self._settings
        rows, projection = self._journal.written(record.id, _KINDS), GuardsProjection()
        found = projection.fold(Guards(), (event for event, writer in rows if writer)).find(record.id)
        if found is None:
            raise NotTaken(_by_hand(record, "it was not started on this host"))
        start = found.start
        first, writer = next(row for row in rows if row[1])
        if start.process != writer or writer.partition(" ")[0] != socket.gethostname() or first.author != settings.user:
            raise NotTaken(_by_hand(record, f"it was not started on this host by {settings.user}"))
        everybody = projection.fold(Guards(), (event for event, _ in rows)).find(record.id)
        if everybody is None or everybody.process != found.process or (found.process and process.is_running(found.process)):
            raise NotTaken(f"{everybody.author if everybody else 'somebody'} took it over or ended it")
        if start.undo_action and (start.undo_target != start.target or start.undo_action != _undo_of(start.action)):
            raise NotTaken(_by_hand(record, f"{start.undo_action} does not undo {start.action}"))
        self._last = rows[-1][0].sequence
        return found

    async def _check_undo(self) -> None:
        """Whether this identity may roll the change back. A plan that is refused now may be possible later."""
        undo = self._guard_record.undo
        action: Action | None = action_named(undo.action) if undo else None
        if undo is None or action is None:
            return
        request = Request(undo.action, undo.target, undo.parameters, user=self._settings.user)
        facts = await action.fetch_facts(request, self._reader)
        try:
            plan = action.plan(request, facts, self._clock())
        except ActionRefused:
            return
        checks = await action.preflight(plan, facts, self._reader, self._writer)
        blocked = [item.text for item in checks if item.level is CheckLevel.BLOCK and item.how == "access review"]
        if blocked:
            raise NotTaken("; ".join(blocked))

    async def _take(self) -> None:
        """Journals the takeover; of two consoles the first counts. Raises NotTaken."""
        record = self._guard_record
        try:
            taken = await asyncio.to_thread(self._claim, GuardTakenOver(self._own, record.process))
        except JournalError as error:
            raise NotTaken(f"no guard without its journal entry: {error}") from None
        if not taken:
            raise NotTaken("another console took it over or ended it at the same moment")
        self._open = True
        guards, _ = await self._source.fetch_guards()
        found = guards.find(record.id)
        if found is None or found.process != self._own:
            self._open = False
            raise NotTaken(f"{found.author if found else 'somebody'} took it over at the same moment")

    async def _find_end(self, action: Guardable) -> _Ended | None:
        """The guard's end, if its change is not there any more, or never was; None if there is something to watch."""
        record = self._guard_record
        try:
            state = await action.fetch_state(self._call(), self._reader)
        except (SourceError, ActionRefused) as error:
            if not record.state:
                return _Ended(GuardResult.UNKNOWN, f"unknown: {record.title}: {error}")
            return None  # the watch holds until it can be read
        if not record.state and state != record.start.state and await self._is_made():
            # It ended before it could journal that the server has the change.
            await self._record(GuardWatching(state))
            self._guard_record = replace(record, state=state)
            return None
        if not record.state:
            undo = f"; roll it back by hand: {describe_call(record.undo)}" if record.undo else ""
            text = f"UNGUARDED: the console of {record.author} ended while it sent the change, which may be in place{undo}"
            return _Ended(GuardResult.UNKNOWN, text)
        if state == record.state:
            return None
        if state == record.start.state:
            return _Ended(GuardResult.ROLLED_BACK, "rolled back: the state before the change is there again")
        return _Ended(GuardResult.CHANGED, f"{record.start.target} was changed by someone else since: nothing is rolled back")

    async def _is_made(self) -> bool:
        """Whether the target is as the change would make it."""
        start = self._guard_record.start
        request = Request(start.action, start.target, start.parameters, user=self._settings.user)
        action = action_named(start.action)
        if action is None:
            return False
        try:
            if isinstance(action, MadeCheck):
                return await action.is_made(request, self._reader)
            action.plan(request, await action.fetch_facts(request, self._reader), self._clock())
        except NothingToDo:
            return True
        except (SourceError, ActionRefused):
            return False
        return False

    async def _tell(self, text: str) -> str:
        """Who was told how the guard ended, as the end of a sentence."""
        notices = self._notices()
        notices.announce(text)
        try:
            return await notices.finish()
        finally:
            await notices.close()

    def _notices(self) -> GuardNotices:
        start = self._guard_record.start
        return GuardNotices(
            start.target,
            fingerprint=start.fingerprint,
            settings=self._settings.incidents,
            fetch_incidents=self._source.fetch_incidents,
            append=lambda subject, payload: self._journal.append(self._event(payload, subject)),
            send=self._run_undo,
        )

    def _build_guard(self, action: Guardable) -> Guard:
        record, start = self._guard_record, self._guard_record.start

        async def find_change() -> str:
            same = await action.fetch_state(self._call(), self._reader) == record.state
            return "" if same else f"{start.target} was changed by someone else since"

        since = self._clock() - (record.changed_at or record.started_at)
        least = min(start.watch_seconds, _LEAST_INTERVALS * self._source.interval_seconds)
        if start.drill:
            least = 0.0  # nobody has to prove anything before a drill is rolled back
        options = GuardOptions(
            start.watch_seconds,
            tuple(item.panel for item in start.signals),
            max(_LEAST_HOLD_SECONDS, start.hold_seconds),
            max(0.0, start.countdown_seconds),
            start.twin,
            start.drill,
        )
        return guard_class(options)(
            options,
            start.signals,
            target=start.target,
            undo=record.undo,
            source=self._source,
            settings=self._settings,
            record=self._record,
            run_undo=lambda request, confirm: self._run_undo(replace(request, bound_to=self._identity), confirm),
            find_change=find_change,
            find_loss=GuardFence(record.id, self._journal, self._source).find_loss,
            control=self._control,
            clock=self._clock,
            fingerprint=start.fingerprint,
            notices=self._notices(),
            # A clock that was set meanwhile makes the watch neither endless nor empty.
            watch_seconds=max(least, min(start.watch_seconds, start.watch_seconds - since)),
        )

    def _call(self) -> ActionCall:
        start = self._guard_record.start
        return ActionCall(start.action, start.target, start.parameters)

    def _append(self, payload: Payload) -> Event:
        return self._journal.append(self._event(payload))

    def _claim(self, payload: Payload) -> bool:
        """Whether nobody else was first: decided under the lock of the journal's file."""
        return self._journal.append_if_last(self._event(payload), _KINDS, self._last) is not None

    def _event(self, payload: Payload, subject: str = "") -> Event:
        author, environment = self._settings.user, self._settings.environment
        about = subject or self._guard_record.id
        return create_event(payload, at=self._clock(), subject=about, author=author, environment=environment)

    async def _record(self, payload: Payload) -> str:
        try:
            await asyncio.to_thread(self._append, payload)
        except JournalError as error:
            return str(error)
        return ""

    def _leave(self) -> None:
        if self._open:
            self._open = False
            try:
                self._append(GuardTakenOver("", self._own))
            except JournalError:
                return  # the process ends, and that tells the others

    def _elapsed(self) -> float:
        return max(0.0, self._clock() - self._started_at)

    def _step(self, text: str, outcome: Outcome | None = None) -> RunStep:
        return RunStep(Stage.GUARD, text, self._clock(), self._elapsed(), outcome=outcome, identity=self._guard_record.id)


def _undo_of(name: str) -> str:
    """The action that rolls this one back: a console sends nothing else by itself for a guard that it did not start."""
    action = action_named(name)
    return action.undone_by if isinstance(action, Guardable) else ""


def _by_hand(record: GuardRecord, why: str) -> str:
    """The sentence for a person: what stays unguarded, and that their own previewed action rolls it back."""
    undo, kind = _undo_of(record.start.action), record.start.target.partition("/")[0]
    how = "check its target"
    if undo and kind in NAMED_TARGETS:  # a call of the platform may be rolled back by another one
        how = f"if it has to go back, run {undo} on {record.start.target}; its preview asks you first"
    return f"{why}; nothing is sent; {how}"
