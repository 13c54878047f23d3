"""Which queries a bundle stores: what the console asks of Prometheus and Loki, each evaluated over the whole window."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from console.monitor.past_session import CLUSTER_KEY
from queries.concurrency import task_group
from queries.errors import RequestRejected, SourceError, TimedOut, Unreachable
from queries.model.frozen import dataclass
from queries.model.panel import PanelSpec
from queries.model.series import Series
from queries.prometheus.query_batch import BatchQuery, QueryBatch, split_queries
from queries.stored.series import Grid, encode_query
from queries.text.durations import format_duration

if TYPE_CHECKING:
    from queries.loki import Loki
    from queries.prometheus.client import Prometheus

RARE_STEP_SECONDS = 60.0
"""Of what the console itself asks no more often than once a minute: trends, heat maps, second counts."""
_TREND_SECONDS = 3600.0
"""Stored before the window as well, of what is asked as a range."""
_TOGETHER = 12
"""Queries of one request."""
_CONCURRENT = 2


@dataclass(frozen=True, slots=True)
class BundleWindow:
    """Unix seconds; the stored times are multiples of `step`."""

    start: float
    end: float
    step: float


class NotedQueries:
    """The queries that the console sent, each once, with the least distance of samples that it needs."""

    def __init__(self, *, specs: Iterable[PanelSpec]) -> None:
        self._rare = {f"{spec.id}/raw": spec.raw_every_seconds for spec in specs if spec.raw_every_seconds}
        self.instants: dict[str, float] = {}
        """By query: the step in seconds, 0 for that of the window."""
        self.ranges: dict[str, None] = {}
        self.cluster = ""
        """The query of the cluster's objects; empty if there was none."""

    def add(self, text: str, step_seconds: float) -> None:
        """A query as it was sent, alone or joined with others; `step_seconds` is 0 for an instant one."""
        for part in split_queries(text):
            if part.key == CLUSTER_KEY:
                self.cluster = part.query
            if step_seconds:
                self.ranges[part.query] = None
            else:
                step = self._step_of(part.key)
                self.instants[part.query] = min(step, self.instants.get(part.query, step))

    def _step_of(self, key: str) -> float:
        return RARE_STEP_SECONDS if key.startswith("witness/") else self._rare.get(key, 0.0)


@dataclass(frozen=True, slots=True)
class StoredResult:
    """The lines of the file; how many queries there are, and how many of them Prometheus refused, with the first reason."""

    content: bytes
    count: int
    failed: int
    reason: str
    cluster: bool

    def describe(self, window: BundleWindow) -> str:
        """`98 queries, a sample every 15 s; 2 could not be read: …`."""
        queries = "1 query" if self.count == 1 else f"{self.count} queries"
        missing = f"; {self.failed} could not be read: {self.reason}" if self.failed else ""
        return f"{queries}, a sample every {format_duration(window.step)}{missing}"

    def cluster_note(self, configured: bool) -> tuple[str, str]:
        """State and detail of the cluster as a source of the bundle."""
        if not configured:
            return "not configured", ""
        if self.cluster:
            return "partial", "workloads and pods of kube-state-metrics"
        return "not read", "Prometheus has no series of kube-state-metrics of that time, and no recorder ran"


def explain_failure(error: SourceError) -> str:
    """Why a server did not answer, without its address: no bundle has one."""
    return replace(error.fault, where="").sentence()


