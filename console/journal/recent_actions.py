"""The newest outcomes of actions and notes, for the list of recent changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from console.journal.event import Event
from console.journal.payloads import ActionOutcome, NoteWritten, event_kinds
from console.journal.projection import Projection

LIMIT = 200
"""Of each kind, so that a night of notes does not push the actions out."""


class RecentActions(Projection[tuple[Event, ...]]):
    """The newest outcomes of actions and notes, oldest first."""

    kinds = event_kinds(ActionOutcome, NoteWritten)

    def initial(self) -> tuple[Event, ...]:
        return ()

    def apply(self, state: tuple[Event, ...], event: Event) -> tuple[Event, ...]:
        return self.fold(state, (event,))

    def fold(self, state: tuple[Event, ...], events: Iterable[Event]) -> tuple[Event, ...]:
        together = (*state, *events)
        if len(together) <= LIMIT:
            return together
        counts: Counter[str] = Counter()
        kept: list[Event] = []
        for event in reversed(together):
            counts[event.kind] += 1
            if counts[event.kind] <= LIMIT:
                kept.append(event)
        return tuple(reversed(kept))
