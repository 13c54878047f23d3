"""Histograms read as plain series, by a missing bucket, or by a count compared like a value."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

import promql_parser as ast

from console.lint.context import LintContext, ParsedRule
from console.lint.counters import is_count_for_score, raw_series
from console.lint.finding import Level, LintMatch, LintRule
from queries.catalogue.contract import PLATFORM
from queries.catalogue.exported import PARTS
from queries.promql.syntax import COMPARISONS, Selector, constant, select_metric
from queries.text.durations import format_duration

_WHOLE = re.compile(r"[+-]?\d+")
_MAX_LISTED = 12


def _find_plain_histogram(item: ParsedRule, context: LintContext) -> Iterator[LintMatch]:
    for name in item.expression.metrics if item.expression is not None else ():
        if is_plain_histogram(name, context):
            line = item.placed.line_of("expr", name)
            yield LintMatch(line, f"{name} is a histogram: it has {name}_bucket, _count and _sum, but no series of that name")


def is_plain_histogram(name: str, context: LintContext) -> bool:
    """Whether a name is that of a histogram, which has no series under the plain name."""
    return context.catalog.families.get(name) == "histogram" and context.catalog.get(name) is None


def _find_classic_series(item: ParsedRule, context: LintContext) -> Iterator[LintMatch]:
    for picked in item.expression.selectors if item.expression is not None and context.catalog.native else ():
        for name in picked.metrics:
            family, part = native_part(name, context)
            if part:
                instead = _write_native(family, part, picked)
                text = f"{name} does not exist: the server stores {family} as a native histogram; write {instead}"
                yield LintMatch(item.placed.line_of("expr", name), text)


def native_part(name: str, context: LintContext) -> tuple[str, str]:
    """The native histogram of a server and the suffix, for the name of one of its classic series; else empty."""
    for part in PARTS["histogram"]:
        family = name.removesuffix(part)
        if family != name and family in context.catalog.native:
            return family, part
    return "", ""


def _write_native(family: str, part: str, picked: Selector) -> str:
    """The expression over a native histogram that replaces a classic series."""
    labels = tuple(item for item in picked.labels if item.name != "le")
    series = Selector(family, labels).text if labels else select_metric(family)
    seconds = picked.range_seconds
    window = f"[{format_duration(seconds)}]" if seconds is not None else ""
    inner = f"rate({series}{window})" if window else series
    if part != "_bucket":
        return f"histogram{part}({inner})"
    bound = next((item.value for item in picked.labels if item.name == "le" and item.operator == "="), "")
    if bound and math.isfinite(_value(bound)):
        return f"histogram_fraction(-Inf, {_value(bound):g}, {inner}) * histogram_count({inner})"
    return f"histogram_quantile(0.95, sum({inner})), grouped by the same labels without le"


def _find_missing_bucket(item: ParsedRule, context: LintContext) -> Iterator[LintMatch]:
    for picked in item.expression.selectors if item.expression is not None else ():
        for matcher in picked.labels:
            if matcher.name != "le" or matcher.operator != "=" or not picked.metric:
                continue
            info = context.catalog.get(picked.metric)
            bounds = info.seen.get("le", ()) if info is not None else ()
            ours = context.contract.get(picked.metric)
            line = item.placed.line_of("expr", f'le="{matcher.value}"', "le")
            if bounds and matcher.value not in bounds:
                same = next((bound for bound in bounds if _value(bound) == _value(matcher.value)), "")
                if same:
                    yield LintMatch(
                        line, f'{picked.metric} has this bucket as le="{same}", so le="{matcher.value}" matches nothing'
                    )
                else:
                    listed = ", ".join(sorted(bounds, key=_value)[:_MAX_LISTED])
                    level = None if context.catalog.complete else Level.WARNING
                    yield LintMatch(line, f'{picked.metric} has no bucket le="{matcher.value}" (it has {listed})', level)
            elif not bounds and ours is not None and ours.exporter == PLATFORM and _WHOLE.fullmatch(matcher.value):
                text = (
                    f'prometheus_client writes this bucket as le="{matcher.value}.0", so le="{matcher.value}" matches nothing'
                )
                yield LintMatch(line, text)


def _value(bound: str) -> float:
    try:
        return float(bound)
    except ValueError:
        return float("nan")


def _find_count_as_score(item: ParsedRule, context: LintContext) -> Iterator[LintMatch]:
    if item.expression is None:
        return
    for node in item.expression.parts:
        if isinstance(node, ast.BinaryExpr) and str(node.op) in COMPARISONS:
            limit = constant(node.rhs)
            for name in raw_series(node.lhs) if limit is not None else ():
                if limit is not None and is_count_for_score(name, limit, context):
                    line = item.placed.line_of("expr", name)
                    stem = name.removesuffix("_bucket").removesuffix("_count")
                    text = f"{name} counts observations, but is compared with {limit:g} like a value of {stem}"
                    yield LintMatch(line, text)


NATIVE_HISTOGRAM = LintRule(
    "native-histogram",
    Level.ERROR,
    "A rule reads classic series of a native histogram",
    "A server that converts histograms to native ones stores no `_bucket`, `_count` or `_sum`: the expression is always empty.",
    "Read the histogram itself, or let the server scrape classic histograms too (`always_scrape_classic_histograms`).",
    _find_classic_series,
)
HISTOGRAM_AS_SERIES = LintRule(
    "histogram-as-series",
    Level.ERROR,
    "A histogram is read as a plain series",
    "A histogram has no series under its plain name: the expression is always empty.",
    "Use a quantile, `histogram_quantile(0.95, sum by (le) (rate(x_bucket[5m])))`, or the mean, "
    "`sum(rate(x_sum[5m])) / sum(rate(x_count[5m]))`.",
    _find_plain_histogram,
)
NO_SUCH_BUCKET = LintRule(
    "no-such-bucket",
    Level.ERROR,
    "A matcher selects a bucket that the histogram does not have",
    'Bucket bounds are text: le="2" differs from le="2.0", and there is no bucket between two bounds. The expression is empty.',
    "Use a bound of the histogram, written as the histogram writes it.",
    _find_missing_bucket,
)
COUNT_AS_SCORE = LintRule(
    "count-as-score",
    Level.ERROR,
    "A count of observations is compared like a value",
    "`_count` and `_bucket` count observations, whatever their values: after the first one the count exceeds every limit "
    "below 1, and the alert fires for ever.",
    "Compare the mean, `rate(x_sum[15m]) / rate(x_count[15m])`, or a quantile of the buckets.",
    _find_count_as_score,
    words=COMPARISONS,
)
