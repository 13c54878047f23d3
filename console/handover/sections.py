"""The sections of a handover: incidents, alerts, silences, checklists, changes, error budget."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from console.alerts.recent_changes import describe_full_kinds
from console.checklists.alert_evidence import summarize_alerts
from console.checklists.alert_history import AlertWindow
from console.checklists.definition import Checklist
from console.checklists.incidents import incident_text, incident_verdict
from console.checklists.loader import Checklists
from console.checklists.result import Detail
from console.checklists.run_review import answer_text
from console.checklists.section import ReportSection
from console.checklists.summary import silence_text
from console.handover.shift import BUDGET, Shift
from console.journal.payloads import NoteWritten, try_decode
from console.state.checklist_runs import OVERRULE, ChecklistRuns
from console.state.incident import Incidents
from console.state.snapshot import Snapshot
from queries.model.change import Change
from queries.model.frozen import dataclass
from queries.model.series import Point
from queries.model.source import Health, PollResult
from queries.model.text import visible
from queries.model.verdict import Verdict
from queries.text.durations import format_duration, format_span
from queries.text.times import format_local, is_same_period, local_midnight

_ENDS_SECONDS = 12 * 3600.0
_CHANGES_SECONDS = 86_400.0
_SHOWN = 40
"""Lines of a section that are listed; how many more there are follows them."""
_LEAST_SECONDS = 900.0
"""A younger shift says nothing about a rate."""
_LEAST_POINTS = 0.005
"""Less rounds to 0.00."""
_MONTH = 30 * 86_400.0


@dataclass(frozen=True, slots=True)
class HandoverInput:
    """Everything that a handover is built from. `incidents` is None where the journal is not known."""

    snapshot: Snapshot
    shift: Shift
    checklists: Checklists
    incidents: Incidents | None
    budget: PollResult[tuple[Point, ...]] | None
    now: float
    alerts: PollResult[AlertWindow] | None = None
    """What fired over the shift; None while nobody has fetched it."""
    journal_fault: str = ""
    """Why the journal is not known."""
    others_unknown: str = ""
    """Why what other consoles journalled is not known."""

    @property
    def unknown(self) -> str:
        """What a section of the journal says where that is not known; empty where it is."""
        return "" if self.incidents is not None else f"not known: {self.journal_fault or 'the journal could not be read'}"


def build_sections(facts: HandoverInput) -> tuple[ReportSection, ...]:
    """The sections in the order in which the next person needs them."""
    return (
        _without_others(_shift(facts), facts),
        _without_others(_incidents(facts), facts),
        _firing(facts),
        _resolved(facts),
        _silences(facts),
        _without_others(_checklists(facts), facts),
        _without_others(_remarks(facts), facts),
        _without_others(_changes(facts), facts),
        _budget(facts),
    )


def _without_others(section: ReportSection, facts: HandoverInput) -> ReportSection:
    """A section of the journal, which says so if it lacks what other consoles wrote: then "nothing" is not known."""
    if not facts.others_unknown or facts.unknown:
        return section
    missing = Detail(f"other consoles' entries are not known: {facts.others_unknown}", Verdict.NO_DATA)
    return replace(section, lines=(*section.lines, missing), known=False)


def _shift(facts: HandoverInput) -> ReportSection:
    shift, now = facts.shift, facts.now
    since = f"since {format_local(shift.since, now=now)} ({format_span(now - shift.since)})"
    if facts.unknown:
        lines = [Detail(f"{since}: the configured length of a shift")]
        if shift.signed is not None:
            lines = [Detail(f"{since}: a handover signed by {visible(shift.signed.name)}, possibly not the latest")]
        lines.append(Detail(f"the last handover is {facts.unknown}", Verdict.NO_DATA))
        return ReportSection("This shift", tuple(lines), known=False)
    if shift.signed is None:
        return ReportSection(
            "This shift", (Detail(f"{since}: no signed handover yet, so this is the configured length of a shift"),)
        )
    to = f" to {visible(shift.signed.to)}" if shift.signed.to else ""
    lines = [Detail(f"{since}: the last handover, signed by {visible(shift.signed.name)}{to}")]
    if shift.signed.remark:
        lines.append(Detail(f"remark: {visible(shift.signed.remark)}"))
    return ReportSection("This shift", tuple(lines))


def _incidents(facts: HandoverInput) -> ReportSection:
    title = "Incidents"
    if facts.incidents is None:
        return ReportSection(title, empty=facts.unknown, known=False)
    recent = [item for item in facts.incidents.all if item.closed_at is None or item.closed_at >= facts.shift.since]
    ordered = sorted(recent, key=lambda item: (not item.open, item.severity.value, item.began_at))
    lines = [Detail(incident_text(item, facts.now), incident_verdict(item)) for item in ordered]
    return ReportSection(title, _shorten(lines), empty="none open, none closed in this shift")


def _firing(facts: HandoverInput) -> ReportSection:
    title, snapshot = "Alerts still firing", facts.snapshot
    if not snapshot.alerts_known:
        return ReportSection(title, empty="not known: neither Alertmanager nor Prometheus answered", known=False)
    lines = [
        Detail(summary.sentence(facts.now), summary.verdict)
        for summary in summarize_alerts(None, snapshot.alerts, severities=snapshot.severities)
    ]
    caveats = []
    if lines and facts.unknown:
        caveats.append(Detail(f"acknowledgements are {facts.unknown}", Verdict.NO_DATA))
    if snapshot.alerts_caveat:
        caveats.append(
            Detail(visible(snapshot.alerts_caveat), Verdict.STALE if snapshot.alerts_from == "alertmanager" else None)
        )
    if snapshot.ends_caveat:
        caveats.append(Detail(visible(snapshot.ends_caveat), Verdict.NO_DATA))
    if snapshot.delivery_doubt:
        caveats.append(Detail(snapshot.delivery_doubt))
    return ReportSection(title, (*_shorten(lines), *caveats), empty="none", known=not snapshot.ends_caveat)


def _resolved(facts: HandoverInput) -> ReportSection:
    """What fired and went: nobody sees it any more, and it may come back."""
    title, reading, snapshot = "Resolved alerts of this shift", facts.alerts, facts.snapshot
    if reading is None or reading.value is None:
        why = visible(reading.fault.sentence()) if reading and reading.fault else "fetching …"
        return ReportSection(title, empty=f"not known: {why}", known=False)
    window = reading.value
    summaries = [item for item in summarize_alerts(window, snapshot.alerts, severities=snapshot.severities) if not item.firing]
    lines = [*_shorten([Detail(item.sentence(facts.now), item.verdict) for item in summaries])]
    if not window.complete:
        unseen = f"Prometheus has no data for {format_span(window.unknown_seconds)} of the shift"
        lines.append(Detail(unseen, Verdict.NO_DATA))
    return ReportSection(title, tuple(lines), empty="none", known=window.complete)


def _remarks(facts: HandoverInput) -> ReportSection:
    """What people overrode, unless they corrected that, and noted: the reason for a verdict that the data does not show."""
    title, since, now = "Overrides and notes in this shift", facts.shift.since, facts.now
    if facts.unknown:
        return ReportSection(title, empty=facts.unknown, known=False)
    remarks: list[tuple[float, str, Verdict | None]] = []
    for name, runs in facts.snapshot.ledger.checklist_runs.by_checklist:
        checklist = facts.checklists.get(name)
        titles = {item.id: item.title for item in checklist.items} if checklist else {}
        heading = visible(checklist.title if checklist else name)

        def place(item: str, heading: str = heading, titles: dict[str, str] = titles) -> str:
            return f"{heading}: {visible(titles.get(item, item))}"

        for run in runs:
            remarks += [
                (answer.at, f"{place(answer.item)}: {visible(answer.author)} {answer_text(answer)}", answer.resulting_verdict)
                for item in dict.fromkeys(answer.item for answer in run.answers)
                for answer in run.answers_to(item)
                if answer.answer == OVERRULE and answer.at >= since
            ]
            remarks += [
                (note.at, f"{place(note.item)}: {visible(note.author)} noted: {visible(note.text)}", None)
                for note in run.notes
                if note.at >= since
            ]
    for event in facts.snapshot.ledger.recent:
        payload = try_decode(event) if event.at >= since else None
        if isinstance(payload, NoteWritten):
            remarks.append((event.at, f"{visible(event.author)} noted: {visible(payload.text)}", None))
    ordered = sorted(remarks, key=lambda each: each[0], reverse=True)
    lines = [Detail(f"{format_local(at, now=now)}  {text}", verdict) for at, text, verdict in ordered]
    return ReportSection(title, _shorten(lines), empty="nothing")


def _silences(facts: HandoverInput) -> ReportSection:
    """Those that end soon, and those that match nothing: nobody would notice either."""
    snapshot, now = facts.snapshot, facts.now
    title = f"Silences that end within {format_duration(_ENDS_SECONDS)}, or match nothing"
    manager = snapshot.source("alertmanager")
    if manager is None or manager.last_good_at is None:
        return ReportSection(title, empty="not known: Alertmanager has not answered", known=False)
    lines = []
    in_force = [item for item in snapshot.silences if item.state != "expired" and item.starts_at <= now < item.ends_at]
    matching = {identity for tracked in snapshot.alerts for identity in tracked.alert.silenced_by}
    for silence in sorted(in_force, key=lambda item: item.ends_at):
        matches = silence.id in matching
        ends = silence.ends_at - now <= _ENDS_SECONDS
        if matches and not ends:
            continue
        why = " and ".join(text for text, applies in (("ends soon", ends), ("matches nothing now", not matches)) if applies)
        lines.append(Detail(f"{silence_text(silence, now)}  ({why})"))
    stale = _staleness(snapshot, "alertmanager", now)
    return ReportSection(title, (*_shorten(lines), *stale), empty="none", known=not stale)


def _changes(facts: HandoverInput) -> ReportSection:
    now = facts.now
    changes = [change for change in facts.snapshot.changes if change.at > now - _CHANGES_SECONDS]
    made = [
        Detail(
            f"{format_local(change.at, now=now)}  {_change_text(change)}"
            + (f", {visible(change.author)}" if change.author else "")
        )
        for change in changes
    ]
    # The next shift has to know what may still be running.
    running = (f"{item.sentence(format_span(now - item.intent.at))}" for item in facts.snapshot.unfinished)
    lines = (*(Detail(visible(text), Verdict.WARN) for text in running), *_shorten(made))
    if full := describe_full_kinds(facts.snapshot.changes, since=now - _CHANGES_SECONDS):
        lines = (*lines, Detail(full, Verdict.NO_DATA))
    if facts.unknown:
        lines = (*lines, Detail(f"running actions are {facts.unknown}", Verdict.NO_DATA))
    title = "Changes of the last 24h"
    cluster = facts.snapshot.source("kubernetes")
    if cluster is not None and cluster.health is not Health.NOT_CONFIGURED and not cluster.answers:
        since = cluster.last_good_at
        why = "the cluster has not answered" if since is None else f"the cluster last answered {format_span(now - since)} ago"
        which = "rollouts" if since is None else "later rollouts"
        return ReportSection(title, (*lines, Detail(f"{which} are not known: {why}", Verdict.NO_DATA)), known=False)
    return ReportSection(title, lines, empty="none that the console has seen", known=not (facts.unknown or full))


def _change_text(change: Change) -> str:
    """Its text, after its kind where the text does not start with it."""
    kind = visible(change.kind)
    return change.text if change.text.startswith(kind) else f"{kind} {change.text}"


def _checklists(facts: HandoverInput) -> ReportSection:
    title, runs = "Open items of today's checklists", facts.snapshot.ledger.checklist_runs
    broken = [
        Detail(f"{visible(item.name)} cannot be read: {visible(item.why)}", Verdict.NO_DATA) for item in facts.checklists.broken
    ]
    if facts.unknown:
        return ReportSection(title, (Detail(facts.unknown, Verdict.NO_DATA), *broken), known=False)
    lines = [line for checklist in facts.checklists.lists for line in _open_lines(checklist, runs, facts.now)]
    return ReportSection(title, (*_shorten(lines), *broken), empty="nothing")


def _open_lines(checklist: Checklist, runs: ChecklistRuns, now: float) -> Iterable[Detail]:
    """The open items of today's newest run and of those open beside it, or that there is no run though one is due."""
    title, today = visible(checklist.title), local_midnight(now)
    own = [run for run in runs.for_checklist(checklist.name) if run.started_at >= today]
    due, newest = checklist.due_at(now), own[-1] if own else None
    if due is not None and due <= now and not runs.of_period(checklist.name, due=checklist.due, now=now):
        yield Detail(f"{title}: overdue since {format_local(due)}, not started", Verdict.WARN)
    if newest is None:
        return
    period = (run for run in own if is_same_period(run.started_at, newest.started_at, due=checklist.due))
    for run in period:
        if run.signature is None:
            missing = [visible(item.title) for item in checklist.items if item.id not in run.answered_items]
            state = f"not answered: {', '.join(missing)}" if missing else "all answered, not signed"
            started = f"started {format_local(run.started_at)} by {visible(run.started_by)}"
            yield Detail(f"{title}: {started}, {state}", Verdict.WARN)
    if (signature := newest.signature) is not None:
        for sentence in signature.open:
            yield Detail(f"{title}, signed {format_local(signature.at)} by {visible(signature.name)}: {visible(sentence)}")


