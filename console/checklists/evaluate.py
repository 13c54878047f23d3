"""Evaluates checklist items: pure functions of the evidence and the time."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from console.checklists import alert_evidence
from console.checklists.definition import (
    AlertsEvidence,
    BatchEvidence,
    Checklist,
    GuardsEvidence,
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
from console.checklists.incidents import incident_text, incident_verdict
from console.checklists.platform_item import evaluate_platform_item
from console.checklists.result import Detail, ItemResult, NavigationTarget
from console.checks.panels import NO_ANSWER, describe_relation, evaluate_panel, grade
from console.state.guards import GuardRecord
from console.state.incident import Incidents
from console.state.snapshot import Snapshot
from queries.model.frozen import dataclass
from queries.model.panel import MOST_SERIES, Origin, PanelSpec, PanelState, Threshold, Unit, aggregate
from queries.model.panel_result import PanelResult
from queries.model.series import Point, Sample, Series, drop_labels, format_labels, label
from queries.model.text import visible
from queries.model.verdict import Verdict
from queries.model.workload import BatchJob
from queries.prometheus.query_batch import BatchResult
from queries.text.durations import format_span
from queries.text.numbers import format_brief_value, format_figure
from queries.text.times import format_local, format_time, local_midnight, local_yesterday

_SHOWN = 12
"""Series that an item lists; the panel itself has more."""
_AHEAD_SECONDS = 300.0
"""How far ahead of this machine's clock a success may be: beyond that its age is unknown."""
_SAME_SECONDS = 1.0
"""Prometheus rounds the times of a range to milliseconds."""


@dataclass(frozen=True, slots=True)
class EvaluationInput:
    """Everything that the evaluation needs. `evidence` is None until it arrives, and `pending` says why; `incidents` is None
    where the journal could not be read.
    """

    snapshot: Snapshot
    evidence: CollectedEvidence | None
    now: float
    incidents: Incidents | None = None
    pending: str = "fetching …"
    others_unknown: str = ""
    """Why what other consoles journalled is not known."""


def evaluate(checklist: Checklist, facts: EvaluationInput) -> tuple[ItemResult, ...]:
    """One result for each item, in order."""
    return tuple(_evaluate_item(item, facts) for item in checklist.items)


def _evaluate_item(item: Item, facts: EvaluationInput) -> ItemResult:
    match item.evidence:
        case PanelEvidence() as evidence:
            return _panel(item, evidence, facts)
        case QueryEvidence() as evidence:
            return _query(item, evidence, facts)
        case AlertsEvidence():
            reading = facts.evidence.alerts.get(item.id) if facts.evidence else None
            return alert_evidence.evaluate_alerts(item, reading, facts.snapshot, now=facts.now, pending=facts.pending)
        case BatchEvidence() as evidence:
            return _batch(item, evidence, facts)
        case KpisEvidence() as evidence:
            return _kpis(item, evidence, facts)
        case IncidentsEvidence() as evidence:
            return _incidents(item, evidence, facts)
        case GuardsEvidence() as evidence:
            return _guards(item, evidence, facts)
        case MaintenanceEvidence() as evidence:
            return _maintenance(item, evidence, facts)
        case PlatformEvidence():
            return evaluate_platform_item(item, facts.snapshot)
        case QuestionEvidence() as evidence:
            return ItemResult(item, None, "for you to answer", evidence.text)


# Figures


def limit_text(limits: Threshold, unit: Unit, *, below: bool) -> str:
    """`under 1 %, critical from 5 %`, or with lower is worse `90 % or more, critical under 70 %`."""
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


def _grade_again(state: PanelState, limits: Threshold) -> PanelState:
    """The panel with the item's own thresholds: under laxer ones a doubt shows that its own verdict outranked."""
    if not state.samples:
        below, allowed = state.spec.lower_is_worse, state.spec.allowed
        return replace(state, verdict=grade(state.value or 0.0, limits, below=below, allowed=allowed))
    answer = PanelResult(
        state.spec.id,
        state.origin,
        state.query,
        state.samples,
        truncated=state.truncated,
        contradictions=state.contradictions,
        annotations=state.annotations,
        partial=state.partial,
    )
    graded = evaluate_panel(state.spec, limits, answer, taken_at=0.0, now=0.0, stale_after=math.inf)
    return replace(state, verdict=graded.verdict, value=graded.value, reason=graded.reason)


