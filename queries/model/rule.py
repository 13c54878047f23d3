"""Rules as a file or a server has them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from queries.model.series import Labels


class RuleKind(StrEnum):
    ALERT = "alert"
    RECORD = "record"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `for_seconds` is None where nothing is said. Health is `ok`, `err` or `unknown`, empty in a file."""

    kind: RuleKind
    name: str
    expression: str
    labels: Labels = ()
    annotations: Labels = ()
    for_seconds: float | None = None
    health: str = ""
    last_error: str = ""


@dataclass(frozen=True, slots=True)
class RuleGroup:
    """Rules that are evaluated together. Where a server told it: when that was last (Unix seconds), and how long it took."""

    name: str
    file: str
    rules: tuple[Rule, ...]
    interval_seconds: float = 0.0
    evaluated_at: float | None = None
    evaluation_seconds: float = 0.0
