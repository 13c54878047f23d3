"""A panel's series over a window, with the worst value of each step: from stored samples, or computed by the server."""

from __future__ import annotations

import asyncio
import math
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from queries.catalogue.error_code_series import CODE
from queries.concurrency import maybe_offload, run_cpu_bound, task_group
from queries.errors import RequestRejected, SourceError, TimedOut
from queries.model.annotations import Annotations
from queries.model.frozen import dataclass
from queries.model.panel import Aggregation, PanelSpec
from queries.model.panel_result import PanelHistory
from queries.model.series import Labels, Series, drop_labels
from queries.prometheus.panel_fetcher import FetchInstant, FetchRange, aggregate_query
from queries.prometheus.settled_steps import SettledSteps
from queries.waits import still_waits

if TYPE_CHECKING:
    from queries.promql.peaks import PeakQuery

PENDING = "peaks not kept yet: Prometheus is computing them"
_MOST_EVALUATIONS = 25_000
"""The maximum number of evaluations of one expression for one chart: 7 days at the usual 30 s."""
_REFUSED_FOR_SECONDS = 600.0
_SPLIT_SECONDS = 86_400.0
"""Longer ranges are requested in two halves at once: the server reads every sample of both, and uses two processors for it."""
_MOST_SERIES = 24
"""With more series, a chart shows only the worst value: it draws six, and each costs the server and the network as much."""