def _panel(item: Item, evidence: PanelEvidence, facts: EvaluationInput) -> ItemResult:
    state = facts.snapshot.panel(evidence.panel)
    if state is None:
        return ItemResult(item, Verdict.NO_DATA, NO_ANSWER, NO_ANSWER)
    spec = state.spec
    limits = state.threshold.override(evidence.threshold)
    if spec.source != "kubernetes" and state.verdict.known:
        state = _grade_again(state, limits)
    verdict, reason = state.verdict, state.reason
    if spec.source == "kubernetes":
        text = f"{visible(state.note)}" if state.value is not None else "not known"
    else:
        text = format_figure(state.value, spec.unit, spec.decimals) if state.value is not None else "not known"
        if verdict.known and state.value is not None:
            relation = describe_relation(verdict, limits, spec.unit, below=spec.lower_is_worse)
            reason = format_brief_value(state.value, spec.unit) + (f" is {relation}" if relation else "")
            named = _worst(state, limits) if verdict in (Verdict.WARN, Verdict.CRITICAL) else ""
            reason = f"{named}: {reason}" if named else reason
    return ItemResult(
        item,
        verdict,
        text,
        reason,
        value=state.value,
        limit=limit_text(limits, spec.unit, below=spec.lower_is_worse),
        details=_series(state.samples, spec, limits, more=state.truncated),
        before=_before(spec, facts, state.value),
        trend=state.trend,
        trend_window=state.trend_window,
        trend_period="the last hour",
        thresholds=_thresholds(limits),
        below=spec.lower_is_worse,
        targets=_targets(item, state, facts.snapshot),
    )


def _thresholds(limits: Threshold) -> tuple[float, ...]:
    return tuple(line for line in (limits.warn, limits.critical) if line is not None)


def _worst(state: PanelState, limits: Threshold) -> str:
    """The names of the series over the threshold; names come before values."""
    spec = state.spec
    if not spec.group_by:
        return ""
    verdicts = [grade(item.value, limits, below=spec.lower_is_worse, allowed=spec.allowed) for item in state.samples]
    bad = [item for item, verdict in zip(state.samples, verdicts, strict=True) if verdict in (Verdict.WARN, Verdict.CRITICAL)]
    names = [visible(item.label(spec.group_by)) for item in _ordered(bad, below=spec.lower_is_worse)]
    text = ", ".join(dict.fromkeys(name for name in names if name))
    return f"{text} and perhaps more" if state.truncated and len(bad) >= MOST_SERIES else text


def _ordered(samples: Iterable[Sample], *, below: bool) -> list[Sample]:
    """The worst first, NaN last."""
    return sorted(samples, key=lambda item: (math.isnan(item.value), item.value if below else -item.value))


def _series(samples: Sequence[Sample], spec: PanelSpec, limits: Threshold, *, more: bool = False) -> tuple[Detail, ...]:
    if len(samples) < 2 and not spec.group_by:
        return ()
    found = []
    for sample in _ordered(samples, below=spec.lower_is_worse)[:_SHOWN]:
        name = visible(sample.label(spec.group_by) or format_labels(drop_labels(sample.labels, "__name__")) or spec.title)
        text = format_figure(sample.value, spec.unit, spec.decimals)
        found.append(Detail(f"{name}  {text}", grade(sample.value, limits, below=spec.lower_is_worse, allowed=spec.allowed)))
    if len(samples) > _SHOWN:
        found.append(Detail(f"and {len(samples) - _SHOWN} {'or more' if more else 'more'}"))
    return tuple(found)


