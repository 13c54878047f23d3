"""Incidents as the command line prints them: each state of a timer, each end, with values exactly on the line."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest

from console.incidents.incident_json import brief_json, incident_json
from console.incidents.response_timers import (
    ResponseTimer,
    TimerState,
    early_resolution,
    escalate_at,
    response_timers,
    stable_at,
    update_due_at,
)
from console.incidents.severity_policy import load_severity_policies
from console.incidents.text import author_text, entry_row, incident_lines, status_text, timer_text
from console.state.incident import (
    Delivery,
    DeliveryState,
    Incident,
    LastRecorded,
    LinkedAlert,
    Role,
    Source,
    Step,
    StepCompletion,
    TimelineEntry,
    Update,
)
from queries.model.severity import Priority

T = 1_767_276_000.0  # 2026-01-01 14:00:00Z
POLICIES = load_severity_policies()
POLICY = POLICIES.for_severity(Priority.P1)


def incident(**changes: Any) -> Incident:
    alerts = (LinkedAlert("f1", "HighErrorRate"), LinkedAlert("f2", "ProviderDown"))
    return replace(Incident("i1", 7, "errors", Priority.P1, T, "ann", detected_at=T - 60, alerts=alerts), **changes)


def steps(**at: float) -> MappingProxyType[Step, StepCompletion]:
    return MappingProxyType({Step(name): StepCompletion(when, "ann", note="by hand") for name, when in at.items()})


def seen(**last: tuple[str, float]) -> MappingProxyType[str, LastRecorded]:
    return MappingProxyType({f"alert:{name}": LastRecorded(value, at, 1) for name, (value, at) in last.items()})


def test_the_state_counts_from_the_first_alert() -> None:
    """Open with its public status, closed with its whole length; what is overdue is named, on the line it is not."""
    assert status_text(incident(), POLICY, T + 300) == "open 6m, investigating"
    assert status_text(incident(), POLICY, T + 301) == "open 6m1s, investigating, OVERDUE: acknowledge"
    assert status_text(incident(), POLICY, T + 601) == "open 11m1s, investigating, OVERDUE: acknowledge, assess"
    assert status_text(incident(completions=steps(acknowledge=T, assess=T)), POLICY, T + 60) == "open 2m, identified"
    assert status_text(incident(closed_at=T + 60), POLICY, T + 9999) == "closed after 2m"


@pytest.mark.parametrize(
    ("timer", "text"),
    [
        (ResponseTimer(Step.ASSESS, TimerState.DONE, None, StepCompletion(T, "ann")), "done 14:00:00Z by ann"),
        (
            ResponseTimer(Step.ASSESS, TimerState.DONE, None, StepCompletion(T, "ann", "rollback")),
            "done 14:00:00Z by ann (rollback)",
        ),
        (ResponseTimer(Step.ASSESS, TimerState.DONE, None, StepCompletion(T, "ann", "", "ok")), "done 14:00:00Z by ann (ok)"),
        (ResponseTimer(Step.ASSESS, TimerState.DUE, T + 250), "due in 4m10s"),
        (
            ResponseTimer(Step.COMMUNICATE, TimerState.DUE, T + 250, StepCompletion(T, "ann", note="call")),
            "done 14:00:00Z by ann (call); next due in 4m10s",
        ),
        (ResponseTimer(Step.ASSESS, TimerState.OVERDUE, T - 120), "OVERDUE 2m"),
        (
            ResponseTimer(Step.COMMUNICATE, TimerState.OVERDUE, T - 120, StepCompletion(T, "ann")),
            "OVERDUE 2m (last 14:00:00Z by ann)",
        ),
        (ResponseTimer(Step.RESOLVE, TimerState.STABLE, T + 1), "stable, 1s to go"),
        (ResponseTimer(Step.RESOLVE, TimerState.STABLE, T), "stable for the whole window"),
        (ResponseTimer(Step.RESOLVE, TimerState.WAITING, why="until it is mitigated"), "waiting: until it is mitigated"),
    ],
)
def test_each_state_of_a_timer(timer: ResponseTimer, text: str) -> None:
    """Who and why, what is next, and how long it is late."""
    assert timer_text(timer, T) == text


def test_every_line_of_an_open_incident() -> None:
    """People, steps, what is due, and whom to page; times of what was sent."""
    out = Update("u1", T + 100, "ann", "We look.\nMore soon.", (Delivery(T + 120, "ann", "chat", DeliveryState.SENT),))
    shown = incident(updates=(out, Update("u2", T + 130, "ann", "")), roles=((Role.COMMANDER, "ann"),))
    lines = list(incident_lines(shown, POLICIES, T + 60))
    found = dict(lines)
    assert lines[0] == ("incident", "7 (i1)") and found["title"] == "errors"
    assert found["severity"] == f"P1 ({POLICY.meaning})"
    assert (found["declared"], found["detected"]) == ("14:00:00Z by ann", "13:59:00Z")
    assert found["alerts"] == "HighErrorRate, ProviderDown"
    assert (found["commander"], found["scribe"]) == ("ann", "nobody")
    assert [name for name, _ in lines if name in set(Step)] == list(Step)
    assert found["next update"] == "due in 16m"
    assert (found["update u1"], found["update u2"]) == ("14:01:40Z sent chat: We look.", "14:02:10Z not sent: ")
    bare = dict(incident_lines(incident(alerts=(), detected_at=None), POLICIES, T + 60))
    assert (bare["alerts"], bare["detected"]) == ("none linked", "without an alert")


def test_an_update_is_due_at_its_time_and_overdue_after_it() -> None:
    """Exactly at its time it is due in 0s; a second later it is overdue by one."""
    due = T + POLICY.update_every_seconds
    assert dict(incident_lines(incident(), POLICIES, due))["next update"] == "due in 0s"
    assert dict(incident_lines(incident(), POLICIES, due + 1))["next update"] == "OVERDUE 1s"
    communicate = {
        at: next(item for item in response_timers(incident(), POLICY, at) if item.step is Step.COMMUNICATE)
        for at in (due, due + 1)
    }
    assert [item.state for item in communicate.values()] == [TimerState.DUE, TimerState.OVERDUE]
    assert [item.left_seconds(due) for item in communicate.values()] == [0.0, 0.0]
    assert update_due_at(incident(closed_at=T + 5), POLICY) is None
    assert update_due_at(incident(completions=steps(resolve=T + 5)), POLICY) is None


def test_a_step_is_overdue_after_its_time() -> None:
    """Exactly at its time a step is due."""
    for at, state in ((T + 300, TimerState.DUE), (T + 300.5, TimerState.OVERDUE)):
        assert response_timers(incident(), POLICY, at)[0].state is state


def test_escalation_is_now_from_its_time_on() -> None:
    """Before it, it says when and in how long; with the addresses of those whom the severity pages."""
    policy = replace(POLICY, escalate_after_seconds=600.0)
    policies = replace(POLICIES, severities=MappingProxyType({**POLICIES.severities, Priority.P1: policy}))
    assert escalate_at(incident(), policy) == T + 600
    lines = list(incident_lines(incident(), policies, T + 599))
    at = next(number for number, (name, _) in enumerate(lines) if name == "escalate")
    assert lines[at][1].startswith(f"at 14:10:00Z, in 1s: {policy.escalation}")
    contacts = policies.escalation_contacts(Priority.P1)
    assert contacts and [text for name, text in lines[at + 1 :] if not name] == [f"{team}: {where}" for team, where in contacts]
    assert dict(incident_lines(incident(), policies, T + 600))["escalate"].startswith("now: ")
    for over in (incident(completions=steps(mitigate=T)), incident(completions=steps(resolve=T)), incident(closed_at=T)):
        assert escalate_at(over, policy) is None


def test_stability_begins_with_the_later_of_mitigation_and_silence() -> None:
    """Two alerts: the window begins when the last of them resolved; while one fires it does not run, and both are named."""
    mitigated = incident(completions=steps(mitigate=T + 100), stability_seconds=60.0)
    assert early_resolution(incident(), POLICY, T) == "without a mitigation"
    one = replace(mitigated, seen=seen(f1=("resolved", T + 110), f2=("firing", T)))
    assert stable_at(one, POLICY) is None
    assert early_resolution(one, POLICY, T) == "while alerts still fire: ProviderDown"
    both = replace(mitigated, seen=seen(f1=("firing", T), f2=("firing", T)))
    assert early_resolution(both, POLICY, T) == "while alerts still fire: HighErrorRate, ProviderDown"
    calm = replace(mitigated, seen=seen(f1=("resolved", T + 110), f2=("resolved", T + 130)))
    assert stable_at(calm, POLICY) == T + 190
    assert [early_resolution(calm, POLICY, at) for at in (T + 189, T + 190)] == ["1s before the stability window ended", ""]
    unknown = "while the state of its alerts is unknown"
    early = [early_resolution(calm, POLICY, at, listed=None) for at in (T + 189, T + 190)]
    assert early == [f"1s before the stability window ended, {unknown}", unknown]
    assert early_resolution(calm, POLICY, T + 190, listed=calm.alerts[1:]) == "while alerts still fire: ProviderDown"
    assert stable_at(replace(mitigated, stability_seconds=None), POLICY) == T + 100 + POLICY.stability_seconds
    assert stable_at(replace(calm, seen=seen(f1=("resolved", T), f2=("resolved", T + 1))), POLICY) == T + 160


def test_who_did_it_and_who_saw_it() -> None:
    """What a console observed is seen by its owner, what somebody did is theirs; a correction names its entry."""
    entries = [
        TimelineEntry(T, source, "ann", "it fell", "e1", T, "e0" if source is Source.PERSON else "") for source in Source
    ]
    assert {item.source: author_text(item) for item in entries} == {
        source: "ann" if source in (Source.PERSON, Source.CONSOLE) else "seen by ann" for source in Source
    }
    rows = {item.source: entry_row(item) for item in entries}
    assert rows[Source.PERSON] == ("ann", "14:00:00Z", "person", "it fell (corrects e0)")
    assert rows[Source.CONSOLE] == ("ann", "14:00:00Z", "console", "it fell")


def test_the_published_json_of_the_command_line() -> None:
    """What is not there is null, never an empty text or a zero."""
    update = Update("u1", T + 1, "ann", "We look.", (Delivery(T + 2, "ann", "chat", DeliveryState.NOT_SENT, "500"),))
    entry = TimelineEntry(T, Source.PERSON, "bob", "note", "e1", T + 3)
    shown = incident(
        completions=steps(acknowledge=T + 9), updates=(update,), entries=(entry, replace(entry, id="e2", corrects="e1"))
    )
    found = incident_json(shown, POLICIES, T + 60)
    assert {**found, **brief_json(shown, POLICIES, T + 60)} == found
    assert [found[key] for key in ("id", "number", "title", "severity", "phase", "open")] == [
        "i1", 7, "errors", "P1", "investigating", True,
    ]  # fmt: skip
    assert (found["began_at"], found["declared_at"]) == ("2026-01-01T13:59:00Z", "2026-01-01T14:00:00Z")
    assert found["closed_at"] is None
    assert brief_json(incident(closed_at=T + 5), POLICIES, T)["closed_at"] == "2026-01-01T14:00:05Z"
    acknowledge, assess, *_ = found["steps"]
    assert acknowledge == {
        "step": "acknowledge", "state": "done", "due_at": None, "done_at": "2026-01-01T14:00:09Z", "by": "ann",
    }  # fmt: skip
    assert assess == {
        "step": "assess", "state": "due", "due_at": "2026-01-01T14:10:00Z", "done_at": None, "by": None,
    }  # fmt: skip
    assert found["roles"] == {role.value: None for role in Role}
    assert found["alerts"] == [
        {"fingerprint": "f1", "name": "HighErrorRate"}, {"fingerprint": "f2", "name": "ProviderDown"},
    ]  # fmt: skip
    assert found["updates"] == [
        {
            "id": "u1",
            "at": "2026-01-01T14:00:01Z",
            "author": "ann",
            "text": "We look.",
            "sendings": [{"where": "chat", "state": "not sent", "at": "2026-01-01T14:00:02Z", "why": "500"}],
        }
    ]
    assert [item["corrects"] for item in found["timeline"]] == [None, "e1"]
    assert found["timeline"][0]["recorded_at"] == "2026-01-01T14:00:03Z"
