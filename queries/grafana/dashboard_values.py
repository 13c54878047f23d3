"""For which variables of a dashboard the server has no value."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from queries.errors import RequestRejected
from queries.grafana.model import GrafanaQueries, GrafanaQuery
from queries.model.series import label
from queries.prometheus.client import Prometheus


class VariableValues:
    """Asks each variable's query once, also where many dashboards have it.

    `has_label` and `has_metrics` say whether any series has a label, or a name that matches a regular expression.
    """

    def __init__(self, prometheus: Prometheus, *, has_label: Callable[[str], bool], has_metrics: Callable[[str], bool]) -> None:
        self._prometheus = prometheus
        self._has_label = has_label
        self._has_metrics = has_metrics
        self._known: dict[str, bool | None] = {}

    async def lacking(self, board: GrafanaQueries) -> dict[str, bool]:
        """The variables without a value, in the order of the dashboard: one's query may use those before it.

        True where the series are there and only its label is not, as for the cluster where there is but one.
        """
        found: dict[str, bool] = {}
        for at, asked in enumerate(board.queries):
            if asked.fills and (lack := await self._lack(board.refill(found)[at], found)) is not None:
                found[asked.fills] = lack
        return found

    async def _lack(self, query: GrafanaQuery, found: Mapping[str, bool]) -> bool | None:
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
                return False if any(name in found for name in query.used) else None
            there = any(not query.label or label(item.labels, query.label) for item in samples)
            self._known[text] = None if there else bool(samples)
        return self._known[text]
