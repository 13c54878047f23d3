"""Collects from every source what a post-incident review needs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from console.incidents.correlation import Correlation, correlate
from console.incidents.impact import measure
from console.incidents.postmortem import LogNews, Postmortem, window_end
from console.incidents.report_blocks import PanelChart
from console.incidents.report_charts import fetch_charts
from console.state.incident import Incident
from console.state.incident_metrics import compute_metrics
from queries.errors import SourceError
from queries.model.workload import names_workload

if TYPE_CHECKING:
    from collections.abc import Sequence

    from console.config.settings import Settings
    from console.incidents.severity_policy import SeverityPolicies
    from console.logs.pattern_report import PatternReport
    from console.state.journal_state import JournalState
    from console.state.snapshot import Snapshot
    from queries.kubernetes.client import Kubernetes
    from queries.model.panel import PanelSpec
    from queries.model.panel_result import PanelHistory
    from queries.prometheus.client import Prometheus
    from queries.prometheus.history import Window

RATIO_PANEL = "error_ratio"


class PostmortemSources(Protocol):
    """What a review needs of a session."""

    @property
    def settings(self) -> Settings: ...

    @property
    def kubernetes(self) -> Kubernetes | None: ...

    @property
    def prometheus(self) -> Prometheus | None: ...

    @property
    def specs(self) -> Sequence[PanelSpec]: ...

    @property
    def severity_policies(self) -> SeverityPolicies: ...

    def snapshot(self) -> Snapshot: ...

    async def log_history(self, spec: PanelSpec, window: Window) -> PanelHistory: ...

    async def read_pattern_report(self, target: str, *, moment: float) -> PatternReport: ...

    async def ledger(self) -> JournalState: ...


async def changes_before(session: PostmortemSources, incident: Incident) -> Correlation:
    """What changed in the hour before the incident's first alert."""
    kubernetes = session.kubernetes
    return await correlate(
        session.snapshot(),
        at=incident.began_at,
        prometheus=session.prometheus,
        config_maps=kubernetes.config_maps if kubernetes else None,
        own_alerts=tuple(item.name for item in incident.alerts),
    )


async def review(session: PostmortemSources, incident: Incident, *, now: float, charts: bool = False) -> Postmortem:
    """The review as of `now`, Unix seconds. A source that does not answer leaves its part unknown."""
    spec = next((item for item in session.specs if item.id == RATIO_PANEL), None)
    impact, correlation = await asyncio.gather(
        measure(session.prometheus, spec, detected_at=incident.began_at, end=window_end(incident, now)),
        changes_before(session, incident),
    )
    ledger = await session.ledger()
    policy = session.severity_policies.for_severity(incident.severity)
    metrics = compute_metrics(ledger.incidents.all, now=now)
    drawn: tuple[PanelChart, ...] = ()
    if charts:
        panels = dict.fromkeys((RATIO_PANEL, *incident.panels))
        specs = [item for item in session.specs if item.id in panels]
        times = {"start": impact.start, "end": impact.end, "now": now}
        drawn = await fetch_charts(session.prometheus, specs, incident, **times, fetch_logs=session.log_history)
    news = await _read_log_news(session, incident, correlation, start=impact.start)
    return Postmortem(incident, impact, correlation, policy, metrics, now, session.settings.user, drawn, news)


async def _read_log_news(
    session: PostmortemSources, incident: Incident, correlation: Correlation, *, start: float
) -> LogNews | None:
    """What was new in the log of the incident's first workload after the change that may have caused it, else after `start`;
    None without Loki or a workload.
    """
    target = next((item for item in incident.targets if names_workload(item)), "")
    if session.settings.loki is None or not target:
        return None
    cause = next((item for item in correlation.contributing((target,)) if item.subject == target), None)
    moment, since = (cause.at, cause.kind) if cause is not None else (start, "")
    try:
        report = await session.read_pattern_report(target, moment=moment)
    except SourceError as error:
        return LogNews(target, moment, fault=error.fault.sentence(), since=since)
    return LogNews(target, moment, report, since=since)
