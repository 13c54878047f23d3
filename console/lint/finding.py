"""What a lint says: a named trap, where it was stepped into, why it is one and how to mend it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from console.lint.context import LintContext, ParsedRule


class Level(StrEnum):
    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"
    """What the lint could not find out: nothing to correct, and no reason to fail."""


@dataclass(frozen=True, slots=True)
class LintMatch:
    """One place in a rule: what is wrong there. `level` is the trap's own where it is None."""

    line: int
    text: str
    level: Level | None = None


@dataclass(frozen=True, slots=True)
class LintRule:
    """One kind of mistake. `find` looks for it in one rule; None where the file as a whole or another program tells it."""

    id: str
    level: Level
    title: str
    why: str
    mend: str
    find: Callable[[ParsedRule, LintContext], Iterable[LintMatch]] | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """A trap that was stepped into. `line` is 0 where only a server told the rule; `rule` is empty for a whole file."""

    trap: LintRule
    level: Level
    file: str
    line: int
    rule: str
    text: str
    said_by: str = ""
    """The other program that said so, empty for the console itself."""


CLEAN, ERRORS, UNUSABLE, WARNINGS = 0, 1, 2, 3


def exit_code(findings: Iterable[Finding]) -> int:
    """promtool's habit: 0 clean or notes only, 1 errors, 3 warnings only."""
    levels = {item.level for item in findings} - {Level.NOTE}
    return ERRORS if Level.ERROR in levels else WARNINGS if levels else CLEAN
