"""Error budgets named 'remaining' that compute the consumed share, or the other way round."""

from __future__ import annotations

import re
from collections.abc import Iterator

import promql_parser as ast

from console.lint.context import LintContext, ParsedRule
from console.lint.finding import Level, LintMatch, LintRule
from queries.model.rule import RuleKind
from queries.promql.syntax import Selector, children, constant, selector, strip_parens

_LEFT = re.compile(r"budget.*(remain|left|avail)|(remain|left|avail).*budget", re.IGNORECASE)
_SPENT = re.compile(r"budget.*(consum|spent|used|burn)|(consum|spent|used|burn).*budget", re.IGNORECASE)
_BAD = re.compile(r"error|fail|violat|reject|timeout|consum|spent|burn|unavail|down", re.IGNORECASE)
_GOOD = re.compile(r"availab|success|complian|remain|health|uptime", re.IGNORECASE)
_BAD_VALUE = re.compile(r"error|fail|5\.\.|5xx|timeout|5\\d", re.IGNORECASE)
_GOOD_VALUE = re.compile(r"success|ok|hit|2\.\.|2xx|2\\d", re.IGNORECASE)
_COMPARISONS = frozenset({"==", "!=", ">", "<", ">=", "<=", "and", "unless"})
_MAX_DEPTH = 10


def _find(item: ParsedRule, context: LintContext) -> Iterator[LintMatch]:
    if item.expression is None or "budget" not in item.rule.name.lower():
        return
    left, spent = _LEFT.search(item.rule.name), _SPENT.search(item.rule.name)
    if bool(left) == bool(spent):
        return
    rises = direction(item.expression.root, context)
    if left and rises == 1:
        yield LintMatch(item.placed.line_of("expr"), "the value rises with the errors: it is the consumed share")
    elif spent and rises == -1:
        yield LintMatch(item.placed.line_of("expr"), "the value falls with the errors: it is the remaining share")


def direction(node: ast.Expr, context: LintContext, *, depth: int = 0) -> int | None:
    """How the value reacts to more errors: 1 rises, -1 falls, 0 stays; None where that is unknown."""
    node = strip_parens(node)
    if constant(node) is not None:
        return 0
    if depth > _MAX_DEPTH:
        return None
    if isinstance(node, ast.VectorSelector | ast.MatrixSelector):
        return _series_direction(selector(node), context, depth)
    if isinstance(node, ast.UnaryExpr):
        return _negate(direction(node.expr, context, depth=depth))
    if isinstance(node, ast.BinaryExpr):
        return _binary_direction(node, context, depth)
    inner = [item for item in children(node) if not isinstance(item, ast.StringLiteral | ast.NumberLiteral)]
    return direction(inner[0], context, depth=depth) if inner else 0


def _binary_direction(node: ast.BinaryExpr, context: LintContext, depth: int) -> int | None:
    left, right = (direction(side, context, depth=depth) for side in (node.lhs, node.rhs))
    op = str(node.op)
    if op in _COMPARISONS:
        return left
    if op == "or":
        return left or right
    if op in ("-", "/"):
        right = _negate(right)
    if op in ("*", "/"):
        for side, other in ((node.lhs, right), (node.rhs, left)):
            value = constant(side)
            if value is not None and value < 0:
                return _negate(other)
    if left is None or right is None:
        return None
    if left and right and left != right:
        return None
    return left or right


def _series_direction(picked: Selector, context: LintContext, depth: int) -> int | None:
    for item in picked.labels:
        bad = _BAD_VALUE.search(item.value) is not None
        good = item.name == "le" or (not bad and _GOOD_VALUE.search(item.value) is not None)
        if bad or good:
            return 1 if bad == item.operator.startswith("=") else -1
    rules = [item.expression for name in picked.metrics for item in context.recorded(name) if item.expression is not None]
    if rules and (found := direction(rules[0].root, context, depth=depth + 1)) is not None:
        return found
    names = " ".join(picked.metrics)
    return 1 if _BAD.search(names) else -1 if _GOOD.search(names) else 0


def _negate(value: int | None) -> int | None:
    return None if value is None else -value


BUDGET_IS_SPENT = LintRule(
    "budget-is-spent",
    Level.ERROR,
    "A remaining budget is computed as the consumed share",
    "The series is near 0 on a quiet day and near 100 when the budget is spent: alerts on a low budget fire on quiet days and "
    "not when it is spent.",
    "Subtract the consumed share from the whole: `100 * (1 - (100 - slo_availability) / (100 - 99.9))`, or name it consumed.",
    _find,
    kind=RuleKind.RECORD,
)
