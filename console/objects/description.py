"""An object as text, in the order in which people ask: what is wrong, its state, its events, and only then how it is set up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from console.actions.reconcilers import owners
from console.objects.nodes import list_node_problems, sum_pod_requests
from console.objects.problems import Problem, describe_condition, describe_count
from console.objects.reading import WorkloadReading
from queries.kubernetes.object_decode import decode_conditions
from queries.kubernetes.object_secrets import redact_tree
from queries.model.frozen import dataclass
from queries.model.object_page import Dependency, Existence, Node, NodePod, ObjectEvent
from queries.model.replica_limits import Autoscaler, DisruptionBudget
from queries.model.rollout import rollout_status
from queries.model.text import visible
from queries.model.verdict import Verdict
from queries.model.workload import BatchJob, UpdateStrategy, Workload
from queries.text.durations import format_age, format_seconds_field
from queries.text.times import format_moment, parse_rfc3339

_MOST_PODS = 200


@dataclass(frozen=True, slots=True)
class DescriptionLine:
    """One line; a heading, or text with the verdict that it expresses, if it expresses one."""

    text: str
    heading: bool = False
    verdict: Verdict | None = None


Lines = Iterator[DescriptionLine]


def describe_workload(reading: WorkloadReading, findings: Iterable[Problem], *, now: float) -> tuple[DescriptionLine, ...]:
    """Everything about one workload."""
    return tuple(_workload_lines(reading, tuple(findings), now))


def describe_strategy(item: Workload, raw: Mapping[str, Any]) -> str:
    """How a rollout replaces its pods, in numbers."""
    strategy: UpdateStrategy = item.strategy
    if strategy.type == "OnDelete":
        return "OnDelete: a pod gets the new template when someone deletes it"
    if strategy.type == "Recreate":
        return "Recreate: all pods end before new ones start"
    surge, missing = strategy.surge(item.desired), strategy.unavailable(item.desired)
    text = f"{strategy.type}: {strategy.replaced_at_once(item.desired)}"
    text += f"; at most {surge} more and {missing} fewer than {item.desired} pods"
    if strategy.partition:
        text += f"; pods below ordinal {strategy.partition} keep the old template"
    spec = raw.get("spec") or {}
    if spec.get("minReadySeconds"):
        text += f"; a pod counts after {format_seconds_field(spec['minReadySeconds'])} ready"
    if item.kind == "Deployment" and spec.get("progressDeadlineSeconds"):
        text += f"; fails after {format_seconds_field(spec['progressDeadlineSeconds'])} without progress"
    return text


def describe_batch(batch: BatchJob, now: float) -> str:
    """Schedule, runs and the last success of a Job or CronJob."""
    zone = f" ({batch.time_zone})" if batch.time_zone else ""
    parts = [f"schedule {batch.schedule}{zone}" if batch.schedule else "", "suspended" if batch.suspended else ""]
    parts.append(f"{batch.active} active")
    if batch.kind == "Job":
        parts.append(f"{batch.succeeded} of {batch.completions} completions")
    parts.append(f"last success {_age(batch.succeeded_at, now)} ago" if batch.succeeded_at else "no success reported")
    return visible(", ".join(filter(None, parts)))


def describe_autoscaler(scaler: Autoscaler, raw: Mapping[str, Any]) -> str:
    """Range, state and metrics."""
    text = f"{scaler.name}: {scaler.minimum} to {scaler.maximum} replicas, now {scaler.current}, desired {scaler.desired}"
    if scaler.scaled_object:
        text += f", of KEDA ScaledObject {scaler.scaled_object}"
    metrics = ", ".join(filter(None, (_describe_metric(item) for item in (raw.get("spec") or {}).get("metrics") or ())))
    return visible(f"{text}; by {metrics}" if metrics else text)


def describe_budget(budget: DisruptionBudget) -> str:
    """Its limit, and how many evictions it permits now."""
    allowed = f"{budget.allowed} evictions allowed now" if budget.allowed != 1 else "1 eviction allowed now"
    return visible(f"{budget.name}: {budget.minimum or 'no limit'}, {allowed}")


def describe_dependency(item: Dependency) -> str:
    """`ConfigMap settings  volume config  does not exist`."""
    state = {Existence.PRESENT: "present", Existence.MISSING: "MISSING", Existence.UNKNOWN: "not known"}[item.existence]
    text = item.text.removeprefix("not known: ")
    optional = ", optional" if item.optional else ""
    return visible(f"{state}{f' ({text})' if text else ''}, {', '.join(item.used_as)}{optional}")


def describe_event(event: ObjectEvent, *, own: str = "") -> str:
    """One event without its times; `own` is the name of the object that the page is about, which needs no mention."""
    about = "" if event.name == own else f"{event.kind} {event.name}: "
    return visible(f"{event.reason}: {about}{event.message}")


def describe_pod(
    raw: Mapping[str, Any], events: Iterable[ObjectEvent], *, events_error: str, now: float
) -> tuple[DescriptionLine, ...]:
    """One pod: why it is not ready, its containers with state and last exit, its events, then its spec."""
    return tuple(_pod_lines(raw, tuple(events), events_error, now))


def describe_node(
    node: Node,
    raw: Mapping[str, Any],
    pods: Iterable[NodePod],
    events: Iterable[ObjectEvent],
    *,
    pods_error: str,
    events_error: str,
    now: float,
) -> tuple[DescriptionLine, ...]:
    """One node: what is wrong, its conditions, what is reserved on it, its pods with the largest requests first, its events.

    With a `pods_error` the pods are those of this namespace alone.
    """
    return tuple(_node_lines(node, raw, tuple(pods), tuple(events), pods_error=pods_error, events_error=events_error, now=now))


def describe_share(requested: float, allocatable: float, text: str, whole: str) -> str:
    """`3.5 of 4 (88 %)`."""
    return (
        f"{text} of {whole} ({requested / allocatable:.0%})".replace("%", " %")
        if allocatable
        else f"{text} of an unknown total"
    )


def format_bytes(count: float) -> str:
    """Binary units, as Kubernetes writes memory: `512Mi`, `1.5Gi`."""
    for size, suffix in ((2.0**40, "Ti"), (2.0**30, "Gi"), (2.0**20, "Mi"), (2.0**10, "Ki")):
        if count >= size:
            return f"{count / size:.4g}{suffix}"
    return f"{count:.0f}"


def describe_state(state: Mapping[str, Any], now: float) -> str:
    """The state of a container: `running for 5m`, `waiting: CrashLoopBackOff`, `ended: OOMKilled, exit code 137, 2m ago`."""
    if found := state.get("waiting"):
        return ": ".join(filter(None, ("waiting", str(found.get("reason") or ""), str(found.get("message") or ""))))
    if found := state.get("terminated"):
        at = _moment(found.get("finishedAt"))
        ago = f", {format_age(max(0.0, now - at))} ago" if at else ""
        text = f"ended: {found.get('reason') or 'no reason given'}, exit code {found.get('exitCode', 'not given')}{ago}"
        return f"{text}: {found['message'].strip()}" if found.get("message") else text
    if (found := state.get("running")) is not None:
        at = _moment(found.get("startedAt"))
        return f"running for {format_age(max(0.0, now - at))}" if at else "running"
    return "no state reported"


def _workload_lines(reading: WorkloadReading, findings: tuple[Problem, ...], now: float) -> Lines:
    item, raw = reading.workload, reading.raw
    yield from _problem_lines(findings)
    yield DescriptionLine("Status", heading=True)
    if item.batch is not None:
        yield DescriptionLine(describe_batch(item.batch, now))
    elif reading.has_revisions:
        yield DescriptionLine(f"{item.ready} of {item.desired} pods ready, {item.updated} with the current template")
        yield DescriptionLine(visible(rollout_status(item).sentence.partition(": ")[2]))
    yield from _condition_lines(raw, now)
    yield DescriptionLine("Pods", heading=True)
    yield from _unread(reading.pods.error)
    pods = reading.pods.value or ()
    for pod in pods[:_MOST_PODS]:
        state = "ready" if pod.ready else ": ".join(filter(None, (pod.reason or pod.phase or "not ready", pod.message)))
        last = f", last exit {pod.last_exit}" if pod.last_exit else ""
        text = (
            f"{pod.name}  {state}, {pod.restarts} restarts{last}, age {_age(pod.created_at, now)}, on {pod.node or 'no node'}"
        )
        yield DescriptionLine(visible(text), verdict=None if pod.ready else Verdict.WARN)
    if len(pods) > _MOST_PODS:
        yield DescriptionLine(f"and {len(pods) - _MOST_PODS} more")
    yield from _event_lines(reading.events.value or (), reading.events.error, now, own=item.name)
    yield DescriptionLine("Revisions", heading=True)
    yield from _unread(reading.revisions.error)
    current = reading.current_revision()
    for revision in reading.revisions.value or ():
        cause = f", {revision.change_cause}" if revision.change_cause else ""
        mark = ", current" if current is not None and revision.name == current.name else ""
        text = f"{revision.number}{mark}: created {_age(revision.since, now)} ago{cause}, {revision.name}"
        yield DescriptionLine(visible(text))
    yield DescriptionLine("Set-up", heading=True)
    if reading.has_revisions:
        yield DescriptionLine(describe_strategy(item, raw))
    if item.owner:
        yield DescriptionLine(visible(f"owned by {item.owner}"))
    for scaler, scaler_raw in reading.autoscaler.value or ():
        yield DescriptionLine(f"HPA {describe_autoscaler(scaler, scaler_raw)}")
    yield from _unread(reading.autoscaler.error, "HPAs")
    for budget in reading.budgets.value or ():
        yield DescriptionLine(f"PodDisruptionBudget {describe_budget(budget)}")
    yield from _unread(reading.budgets.error, "PodDisruptionBudgets")
    for owner in owners(raw):
        yield DescriptionLine(visible(f"managed by {owner.name} (by {owner.why})"))
    yield DescriptionLine("Depends on", heading=True)
    yield from _unread(reading.dependencies.error)
    for dependency in reading.dependencies.value or ():
        missing = dependency.existence is Existence.MISSING
        yield DescriptionLine(
            f"{dependency.kind} {visible(dependency.name)}: {describe_dependency(dependency)}",
            verdict=Verdict.CRITICAL if missing else None,
        )
    yield from _template_lines(reading.template)
    yield from _metadata_lines(raw)


def _pod_lines(raw: Mapping[str, Any], events: tuple[ObjectEvent, ...], events_error: str, now: float) -> Lines:
    spec, status = raw.get("spec") or {}, raw.get("status") or {}
    yield DescriptionLine("Status", heading=True)
    parts = (str(status.get("phase") or "no phase reported"), str(status.get("reason") or ""), str(status.get("message") or ""))
    yield DescriptionLine(visible(": ".join(filter(None, parts))))
    yield DescriptionLine(visible(f"on {spec.get('nodeName') or 'no node'}, IP {status.get('podIP') or 'none'}"))
    if (raw.get("metadata") or {}).get("deletionTimestamp"):
        yield DescriptionLine("it is being deleted", verdict=Verdict.WARN)
    yield from _condition_lines(raw, now)
    yield DescriptionLine("Containers", heading=True)
    for group, prefix in (
        ("containerStatuses", ""),
        ("initContainerStatuses", "init "),
        ("ephemeralContainerStatuses", "ephemeral "),
    ):
        for entry in status.get(group) or ():
            state, last = describe_state(entry.get("state") or {}, now), entry.get("lastState") or {}
            name = f"{prefix}{entry.get('name', '')}"
            text = f"{name}: {state}, {'ready' if entry.get('ready') else 'not ready'}, {entry.get('restartCount', 0)} restarts"
            waiting = not entry.get("ready") and not (prefix and "exit code 0" in state)
            yield DescriptionLine(visible(text), verdict=Verdict.WARN if waiting else None)
            if last:
                yield DescriptionLine(visible(f"  before: {describe_state(last, now)}"), verdict=Verdict.WARN)
    yield from _event_lines(events, events_error, now, own=str((raw.get("metadata") or {}).get("name") or ""))
    yield from _template_lines({"spec": spec})
    yield from _metadata_lines(raw)


def _node_lines(
    node: Node,
    raw: Mapping[str, Any],
    pods: tuple[NodePod, ...],
    events: tuple[ObjectEvent, ...],
    *,
    pods_error: str,
    events_error: str,
    now: float,
) -> Lines:
    yield from _problem_lines(list_node_problems(node))
    yield DescriptionLine("Status", heading=True)
    yield from _condition_lines(raw, now)
    yield DescriptionLine(visible(f"version {node.version or 'not reported'}, roles {', '.join(node.roles) or 'none'}"))
    for taint in node.taints:
        yield DescriptionLine(visible(f"taint {taint}"))
    yield DescriptionLine("Requests", heading=True)
    if pods_error:
        yield DescriptionLine(
            visible(f"only the pods of this namespace; could not list the others: {pods_error}"), verdict=Verdict.NO_DATA
        )
    total, whole = sum_pod_requests(pods), node.allocatable
    yield DescriptionLine(f"CPU     {describe_share(total.cpu, whole.cpu, f'{total.cpu:.4g}', f'{whole.cpu:.4g} cores')}")
    memory = describe_share(total.memory, whole.memory, format_bytes(total.memory), format_bytes(whole.memory))
    yield DescriptionLine(f"memory  {memory}")
    yield DescriptionLine(f"pods    {describe_share(total.pods, whole.pods, f'{total.pods:.0f}', f'{whole.pods:.0f}')}")
    yield DescriptionLine("Pods", heading=True)
    largest = sorted(pods, key=lambda pod: (-pod.requests.memory, -pod.requests.cpu, pod.namespace, pod.name))
    for pod in largest[:_MOST_PODS]:
        requests = f"CPU {pod.requests.cpu:.4g}, memory {format_bytes(pod.requests.memory)}"
        yield DescriptionLine(visible(f"{pod.namespace}/{pod.name}  {pod.phase or 'no phase'}, requests {requests}"))
    if len(largest) > _MOST_PODS:
        yield DescriptionLine(f"and {len(largest) - _MOST_PODS} more")
    yield from _event_lines(events, events_error, now, own=node.name)
    yield from _metadata_lines(raw)


def _problem_lines(findings: tuple[Problem, ...]) -> Lines:
    yield DescriptionLine("What is wrong", heading=True)
    for item in findings:
        yield DescriptionLine(f"{item.word}  {item.text}", verdict=None if item.verdict is Verdict.OK else item.verdict)
    if all(item.verdict is Verdict.OK for item in findings):
        yield DescriptionLine("nothing that the cluster reports")


def _condition_lines(raw: Mapping[str, Any], now: float) -> Lines:
    conditions = decode_conditions(raw)
    for condition in conditions:
        since = f" (updated {_age(condition.updated_at, now)} ago)" if condition.updated_at else ""
        yield DescriptionLine(f"{describe_condition(condition)}{since}")
    if not conditions:
        yield DescriptionLine("its controller reports no conditions")


def _event_lines(events: tuple[ObjectEvent, ...], error: str, now: float, *, own: str) -> Lines:
    yield DescriptionLine("Events", heading=True)
    yield from _unread(error)
    for event in events:
        yield DescriptionLine(
            f"{describe_event(event, own=own)} ({describe_count(event, now)})", verdict=Verdict.WARN if event.warning else None
        )
    if not events and not error:
        yield DescriptionLine("none; the API server keeps events for an hour by default")


def _template_lines(template: Mapping[str, Any]) -> Lines:
    spec = redact_tree(template.get("spec") or {})
    for group, title in (("containers", "Container"), ("initContainers", "Init container")):
        for item in spec.get(group) or ():
            yield DescriptionLine(visible(f"{title} {item.get('name', '')}"), heading=True)
            yield from (DescriptionLine(visible(line)) for line in _container_lines(item))


def _container_lines(item: Mapping[str, Any]) -> Iterator[str]:
    yield f"image      {item.get('image', '')}"
    for name in ("command", "args"):
        if item.get(name):
            yield f"{name:<10} {' '.join(map(str, item[name]))}"
    resources = item.get("resources") or {}
    for name in ("requests", "limits"):
        values = ", ".join(f"{key} {value}" for key, value in sorted((resources.get(name) or {}).items()))
        yield f"{name:<10} {values or 'none'}"
    for name in ("startupProbe", "readinessProbe", "livenessProbe"):
        if item.get(name):
            yield f"{name}  {_describe_probe(item[name])}"
    for entry in item.get("envFrom") or ():
        yield f"env        every key of {_describe_source(entry)}"
    for entry in item.get("env") or ():
        value = _describe_source(entry["valueFrom"]) if entry.get("valueFrom") else entry.get("value", "")
        yield f"env        {entry.get('name', '')}={value}"
    for mount in item.get("volumeMounts") or ():
        mode = " (read-only)" if mount.get("readOnly") else ""
        yield f"mount      {mount.get('mountPath', '')} from {mount.get('name', '')}{mode}"


def _metadata_lines(raw: Mapping[str, Any]) -> Lines:
    meta = raw.get("metadata") or {}
    yield DescriptionLine("Labels", heading=True)
    for name, value in sorted((meta.get("labels") or {}).items()):
        yield DescriptionLine(visible(f"{name}={value}"))
    created = _moment(meta.get("creationTimestamp"))
    yield DescriptionLine(f"created {format_moment(created) if created else 'at an unknown time'}")


def _describe_probe(probe: Mapping[str, Any]) -> str:
    what = "no action"
    if http := probe.get("httpGet"):
        host = f"{http.get('host') or 'pod'}:{http.get('port', '')}"
        what = f"GET {http.get('scheme', 'HTTP').lower()}://{host}{http.get('path', '/')}"
    elif tcp := probe.get("tcpSocket"):
        what = f"TCP {tcp.get('port', '')}"
    elif grpc := probe.get("grpc"):
        what = f"gRPC {grpc.get('port', '')}"
    elif run := probe.get("exec"):
        what = f"run {' '.join(map(str, run.get('command') or ()))}"
    delay = f" after {format_seconds_field(probe['initialDelaySeconds'])}" if probe.get("initialDelaySeconds") else ""
    every = format_seconds_field(probe.get("periodSeconds", 10))
    limit = format_seconds_field(probe.get("timeoutSeconds", 1))
    return f"{what}{delay}, every {every}, timeout {limit}, fails after {probe.get('failureThreshold', 3)}"


def _describe_source(source: Mapping[str, Any]) -> str:
    for name, kind in (("secretKeyRef", "Secret"), ("configMapKeyRef", "ConfigMap")):
        if found := source.get(name):
            return f"key {found.get('key', '')} of {kind} {found.get('name', '')}"
    for name, kind in (("secretRef", "Secret"), ("configMapRef", "ConfigMap")):
        if found := source.get(name):
            return f"{kind} {found.get('name', '')}"
    if found := source.get("fieldRef"):
        return f"field {found.get('fieldPath', '')}"
    if found := source.get("resourceFieldRef"):
        return f"resource {found.get('resource', '')}"
    return "another source"


def _describe_metric(item: Mapping[str, Any]) -> str:
    kind = str(item.get("type") or "")
    found = item.get(kind[:1].lower() + kind[1:]) or {}
    name = found.get("name") or (found.get("metric") or {}).get("name") or kind
    target = found.get("target") or {}
    if "averageUtilization" in target:
        return f"{name} {target['averageUtilization']} % of requests"
    value = target.get("averageValue") or target.get("value")
    return f"{name} {value}" if value else str(name)


def _unread(error: str, what: str = "") -> Lines:
    if error:
        yield DescriptionLine(visible(f"{f'{what} ' if what else ''}not known: {error}"), verdict=Verdict.NO_DATA)


def _age(at: float, now: float) -> str:
    return format_age(max(0.0, now - at)) if at else "unknown"


def _moment(text: object) -> float:
    try:
        return parse_rfc3339(text) if isinstance(text, str) else 0.0
    except ValueError:
        return 0.0
