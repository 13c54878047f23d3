"""Whether the rules of a Prometheus, or a list without it, show that an alert is resolved."""

from __future__ import annotations

from collections.abc import Iterable

from console.state.snapshot import ALERTMANAGER, Snapshot
from queries.errors import PartialAnswer, partial_answer
from queries.model.alert import Alert, AlertState, TrackedAlert, labels_agree
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
    failing = next((rule for rule in named if rule.health != "ok"), None)
    if failing is not None and failing.health == "unknown":
        raise PartialAnswer(f"Prometheus has not evaluated the rule {known.name} yet")
    if failing is not None:
        why = failing.last_error or f"its health is {failing.health}"
        raise PartialAnswer(f"Prometheus cannot evaluate the rule {known.name}: {why}")
    return None


def find_tracked(fingerprint: str, labels: Labels, snapshot: Snapshot) -> TrackedAlert | None:
    """The alert as it is listed now, also by another fingerprint: a pending one that begins to fire, an undelivered one that
    Alertmanager gets, and one that Alertmanager lost have a new one. `labels` are those that it was sent with if known.

    None also where several alerts may be it.
    """
    same = _by_fingerprint(snapshot.alerts).get(fingerprint)
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

    It does not while the alert may be listed by another fingerprint, see `find_tracked`, nor where a pending one may fire and
    Alertmanager does not have it yet.
    """
    if find_tracked(fingerprint, labels, snapshot) is not None:
        return False
    name = label(labels, "alertname")
    named = _by_name(snapshot.alerts).get(name, ()) if labels else snapshot.alerts
    if ":" not in fingerprint:
        lost = (item.alert for item in named if item.alert.state is AlertState.UNDELIVERED)
        return not any(labels_agree(item.labels_to_deliver, labels) for item in lost)
    delivered = (item.alert for item in named if item.alert.listed_by == ALERTMANAGER)
    if any(labels_agree(labels, item.labels) for item in delivered):
        return False
    rules = [rule for rule in snapshot.rules if rule.name == name]
    return not fingerprint.startswith("pending:") or (bool(rules) and all(rule.state != "firing" for rule in rules))


def _index(alerts: tuple[TrackedAlert, ...]) -> dict[str, TrackedAlert]:
    return {item.alert.fingerprint: item for item in reversed(alerts)}


_by_fingerprint: IdentityCache[tuple[TrackedAlert, ...], dict[str, TrackedAlert]] = IdentityCache(_index)


def _group_by_name(alerts: tuple[TrackedAlert, ...]) -> dict[str, list[TrackedAlert]]:
    found: dict[str, list[TrackedAlert]] = {}
    for item in alerts:
        found.setdefault(item.alert.name, []).append(item)
    return found


_by_name: IdentityCache[tuple[TrackedAlert, ...], dict[str, list[TrackedAlert]]] = IdentityCache(_group_by_name)
