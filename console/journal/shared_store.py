"""What a store that several hosts share has to offer, and how one event is written there."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from console.journal.event import Event, storable
from queries.decoding import decoder
from queries.model.fault import Fault

EVENT_BYTES = 256 << 10
"""No event that a person or the console makes is as large; a larger one stays where it was written."""
_LATEST = 1 << 53
"""A stamp beyond the year 2255 is no clock's, and would leave no room for those that come after it."""

Take = Callable[[tuple[Event, ...], str], None]
"""Called with what is new and with the place up to which the store was read then."""


@dataclass(frozen=True, slots=True)
class Brought:
    """Which events the store has now, and which it will never take, each with the reason."""

    stored: tuple[Event, ...] = ()
    refused: tuple[tuple[Event, str], ...] = ()


class SharedStore(Protocol):
    """All calls may block for a few seconds and raise SourceError; one thread makes them, `close` comes from another."""

    @property
    def where(self) -> str:
        """For a person: which store this is, without secrets."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is odd though it answers."""

    @property
    def trouble(self) -> Fault | None:
        """Why what others write does not come in at this moment."""

    def listen(self, changed: Callable[[], None]) -> None:
        """Begin to hear of changes, in threads of its own; `changed` is called there."""

    def read(self, cursor: str, take: Take) -> bool:
        """Hand over what was not handed over yet; gives whether the store could be read at all."""

    def bring(self, events: Sequence[Event]) -> Brought:
        """Write these, each id once, also where an earlier attempt ended nobody knows how."""

    def pulse(self) -> None:
        """Whether it still answers."""

    def close(self) -> None:
        """End every wait at once."""


class _Entry(msgspec.Struct):
    id: str
    stamp: int
    at: float
    kind: str
    subject: str
    author: str
    environment: str
    data: dict[str, Any]


def as_text(event: Event) -> str:
    """One event as JSON in a line, in ASCII: a database may hold another encoding than ours."""
    fields = ("id", "stamp", "at", "kind", "subject", "author", "environment", "data")
    return json.dumps({name: getattr(event, name) for name in fields}, separators=(",", ":"))


def from_text(text: str) -> Event | None:
    """The event as this machine can keep it; None where it is none: anybody may have written to the store."""
    try:
        found = decoder(_Entry).decode(text)
        whole = bool(found.id) and len(found.id) <= 64 and 0 < found.stamp < _LATEST and abs(found.at) < 1e11
        if not whole or len(text) > 2 * EVENT_BYTES:
            return None
        event = Event(
            found.at, found.kind, found.subject, found.author, found.environment, found.data, 0, found.id, found.stamp
        )
        return storable(event)
    except (msgspec.DecodeError, UnicodeError, RecursionError, ValueError):
        return None
