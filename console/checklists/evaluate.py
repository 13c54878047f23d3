"""From evidence to findings: pure functions of what the sources said and the time."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from console.checklists import alert_evidence
from console.checklists.definition import (
    AlertsEvidence,
    BatchEvidence,
    Checklist,
    IncidentsEvidence,
    Item,
    KpisEvidence,
    MaintenanceEvidence,
    PanelEvidence,
    PlatformEvidence,
    QueryEvidence,
    QuestionEvidence,
)
from console.checklists.evidence_queries import CollectedEvidence, samples_at
from console.checklists.incidents import incident_verdict, incident_words
from console.checklists.platform_item import judge_platform_item
from console.checklists.result import Detail, ItemResult, NavigationTarget
from console.checks.panels import describe_contradiction, evaluate_panel, grade
from console.state.incident import Incidents
from console.state.snapshot import Snapshot
from queries.model.panel import MOST_SERIES, Origin, PanelResult, PanelSpec, PanelState, Threshold, Unit, aggregate
from queries.model.series import Sample, Series, drop_labels, format_labels, label
from queries.model.text import visible
from queries.model.verdict import Verdict
from queries.model.workload import BatchJob
from queries.text.durations import format_span
from queries.text.numbers import format_brief_value, format_figure
from queries.text.times import format_local, format_time, local_midnight

_SHOWN = 12
"""Series that an item names; the panel itself has more."""


@dataclass(frozen=True, slots=True)
class EvaluationInput:
    """Everything that an item may be judged by. `answers` is None until they were asked; `incidents` where nobody keeps any.

    `unanswered` says why there are no answers.
    """

    snapshot: Snapshot
    answers: CollectedEvidence | None
    now: float
    incidents: Incidents | None = None
    unanswered: str = "asking …"


def findings(checklist: Checklist, facts: EvaluationInput) -> tuple[ItemResult, ...]:
    """One for each item, in their order."""
    return tuple(_finding(item, facts) for item in checklist.items)


def _finding(item: Item, facts: EvaluationInput) -> ItemResult:
    match item.evidence:
        case PanelEvidence() as wanted:
            return _panel(item, wanted, facts)
        case QueryEvidence() as wanted:
            return _query(item, wanted, facts)
        case AlertsEvidence():
            reading = facts.answers.alerts.get(item.id) if facts.answers else None
            return alert_evidence.judge_alerts(item, reading, facts.snapshot, now=facts.now, unanswered=facts.unanswered)
        case BatchEvidence() as wanted:
            return _batch(item, wanted, facts)
        case KpisEvidence() as wanted:
            return _kpis(item, wanted, facts)
        case IncidentsEvidence() as wanted:
            return _incidents(item, wanted, facts)
        case MaintenanceEvidence() as wanted:
            return _maintenance(item, wanted, facts)
        case PlatformEvidence():
            return judge_platform_item(item, facts.snapshot)
        case QuestionEvidence() as wanted:
            return ItemResult(item, None, "for you to say", wanted.text)


# Figures


def limit_words(limits: Threshold, unit: Unit, *, below: bool) -> str:
    """`under 1 %, critical from 5 %`, or `90 % or more, critical under 70 %` where small is bad."""
    parts = []
    if limits.warn is not None:
        parts.append(
            f"{format_brief_value(limits.warn, unit)} or more" if below else f"under {format_brief_value(limits.warn, unit)}"
        )
    if limits.critical is not None and limits.critical == limits.warn:
        parts.append("else critical")
    elif limits.critical is not None:
        parts.append(f"critical {'under' if below else 'from'} {format_brief_value(limits.critical, unit)}")
    return ", ".join(parts)


def _crossed(value: float, verdict: Verdict, limits: Threshold, unit: Unit, *, below: bool) -> str:
    line = limits.critical if verdict is Verdict.CRITICAL else limits.warn
    told = format_brief_value(value, unit)
    if line is None:
        return told
    limit = format_brief_value(line, unit)
    if verdict is Verdict.OK:
        return f"{told} is {'not under' if below else 'under'} {limit}"
    return f"{told} is {'under' if below else 'at or over'} {limit}"


def _panel(item: Item, wanted: PanelEvidence, facts: EvaluationInput) -> ItemResult:
    state = facts.snapshot.panel(wanted.panel)
    if state is None:
        return ItemResult(item, Verdict.NO_DATA, "no answer yet", "no answer yet")
    spec = state.spec
    limits = state.threshold.override(wanted.threshold)
    if spec.source == "kubernetes":
        verdict, reason = state.verdict, state.reason
        told = f"{visible(state.note)}" if state.value is not None else "not known"
    elif state.value is None or not state.verdict.known:
        verdict, reason = state.verdict, state.reason
        told = format_figure(state.value, spec.unit, spec.decimals) if state.value is not None else "not known"
    else:
        verdict = grade(state.value, limits, below=spec.lower_is_worse, allowed=spec.allowed)
        reason = _crossed(state.value, verdict, limits, spec.unit, below=spec.lower_is_worse)
        named = _worst(state, limits) if verdict in (Verdict.WARN, Verdict.CRITICAL) else ""
        reason = f"{named}: {reason}" if named else reason
        told = format_figure(state.value, spec.unit, spec.decimals)
    return ItemResult(
        item,
        verdict,
        told,
        reason,
        value=state.value,
        limit=limit_words(limits, spec.unit, below=spec.lower_is_worse),
        details=_series(state.samples, spec, limits, more=state.truncated),
        before=_before(spec, facts, state.value),
        trend=state.trend,
        trend_words="the last hour",
        lines=_lines(limits),
        below=spec.lower_is_worse,
        places=_places(item, state, facts.snapshot),
    )


def _lines(limits: Threshold) -> tuple[float, ...]:
    return tuple(line for line in (limits.warn, limits.critical) if line is not None)


def _worst(state: PanelState, limits: Threshold) -> str:
    """The names of the series beyond the line: who it is, comes before how much."""
    spec = state.spec
    if not spec.group_by:
        return ""
    verdicts = [grade(item.value, limits, below=spec.lower_is_worse, allowed=spec.allowed) for item in state.samples]
    bad = [item for item, verdict in zip(state.samples, verdicts, strict=True) if verdict in (Verdict.WARN, Verdict.CRITICAL)]
    names = [visible(item.label(spec.group_by)) for item in _ordered(bad, below=spec.lower_is_worse)]
    told = ", ".join(dict.fromkeys(name for name in names if name))
    return f"{told} and perhaps more" if state.truncated and len(bad) >= MOST_SERIES else told


def _ordered(samples: Iterable[Sample], *, below: bool) -> list[Sample]:
    """The worst first; what is no number last."""
    return sorted(samples, key=lambda item: (math.isnan(item.value), item.value if below else -item.value))


def _series(samples: Sequence[Sample], spec: PanelSpec, limits: Threshold, *, more: bool = False) -> tuple[Detail, ...]:
    if len(samples) < 2 and not spec.group_by:
        return ()
    found = []
    for sample in _ordered(samples, below=spec.lower_is_worse)[:_SHOWN]:
        name = visible(sample.label(spec.group_by) or format_labels(drop_labels(sample.labels, "__name__")) or spec.title)
        told = format_figure(sample.value, spec.unit, spec.decimals)
        found.append(Detail(f"{name}  {told}", grade(sample.value, limits, below=spec.lower_is_worse, allowed=spec.allowed)))
    if len(samples) > _SHOWN:
        found.append(Detail(f"and {len(samples) - _SHOWN} {'or more' if more else 'more'}"))
    return tuple(found)


def _before(spec: PanelSpec, facts: EvaluationInput, value: float | None) -> str:
    """The same local time yesterday, in words."""
    if spec.source == "kubernetes":
        return "not known: the cluster knows only what is now"
    reading = facts.answers.before if facts.answers else None
    if reading is None:
        return facts.unanswered if facts.answers is None else "not asked: the panel was not known"
    if reading.value is None:
        return f"not known: {visible(reading.fault.sentence())}" if reading.fault else "not known"
    fault = reading.value.faults.get(spec.id)
    if fault is not None:
        return f"not known: {visible(fault.sentence())}"
    known = [item.value for item in reading.value.items.get(spec.id, ()) if math.isfinite(item.value)]
    return compared(aggregate(spec.aggregation, known), value, spec)


def compared(old: float | None, new: float | None, spec: PanelSpec) -> str:
    """`0.40 % (now +0.02)`; says that there was none where there was none."""
    if old is None or not math.isfinite(old):
        return "no data then"
    told = format_figure(old, spec.unit, spec.decimals)
    if new is None or not math.isfinite(new):
        return told
    digits = 0 if spec.unit is Unit.COUNT and new == int(new) and old == int(old) else spec.decimals
    change = f"{new - old:+.{digits}f}"
    return f"{told} (the same now)" if float(change) == 0.0 else f"{told} (now {change})"


def _places(item: Item, state: PanelState, snapshot: Snapshot) -> tuple[NavigationTarget, ...]:
    found = [NavigationTarget("panel", state.spec.id, f"panel {state.spec.title}")]
    if state.spec.source == "kubernetes":
        found.append(NavigationTarget("screen", "workloads", "workloads"))
    own = [tracked for tracked in snapshot.alerts if tracked.alert.name in state.spec.alerts and tracked.alert.firing]
    found += alert_evidence.places_of(own[:3])
    runbook = item.runbook or state.spec.runbook
    if runbook and all(place.subject != runbook for place in found):
        found.append(NavigationTarget("runbook", runbook, f"runbook {runbook}"))
    if state.query and state.spec.source != "kubernetes":
        found.append(NavigationTarget("explore", state.query, "the query"))
    return tuple(found)


def _query(item: Item, wanted: QueryEvidence, facts: EvaluationInput) -> ItemResult:
    spec = wanted.spec
    limits = spec.threshold.override(wanted.threshold)
    reading = facts.answers.tracks.get(item.id) if facts.answers else None
    places = (NavigationTarget("explore", spec.raw, "the query"), *_runbook_place(item))
    limit = limit_words(limits, spec.unit, below=spec.lower_is_worse)
    if reading is None or reading.value is None:
        reason = visible(reading.fault.sentence()) if reading and reading.fault else facts.unanswered
        return ItemResult(item, Verdict.NO_DATA, "not known", reason, limit=limit, places=places)
    samples = samples_at(reading.value, facts.answers.asked_at if facts.answers else 0.0)
    contradictions = facts.answers.doubts.get(item.id, ()) if facts.answers else ()
    answer = PanelResult(spec.id, Origin.RAW, spec.raw, samples, contradictions=contradictions)
    state = evaluate_panel(spec, limits, answer, taken_at=facts.now, now=facts.now, stale_after=math.inf)
    named = _worst(state, limits) if state.verdict in (Verdict.WARN, Verdict.CRITICAL) else ""
    return ItemResult(
        item,
        state.verdict,
        format_figure(state.value, spec.unit, spec.decimals) if state.value is not None else "not known",
        f"{named}: {state.reason}" if named else state.reason,
        value=state.value,
        limit=limit,
        details=_series(samples, spec, limits),
        before=compared(_folded_first(reading.value, spec), state.value, spec),
        trend=_folded_points(reading.value, spec),
        trend_words="since this time yesterday",
        lines=_lines(limits),
        below=spec.lower_is_worse,
        places=places,
    )


def _folded_points(tracks: Sequence[Series], spec: PanelSpec) -> tuple[tuple[float, float], ...]:
    values: dict[float, list[float]] = {}
    for track in tracks:
        for at, value in track.points:
            if math.isfinite(value):
                values.setdefault(at, []).append(value)
    folds = ((at, aggregate(spec.aggregation, values[at])) for at in sorted(values))
    return tuple((at, value) for at, value in folds if value is not None)


def _folded_first(tracks: Sequence[Series], spec: PanelSpec) -> float | None:
    """The value of the first moment that was asked for; None where no series had one then."""
    points = _folded_points(tracks, spec)
    return points[0][1] if len(points) == 25 else None


def _runbook_place(item: Item) -> tuple[NavigationTarget, ...]:
    return (NavigationTarget("runbook", item.runbook, f"runbook {item.runbook}"),) if item.runbook else ()


# KPIs


def _kpis(item: Item, wanted: KpisEvidence, facts: EvaluationInput) -> ItemResult:
    reading = facts.answers.figures.get(item.id) if facts.answers else None
    details: list[Detail] = []
    verdicts: list[Verdict] = []
    for spec in wanted.specs:
        detail = _kpi(spec, facts)
        details.append(detail)
        verdicts.append(detail.verdict or Verdict.NO_DATA)
    worst = max(verdicts, key=lambda verdict: verdict.rank, default=Verdict.NO_DATA)
    bad = [spec.title for spec, verdict in zip(wanted.specs, verdicts, strict=True) if verdict is not Verdict.OK]
    fault = reading.fault if reading else None
    reason = facts.unanswered if reading is None else "every figure is within its objective"
    if fault is not None:
        reason = visible(fault.sentence())
    if bad and reading is not None and fault is None:
        reason = f"not within its objective or not known: {', '.join(bad)}"
    places = [
        NavigationTarget("panel", spec.id, f"panel {spec.title}") for spec in wanted.specs if facts.snapshot.panel(spec.id)
    ]
    told = f"{len(verdicts) - len(bad)} of {len(verdicts)} within their objective" if reading else "not known"
    return ItemResult(item, worst, told, reason, details=tuple(details), places=(*places, *_runbook_place(item)))


def _kpi(spec: PanelSpec, facts: EvaluationInput) -> Detail:
    answers = facts.answers
    state = facts.snapshot.panel(spec.id)
    limits = state.threshold if state is not None else spec.threshold
    limit = limit_words(limits, spec.unit, below=spec.lower_is_worse)
    pair = figure_pair(spec, answers)
    before, value = pair or (None, None)
    if value is None:
        told = spec.no_data_reason if answers is not None else facts.unanswered
        return Detail(f"{spec.title}  not known{f': {told}' if told else ''}", Verdict.NO_DATA)
    since = f"; at midnight {compared(before, value, spec)}"
    verdict = grade(value, limits, below=spec.lower_is_worse, allowed=spec.allowed)
    doubt = ""
    reasons = [describe_contradiction(found) for found in (answers.doubts.get(spec.id, ()) if answers else ())]
    if state is not None and state.verdict is Verdict.IN_DOUBT:
        reasons = [state.reason]
    if reasons:
        verdict, doubt = Verdict.IN_DOUBT, f": {'; '.join(reasons)}"
    return Detail(
        f"{spec.title}  {format_figure(value, spec.unit, spec.decimals)}{f'  ({limit})' if limit else ''}{since}{doubt}",
        verdict,
    )


def figure_pair(spec: PanelSpec, answers: CollectedEvidence | None) -> tuple[float | None, float | None] | None:
    """A KPI at midnight and now; None where it was not asked or refused."""
    for reading in answers.figures.values() if answers else ():
        if reading.value is None or spec.id not in reading.value.items:
            continue
        tracks = reading.value.items[spec.id]
        now = [item.value for item in samples_at(tracks, answers.asked_at if answers else 0.0) if math.isfinite(item.value)]
        points = [track.points[0] for track in tracks if len(track.points) > 1]
        first = [value for _, value in points if math.isfinite(value)]
        return aggregate(spec.aggregation, first), aggregate(spec.aggregation, now)
    return None


# What runs by the clock


def _batch(item: Item, wanted: BatchEvidence, facts: EvaluationInput) -> ItemResult:
    reading = facts.answers.batch.get(item.id) if facts.answers else None
    limit = f"a success within {format_span(wanted.within_seconds)}"
    places = (NavigationTarget("screen", "workloads", "workloads"), *_runbook_place(item))
    if reading is None or reading.value is None:
        reason = visible(reading.fault.sentence()) if reading and reading.fault else facts.unanswered
        return ItemResult(item, Verdict.NO_DATA, "not known", reason, limit=limit, places=places)
    found = [job for job in reading.value if fnmatchcase(job.name, wanted.name)]
    if not found:
        known = ", ".join(visible(job.name) for job in reading.value[:5])
        reason = f"no {wanted.kind} {visible(wanted.name)} in {facts.snapshot.namespace}; " + (
            f"there {'are' if len(reading.value) > 1 else 'is'} {known}" if known else "there is none at all"
        )
        return ItemResult(item, Verdict.NO_DATA, "not known", reason, limit=limit, places=places)
    judged = [(job, *_judge_job(job, wanted, facts.now)) for job in found]
    if wanted.kind == "Job":
        # Every run of a Job has a name of its own: the newest success counts, not the worst of all that ever ran.
        newest = max(judged, key=lambda each: (each[0].succeeded_at, each[0].created_at))
        running = [each for each in judged if each[0].created_at > newest[0].created_at]
        job, verdict, reason = newest if newest[0].succeeded_at else max(judged, key=lambda each: each[0].created_at)
        failed = [each for each in running if each[0].failed]
        if failed and verdict is Verdict.OK:
            verdict, reason = Verdict.WARN, f"{reason}; {failed[-1][2]}"
    else:
        job, verdict, reason = max(judged, key=lambda each: each[1].rank)
    ago = f"{format_span(facts.now - job.succeeded_at)} ago" if job.succeeded_at else "never"
    details = tuple(Detail(text, each) for _, each, text in judged[:_SHOWN])
    age = facts.now - job.succeeded_at if job.succeeded_at else None
    return ItemResult(item, verdict, f"last success {ago}", reason, value=age, limit=limit, details=details, places=places)


def _judge_job(job: BatchJob, wanted: BatchEvidence, now: float) -> tuple[Verdict, str]:
    name = f"{wanted.kind} {visible(job.name)}"
    if job.failed:
        return Verdict.CRITICAL, f"{name} failed{f' ({visible(job.reason)})' if job.reason else ''}"
    if not job.succeeded_at:
        # One that is younger than the limit may not have had its first run yet: that it will succeed is not known.
        young = now - job.created_at < wanted.within_seconds
        return (Verdict.NO_DATA if young else Verdict.CRITICAL), f"{name} never succeeded"
    age = now - job.succeeded_at
    told = f"{name} succeeded {format_span(age)} ago, at {format_local(job.succeeded_at, now=now)}"
    if age > wanted.within_seconds:
        return Verdict.CRITICAL, told
    if job.suspended:
        return Verdict.WARN, f"{told}, but it is suspended and will not run again"
    return Verdict.OK, told + (f", {job.active} running now" if job.active else "")


# Incidents


def _incidents(item: Item, wanted: IncidentsEvidence, facts: EvaluationInput) -> ItemResult:
    if facts.incidents is None:
        return ItemResult(item, Verdict.NO_DATA, "not known", "the journal could not be read, and with it no incident")
    now = facts.now
    start = local_midnight(now) if wanted.today else math.inf
    found = [each for each in facts.incidents.all if each.closed_at is None or each.closed_at >= start]
    details = tuple(Detail(incident_words(each, now), incident_verdict(each)) for each in found[-_SHOWN:])
    places = (NavigationTarget("screen", "incident", "incidents"),)
    count = float(len(found))
    if not found:
        told = "no incident today" if wanted.today else "none open"
        return ItemResult(item, Verdict.OK, told, f"{told} in the console's journal", value=0.0, places=places)
    if wanted.today:
        reason = "only a person knows whether the tickets are up to date"
        return ItemResult(item, None, f"{len(found)} today", reason, count, details=details, places=places)
    worst = max((detail.verdict or Verdict.OK for detail in details), key=lambda verdict: verdict.rank)
    reason = "; ".join(detail.text for detail in details[:2])
    return ItemResult(item, worst, f"{len(found)} open", reason, count, limit="none open", details=details, places=places)


# What is ahead


def _maintenance(item: Item, wanted: MaintenanceEvidence, facts: EvaluationInput) -> ItemResult:
    now = facts.now
    rows = maintenance_ahead(facts.snapshot, wanted, now)
    limit = f"within {format_span(wanted.within_seconds)}"
    known = facts.snapshot.source("alertmanager")
    if known is None or known.last_good_at is None:
        told = "the silences are not known: Alertmanager has not answered"
        return ItemResult(item, Verdict.NO_DATA, "not known", told, limit=limit, details=rows)
    places = (NavigationTarget("screen", "silences", "silences"),)
    told = f"{len(rows)} planned" if rows else "nothing planned"
    reason = "silences that begin later, and what the checklist names" if rows else "no silence begins later, nothing is noted"
    return ItemResult(item, Verdict.OK, told, reason, float(len(rows)), limit=limit, details=rows, places=places)


def maintenance_ahead(snapshot: Snapshot, wanted: MaintenanceEvidence, now: float) -> tuple[Detail, ...]:
    """Silences that begin later and what the team has planned, the next first; what is under way is named too."""
    until = now + wanted.within_seconds
    found: list[tuple[float, str]] = []
    for silence in snapshot.silences:
        if now < silence.starts_at <= until and silence.state != "expired":
            pairs = tuple((matcher.name, matcher.value) for matcher in silence.matchers)
            name = visible(label(pairs, "alertname") or ", ".join(str(matcher) for matcher in silence.matchers))
            why = f" ({visible(silence.comment)})" if silence.comment else ""
            text = f"{_from_to(silence.starts_at, silence.ends_at, now)}  silence {name}{why}, {visible(silence.created_by)}"
            found.append((silence.starts_at, text))
    for planned in wanted.planned:
        if planned.ends_at > now and planned.starts_at <= until:
            text = f"{_from_to(planned.starts_at, planned.ends_at, now)}  {visible(planned.title)}"
            found.append((planned.starts_at, text))
    return tuple(Detail(text) for _, text in sorted(found))


def _from_to(start: float, end: float, now: float) -> str:
    same_day = format_time(start, "%Y-%m-%d", local=True) == format_time(end, "%Y-%m-%d", local=True)
    last = format_local(end, now=start if same_day else None)
    return f"{format_local(start, now=now)} to {last}"
