"""The history of a panel, and of the expression behind an alert, from Prometheus."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from queries.concurrency import maybe_offload
from queries.model.alert import Alert, AlertRule
from queries.model.fault import Fault, FaultKind
from queries.model.panel import PanelSpec, Unit
from queries.model.panel_result import HistoryRange, PanelHistory
from queries.model.series import Series, drop_labels

if TYPE_CHECKING:
    from queries.loki.panels import LogPanels
    from queries.prometheus.client import Prometheus
    from queries.prometheus.history import Window

POINTS = 240
"""Steps of a chart: two for each column of a terminal with 120 columns."""
_MAX_GRAIN_SECONDS = 15.0
"""A history up to now ends at the last multiple of this, or of its step if that is shorter."""
_NO_LOKI = Fault(FaultKind.NOT_CONFIGURED, "Loki is not configured")


def chart_window(requested: HistoryRange, now: float) -> Window:
    """The window of a chart; `now` in Unix seconds."""
    from queries.prometheus.history import Window  # noqa: PLC0415  # not before a chart is opened

    step = max(1.0, float(round(requested.seconds / POINTS)))
    # Not the last whole step: with a long window that may be 40 minutes ago.
    grain = min(step, _MAX_GRAIN_SECONDS)
    end = (now if requested.until is None else min(now, requested.until)) // grain * grain
    return Window(end - requested.seconds, end, step)


class RuleHistory(NamedTuple):
    """The history of an alert's rule, with its threshold and the side on which it fires; None unless it is one comparison."""

    history: PanelHistory
    threshold: float | None = None
    fires_below: bool = False


class MetricHistory:
    """Fetches windows and refines each history; a failure is stored as the history's fault."""

    def __init__(
        self, prometheus: Prometheus | None, *, log_panels: LogPanels | None = None, clock: Callable[[], float]
    ) -> None:
        self._prometheus = prometheus
        self._log_panels = log_panels
        self._clock = clock

    async def fetch(self, spec: PanelSpec, requested: HistoryRange) -> AsyncIterator[PanelHistory]:
        if self._prometheus is None:
            fault = Fault(FaultKind.NOT_CONFIGURED, "Prometheus is not configured")
            yield self.unavailable(spec.id, requested, fault)
            return
        window = chart_window(requested, self._clock())
        if requested.heat:
            yield await self._prometheus.heat_history(spec, window)
            return
        async for history in self._prometheus.peak_history(spec, window, back_seconds=requested.back_seconds):
            yield history

    async def fetch_panel(self, spec: PanelSpec | None, panel_id: str, requested: HistoryRange) -> AsyncIterator[PanelHistory]:
        """Like `fetch`; a panel that is missing, broken or from Kubernetes has no history, and the fault says why."""
        error = "no such panel" if spec is None else spec.broken
        if spec is not None and not error and spec.source == "kubernetes":
            error = f"{spec.title.lower()} has no history: Kubernetes only reports the current state"
        if spec is None or error:
            yield self.unavailable(panel_id, requested, Fault(FaultKind.REJECTED, error))
            return
        if spec.source == "loki":
            async for history in self._fetch_logs(spec, requested):
                yield history
            return
        async for history in self.fetch(spec, requested):
            yield history

    async def fetch_log_panel(self, spec: PanelSpec, window: Window) -> PanelHistory:
        """Of a panel over logs, within a window."""
        history = PanelHistory(spec.id, window.start, window.end, window.step)
        if self._log_panels is None:
            return replace(history, fault=_NO_LOKI)
        async for found in self._log_panels.history(spec, window):
            history = found
        return history

    async def _fetch_logs(self, spec: PanelSpec, requested: HistoryRange) -> AsyncIterator[PanelHistory]:
        if self._log_panels is None:
            yield self.unavailable(spec.id, requested, _NO_LOKI)
            return
        window = chart_window(requested, self._clock())
        async for history in self._log_panels.history(spec, window, back_seconds=requested.back_seconds):
            yield history

    async def fetch_alert(
        self, alert: Alert | None, rule: AlertRule | None, identity: str, requested: HistoryRange
    ) -> AsyncIterator[RuleHistory]:
        """The left side of the rule's comparison; without one, the whole expression."""
        if alert is None or rule is None:
            error = "the rule behind this alert is unknown" if alert else "the alert is no longer listed"
            yield RuleHistory(self.unavailable(identity, requested, Fault(FaultKind.REJECTED, error)))
            return
        from queries.promql.threshold import split_threshold  # noqa: PLC0415  # the PromQL parser

        parts = split_threshold(rule.expression)
        query = parts.left if parts else rule.expression
        lowest = parts is not None and parts.operator in ("<", "<=")
        spec = PanelSpec(id=identity, title="", unit=Unit.COUNT, raw=query, lower_is_worse=lowest)
        async for history in self.fetch(spec, requested):
            own = await maybe_offload(partial(_find_own, history.series, alert, rule), len(history.series))
            fault = history.fault
            if history.series and not own:
                what = f"none of the rule's {len(history.series)} series in this time range has the alert's labels"
                fault = Fault(FaultKind.REJECTED, f"NO DATA: {what}", hint=history.note)
            threshold = parts.threshold if parts else None
            yield RuleHistory(replace(history, series=own, fault=fault), threshold, lowest)

    def unavailable(self, identity: str, requested: HistoryRange, fault: Fault) -> PanelHistory:
        now = self._clock()
        return PanelHistory(identity, now - requested.seconds, now, 0.0, fault=fault)


def _find_own(found: Iterable[Series], alert: Alert, rule: AlertRule) -> tuple[Series, ...]:
    """The series of which no label contradicts the alert's; those that the rule sets overwrite a series' own."""
    known = dict(drop_labels(alert.labels, *(name for name, _ in rule.labels)))
    return tuple(
        series
        for series in found
        if all(known.get(name, value) == value for name, value in series.labels if name != "__name__")
    )
