"""The six steps of an incident as running clocks: done at, due in, overdue by."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from console.incidents.severity_policy import SeverityPolicy
from console.state.incident import Incident, Step, StepCompletion


class TimerState(StrEnum):
    DONE = "done"
    DUE = "due"
    OVERDUE = "overdue"
    STABLE = "stable"
    """Nothing fires any more, and the time for which that has to stay so runs."""
    WAITING = "waiting"
    """Its clock begins with an earlier step."""


@dataclass(frozen=True, slots=True)
class ResponseTimer:
    """One step now. `due_at` is Unix seconds, None where nothing is due; of a stable platform, when it was stable for long
    enough. `why` says what a waiting step waits for, `tick` who did it.
    """

    step: Step
    pace: TimerState
    due_at: float | None = None
    tick: StepCompletion | None = None
    why: str = ""

    def left_seconds(self, now: float) -> float | None:
        """How long until it is due; negative where it is overdue."""
        return None if self.due_at is None else self.due_at - now


def clocks(incident: Incident, response: SeverityPolicy, now: float) -> tuple[ResponseTimer, ...]:
    """All six, in their order."""
    return tuple(_clock(step, incident, response, now) for step in Step)


def overdue(incident: Incident, response: SeverityPolicy, now: float) -> tuple[ResponseTimer, ...]:
    return tuple(item for item in clocks(incident, response, now) if item.pace is TimerState.OVERDUE)


def update_due_at(incident: Incident, response: SeverityPolicy) -> float | None:
    """When the next update is due; None once the incident is resolved or closed."""
    if incident.resolved_at is not None or not incident.open:
        return None
    last = incident.communicated_at
    return max(last or 0.0, incident.declared_at) + response.update_every_seconds


def stable_at(incident: Incident, response: SeverityPolicy) -> float | None:
    """When it will have been stable for long enough, if nothing of it fires again; None where something does."""
    window = response.stability_seconds if incident.stability_seconds is None else incident.stability_seconds
    if incident.mitigated_at is None or incident.firing:
        return None
    return max(incident.mitigated_at, incident.quiet_since or 0.0) + window


def early_resolution(incident: Incident, response: SeverityPolicy, now: float) -> str:
    """What a resolution at this moment leaves out of the window of stability; empty where it was stable for long enough."""
    if incident.mitigated_at is None:
        return "without a mitigation"
    until = stable_at(incident, response)
    if until is None:
        return "while it still fires: " + ", ".join(item.name for item in incident.firing)
    return f"{until - now:.0f} s before it was stable for long enough" if now < until else ""


def escalate_at(incident: Incident, response: SeverityPolicy) -> float | None:
    """When to escalate; None once it is mitigated or over."""
    if incident.mitigated_at is not None or incident.resolved_at is not None or not incident.open:
        return None
    return incident.declared_at + response.escalate_after_seconds


def _clock(step: Step, incident: Incident, response: SeverityPolicy, now: float) -> ResponseTimer:
    tick = incident.ticks.get(step)
    if step is Step.COMMUNICATE:
        due = update_due_at(incident, response)
        # A tick by hand says that people were told, also where no update was written here.
        if due is not None and tick is not None:
            due = max(due, tick.at + response.update_every_seconds)
        if due is not None:
            return ResponseTimer(step, TimerState.OVERDUE if now > due else TimerState.DUE, due, tick)
        return (
            ResponseTimer(step, TimerState.DONE, None, tick)
            if tick
            else ResponseTimer(step, TimerState.WAITING, why="no update went out")
        )
    if tick is not None:
        return ResponseTimer(step, TimerState.DONE, None, tick)
    if step is Step.RESOLVE:
        if incident.mitigated_at is None:
            return ResponseTimer(step, TimerState.WAITING, why="after it is mitigated")
        until = stable_at(incident, response)
        if until is None:
            return ResponseTimer(
                step, TimerState.WAITING, why="still fires: " + ", ".join(item.name for item in incident.firing)
            )
        return ResponseTimer(step, TimerState.STABLE, until)
    if step is Step.REVIEW:
        if incident.resolved_at is None and incident.open:
            return ResponseTimer(step, TimerState.WAITING, why="after it is resolved")
        since = incident.resolved_at or incident.closed_at or incident.declared_at
        return _running(step, since + response.review_seconds, now)
    if not incident.open:
        return ResponseTimer(step, TimerState.WAITING, why="closed without it")
    limits = {
        Step.ACKNOWLEDGE: response.acknowledge_seconds,
        Step.ASSESS: response.assess_seconds,
        Step.MITIGATE: response.mitigate_seconds,
    }
    return _running(step, incident.declared_at + limits[step], now)


def _running(step: Step, due_at: float, now: float) -> ResponseTimer:
    return ResponseTimer(step, TimerState.OVERDUE if now > due_at else TimerState.DUE, due_at)
