"""The steps as clocks: due, overdue, done, and the window of stability."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

import pytest

from console.incidents.response_timers import (
    Deadline,
    ResponseTimer,
    TimerState,
    escalate_at,
    find_first_response,
    list_deadlines,
    list_passed_deadlines,
    overdue_timers,
    response_timers,
    stable_at,
    update_due_at,
)
from console.incidents.severity_policy import load_severity_policies
from console.incidents.text import timer_text
from console.state.incident import Delivery, DeliveryState, Incident, LastRecorded, LinkedAlert, Step, StepCompletion, Update
from console.state.incident_metrics import compute_metrics
from queries.model.alert import Priority

T = 1_767_276_000.0
RESPONSE = load_severity_policies().for_severity(Priority.P1)


def incident(**changes: object) -> Incident:
    made = Incident("i1", 1, "errors", Priority.P1, T, "ann", detected_at=T - 60, alerts=(LinkedAlert("f", "HighErrorRate"),))
    return replace(made, **changes)  # type: ignore[arg-type]


def ticked(**at: float) -> MappingProxyType[Step, StepCompletion]:
    return MappingProxyType({Step(name): StepCompletion(when, "ann") for name, when in at.items()})


def seen(value: str, at: float) -> MappingProxyType[str, LastRecorded]:
    return MappingProxyType({"alert:f": LastRecorded(value, at, 1)})


def clock(of: Incident, step: Step, now: float) -> ResponseTimer:
    return next(item for item in response_timers(of, RESPONSE, now) if item.step is step)


def test_a_fresh_p1() -> None:
    """Acknowledge within 5 min, assess 10, an update 15, mitigate 30; resolving and the review wait for their turn."""
    now = response_timers(incident(), RESPONSE, T + 60)
    assert [item.state for item in now] == [TimerState.DUE] * 4 + [TimerState.WAITING] * 2
    assert [item.left_seconds(T + 60) for item in now[:4]] == [240, 540, 840, 1740]
    assert [item.step for item in overdue_timers(incident(), RESPONSE, T + 700)] == [Step.ACKNOWLEDGE, Step.ASSESS]


def test_an_update_is_due_again_and_again() -> None:
    """Each one that went out starts the next quarter of an hour; one that was not sent does not; after the end none is."""
    out = Update("u", T + 100, "ann", "x", (Delivery(T + 120, "ann", "chat", DeliveryState.SENT),))
    failed = Update("v", T + 900, "ann", "y", (Delivery(T + 910, "ann", "chat", DeliveryState.NOT_SENT, "500"),))
    told = incident(updates=(out, failed), completions=ticked(communicate=T + 120))
    assert update_due_at(told, RESPONSE) == T + 120 + 900
    assert clock(told, Step.COMMUNICATE, T + 1000).state is TimerState.DUE
    assert clock(told, Step.COMMUNICATE, T + 1021).state is TimerState.OVERDUE
    over = replace(told, completions=ticked(communicate=T + 120, resolve=T + 1000))
    assert clock(over, Step.COMMUNICATE, T + 9000).state is TimerState.DONE


def test_a_communication_completed_by_hand_has_one_due_time() -> None:
    """The time of the step and the time of the next update are the same, without an update and after an older one."""
    out = Update("u", T + 100, "ann", "x", (Delivery(T + 120, "ann", "chat", DeliveryState.SENT),))
    for updates in ((), (out,)):
        done = incident(updates=updates, completions=ticked(communicate=T + 840))
        assert update_due_at(done, RESPONSE) == clock(done, Step.COMMUNICATE, T + 960).due_at == T + 840 + 900


def test_the_window_of_stability() -> None:
    """It runs from the last alert's end or the mitigation, whichever is later, and starts anew when one fires again."""
    assert clock(incident(), Step.RESOLVE, T).why == "until it is mitigated"
    mitigated = incident(completions=ticked(mitigate=T + 300), seen=seen("firing", T))
    assert stable_at(mitigated, RESPONSE) is None
    assert clock(mitigated, Step.RESOLVE, T + 400).why == "alerts still fire: HighErrorRate"
    quiet = replace(mitigated, seen=seen("resolved", T + 360))
    assert stable_at(quiet, RESPONSE) == T + 360 + 900
    assert clock(quiet, Step.RESOLVE, T + 400).state is TimerState.STABLE
    assert stable_at(replace(quiet, stability_seconds=10.0), RESPONSE) == T + 370
    assert stable_at(replace(quiet, seen=seen("firing", T + 500)), RESPONSE) is None
    early = replace(quiet, seen=seen("resolved", T + 100))
    assert stable_at(early, RESPONSE) == T + 300 + 900


def test_the_review_is_due_a_day_after_the_end() -> None:
    """After the resolution, or after the closing of one that was never resolved."""
    resolved = incident(completions=ticked(resolve=T + 1000))
    assert clock(resolved, Step.REVIEW, T + 1001).left_seconds(T + 1001) == 86_399
    closed = incident(closed_at=T + 50)
    assert clock(closed, Step.REVIEW, T + 100_000).state is TimerState.OVERDUE
    assert clock(closed, Step.MITIGATE, T + 100).why == "the incident was closed without it"


