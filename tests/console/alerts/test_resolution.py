"""Whether a list without an alert shows that it ended, or lists it by another fingerprint."""

from __future__ import annotations

from dataclasses import replace

import pytest
from screen_samples import snapshot, tracked

from console.alerts.resolution import find_tracked, has_ended
from queries.model.alert import AlertState, TrackedAlert

FIRST = tracked("HighErrorRate", "critical", pod="a")
LABELS = FIRST.alert.labels
ADDED = tuple(sorted((*LABELS, ("cluster", "eu"))))


def listed(fingerprint: str, state: AlertState = AlertState.ACTIVE, **changes: object) -> TrackedAlert:
    return replace(FIRST, alert=replace(FIRST.alert, fingerprint=fingerprint, state=state, **changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fingerprint", "labels", "alert"),
    [
        ("pending:1", (), listed("prometheus:1", AlertState.UNDELIVERED)),
        ("pending:1", LABELS, listed("x", labels=ADDED)),
        ("prometheus:1", LABELS, listed("x")),
        ("prometheus:1", LABELS, listed("x", AlertState.SUPPRESSED, labels=ADDED)),
        ("x", ADDED, listed("prometheus:1", AlertState.UNDELIVERED)),
        ("x", ADDED, listed("prometheus:1", AlertState.UNDELIVERED, sent_labels=ADDED)),
    ],
)
def test_another_fingerprint_of_the_same_alert(
    fingerprint: str, labels: tuple[tuple[str, str], ...], alert: TrackedAlert
) -> None:
    """It begins to fire, is delivered with the external labels, or is lost by Alertmanager: it has not ended."""
    shown = snapshot(alerts=(tracked("HighErrorRate", "critical", pod="b"), alert))
    assert find_tracked(fingerprint, labels, shown) is alert
    assert not has_ended(fingerprint, labels, shown)


@pytest.mark.parametrize(
    ("fingerprint", "alerts", "ended", "nameless"),
    [
        ("x", (), True, True),
        ("x", (tracked("HighErrorRate", "critical", pod="b"),), True, True),
        ("x", (listed("pending:1", AlertState.PENDING),), False, True),
        ("x", (tracked("HighErrorRate", "critical", pod="b"), listed("pending:2", AlertState.PENDING, labels=())), True, True),
        ("prometheus:1", (), True, True),
        ("prometheus:1", (tracked("HighErrorRate", "critical", pod="b"),), True, False),
        ("prometheus:1", (listed("x", labels=ADDED), listed("y", labels=ADDED)), False, False),
        ("prometheus:1", (listed("x", labels=LABELS[:2]),), False, False),
        ("pending:1", (), True, False),
    ],
)
def test_an_end_is_known_only_where_no_other_alert_may_be_it(
    fingerprint: str, alerts: tuple[TrackedAlert, ...], ended: bool, nameless: bool
) -> None:
    """Another instance is not it; two that may be it, and one with fewer labels are unknown. One that fired and is pending now
    may be it too: Prometheus starts anew after a restart. Of an alert whose labels are not known, any that is listed may be it.
    """
    shown = snapshot(alerts=alerts)
    assert find_tracked(fingerprint, LABELS, shown) is None
    assert has_ended(fingerprint, LABELS, shown) is ended
    assert has_ended(fingerprint, (), shown) is nameless


def test_an_alert_of_unknown_labels_may_be_an_undelivered_one() -> None:
    """Alertmanager lost all of its alerts: what Prometheus still fires may be each of them."""
    shown = snapshot(alerts=(listed("prometheus:1", AlertState.UNDELIVERED),))
    assert not has_ended("x", (), shown) and has_ended("x", (), snapshot(alerts=()))


@pytest.mark.parametrize("fingerprint", ["pending:1", "x"])
def test_an_alert_that_fires_in_prometheus_only_has_not_ended(fingerprint: str) -> None:
    """It began to fire and Alertmanager does not have it yet, or lost it a moment ago: it is in no list."""
    open_ends = (listed("prometheus:1").alert,)
    assert not has_ended(fingerprint, LABELS, snapshot(alerts=(), open_ends=open_ends))
    assert has_ended(fingerprint, (("alertname", "Other"),), snapshot(alerts=(), rules=(), open_ends=open_ends)) is (
        fingerprint == "x"
    )


def test_of_an_alert_whose_name_is_known_only_that_name_may_be_it() -> None:
    """An alert of another name that Alertmanager never gets does not keep it, and a rule that was not evaluated does."""
    name, shown = (("alertname", "HighErrorRate"),), snapshot(alerts=())
    sent = listed("prometheus:1").alert
    other = replace(sent, labels=(("alertname", "CoreDown"),))
    for state in (AlertState.UNDELIVERED, AlertState.PENDING):
        assert not has_ended("x", name, replace(shown, alerts=(listed("prometheus:1", state),)))
        assert has_ended("x", name, replace(shown, alerts=(listed("prometheus:1", state, labels=other.labels),)))
    assert not has_ended("x", name, replace(shown, open_ends=(sent,)))
    assert has_ended("x", name, replace(shown, open_ends=(other,))) and not has_ended(
        "x", (), replace(shown, open_ends=(other,))
    )
    failing = tuple(replace(rule, health="err") for rule in shown.rules)
    assert not has_ended("x", name, replace(shown, rules=failing)) and has_ended("x", (), replace(shown, rules=failing))


@pytest.mark.parametrize("health", ["unknown", "err"])
def test_a_rule_that_was_not_evaluated_ends_nothing(health: str) -> None:
    """Prometheus has just started, or cannot evaluate it."""
    rules = tuple(replace(rule, health=health) for rule in snapshot().rules)
    assert not has_ended("x", LABELS, snapshot(alerts=(), rules=rules))
    assert has_ended("x", (("alertname", "Other"),), snapshot(alerts=(), rules=rules))
