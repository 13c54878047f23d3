"""A silence as Alertmanager stores it."""

from __future__ import annotations

from dataclasses import dataclass

from queries.model.matcher import Matcher


@dataclass(frozen=True, slots=True)
class Silence:
    """One silence; times are Unix seconds; `state` is active, pending or expired."""

    id: str
    matchers: tuple[Matcher, ...]
    starts_at: float
    ends_at: float
    created_by: str
    comment: str
    state: str = "active"
