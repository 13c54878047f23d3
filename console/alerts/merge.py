"""Merges the alerts of Alertmanager and Prometheus: delivered, pending, and undelivered ones."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace

from queries.model.alert import Alert, AlertRule, AlertState, Priority
from queries.model.frozen import dataclass
from queries.model.series import Labels, label

UNDELIVERED_SECONDS = 30.0
"""How long an alert may fire in Prometheus before its absence from Alertmanager counts as a delivery failure."""
_MAX_LOOSE_MATCHES = 50
"""How many unmatched alerts of one name are compared label by label; more would cost too much."""


@dataclass(frozen=True, slots=True)
class MergedAlerts:
    """`alerts` are Alertmanager's, with their current value, then the pending ones; `missing` fire in Prometheus only."""

    alerts: tuple[Alert, ...]
    missing: tuple[Alert, ...]


def merge_alerts(delivered: Iterable[Alert], evaluated: Iterable[Alert]) -> MergedAlerts:
    """Matches by the labels that Prometheus sends: Alertmanager's may have more (`external_labels`), but no different ones.

    One that Alertmanager lists is not pending any more: Prometheus' rules were fetched before.
    """
    listed = tuple(delivered)
    by_name: dict[str, list[Alert]] = defaultdict(list)
    for alert in listed:
        by_name[alert.name].append(alert)
    values: dict[str, float | None] = {}
    pending: list[Alert] = []
    missing: list[Alert] = []
    projected: dict[tuple[str, tuple[str, ...]], Mapping[Labels, list[Alert]]] = {}
    for alert in evaluated:
        sent = _sent(alert)
        names = tuple(name for name, _ in sent)
        key = (label(sent, "alertname"), names)
        if key not in projected:
            projected[key] = _group_by_labels(by_name.get(key[0], ()), names)
        twins = projected[key].get(sent)
        if not twins:
            (pending if alert.state is AlertState.PENDING else missing).append(alert)
        for twin in twins or ():
            values[twin.fingerprint] = alert.value
    # Relabelling may have dropped or renamed a label: an alert without contradicting labels was delivered.
    unmatched = {
        name: [item for item in items if item.fingerprint not in values][:_MAX_LOOSE_MATCHES] for name, items in by_name.items()
    }
    missing = [
        alert for alert in missing if not any(_agree(_sent(alert), item.labels) for item in unmatched.get(alert.name, ()))
    ]
    valued = tuple(
        replace(alert, value=values[alert.fingerprint]) if alert.fingerprint in values else alert for alert in listed
    )
    return MergedAlerts((*valued, *pending), tuple(missing))


def find_undelivered(missing: Iterable[Alert], rules: Iterable[AlertRule], *, now: float) -> tuple[Alert, ...]:
    """The missing alerts that have been firing long enough to have reached every Alertmanager."""
    for_seconds: dict[str, float] = {}
    for rule in rules:
        for_seconds[rule.name] = max(for_seconds.get(rule.name, 0.0), rule.for_seconds)
    return tuple(
        replace(alert, state=AlertState.UNDELIVERED)
        for alert in missing
        if now - (alert.starts_at + for_seconds.get(alert.name, 0.0)) > UNDELIVERED_SECONDS
    )


def urgency(alert: Alert) -> tuple[int, bool, float, str, str]:
    """The sort key of the table: worst priority first, then alerts that are not suppressed, then the oldest."""
    hidden = alert.state is AlertState.SUPPRESSED
    return (_PRIORITIES[alert.priority], hidden, alert.starts_at, alert.name, alert.fingerprint)


_PRIORITIES = {priority: rank for rank, priority in enumerate(Priority)}


def _group_by_labels(alerts: Iterable[Alert], names: tuple[str, ...]) -> Mapping[Labels, list[Alert]]:
    kept = set(names)
    groups: dict[Labels, list[Alert]] = defaultdict(list)
    for alert in alerts:
        groups[tuple(pair for pair in alert.labels if pair[0] in kept)].append(alert)
    return groups


def _sent(alert: Alert) -> Labels:
    return alert.sent_labels or alert.labels


def _agree(one: Labels, other: Labels) -> bool:
    known = dict(other)
    return all(known.get(name, value) == value for name, value in one)
