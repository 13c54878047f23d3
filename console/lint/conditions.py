"""Alerts that always fire, and alerts that never can."""

from __future__ import annotations

import math
from collections.abc import Iterator

import promql_parser as ast

from console.lint.context import LintContext, ParsedRule
from console.lint.finding import Level, LintMatch, LintRule
from queries.model.rule import RuleKind
from queries.promql.syntax import (
    COMPARISONS,
    MIRRORED,
    children,
    constant,
    is_scalar,
    nodes,
    selector,
    selectors,
    strip_parens,
    vector_argument,
)

_ONLY_WHILE_TRUE = frozenset({"ALERTS", "ALERTS_FOR_STATE"})
"""Series that exist only while something is wrong."""


def _find_unconditional(item: ParsedRule, context: LintContext) -> Iterator[LintMatch]:
    if item.expression is None or not item.expression.selectors:
        return  # without a series it is a dead man's switch, which always fires
    root = strip_parens(item.expression.root)
    if is_conditional(root) or any(_is_bool(node) for node in nodes(root)):
        return
    line = item.placed.line_of("expr")
    if isinstance(root, ast.VectorSelector):
        yield LintMatch(line, "has no condition: it fires as long as the series exists, whatever its value", Level.WARNING)
    elif isinstance(root, ast.BinaryExpr) and str(root.op) == "or" and is_conditional(root.lhs) != is_conditional(root.rhs):
        yield LintMatch(line, "one side of its `or` has no condition, so it always fires")
    else:
        yield LintMatch(line, "has no condition: it fires on any result")


def _find_bool(item: ParsedRule, context: LintContext) -> Iterator[LintMatch]:
    if item.expression is None or is_conditional(item.expression.root):
        return
    for node in item.expression.parts:
        if isinstance(node, ast.BinaryExpr) and _is_bool(node):
            line = item.placed.line_of("expr", "bool")
            yield LintMatch(line, f"compares with `{node.op} bool`, which returns 0 instead of nothing, so it always fires")
            return


def _find_contradiction(item: ParsedRule, context: LintContext) -> Iterator[LintMatch]:
    if item.expression is None:
        return
    for node in item.expression.parts:
        if isinstance(node, ast.BinaryExpr) and str(node.op) in ("and", *COMPARISONS):
            text = _contradiction(node) or _beyond_buckets(node, context)
            if text:
                yield LintMatch(item.placed.line_of("expr"), text)
                return


def is_conditional(node: ast.Expr) -> bool:
    """Whether the result can be empty by design: it depends on a comparison, `and`, `unless` or absent()."""
    node = strip_parens(node)
    if isinstance(node, ast.VectorSelector | ast.MatrixSelector):
        return not _ONLY_WHILE_TRUE.isdisjoint(selector(node).metrics)
    if isinstance(node, ast.BinaryExpr):
        op = str(node.op)
        sides = [is_conditional(side) for side in (node.lhs, node.rhs)]
        if op == "or":
            return all(sides)
        if op in ("and", "unless") or (op in COMPARISONS and not _is_bool(node)):
            return True
        return any(sides)
    if isinstance(node, ast.Call):
        if node.func.name.startswith("absent"):
            return True
        vector = vector_argument(node)
        return node.func.return_type != ast.ValueType.Scalar and vector is not None and is_conditional(vector)
    if isinstance(node, ast.AggregateExpr):
        return is_conditional(node.expr)
    return any(is_conditional(inner) for inner in children(node))


def _is_bool(node: ast.Expr) -> bool:
    return isinstance(node, ast.BinaryExpr) and node.modifier is not None and bool(node.modifier.return_bool)


def _contradiction(node: ast.BinaryExpr) -> str:
    """Two conditions that no value satisfies together; empty without such a pair."""
    ranges: dict[str, tuple[float, float, str]] = {}
    for subject, op, limit in _conditions(node):
        low, high, previous = ranges.get(subject, (-math.inf, math.inf, ""))
        if op in (">", ">=", "=="):
            low = max(low, math.nextafter(limit, math.inf) if op == ">" else limit)
        if op in ("<", "<=", "=="):
            high = min(high, math.nextafter(limit, -math.inf) if op == "<" else limit)
        condition = f"{op} {limit:g}"
        if low > high:
            return f"no value is both {previous} and {condition}"
        ranges[subject] = (low, high, condition)
    return ""


def _beyond_buckets(node: ast.BinaryExpr, context: LintContext) -> str:
    """Why a quantile never exceeds its limit: it is at most the highest finite bound; empty if it can, or if unknown."""
    limit, inner = constant(node.rhs), strip_parens(node.lhs)
    if str(node.op) not in (">", ">=") or limit is None or _is_bool(node):
        return ""
    if isinstance(inner, ast.VectorSelector):
        rules = [rule.expression for name in selector(inner).metrics for rule in context.recorded(name)]
        inner = strip_parens(rules[0].root) if len(rules) == 1 and rules[0] is not None else inner
    if not isinstance(inner, ast.Call) or inner.func.name != "histogram_quantile":
        return ""
    for name in dict.fromkeys(name for picked in selectors(inner) for name in picked.metrics):
        info = context.catalog.get(name)
        bounds = [float(bound) for bound in info.seen.get("le", ()) if bound != "+Inf"] if info is not None else []
        if not bounds or limit < max(bounds) or (limit == max(bounds) and str(node.op) == ">="):
            return ""
        return f"a quantile of {name} is at most its highest bucket, {max(bounds):g}, and never {node.op} {limit:g}"
    return ""


def _conditions(node: ast.Expr) -> Iterator[tuple[str, str, float]]:
    """The conditions on a value: its text, the comparison and the limit."""
    node = strip_parens(node)
    if not isinstance(node, ast.BinaryExpr) or _is_bool(node):
        return
    op = str(node.op)
    if op == "and" and (node.modifier is None or node.modifier.matching is None):
        yield from _conditions(node.lhs)
        yield from _conditions(node.rhs)
    elif op in COMPARISONS and is_scalar(node.lhs) != is_scalar(node.rhs):
        subject, limit = (node.rhs, node.lhs) if is_scalar(node.lhs) else (node.lhs, node.rhs)
        value = constant(limit)
        if value is None:
            return
        inner = strip_parens(subject)
        yield from _conditions(inner)
        while isinstance(inner, ast.BinaryExpr) and str(inner.op) in COMPARISONS and not _is_bool(inner):
            inner = strip_parens(inner.rhs if is_scalar(inner.lhs) else inner.lhs)
        yield inner.prettify(), MIRRORED[op] if is_scalar(node.lhs) else op, value


NO_CONDITION = LintRule(
    "no-condition",
    Level.ERROR,
    "An alert has no condition",
    "Any result of its expression fires, even a value of 0: it pages on a quiet day, and never resolves.",
    "Compare the value with a limit, `… > 5`; where the existence itself is the problem, write `count(…) > 0`.",
    _find_unconditional,
    kind=RuleKind.ALERT,
)
BOOL_CONDITION = LintRule(
    "bool-condition",
    Level.ERROR,
    "An alert compares with `bool`",
    "With `bool` a comparison keeps every series and makes it 0 or 1; an alert fires for both.",
    "Remove `bool`.",
    _find_bool,
    kind=RuleKind.ALERT,
    words=COMPARISONS,
)
NEVER_TRUE = LintRule(
    "never-true",
    Level.ERROR,
    "Two conditions are mutually exclusive",
    "An expression that no value satisfies is always empty: the rule looks healthy, and its alert never fires.",
    "Use `or` for an alternative, or correct a limit.",
    _find_contradiction,
    words=COMPARISONS | {"and"},
)
