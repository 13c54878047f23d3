"""What the journal's events add up to, brought up to date by each new one."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from console.checklists.walks import Walks, WalksProjection
from console.handover.signatures import HandoverSigned, HandoversProjection
from console.incidents.incident import Incidents
from console.incidents.projection import IncidentsProjection
from console.journal.event import Event, validate
from console.journal.left_out import NOT_UNDERSTOOD, LeftOutEvent, SettledProjection
from console.journal.owners import Mark, Owners
from console.journal.projection import Projection
from console.journal.recent import Recent
from console.journal.unfinished import UnfinishedProjection
from console.revisions import NO_RECORDS, Records, RevisionRecords

if TYPE_CHECKING:
    from console.journal.sqlite import Journal


_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LedgerState:
    """One field for each projection, of one environment; `sequence` is the newest event that is in it."""

    sequence: int = 0
    owners: Mapping[str, Mark] = field(default_factory=lambda: MappingProxyType({}))
    recent: tuple[Event, ...] = ()
    walks: Walks = field(default_factory=Walks)
    incidents: Incidents = field(default_factory=Incidents)
    handovers: tuple[HandoverSigned, ...] = ()
    unfinished: Mapping[str, Event] = field(default_factory=lambda: MappingProxyType({}))
    settled: frozenset[str] = frozenset()
    revisions: Records = field(default_factory=lambda: NO_RECORDS)
    left_out: Mapping[int, LeftOutEvent] = field(default_factory=lambda: MappingProxyType({}))
    """By its sequence, what is in this journal and counts for nothing, but for what a person settled."""


PROJECTIONS: tuple[tuple[str, Projection[Any]], ...] = (
    ("owners", Owners()),
    ("recent", Recent()),
    ("walks", WalksProjection()),
    ("incidents", IncidentsProjection()),
    ("handovers", HandoversProjection()),
    ("unfinished", UnfinishedProjection()),
    ("settled", SettledProjection()),
    ("revisions", RevisionRecords()),
)
"""The name is that of the field."""

_TAIL = 256


class Ledger:
    """Folds one environment's events, and those of no environment; belongs to one thread, that of the journal.

    It reads what its projections need when it begins, and afterwards only what is new; while nothing is written, by this
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
    ) -> None:
        self._journal = journal
        self._clock = clock
        self._left_out: dict[int, LeftOutEvent] = {}
        self._environments = ("", environment)
        self._projections = projections
        self._kinds = tuple(dict.fromkeys(kind for _, projection in projections for kind in projection.kinds))
        self._version: tuple[int, int] | None = None
        self.state = replace(LedgerState(), **{name: projection.initial() for name, projection in projections})
        # The newest events, and what there was before them: a late one among them is put in its place at little cost.
        self._base = self.state
        self._base_order = (0, "")
        self._tail: list[Event] = []

    def refresh(self) -> bool:
        """Take in what was written meanwhile; gives whether there was anything. Raises JournalError, and is as before then."""
        version = self._journal.version()
        if version == self._version:
            return False
        before = self.state
        # What is written from here on has another version: it is seen the next time, never missed.
        last = self._journal.last_sequence()
        if self._version is None:
            self._begin(last)
        else:
            self._go_on(last)
        changed = self._version is None or any(getattr(self.state, name) is not getattr(before, name) for name in self._names)
        left_out = {key: item for key, item in self._left_out.items() if item.id not in self.state.settled}
        if left_out != self.state.left_out:
            self.state, changed = replace(self.state, left_out=MappingProxyType(left_out)), True
        self._version = version
        return changed

    @property
    def _names(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self._projections)

    def _begin(self, last: int) -> None:
        made: dict[str, Any] = {}
        newest = (0, "")
        self._left_out = {}
        for name, projection in self._projections:
            events = self._journal.events(
                kinds=projection.kinds, environments=self._environments, until=last, limit=projection.newest
            )
            ordered = self._fit(events)
            made[name], puzzling = projection.fold_understood(projection.initial(), ordered)
            self._leave_out(puzzling, NOT_UNDERSTOOD)
            newest = max([newest, *(event.order for event in ordered[-1:])])
        self.state = self._base = replace(self.state, sequence=last, **made)
        self._base_order, self._tail = newest, []

    def _go_on(self, last: int) -> None:
        after = self.state.sequence
        events = self._journal.events(after=after, until=last, kinds=self._kinds, environments=self._environments)
        ordered = self._fit(events)
        newest = self._tail[-1].order if self._tail else self._base_order
        if ordered and ordered[0].order < self._base_order:
            self._begin(last)
            return
        late = bool(ordered) and ordered[0].order < newest
        self._tail = sorted([*self._tail, *ordered], key=_order)
        state = self._folded(self._base, self._tail) if late else self._folded(self.state, ordered)
        self.state = replace(state, sequence=last)
        if len(self._tail) > 2 * _TAIL:
            old, self._tail = self._tail[:-_TAIL], self._tail[-_TAIL:]
            self._base, self._base_order = self._folded(self._base, old), old[-1].order

    def _folded(self, state: LedgerState, events: list[Event]) -> LedgerState:
        made = {}
        for name, projection in self._projections:
            told = [event for event in events if event.kind in projection.kinds]
            if told:
                made[name], puzzling = projection.fold_understood(getattr(state, name), told)
                self._leave_out(puzzling, NOT_UNDERSTOOD)
        return replace(state, **made)

    def _fit(self, events: Iterable[Event]) -> list[Event]:
        """In their order, without those that no console takes: an older console may have taken them into this file."""
        now, fit = self._clock(), []
        for event in events:
            if why := validate(event, now=now):
                self._leave_out((event,), why)
            else:
                fit.append(event)
        return sorted(fit, key=_order)

    def _leave_out(self, events: Iterable[Event], why: str) -> None:
        for event in events:
            if event.sequence not in self._left_out:
                _log.warning("#%d %s by %s is left out: %s", event.sequence, event.kind, event.author, why)
            self._left_out[event.sequence] = LeftOutEvent(event.id, event.kind, event.author, why)


def _order(event: Event) -> tuple[int, str]:
    return event.order
