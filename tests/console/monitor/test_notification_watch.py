"""What a person is told who does not look: alerts, ends, timers, silences and the shift, each once; and when it is quiet."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest
from screen_samples import HOSTILE, NOW, snapshot, tracked

from console.alerts.resolution import has_ended
from console.config.settings import IncidentSettings, NotifySettings, QuietHours
from console.incidents.severity_policy import load_severity_policies
from console.journal.payloads import Step
from console.monitor.notification_watch import (
    NotificationWatch,
    build_notification,
    fill_command,
    find_worst,
    is_quiet,
)
from console.state.handovers import HandoverSignature
from console.state.incident import RESOLVED, Incident, Incidents, LastRecorded, LinkedAlert, StepCompletion
from console.state.journal_state import JournalState
from console.state.snapshot import Snapshot
from queries.model.alert import Alert, AlertState
from queries.model.matcher import Matcher
from queries.model.series import Labels
from queries.model.severity import Priority
from queries.model.silence import Silence
from queries.model.source import Health

FIRST = tracked("HighErrorRate", "critical")
SECOND = tracked("CoreDown", "critical", minutes=0)
WARNING = tracked("QueueLong", "warning", minutes=0)


def watch(**changes: Any) -> NotificationWatch:
    return NotificationWatch(NotifySettings(**changes), load_severity_policies(IncidentSettings()), shift_hours=12.0)


def build_snapshot(*alerts: Any, **changes: Any) -> Snapshot:
    return snapshot(alerts=alerts, alerts_from="alertmanager", silences=(), **changes)


def titles(found: NotificationWatch, shown: Snapshot, now: float = NOW) -> list[str]:
    return [item.title for item in found.collect(shown, now)]


def test_a_new_alert_notifies_once_and_so_does_its_end() -> None:
    """What fires at the start is on the screen and no news; a new one is, the most severe first, and its end; nothing twice."""
    found = watch()
    assert titles(found, build_snapshot(FIRST)) == []
    assert titles(found, build_snapshot(FIRST, WARNING, SECOND)) == ["P1 CoreDown fires", "P3 QueueLong fires"]
    assert titles(found, build_snapshot(FIRST, WARNING, SECOND)) == []
    assert titles(found, build_snapshot(WARNING, SECOND)) == ["P1 HighErrorRate resolved"]


def test_a_storm_is_one_notification_a_severity() -> None:
    """Five hundred alerts that start at once ring once, with their number."""
    found = watch()
    titles(found, build_snapshot(FIRST))
    storm = [tracked("PodDown", "critical", pod=str(at)) for at in range(500)]
    assert titles(found, build_snapshot(FIRST, *storm)) == ["P1 PodDown and 499 more fire"]


@pytest.mark.parametrize("health", [Health.DOWN, Health.STALE])
def test_a_list_that_is_old_or_gone_ends_no_alert(health: Health) -> None:
    """An Alertmanager that does not answer resolves nothing, and what comes back with it is not new."""
    found = watch()
    titles(found, build_snapshot(FIRST, WARNING))
    good = build_snapshot(WARNING)
    sources = tuple(replace(item, health=health) if item.name == "alertmanager" else item for item in good.sources)
    partial = replace(good, sources=sources)
    assert titles(found, partial) == []
    assert titles(found, replace(build_snapshot(), alerts_known=False)) == []
    assert titles(found, replace(build_snapshot(FIRST, WARNING), sources=sources)) == []
    titles(found, replace(partial, alerts=(WARNING,)))
    assert titles(found, build_snapshot(FIRST, WARNING)) == []


@pytest.mark.parametrize("health", [Health.DOWN, Health.DENIED, Health.WAITING, Health.UP])
def test_an_alert_that_only_prometheus_could_send_again_ends_none(health: Health) -> None:
    """Alertmanager drops an alert some minutes after Prometheus is gone: that resolves nothing, and it is not new afterwards.
    One that is still missing with Prometheus back is resolved then; a Prometheus that is not polled counts as gone.
    """
    found = watch()
    titles(found, build_snapshot(FIRST, WARNING))
    paused = NOW - 60.0 if health is Health.UP else None
    sources = tuple(
        replace(item, health=health, paused_at=paused) if item.name == "prometheus" else item
        for item in build_snapshot().sources
    )
    asked = health is not Health.WAITING
    assert titles(found, replace(build_snapshot(), sources=sources, rules_requested=asked)) == []
    assert titles(found, build_snapshot(FIRST)) == ["P3 QueueLong resolved"]
    unknown = tuple(
        replace(item, health=Health.NOT_CONFIGURED) if item.name == "prometheus" else item for item in build_snapshot().sources
    )
    assert titles(found, replace(build_snapshot(), sources=unknown)) == ["P1 HighErrorRate resolved"]


def test_an_alert_that_ended_behind_an_old_list_is_resolved_by_the_next_good_one() -> None:
    """What an old or partial list no longer has is over only when a whole list says so, and then it is said."""
    found = watch()
    titles(found, build_snapshot(FIRST, WARNING))
    good = build_snapshot(WARNING)
    sources = tuple(replace(item, health=Health.STALE) if item.name == "alertmanager" else item for item in good.sources)
    assert titles(found, replace(good, sources=sources)) == []
    assert titles(found, build_snapshot(replace(WARNING))) == ["P1 HighErrorRate resolved"]


@pytest.mark.parametrize("relabelled", [False, True])
def test_an_alert_that_reaches_alertmanager_late_neither_ends_nor_begins(relabelled: bool) -> None:
    """Undelivered it has Prometheus' labels, delivered also the external ones; it is the same alert, there and back.

    Another instance of it, which only looks alike, is told as what it is.
    """
    first = tracked("HighErrorRate", "critical", pod="a")
    own, added = first.alert, (("cluster", "prod"),)
    sent = tuple(sorted((*own.labels, ("region", "eu")))) if relabelled else ()
    late = replace(first, alert=replace(own, state=AlertState.UNDELIVERED, sent_labels=sent))
    delivered = replace(first, alert=replace(own, labels=tuple(sorted((*(sent or own.labels), *added)))))
    other = tracked("HighErrorRate", "critical", pod="b")
    found = watch()
    titles(found, build_snapshot(late, WARNING))
    assert titles(found, build_snapshot(delivered, WARNING)) == []
    assert titles(found, build_snapshot(late, WARNING)) == []
    assert titles(found, build_snapshot(other, WARNING)) == ["P1 HighErrorRate fires", "P1 HighErrorRate resolved"]


def test_an_alert_whose_label_relabelling_dropped_is_the_same() -> None:
    """Alertmanager lists it without a label that Prometheus has: nothing contradicts that it is the lost one."""
    first = tracked("HighErrorRate", "critical", pod="a", replica="1")
    late = replace(first, alert=replace(first.alert, fingerprint="prometheus:1", state=AlertState.UNDELIVERED))
    kept = tuple(item for item in first.alert.labels if item[0] != "replica")
    delivered = replace(first, alert=replace(first.alert, labels=kept))
    found = watch()
    titles(found, build_snapshot(late, WARNING))
    assert titles(found, build_snapshot(delivered, WARNING)) == []
    assert titles(found, build_snapshot(late, WARNING)) == []


def test_an_alert_that_left_the_list_is_resolved_once_the_rules_show_it() -> None:
    """Alertmanager has just restarted without it: no news, neither while the rules are read nor when it is listed again."""
    found = watch()
    titles(found, build_snapshot(FIRST, WARNING))
    assert titles(found, build_snapshot(WARNING, open_ends=(FIRST.alert,))) == []
    sent = replace(FIRST.alert, fingerprint="prometheus:1")
    assert titles(found, build_snapshot(WARNING, open_ends=(sent,))) == []
    assert titles(found, build_snapshot(FIRST, WARNING)) == []
    assert titles(found, build_snapshot(WARNING, open_ends=(FIRST.alert,))) == []
    assert titles(found, build_snapshot(replace(WARNING))) == ["P1 HighErrorRate resolved"]


def test_an_unknown_end_is_judged_once_for_the_same_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each snapshot asks, of what may be thousands of alerts; only another list, other rules or an end may answer otherwise."""
    judged = list[str]()

    def judge(fingerprint: str, labels: Labels, shown: Snapshot) -> bool:
        judged.append(fingerprint)
        return has_ended(fingerprint, labels, shown)

    monkeypatch.setattr("console.monitor.notification_watch.has_ended", judge)
    found = watch()
    titles(found, build_snapshot(FIRST, WARNING))
    doubtful = build_snapshot(WARNING, open_ends=(FIRST.alert,))
    assert [titles(found, replace(doubtful, taken_at=NOW + at)) for at in range(5)] == [[]] * 5
    assert len(judged) == 1
    assert titles(found, replace(doubtful, rules=(*doubtful.rules, *doubtful.rules))) == []
    assert len(judged) == 2
    assert titles(found, replace(doubtful, open_ends=())) == ["P1 HighErrorRate resolved"]


