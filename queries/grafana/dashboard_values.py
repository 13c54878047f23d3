"""The variables of a dashboard for which the server has no value."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from queries.errors import RequestRejected
from queries.grafana.model import GrafanaQueries, GrafanaQuery
from queries.model.series import label
from queries.prometheus.client import Prometheus


class VariableValues:
    """Runs each variable's query once, also if many dashboards share it.

    `has_label` and `has_metrics` return whether any series has a label, or a name that matches a regular expression.
    """

    def __init__(self, prometheus: Prometheus, *, has_label: Callable[[str], bool], has_metrics: Callable[[str], bool]) -> None:
        self._prometheus = prometheus
        self._has_label = has_label
        self._has_metrics = has_metrics
        self._known: dict[str, bool | None] = {}

    async def find_empty(self, board: GrafanaQueries) -> dict[str, bool]:
        """The variables without a value, in the dashboard's order, because a query may use earlier ones.

        True if the series exist and only the label is missing, as for `cluster` with a single cluster.
        """
        empty: dict[str, bool] = {}
        for at, query in enumerate(board.queries):
            if query.fills and (label_missing := await self._check(board.refill(empty)[at], empty)) is not None:
                empty[query.fills] = label_missing
        return empty

    async def _check(self, query: GrafanaQuery, empty: Mapping[str, bool]) -> bool | None:
        if query.unknown or query.unset:
            return None
        if query.names:
            return None if self._has_metrics(query.names) else False
        if not query.expression:
            return None if not query.label or self._has_label(query.label) else True
        text = f"group by ({query.label}) ({query.expression})" if query.label else query.expression
        if text not in self._known:
            try:
                samples = (await self._prometheus.query(text)).samples
            except RequestRejected:
                return False if any(name in empty for name in query.used) else None
            present = any(not query.label or label(item.labels, query.label) for item in samples)
            self._known[text] = None if present else bool(samples)
        return self._known[text]
