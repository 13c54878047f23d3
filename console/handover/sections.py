"""The handover itself: what is open, what fires and whose it is, what ends, what changed, what was left, what it cost."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from console.checklists.alert_evidence import nights
from console.checklists.definition import HOURLY, Checklist
from console.checklists.incidents import incident_verdict, incident_words
from console.checklists.loader import Checklists
from console.checklists.result import Detail
from console.checklists.section import ReportSection
from console.checklists.summary import silence_words
from console.handover.shift import BUDGET, Shift
from console.journal.elapsed import MARK, mark
from console.state.checklist_runs import ChecklistRuns
from console.state.incident import Incidents
from console.state.snapshot import Snapshot
from queries.model.series import Point
from queries.model.source import Health, PollResult
from queries.model.text import visible
from queries.model.verdict import Verdict
from queries.model.workload import Change
from queries.text.durations import format_span
from queries.text.times import due_today, format_local, local_hour, local_midnight

_ENDS_SECONDS = 12 * 3600.0
_CHANGES_SECONDS = 86_400.0
_SHOWN = 40
_LEAST_SECONDS = 900.0
"""A shift that is younger says nothing about a rate."""
_MONTH = 30 * 86_400.0


@dataclass(frozen=True, slots=True)
class HandoverInput:
    """Everything that a handover is put together from. `incidents` is None where the journal could not be read."""

    snapshot: Snapshot
    shift: Shift
    checklists: Checklists
    incidents: Incidents | None
    budget: PollResult[tuple[Point, ...]] | None
    now: float


def handover(facts: HandoverInput) -> tuple[ReportSection, ...]:
    """The sections in the order in which the next person needs them."""
    return (
        _shift(facts),
        _incidents(facts),
        _firing(facts),
        _silences(facts),
        _checklists(facts),
        _changes(facts),
        _budget(facts),
    )


def signed(sections: Iterable[ReportSection], shift: Shift, *, name: str, to: str = "", remark: str = "") -> dict[str, Any]:
    """The data of `handover.signed`: who, since when, and everything that was handed over, as it was read."""
    told = {section.title: [line.text for line in section.lines[:_SHOWN]] or [section.empty] for section in sections}
    data: dict[str, Any] = {"name": name, "since": shift.since, "handed_over": told, MARK: mark()}
    return {**data, **({"to": to} if to else {}), **({"remark": remark} if remark else {})}


def _shift(facts: HandoverInput) -> ReportSection:
    shift, now = facts.shift, facts.now
    since = f"since {format_local(shift.since, now=now)} ({format_span(now - shift.since)})"
    if shift.signed is None:
        return ReportSection(
            "This shift", (Detail(f"{since}: no handover was signed before, so it is the configured length of a shift"),)
        )
    to = f" to {visible(shift.signed.to)}" if shift.signed.to else ""
    lines = [Detail(f"{since}: the last handover, signed by {visible(shift.signed.name)}{to}")]
    if shift.signed.remark:
        lines.append(Detail(f"said then: {visible(shift.signed.remark)}"))
    return ReportSection("This shift", tuple(lines))


def _incidents(facts: HandoverInput) -> ReportSection:
    title = "Incidents"
    if facts.incidents is None:
        return ReportSection(title, empty="not known: the journal could not be read", known=False)
    found = [item for item in facts.incidents.all if item.closed_at is None or item.closed_at >= facts.shift.since]
    ordered = sorted(found, key=lambda item: (not item.open, item.severity.value, item.began_at))
    lines = tuple(Detail(incident_words(item, facts.now), incident_verdict(item)) for item in ordered)
    return ReportSection(title, lines, empty="none open, none closed in this shift")


def _firing(facts: HandoverInput) -> ReportSection:
    title, snapshot = "Alerts still firing", facts.snapshot
    if not snapshot.alerts_known:
        return ReportSection(title, empty="not known: neither Alertmanager nor Prometheus told", known=False)
    lines = [
        Detail(night.sentence(facts.now), night.verdict)
        for night in nights(None, snapshot.alerts, severities=snapshot.severities)
    ]
    if len(lines) > _SHOWN:
        lines = [*lines[:_SHOWN], Detail(f"and {len(lines) - _SHOWN} more")]
    doubt = []
    if snapshot.alerts_caveat:
        doubt.append(Detail(visible(snapshot.alerts_caveat), Verdict.STALE if snapshot.alerts_from == "alertmanager" else None))
    if snapshot.delivery_doubt:
        doubt.append(Detail(snapshot.delivery_doubt))
    return ReportSection(title, (*lines, *doubt), empty="none")


def _silences(facts: HandoverInput) -> ReportSection:
    """Those that end soon, and those that hide nothing: nobody will notice either."""
    snapshot, now = facts.snapshot, facts.now
    title = f"Silences that end within {_ENDS_SECONDS / 3600.0:.0f} h, or match nothing"
    manager = snapshot.source("alertmanager")
    if manager is None or manager.last_good_at is None:
        return ReportSection(title, empty="not known: Alertmanager has not answered", known=False)
    lines = []
    in_force = [item for item in snapshot.silences if item.state != "expired" and item.starts_at <= now < item.ends_at]
    for silence in sorted(in_force, key=lambda item: item.ends_at):
        hides = any(silence.id in tracked.alert.silenced_by for tracked in snapshot.alerts)
        ends = silence.ends_at - now <= _ENDS_SECONDS
        if hides and not ends:
            continue
        why = " and ".join(words for words, so in (("ends soon", ends), ("matches nothing now", not hides)) if so)
        lines.append(Detail(f"{silence_words(silence, now)}  ({why})"))
    return ReportSection(title, (*lines[:_SHOWN], *_doubt(snapshot, "alertmanager", now)), empty="none")


def _changes(facts: HandoverInput) -> ReportSection:
    now = facts.now
    found = [change for change in facts.snapshot.changes if change.at > now - _CHANGES_SECONDS]
    lines = tuple(
        Detail(
            f"{format_local(change.at, now=now)}  {_named(change)}" + (f", {visible(change.author)}" if change.author else "")
        )
        for change in found[:_SHOWN]
    )
    # Whoever takes over has to know what may still be under way.
    begun = (f"{item.sentence(format_span(now - item.intent.at))}" for item in facts.snapshot.unfinished)
    lines = (*(Detail(visible(text), Verdict.WARN) for text in begun), *lines)
    title = "Changes of the last 24 h"
    cluster = facts.snapshot.source("kubernetes")
    if facts.snapshot.cluster is None and cluster is not None and cluster.health is not Health.NOT_CONFIGURED:
        doubt = Detail("rollouts are not known: the cluster has not answered", Verdict.NO_DATA)
        return ReportSection(title, (*lines, doubt), known=False)
    return ReportSection(title, lines, empty="none that the console has seen")


def _named(change: Change) -> str:
    """What it was, with its kind where the text does not begin with that."""
    kind = visible(change.kind)
    return change.text if change.text.startswith(kind) else f"{kind} {change.text}"


def _checklists(facts: HandoverInput) -> ReportSection:
    walks = facts.snapshot.ledger.walks
    lines: list[Detail] = []
    for checklist in facts.checklists.lists:
        lines += _left(checklist, walks, facts.now)
    lines += [
        Detail(f"{visible(item.name)} cannot be read: {visible(item.why)}", Verdict.NO_DATA) for item in facts.checklists.broken
    ]
    return ReportSection("Left open in today's checklists", tuple(lines), empty="nothing")


def _left(checklist: Checklist, walks: ChecklistRuns, now: float) -> Iterable[Detail]:
    """What today's newest walk left, or that there was none though it was due."""
    title, today = visible(checklist.title), local_midnight(now)
    own = [walk for walk in walks.of(checklist.name) if walk.begun_at >= today]
    due = local_hour(now) if checklist.due == HOURLY else due_today(checklist.due, now)
    newest = own[-1] if own else None
    missed = newest is None or (checklist.due == HOURLY and due is not None and newest.begun_at < due)
    if missed and due is not None and due <= now:
        yield Detail(f"{title}: due since {format_local(due)}, nobody walked it", Verdict.WARN)
    if newest is None:
        return
    signature = newest.signed
    if signature is None:
        missing = [visible(item.title) for item in checklist.items if item.id not in newest.answered]
        told = f"not answered: {', '.join(missing)}" if missing else "all answered, not signed"
        yield Detail(f"{title}: begun {format_local(newest.begun_at)} by {visible(newest.begun_by)}, {told}", Verdict.WARN)
        return
    for words in signature.open:
        yield Detail(f"{title}, signed {format_local(signature.at)} by {visible(signature.name)}: {visible(words)}")


