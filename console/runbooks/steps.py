"""Evaluates the steps of a runbook against the current state."""

from __future__ import annotations

import asyncio
import math
import shlex
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import field, replace
from itertools import zip_longest
from typing import TYPE_CHECKING

from console.checks.panels import evaluate_panel
from console.config.missing import missing_server
from console.config.settings import AlertTarget
from console.runbooks.page import Runbook, RunbookStep
from console.runbooks.suggested_actions import fill_target, target_of
from console.state.place import Place, owners_of, pod_of
from console.state.revisions import NO_RECORDS, Records, image_change, revision_choices
from queries.catalogue.error_code_series import counts_codes, group_samples_by_code
from queries.concurrency import maybe_offload
from queries.errors import SourceError
from queries.model.alert import Alert
from queries.model.cluster import Cluster, ClusterEvent
from queries.model.frozen import dataclass
from queries.model.panel import Aggregation, Origin, PanelSpec, Range, Threshold, Unit, aggregate
from queries.model.panel_result import Contradiction, PanelResult
from queries.model.pod import Pod
from queries.model.pod_log import LogRequest
from queries.model.series import Sample, drop_labels, format_labels
from queries.model.text import visible
from queries.model.verdict import Verdict
from queries.model.workload import Workload
from queries.text.durations import format_span
from queries.text.numbers import format_brief, format_figure

if TYPE_CHECKING:
    from queries.kubernetes.client import Kubernetes
    from queries.prometheus.client import InstantResult

_MAX_ROWS = 8
_LOG_LINES = 20


@dataclass(frozen=True, slots=True)
class StepResult:
    """The result of one step: `text` line by line; `verdict` is None if the step has no threshold."""

    index: int
    title: str
    text: str
    verdict: Verdict | None
    value_text: str
    query: str
    source: str = "prometheus"
    """Who evaluates the query."""


@dataclass(frozen=True, slots=True)
class StepContext:
    """What the steps may read. `query` evaluates PromQL, `query_logs` a metric query over logs in LogQL; `cluster` is the last
    good state; `kubernetes` is None if it is not configured. A SourceError from any becomes the step's text.
    """

    query: Callable[[str], Awaitable[InstantResult]]
    kubernetes: Kubernetes | None
    cluster: Cluster | None
    configured: tuple[AlertTarget, ...]
    now: float
    place: Place
    records: Records = field(default_factory=lambda: NO_RECORDS)
    """What the journal has recorded about each revision."""
    expand: Callable[[str], str] | None = None
    """Expands ${signal[5m]} to this server's PromQL; None without Prometheus."""
    contradictions: Callable[[str], Awaitable[tuple[Contradiction, ...]]] | None = None
    """The current contradictions between the signals of such a query; None without Prometheus."""
    query_logs: Callable[[str], Awaitable[tuple[Sample, ...]]] | None = None

    async def evaluate(self, step: RunbookStep) -> InstantResult:
        """The result of a step's query. Raises SourceError."""
        if step.source == "prometheus":
            return await self.query(step.query)
        from queries.prometheus.responses import InstantResult  # noqa: PLC0415  # only with such a step

        if self.query_logs is None:
            raise missing_server("Loki")
        return InstantResult(await self.query_logs(step.query))

    async def find_contradictions(self, template: str) -> tuple[Contradiction, ...]:
        return await self.contradictions(template) if template and self.contradictions else ()


async def evaluate_steps(runbook: Runbook, alert: Alert | None, context: StepContext) -> AsyncIterator[StepResult]:
    """Every step in order; a failed step reports its error, and the next one is evaluated all the same."""
    for index, page_step in enumerate(runbook.steps):
        step = page_step
        try:
            if step.query:
                if step.template and context.expand:
                    step = replace(step, query=context.expand(step.template))
                yield replace(await _evaluate_query(index, step, context), source=step.source)
            elif step.lookup:
                text = await _look_up(step, runbook, alert, context)
                yield StepResult(index, step.title, _join_lines(step.text, text), None, "", "")
            else:
                yield StepResult(index, step.title, step.text, None, "", "")
        except SourceError as error:
            text = _join_lines(step.text, error.fault.sentence())
            yield StepResult(index, step.title, text, Verdict.NO_DATA, "-", step.query, step.source)


