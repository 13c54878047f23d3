"""Incidents in lines of text, for headless commands."""

from __future__ import annotations

from collections.abc import Iterable

from console.incidents.response_timers import ResponseTimer, TimerState, clocks, escalate_at, update_due_at
from console.incidents.severity_policy import SeverityPolicies, SeverityPolicy
from console.state.incident import Incident, Role, Source, TimelineEntry
from console.state.public_status import phase
from queries.model.text import visible
from queries.text.durations import format_span
from queries.text.times import format_clock


def state_words(incident: Incident, response: SeverityPolicy, now: float) -> str:
    """`open 12m 3s, monitoring` or `closed after 40m 2s`, with what is overdue."""
    if not incident.open:
        return f"closed after {format_span((incident.closed_at or now) - incident.began_at)}"
    late = [item.step.value for item in clocks(incident, response, now) if item.pace is TimerState.OVERDUE]
    told = f"open {format_span(now - incident.began_at)}, {phase(incident)}"
    return f"{told}, OVERDUE: {', '.join(late)}" if late else told


def clock_words(clock: ResponseTimer, now: float) -> str:
    """`done 14:03:27Z by ann`, `due in 4m 10s`, `OVERDUE 2m`, `stable, done in 3m`, `waiting: after it is mitigated`."""
    left = clock.left_seconds(now)
    done = f"{format_clock(clock.tick.at)} by {visible(clock.tick.author)}" if clock.tick else ""
    told = visible(clock.tick.because or clock.tick.note) if clock.tick else ""
    why = f" ({told})" if told else ""
    match clock.pace:
        case TimerState.DONE:
            return f"done {done}{why}"
        case TimerState.DUE:
            return f"{f'done {done}{why}; next ' if clock.tick else ''}due in {format_span(left or 0.0)}"
        case TimerState.OVERDUE:
            return f"OVERDUE {format_span(-(left or 0.0))}{f' (last {done})' if clock.tick else ''}"
        case TimerState.STABLE:
            return "stable for long enough" if left is not None and left <= 0 else f"stable, {format_span(left or 0.0)} to go"
        case _:
            return f"waiting: {visible(clock.why)}"


def incident_lines(incident: Incident, response: SeverityPolicies, now: float) -> Iterable[tuple[str, str]]:
    """Names and values: who, how long, every step, what is due, whom to call."""
    own = response.of(incident.severity)
    yield "incident", f"{incident.number} ({incident.id})"
    yield "title", visible(incident.title)
    yield "severity", f"{incident.severity} ({own.meaning})"
    yield "state", state_words(incident, own, now)
    yield "declared", f"{format_clock(incident.declared_at)} by {visible(incident.declared_by)}"
    yield "detected", format_clock(incident.detected_at) if incident.detected_at else "without an alert"
    yield "alerts", visible(", ".join(item.name for item in incident.alerts)) or "none linked"
    for role in Role:
        yield role.value, visible(incident.person(role)) or "nobody"
    for clock in clocks(incident, own, now):
        yield clock.step.value, clock_words(clock, now)
    due = update_due_at(incident, own)
    if due is not None:
        yield "next update", f"due in {format_span(due - now)}" if due >= now else f"OVERDUE {format_span(now - due)}"
    when = escalate_at(incident, own)
    if when is not None:
        told = "now" if when <= now else f"at {format_clock(when)}, in {format_span(when - now)}"
        yield "escalate", f"{told}: {visible(own.escalation)}"
        for team, address in response.call(incident.severity):
            yield "", f"{visible(team)}: {visible(address)}"
    for update in incident.updates:
        went = ", ".join(f"{item.state} {item.where}".strip() for item in update.sendings) or "not sent"
        yield (
            f"update {update.id}",
            f"{format_clock(update.at)} {visible(went)}: {visible(update.text.splitlines()[0] if update.text else '')}",
        )


def entry_row(entry: TimelineEntry) -> tuple[str, str, str, str]:
    """Time, source, author, text."""
    corrects = f" (corrects {entry.corrects})" if entry.corrects else ""
    return format_clock(entry.at), entry.source.value, author_words(entry), visible(entry.text) + corrects


def author_words(entry: TimelineEntry) -> str:
    """Who did it; of what a console only saw, whose console that was."""
    seen = entry.source not in (Source.PERSON, Source.CONSOLE)
    return f"seen by {visible(entry.author)}" if seen else visible(entry.author)
