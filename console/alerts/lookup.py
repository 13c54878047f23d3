"""Looks up the rule behind an alert, and the alerts that a silence would match."""

from __future__ import annotations

from collections.abc import Iterable

from queries.model.alert import Alert, AlertRule, AlertState, TrackedAlert
from queries.model.matcher import Matcher


def find_rule(alert: Alert, rules: Iterable[AlertRule]) -> AlertRule | None:
    """The rule with the alert's name; of several, the one whose labels the alert has."""
    candidates = [rule for rule in rules if rule.name == alert.name]
    labels = dict(alert.labels)
    fitting = (
        rule for rule in candidates if all(labels.get(name) == value for name, value in rule.labels if "{{" not in value)
    )
    return next(fitting, next(iter(candidates), None))


def find_matches(alerts: Iterable[TrackedAlert], matchers: Iterable[Matcher]) -> tuple[TrackedAlert, ...]:
    """The alerts that Alertmanager would suppress for a silence with these matchers; none without a matcher.

    It leaves out alerts that Alertmanager does not have yet (pending, undelivered): the labels that they will have there are
    unknown.
    """
    required = tuple(matchers)
    if not required:
        return ()
    # Of thousands of alerts hardly one passes the first equality, which is a comparison of pairs.
    pairs = [(item.name, item.value) for item in required if item.is_equal and not item.is_regex and item.value]
    found = alerts
    for pair in pairs:
        found = [item for item in found if pair in item.alert.labels]
    return tuple(
        item
        for item in found
        if item.alert.state in (AlertState.ACTIVE, AlertState.SUPPRESSED)
        and all(matcher.matches(item.alert.labels) for matcher in required)
    )