def test_a_silenced_alert_is_not_resolved_and_fires_again_when_the_silence_ends() -> None:
    """It leaves the active ones without being over; the end of the silence is a new alert."""
    found = watch()
    silenced = replace(FIRST, alert=replace(FIRST.alert, state=AlertState.SUPPRESSED, silenced_by=("s-1",)))
    titles(found, build_snapshot(FIRST))
    assert titles(found, build_snapshot(silenced)) == []
    assert titles(found, build_snapshot(FIRST)) == ["P1 HighErrorRate fires"]


def test_the_same_alerts_from_another_source_are_not_new() -> None:
    """Prometheus spells them with other labels; only a name that was not there before is news."""
    found = watch()
    titles(found, build_snapshot(FIRST))
    other = replace(FIRST, alert=replace(FIRST.alert, labels=(("alertname", "HighErrorRate"), ("severity", "critical"))))
    assert titles(found, replace(build_snapshot(other, SECOND), alerts_from="prometheus")) == ["P1 CoreDown fires"]


def opened(**changes: Any) -> Snapshot:
    """An incident declared now, of which somebody acknowledged nothing yet."""
    incident = replace(Incident("i1", 4, "error ratio", Priority.P1, NOW, "ann@vm"), **changes)
    return build_snapshot(ledger=JournalState(incidents=Incidents((incident,))))


