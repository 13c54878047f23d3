"""The chart of an alert: the series of its rule that are its own, and no other's."""

from __future__ import annotations

from typing import Any

import pytest
from told_platform import told_platform

from console.monitor.metric_history import MetricHistory
from queries.http.endpoint import Endpoint
from queries.model.alert import Alert, AlertRule, AlertState
from queries.model.panel_result import HistoryRange, PanelHistory
from queries.prometheus.client import Prometheus

NOW = 1_800_000_000.0
RULE = AlertRule("Slow", "latency_seconds > 5", 60.0, (("component", "api"), ("severity", "critical")), (), "firing", "ok")


async def chart(pods: dict[str, dict[str, str]], *labels: tuple[str, str]) -> PanelHistory:
    """The history for an alert with the labels, of a rule whose expression has a series for each pod, with the labels given."""
    alert = Alert("f", AlertState.ACTIVE, (("alertname", "Slow"), ("component", "api"), ("severity", "critical"), *labels))
    found: list[dict[str, Any]] = [
        {"metric": {"__name__": "latency_seconds", "pod": pod, **more}, "values": [[NOW - 60.0, "7"]]}
        for pod, more in pods.items()
    ]
    with told_platform(ranges=lambda _query: found) as told:
        prometheus = Prometheus(Endpoint(told.url), clock=lambda: NOW)
        try:
            history = MetricHistory(prometheus, clock=lambda: NOW).fetch_alert(alert, RULE, "f", HistoryRange())
            *_, last = [item async for item in history]
        finally:
            await prometheus.close()
    return last.history


@pytest.mark.parametrize("component", ["api", "proxy"])
async def test_an_alert_has_its_own_series(component: str) -> None:
    """Also where the rule itself overwrites a label of the series."""
    history = await chart({pod: {"component": component} for pod in "abc"}, ("pod", "b"))
    assert [item.label("pod") for item in history.series] == ["b"] and history.fault is None


async def test_the_series_of_others_are_not_its_own() -> None:
    """Of an alert whose pod is gone there is no chart, and it says why; those of other pods are never drawn as its own."""
    history = await chart({"b": {}, "c": {}}, ("pod", "a"))
    assert history.series == () and history.fault is not None
    assert history.fault.sentence() == "NO DATA: none of the rule's 2 series in this time range has the alert's labels"
