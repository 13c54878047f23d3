"""The daily summary, built from the evidence of the end-of-day checklist."""

from __future__ import annotations

from collections.abc import Iterable

from console.alerts.recent_changes import describe_full_kinds
from console.checklists.alert_evidence import AlertSummary, summarize_alerts
from console.checklists.alert_history import AlertWindow
from console.checklists.definition import AlertsEvidence, BatchEvidence, Checklist, KpisEvidence, MaintenanceEvidence
from console.checklists.evaluate import EvaluationInput, figure_pair, figure_partial
from console.checklists.incidents import incident_metric_lines
from console.checklists.result import Detail, ItemResult
from console.checklists.section import ReportSection
from queries.model.silence import Silence
from queries.model.text import visible
from queries.model.verdict import Verdict
from queries.text.durations import format_span
from queries.text.numbers import format_brief
from queries.text.times import format_local, local_midnight

_BRIEF_SECONDS = 300.0
"""An alert that resolved sooner may have been a false positive."""
_SHOWN = 40


def build_summary(checklist: Checklist, results: Iterable[ItemResult], facts: EvaluationInput) -> tuple[ReportSection, ...]:
    """The sections in reading order: figures, alerts, changes, what is ahead."""
    by_kind = {type(result.item.evidence): result for result in results}
    window = next(
        (
            reading.value
            for item in checklist.items
            if isinstance(item.evidence, AlertsEvidence)
            and facts.evidence
            and (reading := facts.evidence.alerts.get(item.id)) is not None
        ),
        None,
    )
    return (
        _figures(by_kind.get(KpisEvidence), facts),
        _budget(by_kind.get(KpisEvidence), facts),
        _alerts(window, facts),
        _changes(facts, ("rollout", "scaled"), "Rolled out and scaled today", "nothing"),
        _changes(facts, ("action",), "Actions of the day", "none from this journal"),
        _silences(facts),
        _copy_result(by_kind.get(MaintenanceEvidence), "Maintenance ahead"),
        _copy_result(by_kind.get(BatchEvidence), "Backup"),
    )


def _figures(result: ItemResult | None, facts: EvaluationInput) -> ReportSection:
    lines = [*(result.details if result else ())]
    lines += incident_metric_lines(facts.incidents, facts.now)
    return ReportSection("Key figures", tuple(lines), empty="the checklist has none")


def _budget(result: ItemResult | None, facts: EvaluationInput) -> ReportSection:
    title = "Error budget spent today"
    evidence = result.item.evidence if result else None
    specs = evidence.specs if isinstance(evidence, KpisEvidence) else ()
    spec = next((spec for spec in specs if spec.id == "error_budget"), None)
    pair = figure_pair(spec, facts.evidence) if spec else None
    before, now = pair or (None, None)
    if now is None:
        return ReportSection(title, empty="not known: the remaining budget is not known", known=False)
    if before is None:
        line = Detail(f"not known: no value at midnight; {format_brief(now)} % left now", Verdict.NO_DATA)
        return ReportSection(title, (line,), known=False)
    spent = round(before - now, 2)
    # Errors that leave the window can be more than what was spent.
    recovered = f", {-spent:.2f} points recovered as old errors left the window" if spent < 0 else ""
    change = f"{spent:.2f} points" if spent > 0 else f"none{recovered}"
    text = f"{change}: {before:.2f} % left at midnight, {now:.2f} % left now"
    partial = figure_partial(spec, facts.evidence) if spec else ""
    if partial:
        return ReportSection(title, (Detail(f"{text} ({partial})", Verdict.IN_DOUBT),), known=False)
    state = facts.snapshot.panel("error_budget")
    if state is not None and state.verdict is Verdict.IN_DOUBT:
        return ReportSection(title, (Detail(f"{text} ({visible(state.reason)})", state.verdict),), known=False)
    return ReportSection(title, (Detail(text),))


