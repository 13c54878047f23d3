"""The journal as it was at a moment: its events up to then, reduced."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from console.journal.event import Event
from console.journal.ordered import FIRST, RowFilter, read_in_order
from console.journal.projection import Projection
from console.state.journal_state import PROJECTIONS, JournalState

if TYPE_CHECKING:
    from console.journal.sqlite import Journal

_MOST = 64


class PastJournal:
    """Reduces the events of one environment, and those without one, up to a moment. For one thread at a time.

    The order is that of the stamps, as everywhere; an event that another console wrote then and that arrived later counts.
    """

    def __init__(
        self,
        journal: Journal,
        *,
        environment: str,
        projections: tuple[tuple[str, Projection[Any]], ...] = PROJECTIONS,
        keep_every: int = 8,
    ) -> None:
        """A state is kept after every `keep_every` pages of events, so that a step back does not read everything again."""
        self._keep_every = keep_every
        self._journal = journal
        self._projections = projections
        kinds = frozenset(kind for _, projection in projections for kind in projection.kinds)
        self._row_filter = RowFilter(kinds, ("", environment))
        initial = replace(JournalState(), **{name: item.initial() for name, item in projections})
        self._known: list[tuple[int, JournalState]] = [(FIRST, initial)]
        """Stamps, ascending, and the state of all events up to each."""
        self._last_sequence = 0

    def state_at(self, moment: float) -> JournalState:
        """The state of all events up to `moment`, Unix seconds. Raises JournalError."""
        self._forget_overtaken()
        limit = int(moment * 1e6)
        stamp, state = self._known[bisect_right([known for known, _ in self._known], limit) - 1]
        at: Any = stamp
        pages = 0
        while True:
            rows, at = read_in_order(self._journal, self._row_filter, after=at)
            within = [row for row in rows if row.stamp is not None and row.stamp <= limit]
            state = self._fold(state, [row.event for row in within if row.event is not None])
            if not rows or len(within) < len(rows):
                return state
            pages += 1
            if pages % self._keep_every == 0:
                self._keep(at, state)

    def _keep(self, stamp: int, state: JournalState) -> None:
        if stamp > self._known[-1][0]:
            self._known.append((stamp, state))
            if len(self._known) > _MOST:
                self._known[1:] = self._known[2::2]

    def _forget_overtaken(self) -> None:
        """Events that arrived since, with an earlier stamp than a known state, are not in that state."""
        last = self._journal.last_sequence()
        if last == self._last_sequence:
            return
        found = self._journal.select("SELECT min(stamp) FROM events WHERE sequence > ?", (self._last_sequence,))
        self._last_sequence = last
        earliest = found[0][0]
        if isinstance(earliest, int):
            self._known = [self._known[0], *(item for item in self._known[1:] if item[0] < earliest)]

    def _fold(self, state: JournalState, events: Sequence[Event]) -> JournalState:
        made: dict[str, Any] = {}
        for name, projection in self._projections:
            own = [event for event in events if event.kind in projection.kinds]
            if own:
                made[name] = projection.fold_understood(getattr(state, name), own)[0]
        if made:
            made["sequence"] = max(event.sequence for event in events)
        return replace(state, **made)
