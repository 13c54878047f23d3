"""Counters used like gauges, and gauges used like counters."""

from __future__ import annotations

from collections.abc import Iterator

import promql_parser as ast

from console.lint.context import LintContext, ParsedRule
from console.lint.finding import Level, LintMatch, LintRule
from queries.model.rule import RuleKind
from queries.promql.syntax import COMPARISONS, constant, is_scalar, nodes, selector, selectors, strip_parens, vector_argument
from queries.text.durations import format_duration

_OF_COUNTERS = frozenset({"rate", "irate", "increase"})
_MAKES_A_RATE = _OF_COUNTERS | {"delta", "idelta", "deriv", "resets", "changes"}
_KEEPS_VALUE = frozenset(
    {
        *("abs", "ceil", "floor", "round", "clamp", "clamp_max", "clamp_min", "label_replace", "label_join"),
        *("avg_over_time", "min_over_time", "max_over_time", "last_over_time", "quantile_over_time"),
    }
)
_ADDS_UP = frozenset({"sum", "avg", "min", "max", "quantile", "topk", "bottomk"})


def _find_rate_of_gauge(item: ParsedRule, context: LintContext) -> Iterator[LintMatch]:
    infos = [context.catalog.get(name) for name in item.expression.metrics] if item.expression is not None else []
    if not any(info is not None and info.type == "gauge" for info in infos):
        return
    for node in _calls(item, _OF_COUNTERS):
        inner = vector_argument(node)
        if not isinstance(inner, ast.MatrixSelector):
            continue
        for name in selector(inner).metrics:
            info = context.catalog.get(name)
            if info is not None and info.type == "gauge":
                line = item.placed.line_of("expr", name)
                yield LintMatch(line, f"{node.func.name}() of {name}, which is a gauge: every fall counts as a restart")


def _find_rate_of_sum(item: ParsedRule, context: LintContext) -> Iterator[LintMatch]:
    if item.expression is None or not (
        any(context.recorded(name) for name in item.expression.metrics)
        or any(isinstance(part, ast.SubqueryExpr) for part in item.expression.parts)
    ):
        return
    for node in _calls(item, _OF_COUNTERS):
        inner = vector_argument(node)
        if isinstance(inner, ast.SubqueryExpr):
            counter = _sum_of_counters(inner.expr, context)
            if counter:
                yield LintMatch(item.placed.line_of("expr", node.func.name), f"{node.func.name}() over a sum of {counter}")
        elif isinstance(inner, ast.MatrixSelector):
            for name in selector(inner).metrics:
                sums = (_sum_of_counters(rule.expression.root, context) for rule in context.recorded(name) if rule.expression)
                if counter := next(filter(None, sums), ""):
                    line = item.placed.line_of("expr", name)
                    yield LintMatch(line, f"{node.func.name}() of {name}, which records a sum of {counter}")


def _find_counter_without_rate(item: ParsedRule, context: LintContext) -> Iterator[LintMatch]:
    for node in item.expression.parts if item.expression is not None else ():
        if not isinstance(node, ast.BinaryExpr) or str(node.op) not in COMPARISONS:
            continue
        limit = constant(node.rhs)
        if limit is None or _tests_for_any(str(node.op), limit):
            continue
        for name in raw_series(node.lhs):
            info = context.catalog.get(name)
            kind = info.type if info is not None else ""
            known = kind == "counter"
            if (known or (not kind and name.endswith("_total"))) and not is_count_for_score(name, limit, context):
                line = item.placed.line_of("expr", name)
                text = f"compares {name} with {limit:g} without rate() or increase(): a counter only grows until a restart"
                yield LintMatch(line, text, None if known else Level.WARNING)


def _find_short_range(item: ParsedRule, context: LintContext) -> Iterator[LintMatch]:
    picked = item.expression.selectors if item.expression is not None else ()
    if not any(each.range_seconds is not None and each.range_seconds < 2 * context.scrape_seconds for each in picked):
        return
    for node in _calls(item, _OF_COUNTERS | {"delta"}):
        inner = vector_argument(node)
        seconds = selector(inner).range_seconds if isinstance(inner, ast.MatrixSelector) else None
        if seconds is not None and seconds < 2 * context.scrape_seconds:
            window, every = format_duration(seconds), format_duration(context.scrape_seconds)
            yield LintMatch(
                item.placed.line_of("expr", window),
                f"{node.func.name}() over {window}, where one scrape every {every} may leave fewer than two samples",
            )


