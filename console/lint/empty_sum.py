"""A sum of two services that turns empty as soon as one of them has no series."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import promql_parser as ast

from console.lint.conditions import is_conditional
from console.lint.context import LintContext, ParsedRule
from console.lint.finding import Level, LintMatch, LintRule
from queries.catalogue.contract import PLATFORM
from queries.promql.syntax import Selector, bare, number, selectors

_DEEPEST = 3
_FIRST_WORD = re.compile(r"[a-z]+|[A-Z]+")
"""`node` of node_exporter's names, `if` of ifHCInOctets."""
_WRITTEN_ON_USE = frozenset({"code", "status", "status_code", "response_code", "result", "reason", "error", "method"})
"""Labels whose series appear with their first event."""


def _find(item: ParsedRule, scene: LintContext) -> Iterator[LintMatch]:
    if item.expression is None:
        return
    seen: set[tuple[int, str]] = set()
    for node in item.expression.parts:
        if not (isinstance(node, ast.BinaryExpr) and str(node.op) == "+"):
            continue
        bare_terms = [term for term in _terms(node) if number(term) is None]
        if any(is_conditional(term) for term in bare_terms):
            continue  # the sum is a join, which gives nothing where a condition is not met
        for term in bare_terms:
            others = [other for other in bare_terms if other is not term and selectors(other)]
            if not others or not _can_be_empty(term) or all(_go_together(term, other, scene) for other in others):
                continue
            metrics = ", ".join(dict.fromkeys(name for picked in selectors(term) for name in picked.metrics)) or "a series"
            line = item.placed.line_of("expr", next((name for picked in selectors(term) for name in picked.metrics), ""))
            if (line, metrics) not in seen:
                seen.add((line, metrics))
                foreign = all(_exporters(picked.metric, scene) for picked in selectors(term))
                level = Level.WARNING if foreign else None  # only its exporter knows whether it always has them
                yield LintMatch(line, f"the whole sum is empty while {metrics} has no series", level)


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


def _go_together(term: ast.Expr, other: ast.Expr, scene: LintContext) -> bool:
    """Whether the other term is empty with this one, or falls back on it: it reads the same, or what the same exporter has."""
    if _sources(term) <= _sources(other):
        return True
    read, beside = selectors(term), selectors(other)
    return all(is_always_there(one, scene) or any(_come_together(one, two, scene) for two in beside) for one in read)


def is_always_there(picked: Selector, scene: LintContext) -> bool:
    """Whether the platform exports a metric from its start: one without labels of its own does not wait for its first use."""
    word = scene.vocabulary.get(picked.metric)
    family = picked.metric.removesuffix("_bucket").removesuffix("_count").removesuffix("_sum")
    known = word is not None and (picked.metric in scene.vocabulary.families or family in scene.vocabulary.families)
    if word is None or not known or word.recorded or word.labels is None or _exporters(picked.metric, scene):
        return False
    own = word.labels - scene.vocabulary.target_labels - {"le"}
    return not own and all(item.name in scene.vocabulary.target_labels or item.name == "le" for item in picked.labels)


def _come_together(one: Selector, two: Selector, scene: LintContext) -> bool:
    beside = {(item.name, item.operator, item.value) for item in two.labels}
    apart = {item.name for item in one.labels if (item.name, item.operator, item.value) not in beside} - {"le"}
    if one.metric and one.metric == two.metric and not apart and len(one.labels) == len(two.labels):
        return True
    exporters = _exporters(one.metric, scene)
    return len(exporters) == 1 and exporters == _exporters(two.metric, scene) and apart.isdisjoint(_WRITTEN_ON_USE)


def _exporters(name: str, scene: LintContext, depth: int = _DEEPEST) -> frozenset[str]:
    """Who else than the platform has a metric, by the first word of its name; empty where the platform itself has it.

    What an exporter writes beside the other comes and goes with it; the platform counts in its own time.
    """
    rules = scene.recorded(name) if depth else ()
    if rules:
        read = {metric for rule in rules if rule.expression is not None for metric in rule.expression.metrics}
        found = [_exporters(metric, scene, depth - 1) for metric in read]
        return frozenset().union(*found) if all(found) else frozenset()
    promised = scene.contract.get(name)
    known = promised is not None or name in scene.known_exports
    if not name or (known and (promised is None or promised.exporter == PLATFORM)):
        return frozenset()
    first = _FIRST_WORD.match(name)
    return frozenset({first[0] if first else name})


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
        return any(_can_be_empty(side) for side in (node.lhs, node.rhs))
    if isinstance(node, ast.AggregateExpr | ast.UnaryExpr | ast.SubqueryExpr):
        return _can_be_empty(node.expr)
    return True


def _vectors(arguments: Iterable[ast.Expr]) -> list[ast.Expr]:
    return [item for item in arguments if not isinstance(item, ast.StringLiteral | ast.NumberLiteral)]


EMPTY_SUM = LintRule(
    "empty-sum",
    Level.ERROR,
    "A sum turns empty when one of its terms has no series",
    "PromQL adds only what is there on both sides: a service without traffic, or a counter that was never incremented, "
    "takes the other one with it, and an alert over the sum falls silent.",
    "Give every term something that stands in for it: `(sum(rate(a[5m])) or vector(0)) + (sum(rate(b[5m])) or vector(0))`.",
    _find,
)
