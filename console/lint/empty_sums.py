"""A sum of two services that turns empty as soon as one of them has no series."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import promql_parser as ast

from console.lint.finding import Hit, Level, Trap
from console.lint.scene import ParsedRule, Scene
from queries.promql import bare, nodes, number, selectors

_COMPARISONS = frozenset({"==", "!=", ">", "<", ">=", "<="})


def _find(item: ParsedRule, scene: Scene) -> Iterator[Hit]:
    if item.expression is None:
        return
    seen: set[tuple[int, str]] = set()
    for node in nodes(item.expression.root):
        if not (isinstance(node, ast.BinaryExpr) and str(node.op) == "+"):
            continue
        bare_terms = [term for term in _terms(node) if number(term) is None]
        for term in bare_terms:
            others = [other for other in bare_terms if other is not term]
            if not others or all(_sources(term) <= _sources(other) for other in others) or not _can_be_empty(term):
                continue  # where the others read what it reads, they are empty with it, or fall back on it
            metrics = ", ".join(dict.fromkeys(name for picked in selectors(term) for name in picked.metrics)) or "a series"
            line = item.placed.line_of("expr", next((name for picked in selectors(term) for name in picked.metrics), ""))
            if (line, metrics) not in seen:
                seen.add((line, metrics))
                yield Hit(line, f"the whole sum is empty while {metrics} has no series")


def _terms(node: ast.Expr) -> Iterator[ast.Expr]:
    """The terms of a sum, also of a sum in parentheses."""
    node = bare(node)
    if isinstance(node, ast.BinaryExpr) and str(node.op) == "+":
        yield from _terms(node.lhs)
        yield from _terms(node.rhs)
    else:
        yield node


def _sources(node: ast.Expr) -> frozenset[tuple[str, frozenset[tuple[str, str, str]]]]:
    return frozenset(
        (picked.metric, frozenset((item.name, item.operator, item.value) for item in picked.matchers))
        for picked in selectors(node)
    )


def _can_be_empty(node: ast.Expr) -> bool:
    """Whether nothing stands in for a series that is not there."""
    node = bare(node)
    if number(node) is not None or not selectors(node):
        return False
    if isinstance(node, ast.Call):
        return any(_can_be_empty(item) for item in _vectors(node.args))
    if isinstance(node, ast.BinaryExpr):
        if str(node.op) == "or":
            return False
        if str(node.op) in _COMPARISONS:
            return True
        return any(_can_be_empty(side) for side in (node.lhs, node.rhs))
    if isinstance(node, ast.AggregateExpr | ast.UnaryExpr | ast.SubqueryExpr):
        return _can_be_empty(node.expr)
    return True


def _vectors(arguments: Iterable[ast.Expr]) -> list[ast.Expr]:
    return [item for item in arguments if not isinstance(item, ast.StringLiteral | ast.NumberLiteral)]


EMPTY_SUM = Trap(
    "empty-sum",
    Level.ERROR,
    "A sum turns empty when one of its terms has no series",
    "PromQL adds only what is there on both sides: a service without traffic, or a counter that was never incremented, "
    "takes the other one with it, and an alert over the sum falls silent.",
    "Give every term something that stands in for it: `(sum(rate(a[5m])) or vector(0)) + (sum(rate(b[5m])) or vector(0))`.",
    _find,
)
