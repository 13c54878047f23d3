"""A dashboard that is looked at: one joined request a refresh, another one a minute for the values of an earlier time."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from queries.errors import SourceError
from queries.model.dashboard import Dashboard, DashboardChoice, DashboardResult
from queries.model.fault import Fault
from queries.model.panel import PanelHistory, PanelResult, PanelSpec, Unit
from queries.model.series import Point, Sample
from queries.prometheus.client import Prometheus
from queries.prometheus.panel_fetcher import aggregate_query, build_aggregate_query
from queries.prometheus.query_batch import BatchQuery, QueryBatch

_EARLIER_EVERY_SECONDS = 60.0
_PROVIDERS = PanelSpec(
    id="/providers",
    title="providers",
    unit=Unit.COUNT,
    raw='group by (provider) ({__name__=~"ocr_requests_total|vision_requests_total"})',  # a name, whatever its statuses mean
    raw_every_seconds=60.0,
)
"""Asked along with the panels: which providers there are to choose from."""


class OpenDashboard:
    """Keeps what one dashboard needs from refresh to refresh: who has recorded series, the trends, the earlier values."""

    def __init__(
        self,
        prometheus: Prometheus,
        dashboard: Dashboard,
        choice: DashboardChoice,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.dashboard = dashboard
        self._prometheus = prometheus
        self._choice = choice
        self._clock = clock
        self._panels = prometheus.board(choice.window_seconds)
        self._earlier: QueryBatch[Sample] = QueryBatch(self._ask_back, clock=clock)
        self._back_at = 0.0
        self._known_back: tuple[float, tuple[BatchQuery, ...], tuple[PanelResult, ...]] | None = None
        self._now_asked: dict[str, PanelResult] = {}

    async def refresh(self) -> DashboardResult:
        """Ask every panel. Raises SourceError where the server as a whole does not answer now."""
        await self._prometheus.refresh_rules()
        self._panels.rules = self._prometheus.recorded_rules
        told = await self._panels.refresh((*self.dashboard.panels, _PROVIDERS))
        *answers, providers = told.results
        self._now_asked = {answer.id: answer for answer in answers}
        earlier, fault = await self._look_back(answers)
        return DashboardResult(
            dashboard=self.dashboard,
            results=tuple(answers),
            earlier=earlier,
            earlier_fault=fault,
            providers=tuple(sorted({sample.label("provider") for sample in providers.samples} - {""})),
            warnings=told.warnings,
        )

    async def history(self, panel_id: str, *, start: float, end: float, step_seconds: float) -> PanelHistory:
        """The series of one panel over a window, with the folded value of the earlier time; a failure is data."""
        answer = self._now_asked.get(panel_id)
        spec = next(item for item in self.dashboard.panels if item.id == panel_id)
        query = answer.query if answer else self._prometheus.expression(spec)
        asked = replace(spec, recorded=None, recorded_names=(), raw=query, written="")
        history = await self._prometheus.history(asked, start=start, end=end, step_seconds=step_seconds)
        back = self._choice.back_seconds
        if not back or history.fault is not None:
            return history
        folded = replace(asked, raw=aggregate_query(spec.aggregation, query))
        before = await self._prometheus.history(folded, start=start - back, end=end - back, step_seconds=step_seconds)
        points: tuple[Point, ...] = before.series[0].points if before.series else ()
        return replace(history, earlier=tuple((at + back, value) for at, value in points), earlier_fault=before.fault)

    async def close(self) -> None:
        await self._panels.close()

    async def _look_back(self, answers: Sequence[PanelResult]) -> tuple[tuple[PanelResult, ...], Fault | None]:
        """The folded values of the earlier time, kept for a minute: yesterday moves as slowly as today."""
        if not self._choice.back_seconds:
            return (), None
        now = self._clock()
        folds = {spec.id: spec.aggregation for spec in self.dashboard.panels}
        parts = tuple(build_aggregate_query(folds[answer.id], answer) for answer in answers if answer.fault is None)
        if self._known_back is not None:
            asked_at, asked, known = self._known_back
            if asked == parts and 0 <= now - asked_at < _EARLIER_EVERY_SECONDS:
                return known, None
        self._back_at = now - self._choice.back_seconds
        try:
            told = await self._earlier.fetch(parts)
        except SourceError as error:
            return (), error.fault
        known = tuple(
            replace(
                answer,
                samples=tuple(told.items.get(answer.id, ())),
                fault=answer.fault or told.faults.get(answer.id),
                truncated=False,
            )
            for answer in answers
        )
        self._known_back = (now, parts, known)
        return known, None

    async def _ask_back(self, text: str) -> tuple[Sequence[Sample], Sequence[str]]:
        answer = await self._prometheus.query(text, at=self._back_at)
        return answer.samples, answer.warnings
