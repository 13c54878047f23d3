"""A value of 0 to 100 that is formatted as if it were 0 to 1."""

from __future__ import annotations

import re
from collections.abc import Iterator

import promql_parser as ast

from console.lint.context import LintContext, ParsedRule
from console.lint.finding import Level, LintMatch, LintRule
from queries.model.panel import Unit
from queries.promql.syntax import bare, children, nodes, number, selector

_AS_RATIO = re.compile(
    r"\{\{-?[^{}]*?(?:\$value|\.Value)\b[^{}]*\|\s*humanizePercentage\b[^{}]*\}\}"
    r"|\{\{-?\s*humanizePercentage\s+\(?\s*(?:\$value|\.Value)\b[^{}]*\}\}"
)
_HUNDRED = 100.0
_NO_RATIO = 1.5
"""A threshold beyond this is none of a share of 0 to 1."""
_COMPARISONS = frozenset({"==", "!=", ">", "<", ">=", "<="})
_DEEPEST_CHAIN = 10


def _find(item: ParsedRule, scene: LintContext) -> Iterator[LintMatch]:
    shown = [(key, text) for key, text in item.rule.annotations if _AS_RATIO.search(text)]
    if item.expression is None or not shown:
        return
    root = item.expression.root
    limit = _limit(root)
    if is_percent(root, scene):
        told = "the value is 0 to 100"
    elif limit is not None and abs(limit) > _NO_RATIO:
        told = f"the rule compares with {limit:g}, so the value is no share of 0 to 1"
    else:
        return
    for key, _ in shown:
        line = item.placed.line_of(f"annotations.{key}", "humanizePercentage")
        yield LintMatch(line, f"{told}, and `{key}` shows it with humanizePercentage, which multiplies by 100")


def is_percent(node: ast.Expr, scene: LintContext, *, depth: int = 0) -> bool:
    """Whether the value of an expression is a percentage of 0 to 100; False where that is not known."""
    node = bare(node)
    if depth > _DEEPEST_CHAIN:
        return False
    if isinstance(node, ast.VectorSelector | ast.MatrixSelector):
        return any(_is_percent_series(name, scene, depth=depth + 1) for name in selector(node).metrics)
    if isinstance(node, ast.BinaryExpr):
        op = str(node.op)
        left, right = number(node.lhs), number(node.rhs)
        sides = [is_percent(side, scene, depth=depth) for side in (node.lhs, node.rhs)]
        if op == "*":
            return any(side == _HUNDRED for side in (left, right)) or any(sides)
        if op == "/":
            return sides[0] and right is None and not sides[1]
        if op in _COMPARISONS:
            return sides[0] if left is None else sides[1]
        return any(sides)
    inner = [item for item in children(node) if not isinstance(item, ast.StringLiteral | ast.NumberLiteral)]
    return bool(inner) and _keeps_unit(node) and is_percent(inner[0], scene, depth=depth)


def _is_percent_series(name: str, scene: LintContext, *, depth: int) -> bool:
    if name not in scene.percent:
        scene.percent[name] = False  # where rules read each other in a circle
        scene.percent[name] = _records_percent(name, scene, depth=depth)
    return scene.percent[name]


def _records_percent(name: str, scene: LintContext, *, depth: int) -> bool:
    rules = [item.expression for item in scene.recorded(name) if item.expression is not None]
    if rules:
        return any(is_percent(item.root, scene, depth=depth) for item in rules)
    return any(panel.unit is Unit.PERCENT and name in panel.recorded_names for panel in scene.panels)


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
    """The number with which the whole is compared; None where it is not one comparison."""
    for node in nodes(root):
        if isinstance(node, ast.BinaryExpr) and str(node.op) in _COMPARISONS:
            return number(node.rhs) if number(node.rhs) is not None else number(node.lhs)
        if isinstance(node, ast.BinaryExpr) and str(node.op) not in ("and", "unless", "or"):
            return None
    return None


PERCENT_AS_RATIO = LintRule(
    "percent-as-ratio",
    Level.ERROR,
    "A percentage is formatted as a ratio",
    "humanizePercentage takes a share of 0 to 1 and multiplies it by 100: a platform error ratio of 7.8 is read out as 780 %, "
    "and who is called at night cannot tell how bad it is.",
    'Write `{{ printf "%.1f" $value }} %` for a value that is 0 to 100 already.',
    _find,
)
