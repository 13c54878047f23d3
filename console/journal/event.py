"""One journal event: something that happened, never changed afterwards."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Event:
    """`kind` is dotted (`action.intent`, `action.outcome`, `alert.owned`, `alert.released`, `note`); `subject` is what it is
    about (an action's run id, a fingerprint); `at` is Unix seconds UTC; `data` is plain JSON without secrets.
    `sequence` is given by the store.
    """

    at: float
    kind: str
    subject: str
    author: str
    environment: str = ""
    data: dict[str, Any] = field(default_factory=dict)
    sequence: int = 0


def storable(event: Event) -> Event:
    """The event itself, or where it holds lone surrogates, which no store and no file can hold, with those written out."""
    texts = (event.kind, event.subject, event.author, event.environment)
    try:
        "".join((*texts, json.dumps(event.data, ensure_ascii=False))).encode()
    except UnicodeEncodeError:
        kind, subject, author, environment = map(written_out, texts)
        data = {written_out(name): written_out(value) for name, value in event.data.items()}
        return replace(event, kind=kind, subject=subject, author=author, environment=environment, data=data)
    return event


def written_out(value: Any) -> Any:
    """Plain JSON without lone surrogates: `\\ud800` stands where one was."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {written_out(name): written_out(item) for name, item in value.items()}
    return [written_out(item) for item in value] if isinstance(value, list | tuple) else value
