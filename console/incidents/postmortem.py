"""The post-incident review: what happened, the impact, the response times, and what is still open."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from console.incidents.correlation import Correlation
from console.incidents.impact import SLO_PERCENT, Impact
from console.incidents.report_blocks import (
    Block,
    Bullets,
    Cell,
    Moment,
    PanelChart,
    Paragraph,
    Quote,
    ReportHead,
    ReportTable,
    Section,
)
from console.incidents.response_timers import RESPONSE, find_first_response
from console.incidents.severity_policy import SeverityPolicy
from console.incidents.text import author_text
from console.journal.payloads import Role, Source, Step
from console.logs.pattern_report import PatternReport, change_object, count_lines, describe_change
from console.state.incident import Incident, TimelineEntry, Update
from console.state.incident_metrics import IncidentMetrics
from queries.model.change import Change
from queries.model.frozen import dataclass
from queries.model.text import visible
from queries.text.durations import format_span
from queries.text.numbers import format_brief
from queries.text.tables import escape_markdown, format_markdown_table
from queries.text.times import format_milliseconds, format_timestamp

UNKNOWN = "unknown"
_FIGURES = {
    "requests": "number of requests is",
    "failed": "number of failed requests is",
    "slow_percent": "share of slow requests is",
    "budget_percent": "error budget spent is",
    "outside_seconds": "time outside the SLO is",
}
_FOLLOW_UP = ("follow-up:", "follow up:", "todo:", "action item:")
_NO_ACTION_ITEMS = "None yet: cad-console incident follow-up adds one, with its owner and date."
_SOON_SECONDS = 300.0
"""An alert that comes so soon after the beginning went well; rules wait one to five minutes (`for`)."""


@dataclass(frozen=True, slots=True)
class LogNews:
    """What was new in a workload's log after a moment (Unix seconds), or why that is unknown. `since` is what happened then
    (`rollout`), empty for the beginning of the incident.
    """

    target: str
    moment: float
    report: PatternReport | None = None
    fault: str = ""
    since: str = ""

    @property
    def unknown(self) -> str:
        """Why it is not known what was new; empty if it is."""
        if self.report is None or self.report.known:
            return self.fault
        return self.report.note or "no earlier lines to compare with: what is new is unknown"


@dataclass(frozen=True, slots=True)
class Postmortem:
    """`created_at` is Unix seconds; an open incident is reported up to then."""

    incident: Incident
    impact: Impact
    correlation: Correlation
    policy: SeverityPolicy
    metrics: IncidentMetrics
    created_at: float
    author: str = ""
    charts: tuple[PanelChart, ...] = ()
    log_news: LogNews | None = None
    """None where no server keeps logs, or the incident has no workload."""

    @property
    def began_at(self) -> float:
        """The one beginning from which every length counts, Unix seconds: when the error ratio crossed the objective, else the
        first alert, else what a person said or the declaration.
        """
        return min(self.impact.bad_since or self.incident.began_at, self.incident.began_at)

    @property
    def end(self) -> float:
        """When the incident's window ends."""
        return window_end(self.incident, self.created_at)


def window_end(incident: Incident, now: float) -> float:
    """When the incident's window ends, Unix seconds: resolved, closed, or now."""
    return incident.resolved_at or incident.closed_at or now


def report_head(report: Postmortem) -> ReportHead:
    """What identifies the report, and the incident's whole time."""
    incident = report.incident
    over = incident.resolved_at or incident.closed_at
    return ReportHead(
        f"{incident.severity} incident {incident.number}: {visible(incident.title)}",
        visible(incident.environment),
        incident.id,
        report.began_at,
        report.end if over else None,
        report.created_at,
        visible(report.author),
    )


