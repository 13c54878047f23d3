"""Sums that count one request at its start and again at its end."""

from __future__ import annotations

from collections.abc import Iterator

import promql_parser as ast

from console.lint.context import LintContext, ParsedRule
from console.lint.finding import Level, LintMatch, LintRule
from queries.promql.syntax import Expression, Selector, children, constant

_BEGINNINGS = frozenset({"start", "started", "pending", "queued", "submitted"})
"""Status values that are not outcomes."""
_STATES = ("status", "state")
_SELECTORS = (ast.VectorSelector, ast.MatrixSelector)


def _find(item: ParsedRule, context: LintContext) -> Iterator[LintMatch]:
    if item.expression is None:
        return
    states = {(name, label): _begins(name, label, context) for name in item.expression.metrics for label in _STATES}
    states = {key: values for key, values in states.items() if values}
    if not states:
        return
    seen: set[str] = set()
    for picked, sums in _counted(item.expression):
        for label in _STATES:
            values = states.get((picked.metric, label))
            if values is None or picked.metric in seen or label in [matcher.name for matcher in picked.matchers]:
                continue
            if not all(_keeps(node, label) for node in sums):
                seen.add(picked.metric)
                first, outcomes = min(values & _BEGINNINGS), ", ".join(sorted(values - _BEGINNINGS))
                line = item.placed.line_of("expr", picked.metric)
                yield LintMatch(line, f'adds up {picked.metric} at {label}="{first}" and again by outcome ({outcomes})')


def _begins(name: str, label: str, context: LintContext) -> frozenset[str]:
    """The label values of a counter that mark starts and outcomes; empty unless it has both."""
    info = context.catalog.get(name)
    if info is None or info.type != "counter" or label not in info.seen:
        return frozenset()
    values = frozenset(info.seen[label])
    return frozenset() if values.isdisjoint(_BEGINNINGS) or values <= _BEGINNINGS else values


def _counted(expression: Expression) -> Iterator[tuple[Selector, tuple[ast.AggregateExpr, ...]]]:
    """Every selector that contributes to a value, with the sums around it; not one that is multiplied by 0 or only filters."""
    read = iter(expression.selectors)
    waiting: list[tuple[ast.Expr, tuple[ast.AggregateExpr, ...] | None]] = [(expression.root, ())]
    while waiting:
        node, sums = waiting.pop()
        inside = children(node)
        counts = [sums] * len(inside)
        if not inside and isinstance(node, _SELECTORS):
            picked = next(read)
            if sums is not None:
                yield picked, sums
        elif sums is not None and isinstance(node, ast.AggregateExpr):
            counts = [(*sums, node) if str(node.op) == "sum" else sums] * len(inside)
        elif isinstance(node, ast.BinaryExpr):
            op = str(node.op)
            if op == "*" and 0 in (constant(node.lhs), constant(node.rhs)):
                counts = [None, None]
            elif op in ("and", "unless"):
                counts = [sums, None]
        waiting += reversed(tuple(zip(inside, counts, strict=True)))


def _keeps(node: ast.AggregateExpr, label: str) -> bool:
    modifier = node.modifier
    if modifier is None:
        return False
    return bool((label in modifier.labels) == (modifier.type == ast.AggModifierType.By))


COUNTED_TWICE = LintRule(
    "counted-twice",
    Level.ERROR,
    "A sum counts requests at their start and again at their outcome",
    "The sum counts a finished request twice and a stuck one once: the request rate doubles, and the success ratio "
    "of a healthy service reads 50 %.",
    'Select the starts, `{status="start"}`, or the outcomes, `{status!="start"}`.',
    _find,
    words=frozenset({"sum"}),
)