def test_a_response_timer_that_runs_out_rings_once() -> None:
    """When it is overdue, not at the exact moment, not again a minute later; what was overdue at the start does not ring."""
    found, due = watch(), load_severity_policies(IncidentSettings()).for_severity(Priority.P1).acknowledge_seconds
    assert titles(found, opened(), NOW + due) == []
    assert titles(found, opened(), NOW + due + 0.1) == ["P1 incident 4: acknowledge is overdue"]
    assert titles(found, opened(), NOW + due + 60.0) == []
    late = watch()
    assert titles(late, opened(), NOW + 10 * due) == []
    assert titles(late, opened(), NOW + 10 * due + 60) == []


def test_an_incident_that_was_quiet_for_long_enough_says_so() -> None:
    """The end of the stability window is a timer too."""
    policy = load_severity_policies(IncidentSettings()).for_severity(Priority.P1)
    done = {step: StepCompletion(NOW, "ann@vm") for step in (Step.ACKNOWLEDGE, Step.ASSESS, Step.MITIGATE)}
    found = watch(kinds=("timer",))
    titles(found, opened(completions=done), NOW)
    rung = titles(found, opened(completions=done), NOW + policy.stability_seconds)
    assert "P1 incident 4: the stability window ended; ready to resolve" in rung


@pytest.mark.parametrize("health", [Health.DOWN, Health.DENIED, Health.STALE])
def test_no_window_is_stable_while_nothing_lists_the_alerts(health: Health) -> None:
    """It ends with Alertmanager down: that rings only once Alertmanager lists none of the incident's alerts, and then once."""
    policy = load_severity_policies(IncidentSettings()).for_severity(Priority.P1)
    done = {step: StepCompletion(NOW, "ann@vm") for step in (Step.ACKNOWLEDGE, Step.ASSESS, Step.MITIGATE)}
    alert = LinkedAlert(FIRST.alert.fingerprint, FIRST.alert.name)
    calm = opened(completions=done, alerts=(alert,), seen={f"alert:{alert.fingerprint}": LastRecorded(RESOLVED, NOW)})
    sources = tuple(replace(item, health=health) if item.name == "alertmanager" else item for item in calm.sources)
    found, ends = watch(kinds=("timer",)), NOW + policy.stability_seconds
    shown = (
        calm,
        replace(calm, sources=sources),
        replace(calm, alerts_known=False),
        replace(calm, alerts=(FIRST,)),
        calm,
        calm,
    )
    rung = [titles(found, item, ends + at) for at, item in enumerate(shown, -1)]
    ready = "P1 incident 4: the stability window ended; ready to resolve"
    assert [ready in item for item in rung] == [False, False, False, False, True, False]


