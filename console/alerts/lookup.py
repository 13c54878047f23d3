"""Looks up the alerts that a silence would match."""

from __future__ import annotations

from collections.abc import Iterable

from queries.model.alert import AlertState, TrackedAlert
from queries.model.matcher import Matcher


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