def _before(spec: PanelSpec, facts: EvaluationInput, value: float | None) -> str:
    """The value at the same local time yesterday, as text."""
    if spec.source == "kubernetes":
        return "not known: the cluster has no history"
    if spec.source == "loki":
        return "not compared: a query over logs"
    reading = facts.evidence.before if facts.evidence else None
    if reading is None:
        return facts.pending if facts.evidence is None else "not fetched: the panel was not known"
    if reading.value is None:
        return f"not known: {visible(reading.fault.sentence())}" if reading.fault else "not known"
    fault = reading.value.faults.get(spec.id)
    if fault is not None:
        return f"not known: {visible(fault.sentence())}"
    if reading.value.partial:
        return f"not known: partial: {visible(reading.value.partial)}"
    known = [item.value for item in reading.value.items.get(spec.id, ()) if math.isfinite(item.value)]
    return comparison_text(aggregate(spec.aggregation, known), value, spec)


def comparison_text(old: float | None, new: float | None, spec: PanelSpec) -> str:
    """`0.40 % (now +0.02)`, or `no data then`."""
    if old is None or not math.isfinite(old):
        return "no data then"
    text = format_figure(old, spec.unit, spec.decimals)
    if new is None or not math.isfinite(new):
        return text
    digits = 0 if spec.unit is Unit.COUNT and new == int(new) and old == int(old) else spec.decimals
    change = f"{new - old:+.{digits}f}"
    return f"{text} (the same now)" if float(change) == 0.0 else f"{text} (now {change})"


def _targets(item: Item, state: PanelState, snapshot: Snapshot) -> tuple[NavigationTarget, ...]:
    targets = [NavigationTarget("panel", state.spec.id, f"panel {state.spec.title}")]
    if state.spec.source == "kubernetes":
        targets.append(NavigationTarget("screen", "workloads", "workloads"))
    targets += alert_evidence.alert_targets(alert_evidence.first_firing(snapshot.alerts, state.spec.alerts, most=3))
    runbook = item.runbook or state.spec.runbook
    if runbook and all(target.subject != runbook for target in targets):
        targets.append(NavigationTarget("runbook", runbook, f"runbook {runbook}"))
    if state.query and state.spec.source == "prometheus":
        targets.append(NavigationTarget("explore", state.query, "the query"))
    return tuple(targets)


def _query(item: Item, evidence: QueryEvidence, facts: EvaluationInput) -> ItemResult:
    spec = evidence.spec
    limits = spec.threshold.override(evidence.threshold)
    reading = facts.evidence.series.get(item.id) if facts.evidence else None
    targets = (NavigationTarget("explore", spec.raw, "the query"), *_runbook_target(item))
    limit = limit_text(limits, spec.unit, below=spec.lower_is_worse)
    if reading is None or reading.value is None:
        reason = visible(reading.fault.sentence()) if reading and reading.fault else facts.pending
        return ItemResult(item, Verdict.NO_DATA, "not known", reason, limit=limit, targets=targets)
    series, partial = reading.value.items[spec.id], reading.value.partial
    samples = samples_at(series, facts.evidence.fetched_at if facts.evidence else 0.0)
    contradictions = facts.evidence.contradictions.get(item.id, ()) if facts.evidence else ()
    answer = PanelResult(
        spec.id,
        Origin.RAW,
        spec.raw,
        samples,
        contradictions=contradictions,
        annotations=reading.value.annotations.get(spec.id, ()),
        partial=partial,
    )
    state = evaluate_panel(spec, limits, answer, taken_at=facts.now, now=facts.now, stale_after=math.inf)
    trend = _aggregate_points(series, spec)
    named = _worst(state, limits) if state.verdict in (Verdict.WARN, Verdict.CRITICAL) else ""
    return ItemResult(
        item,
        state.verdict,
        format_figure(state.value, spec.unit, spec.decimals) if state.value is not None else "not known",
        f"{named}: {state.reason}" if named else state.reason,
        value=state.value,
        limit=limit,
        details=_series(samples, spec, limits),
        before="not known" if partial else comparison_text(_value_of_yesterday(trend, facts), state.value, spec),
        # A partial value would appear as a drop that never happened.
        trend=() if partial else trend,
        trend_period="since this time yesterday",
        thresholds=_thresholds(limits),
        below=spec.lower_is_worse,
        targets=targets,
    )


