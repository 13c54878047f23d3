"""An open dashboard: one joined request per refresh, and one a minute for the values of an earlier time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from queries.errors import SourceError
from queries.model.annotations import Annotations
from queries.model.dashboard import Dashboard, DashboardChoice, DashboardResult
from queries.model.fault import Fault
from queries.model.panel import Origin, PanelSpec, Unit
from queries.model.panel_result import PanelHistory, PanelResult
from queries.model.series import Sample
from queries.prometheus.client import Prometheus
from queries.prometheus.history import Window
from queries.prometheus.panel_fetcher import build_aggregate_query
from queries.prometheus.query_batch import BatchQuery, QueryBatch

if TYPE_CHECKING:
    from queries.loki.panels import LogPanels

_EARLIER_EVERY_SECONDS = 60.0
_PROVIDERS = PanelSpec(
    id="/providers",
    title="providers",
    unit=Unit.COUNT,
    raw='group by (provider) ({__name__=~"ocr_requests_total|vision_requests_total"})',  # by name, whatever their statuses mean
    raw_every_seconds=60.0,
)
"""Fetched with the panels: the providers to choose from."""


class OpenDashboard:
    """The state of one dashboard between refreshes: recorded series, trends, earlier values."""

    def __init__(
        self,
        prometheus: Prometheus,
        dashboard: Dashboard,
        choice: DashboardChoice,
        *,
        log_panels: LogPanels | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`log_panels` are needed for panels over logs."""
        self.dashboard = dashboard
        self._prometheus = prometheus
        self._choice = choice
        self._clock = clock
        self._log_panels = log_panels
        self._counted = tuple(spec for spec in dashboard.panels if spec.source == "loki")
        self._panels = prometheus.board(choice.window_seconds, seed_rare={spec.id for spec in dashboard.panels})
        self._earlier: QueryBatch[Sample] = QueryBatch(self._fetch_earlier, clock=clock)
        self._back_at = 0.0
        self._known_back: tuple[float, tuple[BatchQuery, ...], tuple[PanelResult, ...]] | None = None
        self._results: dict[str, PanelResult] = {}

    async def refresh(self) -> DashboardResult:
        """Query every panel. Raises SourceError if the server as a whole does not answer."""
        await self._prometheus.refresh_rules()
        self._panels.rules = self._prometheus.recorded_rules
        fetched, counted = await asyncio.gather(
            self._panels.refresh((*self.dashboard.panels, _PROVIDERS)), self._count_lines(0.0)
        )
        *read, providers = fetched.results
        self._results = {item.id: item for item in (*read, *counted)}
        results = [self._results[spec.id] for spec in self.dashboard.panels]
        earlier, fault = await self._compare_earlier(results)
        return DashboardResult(
            dashboard=self.dashboard,
            results=tuple(results),
            earlier=earlier,
            earlier_fault=fault,
            providers=tuple(sorted({sample.label("provider") for sample in providers.samples} - {""})),
            warnings=fetched.warnings,
        )

    async def histories(
        self, panel_id: str, window: Window, *, back_seconds: float = 0.0, heat: bool = False
    ) -> AsyncIterator[PanelHistory]:
        """The series of one panel over a window, with the panel's value of the earlier time; see `Prometheus.peak_history`.

        With `heat` its heat map.
        """
        result = self._results.get(panel_id)
        spec = next(item for item in self.dashboard.panels if item.id == panel_id)
        if spec.source == "loki" and self._log_panels is not None:
            async for history in self._log_panels.history(spec, window, back_seconds=back_seconds):
                yield history
            return
        if heat:
            yield await self._prometheus.heat_history(spec, window)
            return
        query = result.query if result else self._prometheus.expression(spec)
        raw_spec = replace(spec, recorded=None, recorded_names=(), raw=query, template="")
        async for history in self._prometheus.peak_history(raw_spec, window, back_seconds=back_seconds):
            yield history

    async def close(self) -> None:
        await self._panels.close()
        if self._log_panels is not None:
            await self._log_panels.close()

    async def _count_lines(self, back_seconds: float) -> tuple[PanelResult, ...]:
        """The panels over logs; without Loki each has its fault, and the others are shown."""
        if not self._counted or self._log_panels is None:
            return ()
        try:
            return (await self._log_panels.refresh(self._counted, back_seconds=back_seconds)).results
        except SourceError as error:
            return tuple(PanelResult(spec.id, Origin.LOGS, spec.raw, fault=error.fault) for spec in self._counted)

    async def _compare_earlier(self, results: Sequence[PanelResult]) -> tuple[tuple[PanelResult, ...], Fault | None]:
        """The aggregated values of the earlier time, cached for a minute, because they change as slowly as the current ones."""
        if not self._choice.back_seconds:
            return (), None
        now = self._clock()
        aggregations = {spec.id: spec.aggregation for spec in self.dashboard.panels}
        read = [item for item in results if item.fault is None and item.origin is not Origin.LOGS]
        parts = tuple(build_aggregate_query(aggregations[item.id], item) for item in read)
        if self._known_back is not None:
            fetched_at, fetched_parts, known = self._known_back
            if fetched_parts == parts and 0 <= now - fetched_at < _EARLIER_EVERY_SECONDS:
                return known, None
        self._back_at = now - self._choice.back_seconds
        try:
            earlier, counted = await asyncio.gather(self._earlier.fetch(parts), self._count_lines(self._choice.back_seconds))
        except SourceError as error:
            return (), error.fault
        then = {item.id: item for item in counted}
        known = tuple(
            then[item.id]
            if item.id in then
            else replace(
                item,
                samples=tuple(earlier.items.get(item.id, ())),
                fault=item.fault or earlier.faults.get(item.id),
                truncated=False,
            )
            for item in results
        )
        self._known_back = (now, parts, known)
        return known, None

    async def _fetch_earlier(self, text: str) -> tuple[Sequence[Sample], Annotations]:
        answer = await self._prometheus.query(text, at=self._back_at)
        return answer.samples, answer.annotations
