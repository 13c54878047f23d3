"""Duplicate names, and duplicate expressions under two names."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from pathlib import Path

import promql_parser as ast

from console.lint.context import LintContext, ParsedRule
from console.lint.finding import Level, LintMatch, LintRule
from queries.model.rule import RuleKind
from queries.model.series import label
from queries.promql.syntax import constant, selector, strip_parens, vector_argument

_IF_BOTH = ": an error if both are loaded"


def _find_duplicate(item: ParsedRule, context: LintContext) -> Iterator[LintMatch]:
    rule = item.rule
    if twice := _find_equal_labels(item, context):
        yield twice
        return
    if rule.kind is RuleKind.RECORD:
        return
    for other in context.before(item, _name_key):
        separate = (other.placed.file, other.placed.group) != (item.placed.file, item.placed.group)
        if separate and not (_same(item, other) and _is_escalation(item, other)):
            labels = "the same labels" if other.rule.labels == rule.labels else "other labels"
            expression = "the same" if _same(item, other) else "another"
            text = f"is also defined at {_place(other)}, with {labels} and {expression} expression"
            text += _IF_BOTH if _in_another_folder(item, other) else ""
            yield LintMatch(_line(item), text, Level.WARNING)
            return


def _find_equal_labels(item: ParsedRule, context: LintContext) -> LintMatch | None:
    """An earlier rule with this name and these labels: preferably one that is loaded together with it."""
    found: LintMatch | None = None
    for other in context.before(item, _label_key):
        same = _same(item, other)
        if not same and (_are_halves(item, other) or not _may_overlap(item, other, context)):
            continue
        text = f"is already defined at {_place(other)}, with the same labels and "
        text += "the same expression" if same else "another expression over the same metrics"
        if item.rule.kind is RuleKind.RECORD:
            text = f"is already recorded at {_place(other)}, with the same labels"
        if not _in_another_folder(item, other):
            return LintMatch(_line(item), text)
        found = found or LintMatch(_line(item), text + _IF_BOTH, Level.WARNING)
    return found


def _in_another_folder(one: ParsedRule, other: ParsedRule) -> bool:
    """Whether two rules are in files of different folders, as for two products; a server's own rules are all loaded."""
    return bool(one.placed.line and other.placed.line) and Path(one.placed.file).parent != Path(other.placed.file).parent


def _are_halves(one: ParsedRule, other: ParsedRule) -> bool:
    """Whether one alert is for a value of 0, such as the time of the last success before the first one, and the other for a
    value above: they never fire together."""
    return any(
        not _metrics_beside_zero(left, "==").isdisjoint(_metrics_beside_zero(right, ">"))
        for left, right in ((one, other), (other, one))
    )


def _metrics_beside_zero(item: ParsedRule, operator: str) -> frozenset[str]:
    """The metrics whose value, or maximum, an expression compares with 0 by this operator."""
    found: set[str] = set()
    for node in item.expression.parts if item.expression is not None else ():
        if isinstance(node, ast.BinaryExpr) and str(node.op) == operator and constant(node.rhs) == 0:
            inner = strip_parens(node.lhs)
            while isinstance(inner, ast.AggregateExpr | ast.Call | ast.ParenExpr):
                vector = vector_argument(inner) if isinstance(inner, ast.Call) else inner.expr
                name = inner.func.name if isinstance(inner, ast.Call) else str(getattr(inner, "op", "max"))
                if vector is None or name not in ("max", "max_over_time"):
                    break
                inner = vector
            if isinstance(inner, ast.VectorSelector | ast.MatrixSelector):
                found.update(selector(inner).metrics)
    return frozenset(found)


def _may_overlap(one: ParsedRule, other: ParsedRule, context: LintContext) -> bool:
    """Whether two rules can produce the same series: not where they match a label that both keep differently, nor where two
    alerts read different metrics.
    """
    if one.expression is None or other.expression is None:
        return True
    if one.rule.kind is RuleKind.ALERT and set(one.expression.metrics) != set(other.expression.metrics):
        return False
    flows = (context.flow(one), context.flow(other))
    mine, theirs = (
        {(item.name, item.operator, item.value) for picked in rule.expression.selectors for item in picked.labels}
        for rule in (one, other)
        if rule.expression is not None
    )
    differing = {name for name, _, _ in mine - theirs} & {name for name, _, _ in theirs - mine}
    return not any(all(each is not None and each.labels.can_have(name) for each in flows) for name in differing)


def _find_repetition(item: ParsedRule, context: LintContext) -> Iterator[LintMatch]:
    if item.expression is None or not item.expression.selectors:
        return
    for other in context.before(item, _expression_key):
        if other.rule.kind is RuleKind.ALERT and other.rule.name != item.rule.name and not _is_escalation(item, other):
            yield LintMatch(item.placed.line_of("alert"), f"has the expression of {other.rule.name} at {_place(other)}")
            return


def _is_escalation(one: ParsedRule, other: ParsedRule) -> bool:
    """Whether the second alert escalates the first: another severity after another `for`."""
    severities = {label(item.rule.labels, "severity") for item in (one, other)}
    return len(severities) == 2 and one.rule.for_seconds != other.rule.for_seconds


def _name_key(item: ParsedRule) -> Hashable:
    return item.rule.kind.value, item.rule.name


def _label_key(item: ParsedRule) -> Hashable:
    return item.rule.kind.value, item.rule.name, item.rule.labels


def _expression_key(item: ParsedRule) -> Hashable:
    return item.normal_form if item.rule.kind is RuleKind.ALERT else None


def _same(one: ParsedRule, other: ParsedRule) -> bool:
    return one.normal_form == other.normal_form


def _line(item: ParsedRule) -> int:
    return item.placed.line_of(item.rule.kind.value)


def _place(item: ParsedRule) -> str:
    return f"{item.placed.file}:{item.placed.line}" if item.placed.line else f"{item.placed.file}, group {item.placed.group}"


DUPLICATE_NAME = LintRule(
    "duplicate-name",
    Level.ERROR,
    "The same name is defined twice",
    "Two alerts of one name with different thresholds fire one after the other and suppress each other's notification; a "
    "series that two rules record flips between two values.",
    "Keep one, or give the second a name or severity of its own.",
    _find_duplicate,
)
SAME_EXPRESSION = LintRule(
    "same-expression",
    Level.WARNING,
    "Two alerts of different names have the same expression",
    "One fault pages twice, under two names with two runbooks, and a silence for one leaves the other.",
    "Keep one alert; for a second severity, keep the name and change threshold or `for`.",
    _find_repetition,
    kind=RuleKind.ALERT,
)
