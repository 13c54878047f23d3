"""Asks every source for what a post-incident review needs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from console.incidents.correlation import Correlation, correlate
from console.incidents.impact import measure
from console.incidents.incident import Incident
from console.incidents.kpis import kpis
from console.incidents.report import Report, window_end

if TYPE_CHECKING:
    from console.session import Session

RATIO_PANEL = "error_ratio"


async def changes_before(session: Session, incident: Incident) -> Correlation:
    """What changed in the hour before its first alert."""
    kubernetes = session.kubernetes
    return await correlate(
        session.snapshot(),
        at=incident.began_at,
        prometheus=session.prometheus,
        config_maps=kubernetes.config_maps if kubernetes else None,
        own_alerts=tuple(item.name for item in incident.alerts),
    )


async def review(session: Session, incident: Incident, *, now: float) -> Report:
    """The report as of `now`, Unix seconds. A source that does not answer leaves its part unknown."""
    spec = next((item for item in session.specs if item.id == RATIO_PANEL), None)
    impact, correlation = await asyncio.gather(
        measure(session.prometheus, spec, detected_at=incident.began_at, end=window_end(incident, now)),
        changes_before(session, incident),
    )
    ledger = await session.ledger()
    response = session.response.of(incident.severity)
    return Report(incident, impact, correlation, response, kpis(ledger.incidents.all, now=now), now)