def _aggregate_points(series: Sequence[Series], spec: PanelSpec) -> tuple[tuple[float, float], ...]:
    values: dict[float, list[float]] = {}
    for each in series:
        for at, value in each.points:
            if math.isfinite(value):
                values.setdefault(at, []).append(value)
    folds = ((at, aggregate(spec.aggregation, values[at])) for at in sorted(values))
    return tuple((at, value) for at, value in folds if value is not None)


def _value_of_yesterday(trend: Sequence[Point], facts: EvaluationInput) -> float | None:
    """The value at the start of the trend; None where no series had one then, whatever it had later."""
    start = local_yesterday(facts.evidence.fetched_at if facts.evidence else facts.now)
    return next((value for at, value in trend if abs(at - start) < _SAME_SECONDS), None)


def _runbook_target(item: Item) -> tuple[NavigationTarget, ...]:
    return (NavigationTarget("runbook", item.runbook, f"runbook {item.runbook}"),) if item.runbook else ()


# KPIs


def _kpis(item: Item, evidence: KpisEvidence, facts: EvaluationInput) -> ItemResult:
    reading = facts.evidence.figures.get(item.id) if facts.evidence else None
    details: list[Detail] = []
    verdicts: list[Verdict] = []
    for spec in evidence.specs:
        detail = _kpi(spec, facts)
        details.append(detail)
        verdicts.append(detail.verdict or Verdict.NO_DATA)
    worst = max(verdicts, key=lambda verdict: verdict.rank, default=Verdict.NO_DATA)
    bad = [spec.title for spec, verdict in zip(evidence.specs, verdicts, strict=True) if verdict is not Verdict.OK]
    fault = reading.fault if reading else None
    reason = facts.pending if reading is None else "every figure is within its objective"
    if fault is not None:
        reason = visible(fault.sentence())
    if bad and reading is not None and fault is None:
        reason = f"outside its objective or not known: {', '.join(bad)}"
    targets = [
        NavigationTarget("panel", spec.id, f"panel {spec.title}") for spec in evidence.specs if facts.snapshot.panel(spec.id)
    ]
    text = f"{len(verdicts) - len(bad)} of {len(verdicts)} within their objective" if reading else "not known"
    return ItemResult(item, worst, text, reason, details=tuple(details), targets=(*targets, *_runbook_target(item)))


def _kpi(spec: PanelSpec, facts: EvaluationInput) -> Detail:
    evidence = facts.evidence
    state = facts.snapshot.panel(spec.id)
    limits = state.threshold if state is not None else spec.threshold
    limit = limit_text(limits, spec.unit, below=spec.lower_is_worse)
    graded = _grade_figure(spec, limits, evidence)
    if graded is None or graded.value is None:
        reason = graded.reason if graded is not None else spec.no_data_reason if evidence is not None else facts.pending
        return Detail(f"{spec.title}  not known{f': {reason}' if reason else ''}", Verdict.NO_DATA)
    pair = figure_pair(spec, evidence)
    since = f"; at midnight {comparison_text(pair[0] if pair else None, graded.value, spec)}"
    verdict, caveat = graded.verdict, ""
    if not verdict.known:
        caveat = f": {graded.reason}"
    elif state is not None and state.verdict is Verdict.IN_DOUBT:
        verdict, caveat = Verdict.IN_DOUBT, f": {state.reason}"
    figure = format_figure(graded.value, spec.unit, spec.decimals) + (f"  ({limit})" if limit else "")
    return Detail(f"{spec.title}  {figure}{since}{caveat}", verdict)


def _grade_figure(spec: PanelSpec, limits: Threshold, evidence: CollectedEvidence | None) -> PanelState | None:
    """A KPI's last value as a panel; None where it was not fetched, or Prometheus rejected its query."""
    figures = _figures_with(spec, evidence)
    if figures is None or evidence is None:
        return None
    answer = PanelResult(
        spec.id,
        Origin.RAW,
        spec.raw,
        samples_at(figures.items[spec.id], evidence.fetched_at),
        contradictions=evidence.contradictions.get(spec.id, ()),
        annotations=figures.annotations.get(spec.id, ()),
        partial=figures.partial,
    )
    return evaluate_panel(spec, limits, answer, taken_at=0.0, now=0.0, stale_after=math.inf)


