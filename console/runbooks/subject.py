"""What a runbook asks about, and whether that is what its alert is about."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import takewhile

from console.runbooks.page import Runbook
from queries.promql.syntax import PromqlError, parse

_DEEPEST = 10
"""Recorded series over recorded series: what is deeper counts by its name."""
_FENCE = re.compile(r"^[ \t]*(```|~~~)[ \t]*(?:promql|prometheus)?[ \t]*\n(.*?)^[ \t]*\1", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_METRIC = re.compile(
    r"[a-z][a-z0-9_:]*_(?:total|seconds|bytes|bucket|count|sum|ratio|state|depth|size|score|hour|rate\w*|created)"
)
_ENDINGS = ("total", "bucket", "count", "sum", "created", "seconds", "bytes", "ratio", "rate")


def subject_error(
    runbook: Runbook, expression: str, records: Mapping[str, Sequence[str]], *, recorded: Collection[str] = ()
) -> str:
    """`this page asks about the feature cache; the alert is about the analysis cache`, or empty.

    `expression` is the alert's, `records` the loaded expressions by the name that they are recorded under. A page is about
    another subject where no metric of its queries begins like one of the alert's, recorded names spelled out. Of what cannot
    be read, or where one side names no metric, nothing is said; nor of an alert over a series that a rule records which cannot
    be seen: one with a colon in its name, or one of `recorded`.
    """
    asked = [metrics for query in _queries(runbook) if (metrics := _metrics(query))]
    about = _metrics(expression)
    if not asked or not about or any(name not in records and (":" in name or name in recorded) for name in about):
        return ""
    page = tuple(dict.fromkeys(name for metrics in asked for name in metrics))
    # What a text mentions in passing says less than a query does: there the first word alone decides.
    words = 2 if runbook.steps else 1
    if _families(page, records, words) & _families(about, records, words):
        return ""
    return f"this page asks about {_subject(asked[0], records)}; the alert is about {_subject(about, records)}"


def _queries(runbook: Runbook) -> tuple[str, ...]:
    """Those of the steps; of a page without any, what its text shows as queries and names of metrics."""
    asked = tuple(step.query for step in runbook.steps if step.query)
    if asked or not runbook.body:
        return asked
    blocks = [match[2] for match in _FENCE.finditer(runbook.body)]
    lines = [line for block in blocks for line in (block, *block.splitlines())]
    return tuple(text for text in (*lines, *_SPAN.findall(runbook.body)) if _METRIC.search(text))


@lru_cache(maxsize=4096)
def _metrics(query: str) -> tuple[str, ...]:
    """The names in an expression; none where it is not PromQL."""
    try:
        return parse(query).metrics
    except PromqlError:
        return ()


def _expand(names: Iterable[str], records: Mapping[str, Sequence[str]]) -> dict[str, None]:
    """The names with all that they are recorded from."""
    found: dict[str, None] = {}
    left = list(names)
    for _ in range(_DEEPEST):
        found.update(dict.fromkeys(left))
        left = [more for name in left for text in records.get(name, ()) for more in _metrics(text) if more not in found]
    return found


def _families(names: Iterable[str], records: Mapping[str, Sequence[str]], words: int) -> set[str]:
    """What the names begin with, in so many words: `feature_cache` of all metrics of that cache."""
    return {"_".join(_bare(name).split("_")[:words]) for name in _expand(names, records)}


def _subject(names: Sequence[str], records: Mapping[str, Sequence[str]]) -> str:
    """What several metrics are about in words, by what their names begin with: `the feature cache`; else their names."""
    spelled = [name for name in _expand(names, records) if name not in records] or list(names)
    words = [[word for word in _bare(name).split("_") if word] for name in spelled]
    common = [same[0] for same in takewhile(lambda same: len(set(same)) == 1, zip(*words, strict=False))]
    while common and common[-1] in _ENDINGS:
        common.pop()
    if len(spelled) > 1 and len(common) > 1:
        return f"the {' '.join(common)}"
    return " and ".join(spelled[:2]) + (f" and {len(spelled) - 2} more" if len(spelled) > 2 else "")


def _bare(name: str) -> str:
    """Of `level:metric:operations` the metric."""
    parts = name.split(":")
    return parts[1] if len(parts) == 3 else parts[-1]
