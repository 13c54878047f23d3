"""Values of 0 to 100 formatted as ratios of 0 to 1."""

from __future__ import annotations

import re
from collections.abc import Iterator

import promql_parser as ast

from console.lint.context import LintContext, ParsedRule
from console.lint.finding import Level, LintMatch, LintRule
from queries.model.panel import Unit
from queries.model.rule import RuleKind
from queries.promql.syntax import children, constant, nodes, selector, strip_parens

_AS_RATIO = re.compile(
    r"\{\{-?[^{}]*?(?:\$value|\.Value)\b[^{}]*\|\s*humanizePercentage\b[^{}]*\}\}"
    r"|\{\{-?\s*humanizePercentage\s+\(?\s*(?:\$value|\.Value)\b[^{}]*\}\}"
)
_HUNDRED = 100.0
_MAX_RATIO = 1.5
"""A higher threshold does not belong to a ratio of 0 to 1."""
_COMPARISONS = frozenset({"==", "!=", ">", "<", ">=", "<="})
_MAX_DEPTH = 10


def _find(item: ParsedRule, context: LintContext) -> Iterator[LintMatch]:
    shown = [(key, text) for key, text in item.rule.annotations if _AS_RATIO.search(text)]
    if item.expression is None or not shown:
        return
    root = item.expression.root
    limit = _limit(root)
    if is_percent(root, context):
        reason = "the value is 0 to 100"
    elif limit is not None and abs(limit) > _MAX_RATIO:
        reason = f"the rule compares with {limit:g}, so the value is not a ratio of 0 to 1"
    else:
        return
    for key, _ in shown:
        line = item.placed.line_of(f"annotations.{key}", "humanizePercentage")
        yield LintMatch(line, f"{reason}, but `{key}` shows it with humanizePercentage, which multiplies by 100")


def is_percent(node: ast.Expr, context: LintContext, *, depth: int = 0) -> bool:
    """Whether an expression is a percentage of 0 to 100; False where that is unknown."""
    node = strip_parens(node)
    if depth > _MAX_DEPTH:
        return False
    if isinstance(node, ast.VectorSelector | ast.MatrixSelector):
        return any(_is_percent_series(name, context, depth=depth + 1) for name in selector(node).metrics)
    if isinstance(node, ast.BinaryExpr):
        op = str(node.op)
        left, right = constant(node.lhs), constant(node.rhs)
        sides = [is_percent(side, context, depth=depth) for side in (node.lhs, node.rhs)]
        if op == "*":
            return any(side == _HUNDRED for side in (left, right)) or any(sides)
        if op == "/":
            return sides[0] and right is None and not sides[1]
        if op in _COMPARISONS:
            return sides[0] if left is None else sides[1]
        return any(sides)
    inner = [item for item in children(node) if not isinstance(item, ast.StringLiteral | ast.NumberLiteral)]
    return bool(inner) and _keeps_unit(node) and is_percent(inner[0], context, depth=depth)


def _is_percent_series(name: str, context: LintContext, *, depth: int) -> bool:
    if name not in context.percent:
        context.percent[name] = False  # for rules that read each other
        context.percent[name] = _records_percent(name, context, depth=depth)
    return context.percent[name]


def _records_percent(name: str, context: LintContext, *, depth: int) -> bool:
    rules = [item.expression for item in context.recorded(name) if item.expression is not None]
    if rules:
        return any(is_percent(item.root, context, depth=depth) for item in rules)
    return any(panel.unit is Unit.PERCENT and name in panel.recorded_names for panel in context.panels)


def _keeps_unit(node: ast.Expr) -> bool:
    if isinstance(node, ast.AggregateExpr):
        return str(node.op) not in ("count", "count_values", "group", "stddev", "stdvar")
    if isinstance(node, ast.Call):
        name = node.func.name
        return name.startswith(("label_", "clamp", "sort", "round", "abs")) or name in (
            *("avg_over_time", "min_over_time", "max_over_time", "last_over_time", "quantile_over_time"),
            *("ceil", "floor", "first_over_time"),
        )
    return True


def _limit(root: ast.Expr) -> float | None:
    """The limit of the comparison; None where the expression is not a single comparison."""
    for node in nodes(root):
        if isinstance(node, ast.BinaryExpr) and str(node.op) in _COMPARISONS:
            return constant(node.rhs) if constant(node.rhs) is not None else constant(node.lhs)
        if isinstance(node, ast.BinaryExpr) and str(node.op) not in ("and", "unless", "or"):
            return None
    return None


PERCENT_AS_RATIO = LintRule(
    "percent-as-ratio",
    Level.ERROR,
    "A percentage is formatted as a ratio",
    "humanizePercentage expects a ratio of 0 to 1 and multiplies it by 100: a platform error ratio of 7.8 reads as 780 %, and "
    "the person on call cannot tell how bad it is.",
    'Write `{{ printf "%.1f" $value }} %` for a value of 0 to 100.',
    _find,
    kind=RuleKind.ALERT,
)