def build_report_sections(report: Postmortem) -> tuple[Section, ...]:
    """The report without a format; every text in it went through `visible`."""
    incident, correlation = report.incident, report.correlation
    return (
        Section("Summary", (Paragraph(_summary(report)),)),
        Section("Impact", (ReportTable(("what", "value", "source"), tuple(_impact_rows(report.impact))), *report.charts)),
        Section("Times", (ReportTable(("step", "when", "after", "target", "who", "source"), tuple(_time_rows(report))),)),
        Section("People", (ReportTable(("role", "who"), tuple(_people(incident))),)),
        Section("Contributing changes", tuple(_contributing(report))),
        Section(
            "Symptoms and other events beforehand",
            (ReportTable(("time", "kind", "what", "by"), tuple(map(_change_row, correlation.symptoms))),),
        ),
        *((Section("New in the log", tuple(_log_blocks(report.log_news))),) if report.log_news else ()),
        Section("What was done", (_entries(entry for entry in incident.entries if entry.source is Source.CONSOLE),)),
        Section("What went well", (Bullets(tuple(_went_well(report)), "nothing that the console can prove"),)),
        Section("Open questions", (Bullets(tuple(map(visible, _questions(report))), "none that the console knows about"),)),
        Section(
            "Action items",
            (ReportTable(("what", "owner", "due", "state", "added by"), tuple(_action_items(incident)), _NO_ACTION_ITEMS),),
        ),
        Section("Updates", tuple(map(_quote, incident.updates)) or (Paragraph("None."),)),
        Section("Timeline", (_entries(incident.entries),)),
        Section("The last 30 days", (ReportTable(("what", "value"), tuple(metric_rows(report.metrics))),)),
    )


def as_markdown(report: Postmortem) -> str:
    head = report_head(report)
    end = format_timestamp(head.ended_at) if head.ended_at else "now, still open"
    author = f" by {escape_markdown(head.author)}" if head.author else ""
    blocks = [
        f"# {escape_markdown(head.title)}",
        f"{escape_markdown(head.environment)} · id `{head.identity}` · {format_timestamp(head.started_at)} to {end} · "
        f"report of {format_timestamp(head.created_at)}{author}",
    ]
    for section in build_report_sections(report):
        blocks.append(f"## {section.title}")
        blocks += [text for block in section.blocks if (text := _block_as_markdown(block))]
    return "\n\n".join(blocks) + "\n"


def _block_as_markdown(block: Block) -> str:
    match block:
        case Paragraph(text=text):
            return escape_markdown(text)
        case ReportTable(head=head, rows=rows, empty=empty):
            cells = [[format_timestamp(cell.at) if isinstance(cell, Moment) else cell for cell in row] for row in rows]
            return format_markdown_table(head, cells) if rows else escape_markdown(empty)
        case Bullets(lines=lines, empty=empty):
            return "\n".join(f"- {escape_markdown(line)}" for line in lines) or escape_markdown(empty)
        case Quote():
            quoted = "\n".join(f"> {escape_markdown(line)}".rstrip() for line in block.text.splitlines())
            origin = f"{format_timestamp(block.at)}, {escape_markdown(block.author)}, {escape_markdown(block.status)}"
            return f"{origin}:\n\n{quoted}"
        case PanelChart():
            return ""


def as_json(report: Postmortem) -> dict[str, Any]:
    incident, impact = report.incident, report.impact
    return {
        "schema": 1,
        "incident": incident.id,
        "number": incident.number,
        "title": incident.title,
        "severity": incident.severity.value,
        "environment": incident.environment,
        "author": report.author,
        "times": {
            "detected_at": _utc(incident.detected_at),
            "began_at": _utc(report.began_at),
            "declared_at": _utc(incident.declared_at),
            "responded_at": _utc(find_first_response(incident)),
            "closed_at": _utc(incident.closed_at),
        },
        "steps": {step.value: _utc(incident.done_at(step)) for step in Step},
        "window": {"start": _utc(impact.start), "end": _utc(impact.end), "seconds": round(impact.end - impact.start, 3)},
        "impact": {
            "requests": impact.requests,
            "failed": impact.failed,
            "slow_percent": impact.slow_percent,
            "budget_percent": impact.budget_percent,
            "outside_slo_seconds": impact.outside_seconds,
            "unseen_seconds": impact.unseen_seconds,
            "unknown": dict(impact.why),
        },
        "changes": [_change_json(item) for item in report.correlation.contributing(incident.targets)],
        "symptoms": [_change_json(item) for item in report.correlation.symptoms],
        "not_asked": list(report.correlation.faults),
        "log": _log_json(report.log_news),
        "timeline": [
            {
                "at": _utc(item.at),
                "source": item.source.value,
                "author": item.author,
                "text": item.text,
                "corrects": item.corrects,
            }
            for item in incident.entries
        ],
        "open_questions": list(_questions(report)),
        "follow_ups": [*_notes_with(incident, _FOLLOW_UP), *(item.text for item in incident.follow_ups)],
        "action_items": [
            {"id": item.id, "what": item.text, "owner": item.owner or None, "due": item.due or None, "done": item.done}
            for item in incident.follow_ups
        ],
        "went_well": list(_went_well(report)),
    }


