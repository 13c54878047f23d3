"""What the journal's events add up to, brought up to date by each new one."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
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
from console.state.handovers import HandoverSignature, HandoversProjection
from console.state.incident import Incident, Incidents, TimelineEntry
from console.state.incident_projection import INCIDENT, OUTLINE, TIMELINE, IncidentsProjection
from console.state.revisions import NO_RECORDS, Records, RevisionRecords

if TYPE_CHECKING:
    from console.journal.sqlite import Journal


_log = logging.getLogger(__name__)


MORE_LEFT_OUT = LeftOutEvent("", "entries", "several", "there are more than are listed")
_LEFT_OUT = 1000


@dataclass(frozen=True, slots=True)
class JournalState:
    """One field for each projection, of one environment; `sequence` is the newest event that is in it."""

    sequence: int = 0
    owners: Mapping[str, Acknowledgement] = field(default_factory=lambda: MappingProxyType({}))
    recent: tuple[Event, ...] = ()
    walks: ChecklistRuns = field(default_factory=ChecklistRuns)
    incidents: Incidents = field(default_factory=Incidents)
    handovers: tuple[HandoverSignature, ...] = ()
    unfinished: Mapping[str, Event] = field(default_factory=lambda: MappingProxyType({}))
    settled: frozenset[str] = frozenset()
    revisions: Records = field(default_factory=lambda: NO_RECORDS)
    left_out: Mapping[int, LeftOutEvent] = field(default_factory=lambda: MappingProxyType({}))
    """By its sequence, what is in this journal and counts for nothing, but for what a person settled."""
    head: str = ""
    """The newest event's number and hash: whoever notes it can tell later whether the journal was written again."""
    read: int = 0
    behind: int = 0
    """How many events were read, and how many were not yet, while all of them have to be read again: after an update of the
    console, or when a late one belongs before them. Until then what is known is of before."""
    lost: int = 0
    """How many events are missing, of the file or of its index; negative where there are more than their numbers tell."""

    @property
    def known(self) -> bool:
        """Whether this is what the whole journal adds up to; otherwise nothing may be said to be as it says."""
        return not self.behind

    @property
    def error(self) -> str:
        """Why the state is incomplete, for people; empty where it is complete."""
        if self.behind:
            progress = f"{self.read:,} of {self.read + self.behind:,} events"
            return f"the journal is being read again: {progress}; owners, checklists and incidents are not known until then"
        return f"the journal is damaged: {abs(self.lost)} events are missing; {VERIFY}" if self.lost else ""


PROJECTIONS: tuple[tuple[str, Projection[Any]], ...] = (
    ("owners", Acknowledgements()),
    ("recent", RecentActions()),
    ("walks", ChecklistRunsProjection()),
    ("incidents", IncidentsProjection()),
    ("handovers", HandoversProjection()),
    ("unfinished", UnfinishedProjection()),
    ("settled", SettledProjection()),
    ("revisions", RevisionRecords()),
)
"""The name is that of the field."""

_TAIL = 256
_EVERY, _EVERY_WHILE_READING = 512, 16_384
"""How many events lie between two snapshots."""


@dataclass(slots=True)
class _Base:
    """What all rows up to a stamp add up to, how many they are, and the newest snapshot before it, by its stamp."""

    state: JournalState
    left_out: dict[int, LeftOutEvent]
    stamp: int = FIRST
    covered: int = 0
    parent: int | None = None
    stored: int = 0
    """`covered` of that snapshot."""


