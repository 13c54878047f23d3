"""What changed in the system, when, and by whom."""

from __future__ import annotations

from queries.model.frozen import dataclass


@dataclass(frozen=True, slots=True)
class LastWrite:
    """The last write of an object: Unix seconds, and the field manager (`helm`, `kubectl-edit`) if the server reports it."""

    name: str
    at: float
    manager: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """One change: a rollout, a scaling, a silence, a restart. `at` is Unix seconds."""

    at: float
    kind: str
    subject: str
    text: str
    author: str = ""