def figure_pair(spec: PanelSpec, evidence: CollectedEvidence | None) -> tuple[float | None, float | None] | None:
    """A KPI at midnight and now; None where it was not fetched, or Prometheus rejected its query."""
    figures = _figures_with(spec, evidence)
    if figures is None:
        return None
    series, fetched_at = figures.items[spec.id], evidence.fetched_at if evidence else 0.0
    now = [item.value for item in samples_at(series, fetched_at) if math.isfinite(item.value)]
    # A series that has ended since has only its midnight value; one that began since has none.
    points = (each.points[0] for each in series if each.points)
    first = [value for at, value in points if math.isfinite(value) and fetched_at - at > _SAME_SECONDS]
    return aggregate(spec.aggregation, first), aggregate(spec.aggregation, now)


def figure_partial(spec: PanelSpec, evidence: CollectedEvidence | None) -> str:
    """`partial: …` with what is missing from a KPI's response; empty if it is complete."""
    figures = _figures_with(spec, evidence)
    return f"partial: {visible(figures.partial)}" if figures is not None and figures.partial else ""


def _figures_with(spec: PanelSpec, evidence: CollectedEvidence | None) -> BatchResult[Series] | None:
    values = (reading.value for reading in evidence.figures.values()) if evidence else ()
    return next((value for value in values if value is not None and spec.id in value.items), None)


# Jobs


def _batch(item: Item, evidence: BatchEvidence, facts: EvaluationInput) -> ItemResult:
    reading = facts.evidence.batch.get(item.id) if facts.evidence else None
    limit = f"a success within {format_span(evidence.within_seconds)}"
    targets = (NavigationTarget("screen", "workloads", "workloads"), *_runbook_target(item))
    if reading is None or reading.value is None:
        reason = visible(reading.fault.sentence()) if reading and reading.fault else facts.pending
        return ItemResult(item, Verdict.NO_DATA, "not known", reason, limit=limit, targets=targets)
    found = [job for job in reading.value if fnmatchcase(job.name, evidence.name)]
    if not found:
        known = ", ".join(visible(job.name) for job in reading.value[:5])
        reason = f"no {evidence.kind} {visible(evidence.name)} in {facts.snapshot.namespace}; " + (
            f"there {'are' if len(reading.value) > 1 else 'is'} {known}" if known else "there is none at all"
        )
        return ItemResult(item, Verdict.NO_DATA, "not known", reason, limit=limit, targets=targets)
    cluster = facts.snapshot.cluster
    now = facts.now + (cluster.ahead_seconds if cluster is not None else 0.0)  # the times are the API server's
    results = [(job, *_evaluate_job(job, evidence, now)) for job in found]
    if evidence.kind == "Job":
        # Every run of a Job has its own name: the newest success counts, not the worst of all runs.
        newest = max(results, key=lambda each: (each[0].succeeded_at, each[0].created_at))
        running = [each for each in results if each[0].created_at > newest[0].created_at]
        job, verdict, reason = newest if newest[0].succeeded_at else max(results, key=lambda each: each[0].created_at)
        failed = [each for each in running if each[0].failed]
        if failed and verdict is Verdict.OK:
            verdict, reason = Verdict.WARN, f"{reason}; {failed[-1][2]}"
    else:
        job, verdict, reason = max(results, key=lambda each: each[1].rank)
    age = now - job.succeeded_at if job.succeeded_at and verdict is not Verdict.IN_DOUBT else None
    ago = f"{format_span(age)} ago" if age is not None else "not known" if job.succeeded_at else "never"
    details = tuple(Detail(text, each) for _, each, text in results[:_SHOWN])
    return ItemResult(item, verdict, f"last success {ago}", reason, value=age, limit=limit, details=details, targets=targets)


