"""The history of a panel, and of the expression behind an alert, from Prometheus."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from queries.errors import SourceError
from queries.model.alert import Alert, AlertRule
from queries.model.fault import Fault, FaultKind
from queries.model.panel import PanelHistory, PanelSpec, Unit
from queries.model.series import Labels, Series

if TYPE_CHECKING:
    from queries.prometheus.client import Prometheus

_MAX_GRAIN_SECONDS = 15.0
"""The history ends at the last multiple of this, or of its step if that is shorter."""


class MetricHistory:
    """Fetches windows that end now; a failure is the history's fault."""

    def __init__(self, prometheus: Prometheus | None, *, clock: Callable[[], float]) -> None:
        self._prometheus = prometheus
        self._clock = clock

    async def fetch(self, spec: PanelSpec, *, window_seconds: float, points: int) -> PanelHistory:
        if self._prometheus is None:
            fault = Fault(FaultKind.NOT_CONFIGURED, "Prometheus is not configured")
            return self.unavailable(spec.id, window_seconds, fault)
        step = max(1.0, float(round(window_seconds / points)))
        # Not the last whole step: with a long window that may be 40 minutes ago.
        grain = min(step, _MAX_GRAIN_SECONDS)
        end = self._clock() // grain * grain
        try:
            return await self._prometheus.history(spec, start=end - window_seconds, end=end, step_seconds=step)
        except SourceError as error:
            return self.unavailable(spec.id, window_seconds, error.fault)

    async def fetch_panel(self, spec: PanelSpec | None, panel_id: str, *, window_seconds: float, points: int) -> PanelHistory:
        """Like `fetch`; a panel that is missing, broken or from Kubernetes has no history, and the fault says why."""
        error = "no such panel"
        if spec is not None:
            error = spec.broken
            if not error and spec.source == "kubernetes":
                error = f"{spec.title.lower()} has no history: Kubernetes only reports the current state"
            if not error:
                return await self.fetch(spec, window_seconds=window_seconds, points=points)
        return self.unavailable(panel_id, window_seconds, Fault(FaultKind.REJECTED, error))

    async def fetch_alert(
        self, alert: Alert | None, rule: AlertRule | None, identity: str, *, window_seconds: float, points: int
    ) -> tuple[PanelHistory, float | None]:
        """The left side of the rule's comparison, and its right side; without a comparison, the whole expression and None."""
        if alert is None or rule is None:
            error = "the rule behind this alert is unknown" if alert else "the alert is no longer listed"
            return self.unavailable(identity, window_seconds, Fault(FaultKind.REJECTED, error)), None
        from queries.promql.threshold import split_threshold  # noqa: PLC0415  # the PromQL parser

        parts = split_threshold(rule.expression)
        query = parts.left if parts else rule.expression
        spec = PanelSpec(id=identity, title="", unit=Unit.COUNT, raw=query)
        history = await self.fetch(spec, window_seconds=window_seconds, points=points)
        own = tuple(series for series in history.series if _may_belong(series, alert.labels))
        return replace(history, series=own or history.series), parts.threshold if parts else None

    def unavailable(self, identity: str, window_seconds: float, fault: Fault) -> PanelHistory:
        now = self._clock()
        return PanelHistory(identity, now - window_seconds, now, 0.0, fault=fault)


def _may_belong(series: Series, labels: Labels) -> bool:
    """Whether no label of the series contradicts the alert's."""
    known = dict(labels)
    return all(known.get(name, value) == value for name, value in series.labels if name != "__name__")
