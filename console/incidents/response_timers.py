"""The six steps of an incident as timers: done at, due in, overdue by."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from console.incidents.severity_policy import SeverityPolicies, SeverityPolicy
from console.journal.payloads import Step
from console.state.incident import Incident, LinkedAlert, StepCompletion
from queries.model.frozen import dataclass
from queries.text.durations import format_brief_age, format_span


class TimerState(StrEnum):
    DONE = "done"
    DUE = "due"
    OVERDUE = "overdue"
    STABLE = "stable"
    """Nothing fires, and the stability window runs."""
    WAITING = "waiting"
    """Its timer starts with an earlier step."""


@dataclass(frozen=True, slots=True)
class ResponseTimer:
    """One step now. `due_at` is Unix seconds, None where nothing is due; of a stable platform, when the stability window ends.
    `why` says what a waiting step waits for.
    """

    step: Step
    state: TimerState
    due_at: float | None = None
    completion: StepCompletion | None = None
    why: str = ""
    alerts_fire: bool = False
    """Whether it waits for the incident's alerts to resolve."""

    def left_seconds(self, now: float) -> float | None:
        """Seconds until it is due; negative where it is overdue."""
        return None if self.due_at is None else self.due_at - now


def response_timers(incident: Incident, policy: SeverityPolicy, now: float) -> tuple[ResponseTimer, ...]:
    """All six, in order."""
    return tuple(_timer(step, incident, policy, now) for step in Step)


RESPONSE = (Step.ACKNOWLEDGE, Step.ASSESS, Step.COMMUNICATE)
"""The steps that the response time covers: someone works on it, its severity is known, and the public knows."""


def find_first_response(incident: Incident) -> float | None:
    """When the response was complete, Unix seconds; None while one of its steps is not done."""
    times = [incident.done_at(step) for step in RESPONSE]
    return None if None in times else max(at for at in times if at is not None)


@dataclass(frozen=True, slots=True)
class Deadline:
    """What an open incident waits for: `response`, `update` or `stable`, and when, Unix seconds."""

    name: str
    due_at: float

    def text(self, now: float) -> str:
        """`update in 4m`, `update OVERDUE 2m`, `stable in 6m`, `stable`."""
        if now <= self.due_at:
            return f"{self.name} in {format_brief_age(self.due_at - now)}"
        return self.name if self.name == STABLE else f"{self.name} OVERDUE {format_brief_age(now - self.due_at)}"

    def is_late(self, now: float) -> bool:
        return now > self.due_at and self.name != STABLE


STABLE = "stable"
"""The end of the stability window: good news, so it is never overdue."""


ALERTS_UNKNOWN = "while the state of its alerts is unknown"


def list_deadlines(incident: Incident, policy: SeverityPolicy, now: float) -> tuple[Deadline, ...]:
    """The response time until the response is complete, the next update, and the end of the stability window; the nearest
    first. None for a closed incident.
    """
    if not incident.open:
        return ()
    found = []
    if find_first_response(incident) is None and incident.resolved_at is None:
        found.append(Deadline("response", incident.declared_at + policy.response_seconds))
    communicate = next(item for item in response_timers(incident, policy, now) if item.step is Step.COMMUNICATE)
    if communicate.due_at is not None:
        found.append(Deadline("update", communicate.due_at))
    until = stable_at(incident, policy)
    if until is not None and incident.resolved_at is None:
        found.append(Deadline(STABLE, until))
    return tuple(sorted(found, key=lambda item: item.due_at))


def list_passed_deadlines(
    incidents: Iterable[Incident], policies: SeverityPolicies, *, after: float, until: float
) -> tuple[tuple[Incident, Deadline], ...]:
    """Every deadline of these incidents that ended after one time and not after another (Unix seconds): each rings once."""
    return tuple(
        (incident, deadline)
        for incident in incidents
        for deadline in list_deadlines(incident, policies.for_severity(incident.severity), until)
        if after < deadline.due_at <= until
    )