@dataclass(frozen=True, slots=True)
class Window:
    """The time range of a chart in Unix seconds, and its step."""

    start: float
    end: float
    step: float

    @property
    def first(self) -> float:
        """The end of the first step: steps are aligned to multiples of their length, so a later chart has the same ones."""
        return (self.start // self.step + 1) * self.step

    @property
    def last(self) -> float:
        """The end of the step that holds the end of the window."""
        return math.ceil(self.end / self.step) * self.step

    def back(self, seconds: float) -> Window:
        return replace(self, start=self.start - seconds, end=self.end - seconds)


class HistoryReader:
    """Reads windows from one server; caches for ten minutes which peaks it refused to compute."""

    def __init__(
        self, fetch_instant: Callable[[float], FetchInstant], fetch_range: FetchRange, *, clock: Callable[[], float]
    ) -> None:
        """`fetch_instant` returns the query function for a time in Unix seconds."""
        self._instant_at = fetch_instant
        self._range = fetch_range
        self._clock = clock
        self._refused: dict[tuple[str, float], tuple[float, str]] = {}
        self._settled = SettledSteps(clock=clock)

    async def read(
        self,
        spec: PanelSpec,
        queries: Sequence[str],
        window: Window,
        *,
        evaluation_seconds: float,
        computable: bool = True,
        back_seconds: float = 0.0,
    ) -> AsyncIterator[PanelHistory]:
        """The history from the first of `queries` that returns a series: available data at once, then better versions of it.

        If the server has to compute the peaks, samples come first; `computable` says whether it may. `back_seconds` also
        requests the panel's value of an earlier window. A failure is stored as the history's fault.
        """
        history = PanelHistory(spec.id, window.start, window.end, window.step)
        query = ""
        try:
            for query, crowd in [await self._join_crowd(each, spec, window) for each in queries]:
                peak = await self._build(query, window, evaluation_seconds, lowest=spec.lower_is_worse)
                async for found in self._read_one(query, peak, window, spec, computable=computable):
                    history = replace(history, series=found[0], note=_join(crowd, found[1]))
                    if found[0]:
                        yield history
                if history.series:
                    break
            if not history.series:
                yield history
                return
            if len(history.series) == 1 and not (found[1] or peak.evaluations) and window.step > evaluation_seconds:
                best = await self._build(query, window, evaluation_seconds, lowest=not spec.lower_is_worse)
                if not best.evaluations:
                    series, missing = await self._read_range(best.text, window, last=window.last)
                    points = series[0].points if len(series) == 1 else ()
                    yield (history := replace(history, best=points, note=_join(history.note, missing)))
        except SourceError as error:
            yield replace(history, fault=error.fault)
            return
        if back_seconds:
            aggregated = aggregate_query(spec.aggregation, query)
            peak = await self._build(aggregated, window, evaluation_seconds, lowest=spec.lower_is_worse)
            # The comparison with an earlier time does not justify computing its peaks.
            yield await self._add_earlier(history, aggregated if peak.evaluations else peak.text, window, back_seconds)

    async def _join_crowd(self, query: str, spec: PanelSpec, window: Window) -> tuple[str, str]:
        """The expression and an empty note; for many series the worst value only, and a note with their number.

        Also returns what is missing from a partial count.
        """
        worst = Aggregation.MIN if spec.lower_is_worse else Aggregation.MAX
        if not spec.group_by or spec.aggregation is not worst:
            return query, ""
        try:
            counted, annotations = await self._instant_at(window.end)(f"count(\n{query}\n)")
        except (RequestRejected, TimedOut):
            return query, ""
        count = int(counted[0].value) if counted else 0
        if count <= _MOST_SERIES:
            return query, annotations.caveat
        return aggregate_query(worst, query), _join(f"the worst of {count} series", annotations.caveat)

    async def _read_one(
        self, query: str, peak: PeakQuery, window: Window, spec: PanelSpec, *, computable: bool
    ) -> AsyncIterator[tuple[tuple[Series, ...], str]]:
        """The series of one expression and why they are samples only, each time with more of both."""
        if not peak.evaluations:
            try:
                series, missing = await self._read_range(peak.text, window, last=window.last)
                yield await _sort_worst_first(series, spec), missing
                return
            except (RequestRejected, TimedOut) as error:
                refusal = error.fault.sentence()
            series, missing = await self._sample(query, window)
            yield await _sort_worst_first(series, spec), _join(missing, f"peaks not kept: {refusal}")
            return
        series, missing = await self._sample(query, window)
        sampled = await _sort_worst_first(series, spec)
        reason = self._why_not(query, peak, window, spec) if computable else "its expression reads a long range"
        if not sampled or reason:
            yield sampled, _join(missing, f"peaks not kept: {reason}" if reason else "")
            return
        yield sampled, _join(missing, PENDING)
        try:
            series, also = await self._read_range(peak.text, window, last=window.end // window.step * window.step)
        except (RequestRejected, TimedOut) as error:
            self._refused[query, window.step] = self._clock() + _REFUSED_FOR_SECONDS, error.fault.sentence()
            yield sampled, _join(missing, f"peaks not kept: {error.fault.sentence()}")
            return
        # The sample at the end of the window stands for the step that has not ended yet.
        ends = [replace(item, points=item.points[-1:]) for item in sampled if item.points and item.points[-1][0] == window.end]
        yield await _sort_worst_first(await _merge((*series, *ends), window), spec), _join(missing, also)

    def _why_not(self, query: str, peak: PeakQuery, window: Window, spec: PanelSpec) -> str:
        """Why the console does not request peaks from the server; empty if it does."""
        if spec.group_by == CODE:
            return "the console adds up the error codes"
        evaluations = peak.evaluations * (window.end - window.start) / window.step
        if evaluations > _MOST_EVALUATIONS:
            return f"Prometheus would evaluate the expression {evaluations:,.0f} times; record it with a rule"
        until, reason = self._refused.get((query, window.step), (0.0, ""))
        return reason if still_waits(until, self._clock(), _REFUSED_FOR_SECONDS) else ""

    async def _add_earlier(self, history: PanelHistory, text: str, window: Window, back: float) -> PanelHistory:
        earlier = window.back(back)
        try:
            series, missing = await self._read_range(text, earlier, last=earlier.last)
        except SourceError as error:
            return replace(history, earlier_fault=error.fault)
        points = series[0].points if series else ()
        found = tuple((at + back, value) for at, value in points)
        return replace(history, earlier=found, note=_join(history.note, missing))

    async def _build(self, query: str, window: Window, evaluation_seconds: float, *, lowest: bool) -> PeakQuery:
        return await run_cpu_bound(partial(_build_peak, query, window.step, evaluation_seconds, lowest=lowest))

    async def _sample(self, query: str, window: Window) -> tuple[tuple[Series, ...], str]:
        """The value at each step's end and at the end of the window, and what is missing from a partial response."""
        last = window.end // window.step * window.step
        (series, annotations), (now, also) = await asyncio.gather(
            self._range(query, window.first, max(window.first, last), window.step), self._instant_at(window.end)(query)
        )
        ends = (Series(item.labels, ((window.end, item.value),)) for item in now)
        return await _merge((*series, *ends), window), _join(annotations.caveat, also.caveat)

    async def _read_range(self, text: str, window: Window, *, last: float) -> tuple[tuple[Series, ...], str]:
        """The series of a range query, and what is missing from a partial response; steps that are known are not fetched."""
        known, first = self._settled.find(text, window.step, window.first)
        last = max(window.first, last)

        async def fetch(span: tuple[float, float]) -> tuple[Sequence[Series], Annotations]:
            return await self._range(text, *span, window.step)

        async with task_group() as group:
            tasks = [group.create_task(fetch(span)) for span in _split(first, last, window.step)] if first <= last else []
        found = [task.result() for task in tasks]
        series = [item for part, _ in found for item in part]
        missing = _join(*(annotations.caveat for _, annotations in found))
        if first == window.first and not missing:
            self._settled.keep(text, window.step, first, last, series)
        return await _merge((*known, *series), window), missing


def _split(first: float, last: float, step: float) -> tuple[tuple[float, float], ...]:
    """The first and last step of the whole range, or of each half of a long one."""
    steps = round((last - first) / step)
    if steps < 1 or last - first <= _SPLIT_SECONDS:
        return ((first, last),)
    middle = first + steps // 2 * step
    return (first, middle), (middle + step, last)


def _join(*notes: str) -> str:
    """The notes as one text, each only once."""
    joined = ""
    for note in notes:
        if note and note not in joined:
            joined = f"{joined}; {note}" if joined else note
    return joined


def _build_peak(query: str, step: float, evaluation_seconds: float, *, lowest: bool) -> PeakQuery:
    """Runs off the loop: it imports the PromQL parser."""
    from queries.promql.peaks import build_peak_query  # noqa: PLC0415  # the parser of PromQL

    return build_peak_query(query, step_seconds=step, lowest=lowest, evaluation_seconds=evaluation_seconds)


async def _merge(series: Sequence[Series], window: Window) -> tuple[Series, ...]:
    return await maybe_offload(partial(_join_series, series, window), len(series))


async def _sort_worst_first(series: Sequence[Series], spec: PanelSpec) -> tuple[Series, ...]:
    return await maybe_offload(partial(sort_worst_first, series, spec), len(series))


def _join_series(series: Iterable[Series], window: Window) -> tuple[Series, ...]:
    """The series without their metric names, those of equal labels joined; no point lies after the window's end."""
    found: dict[Labels, dict[float, float]] = defaultdict(dict)
    for item in series:
        points = found[drop_labels(item.labels, "__name__")]
        for at, value in item.points:
            points.setdefault(min(at, window.end), value)
    return tuple(Series(labels, tuple(sorted(points.items()))) for labels, points in found.items())


def sort_worst_first(series: Sequence[Series], spec: PanelSpec) -> tuple[Series, ...]:
    """The series with the worst value first: a chart draws only a few."""

    def worst(item: Series) -> float:
        values = [value for _, value in item.points if math.isfinite(value)] or [math.inf if spec.lower_is_worse else -math.inf]
        return min(values) if spec.lower_is_worse else -max(values)

    return tuple(sorted(series, key=worst))
