"""An alerting rule's expression as what it compares and the number it compares with, for the alert's chart."""

from __future__ import annotations

import math

import promql_parser as ast

from queries.model.frozen import dataclass
from queries.promql.syntax import COMPARISONS, MIRRORED, PromqlError, constant, parse_tree, strip_parens


@dataclass(frozen=True, slots=True)
class ThresholdExpression:
    """`left` `operator` `threshold`; `left` is PromQL as the parser prints it."""

    left: str
    operator: str
    threshold: float


def split_threshold(expression: str) -> ThresholdExpression | None:
    """The series and the threshold of `x > 5`, also of `5 < x`; None unless the whole is one comparison with a number.

    None also for text that is not PromQL, for two numbers, and for a series that holds a comparison itself: what
    `1 < a < 3` fires on is not one line in a chart.
    """
    try:
        node = strip_parens(parse_tree(expression))
    except PromqlError:
        return None
    if not isinstance(node, ast.BinaryExpr) or (operator := str(node.op)) not in COMPARISONS:
        return None
    left, right = constant(node.lhs), constant(node.rhs)
    series, threshold = (node.lhs, right) if right is not None else (node.rhs, left)
    if threshold is None or not math.isfinite(threshold) or (left is not None and right is not None):
        return None
    series = strip_parens(series)
    if isinstance(series, ast.BinaryExpr) and str(series.op) in COMPARISONS:
        return None
    return ThresholdExpression(series.prettify(), operator if right is not None else MIRRORED[operator], threshold)
