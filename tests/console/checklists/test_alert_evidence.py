"""Every alert of a window and of now: which comes first, what it is called, and what it says of the shift."""

from __future__ import annotations

from dataclasses import replace

import pytest

from console.checklists.alert_evidence import AlertSummary, evaluate_alerts, summarize_alerts
from console.checklists.alert_history import AlertHistory, AlertWindow, FiringInterval
from console.checklists.definition import AlertsEvidence, Item
from console.state.snapshot import Snapshot
from queries.model.alert import Alert, AlertState, TrackedAlert
from queries.model.fault import Fault, FaultKind
from queries.model.series import Labels
from queries.model.source import Health, PollResult, SourceState
from queries.model.verdict import Verdict
from queries.text.times import format_local

NOW = 1_767_276_000.0


def labels(name: str, severity: str = "warning", **more: str) -> Labels:
    return tuple(sorted({"alertname": name, "severity": severity, **more}.items()))


def alert(
    given: Labels, *, state: AlertState = AlertState.ACTIVE, owner: str = "", starts_at: float = NOW - 60.0, **more: str
) -> TrackedAlert:
    silenced = ("s1",) if state is AlertState.SUPPRESSED else ()
    found = Alert("f", state, tuple(sorted((*given, *more.items()))), starts_at=starts_at, silenced_by=silenced)
    return TrackedAlert(found, owner)


def history(given: Labels, total: float, times: int = 1) -> AlertHistory:
    spans = tuple(FiringInterval(NOW - 1000.0 * at - total, NOW - 1000.0 * at) for at in range(times, 0, -1))
    return AlertHistory(given, spans, total, False)


def window(*found: AlertHistory) -> AlertWindow:
    return AlertWindow(NOW - 3600.0, NOW, 15.0, found)


def test_what_fires_comes_first() -> None:
    """Then what is silenced or over; each by priority, then by how long it fired, then by name."""
    silent = labels("Silent", "critical")
    listed = [
        history(labels("Short"), 10.0), history(labels("Long"), 99.0), history(labels("Also"), 10.0),
        history(labels("Firing"), 5.0), history(labels("Over", "critical"), 1.0),
    ]  # fmt: skip
    now = [alert(labels("Firing")), alert(labels("Urgent", "critical")), alert(silent, state=AlertState.SUPPRESSED)]
    found = summarize_alerts(window(*listed), now)
    assert [item.name for item in found] == ["Urgent", "Firing", "Over", "Silent", "Long", "Also", "Short"]
    by_name = {item.name: item for item in found}
    assert by_name["Firing"].history is listed[3] and by_name["Urgent"].history is None and not by_name["Short"].firing
    assert [item.name for item in summarize_alerts(None, now)] == ["Urgent", "Firing", "Silent"]


def test_the_pods_of_a_deployment_are_one_alert() -> None:
    """Grouped by what identifies an alert here; one that is pending does not fire."""
    given = labels("PodDown", provider="paddle")
    found = summarize_alerts(
        window(), [alert(given, pod="a"), alert(given, pod="b"), alert(labels("Later"), state=AlertState.PENDING)]
    )
    assert [(item.labels, len(item.alerts)) for item in found] == [(given, 2)]


def summary(*alerts: TrackedAlert, times: int = 0, severity: str = "warning", total: float = 120.0) -> AlertSummary:
    given = labels("A", severity, provider="paddle")
    return AlertSummary(given, history(given, total, times) if times else None, alerts)


GIVEN = labels("A", provider="paddle")


@pytest.mark.parametrize(
    ("found", "verdict", "brief"),
    [
        (summary(alert(GIVEN)), Verdict.WARN, "P3 A paddle firing"),
        (summary(alert(GIVEN), severity="critical"), Verdict.CRITICAL, "P1 A paddle firing"),
        (summary(alert(GIVEN, state=AlertState.SUPPRESSED)), None, "P3 A paddle silenced"),
        (summary(alert(GIVEN, state=AlertState.SUPPRESSED), alert(GIVEN)), Verdict.WARN, "P3 A paddle firing"),
        (summary(times=2), None, "P3 A paddle fired"),
        (summary(times=3), Verdict.WARN, "P3 A paddle flapped"),
        (summary(times=1, severity="critical"), Verdict.WARN, "P1 A paddle fired"),
        (summary(alert(GIVEN, state=AlertState.SUPPRESSED), severity="critical"), None, "P1 A paddle silenced"),
    ],
)
def test_what_an_alert_says_of_the_shift(found: AlertSummary, verdict: Verdict | None, brief: str) -> None:
    """Firing warns or is critical, flapping and a P1 that is over warn, silenced is for information; one of two counts."""
    assert (found.verdict, found.brief) == (verdict, brief)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (summary(alert(GIVEN)), "firing for 1m, unacknowledged"),
        (
            summary(alert(GIVEN, owner="bob"), alert(GIVEN, owner="ann", starts_at=NOW - 90.0)),
            "firing for 1m30s, owner ann, bob",
        ),
        (summary(alert(GIVEN, starts_at=0.0)), "firing, unacknowledged"),
        (summary(alert(GIVEN, state=AlertState.SUPPRESSED)), "silenced, firing for 1m, unacknowledged"),
        (summary(alert(GIVEN), times=1), "firing for 1m, 2m in total, unacknowledged"),
        (summary(alert(GIVEN), times=2), "firing for 1m, 2 times, 2m in total, unacknowledged"),
        (summary(alert(GIVEN), times=3), "firing for 1m, 3 times, flapping, 2m in total, unacknowledged"),
    ],
)
def test_a_sentence(found: AlertSummary, words: str) -> None:
    """Since when the oldest fires, how often, how long in total, and who has it."""
    assert found.sentence(NOW) == f"P3 A paddle  {words}"


