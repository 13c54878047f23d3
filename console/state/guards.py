"""The guards of changes: which are open, who runs them, and how the newest ended."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from console.journal import payloads as p
from console.journal import process
from console.journal.event import Event
from console.journal.presence import Presence
from console.journal.projection import Projection
from queries.http.endpoint import ClusterIdentity
from queries.model.action import ActionCall
from queries.model.frozen import dataclass

_KEPT = 50
_MOST_OPEN = 200


@dataclass(frozen=True, slots=True)
class GuardRecord:
    """One guard. `process` runs it, empty for none. `state` is the digest after the change, empty while the server has not
    accepted it. `verdict` and `text` are the last ones that were journalled; `result` is empty while it is open.
    """

    id: str
    author: str
    started_at: float
    start: p.GuardStarted
    process: str
    state: str = ""
    changed_at: float | None = None
    verdict: str = ""
    text: str = ""
    result: str = ""
    ended_at: float | None = None

    @property
    def title(self) -> str:
        return self.start.title or f"{self.start.action} {self.start.target}"

    @property
    def undo(self) -> ActionCall | None:
        """What rolls the change back; None if nothing does."""
        start = self.start
        return ActionCall(start.undo_action, start.undo_target, start.undo_parameters) if start.undo_action else None

    def is_at(self, identity: ClusterIdentity) -> bool:
        """Whether its change is in this namespace of this cluster; one outside the cluster is in the journal's environment."""
        start = self.start
        if start.namespace_uid and identity.namespace_uid:
            return start.namespace_uid == identity.namespace_uid
        return start.cluster_uid == identity.cluster_uid or not (start.cluster_uid or start.namespace_uid)


@dataclass(frozen=True, slots=True)
class Guards:
    """The open guards by their start, and the newest that ended, oldest first."""

    open: tuple[GuardRecord, ...] = ()
    ended: tuple[GuardRecord, ...] = ()

    def of_target(self, target: str, identity: ClusterIdentity) -> tuple[GuardRecord, ...]:
        """The open guards of one workload, by their start."""
        return tuple(item for item in self.open if item.start.target == target and item.is_at(identity))

    def find(self, identity: str) -> GuardRecord | None:
        """An open guard by its id."""
        return next((item for item in self.open if item.id == identity), None)


def is_unguarded(record: GuardRecord, presence: Presence) -> bool:
    """Whether nothing runs this open guard: its process has ended, or its console on another host is gone.

    While it is not known who is on, a guard of another host counts as guarded.
    """
    return is_abandoned(record.process, presence)


def is_abandoned(runner: str, presence: Presence) -> bool:
    """Whether the process with this text has ended, or its console on another host is gone; so it is without one."""
    running = process.is_running(runner) if runner else False
    if running is not None:
        return not running
    return presence.known and all(item.console != runner for item in presence.others)


class GuardsProjection(Projection[Guards]):
    """Folds the events of guards; one that a process has taken over belongs to the first that did."""

    kinds = p.event_kinds(p.GuardStarted, p.GuardWatching, p.GuardEvaluated, p.GuardTakenOver, p.GuardEnded)

    def initial(self) -> Guards:
        return Guards()

    def apply(self, state: Guards, event: Event) -> Guards:
        return self.fold(state, (event,))

    def fold(self, state: Guards, events: Iterable[Event]) -> Guards:
        opened, ended = {item.id: item for item in state.open}, list(state.ended)
        for event in events:
            payload, record = p.decode(event), opened.get(event.subject)
            if isinstance(payload, p.GuardStarted):
                opened.setdefault(event.subject, GuardRecord(event.subject, event.author, event.at, payload, payload.process))
            elif record is not None and isinstance(payload, p.GuardEnded):
                del opened[event.subject]
                ended.append(replace(record, result=payload.result, text=payload.text, ended_at=event.at))
            elif record is not None:
                opened[event.subject] = _move(record, event, payload)
        return Guards(tuple(opened.values())[-_MOST_OPEN:], tuple(ended[-_KEPT:]))


def _move(record: GuardRecord, event: Event, payload: p.Payload) -> GuardRecord:
    match payload:
        case p.GuardWatching(state=state):
            return replace(record, state=state, changed_at=event.at)
        case p.GuardEvaluated(verdict=verdict, text=text):
            return replace(record, verdict=verdict, text=text)
        case p.GuardTakenOver(process=taken, over=over) if over == record.process:
            return replace(record, process=taken, author=event.author if taken else record.author)
    return record
