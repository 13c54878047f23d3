"""The steps of a runbook, answered with what is so now."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from typing import TYPE_CHECKING

from console.checks.panels import judge
from console.config.settings import AlertTarget
from console.runbooks.page import Runbook, RunbookStep
from console.runbooks.suggested_actions import fill, target_of
from console.state.place import Place, owners_of, pod_of
from console.state.revisions import NO_RECORDS, Records, choices, image_change
from queries.catalogue.error_code_series import counts_codes, group_samples_by_code
from queries.concurrency import maybe_offload
from queries.errors import NotConfigured, SourceError
from queries.model.alert import Alert
from queries.model.panel import Aggregation, Contradiction, Origin, PanelResult, PanelSpec, Range, Threshold, Unit, aggregate
from queries.model.series import drop_labels, format_labels
from queries.model.text import visible
from queries.model.verdict import Verdict
from queries.model.workload import Cluster, Pod, Workload
from queries.text.durations import format_span
from queries.text.numbers import format_brief, format_figure

if TYPE_CHECKING:
    from queries.kubernetes.client import Kubernetes
    from queries.prometheus.client import InstantResult

_ROWS = 8
_LOG_LINES = 20


@dataclass(frozen=True, slots=True)
class StepResult:
    """One step: `text` is what was found, line by line; `verdict` is None where a step has nothing to judge."""

    index: int
    title: str
    text: str
    verdict: Verdict | None
    value_text: str
    query: str


@dataclass(frozen=True, slots=True)
class StepContext:
    """What the steps may look at. `query` asks Prometheus; `cluster` is the last good one, `kubernetes` None where there is
    none; both may fail with a SourceError, which becomes the step's text.
    """

    query: Callable[[str], Awaitable[InstantResult]]
    kubernetes: Kubernetes | None
    cluster: Cluster | None
    configured: tuple[AlertTarget, ...]
    now: float
    place: Place
    records: Records = field(default_factory=lambda: NO_RECORDS)
    """What the journal has of each revision."""
    expand: Callable[[str], str] | None = None
    """The PromQL that this server is asked for a text with ${signal[5m]}; None where nobody is asked."""
    contradictions: Callable[[str], Awaitable[tuple[Contradiction, ...]]] | None = None
    """What contradicts the signals of such a text now; None where nobody is asked."""

    async def doubts(self, written: str) -> tuple[Contradiction, ...]:
        return await self.contradictions(written) if written and self.contradictions else ()


async def answer_steps(runbook: Runbook, alert: Alert | None, sight: StepContext) -> AsyncIterator[StepResult]:
    """Every step in its order; one that fails says so and the next is tried."""
    for index, page_step in enumerate(runbook.steps):
        step = page_step
        try:
            if step.query:
                if step.written and sight.expand:
                    step = replace(step, query=sight.expand(step.written))
                yield await _asked(index, step, sight)
            elif step.lookup:
                text = await _looked_up(step, runbook, alert, sight)
                yield StepResult(index, step.title, _joined(step.text, text), None, "", "")
            else:
                yield StepResult(index, step.title, step.text, None, "", "")
        except SourceError as error:
            told = _joined(step.text, error.fault.sentence())
            yield StepResult(index, step.title, told, Verdict.NO_DATA, "-", step.query)


async def _asked(index: int, step: RunbookStep, sight: StepContext) -> StepResult:
    answer, contradictions = await asyncio.gather(sight.query(step.query), sight.doubts(step.written))
    if counts_codes(step.query):
        answer = replace(answer, samples=group_samples_by_code(answer.samples))
    unit = Unit(step.unit)
    threshold = Threshold(step.warn, step.critical)
    fold = Aggregation.MIN if step.below else Aggregation.MAX
    value = aggregate(fold, [item.value for item in answer.samples])
    if value is None:
        why = "no series" if not answer.samples else "not a number: nothing was counted (no traffic)"
        return StepResult(index, step.title, _joined(step.text, why), Verdict.NO_DATA, "-", step.query)
    judged = step.warn is not None or step.critical is not None
    # A step that says no unit asks for a number, a difference or a slope as well as a count.
    allowed = step.range or (Range() if unit is Unit.COUNT else unit.allowed)
    spec = PanelSpec(
        step.title, step.title, unit, fold, raw=step.query, lower_is_worse=step.below, threshold=threshold, range=allowed
    )
    asked = PanelResult(spec.id, Origin.RAW, step.query, answer.samples, contradictions=contradictions)
    state = judge(spec, Threshold(), asked, taken_at=0.0, now=0.0, stale_after=math.inf)
    verdict = state.verdict if judged or state.verdict is Verdict.IN_DOUBT else None
    ordered = sorted(answer.samples, key=lambda item: item.value, reverse=not step.below)
    rows = [
        f"{visible(format_labels(drop_labels(item.labels, '__name__')))} {format_figure(item.value, unit)}"
        for item in ordered[:_ROWS]
    ]
    if len(ordered) > _ROWS:
        rows.append(f"and {len(ordered) - _ROWS} more")
    told = "\n".join(rows) if len(ordered) > 1 or (ordered and drop_labels(ordered[0].labels, "__name__")) else ""
    doubt = state.reason if verdict is Verdict.IN_DOUBT else ""
    return StepResult(index, step.title, _joined(step.text, doubt, told), verdict, format_figure(value, unit), step.query)


async def _looked_up(step: RunbookStep, runbook: Runbook, alert: Alert | None, sight: StepContext) -> str:
    if sight.kubernetes is None:
        raise NotConfigured("Kubernetes is not configured", hint="set KUBECONFIG or --kubeconfig to see this step")
    cluster = sight.cluster or await sight.kubernetes.cluster()
    owners = None
    if alert and pod_of(alert.labels):
        owners = await maybe_offload(lambda: owners_of(cluster), len(cluster.pods))
    away = sight.place.elsewhere(alert.labels, owners) if alert else None
    if away is not None:
        # How the workload of the same name fares here would be taken for an answer.
        return f"not looked up here: {away.reason}\ninstead: {away.command}"
    target = fill(step.target, alert.labels if alert else ()) if step.target else ""
    if not target and alert:
        target = target_of(alert, cluster, configured=sight.configured, runbook=runbook, owners=owners)
    name = target.partition("/")[2]
    workload = cluster.workload(name) if name else None
    if name and workload is None:
        return f"there is no {visible(target)} in namespace {visible(cluster.namespace)}"
    pods = cluster.pods_of(workload) if workload else cluster.pods
    match step.lookup:
        case "rollout-history":
            return _history(cluster, workload, sight)
        case "pods":
            return _pods(pods, sight.now)
        case "events":
            return _events(cluster, {item.name for item in pods} | ({name} if name else set()), sight.now, all_of=not name)
        case "top-pods":
            return await _top(sight.kubernetes, {item.name for item in pods} if workload else None)
    return await _logs(sight.kubernetes, pods)


def _history(cluster: Cluster, workload: Workload | None, sight: StepContext) -> str:
    rows: list[str] = []
    for item in (workload,) if workload else cluster.workloads:
        revisions = cluster.revisions_of(item)
        if not revisions and workload:
            return (
                f"{visible(item.name)} has no revision yet: it has no ReplicaSet (new, paused, or its controller does not run)"
            )
        known_as = {choice.revision.number: choice for choice in choices(item, revisions, sight.records)}
        for revision, before in zip_longest(revisions, revisions[1:]):
            choice = known_as.get(revision.number)
            mark = f" ({choice.standing})" if choice else " (now)"
            images = image_change(before.containers, revision.containers) if before else ""
            told = f" image {images}" if images else ""
            cause = f" {visible(revision.change_cause)}" if revision.change_cause else ""
            rows.append(
                f"{visible(item.name)} rev {revision.number}{mark} "
                f"{format_span(sight.now - revision.created_at)} ago{told}{cause}"
            )
    return _cut(rows) or "no revision was ever rolled out"


def _pods(pods: tuple[Pod, ...], now: float) -> str:
    ordered = sorted(pods, key=lambda item: (item.ready, -item.restarts, item.name))
    rows = [
        f"{visible(item.name)} {'ready' if item.ready else 'NOT READY'} {visible(item.reason or item.phase)}"
        f" restarts {item.restarts} age {format_span(now - item.created_at)}"
        for item in ordered
    ]
    return _cut(rows) or "no pods"


def _events(cluster: Cluster, names: set[str], now: float, *, all_of: bool) -> str:
    found = [item for item in cluster.events if (all_of and item.type == "Warning") or (not all_of and item.name in names)]
    found.sort(key=lambda item: -item.at)
    rows = [
        f"{format_span(now - item.at)} ago {visible(item.reason)} {visible(item.name)}: {visible(item.message)}"
        for item in found
    ]
    return _cut(rows) or "no events"


async def _top(kubernetes: Kubernetes, names: set[str] | None) -> str:
    usage = [item for item in await kubernetes.usage() if names is None or item.name in names]
    usage.sort(key=lambda item: -item.memory_bytes)
    rows = [
        f"{visible(item.name)} {item.memory_bytes / (1 << 20):.0f} MiB {format_brief(item.cpu_cores)} cores" for item in usage
    ]
    return _cut(rows) or "no pods"


async def _logs(kubernetes: Kubernetes, pods: tuple[Pod, ...]) -> str:
    worst = min(pods, key=lambda item: (item.ready, -item.restarts, item.name), default=None)
    if worst is None:
        return "no pods"
    text = await kubernetes.logs(worst.name, lines=_LOG_LINES)
    lines = [visible(line) for line in text.splitlines()[-_LOG_LINES:]]
    return "\n".join([f"{visible(worst.name)}, its last lines:", *(lines or ["(empty log)"])])


def _cut(rows: list[str]) -> str:
    more = [f"and {len(rows) - _ROWS} more"] if len(rows) > _ROWS else []
    return "\n".join([*rows[:_ROWS], *more])


def _joined(*parts: str) -> str:
    return "\n".join(part for part in parts if part)
