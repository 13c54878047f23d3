"""Whether the rules of a Prometheus, or a list without it, show that an alert is resolved."""

from __future__ import annotations

from collections.abc import Iterable

from console.state.snapshot import ALERTMANAGER, Snapshot
from queries.errors import PartialAnswer, partial_answer
from queries.model.alert import PENDING_PREFIX, Alert, AlertState, TrackedAlert, evaluation_error, labels_agree
from queries.model.identity_cache import IdentityCache
from queries.model.series import Labels, label
from queries.prometheus.responses import RulesResult


def find_fingerprint(fingerprint: str, alerts: Iterable[Alert]) -> Alert | None:
    """The prefix of Prometheus' fingerprints changes when a pending alert begins to fire, the digest of its labels does not."""
    digest = fingerprint.rpartition(":")[2]
    return next((item for item in alerts if item.fingerprint.rpartition(":")[2] == digest), None)


def find_unresolved(fingerprint: str, known: Alert | None, rules: RulesResult) -> Alert | None:
    """The alert if it is firing or pending, None if its rule was evaluated without it; else raises PartialAnswer.

    `known` is the alert as a server listed it before: Alertmanager's has more labels than Prometheus', and another fingerprint.
    """
    found = find_fingerprint(fingerprint, rules.alerts)
    if found is not None:
        return found
    if rules.partial:
        raise partial_answer(rules.partial)
    if known is None:
        raise PartialAnswer(f"no server has listed the alert {fingerprint[:40]}, so no rule shows whether it is resolved")
    labels = dict(known.labels)
    for alert in rules.alerts:
        if alert.name == known.name and all(
            labels.get(name, value) == value for name, value in alert.sent_labels or alert.labels
        ):
            return alert
    named = [rule for rule in rules.rules if rule.name == known.name]
    if not named:
        raise PartialAnswer(f"Prometheus has no rule {known.name}, so it does not show whether the alert is resolved")
    error = evaluation_error(named)
    if error:
        raise PartialAnswer(f"Prometheus {error}")
    return None


def find_tracked(fingerprint: str, labels: Labels, snapshot: Snapshot) -> TrackedAlert | None:
    """The alert as it is listed now, also by another fingerprint: a pending one that begins to fire, an undelivered one that
    Alertmanager gets, and one that Alertmanager lost have a new one. `labels` are those that it was sent with if known.

    None also where several alerts may be it.
    """
    same = snapshot.alert(fingerprint)
    if same is not None:
        return same
    named = _by_name(snapshot.alerts).get(label(labels, "alertname"), ()) if labels else snapshot.alerts
    if ":" in fingerprint:
        others = [item for item in named if item.alert.listed_by != ALERTMANAGER]
        digest = fingerprint.rpartition(":")[2]
        same = next((item for item in others if item.alert.fingerprint.rpartition(":")[2] == digest), None)
    if same is not None or not labels:
        return same
    if ":" in fingerprint:
        delivered = (item for item in named if item.alert.listed_by == ALERTMANAGER)
        found = [item for item in delivered if set(labels) <= set(item.alert.labels)]
    else:
        lost = (item for item in named if item.alert.state is AlertState.UNDELIVERED)
        found = [item for item in lost if set(item.alert.labels_to_deliver) <= set(labels)]
    return found[0] if len(found) == 1 else None


def has_ended(fingerprint: str, labels: Labels, snapshot: Snapshot) -> bool:
    """Whether a complete list of a platform whose rules are evaluated shows that the alert is over.

    It does not while the alert may be listed by another fingerprint, see `find_tracked`, nor while the rules do not confirm
    its end, nor where a pending one may fire and Alertmanager does not have it yet.
    """
    if snapshot.ends_caveat or fingerprint in _fingerprints(snapshot.open_ends):
        return False
    if find_tracked(fingerprint, labels, snapshot) is not None:
        return False
    name = label(labels, "alertname")
    rules = [rule for rule in snapshot.rules if rule.name == name]
    if evaluation_error(rules):
        return False
    named = _by_name(snapshot.alerts).get(name, ()) if labels else snapshot.alerts
    if ":" not in fingerprint:
        # One that was firing is pending anew after a restart of Prometheus.
        states = (AlertState.UNDELIVERED, AlertState.PENDING) if labels else (AlertState.UNDELIVERED,)
        unlisted = [item.alert for item in named if item.alert.state in states]
        unlisted += [alert for alert in snapshot.open_ends if ":" in alert.fingerprint and (not labels or alert.name == name)]
        return not any(labels_agree(alert.labels_to_deliver, labels) for alert in unlisted)
    delivered = [item.alert for item in named if item.alert.listed_by == ALERTMANAGER]
    delivered += [alert for alert in snapshot.open_ends if not labels or alert.name == name]
    if any(labels_agree(labels, alert.labels) for alert in delivered):
        return False
    return not fingerprint.startswith(PENDING_PREFIX) or bool(rules)


def _list_fingerprints(alerts: tuple[Alert, ...]) -> frozenset[str]:
    return frozenset(alert.fingerprint for alert in alerts)


_fingerprints: IdentityCache[tuple[Alert, ...], frozenset[str]] = IdentityCache(_list_fingerprints)


def _group_by_name(alerts: tuple[TrackedAlert, ...]) -> dict[str, list[TrackedAlert]]:
    found: dict[str, list[TrackedAlert]] = {}
    for item in alerts:
        found.setdefault(item.alert.name, []).append(item)
    return found


_by_name: IdentityCache[tuple[TrackedAlert, ...], dict[str, list[TrackedAlert]]] = IdentityCache(_group_by_name)
