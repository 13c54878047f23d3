"""Collects from every source what a post-incident review needs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from console.incidents.correlation import Correlation, correlate
from console.incidents.impact import measure
from console.incidents.postmortem import Postmortem, window_end
from console.state.incident import Incident
from console.state.incident_metrics import compute_metrics

if TYPE_CHECKING:
    from collections.abc import Sequence

    from console.incidents.severity_policy import SeverityPolicies
    from console.state.journal_state import JournalState
    from console.state.snapshot import Snapshot
    from queries.kubernetes.client import Kubernetes
    from queries.model.panel import PanelSpec
    from queries.prometheus.client import Prometheus

RATIO_PANEL = "error_ratio"


class PostmortemSources(Protocol):
    """What a review needs of a session."""

    @property
    def kubernetes(self) -> Kubernetes | None: ...

    @property
    def prometheus(self) -> Prometheus | None: ...

    @property
    def specs(self) -> Sequence[PanelSpec]: ...

    @property
    def severity_policies(self) -> SeverityPolicies: ...

    def snapshot(self) -> Snapshot: ...

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


async def review(session: PostmortemSources, incident: Incident, *, now: float) -> Postmortem:
    """The review as of `now`, Unix seconds. A source that does not answer leaves its part unknown."""
    spec = next((item for item in session.specs if item.id == RATIO_PANEL), None)
    impact, correlation = await asyncio.gather(
        measure(session.prometheus, spec, detected_at=incident.began_at, end=window_end(incident, now)),
        changes_before(session, incident),
    )
    ledger = await session.ledger()
    policy = session.severity_policies.for_severity(incident.severity)
    return Postmortem(incident, impact, correlation, policy, compute_metrics(ledger.incidents.all, now=now), now)
