"""Decodes Kubernetes objects into the model's fields."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from queries.decoding import convert
from queries.kubernetes import objects as k8s
from queries.model.secret import redact_value
from queries.model.series import Labels
from queries.model.workload import (
    Autoscaler,
    BatchJob,
    ClusterEvent,
    Condition,
    Container,
    DisruptionBudget,
    LastWrite,
    Pod,
    PodUsage,
    Revision,
    Workload,
)
from queries.text.numbers import parse_quantity
from queries.text.times import parse_rfc3339

REVISION = "deployment.kubernetes.io/revision"
HISTORY = "deployment.kubernetes.io/revision-history"
CHANGE_CAUSE = "kubernetes.io/change-cause"
RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"
TEMPLATE_HASH = "pod-template-hash"
SCALED_OBJECT = "scaledobject.keda.sh/name"


_NO_STATUS = k8s.PodStatus()


def parse_timestamp(text: str | None) -> float:
    """RFC 3339 as Unix seconds; 0 if it is absent or invalid."""
    if not text:
        return 0.0
    try:
        return parse_rfc3339(text)
    except ValueError:
        return 0.0


def _sort_pairs(mapping: dict[str, str] | None) -> Labels:
    return tuple(sorted(mapping.items())) if mapping else ()


def build_workload(item: k8s.DeploymentObject) -> Workload:
    """A Deployment."""
    meta, spec, status = item.metadata, item.spec or k8s.WorkloadSpec(), item.status or k8s.WorkloadStatus()
    notes = meta.annotations or {}
    return Workload(
        namespace=meta.namespace,
        name=meta.name,
        uid=meta.uid,
        resource_version=meta.resource_version,
        generation=meta.generation,
        observed_generation=status.observed_generation,
        desired=1 if spec.replicas is None else spec.replicas,
        replicas=status.replicas,
        updated=status.updated_replicas,
        ready=status.ready_replicas,
        available=status.available_replicas,
        paused=bool(spec.paused),
        revision=_number(notes.get(REVISION)),
        created_at=parse_timestamp(meta.creation_timestamp),
        change_cause=notes.get(CHANGE_CAUSE, ""),
        selector=_sort_pairs(spec.selector.match_labels if spec.selector else None),
        labels=_sort_pairs(meta.labels),
        containers=_containers(spec.template),
        conditions=tuple(
            Condition(
                entry.type, entry.status, entry.reason or "", entry.message or "", parse_timestamp(entry.last_update_time)
            )
            for entry in status.conditions or ()
        ),
    )


def build_revision(item: k8s.ReplicaSetObject) -> Revision:
    """A ReplicaSet as a revision."""
    meta, status = item.metadata, item.status or k8s.WorkloadStatus()
    template = (item.spec.template if item.spec else None) or {}
    notes = meta.annotations or {}
    return Revision(
        number=_number(notes.get(REVISION)),
        name=meta.name,
        owner_uid=_controller(meta),
        created_at=parse_timestamp(meta.creation_timestamp),
        replicas=status.replicas,
        ready=status.ready_replicas,
        change_cause=notes.get(CHANGE_CAUSE, ""),
        containers=decode_containers(template),
        template=_fingerprint(template),
        history=tuple(int(part) for part in notes.get(HISTORY, "").split(",") if part.isascii() and part.isdigit()),
    )


def _fingerprint(template: dict[str, Any]) -> str:
    """A hash that ignores the hash label and the time of a restart.

    The API server serializes equal templates in equal order.
    """
    meta = template.get("metadata") or {}
    bare = {
        **template,
        "metadata": {
            **meta,
            "labels": {key: value for key, value in (meta.get("labels") or {}).items() if key != TEMPLATE_HASH},
            "annotations": {key: value for key, value in (meta.get("annotations") or {}).items() if key != RESTARTED_AT},
        },
    }
    return hashlib.sha256(msgspec.json.encode(bare)).hexdigest()[:16]


def build_pod(item: k8s.PodObject) -> Pod:
    """A pod."""
    # Without generators, because this runs ten thousand times for one list.
    meta, status = item.metadata, item.status or _NO_STATUS
    ready = False
    for condition in status.conditions or ():
        if condition.type == "Ready":
            ready = condition.status == "True"
    restarts = 0
    for entry in status.container_statuses or ():
        restarts += entry.restart_count
    owner = ""
    for reference in meta.owner_references or ():
        if reference.controller:
            owner = reference.uid
            break
    node = (item.spec.node_name or "") if item.spec else ""
    labels = tuple(sorted(meta.labels.items())) if meta.labels else ()
    created_at = parse_timestamp(meta.creation_timestamp)
    reason = _pod_reason(meta, status, ready)
    return Pod(
        meta.namespace, meta.name, meta.uid, status.phase, ready, restarts, created_at, reason, node, labels, owner
    )  # fmt: skip


def build_autoscaler(item: k8s.ScalerObject) -> Autoscaler:
    """A HorizontalPodAutoscaler."""
    spec, status = item.spec or k8s.ScalerSpec(), item.status or k8s.ScalerStatus()
    target = spec.scale_target_ref or k8s.TargetRef()
    return Autoscaler(
        namespace=item.metadata.namespace,
        name=item.metadata.name,
        target_kind=target.kind,
        target_name=target.name,
        minimum=1 if spec.min_replicas is None else spec.min_replicas,
        maximum=spec.max_replicas,
        current=status.current_replicas or 0,
        desired=status.desired_replicas or 0,
        scaled_object=(item.metadata.labels or {}).get(SCALED_OBJECT, ""),
    )


def build_budget(item: k8s.BudgetObject) -> DisruptionBudget:
    """A PodDisruptionBudget."""
    spec = item.spec or k8s.BudgetSpec()
    if spec.min_available is not None:
        minimum = f"at least {spec.min_available} available"
    elif spec.max_unavailable is not None:
        minimum = f"at most {spec.max_unavailable} unavailable"
    else:
        minimum = ""
    return DisruptionBudget(
        namespace=item.metadata.namespace,
        name=item.metadata.name,
        selector=_sort_pairs(spec.selector.match_labels if spec.selector else None),
        allowed=item.status.disruptions_allowed if item.status else 0,
        minimum=minimum,
    )


def build_cluster_event(item: k8s.EventObject) -> ClusterEvent:
    """An event."""
    series = item.series or k8s.EventSeries()
    last = series.last_observed_time or item.last_timestamp or item.event_time or item.first_timestamp
    involved = item.involved_object or k8s.Involved()
    return ClusterEvent(
        namespace=item.metadata.namespace,
        kind=involved.kind,
        name=involved.name,
        type=item.type or "",
        reason=item.reason or "",
        message=item.message or "",
        at=parse_timestamp(last or item.metadata.creation_timestamp),
        count=max(series.count, item.count or 1),
    )


def build_last_write(item: k8s.TouchedObject) -> LastWrite:
    """The last write of an object, from its managed fields."""
    meta = item.metadata
    newest = max(meta.managed_fields or (), key=lambda entry: entry.time or "", default=k8s.Managed())
    return LastWrite(meta.name, parse_timestamp(newest.time or meta.creation_timestamp), newest.manager)


def build_usage(item: k8s.UsageObject) -> PodUsage:
    """A pod's usage, summed over its containers."""
    used = [entry.usage for entry in item.containers or () if entry.usage]
    return PodUsage(
        namespace=item.metadata.namespace,
        name=item.metadata.name,
        cpu_cores=sum(parse_quantity(entry.cpu) for entry in used),
        memory_bytes=int(sum(parse_quantity(entry.memory) for entry in used)),
    )


