"""One journal event: something that happened, never changed afterwards."""

from __future__ import annotations

import json
import math
from dataclasses import field, replace
from typing import Any

from queries.model.frozen import dataclass


@dataclass(frozen=True, slots=True)
class Anchor:
    """An event's place in the hash chain of the file that it was first written to. The shared store keeps it, so that a
    rewritten file shows. `journal` is the file's id.
    """

    journal: str
    sequence: int
    hash: str


@dataclass(frozen=True, slots=True)
class Event:
    """`kind` is dotted (`action.intent`, `alert.owned`, `note`); `subject` is what the event is about (an action's run id, a
    fingerprint); `at` is Unix seconds UTC; `data` is plain JSON without secrets (`console.journal.payloads`).

    The journal adds the rest. `sequence` is the place in this machine's file. `id` is the same on every machine. `stamp`
    orders the events of all machines: the writer's clock in microseconds, but always greater than that of every event in the
    writer's journal, so that a reply never precedes what it replies to, however clocks jump. `anchor` is set on events from
    the shared store and on events that wait for it.
    """

    at: float
    kind: str
    subject: str
    author: str
    environment: str = ""
    data: dict[str, Any] = field(default_factory=dict)
    sequence: int = 0
    id: str = ""
    stamp: int = 0
    anchor: Anchor | None = field(default=None, compare=False)

    @property
    def order(self) -> tuple[int, str]:
        """The sort key of events, the same on every console."""
        return self.stamp, self.id


AHEAD_SECONDS = 86_400.0
"""How far ahead of a console's clock an event may be: a clock that is off by more does not go unnoticed."""
AHEAD = "more than a day ahead of this machine's clock"
"""Part of every reason that ceases with time."""
_CALENDAR_ENDS = 253_402_300_800.0
_LEVELS = 32
_DECODER = json.JSONDecoder()
_LARGEST = 1 << 63
_ID, _NAME, _SUBJECT = 64, 200, 1000
"""Characters that an id, a kind, an author and an environment may have, and a subject."""


def validate(event: Event, *, now: float) -> str:
    """Why every console rejects this event; empty for a valid one. The same rule applies to writing, sharing and reading.

    An event with an impossible time cannot be drawn; one with an impossible stamp would push every later event beyond all
    clocks.
    """
    latest = now + AHEAD_SECONDS
    kind, author, environment, subject = len(event.kind), len(event.author), len(event.environment), len(event.subject)
    named = 0 < kind <= _NAME and author <= _NAME and environment <= _NAME and subject <= _SUBJECT
    if named and 0.0 <= event.at <= latest < _CALENDAR_ENDS and 0 < event.stamp <= latest * 1e6 and 0 < len(event.id) <= _ID:
        return ""  # the fast path: a long journal has a million events
    if not 0.0 <= event.at < _CALENDAR_ENDS:
        return "its time is impossible"
    if event.stamp <= 0 or not 0 < len(event.id) <= _ID:
        return "it has no order stamp or no id"
    if event.at > latest:
        return f"its time is {AHEAD}"
    if event.stamp > latest * 1e6:
        return f"its order stamp is {AHEAD}"
    if not kind:
        return "it has no kind"
    return "" if named else f"its kind, author or environment is longer than {_NAME} characters, or its subject than {_SUBJECT}"


def make_storable(event: Event) -> Event:
    """The event as a reader gets it back: what no store can hold becomes text, lone surrogates (`\\ud800`) and numbers that
    are not JSON (`NaN`). Raises ValueError for data that is nested too deep.
    """
    kind, subject, author, environment = replace_unstorable((event.kind, event.subject, event.author, event.environment))
    return replace(
        event, kind=kind, subject=subject, author=author, environment=environment, data=replace_unstorable(event.data, _LEVELS)
    )


def parse_data(text: str) -> dict[str, Any]:
    """An event's data from its JSON. Raises ValueError for anything but an object, and for one nested too deep to be shown."""
    deep = text.count("{") + text.count("[") > _LEVELS  # rare, and cheap to check
    try:
        data = _DECODER.decode(text)
        if not isinstance(data, dict):
            raise ValueError("not an object")
        if deep and _deeper(data, _LEVELS):
            raise ValueError(_DEEP)
    except RecursionError:
        raise ValueError(_DEEP) from None
    return data


def _deeper(value: Any, levels: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    return levels <= 0 or any(_deeper(item, levels - 1) for item in (value.values() if isinstance(value, dict) else value))


def replace_unstorable(value: Any, levels: int = _LEVELS) -> Any:
    """Plain JSON without lone surrogates, NaN or infinity. Raises ValueError for deeper nesting."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, int):
        return value if -_LARGEST <= value < _LARGEST else hex(value)
    if isinstance(value, dict | list | tuple):
        if levels <= 0:
            raise ValueError(_DEEP)
        if isinstance(value, dict):
            return {replace_unstorable(str(name)): replace_unstorable(item, levels - 1) for name, item in value.items()}
        return [replace_unstorable(item, levels - 1) for item in value]
    return value


_DEEP = f"its data is nested deeper than {_LEVELS} levels"
