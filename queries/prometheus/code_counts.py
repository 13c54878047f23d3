"""How often each error code occurred within a window, and since when: by increase, never by a counter's total."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

from queries.catalogue.error_codes import CodeSource, Taxonomy
from queries.catalogue.exposition import Exposition
from queries.errors import SourceError
from queries.model.annotations import Annotations
from queries.model.fault import Fault
from queries.model.frozen import dataclass
from queries.model.series import Labels, Sample, Series, drop_labels, label, quote
from queries.prometheus.query_batch import BatchQuery, QueryBatch
from queries.prometheus.responses import RangeResult

_STEPS = 288
"""For 24 h a step is five minutes, the precision of `since`."""
_LOOKBACK_SECONDS = 300.0
"""Prometheus' lookback delta: with one scrape a minute most steps would otherwise be empty."""
_MOST_CODES = 100
"""At most this many codes of one metric get a date; a label that holds a message has as many as there are requests."""


@dataclass(frozen=True, slots=True)
class CodeCount:
    """One code of one provider (or stage) within the window.

    `count` is None if only a total is known, which may be as old as the process; `since` is its first occurrence within the
    window, Unix seconds, None without one or if it is not needed.
    """

    who: str
    code: str
    count: float | None = None
    since: float | None = None


Counts = Mapping[CodeSource, tuple[CodeCount, ...]]


class RangeQuery:
    """A range query over the window of the counts. `fetch` takes text, start, end and step_seconds. Raises SourceError."""

    def __init__(self, fetch: Callable[..., Awaitable[RangeResult]], *, start: float, end: float) -> None:
        self._fetch = fetch
        self.step = max(1.0, round((end - start) / _STEPS, 3))
        # Aligned to the end, so that the last step includes a code that has just occurred.
        self.start, self.end = end - self.step * int((end - start) / self.step), end

    async def fetch(self, text: str) -> tuple[Sequence[Series], Annotations]:
        answer = await self._fetch(text, start=self.start, end=self.end, step_seconds=self.step)
        return answer.series, answer.annotations


def seen_query(source: CodeSource, window_seconds: float) -> str:
    """Every code with a sample within the window, also of pods that are gone."""
    return f"group by ({source.by}, code) (last_over_time({source.metric}[{window_seconds:.0f}s]))"


async def date_codes(taxonomy: Taxonomy, seen: Mapping[CodeSource, Sequence[Sample]], window: RangeQuery) -> Counts | Fault:
    """The codes of `seen`; those that map to none of the nine also with count and date: at most one request, and one more where
    the scrapes must tell whether a counter is new. The fault if the server refuses one.
    """
    gaps = {source: tuple(dict.fromkeys(code for who, code in _pairs(source, items) if not taxonomy.map(code, provider=who)))
            for source, items in seen.items()}  # fmt: skip
    parts = [part for source, codes in gaps.items() if codes for part in _parts(source, codes[:_MOST_CODES], window.step)]
    found: dict[str, list[Series]] = {}
    scraped: Mapping[str, float] = {}
    if parts:
        try:
            answer = await QueryBatch[Series](window.fetch, clock=time.monotonic).fetch(parts)
            for fault in answer.faults.values():
                return fault
            found = answer.items
            scraped = await _first_scrapes(found, tuple(gaps), window)
        except SourceError as error:
            return error.fault
    return {
        source: (
            *(CodeCount(who, code) for who, code in _pairs(source, items) if code not in gaps[source]),
            *_dated(source, found.get(source.metric, ()), found.get(source.created, ()), scraped, window),
            *(CodeCount("", code) for code in gaps[source][_MOST_CODES:]),
        )
        for source, items in seen.items()
    }


def exposed_codes(taxonomy: Taxonomy, exposed: Exposition, *, start: float) -> Counts:
    """The same from the exporter alone, by totals and creation times; a counter created before `start` has no date."""
    return {source: tuple(_exposed(source, exposed, start)) for source in taxonomy.counted}


def _exposed(source: CodeSource, exposed: Exposition, start: float) -> Iterable[CodeCount]:
    births = {sample.labels: sample.value for sample in exposed.series.get(source.created, ())}
    for sample in exposed.series.get(source.metric, ()):
        born = births.get(sample.labels)
        dated = born is not None and born >= start
        who, code = label(sample.labels, source.by), label(sample.labels, "code")
        yield CodeCount(who, code, sample.value if dated else None, born if dated else None)


