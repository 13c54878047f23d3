"""One list of alerts from two servers: what Alertmanager has, what is pending, and what never reached it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from queries.model.alert import Alert, AlertRule, AlertState, Priority
from queries.model.series import Labels

UNDELIVERED_SECONDS = 30.0
"""How long an alert may fire in Prometheus before its absence from Alertmanager is called a failure to deliver."""
_LOOSE = 50
"""How many leftovers of one name are compared label by label; more would cost too much for what it tells."""


@dataclass(frozen=True, slots=True)
class MergedAlerts:
    """`alerts` are Alertmanager's (with their live value), then the pending; `missing` fire in Prometheus only."""

    alerts: tuple[Alert, ...]
    missing: tuple[Alert, ...]


def join(delivered: Iterable[Alert], evaluated: Iterable[Alert]) -> MergedAlerts:
    """Join by the labels of the rule's instance: Alertmanager's may have more (`external_labels`), never other ones."""
    listed = tuple(delivered)
    by_name: dict[str, list[Alert]] = defaultdict(list)
    for alert in listed:
        by_name[alert.name].append(alert)
    values: dict[str, float | None] = {}
    pending: list[Alert] = []
    missing: list[Alert] = []
    projected: dict[tuple[str, tuple[str, ...]], Mapping[Labels, list[Alert]]] = {}
    for alert in evaluated:
        if alert.state is AlertState.PENDING:
            pending.append(alert)
            continue
        names = tuple(name for name, _ in alert.labels)
        key = (alert.name, names)
        if key not in projected:
            projected[key] = _projected(by_name.get(alert.name, ()), names)
        found = projected[key].get(alert.labels)
        if not found:
            missing.append(alert)
        for twin in found or ():
            values[twin.fingerprint] = alert.value
    # Relabelling may have dropped or renamed a label on the way: an alert that nothing contradicts did arrive.
    left = {name: [item for item in items if item.fingerprint not in values][:_LOOSE] for name, items in by_name.items()}
    missing = [alert for alert in missing if not any(_agree(alert.labels, item.labels) for item in left.get(alert.name, ()))]
    valued = tuple(
        replace(alert, value=values[alert.fingerprint]) if alert.fingerprint in values else alert for alert in listed
    )
    return MergedAlerts((*valued, *pending), tuple(missing))


def undelivered(missing: Iterable[Alert], rules: Iterable[AlertRule], *, now: float) -> tuple[Alert, ...]:
    """The missing ones that have been firing long enough for every Alertmanager to know them."""
    waits: dict[str, float] = {}
    for rule in rules:
        waits[rule.name] = max(waits.get(rule.name, 0.0), rule.for_seconds)
    return tuple(
        replace(alert, state=AlertState.UNDELIVERED)
        for alert in missing
        if now - (alert.starts_at + waits.get(alert.name, 0.0)) > UNDELIVERED_SECONDS
    )


def urgency(alert: Alert) -> tuple[int, bool, float, str, str]:
    """The order of the table: the worst priority first, in it what nobody silenced and nothing inhibits, then the oldest."""
    hidden = alert.state is AlertState.SUPPRESSED
    return (_PRIORITIES[alert.priority], hidden, alert.starts_at, alert.name, alert.fingerprint)


_PRIORITIES = {priority: rank for rank, priority in enumerate(Priority)}


def _projected(alerts: Iterable[Alert], names: tuple[str, ...]) -> Mapping[Labels, list[Alert]]:
    wanted = set(names)
    found: dict[Labels, list[Alert]] = defaultdict(list)
    for alert in alerts:
        found[tuple(pair for pair in alert.labels if pair[0] in wanted)].append(alert)
    return found


def _agree(one: Labels, other: Labels) -> bool:
    known = dict(other)
    return all(known.get(name, value) == value for name, value in one)
