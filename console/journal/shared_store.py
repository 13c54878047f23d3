"""What a store that several hosts share has to offer, and how one event is written there."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

import msgspec

from console.journal.event import AHEAD, Anchor, Event, make_storable, validate
from queries.decoding import decoder
from queries.model.fault import Fault

EVENT_BYTES = 256 << 10
"""No event that a person or the console makes is as large; a larger one stays where it was written."""
READ_ONLY = "it was written by a read-only console"
"""Why an event is meant to stay where it was written."""
_NAMED = 3
AGAIN_SECONDS = 60.0
"""How often what was left out is looked at again."""

OnEvents = Callable[[tuple[Event, ...], str], None]
"""Called with what is new and with the place up to which the store was read then."""


@dataclass(frozen=True, slots=True)
class PushResult:
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
    def left_out(self) -> tuple[str, ...]:
        """What it holds that no console takes, counted and named, with the reason; empty where it has none."""

    @property
    def fault(self) -> Fault | None:
        """Why what others write does not come in at this moment."""

    def listen(self, changed: Callable[[], None]) -> None:
        """Begin to hear of changes, in threads of its own; `changed` is called there."""

    def read(self, cursor: str, take: OnEvents) -> bool:
        """Hand over what was not handed over yet; gives whether the store could be read at all."""

    def bring(self, events: Sequence[Event]) -> PushResult:
        """Write these, each id once, also where an earlier attempt ended nobody knows how."""

    def pulse(self, *, fresh: bool = False) -> None:
        """Whether it still answers; with `fresh`, so that the next `read` gives all that is there at this moment."""

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
    anchor: Anchor | None = None


def to_json(event: Event) -> str:
    """One event as JSON in a line, in ASCII: a database may hold another encoding than ours."""
    fields = ("id", "stamp", "at", "kind", "subject", "author", "environment", "data")
    document = {name: getattr(event, name) for name in fields}
    if event.anchor is not None:
        document["anchor"] = asdict(event.anchor)
    return json.dumps(document, separators=(",", ":"))


def from_json(text: str, *, now: float) -> Event:
    """The event as this machine can keep it. Raises ValueError, with the reason, where no console takes it: anybody may have
    written to the store.
    """
    if len(text) > 2 * EVENT_BYTES:
        raise ValueError("it is larger than any event")
    try:
        found = decoder(_Entry).decode(text)
        event = make_storable(
            Event(found.at, found.kind, found.subject, found.author, found.environment, found.data, 0, found.id, found.stamp)
        )
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise ValueError("it is no event") from None
    if why := validate(event, now=now):
        raise ValueError(why)
    return replace(event, anchor=found.anchor)


class LeftOut:
    """What a store holds that no console takes, each with its reason; what is only ahead is tried again as time goes by."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._found: dict[str, tuple[str, str]] = {}
        """By its place in the store: its text, and why it is left out."""
        self._tried_at = clock()

    def read(self, texts: Mapping[str, str]) -> tuple[Event, ...]:
        """The events of these texts, by their place, in their order; what is none is remembered instead."""
        now, events = self._clock(), []
        for place, text in texts.items():
            try:
                events.append(from_json(text, now=now))
                self._found.pop(place, None)
            except ValueError as error:
                self._found[place] = (text, str(error))
        return tuple(sorted(events, key=lambda event: event.order))

    def read_again(self) -> tuple[Event, ...]:
        """Those whose time has come meanwhile, or that were ahead of a clock that was put right; looks once a minute."""
        now = self._clock()
        if abs(now - self._tried_at) < AGAIN_SECONDS:
            return ()
        self._tried_at = now
        return self.read({place: text for place, (text, why) in self._found.items() if AHEAD in why})

    def forget(self, there: Callable[[str], bool]) -> None:
        """Somebody may have deleted what is not there any more."""
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
    """One sentence that counts what is left out and names the first of it."""
    count = count or len(names)
    entries = f"{count} {'entry' if count == 1 else 'entries'} {where} {'is' if count == 1 else 'are'} left out"
    more = ", …" if count > _NAMED else ""
    return f"{entries}: {why} ({', '.join(names[:_NAMED])}{more})"
