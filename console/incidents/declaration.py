"""What an incident starts with: its alerts, its panels, and the present value of everything that its timeline watches."""

from __future__ import annotations

from collections.abc import Iterable

from console.alerts.correlated import find_correlated, list_acting_suggestions
from console.incidents.observations import initial_values
from console.journal.payloads import IncidentDeclared, LinkedAlert
from console.state.snapshot import Snapshot
from queries.model.alert import TrackedAlert
from queries.model.series import label
from queries.model.severity import Priority
from queries.model.verdict import Verdict


def linked_alert(tracked: TrackedAlert) -> LinkedAlert:
    """The link to an alert, with its start and labels as of now."""
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
    since: float | None = None,
) -> IncidentDeclared:
    """Without alerts, a P1 or P2 gets the firing P1 alerts; title and severity default to those of the first alert.
    `since` is when it began, Unix seconds, where a person says so.

    Raises ValueError where there is neither a title nor an alert.
    """
    own = tuple(alerts)
    if not own and snapshot is not None and severity in (None, Priority.P1, Priority.P2):
        own = tuple(item for item in snapshot.active if item.alert.priority is Priority.P1)
    if not title and not own:
        raise ValueError("an incident needs a title, or an alert that provides one")
    names = {item.alert.name for item in own}
    panels = [
        item.spec.id
        for item in (snapshot.panels if snapshot else ())
        if names & set(item.spec.alerts) or item.verdict is Verdict.CRITICAL
    ]
    return IncidentDeclared.of(
        title or _title_of(own[0]),
        severity or (own[0].alert.priority if own else Priority.P1),
        alerts=map(linked_alert, own),
        panels=panels,
        seen=initial_values(snapshot) if snapshot else {},
        commander=commander,
        stability_seconds=stability_seconds,
        targets=_targets(own, snapshot.alerts if snapshot else ()),
        since=since,
    )


def _targets(own: tuple[TrackedAlert, ...], alerts: tuple[TrackedAlert, ...]) -> Iterable[str]:
    """The workloads that its alerts, and those that started with them, are about."""
    for tracked in own:
        for item in (tracked, *find_correlated(tracked, alerts)):
            yield from (suggestion.target for suggestion in list_acting_suggestions(item))


def _title_of(tracked: TrackedAlert) -> str:
    return label(tracked.alert.annotations, "summary") or tracked.alert.name
