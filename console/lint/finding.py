"""Lint rules and their findings: what is wrong, where, why, and how to fix it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from queries.model.rule import RuleKind

if TYPE_CHECKING:
    from console.lint.context import LintContext, ParsedRule


class Level(StrEnum):
    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"
    """Something that the lint could not determine; no reason to fail."""


class LintMatch(msgspec.Struct, frozen=True):
    """A problem at one line of a rule. `level` None means the lint rule's own."""

    line: int
    text: str
    level: Level | None = None


class LintRule(msgspec.Struct, frozen=True):
    """One kind of mistake. `find` searches one rule for it; None where a whole file or another program reports it."""

    id: str
    level: Level
    title: str
    why: str
    fix: str
    find: Callable[[ParsedRule, LintContext], Iterable[LintMatch]] | None = None
    kind: RuleKind | None = None
    """The only kind of rule that it checks; None for both."""
    words: frozenset[str] = frozenset()
    """Functions, aggregations and operators: it checks only expressions that contain one of them; empty for all."""

    def report(self, match: LintMatch, *, file: str, rule: str) -> Finding:
        return Finding(self, match.level or self.level, file, match.line, rule, match.text)


class Finding(msgspec.Struct, frozen=True):
    """A violated lint rule. `line` is 0 for a rule that only a server has; `rule` is empty for a whole file."""

    lint_rule: LintRule
    level: Level
    file: str
    line: int
    rule: str
    text: str
    source: str = ""
    """The program that reported it, empty for the console itself."""


CLEAN, ERRORS, WARNINGS = 0, 1, 3


def exit_code(findings: Iterable[Finding]) -> int:
    """As in promtool: 0 clean or notes only, 1 errors, 3 warnings only."""
    levels = {item.level for item in findings} - {Level.NOTE}
    return ERRORS if Level.ERROR in levels else WARNINGS if levels else CLEAN
