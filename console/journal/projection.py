"""What a projection is: a part of the present, derived from the journal's events of some kinds."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, ClassVar, Generic, TypeVar

from console.journal.event import Event

State = TypeVar("State")
Key = TypeVar("Key")
Value = TypeVar("Value")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Settled:
    """A part of something that is over, as it is kept beside the snapshots and no longer in the state."""

    kind: str
    id: str
    part: int
    value: Any


Recalled = Callable[[str], Any]
"""Gives, by its id, what has settled and is needed again; None where there is no such thing."""


def newest(found: dict[Key, Value], most: int) -> dict[Key, Value]:
    """The `most` that were put there last: no state grows for ever."""
    return dict(islice(found.items(), len(found) - most, None)) if len(found) > most else found


class Projection(ABC, Generic[State]):
    """Pure: a frozen state and an event give a frozen state; the old one stays what it was.

    A new one is a subclass beside what it is about, a row in `console.state.journal_state.PROJECTIONS`, and a field of
    `LedgerState`. The smallest there is:

        class LastNote(Projection[str]):
            kinds = ("note",)

            def initial(self) -> str:
                return ""

            def apply(self, state: str, event: Event) -> str:
                return str(event.data.get("text", ""))
    """

    kinds: ClassVar[tuple[str, ...]]
    """Which events it is given; no others are read for it."""

    @abstractmethod
    def initial(self) -> State:
        """Before the first event."""

    @abstractmethod
    def apply(self, state: State, event: Event) -> State:
        """After one more event; `state` itself where the event means nothing."""

    def fold(self, state: State, events: Iterable[Event]) -> State:
        """After all of these; to be overridden where many at once can be taken in cheaper than one by one.

        Raises anything for an event whose data is not what its kind says.
        """
        for event in events:
            state = self.apply(state, event)
        return state

    # What keeps the state small, where it holds things that are over. The ledger calls these between two folds.

    def settle(self, state: State) -> tuple[State, tuple[Settled, ...]]:
        """The state without what is over and no screen shows at once, and that; both mean the same as before together."""
        return state, ()

    def recall(self, state: State, events: Sequence[Event], recalled: Recalled) -> State:
        """The state with what these events are about, where that has settled."""
        return state

    def fold_understood(self, state: State, events: Sequence[Event]) -> tuple[State, tuple[Event, ...]]:
        """After those of these that can be understood, and the others: of a later version, written by hand, or with ill will.

        An event counts whole or not at all. The others are found by halves: thousands of good ones beside a bad one stay cheap.
        """
        try:
            return self.fold(state, events), ()
        except Exception:
            if len(events) == 1:
                _log.debug("a %s is not understood: #%d", events[0].kind, events[0].sequence, exc_info=True)
                return state, tuple(events)
        half = len(events) // 2
        state, first = self.fold_understood(state, events[:half])
        state, second = self.fold_understood(state, events[half:])
        return state, first + second
