"""Panels whose expressions are metric queries over logs: one query each at every refresh, and the trends."""

from __future__ import annotations

import asyncio
import math
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from typing import Protocol, TypeVar

from queries.errors import SourceError
from queries.model.fault import FaultKind
from queries.model.panel import Aggregation, Origin, PanelSpec, aggregate
from queries.model.panel_result import PanelHistory, PanelResult
from queries.model.series import Point, Sample, Series
from queries.prometheus.history import Window, sort_worst_first
from queries.prometheus.panel_fetcher import PanelResults
from queries.prometheus.trends import WINDOW_SECONDS, Trends
from queries.waits import still_waits

T = TypeVar("T")

SOURCE = "loki"
"""The `source` of such a panel in the catalogue."""
SAMPLED = "the value at each step's end: Loki keeps no worst values"
_AT_ONCE = 4
"""Queries in flight: each reads the lines of its whole range."""
_SEED_WAIT_SECONDS = 0.4
"""How long a refresh waits for the trends; those of a slower server come with a later refresh."""
_SEED_AGAIN_SECONDS = 300.0


class LogQueries(Protocol):
    """What panels ask of Loki; see `Loki`."""

    async def samples(self, query: str, *, at_ns: int) -> tuple[Sample, ...]: ...

    async def series(self, query: str, *, start_ns: int, end_ns: int, step_seconds: float) -> tuple[Series, ...]: ...


