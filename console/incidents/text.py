"""Incidents as lines of text, for headless commands."""

from __future__ import annotations

from collections.abc import Iterable

from console.incidents.response_timers import (
    ResponseTimer,
    TimerState,
    escalate_at,
    overdue_timers,
    response_timers,
    update_due_at,
)
from console.incidents.severity_policy import SeverityPolicies, SeverityPolicy
from console.journal.payloads import Role, Source
from console.state.incident import FollowUp, Incident, TimelineEntry
from console.state.public_status import public_status
from queries.model.text import visible
from queries.text.durations import format_span
from queries.text.times import format_clock


def status_text(incident: Incident, policy: SeverityPolicy, now: float) -> str:
    """`open 12m3s, monitoring` or `closed after 40m2s`, with what is overdue."""
    if not incident.open:
        return f"closed after {format_span((incident.closed_at or now) - incident.began_at)}"
    late = ", ".join(item.step.value for item in overdue_timers(incident, policy, now))
    text = f"open {format_span(now - incident.began_at)}, {public_status(incident)}"
    return f"{text}, OVERDUE: {late}" if late else text


def timer_text(timer: ResponseTimer, now: float) -> str:
    """`done 14:03:27Z by ann`, `due in 4m10s`, `OVERDUE 2m`, `stable, 3m to go`, `waiting: until it is mitigated`."""
    left, completion = timer.left_seconds(now) or 0.0, timer.completion
    done = why = ""
    if completion is not None:
        done = f"{format_clock(completion.at)} by {visible(completion.author)}"
        reason = visible(completion.because or completion.note)
        why = f" ({reason})" if reason else ""
    match timer.state:
        case TimerState.DONE:
            return f"done {done}{why}"
        case TimerState.DUE:
            return f"{f'done {done}{why}; next ' if done else ''}due in {format_span(left)}"
        case TimerState.OVERDUE:
            return f"OVERDUE {format_span(-left)}{f' (last {done})' if done else ''}"
        case TimerState.STABLE:
            return "stable for the whole window" if left <= 0 else f"stable, {format_span(left)} to go"
        case _:
            return f"waiting: {visible(timer.why)}"


def incident_lines(incident: Incident, policies: SeverityPolicies, now: float) -> Iterable[tuple[str, str]]:
    """Names and values: people, duration, every step, what is due, whom to page."""
    policy = policies.for_severity(incident.severity)
    yield "incident", f"{incident.number} ({incident.id})"
    yield "title", visible(incident.title)
    yield "severity", f"{incident.severity} ({policy.meaning})"
    yield "state", status_text(incident, policy, now)
    yield "declared", f"{format_clock(incident.declared_at)} by {visible(incident.declared_by)}"
    yield "detected", format_clock(incident.detected_at) if incident.detected_at else "without an alert"
    yield "alerts", visible(", ".join(item.name for item in incident.alerts)) or "none linked"
    for role in Role:
        yield role.value, visible(incident.person(role)) or "nobody"
    for timer in response_timers(incident, policy, now):
        yield timer.step.value, timer_text(timer, now)
    due = update_due_at(incident, policy)
    if due is not None:
        yield "next update", f"due in {format_span(due - now)}" if due >= now else f"OVERDUE {format_span(now - due)}"
    when = escalate_at(incident, policy)
    if when is not None:
        at = "now" if when <= now else f"at {format_clock(when)}, in {format_span(when - now)}"
        yield "escalate", f"{at}: {visible(policy.escalation)}"
        for team, address in policies.escalation_contacts(incident.severity):
            yield "", f"{visible(team)}: {visible(address)}"
    for update in incident.updates:
        sent = ", ".join(f"{item.state} {item.where}".strip() for item in update.deliveries) or "not sent"
        first = visible(update.text.splitlines()[0] if update.text else "")
        yield f"update {update.id}", f"{format_clock(update.at)} {visible(sent)}: {first}"
    for item in incident.follow_ups:
        yield f"follow-up {item.id}", follow_up_text(item)


def follow_up_text(item: FollowUp) -> str:
    """`open, bob until 2026-12-05: widen the canary`."""
    until = f" until {visible(item.due)}" if item.due else ""
    return f"{'done' if item.done else 'open'}, {visible(item.owner) or 'nobody'}{until}: {visible(item.text)}"


def entry_row(entry: TimelineEntry) -> tuple[str, str, str, str]:
    """Author, time, source, text."""
    corrects = f" (corrects {entry.corrects})" if entry.corrects else ""
    return author_text(entry), format_clock(entry.at), entry.source.value, visible(entry.text) + corrects


def author_text(entry: TimelineEntry) -> str:
    """Who did it; for what a console only observed, whose console that was."""
    observed = entry.source not in (Source.PERSON, Source.CONSOLE)
    return f"seen by {visible(entry.author)}" if observed else visible(entry.author)