class JournalReader:
    """Folds one environment's events, and those of no environment; belongs to one thread, that of the journal.

    It begins with the newest snapshot, reads what is newer, and afterwards only what is new; while nothing is written, by this
    console or another, a refresh asks SQLite for one number. Events are folded in their own order, not in that of their
    arrival: what a console wrote while the shared store was gone is put where it belongs, on every console the same.
    """

    def __init__(
        self,
        journal: Journal,
        *,
        environment: str,
        projections: tuple[tuple[str, Projection[Any]], ...] = PROJECTIONS,
        clock: Callable[[], float] = time.time,
        every: int = _EVERY,
    ) -> None:
        self._journal = journal
        self._clock = clock
        self._projections = projections
        self._every = every
        kinds = frozenset(kind for _, projection in projections for kind in projection.kinds)
        self._row_filter = RowFilter(kinds, ("", environment))
        classes = (JournalState, *(type(projection) for _, projection in projections))
        self._snapshots = Snapshots(journal, environment, reducer_fingerprint(classes))
        self._version: tuple[int, int] | None = None
        self.state = self._initial = replace(JournalState(), **{name: item.initial() for name, item in projections})
        # The newest rows, and what there was before them: a late one among them is put in its place at little cost.
        self._base = _Base(self._initial, {})
        self._tail: list[Row] = []
        self._ahead: set[int] = set()
        """Rows that no console takes in their order: none is in the base or in the tail."""
        self._after = 0
        """The sequence up to which every row was taken in, in live operation."""
        self._until: int | None = None
        """While the rows are read in their order: those up to this sequence."""
        self._at: Any = FIRST
        self._started = self._loaded = False
        """Whether it began with a snapshot."""

    # Reading

    def refresh(self, *, seconds: float | None = None) -> bool:
        """Take in what was written meanwhile; gives whether there was anything. Raises JournalError, and is as before then.

        With `seconds` it stops after about so long; `state.behind` says how many events it did not come to.
        """
        version = self._journal.version()
        if version == self._version and not self.state.behind:
            return False
        ends = None if seconds is None else time.monotonic() + seconds
        before, first = self.state, self._version is None
        # What is written from here on has another version: it is seen the next time, never missed.
        last = self._journal.last_sequence()
        if not self._started:
            self._restart(last)
        done = self._go_on(last, ends)
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
        """From the newest snapshot that can be taken, else from the first event."""
        found = self._snapshots.newest()
        self._base = _Base(self._initial, {})
        if found is not None:
            try:
                state, left_out = self._decoded(found.body)
                self._base = _Base(state, left_out, found.stamp, found.covered, found.stamp, found.covered)
            except ValueError as error:
                _log.warning("a snapshot of the journal cannot be read: %s", error)
                self._snapshots.discard()
                found = None
        self._started, self._loaded = True, found is not None
        self._tail, self._ahead = [], set()
        self._until, self._at = last, self._base.stamp

    def _go_on(self, last: int, ends: float | None) -> bool:
        """Reads page by page; False where there was no time for all."""
        while True:
            if self._until is not None:
                self._read_in_order(self._until)
            elif self._read_as_written(last):
                return True
            if ends is not None and time.monotonic() >= ends:
                return False

    def _read_in_order(self, until: int) -> None:
        """One page of what is after the base; after the last one that is the state."""
        rows, self._at = read_in_order(self._journal, self._row_filter, after=self._at)
        if rows:
            self._tail += self._fit(row for row in rows if row.sequence <= until)
            self._roll(_EVERY_WHILE_READING)
            return
        lost = until - self._base.covered - len(self._tail) - len(self._ahead)
        if lost != self._base.state.lost and self._loaded:
            # Either the snapshot is wrong, or rows are gone since: the events themselves tell.
            self._snapshots.discard()
            self._restart(until)
            return
        self._until, self._after = None, until
        self._base.state = replace(self._base.state, lost=lost)
        self.state = replace(self._folded(self._base, self._base.state, self._tail), sequence=until)
        if self._base.covered - self._base.stored >= self._every:
            self._store()

    def _read_as_written(self, last: int) -> bool:
        """One page of what was written since; gives whether that was all."""
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
                    self._base.left_out.pop(row.sequence, None)  # it may have been the late one that it needed
        state = self._folded(self._base, self._base.state, self._tail) if late else self._folded(self._base, self.state, fit)
        self._after = newest
        if lost:
            state = replace(state, lost=state.lost + lost)
            self._base.state = replace(self._base.state, lost=state.lost)
        self.state = replace(state, sequence=newest)
        self._roll(self._every)
        return self._until is None and self._after >= last

    def _roll(self, every: int) -> None:
        """Moves the base on, where the tail is long; whole stamps only. Now and then that makes a snapshot."""
        if len(self._tail) <= 2 * _TAIL:
            return
        at = len(self._tail) - _TAIL
        while at < len(self._tail) and self._tail[at].stamp == self._tail[at - 1].stamp:
            at += 1
        old, self._tail = self._tail[:at], self._tail[at:]
        base = self._base
        base.state = self._folded(base, base.state, old)
        base.stamp, base.covered = old[-1].stamp or 0, base.covered + len(old)
        if base.covered - base.stored >= every:
            self._store()

    def _store(self) -> None:
        """A snapshot of the base; what it leaves out is read from the file where somebody wants it."""
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
                # Another console was quicker, or a late event came: the file has what is to be gone on from.
                self._restart(self._journal.last_sequence())
                return
        except JournalError as error:
            _log.info("no snapshot of the journal now: %s", error)
            return
        base.state, base.parent, base.stored = state, base.stamp, base.covered
        if self._until is None:
            self.state = replace(self._folded(base, state, self._tail), **_kept(self.state))

    def _folded(self, base: _Base, state: JournalState, rows: Sequence[Row]) -> JournalState:
        events = [row.event for row in rows if row.event is not None]
        made: dict[str, Any] = {}
        for name, projection in self._projections:
            own = [event for event in events if event.kind in projection.kinds]
            if own:
                held = projection.recall(
                    getattr(state, name), own, lambda identity: self._recalled(INCIDENT, identity, Incident)
                )
                made[name], puzzling = projection.fold_understood(held, own)
                self._leave_out(puzzling, NOT_UNDERSTOOD)
        settled = made.get("settled", state.settled)
        left_out = {sequence: item for sequence, item in base.left_out.items() if item.id not in settled}
        if left_out != state.left_out:
            made["left_out"] = MappingProxyType(left_out)
        return replace(state, **made)

    def _fit(self, rows: Iterable[Row]) -> list[Row]:
        """In their order, without the events that no console takes: an older console may have taken them into this file."""
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

    # What has settled

    def incident(self, identity: str) -> Incident | None:
        """It as a whole, however long ago it was. Raises JournalError."""
        held = self.state.incidents.get(identity)
        found = held if held is not None and not held.outline else self._recalled(INCIDENT, identity, Incident) or held
        if found is None or not found.earlier or found.outline:
            return found
        parts = self._snapshots.settled(TIMELINE, identity, until=self._base.parent or FIRST)
        earlier = [
            entry for part, body in parts if part < found.earlier for entry in decode_snapshot(body, tuple[TimelineEntry, ...])
        ]
        entries = sorted((*earlier, *found.entries), key=lambda entry: entry.at)
        return replace(found, entries=tuple(entries), earlier=max(0, found.earlier - len(earlier)))

    def find_incident(self, words: str) -> Incident | None:
        """By number, by id or the beginning of one that no other has. Raises JournalError."""
        number = int(words) if words.isascii() and words.isdigit() and len(words) < 16 else None
        held = self.state.incidents.all
        found = {item.id for item in held if (item.id.startswith(words) if number is None else item.number == number)}
        if self.state.incidents.older and not (number and found):
            found |= set(self._snapshots.ids(OUTLINE, words, until=self._base.parent or FIRST, part=number))
        identity = found.pop() if len(found) == 1 else words
        return self.incident(identity) if identity else None

    def older_incidents(self, *, before: int, limit: int) -> tuple[Incident, ...]:
        """Outlines of those that the state does not hold, the newest first, numbered below `before`. Raises JournalError."""
        held = {item.id for item in self.state.incidents.all}
        while bodies := self._snapshots.listed(OUTLINE, until=self._base.parent or FIRST, before=before, limit=limit):
            found = [decode_snapshot(body, Incident) for body in bodies]
            if fresh := tuple(item for item in found if item.id not in held):
                return fresh
            before = found[-1].number
        return ()

    def _recalled(self, kind: str, identity: str, of: Any) -> Any:
        for _, body in self._snapshots.settled(kind, identity, until=self._base.parent or FIRST):
            return decode_snapshot(body, of)
        return None

    def _decoded(self, body: bytes) -> tuple[JournalState, dict[int, LeftOutEvent]]:
        """Raises ValueError for what is none of this release."""
        found = decode_snapshot(body, JournalState)
        return replace(found, left_out=MappingProxyType(dict(found.left_out))), dict(found.left_out)


def _kept(state: JournalState) -> dict[str, Any]:
    """What is not of the events."""
    return {name: getattr(state, name) for name in ("sequence", "head", "read", "behind")}


def _order(row: Row) -> tuple[int, str]:
    return row.order
