"""The actions of alerts that started with a P1: the cure stands on its page, before the silence."""

from __future__ import annotations

import time
from dataclasses import replace

from screen_samples import NOW, snapshot, tracked

from console.alerts.correlated import WINDOW_SECONDS, add_correlated, find_correlated
from console.incidents.declaration import declaration
from queries.model.alert import Elsewhere, Suggestion, TrackedAlert

UNDO = Suggestion("rollback", "deployment/cad-ml-api", {"revision": "41"}, "roll back cad-ml-api 42 → 41", "kubectl …")
QUIET = Suggestion("silence", 'alertname="A"', sentence="silence A")


def offering(name: str, minutes: float, *actions: Suggestion, severity: str = "warning") -> TrackedAlert:
    return replace(tracked(name, severity, minutes=minutes), suggestions=(*actions, QUIET))


P1 = offering("HighErrorRate", 10, severity="critical")


def test_a_p1_without_a_workload_offers_what_cures_the_alerts_beside_it() -> None:
    """Nearest first, each action once, and it names the alert that it comes from; the silence is last, never first."""
    restart = Suggestion("restart", "deployment/cad-render", sentence="restart cad-render")
    far, near = offering("PodNotReady", 5, UNDO), offering("CrashLoop", 11, UNDO, restart)
    first, *others = add_correlated((P1, far, near))
    assert [item.sentence for item in first.suggestions] == [
        "roll back cad-ml-api 42 → 41  (for CrashLoop)",
        "restart cad-render  (for CrashLoop)",
        "silence A",
    ]
    assert first.suggestions[0].parameters == {"revision": "41"}
    assert others == [far, near]


def test_only_what_fires_here_and_started_with_it_counts() -> None:
    """Not an alert of another place, of another hour or without an action; then the list stays."""
    minutes = WINDOW_SECONDS / 60
    edge, late = offering("Edge", 10 + minutes, UNDO), offering("Late", 10 + minutes + 0.1, UNDO)
    elsewhere = replace(offering("There", 10, UNDO), elsewhere=Elsewhere("another cluster", "kubectl"))
    for other, counts in ((edge, True), (late, False), (elsewhere, False), (offering("Bare", 10), False)):
        listed = (P1, other)
        found = add_correlated(listed)
        assert (len(found[0].suggestions) == 2) is counts
        assert counts or found == listed
    own = offering("HighErrorRate", 10, UNDO, severity="critical")
    assert add_correlated((own, edge)) == (own, edge)  # it has its own
    warning = offering("Quiet", 10)
    assert add_correlated((warning, edge)) == (warning, edge)


def test_an_incident_is_about_the_workloads_of_what_fired_together() -> None:
    """So that a rollback from a P3's page, or from the workloads, belongs to the P1 that is declared afterwards."""
    cure = offering("PodNotReady", 4, UNDO)
    made = declaration(None, title="errors", alerts=(P1,))
    assert made.targets == ()
    made = declaration(snapshot(alerts=(P1, cure)), alerts=(P1,), since=NOW - 60)
    assert (made.targets, made.since) == (("deployment/cad-ml-api",), NOW - 60)
    assert find_correlated(P1, (P1, cure)) == (cure,)


def test_a_storm_of_p1s_costs_little() -> None:
    """Five thousand alerts, half of them P1s without a workload, in CPU seconds; each still gets its nearest."""
    p1s = [offering("Storm", minutes / 100, severity="critical") for minutes in range(2500)]
    cures = [offering("Cure", minutes / 100, UNDO) for minutes in range(2500)]
    began = time.process_time()
    found = add_correlated((*p1s, *cures))
    assert time.process_time() - began < 2.0
    assert all(len(item.suggestions) == 2 for item in found) and len(found) == 5000
