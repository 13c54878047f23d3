"""A shared store that a test holds in its hands: what is in it, what it refuses, and what it was asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from console.journal.event import Event
from console.journal.presence import PresenceBoard
from console.journal.shared_store import OnEvents, PushResult
from queries.errors import SourceError
from queries.model.fault import Fault


class MemoryStore:
    """`asked` has the name of every call; `failure` is raised by each but `listen` and `close`,
    `push_failure` by a push. A read gives what is new since
    the cursor, and False while the store is not `readable`.
    """

    where = "a store"
    warnings: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()

    def __init__(self, *events: Event) -> None:
        self.events = list(events)
        self.refused: dict[str, str] = {}
        """By subject, why an event is refused."""
        self.failure: SourceError | None = None
        self.push_failure: SourceError | None = None
        self.before_read: Callable[[], None] = lambda: None
        self.readable = True
        self.fault: Fault | None = None
        self.asked: list[str] = []
        self.pushed: list[tuple[str, ...]] = []
        self.changed: Callable[[], None] = lambda: None
        self.closed = False

    def _ask(self, name: str) -> None:
        self.asked.append(name)
        if self.failure is not None:
            raise self.failure

    def listen(self, changed: Callable[[], None]) -> None:
        self.changed = changed

    def read(self, cursor: str, on_events: OnEvents) -> bool:
        self.before_read()
        self._ask("read")
        if not self.readable:
            return False
        begin = int(cursor or 0)
        if new := tuple(self.events[begin:]):
            on_events(new, str(len(self.events)))
        return True

    def push(self, events: Sequence[Event]) -> PushResult:
        self._ask("push")
        if self.push_failure is not None:
            raise self.push_failure
        self.pushed.append(tuple(event.subject for event in events))
        refused = tuple((event, self.refused[event.subject]) for event in events if event.subject in self.refused)
        stored = tuple(event for event in events if event.subject not in self.refused)
        self.events += stored
        return PushResult(stored, refused)

    def ping(self, *, fresh: bool = False) -> None:
        self._ask("fresh ping" if fresh else "ping")

    def board(self) -> PresenceBoard:
        raise NotImplementedError

    def close(self) -> None:
        self.closed = True
