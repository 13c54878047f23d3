"""One line of the self-check, and which exit code a whole run has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

PASSED, FAILED_GENERALLY, API, HEALTH, METRICS, CONTRACT, MAPPING = range(7)
MEANING = {
    PASSED: "all passed",
    FAILED_GENERALLY: "general failure",
    API: "API failure, cannot connect",
    HEALTH: "the health check failed",
    METRICS: "the metrics check failed",
    CONTRACT: "contract violation",
    MAPPING: "provider mapping gap",
}

AREAS = (
    *("api", "health", "redis", "metrics", "targets", "rules", "recording", "contract", "mapping"),
    *("alertmanager", "clock"),
)
"""The order in which the areas are looked at: of several failures the first one decides. What makes the rest meaningless
stands first; what is nobody's in particular stands last, so that its general code hides none of the others."""


class Result(StrEnum):
    PASSED = "passed"
    NOTED = "noted"
    """Not as it should be, and no failure either."""
    FAILED = "failed"
    SKIPPED = "skipped"
    """It could not be looked at, because something before it failed or nobody said where it is."""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One line of the self-check; `code` is the exit code that its failure means.

    `quiet` lines are one of many that are as they may be: a text report counts them instead of listing them.
    """

    area: str
    name: str
    result: Result
    text: str
    code: int
    quiet: bool = False
    items: tuple[Mapping[str, Any], ...] = ()
    """What the text lists, for machines."""


def in_order(results: Iterable[CheckResult]) -> tuple[CheckResult, ...]:
    """By area; within one as they were found."""
    return tuple(sorted(results, key=lambda item: AREAS.index(item.area)))


def exit_code(results: Sequence[CheckResult]) -> int:
    """The code of the first failure in order."""
    return next((item.code for item in in_order(results) if item.result is Result.FAILED), PASSED)
