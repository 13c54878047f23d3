"""The post-incident review: what happened, the impact, the response times, and what is still open."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from console.incidents.correlation import Correlation
from console.incidents.impact import SLO_PERCENT, Impact
from console.incidents.severity_policy import SeverityPolicy
from console.incidents.text import author_text
from console.journal.payloads import Role, Source, Step
from console.state.incident import Incident, TimelineEntry
from console.state.incident_metrics import IncidentMetrics
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


@dataclass(frozen=True, slots=True)
class Postmortem:
    """`created_at` is Unix seconds; an open incident is reported up to then."""

    incident: Incident
    impact: Impact
    correlation: Correlation
    policy: SeverityPolicy
    metrics: IncidentMetrics
    created_at: float

    @property
    def end(self) -> float:
        """When the incident's window ends."""
        return window_end(self.incident, self.created_at)


def window_end(incident: Incident, now: float) -> float:
    """When the incident's window ends, Unix seconds: resolved, closed, or now."""
    return incident.resolved_at or incident.closed_at or now


def as_markdown(report: Postmortem) -> str:
    incident = report.incident
    blocks = [
        f"# {incident.severity} incident {incident.number}: {_text(incident.title)}",
        f"{_text(incident.environment)} · id `{incident.id}` · {format_timestamp(incident.began_at)} to {_end(report)} · "
        f"report of {format_timestamp(report.created_at)}",
        "## Summary",
        _summary(report),
        "## Impact",
        format_markdown_table(("what", "value", "source"), _impact_rows(report.impact)),
        "## Times",
        format_markdown_table(("step", "when", "after", "target", "who"), _time_rows(report)),
        "## People",
        format_markdown_table(("role", "who"), [(role.value, visible(incident.person(role)) or "nobody") for role in Role]),
        "## Contributing changes",
        _changes(report.correlation),
        "## Actions",
        _entries(entry for entry in incident.entries if entry.source is Source.CONSOLE),
        "## Updates",
        _updates(incident),
        "## Timeline",
        _entries(incident.entries),
        "## Open questions",
        _bullets(_questions(report), "none that the console knows about"),
        "## Follow-ups",
        _bullets(_follow_ups(incident), "none yet; a note that starts with `follow-up:` is listed here"),
        "## The last 30 days",
        format_markdown_table(("what", "value"), metric_rows(report.metrics)),
    ]
    return "\n\n".join(blocks) + "\n"


