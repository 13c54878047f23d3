"""Alerts that fire at the first bad sample."""

from __future__ import annotations

from collections.abc import Iterator

from console.lint.context import LintContext, ParsedRule
from console.lint.finding import Level, LintMatch, LintRule
from queries.model.rule import RuleKind

_LONG_SECONDS = 300


def _find(item: ParsedRule, context: LintContext) -> Iterator[LintMatch]:
    rule = item.rule
    if rule.for_seconds is not None or item.expression is None:
        return
    if not item.expression.selectors or not item.placed.line:
        return  # a dead man's switch always fires; and a server returns 0 for `for: 0s` and for a missing `for`
    if all((picked.range_seconds or 0) >= _LONG_SECONDS for picked in item.expression.selectors):
        return  # the range is long enough to tolerate a failed scrape
    yield LintMatch(item.placed.line_of("alert"), "has no `for`")


MISSING_FOR = LintRule(
    "missing-for",
    Level.WARNING,
    "An alert has no `for`",
    "One failed scrape or one slow minute is enough to page someone; alerts that resolve by themselves teach people to wait.",
    "Set how long the condition must hold (`for: 5m`); `for: 0s` states that firing at once is intended.",
    _find,
    kind=RuleKind.ALERT,
)