def test_a_silence_that_ends_soon_names_what_notifies_again() -> None:
    """Ten minutes before its end, once, with the severity of the worst alert that it hides; extended, again before that end."""
    hidden = replace(FIRST, alert=replace(FIRST.alert, state=AlertState.SUPPRESSED, silenced_by=("s-1",)))
    silence = Silence("s-1", (Matcher("alertname", "HighErrorRate"),), NOW - 60, NOW + 660, "ann@vm", "rebuilding")
    shown, found = replace(build_snapshot(hidden), silences=(silence,)), watch()
    assert titles(found, shown, NOW) == []
    (item,) = found.collect(shown, NOW + 60.0)
    assert (item.kind, item.title) == ("silence", 'P1 a silence ends in 10m: alertname="HighErrorRate"')
    assert item.text == "then HighErrorRate will notify again; ann@vm: rebuilding"
    assert titles(found, shown, NOW + 120.0) == []
    extended = replace(shown, silences=(replace(silence, ends_at=NOW + 7200),))
    assert titles(found, extended, NOW + 180.0) == []
    assert len(titles(found, extended, NOW + 7000.0)) == 1


def test_the_end_of_a_shift_is_known_only_after_a_signed_handover() -> None:
    """Twelve hours after the signature, ten minutes before; without a signature nobody knows when a shift ends."""
    signed = JournalState(handovers=(HandoverSignature(NOW, "ann@vm", "Ann"),))
    ends, found = NOW + 12 * 3600.0, watch()
    assert titles(found, build_snapshot(ledger=signed), ends - 601.0) == []
    assert titles(found, build_snapshot(ledger=signed), ends - 600.0) == ["P3 the shift ends in 10m"]
    assert titles(found, build_snapshot(ledger=signed), ends) == []
    assert titles(watch(), build_snapshot(), ends) == []


def test_only_the_kinds_that_the_settings_name() -> None:
    """`kinds` leaves out the rest."""
    found = watch(kinds=("resolved",))
    titles(found, build_snapshot(FIRST))
    assert titles(found, build_snapshot(SECOND)) == ["P1 HighErrorRate resolved"]


def test_the_title_names_the_worst_and_oldest() -> None:
    """Of the severities that it is for; nothing where none is active."""
    shown = build_snapshot(FIRST, SECOND, WARNING)
    worst = find_worst(shown, (Priority.P1,))
    assert worst is not None and worst.alert.name == "HighErrorRate"
    assert find_worst(build_snapshot(WARNING), (Priority.P1,)) is None
    assert find_worst(shown, ()) is None