def _budget(facts: HandoverInput) -> ReportSection:
    title, reading = "Error budget over this shift", facts.budget
    if reading is None or reading.value is None:
        why = visible(reading.fault.sentence()) if reading and reading.fault else "fetching …"
        return ReportSection(title, empty=f"not known: {why}", known=False)
    points = reading.value
    if not points or reading.taken_at - points[-1][0] > 90.0:
        return ReportSection(title, empty="not known: Prometheus has no present value", known=False)
    (started, first), (_, last) = points[0], points[-1]
    if len(points) < 2 or started - facts.shift.since > (facts.now - facts.shift.since) / 2.0:
        line = Detail(f"{last:.2f} % left; how much was left when the shift started is not known", Verdict.NO_DATA)
        return ReportSection(title, (line,), known=False)
    when = "now" if facts.now - reading.taken_at < 120.0 else format_local(reading.taken_at, now=facts.now)
    length, spent = points[-1][0] - started, first - last
    rate = forecast = ""
    if spent > 0 and length >= _LEAST_SECONDS:
        rate = f", {spent / length * 3600.0:.3f} an hour"
        seconds = last / spent * length
        forecast = f"; at this rate it is exhausted in {format_span(seconds)}" if 0 < seconds < _MONTH else ""
    recovered = f", {-spent:.2f} points recovered" if spent <= -_LEAST_POINTS else ""
    change = f"{spent:.2f} points spent{rate}" if spent > 0 else f"nothing spent{recovered}"
    text = f"{first:.2f} % left {format_local(started, now=facts.now)}, {last:.2f} % {when}: {change}{forecast}"
    state = facts.snapshot.panel(BUDGET)
    if state is not None and state.verdict is Verdict.IN_DOUBT:
        return ReportSection(title, (Detail(f"{text} ({visible(state.reason)})", state.verdict),), known=False)
    return ReportSection(title, (Detail(text),))


def _shorten(lines: Sequence[Detail]) -> tuple[Detail, ...]:
    """The first lines, and how many more there are."""
    more = len(lines) - _SHOWN
    return (*lines[:_SHOWN], Detail(f"and {more} more")) if more > 0 else tuple(lines)


def _staleness(snapshot: Snapshot, name: str, now: float) -> tuple[Detail, ...]:
    """That a source no longer answers: the list is its last one."""
    source = snapshot.source(name)
    if source is None or source.last_good_at is None or source.answers:
        return ()
    age, why = format_span(now - source.last_good_at), f": {visible(source.fault.what)}" if source.fault else ""
    return (Detail(f"as of {name}'s last answer {age} ago{why}", Verdict.STALE),)
