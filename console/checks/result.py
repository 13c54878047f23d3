"""One line of the self-check, and the exit code of a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any

from queries.model.frozen import dataclass

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
"""The order of the areas: of several failures the first one decides the exit code. An area that makes the rest meaningless
comes first; areas with the general code come last, so that it hides no specific one."""


class Result(StrEnum):
    PASSED = "passed"
    NOTED = "noted"
    """Not as it should be, but not a failure."""
    FAILED = "failed"
    SKIPPED = "skipped"
    """Could not be checked, because an earlier check failed or it is not configured."""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One line of the self-check; `code` is the exit code of its failure.

    A text report counts `quiet` lines instead of listing them.
    """

    area: str
    name: str
    result: Result
    text: str
    code: int
    quiet: bool = False
    items: tuple[Mapping[str, Any], ...] = ()
    """The items that the text lists, for JSON."""


def sort_by_area(results: Iterable[CheckResult]) -> tuple[CheckResult, ...]:
    """By area; within one in the given order."""
    return tuple(sorted(results, key=lambda item: AREAS.index(item.area)))


def exit_code(results: Sequence[CheckResult]) -> int:
    """The code of the first failure in order."""
    return next((item.code for item in sort_by_area(results) if item.result is Result.FAILED), PASSED)