def test_the_title_grades_the_same_alerts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each snapshot asks for the worst of what may be thousands of alerts, and most have the alerts of the one before."""
    shown = build_snapshot(FIRST, SECOND, WARNING)
    found = find_worst(shown, (Priority.P1,))

    def grade(alert: Alert) -> Priority:
        raise AssertionError(f"{alert.name} is graded again")

    monkeypatch.setattr(Alert, "priority", property(grade))
    assert found is not None and find_worst(replace(shown, taken_at=shown.taken_at + 1.0), (Priority.P1,)) is found
    assert find_worst(shown, ()) is None


@pytest.mark.parametrize(
    ("clock", "quiet"), [("21:59", False), ("22:00", True), ("23:59", True), ("00:00", True), ("05:59", True), ("06:00", False)]
)
def test_quiet_hours_over_midnight(clock: str, quiet: bool) -> None:
    """From the first minute to the last, in local time; a P1 rings all the same, unless nothing may."""
    hours, minutes = map(int, clock.split(":"))
    now = time.mktime((2026, 1, 2, hours, minutes, 0, 0, 0, -1))
    night = QuietHours(22 * 60, 6 * 60)
    assert is_quiet(night, Priority.P3, now) is quiet
    assert not is_quiet(night, Priority.P1, now)
    assert is_quiet(replace(night, severities=()), Priority.P1, now) is quiet
    assert not is_quiet(None, Priority.P3, now)
    assert is_quiet(QuietHours(hours * 60 + minutes, hours * 60 + minutes + 1), Priority.P3, now)


def test_what_an_alert_says_is_text_in_a_command() -> None:
    """Placeholders are filled once: an alert that is called like one, has quotes, a newline or looks like an option stays one
    argument, and control characters are written out.
    """
    item = build_notification("alert", Priority.P1, "{text}; rm -rf / $(id)\n" + HOSTILE[:20], "--exec=id")
    filled = fill_command(("page", "{severity}", "{title}", "--body={text}", "{text}", "{other} {", "{kind}"), item)
    assert filled[:2] == ("page", "P1")
    assert filled[2].startswith("P1 {text}; rm -rf / $(id)\\n[bold]")
    assert filled[3:] == ("--body= --exec=id", " --exec=id", "{other} {", "alert")
    assert not any(character in part for part in filled for character in "\n\x1b\x07")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"silenced_by": ("s-1", "s-2")}, "its alerts stay suppressed; ann@vm: rebuilding"),
        ({"inhibited_by": ("f-1",)}, "its alerts stay suppressed; ann@vm: rebuilding"),
        ({"muted_by": ("weekends",)}, "its alerts stay suppressed; ann@vm: rebuilding"),
        ({"state": AlertState.ACTIVE, "silenced_by": ()}, "hides nothing now; ann@vm: rebuilding"),
    ],
)
def test_a_silence_that_ends_names_no_alert_that_stays_suppressed(changes: dict[str, Any], text: str) -> None:
    """A second silence, an inhibition or a mute time keeps the alert from notifying; nothing else is promised."""
    alert = replace(FIRST.alert, state=AlertState.SUPPRESSED, silenced_by=("s-1",))
    hidden = replace(FIRST, alert=replace(alert, **changes))
    silence = Silence("s-1", (Matcher("alertname", "HighErrorRate"),), NOW - 60, NOW + 600, "ann@vm", "rebuilding")
    (item,) = watch(kinds=("silence",)).collect(replace(build_snapshot(hidden), silences=(silence,)), NOW)
    assert (item.text, item.severity) == (text, Priority.P4)


def test_no_window_is_stable_while_no_rule_is_evaluated() -> None:
    """Prometheus went down after the incident's alerts had ended: they may fire again unseen, so it rings once it is back."""
    policy = load_severity_policies(IncidentSettings()).for_severity(Priority.P1)
    done = {step: StepCompletion(NOW, "ann@vm") for step in (Step.ACKNOWLEDGE, Step.ASSESS, Step.MITIGATE)}
    alert = LinkedAlert(FIRST.alert.fingerprint, FIRST.alert.name)
    calm = opened(completions=done, alerts=(alert,), seen={f"alert:{alert.fingerprint}": LastRecorded(RESOLVED, NOW)})
    sources = tuple(replace(item, health=Health.DOWN) if item.name == "prometheus" else item for item in calm.sources)
    found, ends = watch(kinds=("timer",)), NOW + policy.stability_seconds
    titles(found, calm, NOW)
    rung = [titles(found, item, ends + at) for at, item in enumerate((replace(calm, sources=sources), calm), 1)]
    ready = "P1 incident 4: the stability window ended; ready to resolve"
    assert [ready in item for item in rung] == [False, True]