def overdue_timers(incident: Incident, policy: SeverityPolicy, now: float) -> tuple[ResponseTimer, ...]:
    """Those that are overdue."""
    return tuple(item for item in response_timers(incident, policy, now) if item.state is TimerState.OVERDUE)


def update_due_at(incident: Incident, policy: SeverityPolicy) -> float | None:
    """When the next update is due; None once the incident is resolved or closed."""
    if incident.resolved_at is not None or not incident.open:
        return None
    # Completed by hand, the step says that people know, even where nobody wrote an update here.
    completion = incident.completions.get(Step.COMMUNICATE)
    last = max(incident.communicated_at or 0.0, completion.at if completion else 0.0)
    return max(last, incident.declared_at) + policy.update_every_seconds


def stable_at(incident: Incident, policy: SeverityPolicy) -> float | None:
    """When the stability window ends if none of its alerts fires again; None while one fires, or before the mitigation."""
    window = policy.stability_seconds if incident.stability_seconds is None else incident.stability_seconds
    if incident.mitigated_at is None or incident.firing:
        return None
    return max(incident.mitigated_at, incident.quiet_since or 0.0) + window


def early_resolution(
    incident: Incident, policy: SeverityPolicy, now: float, *, listed: tuple[LinkedAlert, ...] | None = ()
) -> str:
    """What a resolution now would miss of the stability window; empty where nothing. `listed` are those of its alerts that are
    listed now, None where nobody knows.
    """
    if incident.mitigated_at is None:
        return "without a mitigation"
    until, firing = stable_at(incident, policy), incident.firing or listed
    if until is None or firing:
        return "while alerts still fire: " + ", ".join(item.name for item in firing or ())
    early = f"{format_span(until - now)} before the stability window ended" if now < until else ""
    return ", ".join(filter(None, (early, ALERTS_UNKNOWN if listed is None else "")))


def escalate_at(incident: Incident, policy: SeverityPolicy) -> float | None:
    """When to escalate; None once it is mitigated, resolved or closed."""
    if incident.mitigated_at is not None or incident.resolved_at is not None or not incident.open:
        return None
    return incident.declared_at + policy.escalate_after_seconds


def _timer(step: Step, incident: Incident, policy: SeverityPolicy, now: float) -> ResponseTimer:
    completion = incident.completions.get(step)
    if step is Step.COMMUNICATE:
        due = update_due_at(incident, policy)
        if due is not None:
            return ResponseTimer(step, TimerState.OVERDUE if now > due else TimerState.DUE, due, completion)
        return (
            ResponseTimer(step, TimerState.DONE, None, completion)
            if completion
            else ResponseTimer(step, TimerState.WAITING, why="no update was sent")
        )
    if completion is not None:
        return ResponseTimer(step, TimerState.DONE, None, completion)
    if step is Step.RESOLVE:
        if incident.mitigated_at is None:
            return ResponseTimer(step, TimerState.WAITING, why="until it is mitigated")
        until = stable_at(incident, policy)
        if until is None:
            names = ", ".join(item.name for item in incident.firing)
            return ResponseTimer(step, TimerState.WAITING, why=f"alerts still fire: {names}", alerts_fire=True)
        return ResponseTimer(step, TimerState.STABLE, until)
    if step is Step.REVIEW:
        if incident.resolved_at is None and incident.open:
            return ResponseTimer(step, TimerState.WAITING, why="until it is resolved")
        since = incident.resolved_at or incident.closed_at or incident.declared_at
        return _running(step, since + policy.review_seconds, now)
    if not incident.open:
        return ResponseTimer(step, TimerState.WAITING, why="the incident was closed without it")
    limits = {
        Step.ACKNOWLEDGE: policy.acknowledge_seconds,
        Step.ASSESS: policy.assess_seconds,
        Step.MITIGATE: policy.mitigate_seconds,
    }
    return _running(step, incident.declared_at + limits[step], now)


def _running(step: Step, due_at: float, now: float) -> ResponseTimer:
    return ResponseTimer(step, TimerState.OVERDUE if now > due_at else TimerState.DUE, due_at)
