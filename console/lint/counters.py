"""Counters that are read like gauges, and gauges that are read like counters."""

from __future__ import annotations

from collections.abc import Iterator

import promql_parser as ast

from console.lint.context import LintContext, ParsedRule
from console.lint.finding import Level, LintMatch, LintRule
from queries.model.rule import RuleKind
from queries.promql.syntax import COMPARISONS, bare, is_scalar, nodes, number, selector, selectors, vector_argument

_OF_COUNTERS = frozenset({"rate", "irate", "increase"})
_MAKES_A_RATE = _OF_COUNTERS | {"delta", "idelta", "deriv", "resets", "changes"}
_KEEPS_VALUE = frozenset(
    {
        *("abs", "ceil", "floor", "round", "clamp", "clamp_max", "clamp_min", "label_replace", "label_join"),
        *("avg_over_time", "min_over_time", "max_over_time", "last_over_time", "quantile_over_time"),
    }
)
_ADDS_UP = frozenset({"sum", "avg", "min", "max", "quantile", "topk", "bottomk"})


def _of_gauge(item: ParsedRule, scene: LintContext) -> Iterator[LintMatch]:
    words = [scene.vocabulary.get(name) for name in item.expression.metrics] if item.expression is not None else []
    if not any(word is not None and word.type == "gauge" for word in words):
        return
    for node in _calls(item, _OF_COUNTERS):
        inner = vector_argument(node)
        if not isinstance(inner, ast.MatrixSelector):
            continue
        for name in selector(inner).metrics:
            word = scene.vocabulary.get(name)
            if word is not None and word.type == "gauge":
                line = item.placed.line_of("expr", name)
                yield LintMatch(line, f"{node.func.name}() of {name}, which is a gauge: every fall counts as a restart")


def _of_sum(item: ParsedRule, scene: LintContext) -> Iterator[LintMatch]:
    if item.expression is None or not (
        any(scene.recorded(name) for name in item.expression.metrics)
        or any(isinstance(part, ast.SubqueryExpr) for part in item.expression.parts)
    ):
        return
    for node in _calls(item, _OF_COUNTERS):
        inner = vector_argument(node)
        if isinstance(inner, ast.SubqueryExpr):
            told = _sum_of_counters(inner.expr, scene)
            if told:
                yield LintMatch(item.placed.line_of("expr", node.func.name), f"{node.func.name}() over a sum of {told}")
        elif isinstance(inner, ast.MatrixSelector):
            for name in selector(inner).metrics:
                sums = (_sum_of_counters(rule.expression.root, scene) for rule in scene.recorded(name) if rule.expression)
                if told := next(filter(None, sums), ""):
                    line = item.placed.line_of("expr", name)
                    yield LintMatch(line, f"{node.func.name}() of {name}, which records a sum of {told}")


def _without_rate(item: ParsedRule, scene: LintContext) -> Iterator[LintMatch]:
    if item.rule.kind is not RuleKind.ALERT or item.expression is None:
        return
    for node in item.expression.parts:
        if not isinstance(node, ast.BinaryExpr) or str(node.op) not in COMPARISONS:
            continue
        limit = number(node.rhs)
        if limit is None or _asks_whether_ever(str(node.op), limit):
            continue
        for name in raw_series(node.lhs):
            word = scene.vocabulary.get(name)
            kind = word.type if word is not None else ""
            known = kind == "counter"
            if (known or (not kind and name.endswith("_total"))) and not is_count_for_score(name, limit, scene):
                line = item.placed.line_of("expr", name)
                told = f"compares {name} with {limit:g} without rate() or increase(): a counter only grows until a restart"
                yield LintMatch(line, told, None if known else Level.WARNING)


def _short_range(item: ParsedRule, scene: LintContext) -> Iterator[LintMatch]:
    picked = item.expression.selectors if item.expression is not None else ()
    if not any(one.range_seconds is not None and one.range_seconds < 2 * scene.scrape_seconds for one in picked):
        return
    for node in _calls(item, _OF_COUNTERS | {"delta"}):
        inner = vector_argument(node)
        seconds = selector(inner).range_seconds if isinstance(inner, ast.MatrixSelector) else None
        if seconds is not None and seconds < 2 * scene.scrape_seconds:
            line = item.placed.line_of("expr", f"{seconds:g}s")
            every = f"{scene.scrape_seconds:g}s"
            yield LintMatch(
                line, f"{node.func.name}() over {seconds:g}s, where a scrape each {every} may leave fewer than two samples"
            )


