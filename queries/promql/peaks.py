"""Rewrites an expression to its worst value in each step of a range query, so that charts keep one-evaluation spikes."""

from __future__ import annotations

import math
import re

import promql_parser as ast

from queries.model.frozen import dataclass
from queries.model.series import quote
from queries.promql.syntax import PromqlError, constant, parse_tree, strip_parens
from queries.text.durations import format_duration

_PLAIN_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
LOOKBACK_SECONDS = 300.0
"""Prometheus' default `--query.lookback-delta` (cmd/prometheus/main.go): how long a sample counts as current."""


@dataclass(frozen=True, slots=True)
class PeakQuery:
    """`text` returns, at each step, the worst value since the step before it.

    `evaluations` counts how often the server computes the expression for one step; 0 if it only reads stored samples.
    """

    text: str
    evaluations: int = 0


def build_peak_query(query: str, *, step_seconds: float, lowest: bool, evaluation_seconds: float) -> PeakQuery:
    """The highest value in each step, or the lowest: from the stored samples where the expression allows that.

    `max(x)` has the same maximum as `max(max_over_time(x[step]))`, a sum has not: that is computed in a subquery, every
    `evaluation_seconds`. With steps no longer than those, the expression itself has every value.
    """
    try:
        stored = _push_down(parse_tree(query), step_seconds, lowest=lowest)
    except PromqlError:
        stored = None  # the server may support more PromQL than our parser
    if stored is not None:
        return PeakQuery(stored)
    if step_seconds <= evaluation_seconds:
        return PeakQuery(query)
    window = f"{format_duration(step_seconds)}:{format_duration(evaluation_seconds)}"
    # The line break ends a trailing comment.
    text = f"{_over_time(lowest)}((\n{query}\n)[{window}])"
    return PeakQuery(text, max(1, math.ceil(step_seconds / evaluation_seconds)))


def _push_down(node: ast.Expr, step: float, *, lowest: bool) -> str | None:
    """The expression over the extremes of its selectors; None if its value may differ."""
    node = strip_parens(node)
    if isinstance(node, ast.VectorSelector):
        return _over_selector(node, step, lowest=lowest)
    if isinstance(node, ast.AggregateExpr):
        if str(node.op) != ("min" if lowest else "max"):
            return None
        inner = _push_down(node.expr, step, lowest=lowest)
        return None if inner is None else f"{node.op}{_grouping(node.modifier)}({inner})"
    if isinstance(node, ast.Call):
        if node.func.name != "label_replace":
            return None
        inner = _push_down(node.args[0], step, lowest=lowest)
        rest = ", ".join(item.prettify() for item in node.args[1:])
        return None if inner is None else f"label_replace({inner}, {rest})"
    return _push_binary(node, step, lowest=lowest) if isinstance(node, ast.BinaryExpr) else None


def _grouping(modifier: ast.AggModifier | None) -> str:
    """` by (labels) `; the parser prints the labels without the quotes that some of them need."""
    if modifier is None:
        return ""
    labels = ", ".join(label if _PLAIN_LABEL.fullmatch(label) else quote(label) for label in modifier.labels)
    return f" {'by' if modifier.type == ast.AggModifierType.By else 'without'} ({labels}) "


def _over_selector(node: ast.VectorSelector, step: float, *, lowest: bool) -> str | None:
    if node.offset is not None or node.at is not None:
        return None
    series = node.prettify()
    text = f"{_over_time(lowest)}({series}[{format_duration(step)}])"
    # A step may be shorter than the interval of the samples: then the last sample counts, as it does without this.
    return f"({text} or {series})" if step < LOOKBACK_SECONDS else text


def _push_binary(node: ast.BinaryExpr, step: float, *, lowest: bool) -> str | None:
    operator, left, right = str(node.op), node.lhs, node.rhs
    if operator == "or" and _are_distinct(left, right):
        sides = [_push_down(side, step, lowest=lowest) for side in (left, right)]
        return None if None in sides else f"({sides[0]} or {sides[1]})"
    number = constant(right)
    if number is not None and math.isfinite(number) and (operator in ("+", "-") or (operator in ("*", "/") and number > 0)):
        inner = _push_down(left, step, lowest=lowest)
        return None if inner is None else f"({inner} {operator} {number!r})"
    number = constant(left)
    if number is None or not math.isfinite(number):
        return None
    if operator == "+" or (operator == "*" and number > 0):
        inner = _push_down(right, step, lowest=lowest)
        return None if inner is None else f"({number!r} {operator} {inner})"
    if operator == "-":  # 100 - x is highest where x is lowest
        inner = _push_down(right, step, lowest=not lowest)
        return None if inner is None else f"({number!r} - {inner})"
    return None


def _are_distinct(left: ast.Expr, right: ast.Expr) -> bool:
    """Whether no series of one side can hide a series of the other: both set the same label to different constants."""
    sides = [_constant_label(strip_parens(side)) for side in (left, right)]
    one, other = sides
    return one is not None and other is not None and one[0] == other[0] and one[1] != other[1]


def _constant_label(node: ast.Expr) -> tuple[str, str] | None:
    """The label and the value of `label_replace(x, label, value, "", "")`."""
    if not isinstance(node, ast.Call) or node.func.name != "label_replace":
        return None
    texts = [item.val for item in node.args[1:] if isinstance(item, ast.StringLiteral)]
    return (texts[0], texts[1]) if len(texts) == 4 and texts[2:] == ["", ""] and "$" not in texts[1] else None


def _over_time(lowest: bool) -> str:
    return "min_over_time" if lowest else "max_over_time"