def _evaluate_job(job: BatchJob, evidence: BatchEvidence, now: float) -> tuple[Verdict, str]:
    name = f"{evidence.kind} {visible(job.name)}"
    if job.failed:
        return Verdict.CRITICAL, f"{name} failed{f' ({visible(job.reason)})' if job.reason else ''}"
    if not job.succeeded_at:
        # One younger than the limit may not have run yet.
        young = now - job.created_at < evidence.within_seconds
        return (Verdict.NO_DATA if young else Verdict.CRITICAL), f"{name} never succeeded"
    age = now - job.succeeded_at
    if age < -_AHEAD_SECONDS:
        return (
            Verdict.IN_DOUBT,
            f"{name}'s last success is {format_span(-age)} in the future: check this machine's clock and the cluster's",
        )
    text = f"{name} succeeded {format_span(age)} ago, at {format_local(job.succeeded_at, now=now)}"
    if age > evidence.within_seconds:
        return Verdict.CRITICAL, text
    if job.suspended:
        return Verdict.WARN, f"{text}, but it is suspended and will not run again"
    return Verdict.OK, text + (f", {job.active} running now" if job.active else "")


# Incidents


def _incidents(item: Item, evidence: IncidentsEvidence, facts: EvaluationInput) -> ItemResult:
    if facts.incidents is None:
        return ItemResult(item, Verdict.NO_DATA, "not known", "the journal could not be read")
    now = facts.now
    start = local_midnight(now) if evidence.today else math.inf
    found = [each for each in facts.incidents.all if each.closed_at is None or each.closed_at >= start]
    every = tuple(Detail(incident_text(each, now), incident_verdict(each)) for each in found)
    details = every[-_SHOWN:]
    targets = (NavigationTarget("screen", "incident", "incidents"),)
    count = float(len(found))
    if not found and facts.others_unknown:
        reason = f"none here, but {facts.others_unknown}"
        return ItemResult(item, Verdict.NO_DATA, "not known", reason, targets=targets)
    if not found:
        text = "no incident today" if evidence.today else "none open"
        return ItemResult(item, Verdict.OK, text, f"{text} in the console's journal", value=0.0, targets=targets)
    if evidence.today:
        reason = "only a person knows whether the tickets are up to date"
        reason += f"; there may be more: {facts.others_unknown}" if facts.others_unknown else ""
        return ItemResult(item, None, f"{len(found)} today", reason, count, details=details, targets=targets)
    worst = max((detail.verdict or Verdict.OK for detail in every), key=lambda verdict: verdict.rank)
    first = sorted(every, key=lambda detail: -(detail.verdict or Verdict.OK).rank)[:2]
    reason = "; ".join(detail.text for detail in first)
    return ItemResult(item, worst, f"{len(found)} open", reason, count, limit="none open", details=details, targets=targets)


# Guarded changes

_GUARD_VERDICTS = {
    "kept": Verdict.OK,
    "not made": Verdict.OK,
    "rolled back": Verdict.WARN,
    "changed": Verdict.WARN,
    "stopped": Verdict.WARN,
    "unknown": Verdict.NO_DATA,
    "failed": Verdict.CRITICAL,
    "rollback failed": Verdict.CRITICAL,
}
"""By the guard's result; one of a newer console is not known to be good."""
_OPEN_VERDICTS = {"ok": Verdict.OK, "worse": Verdict.WARN}
"""By the last verdict of a guard that still watches; without one nothing is known."""


def _guards(item: Item, evidence: GuardsEvidence, facts: EvaluationInput) -> ItemResult:
    limit = f"since {format_local(facts.now - evidence.within_seconds, now=facts.now)}, none rolled back"
    if facts.incidents is None:
        return ItemResult(item, Verdict.NO_DATA, "not known", "the journal could not be read", limit=limit)
    guards, start = facts.snapshot.ledger.guards, facts.now - evidence.within_seconds
    ended = [each for each in guards.ended if each.ended_at is not None and each.ended_at >= start]
    counts: dict[str, int] = {}
    for each in ended:
        counts[each.result] = counts.get(each.result, 0) + 1
    parts = [f"{count} {visible(result)}" for result, count in counts.items()]
    left = {each.id for each in facts.snapshot.unguarded}
    unguarded = sum(each.id in left for each in guards.open)
    if watched := len(guards.open) - unguarded:
        parts.append(f"{watched} watched now")
    if unguarded:
        parts.append(f"{unguarded} unguarded")
    running = [_evaluate_open_guard(each, facts.now, unguarded=each.id in left) for each in guards.open]
    details = (
        *(Detail(_guard_text(each, facts.now), _guard_verdict(each.result)) for each in ended[-_SHOWN:]),
        *sorted(running, key=lambda each: (each.verdict or Verdict.NO_DATA).rank)[-_SHOWN:],
    )
    targets = (NavigationTarget("screen", "journal", "journal"),)
    text = ", ".join(parts) or "no guarded change"
    ends = [_guard_verdict(each.result) for each in ended]
    worst = max((*ends, *(each.verdict or Verdict.NO_DATA for each in running)), key=lambda each: each.rank, default=Verdict.OK)
    reason = next((detail.text for detail in reversed(details) if detail.verdict is worst), text)
    if worst is Verdict.OK and facts.others_unknown:
        worst, reason = Verdict.NO_DATA, f"other consoles' guards are not known: {facts.others_unknown}"
    return ItemResult(item, worst, text, reason, float(len(ended)), limit=limit, details=details, targets=targets)


