"""Whether a runbook's queries are about the same subject as its alert."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import takewhile

from console.runbooks.page import Runbook
from queries.promql.syntax import PromqlError, parse_promql

_MAX_DEPTH = 10
"""How far recording rules over recording rules are followed; deeper names count as they are."""
_FENCE = re.compile(r"^[ \t]*(```|~~~)[ \t]*(?:promql|prometheus)?[ \t]*\n(.*?)^[ \t]*\1", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_METRIC = re.compile(
    r"[a-z][a-z0-9_:]*_(?:total|seconds|bytes|bucket|count|sum|ratio|state|depth|size|score|hour|rate\w*|created)"
)
_SUFFIXES = ("total", "bucket", "count", "sum", "created", "seconds", "bytes", "ratio", "rate")


def subject_error(
    runbook: Runbook, expression: str, records: Mapping[str, Sequence[str]], *, recorded: Collection[str] = ()
) -> str:
    """`this page queries the feature cache; the alert is about the analysis cache`, or empty.

    `expression` is the alert's, `records` the loaded expressions by the name that they are recorded under. The subjects differ
    if no metric of the page's queries starts like one of the alert's, with recorded names expanded. Empty if an expression
    cannot be parsed or names no metric, and for an alert over a recorded series whose rule is unknown: one with a colon in
    its name, or one of `recorded`.
    """
    page_metrics = [metrics for query in _queries(runbook) if (metrics := _metrics(query))]
    alert_metrics = _metrics(expression)
    if not page_metrics or not alert_metrics:
        return ""
    if any(name not in records and (":" in name or name in recorded) for name in alert_metrics):
        return ""
    page = tuple(dict.fromkeys(name for metrics in page_metrics for name in metrics))
    # A metric mentioned in a text proves less than a query does: there only the first word has to match.
    words = 2 if runbook.steps else 1
    if _families(page, records, words) & _families(alert_metrics, records, words):
        return ""
    return f"this page queries {_subject(page_metrics[0], records)}; the alert is about {_subject(alert_metrics, records)}"


def _queries(runbook: Runbook) -> tuple[str, ...]:
    """The queries of the steps; without any, the queries and metric names that the page's text quotes."""
    queries = tuple(step.promql for step in runbook.steps if step.promql)
    if queries or not runbook.body:
        return queries
    blocks = [match[2] for match in _FENCE.finditer(runbook.body)]
    lines = [line for block in blocks for line in (block, *block.splitlines())]
    return tuple(text for text in (*lines, *_SPAN.findall(runbook.body)) if _METRIC.search(text))


@lru_cache(maxsize=4096)
def _metrics(query: str) -> tuple[str, ...]:
    """The metric names in an expression; none if it is not valid PromQL."""
    try:
        return parse_promql(query).metrics
    except PromqlError:
        return ()


def _expand(names: Iterable[str], records: Mapping[str, Sequence[str]]) -> dict[str, None]:
    """The names with all metrics that they are recorded from."""
    expanded: dict[str, None] = {}
    left = list(names)
    for _ in range(_MAX_DEPTH):
        expanded.update(dict.fromkeys(left))
        left = [more for name in left for text in records.get(name, ()) for more in _metrics(text) if more not in expanded]
    return expanded


def _families(names: Iterable[str], records: Mapping[str, Sequence[str]], words: int) -> set[str]:
    """The first words of the names: `feature_cache` for every metric of that cache."""
    return {"_".join(_bare(name).split("_")[:words]) for name in _expand(names, records)}


def _subject(names: Sequence[str], records: Mapping[str, Sequence[str]]) -> str:
    """`the feature cache` for metrics that share a prefix; else their names."""
    raw_names = [name for name in _expand(names, records) if name not in records] or list(names)
    words = [[word for word in _bare(name).split("_") if word] for name in raw_names]
    common = [same[0] for same in takewhile(lambda same: len(set(same)) == 1, zip(*words, strict=False))]
    while common and common[-1] in _SUFFIXES:
        common.pop()
    if len(raw_names) > 1 and len(common) > 1:
        return f"the {' '.join(common)}"
    return " and ".join(raw_names[:2]) + (f" and {len(raw_names) - 2} more" if len(raw_names) > 2 else "")


def _bare(name: str) -> str:
    """The metric of `level:metric:operations`."""
    parts = name.split(":")
    return parts[1] if len(parts) == 3 else parts[-1]
