"""The same name defined twice, and the same expression under two names."""

from __future__ import annotations

from collections.abc import Hashable, Iterator

from console.lint.context import LintContext, ParsedRule
from console.lint.finding import Level, LintMatch, LintRule
from queries.model.rule import RuleKind
from queries.model.series import label


def _find(item: ParsedRule, scene: LintContext) -> Iterator[LintMatch]:
    rule = item.rule
    line = item.placed.line_of(rule.kind.value)
    for other in scene.before(item, _labelled):
        same = _same(item, other)
        if not same and not _may_overlap(item, other, scene):
            continue
        if rule.kind is RuleKind.RECORD:
            yield LintMatch(line, f"is recorded at {_place(other)} already, with the same labels")
            return
        differs = "the same expression" if same else "another expression over the same metrics"
        yield LintMatch(line, f"is defined at {_place(other)} already, with the same labels and {differs}")
        return
    if rule.kind is RuleKind.RECORD:
        return
    for other in scene.before(item, _named):
        apart = (other.placed.file, other.placed.group) != (item.placed.file, item.placed.group)
        if apart and not _same(item, other):
            labels = "the same labels" if other.rule.labels == rule.labels else "other labels"
            told = f"is defined at {_place(other)} too, with {labels} and another expression"
            yield LintMatch(line, told, Level.WARNING)
            return


def _may_overlap(one: ParsedRule, other: ParsedRule, scene: LintContext) -> bool:
    """Whether two rules can give the same series: not where a label that both keep is matched in two ways, nor where two
    alerts read different metrics."""
    if one.expression is None or other.expression is None:
        return True
    if one.rule.kind is RuleKind.ALERT and set(one.expression.metrics) != set(other.expression.metrics):
        return False
    flows = (scene.flow(one), scene.flow(other))
    mine, theirs = (
        {(item.name, item.operator, item.value) for picked in rule.expression.selectors for item in picked.labels}
        for rule in (one, other)
        if rule.expression is not None
    )
    apart = {name for name, _, _ in mine - theirs} & {name for name, _, _ in theirs - mine}
    return not any(all(found is not None and found.labels.can_have(name) for found in flows) for name in apart)


def _repeats(item: ParsedRule, scene: LintContext) -> Iterator[LintMatch]:
    if item.rule.kind is not RuleKind.ALERT or item.expression is None or not item.expression.selectors:
        return
    for other in scene.before(item, _expression):
        if other.rule.kind is RuleKind.ALERT and other.rule.name != item.rule.name and not _is_a_step_up(item, other):
            yield LintMatch(item.placed.line_of("alert"), f"has the expression of {other.rule.name} at {_place(other)}")
            return


def _is_a_step_up(one: ParsedRule, other: ParsedRule) -> bool:
    """Whether the same trouble is told again with another severity after another time: that is meant."""
    severities = {label(item.rule.labels, "severity") for item in (one, other)}
    return len(severities) == 2 and one.rule.for_seconds != other.rule.for_seconds


def _named(item: ParsedRule) -> Hashable:
    return item.rule.kind, item.rule.name


def _labelled(item: ParsedRule) -> Hashable:
    return item.rule.kind, item.rule.name, item.rule.labels


def _expression(item: ParsedRule) -> Hashable:
    return item.normal_form if item.rule.kind is RuleKind.ALERT else None


def _same(one: ParsedRule, other: ParsedRule) -> bool:
    return one.normal_form == other.normal_form


def _place(item: ParsedRule) -> str:
    return f"{item.placed.file}:{item.placed.line}" if item.placed.line else f"{item.placed.file}, group {item.placed.group}"


DUPLICATE_NAME = LintRule(
    "duplicate-name",
    Level.ERROR,
    "The same name is defined twice",
    "Two alerts of one name with different thresholds fire one after the other and silence each other's notification; a "
    "series that is recorded twice flips between two values.",
    "Keep one, or give the second a name or a severity of its own beside the first.",
    _find,
)
SAME_EXPRESSION = LintRule(
    "same-expression",
    Level.WARNING,
    "Two alerts of different names have one expression",
    "One fault pages twice, under two names with two runbooks, and a silence of one leaves the other.",
    "Keep one alert; where a second severity is meant, keep the name and let threshold or `for` differ.",
    _repeats,
)