def _log_json(news: LogNews | None) -> dict[str, Any] | None:
    if news is None:
        return None
    found = news.report.telling() if news.report else ()
    return {
        "target": news.target,
        "moment": _utc(news.moment),
        "unknown": news.unknown or None,
        "note": (news.report.note if news.report else "") or None,
        "changed_patterns": news.report.count_telling() if news.report and news.report.known else None,
        "changes": [change_object(change) for change in found],
    }


def _change_json(change: Change) -> dict[str, Any]:
    return {"at": _utc(change.at), "kind": change.kind, "text": change.text, "author": change.author}


def metric_rows(metrics: IncidentMetrics) -> list[tuple[str, str]]:
    """Counts and means as text; without a sample a mean is not known."""
    counts = ", ".join(f"{level} {count}" for level, count in metrics.counts)
    return [
        ("incidents", f"{counts}; {metrics.open} open"),
        ("MTTA", _mean(metrics.mtta_seconds, metrics.acknowledged, "acknowledged")),
        ("MTTR", _mean(metrics.mttr_seconds, metrics.recovered, "mitigated or resolved")),
    ]


def _mean(seconds: float | None, count: int, what: str) -> str:
    return f"not known: none {what}" if seconds is None else f"{format_span(seconds)} (of {count} {what})"


def _summary(report: Postmortem) -> str:
    incident, impact, began_at = report.incident, report.impact, report.began_at
    alerts = ", ".join(dict.fromkeys(visible(item.name) for item in incident.alerts))
    start = f"{alerts} started firing" if alerts else "People noticed it without an alert"
    when = f" at {format_timestamp(incident.detected_at)}" if alerts and incident.detected_at else ""
    declared = f"declared {incident.severity} at {format_timestamp(incident.declared_at)}"
    parts = [f"It began at {format_timestamp(began_at)}. {start}{when}; {visible(incident.declared_by)} {declared}."]
    mitigation = incident.completions.get(Step.MITIGATE)
    if mitigation is not None:
        how = visible(mitigation.because or mitigation.note or f"marked by {mitigation.author}")
        parts.append(f"It was mitigated after {format_span(mitigation.at - began_at)} ({how}).")
    else:
        over = incident.resolved_at is not None or not incident.open
        parts.append("No mitigation is recorded." if over else "It is not mitigated yet.")
    if incident.resolved_at is not None:
        parts.append(f"It was resolved after {format_span(incident.resolved_at - began_at)}.")
    if impact.failed is not None:
        parts.append(f"{_count(impact.failed)} of {_count(impact.requests)} requests failed.")
    else:
        parts.append("It is unknown how many requests failed.")
    if impact.budget_percent is not None:
        parts.append(f"It used {format_brief(impact.budget_percent)} % of the 30-day error budget.")
    return " ".join(parts)


def _impact_rows(impact: Impact) -> list[tuple[str, str, str]]:
    window = f"{format_timestamp(impact.start)} to {format_timestamp(impact.end)} ({format_span(impact.end - impact.start)})"
    outside = impact.reason("outside_seconds") or f"error ratio over {SLO_PERCENT:g} % in that window"
    if impact.unseen_seconds:
        outside += f", not counting {format_span(impact.unseen_seconds)} without a value"
    basis = (
        f"the error ratio was over {SLO_PERCENT:g} % from then on"
        if impact.bad_since
        else "the first alert, or the declaration"
    )
    return [
        ("window", window, basis),
        ("requests", _count(impact.requests), impact.reason("requests") or "Prometheus, OCR and Vision"),
        (
            "requests failed",
            _count(impact.failed),
            impact.reason("failed") or "Prometheus, including requests that an open circuit breaker rejected",
        ),
        (
            "slower than 2 s",
            UNKNOWN if impact.slow_percent is None else f"{format_brief(impact.slow_percent)} %",
            impact.reason("slow_percent") or "Prometheus, share of the timed requests",
        ),
        (
            "error budget spent",
            UNKNOWN if impact.budget_percent is None else f"{format_brief(impact.budget_percent)} %",
            impact.reason("budget_percent") or "of what 99.9 % allows in 30 days",
        ),
        ("time outside the SLO", UNKNOWN if impact.outside_seconds is None else format_span(impact.outside_seconds), outside),
    ]