def decode_containers(template: dict[str, Any]) -> tuple[Container, ...]:
    """The containers of a raw pod template, as model values."""
    return _containers(convert(template, k8s.Template))


def decode_workload(item: dict[str, Any]) -> Workload:
    """A raw Deployment."""
    return build_workload(convert(item, k8s.DeploymentObject))


def decode_revision(item: dict[str, Any]) -> Revision:
    """A raw ReplicaSet as a revision."""
    return build_revision(convert(item, k8s.ReplicaSetObject))


def decode_autoscaler(item: dict[str, Any]) -> Autoscaler:
    """A raw HorizontalPodAutoscaler."""
    return build_autoscaler(convert(item, k8s.ScalerObject))


def decode_budget(item: dict[str, Any]) -> DisruptionBudget:
    """A raw PodDisruptionBudget."""
    return build_budget(convert(item, k8s.BudgetObject))


def _containers(template: k8s.Template | None) -> tuple[Container, ...]:
    if template is None or template.spec is None:
        return ()
    every = (template.spec.containers or []) + (template.spec.init_containers or [])
    return tuple(Container(item.name, item.image, _environment(item)) for item in every)


def _environment(item: k8s.ContainerObject) -> tuple[tuple[str, str], ...]:
    found = [(f"{entry.prefix or ''}*", _describe_source(entry)) for entry in item.env_from or ()]
    for entry in item.env or ():
        # A literal secret is redacted here, before anything shows, compares or journals it.
        found.append(
            (
                entry.name,
                _describe_reference(entry.value_from) if entry.value_from else redact_value(entry.name, entry.value or ""),
            )
        )
    return tuple(found)


