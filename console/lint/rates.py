"""Texts that show a rate per second as a percentage or as a count."""

from __future__ import annotations

import re
from collections.abc import Iterator

import promql_parser as ast

from console.lint.context import LintContext, ParsedRule
from console.lint.finding import Level, LintMatch, LintRule
from queries.model.rule import RuleKind
from queries.promql.syntax import COMPARISONS, constant, selector, strip_parens, vector_argument

_RATES = frozenset({"rate", "irate"})
_KEEPS_UNIT = frozenset({"sum", "avg", "min", "max", "topk", "bottomk", "avg_over_time", "max_over_time", "min_over_time"})
_PERCENT = re.compile(r"\{\{-?[^{}]*\$value\b[^{}]*\|\s*humanizePercentage\b[^{}]*\}\}")
_COUNT = re.compile(
    r"\{\{-?\s*\$value\b[^{}]*\}\}\s+(?:times|[a-z-]+(?:\s[a-z-]+)?)\s+(?:in|over|within)\s+(?:the\s+)?(?:last\s+|past\s+)?"
    r"(?:\d+\s*)?(?:s|m|h|d|sec|min|minute|hour|day)\w*\b",
    re.IGNORECASE,
)
_MAX_DEPTH = 3


def _find(item: ParsedRule, context: LintContext) -> Iterator[LintMatch]:
    shown = [
        (key, found, what)
        for key, text in item.rule.annotations
        for pattern, what in ((_PERCENT, "percentage"), (_COUNT, "count"))
        if (found := pattern.search(text)) is not None
    ]
    if not shown or item.expression is None or not is_rate(item.expression.root, context):
        return
    for key, found, what in shown:
        line = item.placed.line_of(f"annotations.{key}", "$value")
        yield LintMatch(line, f'the value is a rate per second, but `{key}` shows it as a {what}: "{found[0]}"')


def is_rate(node: ast.Expr, context: LintContext, *, depth: int = _MAX_DEPTH) -> bool:
    """Whether an expression is a rate per second, including one recorded by a rule; False if unknown."""
    node = strip_parens(node)
    if isinstance(node, ast.BinaryExpr):
        return str(node.op) in COMPARISONS and constant(node.rhs) is not None and is_rate(node.lhs, context, depth=depth)
    if isinstance(node, ast.AggregateExpr):
        return str(node.op) in _KEEPS_UNIT and is_rate(node.expr, context, depth=depth)
    if isinstance(node, ast.Call):
        inner = vector_argument(node)
        kept = node.func.name in _KEEPS_UNIT and inner is not None and is_rate(inner, context, depth=depth)
        # The rate of a sum of seconds is seconds per second: a share.
        return kept or (node.func.name in _RATES and inner is not None and not _is_time(inner))
    if isinstance(node, ast.VectorSelector | ast.MatrixSelector) and depth:
        rules = [rule.expression for name in selector(node).metrics for rule in context.recorded(name)]
        return bool(rules) and all(each is not None and is_rate(each.root, context, depth=depth - 1) for each in rules)
    return False


def _is_time(node: ast.Expr) -> bool:
    names = selector(node).metrics if isinstance(node, ast.MatrixSelector) else ()
    return not names or any("seconds" in name for name in names)


RATE_AS_COUNT = LintRule(
    "rate-as-count",
    Level.ERROR,
    "A rate per second is shown as a percentage or a count",
    "Readers of the notification mistake 0.2 restarts per second for 0.2 restarts, or an error every ten seconds for 10 %.",
    "Show the unit (`{{ $value }} per second`), use increase() for a count, or divide by the total for a share.",
    _find,
    kind=RuleKind.ALERT,
)
