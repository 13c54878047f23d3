"""An incident as lines of a screen: head, the timers of its six steps, panels and alerts, what is due."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from rich.cells import cell_len

from console.incidents.observations import describe_instability, find_linked
from console.incidents.response_timers import ResponseTimer, TimerState, escalate_at, response_timers, update_due_at
from console.journal.payloads import Role, Source, Step
from console.screens.base import section
from console.screens.render_context import RenderContext
from console.screens.staleness import alerts_caveat
from console.state.incident import Incident, TimelineEntry
from console.state.public_status import public_status
from queries.model.alert import AlertState
from queries.model.severity import Priority
from queries.text.durations import format_brief_age, format_timer
from queries.text.numbers import format_quantity
from queries.text.times import format_clock, format_minute
from widgets.formatting import VERDICT_WIDTH, verdict_label
from widgets.styled_text import VERDICT_TONES, Line, cut, fit, spread, text, width_of

if TYPE_CHECKING:
    from console.incidents.severity_policy import SeverityPolicies
    from console.state.snapshot import Snapshot

SEVERITY_TONES = {Priority.P1: "critical", Priority.P2: "warn", Priority.P3: "warn", Priority.P4: "accent"}
_STEP_TITLES = {
    Step.ACKNOWLEDGE: "Acknowledge",
    Step.ASSESS: "Assess",
    Step.COMMUNICATE: "Communicate",
    Step.MITIGATE: "Mitigate",
    Step.RESOLVE: "Resolve",
    Step.REVIEW: "Review",
}
_ROLES = {Role.COMMANDER: "commander", Role.OPERATIONS: "ops", Role.COMMUNICATIONS: "comms", Role.SCRIBE: "scribe"}


def render_head(incident: Incident, now: float, width: int) -> Iterable[Line]:
    """Severity, title and time since the start; below, the person in each role."""
    closed_at = incident.closed_at
    label = (
        f"closed after {format_timer(closed_at - incident.began_at)}"
        if closed_at
        else f"{public_status(incident)}  {format_timer(now - incident.began_at)}"
    )
    left: Line = (
        text(f" {incident.severity} ", SEVERITY_TONES[incident.severity]),
        text(f"#{incident.number} ", "dim"),
        text(incident.title, "strong"),
    )
    yield spread(left, (text(f"{label} ", "ok" if closed_at else "strong"),), width)
    spans: list[tuple[str, str]] = [(" ", "")]
    for role in Role:
        person = incident.person(role)
        spans += [(f"{_ROLES[role]} ", "dim"), text(person or "nobody", "" if person else "unknown"), ("  ", "")]
    yield cut(tuple(spans), width)


def render_steps(
    incident: Incident, policies: SeverityPolicies, now: float, width: int, *, snapshot: Snapshot | None
) -> Iterable[Line]:
    """Six cells side by side: each step and the state of its timer. Stable is only what the snapshot does not contradict."""
    cell = max(12, width // 6)
    numbered = cell > 15
    names: list[tuple[str, str]] = []
    states: list[tuple[str, str]] = []
    for number, item in enumerate(response_timers(incident, policies.for_severity(incident.severity), now), start=1):
        state, tone = _timer_cell(item, now)
        if item.state is TimerState.STABLE and (word := describe_instability(incident, snapshot)):
            state, tone = word, "unknown" if word == "not known" else "warn"
        names.append(
            (
                fit(f" {number} {_STEP_TITLES[item.step]}" if numbered else f" {_STEP_TITLES[item.step]}", cell),
                tone if tone in ("critical", "warn") else "title",
            )
        )
        states.append((fit(f"   {state}" if numbered else f" {state}", cell), tone))
    yield cut(tuple(names), width)
    yield cut(tuple(states), width)


def _timer_cell(item: ResponseTimer, now: float) -> tuple[str, str]:
    left = item.left_seconds(now) or 0.0
    match item.state:
        case TimerState.DONE:
            return (f"done {format_minute(item.completion.at)}" if item.completion else "done", "ok")
        case TimerState.DUE:
            return (f"due {format_timer(left)}" if left >= 36_000 else f"due in {format_timer(left)}", "")
        case TimerState.OVERDUE:
            return (f"OVERDUE {format_brief_age(-left)}", "critical")
        case TimerState.STABLE:
            return ("stable: mark" if left <= 0 else f"stable {format_timer(left)}", "ok")
        case _:
            return (
                "still firing" if item.alerts_fire else "waiting",
                "warn" if item.alerts_fire else "dim",
            )


def render_due_line(incident: Incident, policies: SeverityPolicies, now: float, width: int) -> Line:
    """When the next update is due, whether the last one was sent, and when to escalate."""
    policy = policies.for_severity(incident.severity)
    due = update_due_at(incident, policy)
    spans: list[tuple[str, str]] = []
    if due is None:
        spans.append((" no update is due", "dim"))
    elif due >= now:
        spans.append((f" next update due in {format_timer(due - now)}", "strong"))
    else:
        spans.append((f" update OVERDUE {format_brief_age(now - due)}", "critical"))
    spans.append(("  u writes it", "key"))
    newest = incident.updates[-1] if incident.updates else None
    if newest is not None and newest.out_at is None:
        last = newest.deliveries[-1] if newest.deliveries else None
        sending = last is not None and last.state == "sending"
        label = "being sent" if sending else f"the last one is NOT SENT{f': {last.why}' if last and last.why else ''} (U)"
        if last is not None and last.state.by_hand:
            label = "paste the last one; o marks it as sent"
        spans.append(text(f"  {label}", "dim" if sending else "critical"))
    when = escalate_at(incident, policy)
    if when is not None:
        label = "now" if when <= now else f"in {format_timer(when - now)}"
        contacts = policies.escalation_contacts(incident.severity)
        contact = f" ({contacts[0][1]})" if contacts and width >= 120 else ""
        spans.append(text(f"  escalate {label}: {policy.escalation}{contact}", "warn" if when <= now else "dim"))
    return cut(tuple(spans), width)


def render_side(incident: Incident, context: RenderContext, policies: SeverityPolicies, width: int) -> Iterable[Line]:
    """Its panels, its alerts and contacts, in a narrow column."""
    snapshot = context.snapshot
    yield section("Panels", width)
    for panel_id in incident.panels:
        state = snapshot.panel(panel_id) if snapshot else None
        if state is None:
            yield ((f" {panel_id}: unknown", "unknown"),)
            continue
        tone = VERDICT_TONES[state.verdict]
        label = format_quantity(state.value, state.spec.unit, state.spec.decimals) or state.reason
        word = text(f" {verdict_label(state):<{VERDICT_WIDTH}}", tone)
        # Without room for both the title is shortened: a figure that is cut is another figure.
        room = width - width_of((word,)) - cell_len(label) - 1
        title = state.spec.title if cell_len(state.spec.title) <= room else fit(state.spec.title, max(4, room))
        yield cut((word, text(f"{title} "), text(label, tone)), width)
    if not incident.panels:
        yield ((" no panel", "dim"),)
    caveat = alerts_caveat(context)
    yield section(f"Alerts{f': {caveat}' if caveat else ''}", width)
    yield from _alert_lines(incident, context, width)
    yield section("Escalation", width)
    for team, address in policies.escalation_contacts(incident.severity):
        yield cut((text(f" {team} "), text(address, "accent")), width)
    if not policies.escalation_contacts(incident.severity):
        yield cut((text(f" {policies.for_severity(incident.severity).escalation}", "dim"),), width)
    for item in policies.contacts if width >= 50 else ():
        yield cut((text(f" {item.team}  {item.chat}  {item.email}", "dim"),), width)
    if width >= 50 and snapshot is not None:
        yield section("Recent changes (w: the hour before)", width)
        for change in snapshot.changes[:8]:
            kind = "" if change.kind == "action" or change.text.startswith(change.kind) else f"{change.kind} "
            yield cut(
                ((f" {format_minute(change.at, now=context.now)} ", "dim"), text(kind, "accent"), text(change.text)), width
            )


def _alert_lines(incident: Incident, context: RenderContext, width: int) -> Iterable[Line]:
    snapshot = context.snapshot
    labels = {
        AlertState.ACTIVE: ("FIRING", "critical"),
        AlertState.UNDELIVERED: ("FIRING", "critical"),
        AlertState.PENDING: ("pending", "warn"),
    }
    for item in incident.alerts:
        tracked, ended = find_linked(item, snapshot) if snapshot else (None, False)
        if snapshot is None or not snapshot.alerts_known:
            word, tone, remark = "?", "unknown", "unknown"
        elif tracked is None:
            known = ended and not alerts_caveat(context)
            word, tone, remark = ("ended", "ok", "") if known else ("?", "unknown", "not listed")
        else:
            word, tone = labels.get(tracked.alert.state, ("silenced", "warn"))
            since = format_timer(context.now - tracked.alert.starts_at)
            remark = f"{since}{f' {tracked.owner}' if tracked.owner else ''}"
        yield cut((text(f" {word:<8}", tone), text(f"{item.name} "), text(remark, "dim")), width)
    if not incident.alerts:
        yield ((" no alert; i on an alert (2) links it", "dim"),)


def render_entry(entry: TimelineEntry, width: int) -> Line:
    """`ann      14:03:27 ▶ Roll back …`: who did it, or which source reported it, then when and what."""
    wide = width >= 70
    person = entry.source in (Source.PERSON, Source.CONSOLE)
    who = entry.author if wide else entry.author.partition("@")[0]
    tone = {
        "person": "",
        "console": "strong",
        "alertmanager": "warn",
        "prometheus": "accent",
        "kubernetes": "accent",
        "loki": "accent",
    }
    glyph = {"person": "·", "console": "▶", "alertmanager": "!", "prometheus": "~", "kubernetes": "○", "loki": "="}
    corrects = "corrects: " if entry.corrects else ""
    return cut(
        (
            text(fit(who if person else entry.source.value, 16 if wide else 8) + " ", "" if person else "dim"),
            (f"{format_clock(entry.at)} ", "dim"),
            (f"{glyph[entry.source]} ", "key"),
            text(corrects + entry.text, tone[entry.source]),
        ),
        width,
    )