def _time_rows(report: Postmortem) -> list[tuple[Cell, ...]]:
    """One set of times, each with its source; every length counts from the same beginning."""
    incident, policy, start = report.incident, report.policy, report.began_at
    limits = _limits(policy)

    def row(step: str, at: float, *, target: str = "", who: str = "", source: str) -> tuple[Cell, ...]:
        return (step, Moment(at), format_span(at - start), target, visible(who), visible(source))

    rows = []
    if report.impact.bad_since is not None and start == report.impact.bad_since:
        rows.append(row("began", start, source=f"Prometheus: the error ratio went over {SLO_PERCENT:g} %"))
    elif incident.since is not None and start == incident.since:
        rows.append(row("began", start, who=incident.declared_by, source="stated at the declaration"))
    if incident.detected_at is not None:
        # Not the earliest: one that somebody linked later may have started before it.
        first = next((item for item in incident.alerts if item.starts_at == incident.detected_at), None)
        name = f": {first.name}" if first else ""
        rows.append(row("detected", incident.detected_at, source=f"the start of the first alert{name}"))
    rows.append(row("declared", incident.declared_at, who=incident.declared_by, source="journal"))
    for step in Step:
        rows.append(_step_row(incident, step, limits.get(step), start))
        if step is RESPONSE[-1]:
            rows.append(_response_row(incident, policy.response_seconds, start))
    if incident.closed_at is not None:
        rows.append(row("closed", incident.closed_at, who=incident.closed_by, source="journal"))
    return rows


def _limits(policy: SeverityPolicy) -> dict[Step, float]:
    return {
        Step.ACKNOWLEDGE: policy.acknowledge_seconds,
        Step.ASSESS: policy.assess_seconds,
        Step.COMMUNICATE: policy.update_every_seconds,
        Step.MITIGATE: policy.mitigate_seconds,
    }


def _step_row(incident: Incident, step: Step, limit: float | None, start: float) -> tuple[Cell, ...]:
    completion = incident.completions.get(step)
    if completion is None:
        return (step.value, "not done", "", format_span(limit) if limit else "", "", "")
    reason = completion.because or completion.note
    return (
        step.value,
        Moment(completion.at),
        format_span(completion.at - start),
        _target(limit, completion.at - incident.declared_at),
        visible(completion.author),
        visible(f"journal: {reason}" if reason else "journal"),
    )


def _response_row(incident: Incident, limit: float, start: float) -> tuple[Cell, ...]:
    at = find_first_response(incident)
    if at is None:
        return ("response", "not complete", "", format_span(limit), "", "")
    target = _target(limit, at - incident.declared_at)
    return ("response", Moment(at), format_span(at - start), target, "", f"the last of {', '.join(RESPONSE)}")


def _target(limit: float | None, seconds: float) -> str:
    """Targets count from the declaration."""
    return f"{format_span(limit)}{', LATE' if seconds > limit else ''}" if limit else ""


def _people(incident: Incident) -> Iterable[tuple[Cell, ...]]:
    for role in Role:
        yield role.value, visible(incident.person(role)) or "nobody"


def _contributing(report: Postmortem) -> Iterable[Block]:
    correlation, targets = report.correlation, report.incident.targets
    window = f"From {format_timestamp(correlation.start)} to {format_timestamp(correlation.end)}, the hour before it began"
    yield Paragraph(f"{window}; changes to its own workloads first, then the closest in time.")
    rows = tuple(
        (
            str(rank),
            format_span(correlation.end - item.at),
            *_change_row(item),
        )
        for rank, item in enumerate(correlation.contributing(targets), start=1)
    )
    yield ReportTable(("rank", "before", "time", "kind", "what", "by"), rows, "None that the console could see.")
    if correlation.faults:
        yield Bullets(tuple(f"may be incomplete: {visible(item)}" for item in correlation.faults))


def _log_blocks(news: LogNews) -> Iterable[Block]:
    since = f"{news.target} since {format_timestamp(news.moment)}{f', the {news.since}' if news.since else ''}"
    if news.report is None:
        yield Paragraph(f"{since}: unknown. {visible(news.fault)}")
        return
    compared = f"{count_lines(news.report.lines)} compared, {format_span(news.report.before.seconds)} before"
    yield Paragraph(f"{since}: {compared} and {format_span(news.report.after.seconds)} after.")
    rows = tuple(
        (describe_change(change), visible(change.pattern.sample.text), visible(", ".join(change.pattern.sources)))
        for change in news.report.telling()
    )
    if news.report.known:
        yield ReportTable(("change", "a line of it", "written by"), rows, "No pattern appeared, multiplied or vanished.")
        if (count := news.report.count_telling()) > len(rows):
            yield Paragraph(f"These are {len(rows)} of {count} patterns that changed.")
    if text := news.unknown or news.report.note:
        yield Paragraph(text)


