"""What an incident begins with: its alerts, its panels, and how everything that is watched stood."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from console.incidents.observations import standing
from console.state import incident_events
from console.state.incident import LinkedAlert
from console.state.snapshot import Snapshot
from queries.model.alert import Priority, TrackedAlert
from queries.model.series import label
from queries.model.verdict import Verdict


def linked(tracked: TrackedAlert) -> LinkedAlert:
    alert = tracked.alert
    return LinkedAlert(alert.fingerprint, alert.name, alert.starts_at, alert.labels)


def declaration(
    snapshot: Snapshot | None,
    *,
    title: str = "",
    severity: Priority | None = None,
    alerts: Iterable[TrackedAlert] = (),
    commander: str = "",
    stability_seconds: float | None = None,
) -> dict[str, Any]:
    """The data of `incident.declared`. Without alerts, a P1 or P2 has those of priority P1 that fire now; title and severity
    are the first alert's where none are given. Raises ValueError where there is neither a title nor an alert.
    """
    own = tuple(alerts)
    if not own and snapshot is not None and severity in (None, Priority.P1, Priority.P2):
        own = tuple(item for item in snapshot.active if item.alert.priority is Priority.P1)
    if not title and not own:
        raise ValueError("an incident needs a title, or an alert that gives it one")
    names = {item.alert.name for item in own}
    panels = [
        item.spec.id
        for item in (snapshot.panels if snapshot else ())
        if names & set(item.spec.alerts) or item.verdict is Verdict.CRITICAL
    ]
    return incident_events.declared(
        title or _title(own[0]),
        severity or (own[0].alert.priority if own else Priority.P1),
        alerts=map(linked, own),
        panels=panels,
        seen=standing(snapshot) if snapshot else {},
        commander=commander,
        stability_seconds=stability_seconds,
    )


def _title(tracked: TrackedAlert) -> str:
    return label(tracked.alert.annotations, "summary") or tracked.alert.name
