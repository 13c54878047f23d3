"""What an incident starts with: its alerts, its panels, and the present value of everything that its timeline watches."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from console.alerts.correlated import find_correlated, list_acting_suggestions
from console.incidents.observations import initial_values
from console.journal.payloads import IncidentDeclared, LinkedAlert
from console.state.snapshot import Snapshot
from queries.model.alert import TrackedAlert
from queries.model.series import label
from queries.model.severity import Priority
from queries.model.verdict import Verdict

_MOST_ALERTS, _MOST_CHARACTERS = 200, 100_000
"""What a declaration links: a larger event cannot be shared, and no other console would see the incident."""
_TITLE = 300


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
    own, _ = choose_alerts(snapshot, alerts, severity)
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


def choose_alerts(
    snapshot: Snapshot | None, alerts: Iterable[TrackedAlert], severity: Priority | None
) -> tuple[tuple[TrackedAlert, ...], int]:
    """The alerts that a declaration links, and the number of those that it leaves out because there are too many."""
    own = tuple(alerts)
    if not own and snapshot is not None and severity in (None, Priority.P1, Priority.P2):
        own = tuple(item for item in snapshot.active if item.alert.priority is Priority.P1)
    linked = _take_fitting(own)
    return linked, len(own) - len(linked)


def _take_fitting(alerts: Sequence[TrackedAlert]) -> tuple[TrackedAlert, ...]:
    size = 0
    for count, item in enumerate(alerts[:_MOST_ALERTS]):
        size += len(json.dumps((item.alert.name, item.alert.labels)))
        if size > _MOST_CHARACTERS:
            return tuple(alerts[:count])
    return tuple(alerts[:_MOST_ALERTS])


def _targets(own: tuple[TrackedAlert, ...], alerts: tuple[TrackedAlert, ...]) -> Iterable[str]:
    """The workloads that its alerts, and those that started with them, are about."""
    for tracked in own:
        for item in (tracked, *find_correlated(tracked, alerts)):
            yield from (suggestion.target for suggestion in list_acting_suggestions(item))


def _title_of(tracked: TrackedAlert) -> str:
    return (label(tracked.alert.annotations, "summary") or tracked.alert.name)[:_TITLE]
