"""The drills of game days: which run, and how the newest ended."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from console.journal import payloads as p
from console.journal.event import Event
from console.journal.payloads import DrillTime
from console.journal.projection import Projection, keep_last
from queries.model.frozen import dataclass

GOALS = {"detect": 120.0, "acknowledge": 300.0, "recover": 1200.0}
"""In seconds: to detect and to recover from the fault on, to acknowledge from the detection on."""
MET, MISSED, NOT_OBSERVED, NOT_EXPECTED = "met", "missed", "not observed", "not expected"
ROLLED_BACK, UNDO_FAILED, CHANGED, NOT_MADE = "rolled back", "undo failed", "changed", "not made"
INTERRUPTED, UNKNOWN = "interrupted", "unknown"
_FORMER_RESULTS = {"taken back": ROLLED_BACK}
"""Results that older entries of a journal have."""
_KEPT = 50
_MOST_OPEN = 50


@dataclass(frozen=True, slots=True)
class DrillRecord:
    """One run of a drill; `number` counts from 1 in the order of the journal. Times are Unix seconds.

    `run` is the id of the action's run and its guard, empty before the fault; `fault_at` is None then. `times` has what was
    observed so far, and at the end all three; `result` is empty while it is open.
    """

    id: str
    number: int
    author: str
    started_at: float
    start: p.DrillStarted
    run: str = ""
    fault_at: float | None = None
    fault: str = ""
    times: tuple[DrillTime, ...] = ()
    result: str = ""
    text: str = ""
    ended_at: float | None = None

    @property
    def title(self) -> str:
        return f"{self.start.drill} on {self.start.target}"

    @property
    def rolls_back_at(self) -> float | None:
        """When the time limit ends; None before the fault."""
        return None if self.fault_at is None else self.fault_at + self.start.limit_seconds

    def time(self, what: str) -> DrillTime | None:
        return next((item for item in self.times if item.what == what), None)


@dataclass(frozen=True, slots=True)
class DrillRecords:
    """The open drills by their start, the newest that ended, oldest first, and how many there were."""

    open: tuple[DrillRecord, ...] = ()
    ended: tuple[DrillRecord, ...] = ()
    count: int = 0

    def find(self, number: int) -> DrillRecord | None:
        return next((item for item in (*self.open, *self.ended) if item.number == number), None)

    @property
    def newest(self) -> DrillRecord | None:
        """The one that ended last; None before the first end."""
        return self.ended[-1] if self.ended else None


class DrillsProjection(Projection[DrillRecords]):
    """Folds the events of drills."""

    kinds = p.event_kinds(p.DrillStarted, p.DrillFault, p.DrillObserved, p.DrillEnded)

    def initial(self) -> DrillRecords:
        return DrillRecords()

    def apply(self, state: DrillRecords, event: Event) -> DrillRecords:
        return self.fold(state, (event,))

    def fold(self, state: DrillRecords, events: Iterable[Event]) -> DrillRecords:
        opened, ended, count = {item.id: item for item in state.open}, list(state.ended), state.count
        for event in events:
            payload, record = p.decode(event), opened.get(event.subject)
            if isinstance(payload, p.DrillStarted):
                if record is None:
                    count += 1
                    opened[event.subject] = DrillRecord(event.subject, count, event.author, event.at, payload)
            elif record is not None and isinstance(payload, p.DrillEnded):
                del opened[event.subject]
                times, result = payload.times or record.times, _FORMER_RESULTS.get(payload.result, payload.result)
                ended.append(replace(record, result=result, text=payload.text, times=times, ended_at=event.at))
            elif record is not None:
                opened[event.subject] = _move(record, event, payload)
        return DrillRecords(tuple(keep_last(opened, _MOST_OPEN).values()), tuple(ended[-_KEPT:]), count)


def _move(record: DrillRecord, event: Event, payload: p.Payload) -> DrillRecord:
    match payload:
        case p.DrillFault(run=run, text=text) if record.fault_at is None:
            return replace(record, run=run, fault=text, fault_at=event.at)
        case p.DrillObserved(what=what, seconds=seconds, source=source) if record.time(what) is None:
            goal = record.start.goals.get(what, GOALS.get(what, 0.0))
            seen = DrillTime(what, goal, seconds, MET if seconds <= goal else MISSED, source)
            return replace(record, times=(*record.times, seen))
    return record
