"""Which change stands beside an alert as its possible cause."""

from __future__ import annotations

from dataclasses import replace

import pytest
from screen_samples import tracked

from console.alerts.cause import BEFORE_SECONDS, find_cause, find_workload_change
from queries.model.change import Change

ALERT = tracked("HighErrorRate", "critical")
FIRED = ALERT.alert.starts_at


def rollout(seconds_before: float, subject: str = "deployment/cad-ml-api") -> Change:
    return Change(FIRED - seconds_before, "rollout", subject, f"{seconds_before:g}")


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ((rollout(0.0),), "0"),
        ((rollout(BEFORE_SECONDS),), "3600"),
        ((rollout(BEFORE_SECONDS + 1.0),), None),
        ((rollout(-1.0),), None),
        ((rollout(30.0, "deployment/other"),), None),
        ((rollout(30.0, "s-1"),), None),
        ((rollout(-5.0), rollout(60.0), rollout(120.0)), "60"),
    ],
)
def test_the_last_change_of_its_workload_in_the_hour_before(changes: tuple[Change, ...], found: str | None) -> None:
    """Both ends of the hour count; what came after the alert, long before, or elsewhere does not."""
    cause = find_cause(ALERT, changes)
    assert (cause.text if cause else None) == found


def test_an_alert_that_concerns_no_workload_has_no_cause() -> None:
    """Without a workload no rollout is blamed."""
    assert find_cause(replace(ALERT, suggestions=()), (rollout(30.0),)) is None


@pytest.mark.parametrize(
    ("target", "changes", "found"),
    [
        ("deployment/cad-ml-api", (rollout(60.0), rollout(120.0), rollout(30.0, "deployment/other")), "60"),
        ("deployment/cad-ml-api", (rollout(BEFORE_SECONDS),), "3600"),
        ("deployment/cad-ml-api", (rollout(BEFORE_SECONDS + 1.0), rollout(-1.0)), None),
        ("deployment/cad-ml-api", (), None),
        ("s-1", (rollout(30.0, "s-1"),), None),
        ('{app="x"}', (rollout(30.0),), None),
    ],
)
def test_the_last_change_of_a_workload(target: str, changes: tuple[Change, ...], found: str | None) -> None:
    """Of this workload alone, within the hour; a silence is none, and a query names no workload."""
    change = find_workload_change(target, changes, now=FIRED)
    assert (change.text if change else None) == found
