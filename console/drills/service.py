"""What people do with drills; the screen and the command line call the same functions."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from console.actions.action import list_parameters
from console.actions.guard.drill import describe_protected
from console.actions.plan import ActionRefused
from console.actions.registry import action_named
from console.drills.run import PACE, Confirm, DrillRun, DrillSession, Pace
from console.journal.payloads import DrillEnded
from console.journal.presence import Presence
from console.state.drills import CHANGED, INTERRUPTED, ROLLED_BACK, UNDO_FAILED, DrillRecord
from console.state.guards import Guards, is_abandoned
from console.state.journal_state import JournalState
from queries.catalogue.drills import LEAST_SECONDS, MOST_SECONDS, Drill, read_drills
from queries.text.durations import parse_duration
from queries.text.suggestions import suggest_spelling
from queries.text.times import InvalidTime

_BY_GUARD = {"rolled back": ROLLED_BACK, "rollback failed": UNDO_FAILED, "changed": CHANGED}


class DrillRefused(Exception):
    """A drill that must not run; the message says why."""


class DrillService:
    def __init__(self, session: DrillSession, *, pace: Pace = PACE, clock: Callable[[], float] = time.time) -> None:
        self._session = session
        self._pace = pace
        self._clock = clock

    @property
    def drills(self) -> Mapping[str, Drill]:
        """The catalogue with a team's own, by id."""
        return read_drills(self._session.settings.own.drills).drills

    def find(self, name: str) -> Drill:
        """Raises DrillRefused for an unknown one."""
        drill = self.drills.get(name)
        if drill is None:
            raise DrillRefused(f"there is no drill {name[:80]!r}: {suggest_spelling(name, self.drills)}")
        return drill

    @property
    def refusal(self) -> str:
        """Why no drill runs in this environment; empty if one may."""
        settings = self._session.settings
        return describe_protected(settings.environment) if settings.protected else ""

    def start(
        self, name: str, target: str, *, confirm: Confirm, limit: str = "", parameters: Mapping[str, str] | None = None
    ) -> DrillRun:
        """The run of a drill, of which nothing has happened yet. `limit` is a duration, empty for the drill's own.

        Raises DrillRefused.
        """
        if why := self.refusal:
            raise DrillRefused(why)
        drill = self.find(name)
        target = complete_target(drill, target)
        try:
            seconds = parse_duration(limit or drill.limit, least=LEAST_SECONDS, most=MOST_SECONDS)
            action = action_named(drill.action)
            if action is None:
                raise DrillRefused(f"the drill {drill.id} names the action {drill.action!r}, which does not exist")
            given = {**drill.parameters, **(parameters or {})}
            known = {item.name for item in list_parameters(action, target, self._session.reader)}
        except (InvalidTime, ActionRefused) as error:
            raise DrillRefused(str(error)) from None
        if unknown := sorted(given.keys() - known):
            raise DrillRefused(f"{drill.action} has no parameter {unknown[0]}")
        return DrillRun(
            self._session,
            drill,
            target,
            confirm=confirm,
            limit_seconds=seconds,
            parameters=given,
            pace=self._pace,
            clock=self._clock,
        )

    def list_abandoned(self, ledger: JournalState, presence: Presence) -> tuple[DrillRecord, ...]:
        """The open drills whose console has ended and whose fault no open guard is about: nobody ends them otherwise."""
        guarded = {item.id for item in ledger.guards.open}
        found = (item for item in ledger.drills.open if item.run not in guarded)
        return tuple(item for item in found if is_abandoned(item.start.process, presence))

    async def close(self, record: DrillRecord, guards: Guards) -> str:
        """Journals the end of an abandoned drill, and returns it in one sentence. Raises JournalError."""
        text = describe_end(record, guards)
        guard = next((item for item in guards.ended if item.id == record.run), None)
        result = _BY_GUARD.get(guard.result, INTERRUPTED) if guard is not None else INTERRUPTED
        await self._session.record(record.id, DrillEnded(result, text, record.start.target))
        return text


def describe_end(record: DrillRecord, guards: Guards) -> str:
    """What became of the fault of a drill whose console has ended."""
    ended = f"the console of {record.author} ended during the drill {record.title}"
    guard = next((item for item in guards.ended if item.id == record.run), None)
    if guard is not None:
        return f"{ended}; its guard: {guard.text or guard.result}"
    if record.fault_at is None:
        return f"{ended}, before its fault was sent"
    return f"{ended}; nothing goes on with it; check {record.start.target}; undo: {record.start.undo}"


def complete_target(drill: Drill, target: str) -> str:
    """The target with its kind; the drill's own where it has one. Raises DrillRefused."""
    if drill.target:
        if target not in ("", drill.target, drill.target.partition("/")[2]):
            raise DrillRefused(f"the drill {drill.id} is for {drill.target} only")
        return drill.target
    if not target:
        raise DrillRefused(f"the drill {drill.id} needs a target, such as deployment/NAME")
    return target if "/" in target else f"deployment/{target}"
