"""Histograms that are read as plain series, by a bucket that is not there, or by a count that is taken for a score."""

from __future__ import annotations

import re
from collections.abc import Iterator

import promql_parser as ast

from console.lint.context import LintContext, ParsedRule
from console.lint.counters import is_count_for_score, raw_series
from console.lint.finding import Level, LintMatch, LintRule
from queries.catalogue.contract import PLATFORM
from queries.promql.syntax import COMPARISONS, number

_WHOLE = re.compile(r"[+-]?\d+")
_MOST_TOLD = 12


def _plain(item: ParsedRule, scene: LintContext) -> Iterator[LintMatch]:
    for name in item.expression.metrics if item.expression is not None else ():
        if is_plain_histogram(name, scene):
            line = item.placed.line_of("expr", name)
            yield LintMatch(
                line, f"{name} is a histogram: it has {name}_bucket, _count and _sum, and no series of its plain name"
            )


def is_plain_histogram(name: str, scene: LintContext) -> bool:
    """Whether a name is that of a histogram, which has no series of its plain name."""
    return scene.vocabulary.families.get(name) == "histogram" and scene.vocabulary.get(name) is None


def _no_bucket(item: ParsedRule, scene: LintContext) -> Iterator[LintMatch]:
    for picked in item.expression.selectors if item.expression is not None else ():
        for matcher in picked.labels:
            if matcher.name != "le" or matcher.operator != "=" or not picked.metric:
                continue
            word = scene.vocabulary.get(picked.metric)
            bounds = word.seen.get("le", ()) if word is not None else ()
            ours = scene.contract.get(picked.metric)
            line = item.placed.line_of("expr", f'le="{matcher.value}"', "le")
            if bounds and matcher.value not in bounds:
                same = next((bound for bound in bounds if _value(bound) == _value(matcher.value)), "")
                if same:
                    yield LintMatch(
                        line, f'{picked.metric} spells this bucket le="{same}", so that le="{matcher.value}" matches nothing'
                    )
                else:
                    listed = ", ".join(sorted(bounds, key=_value)[:_MOST_TOLD])
                    level = None if scene.vocabulary.complete else Level.WARNING
                    yield LintMatch(line, f'{picked.metric} has no bucket le="{matcher.value}" (there are {listed})', level)
            elif not bounds and ours is not None and ours.exporter == PLATFORM and _WHOLE.fullmatch(matcher.value):
                told = (
                    f'prometheus_client spells this bucket le="{matcher.value}.0", so that le="{matcher.value}" matches nothing'
                )
                yield LintMatch(line, told)


def _value(bound: str) -> float:
    try:
        return float(bound)
    except ValueError:
        return float("nan")


def _score(item: ParsedRule, scene: LintContext) -> Iterator[LintMatch]:
    if item.expression is None:
        return
    for node in item.expression.parts:
        if isinstance(node, ast.BinaryExpr) and str(node.op) in COMPARISONS:
            limit = number(node.rhs)
            for name in raw_series(node.lhs) if limit is not None else ():
                if limit is not None and is_count_for_score(name, limit, scene):
                    line = item.placed.line_of("expr", name)
                    stem = name.removesuffix("_bucket").removesuffix("_count")
                    told = f"{name} counts how many values there were, and is compared with {limit:g} like a value of {stem}"
                    yield LintMatch(line, told)


HISTOGRAM_AS_SERIES = LintRule(
    "histogram-as-series",
    Level.ERROR,
    "A histogram is read as a plain series",
    "A histogram has no series of its plain name: the expression is empty for ever.",
    "Take a quantile, `histogram_quantile(0.95, sum by (le) (rate(x_bucket[5m])))`, or the mean, "
    "`sum(rate(x_sum[5m])) / sum(rate(x_count[5m]))`.",
    _plain,
)
NO_SUCH_BUCKET = LintRule(
    "no-such-bucket",
    Level.ERROR,
    "A matcher asks for a bucket that the histogram does not have",
    'Buckets are text: le="2" is another one than le="2.0", and a bound between two buckets is none. The expression is empty.',
    "Take one of the bounds that the histogram has, spelled as it spells them.",
    _no_bucket,
)
COUNT_AS_SCORE = LintRule(
    "count-as-score",
    Level.ERROR,
    "A count of observations is compared like a score",
    "`_count` and `_bucket` say how many values there were, not what they were: after the first observation the count is "
    "beyond every limit below 1, and the alert fires for ever.",
    "Compare the mean, `rate(x_sum[15m]) / rate(x_count[15m])`, or a quantile of the buckets.",
    _score,
)
