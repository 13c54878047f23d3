"""Sums that become empty when one term has no series."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import promql_parser as ast

from console.lint.conditions import is_conditional
from console.lint.context import LintContext, ParsedRule
from console.lint.finding import Level, LintMatch, LintRule
from console.lint.inverted_budget import direction
from queries.catalogue.contract import PLATFORM
from queries.promql.syntax import Selector, constant, selectors, strip_parens

_MAX_DEPTH = 3
_FIRST_WORD = re.compile(r"[a-z]+|[A-Z]+")
"""`node` of node_exporter's names, `if` of ifHCInOctets."""
_WRITTEN_ON_USE = frozenset({"code", "status", "status_code", "response_code", "result", "reason", "error", "method"})
"""Labels whose series appear with their first event."""


def _find(item: ParsedRule, context: LintContext) -> Iterator[LintMatch]:
    if item.expression is None:
        return
    yield from _find_complements(item, context)
    seen: set[tuple[int, str]] = set()
    for node in item.expression.parts:
        if not (isinstance(node, ast.BinaryExpr) and str(node.op) == "+"):
            continue
        bare_terms = [term for term in _terms(node) if constant(term) is None]
        if any(is_conditional(term) for term in bare_terms):
            continue  # the sum is a join, empty by design unless its condition holds
        for term in bare_terms:
            others = [other for other in bare_terms if other is not term and selectors(other)]
            if not others or not _can_be_empty(term) or all(_go_together(term, other, context) for other in others):
                continue
            metrics = ", ".join(dict.fromkeys(name for picked in selectors(term) for name in picked.metrics)) or "a series"
            line = item.placed.line_of("expr", next((name for picked in selectors(term) for name in picked.metrics), ""))
            if (line, metrics) not in seen:
                seen.add((line, metrics))
                foreign = all(_exporters(picked.metric, context) for picked in selectors(term))
                level = Level.WARNING if foreign else None  # its exporter may always write them
                yield LintMatch(line, f"the whole sum is empty while {metrics} has no series", level)


def _find_complements(item: ParsedRule, context: LintContext) -> Iterator[LintMatch]:
    """`1 - errors / requests`, which has no value until the first error."""
    for node in item.expression.parts if item.expression is not None else ():
        if not (isinstance(node, ast.BinaryExpr) and str(node.op) == "-") or constant(node.lhs) is None:
            continue
        ratio = strip_parens(node.rhs)
        while isinstance(ratio, ast.BinaryExpr) and constant(ratio.rhs) is not None:
            ratio = strip_parens(ratio.lhs)
        if not (isinstance(ratio, ast.BinaryExpr) and str(ratio.op) == "/") or not _can_be_empty(ratio.lhs):
            continue
        above, below = selectors(ratio.lhs), _sources(ratio.rhs)
        if len(above) != 1 or not above[0].metric or _sources(ratio.lhs) <= below or is_always_exported(above[0], context):
            continue
        if context.recorded(above[0].metric):
            continue  # its rule decides whether it can be empty
        if not _exporters(above[0].metric, context) and direction(ratio.lhs, context) == 1:
            name = above[0].metric
            text = f"the expression is empty until {name} counts its first event, which a healthy service never has"
            yield LintMatch(item.placed.line_of("expr", name), text)


def _terms(node: ast.Expr) -> Iterator[ast.Expr]:
    """The terms of a sum, including nested sums."""
    node = strip_parens(node)
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


def _go_together(term: ast.Expr, other: ast.Expr, context: LintContext) -> bool:
    """Whether both terms are empty together: they read the same series, or series of one exporter."""
    if _sources(term) <= _sources(other):
        return True
    own, others = selectors(term), selectors(other)
    return all(is_always_exported(each, context) or any(_come_together(each, peer, context) for peer in others) for each in own)


def is_always_exported(picked: Selector, context: LintContext) -> bool:
    """Whether the platform exports a metric from its start, as it does without labels of its own."""
    info = context.catalog.get(picked.metric)
    family = picked.metric.removesuffix("_bucket").removesuffix("_count").removesuffix("_sum")
    known = info is not None and (picked.metric in context.catalog.families or family in context.catalog.families)
    if info is None or not known or info.recorded or info.labels is None or _exporters(picked.metric, context):
        return False
    own = info.labels - context.catalog.target_labels - {"le"}
    return not own and all(item.name in context.catalog.target_labels or item.name == "le" for item in picked.labels)


def _come_together(one: Selector, two: Selector, context: LintContext) -> bool:
    other = {(item.name, item.operator, item.value) for item in two.labels}
    differing = {item.name for item in one.labels if (item.name, item.operator, item.value) not in other} - {"le"}
    if one.metric and one.metric == two.metric and not differing and len(one.labels) == len(two.labels):
        return True
    exporters = _exporters(one.metric, context)
    return len(exporters) == 1 and exporters == _exporters(two.metric, context) and differing.isdisjoint(_WRITTEN_ON_USE)


def _exporters(name: str, context: LintContext, depth: int = _MAX_DEPTH) -> frozenset[str]:
    """The exporters of a metric other than the platform, by the first word of its name; empty for the platform's own.

    Series of one exporter appear and disappear together; those of the platform appear with their first event.
    """
    rules = context.recorded(name) if depth else ()
    if rules:
        read = {metric for rule in rules if rule.expression is not None for metric in rule.expression.metrics}
        found = [_exporters(metric, context, depth - 1) for metric in read]
        return frozenset().union(*found) if all(found) else frozenset()
    promised = context.contract.get(name)
    known = promised is not None or name in context.known_exports
    if not name or (known and (promised is None or promised.exporter == PLATFORM)):
        return frozenset()
    first = _FIRST_WORD.match(name)
    return frozenset({first[0] if first else name})


def _can_be_empty(node: ast.Expr) -> bool:
    """Whether nothing replaces a missing series."""
    node = strip_parens(node)
    if constant(node) is not None or not selectors(node):
        return False
    if isinstance(node, ast.Call):
        return any(_can_be_empty(item) for item in _vectors(node.args))
    if isinstance(node, ast.BinaryExpr):
        if str(node.op) == "or":
            return False
        return any(_can_be_empty(side) for side in (node.lhs, node.rhs))
    if isinstance(node, ast.AggregateExpr | ast.UnaryExpr | ast.SubqueryExpr):
        return _can_be_empty(node.expr)
    return True


def _vectors(arguments: Iterable[ast.Expr]) -> list[ast.Expr]:
    return [item for item in arguments if not isinstance(item, ast.StringLiteral | ast.NumberLiteral)]


EMPTY_SUM = LintRule(
    "empty-sum",
    Level.ERROR,
    "A sum or difference is empty when one of its terms has no series",
    "PromQL adds only series that exist on both sides: a service without traffic, or a counter without increments, empties "
    "the whole sum, and an alert over it cannot fire.",
    "Give every term a default: `(sum(rate(a[5m])) or vector(0)) + (sum(rate(b[5m])) or vector(0))`.",
    _find,
    words=frozenset({"+", "-"}),
)
