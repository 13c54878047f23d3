"""One line on an incident, for checklists, summaries and handovers."""

from __future__ import annotations

from console.checklists.result import Detail
from console.journal.payloads import Role
from console.state.incident import Incident, Incidents
from console.state.incident_metrics import compute_metrics
from console.state.journal_state import JournalState
from queries.model.severity import Priority
from queries.model.text import visible
from queries.model.verdict import Verdict
from queries.text.durations import format_span
from queries.text.times import format_local


def known_incidents(ledger: JournalState, *, known: bool) -> Incidents | None:
    """The journal's incidents; None where the journal could not be read."""
    return ledger.incidents if known else None


def incident_text(incident: Incident, now: float) -> str:
    """`P1 Error ratio is high (3), open for 2h5m, commander ann`."""
    name = f"{incident.severity.value} {visible(incident.title)} ({incident.number})"
    if incident.closed_at is not None:
        lasted = format_span(incident.closed_at - incident.began_at)
        return f"{name}, closed {format_local(incident.closed_at, now=now)} after {lasted}"
    commander = incident.person(Role.COMMANDER)
    who = f", commander {visible(commander)}" if commander else ", no commander"
    resolved = f", resolved {format_local(incident.resolved_at, now=now)}, not closed" if incident.resolved_at else ""
    return f"{name}, open for {format_span(now - incident.began_at)}{resolved}{who}"


def incident_verdict(incident: Incident) -> Verdict | None:
    """Critical for an unresolved P1, a warning for any other open incident; None for a closed one."""
    if not incident.open:
        return None
    unresolved = incident.resolved_at is None
    return Verdict.CRITICAL if unresolved and incident.severity is Priority.P1 else Verdict.WARN


def incident_metric_lines(incidents: Incidents | None, now: float) -> tuple[Detail, ...]:
    """P1 count, and the mean times to declare, acknowledge and recover over 30 days."""
    if incidents is None:
        return (Detail("P1 incidents in 30 days, MTTA and MTTR  not known: no journal", Verdict.NO_DATA),)
    metrics = compute_metrics(incidents.all, now=now)
    total = sum(count for _, count in metrics.counts)
    lines = [Detail(f"P1 incidents in 30 days  {metrics.count(Priority.P1)}, of {total} incidents in the journal")]
    declared = [
        max(0.0, item.declared_at - item.began_at)
        for item in incidents.all
        if item.detected_at is not None and now - 30 * 86_400.0 < item.began_at <= now
    ]
    times = (
        (
            "Mean time from the first alert to the declaration",
            sum(declared) / len(declared) if declared else None,
            len(declared),
        ),
        ("Mean time to acknowledge", metrics.mtta_seconds, metrics.acknowledged),
        ("Mean time to recover", metrics.mttr_seconds, metrics.recovered),
    )
    for title, seconds, count in times:
        text = f"{format_span(seconds)}, over {count}" if seconds is not None else "not known: no incident with that step"
        lines.append(Detail(f"{title}  {text}"))
    return tuple(lines)