def _change_row(change: Change) -> tuple[Cell, ...]:
    return (Moment(change.at), change.kind, visible(change.text), visible(change.author))


def _entries(entries: Iterable[TimelineEntry]) -> ReportTable:
    listed = list(entries)
    times = {item.id: item.at for item in listed}
    rows: list[tuple[Cell, ...]] = []
    for item in listed:
        corrected = f" (corrects {format_timestamp(times[item.corrects])})" if item.corrects in times else ""
        rows.append((author_text(item), Moment(item.at), item.source.value, visible(item.text) + corrected))
    return ReportTable(("author", "time", "source", "what"), tuple(rows))


def _quote(update: Update) -> Quote:
    sent = ", ".join(
        f"{item.state} {item.where}".strip() + (f" ({item.why})" if item.why else "") for item in update.deliveries
    )
    text = "\n".join(map(visible, update.text.splitlines()))
    return Quote(update.at, visible(update.author), visible(sent or "not sent"), text)


def _went_well(report: Postmortem) -> Iterable[str]:
    """What the data proves, and the notes that begin with `went well:`."""
    incident, impact = report.incident, report.impact
    if impact.bad_since is not None and incident.detected_at is not None:
        seconds = incident.detected_at - impact.bad_since
        if 0.0 <= seconds <= _SOON_SECONDS:
            yield f"An alert detected it {format_span(seconds)} after it began."
    for step, limit in _limits(report.policy).items():
        at = incident.done_at(step)
        if at is None or at - incident.declared_at > limit:
            continue
        if at < incident.declared_at:
            yield f"{step}: done {format_span(incident.declared_at - at)} before the declaration"
        else:
            yield f"{step}: done {format_span(at - incident.declared_at)} after the declaration, target {format_span(limit)}"
    times = sorted(item.out_at for item in incident.updates if item.out_at is not None)
    gaps = [after - before for before, after in pairwise((incident.declared_at, *times))]
    # One that was due until the end and never sent was not on time either.
    if times and max(*gaps, report.end - times[-1]) <= report.policy.update_every_seconds:
        longest = format_span(max(gaps))
        if len(times) == 1:
            yield f"The update went out on time, {longest} after the declaration."
        else:
            yield f"All {len(times)} updates went out on time, at most {longest} apart."
    yield from _notes_with(incident, ("went well:",))


def _action_items(incident: Incident) -> Iterable[tuple[Cell, ...]]:
    for item in incident.follow_ups:
        owner, due = visible(item.owner) or "nobody", visible(item.due) or "no date"
        yield visible(item.text), owner, due, "done" if item.done else "open", visible(item.author)
    for text in _notes_with(incident, _FOLLOW_UP):
        yield text, "nobody", "no date", "open", "a note"


def _questions(report: Postmortem) -> Iterable[str]:
    """What the data leaves open, and the questions in people's notes."""
    incident, impact = report.incident, report.impact
    if incident.open:
        yield "The incident is still open."
    for step in Step:
        if step not in incident.completions:
            yield f"The step {step.value} is not done."
    for name, why in impact.why:
        yield f"The {_FIGURES[name]} unknown: {why}"
    if impact.unseen_seconds:
        yield f"For {format_span(impact.unseen_seconds)} of the window there was no error ratio."
    for fault in report.correlation.faults:
        yield f"The list of changes may be incomplete: {fault}"
    if (news := report.log_news) is not None and news.report is None:
        yield f"What was new in the log of {news.target} is unknown: {news.fault}"
    elif news is not None and news.report is not None and (text := news.unknown or news.report.note):
        yield f"The log of {news.target}: {text}"
    for entry in incident.entries:
        if entry.source is Source.PERSON and entry.text.rstrip().endswith("?"):
            yield f"{entry.text} ({entry.author})"


def _notes_with(incident: Incident, heads: tuple[str, ...]) -> Iterable[str]:
    """People's notes that begin with one of these words, in any case, without it."""
    for entry in incident.entries:
        for head in heads:
            if entry.source is Source.PERSON and entry.text.lower().startswith(head):
                yield visible(f"{entry.text[len(head) :].strip()} ({entry.author})")


def _count(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:,.0f}"


def _utc(at: float | None) -> str | None:
    return None if at is None else format_milliseconds(at)
