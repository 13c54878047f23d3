"""What a checklist, a summary and a handover say of an incident, in one line."""

from __future__ import annotations

from console.checklists.result import Detail
from console.state.incident import Incident, Incidents, Role
from console.state.incident_metrics import kpis
from console.state.journal_state import JournalState
from queries.model.alert import Priority
from queries.model.text import visible
from queries.model.verdict import Verdict
from queries.text.durations import format_span
from queries.text.times import format_local


def known_incidents(ledger: JournalState, *, known: bool) -> Incidents | None:
    """The incidents of the journal; None where the journal could not be read: then none of them is known."""
    return ledger.incidents if known else None


def incident_words(incident: Incident, now: float) -> str:
    """`P1 Error ratio is high (3), open for 2h 5m, commander ann`."""
    name = f"{incident.severity.value} {visible(incident.title)} ({incident.number})"
    if incident.closed_at is not None:
        lasted = format_span(incident.closed_at - incident.began_at)
        return f"{name}, closed {format_local(incident.closed_at, now=now)} after {lasted}"
    commander = incident.person(Role.COMMANDER)
    who = f", commander {visible(commander)}" if commander else ", no commander"
    resolved = f", resolved {format_local(incident.resolved_at, now=now)}, not closed" if incident.resolved_at else ""
    return f"{name}, open for {format_span(now - incident.began_at)}{resolved}{who}"


def incident_verdict(incident: Incident) -> Verdict | None:
    """Critical for a P1 that is not resolved, a warning for any other that is open; None for one that is closed."""
    if not incident.open:
        return None
    unresolved = incident.resolved_at is None
    return Verdict.CRITICAL if unresolved and incident.severity is Priority.P1 else Verdict.WARN


def incident_figures(incidents: Incidents | None, now: float) -> tuple[Detail, ...]:
    """P1 count, and the times to detect, acknowledge and repair over 30 days."""
    if incidents is None:
        return (Detail("P1 in 30 days, times to detect and to repair  not known: no journal", Verdict.NO_DATA),)
    found = kpis(incidents.all, now=now)
    total = sum(count for _, count in found.counts)
    told = [Detail(f"P1 incidents in 30 days  {found.count(Priority.P1)}, of {total} incidents in the journal")]
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
        ("Mean time to acknowledge", found.mtta_seconds, found.acknowledged),
        ("Mean time to resolve", found.mttr_seconds, found.resolved),
    )
    for title, seconds, count in times:
        words = f"{format_span(seconds)}, over {count}" if seconds is not None else "not known: no incident tells it"
        told.append(Detail(f"{title}  {words}"))
    return tuple(told)
