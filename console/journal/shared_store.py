"""The interface of a store that several hosts share, and the JSON of one event in it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, Protocol

import msgspec

from console.journal.event import AHEAD, Anchor, Event, make_storable, validate
from console.journal.presence import PresenceBoard
from queries.decoding import decoder
from queries.model.fault import Fault
from queries.model.frozen import dataclass

EVENT_BYTES = 256 << 10
"""Limit of one event, far above what people and consoles write; a larger one stays local."""
READ_ONLY = "it was written by a read-only console"
"""Why an event stays local on purpose."""
_NAMED = 3
AGAIN_SECONDS = 60.0
"""How often the events that were left out are checked again."""

OnEvents = Callable[[tuple[Event, ...], str], None]
"""Receives new events and the cursor up to which the store was read."""


@dataclass(frozen=True, slots=True)
class PushResult:
    """The events that the store has now, and those that it will never accept, each with the reason."""

    stored: tuple[Event, ...] = ()
    refused: tuple[tuple[Event, str], ...] = ()


class SharedStore(Protocol):
    """All calls may block for a few seconds and raise SourceError; one thread makes them, `close` comes from another."""

    @property
    def where(self) -> str:
        """The store's location for people, without secrets."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """Warnings while the store answers."""

    @property
    def left_out(self) -> tuple[str, ...]:
        """The events in it that every console rejects: count, names and reason; empty without any."""

    @property
    def fault(self) -> Fault | None:
        """Why other consoles' events do not arrive at this moment."""

    def listen(self, changed: Callable[[], None]) -> None:
        """Starts watching for changes in threads of its own, which call `changed`."""

    def read(self, cursor: str, on_events: OnEvents) -> bool:
        """Passes new events to `on_events`; returns whether the store could be read."""

    def push(self, events: Sequence[Event]) -> PushResult:
        """Writes these events, each id once, even after an earlier attempt with an unknown outcome."""

    def ping(self, *, fresh: bool = False) -> None:
        """Checks that it answers; with `fresh`, the next `read` returns everything that is there now."""

    def board(self) -> PresenceBoard:
        """Where the consoles of this store leave their heartbeats; call it before `listen`."""

    def close(self) -> None:
        """Ends every wait at once."""


class _Entry(msgspec.Struct):
    id: str
    stamp: int
    at: float
    kind: str
    subject: str
    author: str
    environment: str
    data: dict[str, Any]
    anchor: Anchor | None = None


def to_json(event: Event) -> str:
    """One event as JSON in a line, in ASCII: a database may hold another encoding than ours."""
    fields = ("id", "stamp", "at", "kind", "subject", "author", "environment", "data")
    values = {name: getattr(event, name) for name in fields}
    if event.anchor is not None:
        values["anchor"] = asdict(event.anchor)
    return json.dumps(values, separators=(",", ":"))


def from_json(text: str, *, now: float) -> Event:
    """The event as this machine can store it. Raises ValueError with the reason for an invalid one: anybody may have written to
    the store.
    """
    if len(text) > 2 * EVENT_BYTES:
        raise ValueError("it is larger than any event")
    try:
        found = decoder(_Entry).decode(text)
        event = make_storable(
            Event(found.at, found.kind, found.subject, found.author, found.environment, found.data, 0, found.id, found.stamp)
        )
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise ValueError("it is not an event") from None
    if why := validate(event, now=now):
        raise ValueError(why)
    return replace(event, anchor=found.anchor)


class LeftOut:
    """Events in a store that every console rejects, with reasons; those ahead of the clock are retried as time passes."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._found: dict[str, tuple[str, str]] = {}
        """By its place in the store: its text, and why it is left out."""
        self._tried_at = clock()

    def read(self, texts: Mapping[str, str]) -> tuple[Event, ...]:
        """The valid events of these texts, in order; the others are remembered by their place."""
        now, events = self._clock(), []
        for place, text in texts.items():
            try:
                events.append(from_json(text, now=now))
                self._found.pop(place, None)
            except ValueError as error:
                self._found[place] = (text, str(error))
        return tuple(sorted(events, key=lambda event: event.order))

    def read_again(self) -> tuple[Event, ...]:
        """Those that are no longer ahead of the clock; checks once a minute."""
        now = self._clock()
        if abs(now - self._tried_at) < AGAIN_SECONDS:
            return ()
        self._tried_at = now
        return self.read({place: text for place, (text, why) in self._found.items() if AHEAD in why})

    def forget(self, there: Callable[[str], bool]) -> None:
        """Drops entries that somebody deleted from the store."""
        self._found = {place: item for place, item in self._found.items() if there(place)}

    @property
    def places(self) -> tuple[str, ...]:
        return tuple(self._found)

    @property
    def sentences(self) -> tuple[str, ...]:
        """`2 entries of the store are left out: its time is impossible (cad-console-journal-000001/…, …)`, one a reason."""
        by_reason: dict[str, list[str]] = {}
        for place, (_, why) in self._found.items():
            by_reason.setdefault(why, []).append(place)
        return tuple(left_out_sentence("of the store", why, places) for why, places in sorted(by_reason.items()))


def left_out_sentence(where: str, why: str, names: Sequence[str], count: int = 0) -> str:
    """One sentence with the count and the first names of what is left out."""
    count = count or len(names)
    entries = f"{count} {'entry' if count == 1 else 'entries'} {where} {'is' if count == 1 else 'are'} left out"
    more = ", …" if count > _NAMED else ""
    return f"{entries}: {why} ({', '.join(names[:_NAMED])}{more})"