def test_when_to_escalate() -> None:
    """At once with P1, after a quarter of an hour with P2, not any more once it is mitigated."""
    assert escalate_at(incident(), RESPONSE) == T
    assert escalate_at(incident(), load_severity_policies().for_severity(Priority.P2)) == T + 900
    assert escalate_at(incident(completions=ticked(mitigate=T + 1)), RESPONSE) is None


def test_kpis_over_thirty_days() -> None:
    """Counts by severity, and means of those that came so far, from the detection; an incident is over for people once it is
    mitigated, and at its resolution where nothing mitigated it; without any the mean is not known.
    """
    one = incident(completions=ticked(acknowledge=T, mitigate=T + 240, resolve=T + 540))
    two = replace(
        one, id="i2", severity=Priority.P2, detected_at=None, completions=ticked(acknowledge=T + 180), closed_at=T + 600
    )
    old = replace(one, id="i0", declared_at=T - 40 * 86_400, detected_at=None)
    found = compute_metrics((old, one, two), now=T + 1000)
    assert [count for _, count in found.counts] == [1, 1, 0, 0]
    assert (found.mtta_seconds, found.acknowledged) == (120, 2)
    assert (found.mttr_seconds, found.recovered) == (300, 1)
    unmitigated = replace(one, completions=ticked(resolve=T + 540))
    assert compute_metrics((one, unmitigated), now=T + 1000).mttr_seconds == 450
    assert found.open == 1
    nothing = compute_metrics((), now=T)
    assert (nothing.mtta_seconds, nothing.mttr_seconds, nothing.count(Priority.P1)) == (None, None, 0)
    assert compute_metrics((replace(one, completions=ticked(acknowledge=T - 300)),), now=T).mtta_seconds == pytest.approx(0)


def test_a_deadline_rings_once() -> None:
    """In the second in which it ends, not before and not again; of every open incident, none of a closed one."""
    policies = load_severity_policies()
    policy = policies.for_severity(Priority.P1)
    shown = incident(completions=ticked())
    ends = T + policy.response_seconds
    assert policy.response_seconds == policy.update_every_seconds == 900.0

    def rung(after: float, until: float, *incidents: Incident) -> list[str]:
        return [deadline.name for _, deadline in list_passed_deadlines(incidents, policies, after=after, until=until)]

    assert rung(ends - 1, ends, shown) == ["response", "update"] == rung(ends - 5, ends + 5, shown)
    assert rung(ends, ends + 1, shown) == rung(ends - 2, ends - 1, shown) == []
    assert rung(ends - 1, ends, replace(shown, closed_at=T + 5)) == []
    answered = incident(completions=ticked(acknowledge=T, assess=T, communicate=T + 60))
    assert rung(ends - 1, ends, answered) == [] and find_first_response(answered) == T + 60
    assert rung(ends + 59, ends + 60, answered) == ["update"]


@pytest.mark.parametrize("name", ["response", "update", "stable"])
def test_a_deadline_is_late_after_its_moment(name: str) -> None:
    """At its moment it is due in 0s; after it, overdue - but for the end of the stability window, which is good news."""
    deadline = Deadline(name, T)
    assert [deadline.text(T - 240), deadline.text(T)] == [f"{name} in 4m", f"{name} in 0s"]
    assert [deadline.is_late(at) for at in (T - 1, T)] == [False, False]
    assert deadline.text(T + 120) == ("stable" if name == "stable" else "update OVERDUE 2m".replace("update", name))
    assert deadline.is_late(T + 0.1) is (name != "stable")


def test_the_deadlines_of_two_incidents() -> None:
    """Each with its own, the nearest first; a resolved one waits for nothing, a stable one for the end of its window."""
    policies = load_severity_policies()
    other = replace(incident(declared_at=T - 100), id="i2", number=2)
    rung = list_passed_deadlines((incident(), other), policies, after=T, until=T + 10_000)
    assert [(item.id, deadline.name, deadline.due_at - T) for item, deadline in rung] == [
        ("i1", "response", 900.0),
        ("i1", "update", 900.0),
        ("i2", "response", 800.0),
        ("i2", "update", 800.0),
    ]
    calm = incident(completions=ticked(mitigate=T + 60), seen=seen("resolved", T + 90), stability_seconds=30.0)
    assert [(item.name, item.due_at - T) for item in list_deadlines(calm, RESPONSE, T + 100)] == [
        ("stable", 120.0),
        ("response", 900.0),
        ("update", 900.0),
    ]
    assert list_deadlines(replace(calm, completions=ticked(mitigate=T + 60, resolve=T + 95)), RESPONSE, T + 100) == ()


def test_a_timer_in_words_on_its_line() -> None:
    """A window of stability that ends now is whole; with a part of a second to go it is not."""
    assert timer_text(ResponseTimer(Step.RESOLVE, TimerState.STABLE, T), T) == "stable for the whole window"
    assert timer_text(ResponseTimer(Step.RESOLVE, TimerState.STABLE, T + 1), T) == "stable, 1s to go"
