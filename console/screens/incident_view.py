"""An incident as lines of a screen: its head, its six steps as clocks, its panels and alerts, what is due."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from rich.cells import cell_len

from console.incidents.response_timers import ResponseTimer, TimerState, clocks, escalate_at, update_due_at
from console.screens.base import section
from console.screens.render_context import RenderContext
from console.screens.staleness import alerts_reservation
from console.state.incident import Incident, Role, Step, TimelineEntry
from console.state.public_status import phase
from queries.model.alert import AlertState, Priority
from widgets.formatting import VERDICT_WIDTH, format_clock, format_minute, format_quantity, verdict_label
from widgets.styled_text import VERDICT_TONES, Line, cut, fit, spread, text, width_of

if TYPE_CHECKING:
    from console.incidents.severity_policy import SeverityPolicies

SEVERITY_TONES = {Priority.P1: "critical", Priority.P2: "warn", Priority.P3: "warn", Priority.P4: "accent"}
_TITLES = {
    Step.ACKNOWLEDGE: "Acknowledge",
    Step.ASSESS: "Assess",
    Step.COMMUNICATE: "Communicate",
    Step.MITIGATE: "Mitigate",
    Step.RESOLVE: "Resolve",
    Step.REVIEW: "Review",
}
_ROLES = {Role.COMMANDER: "commander", Role.OPERATIONS: "ops", Role.COMMUNICATIONS: "comms", Role.SCRIBE: "scribe"}


def running(seconds: float) -> str:
    """`04:10`, `1:02:03`, `2d 3h`: a clock that runs."""
    whole = max(0, int(seconds))
    if whole >= 86_400:
        return f"{whole // 86_400}d {whole % 86_400 // 3600}h"
    if whole >= 3600:
        return f"{whole // 3600}:{whole % 3600 // 60:02d}:{whole % 60:02d}"
    return f"{whole // 60:02d}:{whole % 60:02d}"


def head_lines(incident: Incident, now: float, width: int) -> Iterable[Line]:
    """Severity, name and time since the start; below, who has which role."""
    over = incident.closed_at
    told = (
        f"closed after {running(over - incident.began_at)}"
        if over
        else f"{phase(incident)}  {running(now - incident.began_at)}"
    )
    left: Line = (
        text(f" {incident.severity} ", SEVERITY_TONES[incident.severity]),
        text(f"#{incident.number} ", "dim"),
        text(incident.title, "strong"),
    )
    yield spread(left, (text(f"{told} ", "ok" if over else "strong"),), width)
    spans: list[tuple[str, str]] = [(" ", "")]
    for role in Role:
        person = incident.person(role)
        spans += [(f"{_ROLES[role]} ", "dim"), text(person or "nobody", "" if person else "unknown"), ("  ", "")]
    yield cut(tuple(spans), width)


def step_lines(incident: Incident, response: SeverityPolicies, now: float, width: int) -> Iterable[Line]:
    """Six cells beside each other: the step, and how its clock stands."""
    cell = max(12, width // 6)
    numbered = cell > 15
    names: list[tuple[str, str]] = []
    states: list[tuple[str, str]] = []
    for number, item in enumerate(clocks(incident, response.of(incident.severity), now), start=1):
        words, tone = _clock_cell(item, now)
        names.append(
            (
                fit(f" {number} {_TITLES[item.step]}" if numbered else f" {_TITLES[item.step]}", cell),
                tone if tone in ("critical", "warn") else "title",
            )
        )
        states.append((fit(f"   {words}" if numbered else f" {words}", cell), tone))
    yield cut(tuple(names), width)
    yield cut(tuple(states), width)


def _clock_cell(item: ResponseTimer, now: float) -> tuple[str, str]:
    left = item.left_seconds(now) or 0.0
    match item.pace:
        case TimerState.DONE:
            return (f"done {format_minute(item.tick.at)}" if item.tick else "done", "ok")
        case TimerState.DUE:
            return (f"due {running(left)}" if left >= 36_000 else f"due in {running(left)}", "")
        case TimerState.OVERDUE:
            return (f"OVERDUE {_brief(-left)}", "critical")
        case TimerState.STABLE:
            return ("stable: tick" if left <= 0 else f"stable {running(left)}", "ok")
        case _:
            return (
                "still fires" if item.why.startswith("still") else "waits",
                "warn" if item.why.startswith("still") else "dim",
            )


def _brief(seconds: float) -> str:
    whole = int(seconds)
    return f"{whole}s" if whole < 60 else f"{whole // 60}m" if whole < 3600 else f"{whole // 3600}h"


def due_line(incident: Incident, response: SeverityPolicies, now: float, width: int) -> Line:
    """When the next update is due, whether the last one went out, and when to escalate."""
    own = response.of(incident.severity)
    due = update_due_at(incident, own)
    spans: list[tuple[str, str]] = []
    if due is None:
        spans.append((" no update is due", "dim"))
    elif due >= now:
        spans.append((f" next update due in {running(due - now)}", "strong"))
    else:
        spans.append((f" update OVERDUE {_brief(now - due)}", "critical"))
    spans.append(("  u writes it", "key"))
    newest = incident.updates[-1] if incident.updates else None
    if newest is not None and newest.out_at is None:
        last = newest.sendings[-1] if newest.sendings else None
        sending = last is not None and last.state == "sending"
        told = "being sent" if sending else f"the last one is NOT SENT{f': {last.why}' if last and last.why else ''} (U)"
        if last is not None and last.state.by_hand:
            told = "paste the last one; o when it is out"
        spans.append(text(f"  {told}", "dim" if sending else "critical"))
    when = escalate_at(incident, own)
    if when is not None:
        told = "now" if when <= now else f"in {running(when - now)}"
        team = response.call(incident.severity)
        whom = f" ({team[0][1]})" if team and width >= 120 else ""
        spans.append(text(f"  escalate {told}: {own.escalation}{whom}", "warn" if when <= now else "dim"))
    return cut(tuple(spans), width)


def side_lines(incident: Incident, view: RenderContext, response: SeverityPolicies, width: int) -> Iterable[Line]:
    """Its panels, its alerts, and whom to call; small."""
    snapshot = view.snapshot
    yield section("Panels", width)
    for identity in incident.panels:
        state = snapshot.panel(identity) if snapshot else None
        if state is None:
            yield ((f" {identity}: not known", "unknown"),)
            continue
        tone = VERDICT_TONES[state.verdict]
        told = format_quantity(state.value, state.spec.unit, state.spec.decimals) or state.reason
        word = text(f" {verdict_label(state):<{VERDICT_WIDTH}}", tone)
        # Where there is no room for both it is the title that gives way: a figure that is cut is another figure.
        room = width - width_of((word,)) - cell_len(told) - 1
        title = state.spec.title if cell_len(state.spec.title) <= room else fit(state.spec.title, max(4, room))
        yield cut((word, text(f"{title} "), text(told, tone)), width)
    if not incident.panels:
        yield ((" none belongs to it", "dim"),)
    doubt = alerts_reservation(view)
    yield section(f"Alerts{f': {doubt}' if doubt else ''}", width)
    yield from _alert_lines(incident, view, width)
    yield section("Whom to call", width)
    for team, address in response.call(incident.severity):
        yield cut((text(f" {team} "), text(address, "accent")), width)
    if not response.call(incident.severity):
        yield cut((text(f" {response.of(incident.severity).escalation}", "dim"),), width)
    for item in response.contacts if width >= 50 else ():
        yield cut((text(f" {item.team}  {item.chat}  {item.email}", "dim"),), width)
    if width >= 50 and snapshot is not None:
        yield section("What changed lately (w: the hour before)", width)
        for change in snapshot.changes[:8]:
            kind = "" if change.kind == "action" or change.text.startswith(change.kind) else f"{change.kind} "
            yield cut(((f" {format_minute(change.at, now=view.now)} ", "dim"), text(kind, "accent"), text(change.text)), width)


def _alert_lines(incident: Incident, view: RenderContext, width: int) -> Iterable[Line]:
    snapshot = view.snapshot
    words = {AlertState.ACTIVE: ("FIRES", "critical"), AlertState.UNDELIVERED: ("FIRES", "critical")}
    for item in incident.alerts:
        tracked = snapshot.alert(item.fingerprint) if snapshot else None
        if snapshot is None or not snapshot.alerts_known:
            word, tone, more = "?", "unknown", "not known"
        elif tracked is None:
            word, tone, more = ("?", "unknown", "not listed") if alerts_reservation(view) else ("ended", "ok", "")
        else:
            word, tone = words.get(tracked.alert.state, ("silenced", "warn"))
            since = running(view.now - tracked.alert.starts_at)
            more = f"{since}{f' {tracked.owner}' if tracked.owner else ''}"
        yield cut((text(f" {word:<8}", tone), text(f"{item.name} "), text(more, "dim")), width)
    if not incident.alerts:
        yield ((" none is linked; i on an alert (2) links it", "dim"),)


def entry_line(entry: TimelineEntry, width: int) -> Line:
    """`14:03:27 kubernetes rollout …`; the author where a person acted and there is room."""
    when = format_clock(entry.at)[:-1]
    who = entry.author if entry.source in ("person", "console") else ""
    tone = {"person": "", "console": "strong", "alertmanager": "warn", "prometheus": "accent", "kubernetes": "accent"}
    mark = {"person": "·", "console": "▶", "alertmanager": "!", "prometheus": "~", "kubernetes": "○"}[entry.source]
    corrects = "corrects: " if entry.corrects else ""
    source: Line = ((fit(entry.source.value, 13), "dim"),) if width >= 70 else ()
    author: Line = (text(f"  {who}", "dim"),) if who else ()
    return cut(
        ((f"{when} ", "dim"), (f"{mark} ", "key"), *source, text(corrects + entry.text, tone[entry.source]), *author), width
    )
