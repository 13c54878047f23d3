"""How often each error code was counted within a window, and since when: by increase, never by a counter's total."""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from queries.catalogue.error_codes import CodeSource, Taxonomy
from queries.catalogue.exposition import Exposition
from queries.errors import SourceError
from queries.model.fault import Fault
from queries.model.series import Labels, Sample, Series, label, quote, without
from queries.prometheus.query_batch import BatchQuery, QueryBatch
from queries.prometheus.responses import RangeResult

_STEPS = 288
"""Of 24 h each is five minutes long: how exact 'since when' is."""
_LOOKBACK_SECONDS = 300.0
"""As far as Prometheus itself looks back: a scrape a minute must not make every step but the fifth empty."""
_MOST_CODES = 100
"""Codes of one metric that are dated; a label that holds a message has as many as there are requests."""


@dataclass(frozen=True, slots=True)
class CodeCount:
    """One code of one provider (or stage) within the window.

    `count` is None where only a total is known, which may be as old as the process; `since` is the first moment at which it
    was counted within the window, Unix seconds, None where it was not or where nobody needs to know.
    """

    who: str
    code: str
    count: float | None = None
    since: float | None = None


Counts = Mapping[CodeSource, tuple[CodeCount, ...]]


class RangeQuery:
    """Asks one range query: `text, start, end, step_seconds` to the answer. Raises SourceError."""

    def __init__(self, ask: Callable[..., Awaitable[RangeResult]], *, start: float, end: float) -> None:
        self._ask = ask
        self.step = max(1.0, round((end - start) / _STEPS, 3))
        # Counted back from the end, so that the last step is of now: a code that came a moment ago must not be missed.
        self.start, self.end = end - self.step * int((end - start) / self.step), end

    async def tracks(self, text: str) -> tuple[Sequence[Series], Sequence[str]]:
        answer = await self._ask(text, start=self.start, end=self.end, step_seconds=self.step)
        return answer.tracks, answer.warnings


def seen_query(source: CodeSource, window_seconds: float) -> str:
    """Every code that had a sample within the window, also those of pods that are gone."""
    return f"group by ({source.by}, code) (last_over_time({source.metric}[{window_seconds:.0f}s]))"


async def date_codes(taxonomy: Taxonomy, seen: Mapping[CodeSource, Sequence[Sample]], asking: RangeQuery) -> Counts | Fault:
    """What was seen, and of the codes that map to none of the nine how often and since when: one request, none without such a
    code. The fault where it was refused.
    """
    gaps = {source: tuple(dict.fromkeys(code for who, code in _pairs(source, items) if not taxonomy.mapped(code, provider=who)))
            for source, items in seen.items()}  # fmt: skip
    parts = [part for source, codes in gaps.items() if codes for part in _parts(source, codes[:_MOST_CODES], asking.step)]
    found: dict[str, list[Series]] = {}
    if parts:
        try:
            answer = await QueryBatch[Series](asking.tracks, clock=time.monotonic).ask(parts)
        except SourceError as error:
            return error.fault
        for fault in answer.faults.values():
            return fault
        found = answer.found
    return {
        source: (
            *(CodeCount(who, code) for who, code in _pairs(source, items) if code not in gaps[source]),
            *_dated(source, found.get(source.metric, ()), found.get(source.born, ()), asking),
            *(CodeCount("", code) for code in gaps[source][_MOST_CODES:]),
        )
        for source, items in seen.items()
    }


def exposed_codes(taxonomy: Taxonomy, exposed: Exposition, *, start: float) -> Counts:
    """The same from the exporter alone: it tells totals, and when each began; one that began before `start` has no date."""
    return {source: tuple(_exposed(source, exposed, start)) for source in taxonomy.counted}


def _exposed(source: CodeSource, exposed: Exposition, start: float) -> Iterable[CodeCount]:
    births = {sample.labels: sample.value for sample in exposed.series.get(source.born, ())}
    for sample in exposed.series.get(source.metric, ()):
        born = births.get(sample.labels)
        dated = born is not None and born >= start
        who, code = label(sample.labels, source.by), label(sample.labels, "code")
        yield CodeCount(who, code, sample.value if dated else None, born if dated else None)


def _pairs(source: CodeSource, items: Iterable[Sample]) -> tuple[tuple[str, str], ...]:
    return tuple((label(item.labels, source.by), label(item.labels, "code")) for item in items)


def _parts(source: CodeSource, codes: Sequence[str], step: float) -> tuple[BatchQuery, BatchQuery]:
    """The counters, and when each began. The largest value of each step, so that a pod that lived between two is not missed."""
    named = quote("|".join(map(re.escape, codes)))
    window = f"{max(_LOOKBACK_SECONDS, step):.0f}s"
    return (
        BatchQuery(source.metric, f"max_over_time({source.metric}{{code=~{named}}}[{window}])"),
        BatchQuery(source.born, f"max_over_time({source.born}{{code=~{named}}}[{window}])"),
    )


def _dated(
    source: CodeSource, counters: Iterable[Series], births: Iterable[Series], asking: RangeQuery
) -> tuple[CodeCount, ...]:
    born = {_own(track.labels): track.points[0][1] for track in births if track.points}
    found: dict[tuple[str, str], list[tuple[float, float | None]]] = {}
    for track in counters:
        key = (label(track.labels, source.by), label(track.labels, "code"))
        found.setdefault(key, []).append(increase(track, born.get(_own(track.labels)), start=asking.start, step=asking.step))
    return tuple(
        CodeCount(who, code, sum(count for count, _ in several), min((at for _, at in several if at is not None), default=None))
        for (who, code), several in found.items()
    )


def increase(track: Series, born: float | None, *, start: float, step: float) -> tuple[float, float | None]:
    """How much one counter rose, and since when.

    A counter that appears within the window began at 0, unless it says itself (`_created`) that it is older: then Prometheus
    was away, and what it had counted before is not of this window. One that falls was restarted at 0.
    """
    count, since = 0.0, None
    before: float | None = None
    for at, value in track.points:
        if before is None:
            there = at < start + 1.5 * step if born is None else born < start
            added, moment = (0.0, at) if there else (value, at if born is None else min(born, at))
        else:
            added, moment = (value - before if value >= before else value), at
        if added > 0.0:
            count += added
            since = moment if since is None else min(since, moment)
        before = value
    return count, since


def _own(labels: Labels) -> Labels:
    return without(labels, "__name__")