def _budget(facts: HandoverInput) -> ReportSection:
    title, reading = "Error budget over this shift", facts.budget
    if reading is None or reading.value is None:
        why = visible(reading.fault.sentence()) if reading and reading.fault else "asking …"
        return ReportSection(title, empty=f"not known: {why}", known=False)
    points = reading.value
    if not points or reading.taken_at - points[-1][0] > 90.0:
        return ReportSection(title, empty="not known: Prometheus has no value of now", known=False)
    (begun, first), (_, last) = points[0], points[-1]
    if len(points) < 2 or begun - facts.shift.since > (facts.now - facts.shift.since) / 2.0:
        line = Detail(f"{last:.2f} % are left; what was left when the shift began is not known", Verdict.NO_DATA)
        return ReportSection(title, (line,), known=False)
    when = "now" if facts.now - reading.taken_at < 120.0 else format_local(reading.taken_at, now=facts.now)
    length, spent = points[-1][0] - begun, first - last
    rate = lasts = ""
    if spent > 0 and length >= _LEAST_SECONDS:
        rate = f", {spent / length * 3600.0:.3f} an hour"
        seconds = last / spent * length
        lasts = f"; at this rate it is used up in {format_span(seconds)}" if 0 < seconds < _MONTH else ""
    told = f"{spent:.2f} points spent{rate}" if spent > 0 else f"nothing spent, {-spent:.2f} points came back"
    words = f"{first:.2f} % were left {format_local(begun, now=facts.now)}, {last:.2f} % {when}: {told}{lasts}"
    state = facts.snapshot.panel(BUDGET)
    if state is not None and state.verdict is Verdict.IN_DOUBT:
        return ReportSection(title, (Detail(f"{words} ({visible(state.reason)})", state.verdict),), known=False)
    return ReportSection(title, (Detail(words),))


def _doubt(snapshot: Snapshot, name: str, now: float) -> tuple[Detail, ...]:
    """That a source does not answer any more: what is listed is what it said last."""
    source = snapshot.source(name)
    if source is None or source.fault is None or source.last_good_at is None or source.health in (Health.UP, Health.DEGRADED):
        return ()
    age = format_span(now - source.last_good_at)
    return (Detail(f"as {name} told {age} ago: {visible(source.fault.what)}", Verdict.STALE),)
