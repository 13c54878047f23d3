"""Projections: parts of the present state, each folded from the journal's events of some kinds."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Any, ClassVar, Generic, TypeVar

from console.journal.event import Event
from queries.model.frozen import dataclass

State = TypeVar("State")
Key = TypeVar("Key")
Value = TypeVar("Value")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Settled:
    """A part of something that is over: it moves out of the state and is kept beside the snapshots."""

    kind: str
    id: str
    part: int
    value: Any


Recall = Callable[[str], Any]
"""Returns a settled thing by its id; None where there is none."""


def keep_last(items: dict[Key, Value], most: int) -> dict[Key, Value]:
    """The `most` items that were inserted last, so that no state grows for ever."""
    return dict(islice(items.items(), len(items) - most, None)) if len(items) > most else items


class Projection(ABC, Generic[State]):
    """Pure: a frozen state and an event give another frozen state.

    To add one, write a subclass beside what it is about, a row in `console.state.journal_state.PROJECTIONS`, and a field of
    `JournalState`; CONTRIBUTING.md has the smallest one.
    """

    kinds: ClassVar[tuple[str, ...]]
    """The kinds of events that it folds; no others are read for it."""

    @abstractmethod
    def initial(self) -> State:
        """Before the first event."""

    @abstractmethod
    def apply(self, state: State, event: Event) -> State:
        """The state after one more event; `state` itself where the event means nothing."""

    def fold(self, state: State, events: Iterable[Event]) -> State:
        """The state after all of these; to be overridden where many at once are cheaper than one by one.

        May raise anything for an event whose data does not fit its kind.
        """
        for event in events:
            state = self.apply(state, event)
        return state

    # These keep the state small where it holds things that are over. The reader calls them between two folds.

    def settle(self, state: State) -> tuple[State, tuple[Settled, ...]]:
        """The state without what is over and no screen shows by default, and that; together they mean the same as before."""
        return state, ()

    def recall(self, state: State, events: Sequence[Event], recall: Recall) -> State:
        """The state with the settled things that these events are about."""
        return state

    def fold_understood(self, state: State, events: Sequence[Event]) -> tuple[State, tuple[Event, ...]]:
        """The state after the events that can be folded, and the others: of a later release, written by hand, or malicious.

        An event counts as a whole or not at all. Bisection finds the others: thousands of good events beside a bad one stay
        cheap.
        """
        try:
            return self.fold(state, events), ()
        except Exception:
            if len(events) == 1:
                _log.debug("#%d cannot be folded: %s", events[0].sequence, events[0].kind, exc_info=True)
                return state, tuple(events)
        half = len(events) // 2
        state, first = self.fold_understood(state, events[:half])
        state, second = self.fold_understood(state, events[half:])
        return state, first + second