def as_json(report: Postmortem) -> dict[str, Any]:
    incident, impact = report.incident, report.impact
    return {
        "schema": 1,
        "incident": incident.id,
        "number": incident.number,
        "title": incident.title,
        "severity": incident.severity.value,
        "environment": incident.environment,
        "times": {
            "detected_at": _utc(incident.detected_at),
            "declared_at": _utc(incident.declared_at),
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
        "changes": [
            {"at": _utc(item.at), "kind": item.kind, "text": item.text, "author": item.author}
            for item in report.correlation.changes
        ],
        "not_asked": list(report.correlation.faults),
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
        "follow_ups": list(_follow_ups(incident)),
    }


def metric_rows(metrics: IncidentMetrics) -> list[tuple[str, str]]:
    """Counts and means as text; without a sample a mean is not known."""
    counts = ", ".join(f"{level} {count}" for level, count in metrics.counts)
    return [
        ("incidents", f"{counts}; {metrics.open} open"),
        ("MTTA", _mean(metrics.mtta_seconds, metrics.acknowledged, "acknowledged")),
        ("MTTR", _mean(metrics.mttr_seconds, metrics.resolved, "resolved")),
    ]


def _mean(seconds: float | None, count: int, what: str) -> str:
    return f"not known: none {what}" if seconds is None else f"{format_span(seconds)} (of {count} {what})"


def _summary(report: Postmortem) -> str:
    incident, impact = report.incident, report.impact
    alerts = ", ".join(dict.fromkeys(visible(item.name) for item in incident.alerts))
    start = f"{_text(alerts)} started firing" if alerts else "People noticed it without an alert"
    when = f" at {format_timestamp(incident.detected_at)}" if alerts and incident.detected_at else ""
    declared = f"declared {incident.severity} at {format_timestamp(incident.declared_at)}"
    parts = [f"{start}{when}; {_text(incident.declared_by)} {declared}."]
    mitigation = incident.completions.get(Step.MITIGATE)
    if mitigation is not None:
        how = _text(mitigation.because or mitigation.note or "by hand")
        parts.append(f"It was mitigated after {format_span(mitigation.at - incident.began_at)} ({how}).")
    else:
        over = incident.resolved_at is not None or not incident.open
        parts.append("No mitigation is recorded." if over else "It is not mitigated yet.")
    if incident.resolved_at is not None:
        parts.append(f"It was resolved after {format_span(incident.resolved_at - incident.began_at)}.")
    if impact.failed is not None:
        parts.append(f"{_count(impact.failed)} of {_count(impact.requests)} requests failed.")
    else:
        parts.append("It is unknown how many requests failed.")
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


def _time_rows(report: Postmortem) -> list[tuple[str, str, str, str, str]]:
    incident, policy = report.incident, report.policy
    targets = {
        Step.ACKNOWLEDGE: policy.acknowledge_seconds,
        Step.ASSESS: policy.assess_seconds,
        Step.COMMUNICATE: policy.update_every_seconds,
        Step.MITIGATE: policy.mitigate_seconds,
    }
    rows = []
    if report.impact.bad_since is not None:
        rows.append(("began", format_timestamp(report.impact.bad_since), "", "", "error ratio over the objective"))
    start = report.impact.bad_since or incident.began_at
    detected = incident.detected_at
    if detected is not None:
        rows.append(("detected", format_timestamp(detected), format_span(detected - start), "", "the first alert"))
    rows.append(
        (
            "declared",
            format_timestamp(incident.declared_at),
            format_span(incident.declared_at - start),
            "",
            visible(incident.declared_by),
        )
    )
    for step in Step:
        completion = incident.completions.get(step)
        limit = targets.get(step)
        if completion is None:
            rows.append((step.value, "not done", "", format_span(limit) if limit else "", ""))
            continue
        late = limit is not None and completion.at - incident.declared_at > limit
        target = f"{format_span(limit)}{', LATE' if late else ''}" if limit else ""
        reason = completion.because or completion.note
        who = visible(f"{completion.author}: {reason}" if reason else completion.author)
        rows.append((step.value, format_timestamp(completion.at), format_span(completion.at - start), target, who))
    if incident.closed_at is not None:
        rows.append(
            (
                "closed",
                format_timestamp(incident.closed_at),
                format_span(incident.closed_at - start),
                "",
                visible(incident.closed_by),
            )
        )
    return rows


def _changes(correlation: Correlation) -> str:
    rows = [(format_timestamp(item.at), item.kind, visible(item.text), visible(item.author)) for item in correlation.changes]
    head = (
        f"From {format_timestamp(correlation.start)} to {format_timestamp(correlation.end)}, the hour before the first alert."
    )
    table = format_markdown_table(("time", "kind", "what", "by"), rows) if rows else "None that the console could see."
    missing = "\n\n" + _bullets([f"not checked: {item}" for item in correlation.faults], "") if correlation.faults else ""
    return f"{head}\n\n{table}{missing}"


def _entries(entries: Iterable[TimelineEntry]) -> str:
    listed = list(entries)
    times = {item.id: item.at for item in listed}
    rows = []
    for item in listed:
        corrected = f" (corrects {format_timestamp(times[item.corrects])})" if item.corrects in times else ""
        rows.append((format_timestamp(item.at), item.source.value, author_text(item), visible(item.text) + corrected))
    return format_markdown_table(("time", "source", "author", "what"), rows) if rows else "None."


def _updates(incident: Incident) -> str:
    blocks = []
    for update in incident.updates:
        sent = ", ".join(
            f"{item.state} {item.where}".strip() + (f" ({item.why})" if item.why else "") for item in update.deliveries
        )
        quoted = "\n".join(f"> {_text(line)}".rstrip() for line in update.text.splitlines())
        blocks.append(f"{format_timestamp(update.at)}, {_text(update.author)}, {_text(sent or 'not sent')}:\n\n{quoted}")
    return "\n\n".join(blocks) or "None."


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
    for entry in incident.entries:
        if entry.source is Source.PERSON and entry.text.rstrip().endswith("?"):
            yield f"{entry.text} ({entry.author})"


def _follow_ups(incident: Incident) -> Iterable[str]:
    for entry in incident.entries:
        for head in _FOLLOW_UP:
            if entry.source is Source.PERSON and entry.text.lower().startswith(head):
                yield f"{entry.text[len(head) :].strip()} ({entry.author})"


def _bullets(lines: Iterable[str], default: str) -> str:
    return "\n".join(f"- {_text(line)}" for line in lines) or default


def _text(raw: str) -> str:
    return escape_markdown(visible(raw))


def _count(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:,.0f}"


def _end(report: Postmortem) -> str:
    return format_timestamp(report.end) if report.incident.resolved_at or report.incident.closed_at else "now, still open"


def _utc(at: float | None) -> str | None:
    return None if at is None else format_milliseconds(at)