class LogPanels:
    """Tracks the trends of the panels from refresh to refresh, and the results of those that are evaluated rarely.

    `loki` raises SourceError where Loki is not configured; `clock` is Unix seconds.
    """

    def __init__(
        self, loki: Callable[[], LogQueries], *, clock: Callable[[], float], window_seconds: float = WINDOW_SECONDS
    ) -> None:
        self._loki = loki
        self._clock = clock
        self._trends = Trends(window_seconds)
        self._rare: dict[str, tuple[float, str, tuple[Sample, ...]]] = {}
        self._seed_after = -math.inf
        self._gate = asyncio.Semaphore(_AT_ONCE)
        self._seeding: asyncio.Task[None] | None = None

    async def leave_moment(self) -> None:
        """The next refresh is of another time: its trends do not continue those of the last one."""
        await self.close()
        self._trends, self._rare, self._seed_after = Trends(self._trends.window_seconds), {}, -math.inf

    async def close(self) -> None:
        if self._seeding is not None:
            self._seeding.cancel()
            await asyncio.wait([self._seeding])
            self._seeding = None

    async def refresh(self, specs: Sequence[PanelSpec], *, back_seconds: float = 0.0) -> PanelResults:
        """Query every panel as of `back_seconds` ago. Raises SourceError if Loki answers none of them, unless it refuses the
        queries themselves.
        """
        now = self._clock()
        found = await asyncio.gather(*(self._read(spec, now, back_seconds) for spec in specs))
        errors = [item for item in found if isinstance(item, SourceError)]
        if errors and len(errors) == len(found) and all(error.kind is not FaultKind.REJECTED for error in errors):
            raise errors[0]
        results = [_build_result(spec, item) for spec, item in zip(specs, found, strict=True)]
        if not back_seconds:
            await self._extend_trends(specs, results, now)
        window = self._trends.window(now)
        return PanelResults(
            tuple(
                replace(item, trend=self._trends.points(item.id), trend_window=window, trend_sampled=True) for item in results
            )
        )

    async def history(self, spec: PanelSpec, window: Window, *, back_seconds: float = 0.0) -> AsyncIterator[PanelHistory]:
        """The series over a window, the worst first; with `back_seconds` also the panel's value of the earlier window."""
        history = PanelHistory(spec.id, window.start, window.end, window.step)
        found = await self._read_window(spec, window)
        if isinstance(found, SourceError):
            yield replace(history, fault=found.fault)
            return
        history = replace(history, series=sort_worst_first(found, spec), note=SAMPLED if found else "")
        yield history
        if back_seconds:
            earlier = await self._read_window(spec, window.back(back_seconds))
            if isinstance(earlier, SourceError):
                yield replace(history, earlier_fault=earlier.fault)
                return
            points = _aggregate(spec.aggregation, earlier)
            yield replace(history, earlier=tuple((at + back_seconds, value) for at, value in points))

    async def _read(self, spec: PanelSpec, now: float, back_seconds: float) -> tuple[Sample, ...] | SourceError:
        kept = self._rare.get(spec.id)
        if kept is not None and not back_seconds and kept[1] == spec.raw and 0 <= now - kept[0] < spec.raw_every_seconds:
            return kept[2]
        at_ns = int((now - back_seconds) * 1e9)
        found = await self._query(lambda: self._loki().samples(spec.raw, at_ns=at_ns))
        if spec.raw_every_seconds and not back_seconds and not isinstance(found, SourceError):
            self._rare[spec.id] = now, spec.raw, found
        return found

    async def _read_window(self, spec: PanelSpec, window: Window) -> tuple[Series, ...] | SourceError:
        start, end = int(window.first * 1e9), int(max(window.first, window.end) * 1e9)
        # Loki refuses an end that does not lie after the start.
        return await self._query(
            lambda: self._loki().series(spec.raw, start_ns=start, end_ns=max(end, start + 1), step_seconds=window.step)
        )

    async def _query(self, send: Callable[[], Awaitable[T]]) -> T | SourceError:
        async with self._gate:
            try:
                return await send()
            except SourceError as error:
                return error

    async def _extend_trends(self, specs: Sequence[PanelSpec], results: Sequence[PanelResult], now: float) -> None:
        """Extend the trends by the values of now, and fetch their window if it is missing."""
        missing = self._trends.needs_window(now) and not still_waits(self._seed_after, now, _SEED_AGAIN_SECONDS)
        for spec, result in zip(specs, results, strict=True):
            value = aggregate(spec.aggregation, (sample.value for sample in result.samples))
            self._trends.extend(spec.id, value, now, lowest=spec.lower_is_worse)
        self._trends.mark_extended(now)
        if missing and (self._seeding is None or self._seeding.done()):
            self._seed_after = now + _SEED_AGAIN_SECONDS
            known = [
                spec for spec, result in zip(specs, results, strict=True) if result.fault is None and not spec.raw_every_seconds
            ]
            self._seeding = asyncio.create_task(self._seed(known, now), name="the trends of log panels")
            done, _ = await asyncio.wait([self._seeding], timeout=_SEED_WAIT_SECONDS)
            for task in done:
                task.result()

    async def _seed(self, specs: Sequence[PanelSpec], now: float) -> None:
        step = self._trends.step_seconds
        window = Window(self._trends.window(now)[0], now // step * step, step)
        found = await asyncio.gather(*(self._read_window(spec, window) for spec in specs))
        for spec, series in zip(specs, found, strict=True):
            if not isinstance(series, SourceError):
                self._trends.seed(spec.id, _aggregate(spec.aggregation, series), now, lowest=spec.lower_is_worse)
        if not any(isinstance(series, SourceError) for series in found):
            self._trends.mark_seeded(now)


def _build_result(spec: PanelSpec, found: tuple[Sample, ...] | SourceError) -> PanelResult:
    samples, fault = ((), found.fault) if isinstance(found, SourceError) else (found, None)
    return PanelResult(spec.id, Origin.LOGS, spec.raw, samples, fault)


def _aggregate(aggregation: Aggregation, series: Iterable[Series]) -> list[Point]:
    """The panel's one value of each time, oldest first."""
    found: dict[float, list[float]] = defaultdict(list)
    for item in series:
        for at, value in item.points:
            found[at].append(value)
    values = ((at, aggregate(aggregation, found[at])) for at in sorted(found))
    return [(at, value) for at, value in values if value is not None]