def raw_series(node: ast.Expr) -> Iterator[str]:
    """The metrics whose value comes through as it is: chosen from, added up or divided, and no rate made of it."""
    node = bare(node)
    if isinstance(node, ast.VectorSelector | ast.MatrixSelector):
        yield from selector(node).metrics
    elif isinstance(node, ast.AggregateExpr):
        if str(node.op) in _ADDS_UP:
            yield from raw_series(node.expr)
    elif isinstance(node, ast.Call):
        worked_on = vector_argument(node)
        if node.func.name in _KEEPS_VALUE and worked_on is not None:
            yield from raw_series(worked_on)
    elif isinstance(node, ast.BinaryExpr):
        # What is taken off may be the value of a while ago, and what stands behind `and` only chooses.
        if str(node.op) in COMPARISONS | {"and", "unless"}:
            yield from raw_series(node.lhs)
        elif str(node.op) in ("+", "*", "/", "or") and not (is_scalar(node.lhs) and is_scalar(node.rhs)):
            yield from raw_series(node.lhs)
            if str(node.op) in ("+", "or"):
                yield from raw_series(node.rhs)


def _calls(item: ParsedRule, names: frozenset[str]) -> Iterator[ast.Call]:
    if item.expression is not None and not names.isdisjoint(item.expression.functions):
        for node in item.expression.parts:
            if isinstance(node, ast.Call) and node.func.name in names:
                yield node


def _sum_of_counters(node: ast.Expr, scene: LintContext) -> str:
    """The counter that an aggregation adds up without a rate; empty where that is not what it does."""
    node = bare(node)
    if not isinstance(node, ast.AggregateExpr) or str(node.op) not in _ADDS_UP:
        return ""
    if any(isinstance(part, ast.Call) and part.func.name in _MAKES_A_RATE for part in nodes(node.expr)):
        return ""
    for picked in selectors(node.expr):
        for name in picked.metrics:
            word = scene.vocabulary.get(name)
            if (word is not None and word.type == "counter") or name.endswith("_total"):
                return name
    return ""


def is_count_for_score(name: str, limit: float, scene: LintContext) -> bool:
    """Whether a number of observations is compared with a limit that only a value between 0 and 1 can have."""
    if not name.endswith(("_bucket", "_count")) or not 0 < limit < 1:
        return False
    family = scene.vocabulary.families.get(name.removesuffix("_bucket").removesuffix("_count"))
    return family == "histogram" or (family is None and name.endswith("_bucket"))


def _asks_whether_ever(op: str, limit: float) -> bool:
    """Whether a comparison only asks whether anything was ever counted."""
    return limit == 0 or (limit == 1 and op in (">=", "<"))


RATE_OF_GAUGE = LintRule(
    "rate-of-gauge",
    Level.ERROR,
    "A rate of a gauge",
    "rate() and increase() take every fall of the value for a restart and add the whole value to the result: of something that "
    "goes up and down it is a number without meaning.",
    "Use delta() or deriv() for a gauge.",
    _of_gauge,
)
RATE_OF_SUM = LintRule(
    "rate-of-sum",
    Level.ERROR,
    "A rate of a sum of counters",
    "When one process restarts, the sum falls, and rate() takes that for a restart of all: the result jumps by the sum of all "
    "that was ever counted.",
    "Take the rate first, then the sum: `sum(rate(x[5m]))`.",
    _of_sum,
)
COUNTER_WITHOUT_RATE = LintRule(
    "counter-without-rate",
    Level.ERROR,
    "A counter is compared without a rate",
    "A counter only grows: once beyond the limit the alert fires until the process restarts, and a restart silences it.",
    "Compare what was counted in a window: `increase(x[10m]) > 5`, `rate(x[5m]) > 0.1`.",
    _without_rate,
)
RANGE_TOO_SHORT = LintRule(
    "range-too-short",
    Level.WARNING,
    "A range holds fewer than two scrapes",
    "A rate needs two samples: over a shorter range it is empty now and then, or always, and `for` begins again each time.",
    "Take at least four times the scrape interval, `[1m]` or more.",
    _short_range,
)
