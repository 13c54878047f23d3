"""Events in this machine's journal that count for nothing: every console rejects them, or their data does not fit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from console.journal.event import Event
from console.journal.payloads import EventSettled, event_kinds
from console.journal.projection import Projection
from console.journal.shared_store import left_out_sentence
from queries.model.frozen import dataclass

NOT_UNDERSTOOD = "its data is not understood"


@dataclass(frozen=True, slots=True)
class LeftOutEvent:
    """An event that is left out, and why."""

    id: str
    kind: str
    author: str
    why: str


class SettledProjection(Projection[frozenset[str]]):
    """The ids of left-out events that somebody settled: no host warns about them any more."""

    kinds = event_kinds(EventSettled)

    def initial(self) -> frozenset[str]:
        return frozenset()

    def apply(self, state: frozenset[str], event: Event) -> frozenset[str]:
        return state | {event.subject}

    def fold(self, state: frozenset[str], events: Iterable[Event]) -> frozenset[str]:
        return state.union(event.subject for event in events)


def left_out_sentences(left_out: Mapping[int, LeftOutEvent]) -> tuple[str, ...]:
    """`2 entries of this journal are left out: its time is impossible (#12 incident.note by eve, …)`, one a reason."""
    by_reason: dict[str, list[str]] = {}
    for sequence, item in sorted(left_out.items()):
        by_reason.setdefault(item.why, []).append(f"#{sequence} {item.kind} by {item.author}")
    return tuple(left_out_sentence("of this journal", why, names) for why, names in sorted(by_reason.items()))
