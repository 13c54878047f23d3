"""The daily summary: what the end-of-day walk found out, put together without asking again."""

from __future__ import annotations

from collections.abc import Iterable

from console.checklists.alert_evidence import nights
from console.checklists.alert_history import AlertWindow
from console.checklists.definition import AlertsEvidence, BatchEvidence, Checklist, KpisEvidence, MaintenanceEvidence
from console.checklists.evaluate import EvaluationInput, figure_pair
from console.checklists.incidents import incident_figures
from console.checklists.result import Detail, ItemResult
from console.checklists.section import ReportSection
from queries.model.silence import Silence
from queries.model.text import visible
from queries.model.verdict import Verdict
from queries.text.durations import format_span
from queries.text.numbers import format_brief
from queries.text.times import format_local, local_midnight

_BRIEF_SECONDS = 300.0
"""An alert that was over so soon, and that no one had to do anything about, may have been a false one."""
_SHOWN = 40


def summary(checklist: Checklist, findings: Iterable[ItemResult], facts: EvaluationInput) -> tuple[ReportSection, ...]:
    """The sections in the order in which one reads them: figures, alerts, what was done, what is ahead."""
    by_kind = {type(finding.item.evidence): finding for finding in findings}
    window = next(
        (
            reading.value
            for item in checklist.items
            if isinstance(item.evidence, AlertsEvidence)
            and facts.answers
            and (reading := facts.answers.alerts.get(item.id)) is not None
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
        _taken_over(by_kind.get(MaintenanceEvidence), "Maintenance ahead"),
        _taken_over(by_kind.get(BatchEvidence), "Backup"),
    )


def _figures(finding: ItemResult | None, facts: EvaluationInput) -> ReportSection:
    lines = [*(finding.details if finding else ())]
    lines += incident_figures(facts.incidents, facts.now)
    return ReportSection("Key figures", tuple(lines), empty="the checklist names none")


def _budget(finding: ItemResult | None, facts: EvaluationInput) -> ReportSection:
    title = "Error budget spent today"
    evidence = finding.item.evidence if finding else None
    specs = evidence.specs if isinstance(evidence, KpisEvidence) else ()
    spec = next((spec for spec in specs if spec.id == "error_budget"), None)
    pair = figure_pair(spec, facts.answers) if spec else None
    before, now = pair or (None, None)
    if now is None:
        return ReportSection(title, empty="not known: what is left of it is not known", known=False)
    if before is None:
        line = Detail(
            f"not known: nothing tells what was left at midnight; {format_brief(now)} % are left now", Verdict.NO_DATA
        )
        return ReportSection(title, (line,), known=False)
    spent = before - now
    # The window moves on: what left it can be more than what was spent.
    told = f"{spent:.2f} points" if spent > 0 else f"none, {-spent:.2f} points came back as old errors left the window"
    words = f"{told}: {before:.2f} % were left at midnight, {now:.2f} % are left now"
    state = facts.snapshot.panel("error_budget")
    if state is not None and state.verdict is Verdict.IN_DOUBT:
        return ReportSection(title, (Detail(f"{words} ({visible(state.reason)})", state.verdict),), known=False)
    return ReportSection(title, (Detail(words),))


def _alerts(window: AlertWindow | None, facts: EvaluationInput) -> ReportSection:
    """By name, with how often and how long."""
    title = "Alerts of the day"
    if window is None:
        return ReportSection(title, empty="not known: Prometheus did not tell what fired", known=False)
    lines = []
    by_name: dict[str, list[tuple[str, int, float, bool]]] = {}
    for night in nights(window, facts.snapshot.alerts, severities=facts.snapshot.severities):
        times, total = (night.record.times, night.record.total_seconds) if night.record else (1, 0.0)
        by_name.setdefault(night.name, []).append((night.place, times, total, night.firing))
    for name, found in sorted(by_name.items(), key=lambda pair: (-sum(each[2] for each in pair[1]), pair[0])):
        count, total = sum(each[1] for each in found), sum(each[2] for each in found)
        places = ", ".join(sorted({each[0] for each in found if each[0]}))
        now = ", fires now" if any(each[3] for each in found) else ""
        where = f" ({places})" if places else ""
        lines.append(Detail(f"{name}{where}  {count} {'time' if count == 1 else 'times'}, {format_span(total)} in all{now}"))
    over = [record.spells[:-1] if record.until_now else record.spells for record in window.records]
    spells = [spell for spells in over for spell in spells]
    if spells:
        brief_ones = [spell for spell in spells if spell.ends_at - spell.starts_at < _BRIEF_SECONDS]
        share = 100.0 * len(brief_ones) / len(spells)
        told = f"{len(brief_ones)} of {len(spells)} ({share:.0f} %) were over within {format_span(_BRIEF_SECONDS)}"
        lines.append(Detail(f"False positives, as an estimate  {told}"))
    return ReportSection(title, tuple(lines), empty="nothing fired")


def _changes(facts: EvaluationInput, kinds: tuple[str, ...], title: str, empty: str) -> ReportSection:
    start = local_midnight(facts.now)
    found = [change for change in facts.snapshot.changes if change.kind in kinds and change.at >= start]
    lines = [
        Detail(f"{format_local(change.at)}  {change.text}{f', {visible(change.author)}' if change.author else ''}")
        for change in reversed(found)
    ]
    if facts.snapshot.cluster is None and "rollout" in kinds:
        return ReportSection(title, tuple(lines), empty="not known: the cluster has not answered", known=False)
    return ReportSection(title, tuple(lines[-_SHOWN:]), empty=empty)


def _silences(facts: EvaluationInput) -> ReportSection:
    manager = facts.snapshot.source("alertmanager")
    if manager is None or manager.last_good_at is None:
        return ReportSection("Silences in force", empty="not known: Alertmanager has not answered", known=False)
    return ReportSection("Silences in force", tuple(Detail(words) for words in in_force(facts.snapshot.silences, facts.now)))


def in_force(silences: Iterable[Silence], now: float) -> tuple[str, ...]:
    """The silences that hide something at this moment, the one that ends first first."""
    found = [item for item in silences if item.state != "expired" and item.starts_at <= now < item.ends_at]
    return tuple(silence_words(item, now) for item in sorted(found, key=lambda item: item.ends_at))


def silence_words(silence: Silence, now: float) -> str:
    """`alertname="X" until 17:00 CET (2h 3m), by ops: why`."""
    matchers = visible(", ".join(str(matcher) for matcher in silence.matchers))
    left = f" ({format_span(silence.ends_at - now)})" if silence.ends_at > now else ""
    comment = f": {visible(silence.comment)}" if silence.comment else ""
    return f"{matchers}  until {format_local(silence.ends_at, now=now)}{left}, by {visible(silence.created_by)}{comment}"


def _taken_over(finding: ItemResult | None, title: str) -> ReportSection:
    if finding is None:
        return ReportSection(title, empty="the checklist does not ask", known=False)
    head = Detail(f"{finding.told}: {finding.reason}", finding.verdict if finding.verdict is not Verdict.OK else None)
    lines = finding.details if finding.details else (head,)
    return ReportSection(title, lines if finding.verdict is Verdict.OK else (head, *finding.details), empty=finding.told)
