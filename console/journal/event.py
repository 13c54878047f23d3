"""One journal event: something that happened, never changed afterwards."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Anchor:
    """Where an event stands in the hash chain of the file that it was written to first: kept in the shared store, it shows
    whether that file was written again. `journal` is the file's id.
    """

    journal: str
    sequence: int
    hash: str


@dataclass(frozen=True, slots=True)
class Event:
    """`kind` is dotted (`action.intent`, `action.outcome`, `alert.owned`, `alert.released`, `note`); `subject` is what it is
    about (an action's run id, a fingerprint); `at` is Unix seconds UTC; `data` is plain JSON without secrets.

    The journal gives the rest. `sequence` is its place in this machine's file. `id` is the same on every machine. `stamp`
    orders events of several machines: the writer's clock in microseconds, but always more than that of any event that the
    writer's journal had then; so an answer never comes before what it answers, however clocks are set or jump. `anchor` is
    known of what was read from the shared store and of what waits for it.
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
        """What every console sorts events by."""
        return self.stamp, self.id


AHEAD_SECONDS = 86_400.0
"""How far ahead of a console's own clock an event may be; nobody's clock is wrong by more and goes unnoticed."""
AHEAD = "more than a day ahead of this machine's clock"
"""What every reason says that passes with time."""
_CALENDAR_ENDS = 253_402_300_800.0
_LEVELS = 32
_DECODER = json.JSONDecoder()
_LARGEST = 1 << 63
_ID, _NAME, _SUBJECT = 64, 200, 1000
"""Characters that an id, a kind, an author and an environment may have, and a subject."""


def validate(event: Event, *, now: float) -> str:
    """Why no console takes this event, empty where every one does: the one rule for what is written, shared and read again.

    An event with an impossible time could not be drawn, and one with an impossible order stamp would put everything that is
    written later beyond every clock.
    """
    latest = now + AHEAD_SECONDS
    kind, author, environment, subject = len(event.kind), len(event.author), len(event.environment), len(event.subject)
    named = 0 < kind <= _NAME and author <= _NAME and environment <= _NAME and subject <= _SUBJECT
    if named and 0.0 <= event.at <= latest < _CALENDAR_ENDS and 0 < event.stamp <= latest * 1e6 and 0 < len(event.id) <= _ID:
        return ""  # nearly every one, and a long journal has a million
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
    """The event as it will be read again: what no store and no file can hold is written out, lone surrogates (`\\ud800`)
    and numbers that are none (`NaN`), or that no other program reads back. Raises ValueError for data that is nested too deep.
    """
    kind, subject, author, environment = replace_unstorable((event.kind, event.subject, event.author, event.environment))
    return replace(
        event, kind=kind, subject=subject, author=author, environment=environment, data=replace_unstorable(event.data, _LEVELS)
    )


def parse_data(text: str) -> dict[str, Any]:
    """An event's data of its JSON. Raises ValueError for what is no object, and for one that is nested too deep to be shown."""
    deep = text.count("{") + text.count("[") > _LEVELS  # hardly ever; looking whether it is costs nothing
    try:
        data = _DECODER.decode(text)
        if not isinstance(data, dict):
            raise ValueError("no object")
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
    """Plain JSON without lone surrogates and without numbers that are none. Raises ValueError for what is nested deeper."""
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
