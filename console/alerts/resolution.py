"""Whether the rules of a Prometheus show that an alert is resolved."""

from __future__ import annotations

from collections.abc import Iterable

from queries.errors import PartialAnswer, partial_answer
from queries.model.alert import Alert
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