def _alerts(window: AlertWindow | None, facts: EvaluationInput) -> ReportSection:
    """By name, with count and total duration."""
    title = "Alerts of the day"
    if window is None:
        return ReportSection(title, empty="not known: Prometheus did not return what fired", known=False)
    lines = []
    by_name: dict[str, list[tuple[str, int, float, AlertSummary]]] = {}
    for alert in summarize_alerts(window, facts.snapshot.alerts, severities=facts.snapshot.severities):
        # How often and how long one fired that Prometheus does not have is not known.
        times, total = (alert.history.times, alert.history.total_seconds) if alert.history else (0, 0.0)
        by_name.setdefault(alert.name, []).append((alert.place, times, total, alert))
    for name, found in sorted(by_name.items(), key=lambda pair: (-sum(each[2] for each in pair[1]), pair[0])):
        count, total = sum(each[1] for each in found), sum(each[2] for each in found)
        places = ", ".join(sorted({each[0] for each in found if each[0]}))
        now = ", firing now" if any(each[3].firing for each in found) else ""
        now += ", firing in Prometheus, not listed" if any(each[3].unlisted for each in found) else ""
        where = f" ({places})" if places else ""
        known = f"{count} {'time' if count == 1 else 'times'}, {format_span(total)} in total" if count else "history unknown"
        lines.append(Detail(f"{name}{where}  {known}{now}"))
    ended = [item.intervals[:-1] if item.still_firing else item.intervals for item in window.histories]
    # Of one that began before the day, only the end is in the window: how long it lasted is not known.
    intervals = [interval for each in ended for interval in each if interval.starts_at > window.starts_at]
    if intervals:
        short = [interval for interval in intervals if interval.ends_at - interval.starts_at < _BRIEF_SECONDS]
        share = 100.0 * len(short) / len(intervals)
        text = f"{len(short)} of {len(intervals)} ({share:.0f} %) resolved within {format_span(_BRIEF_SECONDS)}"
        lines.append(Detail(f"False positives, estimated  {text}"))
    if not window.complete:
        unseen = f"Prometheus has no data for {format_span(window.unknown_seconds)} of the day"
        lines.append(Detail(unseen, Verdict.NO_DATA))
    return ReportSection(title, tuple(lines), empty="nothing fired", known=window.complete)


def _changes(facts: EvaluationInput, kinds: tuple[str, ...], title: str, empty: str) -> ReportSection:
    start = local_midnight(facts.now)
    changes = [change for change in facts.snapshot.changes if change.kind in kinds and change.at >= start]
    lines = [
        Detail(f"{format_local(change.at)}  {change.text}{f', {visible(change.author)}' if change.author else ''}")
        for change in reversed(changes)
    ]
    if (earlier := len(lines) - _SHOWN) > 0:
        lines = [Detail(f"{earlier} earlier not shown"), *lines[-_SHOWN:]]
    cluster = facts.snapshot.source("kubernetes")
    reasons = [describe_full_kinds(facts.snapshot.changes, since=start, kinds=kinds)]
    if "rollout" in kinds and (facts.snapshot.cluster is None or cluster is None or not cluster.answers):
        reasons.append("the cluster does not answer")
    if "action" in kinds and facts.incidents is None:
        reasons.append("the journal could not be read")
    if missing := "; ".join(filter(None, reasons)):
        rest = [*lines, Detail(f"there may be more: {missing}", Verdict.NO_DATA)] if lines else []
        return ReportSection(title, tuple(rest), empty=f"not known: {missing}", known=False)
    return ReportSection(title, tuple(lines), empty=empty)


def _silences(facts: EvaluationInput) -> ReportSection:
    manager = facts.snapshot.source("alertmanager")
    if manager is None or not manager.answers:
        return ReportSection("Silences in force", empty="not known: Alertmanager does not answer", known=False)
    return ReportSection("Silences in force", tuple(Detail(text) for text in in_force(facts.snapshot.silences, facts.now)))


def in_force(silences: Iterable[Silence], now: float) -> tuple[str, ...]:
    """The active silences, the one that ends first at the top."""
    found = [item for item in silences if item.state != "expired" and item.starts_at <= now < item.ends_at]
    return tuple(silence_text(item, now) for item in sorted(found, key=lambda item: item.ends_at))


def silence_text(silence: Silence, now: float) -> str:
    """`alertname="X" until 17:00 CET (2h3m), by ops: why`."""
    matchers = visible(", ".join(str(matcher) for matcher in silence.matchers))
    left = f" ({format_span(silence.ends_at - now)})" if silence.ends_at > now else ""
    comment = f": {visible(silence.comment)}" if silence.comment else ""
    return f"{matchers}  until {format_local(silence.ends_at, now=now)}{left}, by {visible(silence.created_by)}{comment}"


def _copy_result(result: ItemResult | None, title: str) -> ReportSection:
    if result is None:
        return ReportSection(title, empty="not part of the checklist", known=False)
    ok = result.verdict is Verdict.OK
    head = Detail(f"{result.value_text}: {result.reason}", None if ok else result.verdict)
    lines = (result.details or (head,)) if ok else (head, *result.details)
    return ReportSection(title, lines, empty=result.value_text)
