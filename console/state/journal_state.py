"""The state that the journal's events reduce to, kept up to date with each new event."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from console.journal.acknowledgements import Acknowledgement, Acknowledgements
from console.journal.errors import VERIFY, JournalError
from console.journal.event import AHEAD_SECONDS, Event, validate
from console.journal.left_out import NOT_UNDERSTOOD, LeftOutEvent, SettledProjection
from console.journal.ordered import FIRST, Row, RowFilter, read_as_written, read_in_order
from console.journal.projection import Projection, Settled
from console.journal.recent_actions import RecentActions
from console.journal.snapshots import Snapshots, StoredSnapshot, decode_snapshot, encode_snapshot, reducer_fingerprint
from console.journal.unfinished import UnfinishedProjection
from console.state.checklist_runs import ChecklistRuns, ChecklistRunsProjection
from console.state.drills import DrillRecords, DrillsProjection
from console.state.guards import Guards, GuardsProjection
from console.state.handovers import HandoverSignature, HandoversProjection
from console.state.incident import Incident, Incidents, TimelineEntry, resolve_corrections
from console.state.incident_projection import INCIDENT, OUTLINE, TIMELINE, IncidentsProjection
from console.state.revisions import NO_RECORDS, Records, RevisionRecords
from queries.model.frozen import dataclass

if TYPE_CHECKING:
    from console.journal.sqlite import Journal


_log = logging.getLogger(__name__)


MORE_LEFT_OUT = LeftOutEvent("", "entries", "several", "there are more than are listed")
_LEFT_OUT = 1000


@dataclass(frozen=True, slots=True)
class JournalState:
    """The state of one environment: one field a projection. `sequence` is the newest event included."""

    sequence: int = 0
    owners: Mapping[str, Acknowledgement] = field(default_factory=lambda: MappingProxyType({}))
    recent: tuple[Event, ...] = ()
    checklist_runs: ChecklistRuns = field(default_factory=ChecklistRuns)
    incidents: Incidents = field(default_factory=Incidents)
    handovers: tuple[HandoverSignature, ...] = ()
    unfinished: Mapping[str, Event] = field(default_factory=lambda: MappingProxyType({}))
    settled: frozenset[str] = frozenset()
    revisions: Records = field(default_factory=lambda: NO_RECORDS)
    guards: Guards = field(default_factory=Guards)
    drills: DrillRecords = field(default_factory=DrillRecords)
    left_out: Mapping[int, LeftOutEvent] = field(default_factory=lambda: MappingProxyType({}))
    """By sequence, the events of this journal that are ignored, except those a person has settled."""
    head: str = ""
    """The newest event's sequence and hash: noted elsewhere, it later shows whether the journal was rewritten."""
    read: int = 0
    behind: int = 0
    """The numbers of events read and still unread while all have to be read again: after an update of the console, or for a
    late event. Until then the state is the previous one."""
    lost: int = 0
    """The number of events missing from the file or its index; negative if there are more than the sequences say."""

    @property
    def known(self) -> bool:
        """Whether the state includes the whole journal; if not, nothing in it may be presented as current."""
        return not self.behind

    @property
    def error(self) -> str:
        """Why the state is incomplete, in one sentence; empty if it is complete."""
        if self.behind:
            progress = f"{self.read:,} of {self.read + self.behind:,} events"
            return f"the journal is being read again: {progress}; owners, checklists and incidents are not known until then"
        return f"the journal is damaged: {abs(self.lost)} events are missing; {VERIFY}" if self.lost else ""


PROJECTIONS: tuple[tuple[str, Projection[Any]], ...] = (
    ("owners", Acknowledgements()),
    ("recent", RecentActions()),
    ("checklist_runs", ChecklistRunsProjection()),
    ("incidents", IncidentsProjection()),
    ("handovers", HandoversProjection()),
    ("unfinished", UnfinishedProjection()),
    ("settled", SettledProjection()),
    ("revisions", RevisionRecords()),
    ("guards", GuardsProjection()),
    ("drills", DrillsProjection()),
)
"""By the name of the field in JournalState."""


