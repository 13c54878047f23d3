"""One journal event: something that happened, never changed afterwards."""

from __future__ import annotations

from dataclasses import dataclass, field
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
