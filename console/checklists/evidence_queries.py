"""What a checklist fetches beyond the panels' polls: one request for each item with its own evidence, one for yesterday."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import field
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Protocol, TypeVar

from console.checklists import alert_history as windows
from console.checklists.alert_history import AlertWindow
from console.checklists.definition import (
    AlertsEvidence,
    BatchEvidence,
    Checklist,
    KpisEvidence,
    PanelEvidence,
    QueryEvidence,
)
from console.config.missing import missing_server
from console.state.checklist_runs import ChecklistRuns
from console.state.snapshot import Snapshot
from queries.concurrency import run_cpu_bound
from queries.errors import RequestRejected, SourceError, partial_answer
from queries.model.annotations import Annotations
from queries.model.frozen import dataclass
from queries.model.panel import PanelSpec
from queries.model.panel_result import Contradiction
from queries.model.series import Sample, Series
from queries.model.source import PollResult
from queries.model.workload import BatchJob
from queries.prometheus.query_batch import BatchQuery, BatchResult, QueryBatch
from queries.prometheus.responses import InstantResult, RangeResult
from queries.prometheus.witnesses import Pair
from queries.text.times import local_midnight, local_yesterday

if TYPE_CHECKING:
    from queries.prometheus.relabel import AlertRelabeling

T = TypeVar("T")

_HOURS = 24
"""Intervals of a query's trend: hourly points since the same time yesterday, and now."""
_LEAST_SECONDS = 60.0
_AT_NOW = 90.0
"""How old the last point of a range may be, in seconds, to count as the present value."""


class MetricsSource(Protocol):
    def expand(self, text: str) -> str: ...

    def expression(self, spec: PanelSpec) -> str: ...

    async def query(self, text: str, *, at: float | None = None) -> InstantResult: ...

    def pairs(self, spec: PanelSpec) -> tuple[Pair, ...]: ...

    async def query_range(self, text: str, *, start: float, end: float, step_seconds: float) -> RangeResult: ...

    async def current_relabeling(self) -> AlertRelabeling: ...


class ClusterSource(Protocol):
    async def cron_jobs(self) -> tuple[BatchJob, ...]: ...

    async def jobs(self) -> tuple[BatchJob, ...]: ...


@dataclass(frozen=True, slots=True)
class CollectedEvidence:
    """The evidence of one checklist at `fetched_at`, Unix seconds, by item id; a failure is the poll result's fault.

    `before` are the panels at the same local time yesterday, `figures` the KPIs at midnight and now, both by panel id; `series`
    are the items' own queries, each by the id of its panel.
    """

    fetched_at: float
    before: PollResult[BatchResult[Sample]] | None = None
    alerts: Mapping[str, PollResult[AlertWindow]] = field(default_factory=dict)
    series: Mapping[str, PollResult[BatchResult[Series]]] = field(default_factory=dict)
    contradictions: Mapping[str, tuple[Contradiction, ...]] = field(default_factory=dict)
    """Of an item's own query by item id, of a KPI by panel id."""
    figures: Mapping[str, PollResult[BatchResult[Series]]] = field(default_factory=dict)
    batch: Mapping[str, PollResult[tuple[BatchJob, ...]]] = field(default_factory=dict)


async def fetch_evidence(
    checklist: Checklist,
    snapshot: Snapshot,
    runs: ChecklistRuns,
    *,
    prometheus: MetricsSource | None,
    kubernetes: ClusterSource | None,
    clock: Callable[[], float],
) -> CollectedEvidence:
    """All requests concurrently. `snapshot` has the expression of each panel; `runs` decide since when alerts count."""
    now = clock()
    fetcher = _EvidenceFetcher(snapshot, runs, prometheus, kubernetes, clock, now)
    alerts: dict[str, PollResult[AlertWindow]] = {}
    series: dict[str, PollResult[BatchResult[Series]]] = {}
    figures: dict[str, PollResult[BatchResult[Series]]] = {}
    batch: dict[str, PollResult[tuple[BatchJob, ...]]] = {}
    jobs: list[Awaitable[None]] = []
    for item in checklist.items:
        match item.evidence:
            case AlertsEvidence() as evidence:
                begins = window_start(evidence, runs, now)
                jobs.append(_store(alerts, item.id, fetcher.read("prometheus", fetcher.window(begins))))
            case QueryEvidence() as evidence:
                jobs.append(_store(series, item.id, fetcher.read("prometheus", fetcher.series(item.id, evidence.spec))))
            case KpisEvidence() as evidence:
                jobs.append(_store(figures, item.id, fetcher.read("prometheus", fetcher.figures(evidence.specs))))
            case BatchEvidence() as evidence:
                jobs.append(_store(batch, item.id, fetcher.read("kubernetes", fetcher.batch(evidence))))
            case _:
                pass
    before, _ = await asyncio.gather(fetcher.before(checklist), asyncio.gather(*jobs))
    return CollectedEvidence(now, before, alerts, series, fetcher.contradictions, figures, batch)


