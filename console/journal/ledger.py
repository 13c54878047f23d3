"""What the journal's events add up to, brought up to date by each new one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from console.checklists.walks import Walks, WalksProjection
from console.incidents.incident import Incidents
from console.incidents.projection import IncidentsProjection
from console.journal.event import Event
from console.journal.owners import Mark, Owners
from console.journal.projection import Projection
from console.journal.recent import Recent

if TYPE_CHECKING:
    from console.journal.sqlite import Journal


@dataclass(frozen=True, slots=True)
class LedgerState:
    """One field for each projection, of one environment; `sequence` is the newest event that is in it."""

    sequence: int = 0
    owners: Mapping[str, Mark] = field(default_factory=lambda: MappingProxyType({}))
    recent: tuple[Event, ...] = ()
    walks: Walks = field(default_factory=Walks)
    incidents: Incidents = field(default_factory=Incidents)


PROJECTIONS: tuple[tuple[str, Projection[Any]], ...] = (
    ("owners", Owners()),
    ("recent", Recent()),
    ("walks", WalksProjection()),
    ("incidents", IncidentsProjection()),
)
"""The name is that of the field."""


class Ledger:
    """Folds one environment's events, and those of no environment; belongs to one thread, that of the journal.

    It reads what its projections need when it begins, and afterwards only what is new; while nothing is written, by this
    console or another, a refresh asks SQLite for one number.
    """

    def __init__(
        self, journal: Journal, *, environment: str, projections: tuple[tuple[str, Projection[Any]], ...] = PROJECTIONS
    ) -> None:
        self._journal = journal
        self._environments = ("", environment)
        self._projections = projections
        self._kinds = tuple(dict.fromkeys(kind for _, projection in projections for kind in projection.kinds))
        self._version: tuple[int, int] | None = None
        self.state = replace(LedgerState(), **{name: projection.initial() for name, projection in projections})

    def refresh(self) -> bool:
        """Take in what was written meanwhile; gives whether there was anything. Raises JournalError, and is as before then."""
        version = self._journal.version()
        if version == self._version:
            return False
        first = self._version is None
        # What is written from here on has another version: it is seen the next time, never missed.
        last = self._journal.last_sequence()
        state = self._begun(last) if first else self._continued(last)
        changed = first or any(getattr(state, name) is not getattr(self.state, name) for name, _ in self._projections)
        self.state, self._version = state, version
        return changed

    def _begun(self, last: int) -> LedgerState:
        made = {}
        for name, projection in self._projections:
            events = self._journal.events(
                kinds=projection.kinds, environments=self._environments, until=last, limit=projection.newest
            )
            made[name] = projection.fold(projection.initial(), events)
        return replace(self.state, sequence=last, **made)

    def _continued(self, last: int) -> LedgerState:
        state = self.state
        events = self._journal.events(after=state.sequence, until=last, kinds=self._kinds, environments=self._environments)
        made = {}
        for name, projection in self._projections:
            told = [event for event in events if event.kind in projection.kinds]
            if told:
                made[name] = projection.fold(getattr(state, name), told)
        return replace(state, sequence=last, **made)
