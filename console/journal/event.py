"""One journal event: something that happened, never changed afterwards."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Event:
    """`kind` is dotted (`action.intent`, `action.outcome`, `alert.owned`, `alert.released`, `note`); `subject` is what it is
    about (an action's run id, a fingerprint); `at` is Unix seconds UTC; `data` is plain JSON without secrets.

    The journal gives the rest. `sequence` is its place in this machine's file. `id` is the same on every machine. `stamp`
    orders events of several machines: the writer's clock in microseconds, but always more than that of any event that the
    writer's journal had then; so an answer never comes before what it answers, however clocks are set or jump.
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

    @property
    def order(self) -> tuple[int, str]:
        """What every console sorts events by."""
        return self.stamp, self.id


def storable(event: Event) -> Event:
    """The event as it will be read again: what no store and no file can hold is written out, lone surrogates (`\\ud800`)
    and numbers that are none (`NaN`).
    """
    texts = (event.kind, event.subject, event.author, event.environment)
    try:
        data = json.dumps(event.data, ensure_ascii=False, allow_nan=False)
        "".join((*texts, data)).encode()
    except ValueError:  # a UnicodeEncodeError is one too
        data = json.dumps(written_out(event.data))
        texts = written_out(texts)
    kind, subject, author, environment = texts
    return replace(event, kind=kind, subject=subject, author=author, environment=environment, data=json.loads(data))


def written_out(value: Any) -> Any:
    """Plain JSON without lone surrogates and without numbers that are none."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, dict):
        return {written_out(name): written_out(item) for name, item in value.items()}
    return [written_out(item) for item in value] if isinstance(value, list | tuple) else value
