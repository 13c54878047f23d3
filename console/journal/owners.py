"""Who looks after which alert: marks in the journal that end when the alert does."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from console.journal.event import Event
from console.journal.projection import Projection

OWNED = "alert.owned"
RELEASED = "alert.released"


@dataclass(frozen=True, slots=True)
class Mark:
    """`at` is when it was set, Unix seconds."""

    author: str
    at: float


class Owners(Projection[Mapping[str, Mark]]):
    """The mark of each owned alert, by fingerprint; the last word counts."""

    kinds = (OWNED, RELEASED)

    def initial(self) -> Mapping[str, Mark]:
        return MappingProxyType({})

    def apply(self, state: Mapping[str, Mark], event: Event) -> Mapping[str, Mark]:
        return self.fold(state, (event,))

    def fold(self, state: Mapping[str, Mark], events: Iterable[Event]) -> Mapping[str, Mark]:
        marks = dict(state)
        for event in events:
            if event.kind == OWNED:
                marks[event.subject] = Mark(event.author, event.at)
            else:
                marks.pop(event.subject, None)
        return MappingProxyType(marks)


def resolved(marks: Mapping[str, Mark], present: Collection[str], *, taken_at: float) -> tuple[str, ...]:
    """The fingerprints of owned alerts that are not there any more.

    `present` must come from a whole answer of Alertmanager, taken at `taken_at`: one that could not be asked has not
    resolved anything, and a mark that is younger than the answer may be of an alert that the answer could not have yet.
    A fingerprint with a colon is Prometheus' own, which Alertmanager does not know.
    """
    return tuple(
        fingerprint
        for fingerprint, mark in marks.items()
        if mark.at < taken_at and fingerprint not in present and ":" not in fingerprint
    )
