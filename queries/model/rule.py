"""Rules as a file or a server defines them, and whether a server's recording rule may stand in for ours."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from queries.model.frozen import dataclass
from queries.model.series import Labels


class RuleKind(StrEnum):
    ALERT = "alert"
    RECORD = "record"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `for_seconds` is None without a `for`. Health is `ok`, `err` or `unknown`, empty in a file."""

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
    """Rules that are evaluated together. `evaluated_at` (Unix seconds) and `evaluation_seconds` come from a server only.

    `external` are labels that the server may have added to every rule, whatever their files say.
    """

    name: str
    file: str
    rules: tuple[Rule, ...]
    interval_seconds: float = 0.0
    evaluated_at: float | None = None
    evaluation_seconds: float = 0.0
    external: Labels = ()


class RuleMatch(StrEnum):
    """Whether a recorded series may be used."""

    SAME = "same"
    DIFFERENT = "different"
    TWICE = "recorded twice"
    FAILING = "failing"
    LATE = "late"
    UNVERIFIED = "not verified"


@dataclass(frozen=True, slots=True)
class RecordedSeries:
    """One of our recorded names on one server. `read` is the server's name for the same; `reason` explains the match, empty for
    `same`; the expressions are as each side writes them."""

    name: str
    match: RuleMatch
    read: str
    reason: str = ""
    ours: str = ""
    loaded: tuple[str, ...] = ()
    differs: tuple[str, ...] = ()


RecordedBook = Mapping[str, RecordedSeries]
"""By our name; a missing name is not verified."""
NOTHING_SEEN: RecordedBook = MappingProxyType({})