def _pairs(source: CodeSource, items: Iterable[Sample]) -> tuple[tuple[str, str], ...]:
    return tuple((label(item.labels, source.by), label(item.labels, "code")) for item in items)


def _parts(source: CodeSource, codes: Sequence[str], step: float) -> tuple[BatchQuery, BatchQuery]:
    """The counters and their creation times, the maximum of each step so that short-lived pods are included."""
    named = quote("|".join(map(re.escape, codes)))
    seconds = max(_LOOKBACK_SECONDS, step)
    return (
        BatchQuery(source.metric, f"max_over_time({source.metric}{{code=~{named}}}[{seconds:.0f}s])"),
        BatchQuery(source.created, f"max_over_time({source.created}{{code=~{named}}}[{seconds:.0f}s])"),
    )


async def _first_scrapes(
    found: Mapping[str, Sequence[Series]], sources: Iterable[CodeSource], window: RangeQuery
) -> Mapping[str, float]:
    """The first step, Unix seconds, at which each job was scraped; only of jobs with a counter that appears within the window
    and has no creation time. Raises SourceError.
    """
    jobs = set[str]()
    for source in sources:
        born = {_own(series.labels) for series in found.get(source.created, ())}
        jobs |= {
            label(series.labels, "job")
            for series in found.get(source.metric, ())
            if series.points and series.points[0][0] >= window.start + 1.5 * window.step and _own(series.labels) not in born
        }
    jobs.discard("")
    if not jobs:
        return {}
    named = quote("|".join(map(re.escape, sorted(jobs))))
    up = f"max by (job) (max_over_time(up{{job=~{named}}}[{max(_LOOKBACK_SECONDS, window.step):.0f}s])) > 0"
    series, _ = await window.fetch(up)
    return {label(item.labels, "job"): item.points[0][0] for item in series if item.points}


def _dated(
    source: CodeSource,
    counters: Iterable[Series],
    births: Iterable[Series],
    scraped: Mapping[str, float],
    window: RangeQuery,
) -> tuple[CodeCount, ...]:
    born = {_own(series.labels): series.points[0][1] for series in births if series.points}
    found: dict[tuple[str, str], list[tuple[float | None, float | None]]] = {}
    for series in counters:
        key = (label(series.labels, source.by), label(series.labels, "code"))
        found.setdefault(key, []).append(
            measure_increase(
                series,
                born.get(_own(series.labels)),
                start=window.start,
                step=window.step,
                scraped_from=scraped.get(label(series.labels, "job"), math.inf),
            )
        )
    return tuple(
        CodeCount(who, code, _total(several), min((at for _, at in several if at is not None), default=None))
        for (who, code), several in found.items()
    )


def _total(several: Sequence[tuple[float | None, float | None]]) -> float | None:
    """The sum of what is known; None if that is nothing and one of them is unknown."""
    known = sum(count for count, _ in several if count is not None)
    return None if not known and any(count is None for count, _ in several) else known


def measure_increase(
    series: Series, born: float | None, *, start: float, step: float, scraped_from: float
) -> tuple[float | None, float | None]:
    """The increase of one counter, and since when.

    A counter that appears within the window started at 0, unless its `_created` is older: then Prometheus was down, and its
    first value belongs to an earlier window. Without `_created` that is known only if its job was scraped before, from
    `scraped_from` on; else the increase is None, or what was added later. A counter that falls was reset to 0. All times are in
    Unix seconds.
    """
    count, since, unknown = 0.0, None, False
    before: float | None = None
    for at, value in series.points:
        if before is None:
            there = at < start + 1.5 * step if born is None else born < start
            if born is None and not there:
                there = unknown = at < scraped_from + 1.5 * step
            added, moment = (0.0, at) if there else (value, at if born is None else min(born, at))
        else:
            added, moment = (value - before if value >= before else value), at
        if added > 0.0:
            count += added
            since = moment if since is None else min(since, moment)
        before = value
    return (None if unknown and not count else count), since


def _own(labels: Labels) -> Labels:
    return drop_labels(labels, "__name__")