def raw_series(node: ast.Expr) -> Iterator[str]:
    """The metrics whose raw value reaches the result: selected, summed or divided, but without a rate."""
    node = strip_parens(node)
    if isinstance(node, ast.VectorSelector | ast.MatrixSelector):
        yield from selector(node).metrics
    elif isinstance(node, ast.AggregateExpr):
        if str(node.op) in _ADDS_UP:
            yield from raw_series(node.expr)
    elif isinstance(node, ast.Call):
        vector = vector_argument(node)
        if node.func.name in _KEEPS_VALUE and vector is not None:
            yield from raw_series(vector)
    elif isinstance(node, ast.BinaryExpr):
        # A subtrahend may be an older value, and the right side of `and` only filters.
        if str(node.op) in COMPARISONS | {"and", "unless"}:
            yield from raw_series(node.lhs)
        elif str(node.op) in ("+", "*", "/", "or") and not (is_scalar(node.lhs) and is_scalar(node.rhs)):
            yield from raw_series(node.lhs)
            if str(node.op) in ("+", "or"):
                yield from raw_series(node.rhs)


def _calls(item: ParsedRule, names: frozenset[str]) -> Iterator[ast.Call]:
    if item.expression is not None and not names.isdisjoint(item.expression.words):
        for node in item.expression.parts:
            if isinstance(node, ast.Call) and node.func.name in names:
                yield node


def _sum_of_counters(node: ast.Expr, context: LintContext) -> str:
    """The counter that an aggregation sums without a rate; empty for anything else."""
    node = strip_parens(node)
    if not isinstance(node, ast.AggregateExpr) or str(node.op) not in _ADDS_UP:
        return ""
    if any(isinstance(part, ast.Call) and part.func.name in _MAKES_A_RATE for part in nodes(node.expr)):
        return ""
    for picked in selectors(node.expr):
        for name in picked.metrics:
            info = context.catalog.get(name)
            if (info is not None and info.type == "counter") or name.endswith("_total"):
                return name
    return ""


def is_count_for_score(name: str, limit: float, context: LintContext) -> bool:
    """Whether a count of observations is compared with a limit between 0 and 1, which only suits a value."""
    if not name.endswith(("_bucket", "_count")) or not 0 < limit < 1:
        return False
    family = context.catalog.families.get(name.removesuffix("_bucket").removesuffix("_count"))
    return family == "histogram" or (family is None and name.endswith("_bucket"))


def _tests_for_any(op: str, limit: float) -> bool:
    """Whether a comparison only tests for any event at all."""
    return limit == 0 or (limit == 1 and op in (">=", "<"))


RATE_OF_GAUGE = LintRule(
    "rate-of-gauge",
    Level.ERROR,
    "A rate of a gauge",
    "rate() and increase() treat every decrease as a counter reset and add the whole value to the result, which is meaningless "
    "for a value that goes up and down.",
    "Use delta() or deriv() for a gauge.",
    _find_rate_of_gauge,
    words=_OF_COUNTERS,
)
RATE_OF_SUM = LintRule(
    "rate-of-sum",
    Level.ERROR,
    "A rate of a sum of counters",
    "When one process restarts, the sum decreases, and rate() treats it as a reset of all: the result jumps by the whole sum.",
    "Take the rate first, then the sum: `sum(rate(x[5m]))`.",
    _find_rate_of_sum,
    words=_OF_COUNTERS,
)
COUNTER_WITHOUT_RATE = LintRule(
    "counter-without-rate",
    Level.ERROR,
    "A counter is compared without a rate",
    "A counter only grows: once above the limit the alert fires until the process restarts.",
    "Compare the increase within a window: `increase(x[10m]) > 5`, `rate(x[5m]) > 0.1`.",
    _find_counter_without_rate,
    kind=RuleKind.ALERT,
    words=COMPARISONS,
)
RANGE_TOO_SHORT = LintRule(
    "range-too-short",
    Level.WARNING,
    "A range holds fewer than two scrapes",
    "A rate needs two samples: over a shorter range it is sometimes or always empty, and `for` restarts each time.",
    "Use at least four times the scrape interval, `[1m]` or more.",
    _find_short_range,
    words=_OF_COUNTERS | {"delta"},
)
