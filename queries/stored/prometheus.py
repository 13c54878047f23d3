"""A Prometheus that answers from what was stored of it: panels as everywhere, charts from the stored values."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from queries.http.endpoint import Endpoint
from queries.model.fault import Fault, FaultKind
from queries.model.panel import PanelSpec
from queries.model.panel_result import PanelHistory
from queries.model.series import Series, drop_labels
from queries.prometheus.client import Prometheus
from queries.prometheus.panel_fetcher import build_queries
from queries.stored.address import URL
from queries.stored.transport import NOT_STORED, StoredServers, StoredTransport
from queries.text.durations import format_duration

if TYPE_CHECKING:
    from queries.catalogue.signals import Signal
    from queries.prometheus.history import Window


class StoredPrometheus(Prometheus):
    """It sends nothing. What was not stored is refused, query by query."""

    def __init__(
        self, stored: StoredServers, *, clock: Callable[[], float], signals: Mapping[str, Signal] | None = None
    ) -> None:
        super().__init__(Endpoint(URL), transport=StoredTransport(stored), clock=clock, signals=signals)
        self._stored = stored
        self._client.where = ""  # an error of a bundle names no address

    async def peak_history(self, spec: PanelSpec, window: Window, *, back_seconds: float = 0.0) -> AsyncIterator[PanelHistory]:
        """The worst stored value of each step, from the first expression of the panel that was stored with series."""
        spec = self.recorded.plan(self._panels.expand(spec)).spec
        history = PanelHistory(spec.id, window.start, window.end, window.step)
        known = False
        for query in build_queries(spec):
            for found in self._stored.queries.get(query, ())[:1]:
                known = True
                worst = found.worst(window.first, window.end, window.step, lowest=spec.lower_is_worse)
                if worst and not history.series:
                    note = f"stored every {format_duration(found.grid.step)}"
                    history = replace(history, series=_sort(worst, lowest=spec.lower_is_worse), note=note)
        if not known:
            history = replace(history, fault=Fault(FaultKind.NOT_KNOWN_THEN, NOT_STORED))
        if back_seconds:
            fault = Fault(FaultKind.NOT_KNOWN_THEN, "the bundle has no earlier time to compare with")
            history = replace(history, earlier_fault=fault)
        yield history


def _sort(series: list[Series], *, lowest: bool) -> tuple[Series, ...]:
    """Without metric names, the series with the worst value first: a chart draws only a few."""
    sign = 1.0 if lowest else -1.0

    def worst(item: Series) -> float:
        return min((sign * value for _, value in item.points if math.isfinite(value)), default=math.inf)

    return tuple(sorted((replace(item, labels=drop_labels(item.labels, "__name__")) for item in series), key=worst))