def _guard_text(guard: GuardRecord, now: float) -> str:
    return f"{format_local(guard.ended_at or now, now=now)}  {visible(guard.title)}: {visible(guard.text)}"


def _evaluate_open_guard(guard: GuardRecord, now: float, *, unguarded: bool) -> Detail:
    last = f"{visible(guard.verdict)}, {visible(guard.text)}" if guard.verdict else "no verdict yet"
    text = f"{format_local(guard.started_at, now=now)}  {visible(guard.title)}: "
    if unguarded:
        return Detail(f"{text}UNGUARDED, its console has ended; last: {last}", Verdict.CRITICAL)
    return Detail(f"{text}{last}", _OPEN_VERDICTS.get(guard.verdict, Verdict.NO_DATA))


def _guard_verdict(result: str) -> Verdict:
    return _GUARD_VERDICTS.get(result, Verdict.NO_DATA)


# Maintenance


def _maintenance(item: Item, evidence: MaintenanceEvidence, facts: EvaluationInput) -> ItemResult:
    now = facts.now
    rows = maintenance_ahead(facts.snapshot, evidence, now)
    limit = f"within {format_span(evidence.within_seconds)}"
    known = facts.snapshot.source("alertmanager")
    if known is None or not known.answers:
        text = "the silences are not known: Alertmanager does not answer"
        return ItemResult(item, Verdict.NO_DATA, "not known", text, limit=limit, details=rows)
    targets = (NavigationTarget("screen", "silences", "silences"),)
    text = f"{len(rows)} planned" if rows else "nothing planned"
    reason = "upcoming silences, and what the checklist plans" if rows else "no upcoming silence, nothing planned"
    return ItemResult(item, Verdict.OK, text, reason, float(len(rows)), limit=limit, details=rows, targets=targets)


def maintenance_ahead(snapshot: Snapshot, evidence: MaintenanceEvidence, now: float) -> tuple[Detail, ...]:
    """Upcoming silences and planned maintenance, the next first; planned maintenance in progress too."""
    until = now + evidence.within_seconds
    found: list[tuple[float, str]] = []
    for silence in snapshot.silences:
        if now < silence.starts_at <= until and silence.state != "expired":
            pairs = tuple((matcher.name, matcher.value) for matcher in silence.matchers)
            name = visible(label(pairs, "alertname") or ", ".join(str(matcher) for matcher in silence.matchers))
            why = f" ({visible(silence.comment)})" if silence.comment else ""
            text = f"{_from_to(silence.starts_at, silence.ends_at, now)}  silence {name}{why}, {visible(silence.created_by)}"
            found.append((silence.starts_at, text))
    for planned in evidence.planned:
        if planned.ends_at > now and planned.starts_at <= until:
            text = f"{_from_to(planned.starts_at, planned.ends_at, now)}  {visible(planned.title)}"
            found.append((planned.starts_at, text))
    return tuple(Detail(text) for _, text in sorted(found))


def _from_to(start: float, end: float, now: float) -> str:
    same_day = format_time(start, "%Y-%m-%d", local=True) == format_time(end, "%Y-%m-%d", local=True)
    last = format_local(end, now=start if same_day else None)
    return f"{format_local(start, now=now)} to {last}"
