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
    ("fingerprint", "alerts", "ended"),
    [
        ("x", (), True),
        ("x", (tracked("HighErrorRate", "critical", pod="b"),), True),
        ("x", (listed("pending:1", AlertState.PENDING),), True),
        ("prometheus:1", (), True),
        ("prometheus:1", (tracked("HighErrorRate", "critical", pod="b"),), True),
        ("prometheus:1", (listed("x", labels=ADDED), listed("y", labels=ADDED)), False),
        ("prometheus:1", (listed("x", labels=LABELS[:2]),), False),
        ("pending:1", (), False),
    ],
)
def test_an_end_is_known_only_where_no_other_alert_may_be_it(
    fingerprint: str, alerts: tuple[TrackedAlert, ...], ended: bool
) -> None:
    """Another instance is not it; two that may be it, one with fewer labels, and a pending one whose rule fires are unknown."""
    shown = snapshot(alerts=alerts)
    assert find_tracked(fingerprint, LABELS, shown) is None
    assert has_ended(fingerprint, LABELS, shown) is ended
    assert has_ended(fingerprint, (), shown) is (":" not in fingerprint)