async def collect_queries(
    prometheus: Prometheus, noted: NotedQueries, window: BundleWindow, *, report: Callable[[str], None]
) -> StoredResult:
    """Ask each query over the window. Raises SourceError if Prometheus as a whole does not answer."""
    jobs: dict[Grid, list[str]] = {}
    for query, step in noted.instants.items():
        jobs.setdefault(Grid.between(window.start, window.end, max(step, window.step)), []).append(query)
    rare = Grid.between(window.start - _TREND_SECONDS, window.end, max(RARE_STEP_SECONDS, window.step))
    jobs.setdefault(rare, []).extend(query for query in noted.ranges if query not in noted.instants)
    total = sum(map(len, jobs.values()))
    collected = _Collected(prometheus, report, total)
    gate = asyncio.Semaphore(_CONCURRENT)

    async def run(grid: Grid, queries: Sequence[str]) -> list[bytes]:
        async with gate:
            return await collected.fetch(grid, queries)

    parts = [(grid, queries[at : at + _TOGETHER]) for grid, queries in jobs.items() for at in range(0, len(queries), _TOGETHER)]
    async with task_group() as group:
        tasks = [group.create_task(run(grid, queries)) for grid, queries in parts]
    lines = [line for task in tasks for line in task.result()]
    content = b"".join(line + b"\n" for line in lines)
    return StoredResult(content, total, collected.failed, collected.reason, noted.cluster in collected.found)


async def collect_log_queries(
    loki: Loki, queries: Mapping[str, float], window: BundleWindow, *, report: Callable[[str], None]
) -> StoredResult:
    """Ask each metric query over logs over the window and the hour before it, for the trends. `queries` has the least distance
    of values that each needs, in seconds. Raises Unreachable, and what the server answers if it answers none of them.
    """
    gate = asyncio.Semaphore(_CONCURRENT)
    errors: list[SourceError] = []
    done = 0

    async def run(query: str, step: float) -> bytes:
        nonlocal done
        grid = Grid.between(window.start - _TREND_SECONDS, window.end, max(step, window.step))
        start, end = int(grid.start * 1e9), int(grid.end * 1e9)
        series: Sequence[Series] = ()
        reason = ""
        async with gate:
            try:
                series = await loki.series(query, start_ns=start, end_ns=max(end, start + 1), step_seconds=grid.step)
            except Unreachable:
                raise
            except SourceError as error:
                errors.append(error)
                reason = explain_failure(error)
        done += 1
        report(f"counting log lines: {done} of {len(queries)} queries")
        return await asyncio.to_thread(encode_query, query, grid, series, error=reason)

    async with task_group() as group:
        tasks = [group.create_task(run(query, step)) for query, step in queries.items()]
    if errors and len(errors) == len(tasks) and all(not isinstance(error, RequestRejected) for error in errors):
        raise errors[0]
    content = b"".join(task.result() + b"\n" for task in tasks)
    return StoredResult(content, len(tasks), len(errors), explain_failure(errors[0]) if errors else "", cluster=False)


class _Collected:
    def __init__(self, prometheus: Prometheus, report: Callable[[str], None], total: int) -> None:
        self.failed = 0
        self.reason = ""
        self.found: set[str] = set()
        """The queries with series."""
        self._prometheus = prometheus
        self._report = report
        self._total = total
        self._done = 0

    async def fetch(self, grid: Grid, queries: Sequence[str]) -> list[bytes]:
        async def ranges(text: str) -> tuple[Sequence[Series], object]:
            found = await self._prometheus.query_range(text, start=grid.start, end=grid.end, step_seconds=grid.step)
            return found.series, found.annotations

        batch: QueryBatch[Series] = QueryBatch(ranges, clock=lambda: grid.start)  # type: ignore[arg-type]
        parts = [BatchQuery(str(at), query) for at, query in enumerate(queries)]
        try:
            answer = await batch.fetch(parts)
            items, faults = answer.items, {key: replace(fault, where="").sentence() for key, fault in answer.faults.items()}
        except (RequestRejected, TimedOut) as error:
            items, faults = {}, {part.key: explain_failure(error) for part in parts}
        lines = []
        for part in parts:
            series, reason = items.get(part.key, []), faults.get(part.key, "")
            if reason:
                self.failed, self.reason = self.failed + 1, self.reason or reason
            elif series:
                self.found.add(part.query)
            lines.append(await asyncio.to_thread(encode_query, part.query, grid, series, error=reason))
        self._done += len(parts)
        self._report(f"reading series: {self._done} of {self._total} queries")
        return lines