async def _evaluate_query(index: int, step: RunbookStep, context: StepContext) -> StepResult:
    result, contradictions = await asyncio.gather(context.evaluate(step), context.find_contradictions(step.template))
    if counts_codes(step.promql):
        result = replace(result, samples=group_samples_by_code(result.samples))
    unit = Unit(step.unit)
    threshold = Threshold(step.warn, step.critical)
    fold = Aggregation.MIN if step.below else Aggregation.MAX
    value = aggregate(fold, [item.value for item in result.samples])
    partial = result.annotations.partial
    if value is None:
        reason = (
            f"partial: {visible(partial)}"
            if partial
            else "no series"
            if not result.samples
            else "not a number: no events counted (no traffic)"
        )
        return StepResult(index, step.title, _join_lines(step.text, reason), Verdict.NO_DATA, "-", step.query)
    has_threshold = step.warn is not None or step.critical is not None
    # A step without a unit may be a number, a difference or a slope as well as a count.
    allowed = step.range or (Range() if unit is Unit.COUNT else unit.allowed)
    spec = PanelSpec(
        step.title, step.title, unit, fold, raw=step.query, lower_is_worse=step.below, threshold=threshold, range=allowed
    )
    panel = PanelResult(
        spec.id,
        Origin.RAW,
        step.query,
        result.samples,
        contradictions=contradictions,
        annotations=result.annotations.about_query,
        partial=partial,
    )
    state = evaluate_panel(spec, Threshold(), panel, taken_at=0.0, now=0.0, stale_after=math.inf)
    verdict = state.verdict if has_threshold or state.verdict is Verdict.IN_DOUBT else None
    ordered = sorted(result.samples, key=lambda item: item.value, reverse=not step.below)
    rows = [
        f"{visible(format_labels(drop_labels(item.labels, '__name__')))} {format_figure(item.value, unit)}"
        for item in ordered[:_MAX_ROWS]
    ]
    if len(ordered) > _MAX_ROWS:
        rows.append(f"and {len(ordered) - _MAX_ROWS} more")
    listing = "\n".join(rows) if len(ordered) > 1 or (ordered and drop_labels(ordered[0].labels, "__name__")) else ""
    caveat = state.reason if verdict is Verdict.IN_DOUBT else ""
    return StepResult(
        index, step.title, _join_lines(step.text, caveat, listing), verdict, format_figure(value, unit), step.query
    )


async def _look_up(step: RunbookStep, runbook: Runbook, alert: Alert | None, context: StepContext) -> str:
    if context.kubernetes is None:
        raise missing_server("Kubernetes")
    from queries.kubernetes.cluster_list import list_cluster  # noqa: PLC0415  # only with Kubernetes

    cluster = context.cluster or await list_cluster(context.kubernetes)
    owners = None
    if alert and pod_of(alert.labels):
        owners = await maybe_offload(lambda: owners_of(cluster), len(cluster.pods))
    away = context.place.elsewhere(alert.labels, owners) if alert else None
    if away is not None:
        # The state of the workload with the same name here would pass for an answer.
        return f"not looked up here: {away.reason}\ninstead: {away.command}"
    target = fill_target(step.target, alert.labels if alert else ()) if step.target else ""
    if not target and alert:
        target = target_of(alert, cluster, configured=context.configured, runbook=runbook, owners=owners)
    name = target.partition("/")[2]
    workload = cluster.workload(target) if name else None
    if name and workload is None:
        return f"there is no {visible(target)} in namespace {visible(cluster.namespace)}"
    pods = cluster.pods_of(workload) if workload else cluster.pods
    match step.lookup:
        case "rollout-history":
            return _rollout_history(cluster, workload, context)
        case "pods":
            return await maybe_offload(lambda: _list_pods(pods, context.now), len(pods))
        case "events":
            names = {item.name for item in pods} | ({name} if name else set())
            return _list_events(cluster, names, context.now, all_warnings=not name)
        case "top-pods":
            return await _top_pods(context.kubernetes, {item.name for item in pods} if workload else None)
    # A serving workload replaces a pod that ended, and the ended pod's log may be gone.
    living = tuple(pod for pod in pods if not pod.ended)
    return await _tail_logs(context.kubernetes, living or pods if workload is not None and workload.replaces_pods else pods)