def test_one_that_is_over_and_one_of_an_unknown_severity() -> None:
    """When it ended; a severity that nobody graded is named as unknown, and so is a missing name."""
    over = summary(times=1).sentence(NOW)
    assert "resolved" in over and "firing" not in over and "unacknowledged" not in over and "2m in total" in over
    odd = AlertSummary((("deployment", "api"), ("severity", "odd")), None, (alert(GIVEN),))
    assert odd.sentence(NOW).partition("  ")[2].startswith("severity unknown, firing") and (odd.name, odd.place) == (
        "(no name)",
        "api",
    )


def test_what_prometheus_still_fires_is_not_called_resolved() -> None:
    """Nothing lists it: it says when Prometheus last fired it, comes before what is over, and is never ok."""
    ended, still = history(labels("Over"), 60.0), replace(history(labels("Still"), 60.0), still_firing=True)
    found = summarize_alerts(window(ended, still), ())
    assert [(item.name, item.unlisted, item.resolved) for item in found] == [("Still", True, False), ("Over", False, True)]
    assert (found[0].verdict, found[0].brief) == (Verdict.WARN, "P3 Still firing in Prometheus, not listed")
    at = format_local(NOW - 1000.0, now=NOW)
    assert found[0].sentence(NOW) == f"P3 Still  firing in Prometheus at {at}, not listed, 1m in total"
    item = Item("a", "A", "?", AlertsEvidence())
    shown = Snapshot("e", "n", False, False, "ann", NOW, alerts_known=True)
    result = evaluate_alerts(item, PollResult("prometheus", NOW, 0.0, window(still)), shown, now=NOW, pending="")
    assert (result.verdict, result.value_text) == (Verdict.WARN, "1 not listed") and "firing in Prometheus" in result.reason


def test_an_alert_of_prometheus_is_joined_by_the_labels_it_is_sent_with() -> None:
    """Where Prometheus lists what fires, its own labels are those before relabelling."""
    sent = labels("A", "page")
    live = alert(labels("A"))
    live = replace(live, alert=replace(live.alert, sent_labels=sent))
    (found,) = summarize_alerts(window(replace(history(sent, 60.0), still_firing=True)), [live])
    assert found.firing and found.labels == sent


REFUSED = Fault(FaultKind.UNREACHABLE, "refused", "http://am-b.test")


@pytest.mark.parametrize(
    ("state", "verdict", "reason"),
    [
        (
            SourceState("alertmanager", Health.DEGRADED, "1/2", last_good_at=NOW - 3.0, fault=REFUSED),
            Verdict.OK,
            "nothing fired; Alertmanager responds only in part (1/2): refused at http://am-b.test",
        ),
        (SourceState("alertmanager", Health.UP, "2/2", last_good_at=NOW - 3.0), Verdict.OK, "nothing fired"),
        (
            SourceState("alertmanager", Health.DOWN, last_good_at=NOW - 60.0, fault=REFUSED),
            Verdict.NO_DATA,
            "Alertmanager last answered 1m ago: refused",
        ),
        (
            SourceState("alertmanager", Health.UP, "2/2", last_good_at=NOW - 60.0, paused_at=NOW - 60.0),
            Verdict.NO_DATA,
            "Alertmanager last answered 1m ago",
        ),
    ],
)
def test_a_lost_peer_is_no_lost_alertmanager(state: SourceState, verdict: Verdict, reason: str) -> None:
    """The other peer lists the alerts: the lost one is named. What no peer confirms is not known."""
    shown = Snapshot("e", "n", False, False, "ann", NOW, sources=(state,), alerts_known=True)
    reading = PollResult("prometheus", NOW, 0.0, window())
    result = evaluate_alerts(Item("a", "A", "?", AlertsEvidence()), reading, shown, now=NOW, pending="")
    assert (result.verdict, result.reason) == (verdict, reason)


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (SourceState("alertmanager", Health.DOWN, fault=REFUSED), "Alertmanager has not answered: refused"),
        (SourceState("alertmanager", Health.WAITING), "Alertmanager has not answered"),
    ],
)
def test_an_alertmanager_that_never_answered_makes_nothing_ok(state: SourceState, reason: str) -> None:
    """A command asks each server once: that Prometheus lists nothing does not make up for the other one. An Alertmanager that
    is not configured is not missed; a partial list of Prometheus is not the whole one.
    """
    shown = Snapshot("e", "n", False, False, "ann", NOW, sources=(state,), alerts_known=True, alerts_from="prometheus")
    reading, item = PollResult("prometheus", NOW, 0.0, window()), Item("a", "A", "?", AlertsEvidence())
    result = evaluate_alerts(item, reading, shown, now=NOW, pending="")
    assert (result.verdict, result.reason) == (Verdict.NO_DATA, reason)
    without = replace(shown, sources=(SourceState("alertmanager", Health.NOT_CONFIGURED),))
    assert evaluate_alerts(item, reading, without, now=NOW, pending="").verdict is Verdict.OK
    partial = evaluate_alerts(item, reading, replace(without, alerts_partial="a store is gone"), now=NOW, pending="")
    assert partial.verdict is Verdict.NO_DATA and partial.reason == "Prometheus' list of alerts is partial: a store is gone"