@dataclass
class _Base:
    """The state of all rows up to a stamp, their number, and the stamp of the newest snapshot before it."""

    state: JournalState
    left_out: dict[int, LeftOutEvent]
    stamp: int = FIRST
    covered: int = 0
    parent: int | None = None
    stored: int = 0
    """`covered` of the parent snapshot."""


class JournalReader:
    """Reduces the events of one environment, and those without an environment. For one thread only, the journal's.

    It starts from the newest snapshot and then reads only new events; while nothing is written, by this console or another, a
    refresh asks SQLite for one number. Events are reduced in the order of their stamps, not of their arrival: an event that a
    console wrote while the shared store was unreachable takes its place, the same one on every console.
    """

    def __init__(
        self,
        journal: Journal,
        *,
        environment: str,
        projections: tuple[tuple[str, Projection[Any]], ...] = PROJECTIONS,
        clock: Callable[[], float] = time.time,
        tail: int = 256,
        every: int = 512,
        every_while_reading: int = 16_384,
    ) -> None:
        """The newest `tail` events stay apart from the base. A snapshot is due after `every` events in normal operation, after
        `every_while_reading` during a first read.
        """
        self._journal = journal
        self._clock = clock
        self._projections = projections
        self._tail_length, self._every, self._every_while_reading = tail, every, every_while_reading
        kinds = frozenset(kind for _, projection in projections for kind in projection.kinds)
        self._row_filter = RowFilter(kinds, ("", environment))
        classes = (JournalState, *(type(projection) for _, projection in projections))
        self._snapshots = Snapshots(journal, environment, reducer_fingerprint(classes))
        self._version: tuple[int, int] | None = None
        self.state = self._initial = replace(JournalState(), **{name: item.initial() for name, item in projections})
        # The state before the newest rows, and these rows: a late event among them is cheap to insert.
        self._base = _Base(self._initial, {})
        self._tail: list[Row] = []
        self._ahead: set[int] = set()
        """Invalid rows with a stamp ahead of the clock: neither in the base nor in the tail."""
        self._after = 0
        """The sequence up to which every row is included, in normal operation."""
        self._until: int | None = None
        """During a first read in stamp order, the last sequence it covers."""
        self._at: Any = FIRST
        self._started = self._loaded = False
        """Whether reading has started, and whether it started from a snapshot."""

    # Reading

    def refresh(self, *, seconds: float | None = None) -> bool:
        """Reads new events; returns whether the state changed. Raises JournalError, and leaves the state unchanged then.

        With `seconds` it stops after about that time; `state.behind` counts the events not read.
        """
        version = self._journal.change_counts()
        if version == self._version and not self.state.behind:
            return False
        ends = None if seconds is None else time.monotonic() + seconds
        before, first = self.state, self._version is None
        # Later writes change the version and are read by the next refresh.
        last = self._journal.last_sequence()
        if not self._started:
            self._restart(last)
        done = self._read_pages(last, ends)
        if not done:
            read = self._base.covered + len(self._tail)
            self.state = replace(self.state, read=read, behind=max(1, last - read))
            return True
        self._version = version
        state, head = self.state, str(self._journal.head())
        if (state.read, state.behind, state.head) != (0, 0, head):
            self.state = replace(state, read=0, behind=0, head=head)
        return first or any(getattr(self.state, name) is not getattr(before, name) for name in self._compared_fields)

    @property
    def _compared_fields(self) -> tuple[str, ...]:
        return (*(name for name, _ in self._projections), "left_out", "behind", "lost")

    def _restart(self, last: int) -> None:
        """Restarts from the newest valid snapshot, else from the first event."""
        found = self._snapshots.newest()
        self._base = _Base(self._initial, {})
        if found is not None:
            try:
                state, left_out = self._decode(found.body)
                self._base = _Base(state, left_out, found.stamp, found.covered, found.stamp, found.covered)
            except ValueError as error:
                _log.warning("a snapshot of the journal cannot be read: %s", error)
                self._snapshots.discard()
                found = None
        self._started, self._loaded = True, found is not None
        self._tail, self._ahead = [], set()
        self._until, self._at = last, self._base.stamp

    def _read_pages(self, last: int, ends: float | None) -> bool:
        """Reads page by page; returns False if the time ran out."""
        while True:
            if self._until is not None:
                self._read_in_order(self._until)
            elif self._read_as_written(last):
                return True
            if ends is not None and time.monotonic() >= ends:
                return False

    def _read_in_order(self, until: int) -> None:
        """Reads a page of rows after the base; the last page completes the state."""
        rows, self._at = read_in_order(self._journal, self._row_filter, after=self._at)
        if rows:
            self._tail += self._fit(row for row in rows if row.sequence <= until)
            self._roll(self._every_while_reading)
            return
        lost = until - self._base.covered - len(self._tail) - len(self._ahead)
        if lost != self._base.state.lost and self._loaded:
            # Either the snapshot is wrong or rows have disappeared: read the events themselves.
            self._snapshots.discard()
            self._restart(until)
            return
        self._until, self._after = None, until
        self._base.state = replace(self._base.state, lost=lost)
        self.state = replace(self._fold(self._base, self._base.state, self._tail), sequence=until)
        if self._base.covered - self._base.stored >= self._every:
            self._store()

    def _read_as_written(self, last: int) -> bool:
        """Reads a page of rows written since; returns whether it was the last one."""
        if self._after >= last:
            return True
        rows = read_as_written(self._journal, self._row_filter, after=self._after, until=last)
        newest = rows[-1].sequence if rows else last
        lost = newest - self._after - len(rows)
        fit = self._fit(rows)
        if any((row.stamp or 0) <= self._base.stamp for row in fit):
            self._restart(last)
            return False
        late = bool(fit and self._tail) and fit[0].order < self._tail[-1].order
        self._tail = sorted([*self._tail, *fit], key=_order)
        if late:
            for row in self._tail:
                if row.event is not None:
                    self._base.left_out.pop(row.sequence, None)  # the late event may be the one it depends on
        state = self._fold(self._base, self._base.state, self._tail) if late else self._fold(self._base, self.state, fit)
        self._after = newest
        if lost:
            state = replace(state, lost=state.lost + lost)
            self._base.state = replace(self._base.state, lost=state.lost)
        self.state = replace(state, sequence=newest)
        self._roll(self._every)
        return self._until is None and self._after >= last

    def _roll(self, every: int) -> None:
        """Moves the base forward when the tail is long, by whole stamps, and stores a snapshot when one is due."""
        if len(self._tail) <= 2 * self._tail_length:
            return
        at = len(self._tail) - self._tail_length
        while at < len(self._tail) and self._tail[at].stamp == self._tail[at - 1].stamp:
            at += 1
        old, self._tail = self._tail[:at], self._tail[at:]
        base = self._base
        base.state = self._fold(base, base.state, old)
        base.stamp, base.covered = old[-1].stamp or 0, base.covered + len(old)
        if base.covered - base.stored >= every:
            self._store()

    def _store(self) -> None:
        """Stores a snapshot of the base; settled items leave it and are read from the file on demand."""
        base = self._base
        made: dict[str, Any] = {}
        settled: list[Settled] = []
        for name, projection in self._projections:
            made[name], parts = projection.settle(getattr(base.state, name))
            settled += parts
        state = replace(base.state, **made)
        fields = {name: getattr(state, name) for name, _ in self._projections}
        later = {row.sequence for row in self._tail} | self._ahead
        left_out = {sequence: item for sequence, item in base.left_out.items() if sequence not in later}
        body = encode_snapshot({**fields, "lost": state.lost, "left_out": left_out})
        stored = StoredSnapshot(base.stamp, base.covered, body)
        read = self._after if self._until is None else self._until
        try:
            if not self._snapshots.store(stored, settled, after=base.parent, read=read):
                # Another console was faster, or a late event arrived: continue from what the file has now.
                self._restart(self._journal.last_sequence())
                return
        except JournalError as error:
            _log.info("no snapshot of the journal now: %s", error)
            return
        base.state, base.parent, base.stored = state, base.stamp, base.covered
        if self._until is None:
            self.state = replace(self._fold(base, state, self._tail), **_bookkeeping(self.state))

    def _fold(self, base: _Base, state: JournalState, rows: Sequence[Row]) -> JournalState:
        events = [row.event for row in rows if row.event is not None]
        made: dict[str, Any] = {}
        for name, projection in self._projections:
            own = [event for event in events if event.kind in projection.kinds]
            if own:
                held = projection.recall(getattr(state, name), own, lambda identity: self._recall(INCIDENT, identity, Incident))
                made[name], puzzling = projection.fold_understood(held, own)
                self._leave_out(puzzling, NOT_UNDERSTOOD)
        settled = made.get("settled", state.settled)
        left_out = {sequence: item for sequence, item in base.left_out.items() if item.id not in settled}
        if left_out != state.left_out:
            made["left_out"] = MappingProxyType(left_out)
        return replace(state, **made)

    def _fit(self, rows: Iterable[Row]) -> list[Row]:
        """The rows in order, without invalid events, which an older console may have written to this file."""
        now, fit = self._clock(), []
        for row in rows:
            event = row.event
            ahead = row.stamp is None or row.stamp > (now + AHEAD_SECONDS) * 1e6
            if event is not None and (why := validate(event, now=now)):
                self._leave_out((event,), why)
                row = replace(row, event=None)  # noqa: PLW2901 - the row counts, its event does not
            if ahead:
                self._ahead.add(row.sequence)
            else:
                fit.append(row)
        return sorted(fit, key=_order)

    def _leave_out(self, events: Iterable[Event], why: str) -> None:
        left_out = self._base.left_out
        for event in events:
            if event.sequence not in left_out:
                _log.warning("#%d %s by %s is left out: %s", event.sequence, event.kind, event.author, why)
            if len(left_out) < _LEFT_OUT:
                left_out[event.sequence] = LeftOutEvent(event.id, event.kind, event.author, why)
            else:
                left_out[0] = MORE_LEFT_OUT

    # Settled items

    def incident(self, identity: str) -> Incident | None:
        """The complete incident, regardless of its age. Raises JournalError."""
        held = self.state.incidents.get(identity)
        found = held if held is not None and not held.outline else self._recall(INCIDENT, identity, Incident) or held
        if found is None or not found.earlier or found.outline:
            return found
        parts = self._snapshots.settled(TIMELINE, identity, until=self._base.parent or FIRST)
        earlier = [
            entry for part, body in parts if part < found.earlier for entry in decode_snapshot(body, tuple[TimelineEntry, ...])
        ]
        entries = sorted((*earlier, *found.entries), key=lambda entry: entry.at)
        return replace(found, entries=resolve_corrections(tuple(entries)), earlier=max(0, found.earlier - len(earlier)))

    def find_incident(self, words: str) -> Incident | None:
        """Finds an incident by its number, its id or a unique prefix of it. Raises JournalError."""
        number = int(words) if words.isascii() and words.isdigit() and len(words) < 16 else None
        held = self.state.incidents.all
        found = {item.id for item in held if (item.id.startswith(words) if number is None else item.number == number)}
        if self.state.incidents.older and not (number and found):
            found |= set(self._snapshots.ids(OUTLINE, words, until=self._base.parent or FIRST, part=number))
        identity = found.pop() if len(found) == 1 else words
        return self.incident(identity) if identity else None

    def older_incidents(self, *, before: int, limit: int) -> tuple[Incident, ...]:
        """Outlines of incidents numbered below `before` that the state does not hold, newest first. Raises JournalError."""
        held = {item.id for item in self.state.incidents.all}
        while bodies := self._snapshots.listed(OUTLINE, until=self._base.parent or FIRST, before=before, limit=limit):
            found = [decode_snapshot(body, Incident) for body in bodies]
            if fresh := tuple(item for item in found if item.id not in held):
                return fresh
            before = found[-1].number
        return ()

    def _recall(self, kind: str, identity: str, of: Any) -> Any:
        for _, body in self._snapshots.settled(kind, identity, until=self._base.parent or FIRST):
            return decode_snapshot(body, of)
        return None

    def _decode(self, body: bytes) -> tuple[JournalState, dict[int, LeftOutEvent]]:
        """Decodes a snapshot. Raises ValueError for one of another release."""
        found = decode_snapshot(body, JournalState)
        return replace(found, left_out=MappingProxyType(dict(found.left_out))), dict(found.left_out)


def _bookkeeping(state: JournalState) -> dict[str, Any]:
    """The fields that are not reduced from events."""
    return {name: getattr(state, name) for name in ("sequence", "head", "read", "behind")}


def _order(row: Row) -> tuple[int, str]:
    return row.order