def _rollout_history(cluster: Cluster, workload: Workload | None, context: StepContext) -> str:
    rows: list[str] = []
    for item in (workload,) if workload else cluster.workloads:
        revisions = cluster.revisions_of(item)
        if workload and item.kind not in ("Deployment", "Rollout"):
            if item.kind not in ("StatefulSet", "DaemonSet"):
                return f"a {item.kind} has no revisions"
            command = shlex.join([*context.place.kubectl, "-n", cluster.namespace, "rollout", "history", item.target])
            return f"the console does not watch the revisions of a {item.kind}; list them with: {command}"
        if not revisions and workload:
            reason = "it has no ReplicaSet (new, paused, or its controller is not running)"
            return f"{visible(item.name)} has no revision yet: {reason}"
        choice_by_number = {choice.revision.number: choice for choice in revision_choices(item, revisions, context.records)}
        for revision, before in zip_longest(revisions, revisions[1:]):
            choice = choice_by_number.get(revision.number)
            mark = f" ({choice.standing})" if choice else " (now)"
            images = image_change(before.containers, revision.containers) if before else ""
            image = f" image {images}" if images else ""
            cause = f" {visible(revision.change_cause)}" if revision.change_cause else ""
            age = format_span(context.now - cluster.revision_since(item, revision))
            rows.append(f"{visible(item.name)} rev {revision.number}{mark} {age} ago{image}{cause}")
    return _cut(rows, len(rows)) or "no revision has been rolled out"


def _list_pods(pods: tuple[Pod, ...], now: float) -> str:
    ordered = sorted(pods, key=_worst_first)
    rows = [
        f"{visible(item.name)} {'ready' if item.ready else 'ended' if item.ended else 'NOT READY'}"
        f" {visible(item.reason or item.phase)}"
        f" restarts {item.restarts} age {format_span(now - item.created_at)}"
        for item in ordered[:_MAX_ROWS]
    ]
    return _cut(rows, len(ordered)) or "no pods"


def _worst_first(pod: Pod) -> tuple[int, int, str]:
    """Those that should be ready and are not, then the failed, the ready and the completed ones."""
    rank = {"Failed": 1, "Succeeded": 3}.get(pod.phase, 2 if pod.ready else 0)
    return (rank, -pod.restarts, pod.name)


def _list_events(cluster: Cluster, names: set[str], now: float, *, all_warnings: bool) -> str:
    def is_listed(item: ClusterEvent) -> bool:
        return item.type == "Warning" if all_warnings else item.name in names

    events = sorted(filter(is_listed, cluster.events), key=lambda item: -item.at)
    rows = [
        f"{format_span(now - item.at)} ago {visible(item.reason)} {visible(item.name)}: {visible(item.message)}"
        for item in events
    ]
    return _cut(rows, len(rows)) or "no events"


async def _top_pods(kubernetes: Kubernetes, names: set[str] | None) -> str:
    usage = [item for item in await kubernetes.usage() if names is None or item.name in names]
    usage.sort(key=lambda item: -item.memory_bytes)
    rows = [
        f"{visible(item.name)} {item.memory_bytes / (1 << 20):.0f} MiB {format_brief(item.cpu_cores)} cores" for item in usage
    ]
    return _cut(rows, len(rows)) or "no pods"


async def _tail_logs(kubernetes: Kubernetes, pods: tuple[Pod, ...]) -> str:
    worst = min(pods, key=_worst_first, default=None)
    if worst is None:
        return "no pods"
    from queries.kubernetes.pod_log_reader import PodLogReader  # noqa: PLC0415  # as above

    logs = PodLogReader(kubernetes)
    containers = await logs.list_containers(worst.name)
    log = await logs.read_end(LogRequest(worst.name, containers.default), lines=_LOG_LINES)
    lines = [visible(line) for line in log.splitlines()[-_LOG_LINES:]]
    which = f", container {visible(containers.default)}" if len(containers.names) > 1 else ""
    return "\n".join([f"last log lines of {visible(worst.name)}{which}:", *(lines or ["(empty log)"])])


def _cut(rows: list[str], count: int) -> str:
    """The first rows, and how many of `count` are missing."""
    more = [f"and {count - _MAX_ROWS} more"] if count > _MAX_ROWS else []
    return "\n".join([*rows[:_MAX_ROWS], *more])


def _join_lines(*parts: str) -> str:
    return "\n".join(part for part in parts if part)