def build_cron_job(item: k8s.CronJobObject) -> BatchJob:
    """A CronJob."""
    spec, status = item.spec or k8s.CronJobSpec(), item.status or k8s.CronJobStatus()
    return BatchJob(
        kind="CronJob",
        name=item.metadata.name,
        schedule=spec.schedule,
        suspended=bool(spec.suspend),
        active=len(status.active or ()),
        created_at=parse_timestamp(item.metadata.creation_timestamp),
        succeeded_at=parse_timestamp(status.last_successful_time),
    )


def build_job(item: k8s.JobObject) -> BatchJob:
    """A Job."""
    spec, status = item.spec or k8s.JobSpec(), item.status or k8s.JobStatus()
    failed = next((entry for entry in status.conditions or () if entry.type == "Failed" and entry.status == "True"), None)
    return BatchJob(
        kind="Job",
        name=item.metadata.name,
        suspended=bool(spec.suspend),
        active=status.active or 0,
        created_at=parse_timestamp(item.metadata.creation_timestamp),
        succeeded_at=0.0 if failed else parse_timestamp(status.completion_time),
        failed=failed is not None,
        reason=(failed.reason or failed.message or "") if failed else "",
    )


def _describe_source(entry: k8s.EnvFrom) -> str:
    if entry.secret_ref:
        return f"<secret {entry.secret_ref.name}>"
    return f"<configmap {entry.config_map_ref.name}>" if entry.config_map_ref else "<unknown source>"


def _describe_reference(source: k8s.ValueFrom) -> str:
    if source.secret_key_ref:
        return f"<secret {source.secret_key_ref.name}/{source.secret_key_ref.key}>"
    if source.config_map_key_ref:
        return f"<configmap {source.config_map_key_ref.name}/{source.config_map_key_ref.key}>"
    if source.field_ref:
        return f"<field {source.field_ref.field_path}>"
    return f"<resource {source.resource_field_ref.resource}>" if source.resource_field_ref else "<unknown source>"


def _pod_reason(meta: k8s.PodMeta, status: k8s.PodStatus, ready: bool) -> str:
    """Kubernetes' reason why a pod is unhealthy, else empty."""
    if meta.deletion_timestamp:
        return "Terminating"
    if status.reason:
        return status.reason
    for prefix, statuses in (("Init:", status.init_container_statuses), ("", status.container_statuses)):
        for entry in statuses or ():
            state = entry.state
            if state is None or (state.waiting is None and state.terminated is None):
                continue
            if state.waiting and state.waiting.reason and state.waiting.reason != "PodInitializing":
                return prefix + state.waiting.reason
            if state.terminated and state.terminated.reason and state.terminated.reason != "Completed":
                return prefix + state.terminated.reason
    for condition in status.conditions or ():
        if condition.type == "PodScheduled" and condition.status == "False":
            return condition.reason or "Unschedulable"
    return "NotReady" if status.phase == "Running" and not ready else ""


def _controller(meta: k8s.Meta) -> str:
    return next((owner.uid for owner in meta.owner_references or () if owner.controller), "")


def _number(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() else 0