async def fetch_alert_window(
    snapshot: Snapshot, *, since: float, prometheus: MetricsSource | None, now: float
) -> PollResult[AlertWindow]:
    """What fired from `since` to `now` (Unix seconds) according to Prometheus; a failure is the poll result's fault."""
    fetcher = _EvidenceFetcher(snapshot, ChecklistRuns(), prometheus, None, lambda: now, now)
    return await fetcher.read("prometheus", fetcher.window(min(since, now - _LEAST_SECONDS)))


def samples_at(series: Sequence[Series], at: float) -> tuple[Sample, ...]:
    """The last point of each series that reaches up to `at`, Unix seconds; a series that ended earlier has no value."""
    return tuple(
        Sample(each.labels, each.points[-1][1]) for each in series if each.points and at - each.points[-1][0] < _AT_NOW
    )


async def _store(results: dict[str, PollResult[T]], key: str, result: Awaitable[PollResult[T]]) -> None:
    results[key] = await result


@dataclass(frozen=True, slots=True)
class _EvidenceFetcher:
    snapshot: Snapshot
    runs: ChecklistRuns
    prometheus: MetricsSource | None
    kubernetes: ClusterSource | None
    clock: Callable[[], float]
    now: float
    contradictions: dict[str, tuple[Contradiction, ...]] = field(default_factory=dict)

    async def read(self, source: str, request: Awaitable[T]) -> PollResult[T]:
        began = time.monotonic()
        try:
            value = await request
        except SourceError as error:
            return PollResult(source, self.clock(), time.monotonic() - began, fault=error.fault)
        return PollResult(source, self.clock(), time.monotonic() - began, value=value)

    @property
    def metrics(self) -> MetricsSource:
        if self.prometheus is None:
            raise missing_server("Prometheus")
        return self.prometheus

    def expression(self, spec: PanelSpec) -> str:
        """The panel's present expression: its recorded series where that is equivalent, or the raw expression."""
        state = self.snapshot.panel(spec.id)
        shown = state.query if state else ""
        return shown or self.metrics.expression(spec) or self.metrics.expand(spec.template or spec.raw)

    async def before(self, checklist: Checklist) -> PollResult[BatchResult[Sample]] | None:
        named = dict.fromkeys(item.evidence.panel for item in checklist.items if isinstance(item.evidence, PanelEvidence))
        states = [state for name in named if (state := self.snapshot.panel(name)) is not None]
        parts = [BatchQuery(item.spec.id, self.expression(item.spec)) for item in states if item.spec.source == "prometheus"]
        return await self.read("prometheus", self._before(parts)) if parts else None

    async def _before(self, parts: Sequence[BatchQuery]) -> BatchResult[Sample]:
        metrics, at = self.metrics, local_yesterday(self.now)

        async def instant(text: str) -> tuple[Sequence[Sample], Annotations]:
            result = await metrics.query(text, at=at)
            return result.samples, result.annotations

        batch: QueryBatch[Sample] = QueryBatch(instant, clock=self.clock)
        return await batch.fetch(parts)

    async def window(self, begins: float) -> AlertWindow:
        """What fired since then, Unix seconds."""
        # Long enough that the same answer has the number of alerts that fired at this time yesterday.
        queried_from = min(begins, local_yesterday(self.now))
        step = windows.step_for(self.now - queried_from)
        parts = [
            BatchQuery(windows.FIRED, windows.fired_query(step, self.snapshot.heartbeat_alert)),
            BatchQuery(windows.SEEN, windows.scraped_query(step)),
        ]
        found = await self._ranges(parts, start=queried_from, step=step)
        fault = found.faults.get(windows.FIRED)
        if fault is not None:
            raise RequestRejected(fault.what, where=fault.where, hint=fault.hint, status=fault.status)
        if found.partial:
            raise partial_answer(found.partial)
        intervals: dict[str, float] = {}
        for rule in self.snapshot.rules:
            # Of rules with one name, the longest interval: with a shorter one a lasting alert would flap.
            intervals[rule.name] = max(rule.interval_seconds, intervals.get(rule.name, 0.0))
        fired = found.items[windows.FIRED]
        send = (await self.metrics.current_relabeling()).sent if fired else lambda labels: labels
        fold = partial(
            windows.build_window,
            fired,
            found.items.get(windows.SEEN, ()),
            starts_at=begins,
            queried_from=queried_from,
            ends_at=self.now,
            step_seconds=step,
            intervals=intervals,
            sent=send,
        )
        return await run_cpu_bound(fold)

    async def series(self, item: str, spec: PanelSpec) -> BatchResult[Series]:
        start = local_yesterday(self.now)
        query, pairs = self.metrics.expand(spec.template or spec.raw), self.metrics.pairs(spec)
        parts = [BatchQuery(spec.id, query), *(pair.figures for pair in pairs)]
        found = await self._ranges(parts, start=start, step=(self.now - start) / _HOURS)
        fault = found.faults.get(spec.id)
        if fault is not None:
            raise RequestRejected(fault.what, where=fault.where, hint=fault.hint, status=fault.status)
        self._compare(item, pairs, found)
        return found

    async def figures(self, specs: Sequence[PanelSpec]) -> BatchResult[Series]:
        """Two points of each: at midnight and now. Some read a month of data, which a trend would read over and over."""
        start = min(local_midnight(self.now), self.now - _LEAST_SECONDS)
        pairs = {spec.id: self.metrics.pairs(spec) for spec in specs}
        parts = [BatchQuery(spec.id, self.expression(spec)) for spec in specs]
        parts += [pair.figures for pair in dict.fromkeys(chain(*pairs.values()))]
        found = await self._ranges(parts, start=start, step=self.now - start)
        for name, each in pairs.items():
            self._compare(name, each, found)
        return found

    def _compare(self, name: str, pairs: Iterable[Pair], found: BatchResult[Series]) -> None:
        """Keeps the contradictions between independent counts; series missing from a partial response contradict nothing."""
        if found.partial:
            return
        self.contradictions[name] = tuple(
            one for pair in pairs for one in pair.contradictions(samples_at(found.items.get(pair.key, ()), self.now))
        )

    async def _ranges(self, parts: Sequence[BatchQuery], *, start: float, step: float) -> BatchResult[Series]:
        metrics = self.metrics
        # Counted back from now, so that the last point is of now.
        first = self.now - step * int((self.now - start) / step + 1e-6)

        async def ranges(text: str) -> tuple[Sequence[Series], Annotations]:
            result = await metrics.query_range(text, start=first, end=self.now, step_seconds=step)
            return result.series, result.annotations

        batch: QueryBatch[Series] = QueryBatch(ranges, clock=self.clock)
        return await batch.fetch(parts)

    async def batch(self, evidence: BatchEvidence) -> tuple[BatchJob, ...]:
        if self.kubernetes is None:
            raise missing_server("Kubernetes")
        return await (self.kubernetes.cron_jobs() if evidence.kind == "CronJob" else self.kubernetes.jobs())


def window_start(evidence: AlertsEvidence, runs: ChecklistRuns, now: float) -> float:
    """Since when alerts count, Unix seconds; one in the future (somebody set a clock) neither counts nor hides another."""
    if not evidence.since:
        return min(local_midnight(now), now - _LEAST_SECONDS)
    reviewed = runs.last_reviewed_at(evidence.since, until=now)
    if reviewed is None:
        reviewed = now - evidence.otherwise_seconds
    return max(min(reviewed, now - _LEAST_SECONDS), now - evidence.at_most_seconds)
