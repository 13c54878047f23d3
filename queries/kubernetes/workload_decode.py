"""Decodes every kind of workload into the model's one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from queries.decoding import convert
from queries.kubernetes import objects as k8s
from queries.kubernetes.metadata_decode import (
    build_requirements,
    find_controller,
    name_owner,
    parse_number,
    parse_timestamp,
    sort_pairs,
)
from queries.kubernetes.pod_decode import decode_pod
from queries.kubernetes.pod_template_decode import build_containers
from queries.model.managing_tools import describe_tools, find_managing_tools
from queries.model.pod import Pod
from queries.model.workload import PROGRESS_DEADLINE_SECONDS, BatchJob, Condition, Container, UpdateStrategy, Workload

REVISION = "deployment.kubernetes.io/revision"
ARGO_REVISION = "rollout.argoproj.io/revision"
CHANGE_CAUSE = "kubernetes.io/change-cause"
RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"


def _strategy(item: k8s.Strategy | None, default: UpdateStrategy = UpdateStrategy()) -> UpdateStrategy:  # noqa: B008 - frozen
    rolling = (item.rolling_update if item else None) or k8s.RollingUpdate()
    return UpdateStrategy(
        (item.type if item else "") or default.type,
        default.max_surge if rolling.max_surge is None else rolling.max_surge,
        default.max_unavailable if rolling.max_unavailable is None else rolling.max_unavailable,
        rolling.partition or 0,
        default.rounds_up,
    )


def build_workload(item: k8s.DeploymentObject) -> Workload:
    """A Deployment."""
    meta, spec, status = item.metadata, item.spec or k8s.WorkloadSpec(), item.status or k8s.WorkloadStatus()
    notes = meta.annotations or {}
    written_by, written_at = _find_template_writer(meta)
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
        progress_deadline_seconds=float(spec.progress_deadline_seconds or PROGRESS_DEADLINE_SECONDS),
        revision=parse_number(notes.get(REVISION)),
        created_at=parse_timestamp(meta.creation_timestamp),
        change_cause=notes.get(CHANGE_CAUSE, ""),
        selector=sort_pairs(spec.selector.match_labels if spec.selector else None),
        requirements=build_requirements(spec.selector),
        labels=sort_pairs(meta.labels),
        strategy=_strategy(spec.strategy),
        containers=build_containers(spec.template),
        restarted_at=_restarted_at(spec.template),
        managed_by=_managed_by(meta),
        written_by=written_by,
        written_at=written_at,
        conditions=tuple(
            Condition(
                entry.type, entry.status, entry.reason or "", entry.message or "", parse_timestamp(entry.last_update_time)
            )
            for entry in status.conditions or ()
        ),
    )


def build_stateful_set(item: k8s.StatefulSetObject) -> Workload:
    """A StatefulSet; it has no revision number: `update_revision` is its ControllerRevision."""
    status = item.status or k8s.StatefulSetStatus()
    spec = item.spec or k8s.WorkloadSpec()
    base = build_workload(k8s.DeploymentObject(item.metadata, item.spec, status))
    return replace(
        base,
        kind="StatefulSet",
        strategy=_strategy(spec.update_strategy, UpdateStrategy(max_surge=0, max_unavailable=1)),
        update_revision=status.update_revision,
        current_revision=status.current_revision,
    )


def build_daemon_set(item: k8s.DaemonSetObject) -> Workload:
    """A DaemonSet; the desired pods are those of the nodes that it runs on."""
    status = item.status or k8s.DaemonSetStatus()
    spec = item.spec or k8s.WorkloadSpec()
    counts = k8s.WorkloadStatus(
        observed_generation=status.observed_generation,
        replicas=status.updated_number_scheduled,
        updated_replicas=status.updated_number_scheduled,
        ready_replicas=status.number_ready,
        available_replicas=status.number_available,
        conditions=status.conditions,
    )
    base = build_workload(k8s.DeploymentObject(item.metadata, item.spec, counts))
    return replace(
        base,
        kind="DaemonSet",
        desired=status.desired_number_scheduled,
        strategy=_strategy(spec.update_strategy, UpdateStrategy(max_surge=0, max_unavailable=1, rounds_up=True)),
    )


def build_rollout(item: k8s.RolloutObject) -> Workload:
    """A Rollout of Argo Rollouts."""
    spec, status = item.spec or k8s.RolloutSpec(), item.status or k8s.RolloutObjectStatus()
    observed = str(status.observed_generation or "")
    counts = k8s.WorkloadStatus(
        # Versions before 1.0 wrote a hash, which cannot be compared.
        observed_generation=parse_number(observed) or (item.metadata.generation if observed else 0),
        replicas=status.replicas,
        updated_replicas=status.updated_replicas,
        ready_replicas=status.ready_replicas,
        available_replicas=status.available_replicas,
        conditions=status.conditions,
    )
    shared = k8s.WorkloadSpec(
        replicas=spec.replicas,
        paused=spec.paused,
        progress_deadline_seconds=spec.progress_deadline_seconds,
        selector=spec.selector,
        template=spec.template,
    )
    base = build_workload(k8s.DeploymentObject(item.metadata, shared, counts))
    notes = item.metadata.annotations or {}
    return replace(
        base, kind="Rollout", revision=parse_number(notes.get(ARGO_REVISION)), phase=status.phase, message=status.message or ""
    )


def build_lone_pod(pod: Pod, controller: str) -> Workload:
    """A pod that no workload has, as a workload of its own: it is meant to be ready until it has succeeded or is deleted."""
    ends = pod.phase == "Succeeded" or pod.reason == "Terminating"
    count = 1 if pod.ready else 0
    return Workload(
        pod.namespace, pod.name, pod.uid, "", 0, 0, 0 if ends else 1, 1, 1, count, count, False, 0, pod.created_at,
        labels=pod.labels, containers=tuple(Container("", image) for image in pod.images), kind="Pod",
        phase=pod.reason or pod.phase, message=pod.message, owner=controller,
    )  # fmt: skip


def build_cron_job(item: k8s.CronJobObject) -> Workload:
    """A CronJob, with its runs in `batch`."""
    spec, status = item.spec or k8s.CronJobSpec(), item.status or k8s.CronJobStatus()
    batch = BatchJob(
        kind="CronJob",
        name=item.metadata.name,
        schedule=spec.schedule,
        time_zone=spec.time_zone or "",
        starting_deadline_seconds=spec.starting_deadline_seconds,
        forbids_overlap=spec.concurrency_policy == "Forbid",
        suspended=bool(spec.suspend),
        active=len(status.active or ()),
        created_at=parse_timestamp(item.metadata.creation_timestamp),
        succeeded_at=parse_timestamp(status.last_successful_time),
        started_at=parse_timestamp(status.last_schedule_time),
    )
    job = (spec.job_template.spec if spec.job_template else None) or k8s.JobSpec()
    return _batch_workload(item.metadata, job.template, batch)


def build_job(item: k8s.JobObject) -> Workload:
    """A Job, with its run in `batch`."""
    spec, status = item.spec or k8s.JobSpec(), item.status or k8s.JobStatus()
    failed = next((entry for entry in status.conditions or () if entry.type == "Failed" and entry.status == "True"), None)
    complete = any(entry.type == "Complete" and entry.status == "True" for entry in status.conditions or ())
    batch = BatchJob(
        kind="Job",
        name=item.metadata.name,
        suspended=bool(spec.suspend),
        active=status.active or 0,
        created_at=parse_timestamp(item.metadata.creation_timestamp),
        succeeded_at=0.0 if failed else parse_timestamp(status.completion_time),
        failed=failed is not None,
        reason=(failed.reason or failed.message or "") if failed else "",
        message=(failed.message or "") if failed and failed.reason else "",
        started_at=parse_timestamp(status.start_time),
        finished=complete or failed is not None,
        completions=spec.completions or 1,
        succeeded=status.succeeded or 0,
    )
    return _batch_workload(item.metadata, spec.template, batch, ready=status.ready or 0)


def _batch_workload(meta: k8s.WorkloadMeta, template: k8s.Template | None, batch: BatchJob, ready: int = 0) -> Workload:
    written_by, written_at = _find_template_writer(meta)
    return Workload(
        meta.namespace, meta.name, meta.uid, meta.resource_version, meta.generation, 0, batch.active, batch.active, 0, ready,
        ready, False, 0, batch.created_at, labels=sort_pairs(meta.labels), containers=build_containers(template),
        kind=batch.kind, batch=batch, owner=name_owner(find_controller(meta)), managed_by=_managed_by(meta),
        written_by=written_by, written_at=written_at,
    )  # fmt: skip


def decode_workload(item: dict[str, Any]) -> Workload:
    """A raw object of a kind of workload; without a kind a Deployment."""
    match item.get("kind"):
        case "CronJob":
            return build_cron_job(convert(item, k8s.CronJobObject))
        case "Job":
            return build_job(convert(item, k8s.JobObject))
        case "Pod":
            return build_lone_pod(decode_pod(item), "")
        case "Rollout":
            return build_rollout(convert(item, k8s.RolloutObject))
        case "StatefulSet":
            return build_stateful_set(convert(item, k8s.StatefulSetObject))
        case "DaemonSet":
            return build_daemon_set(convert(item, k8s.DaemonSetObject))
    return build_workload(convert(item, k8s.DeploymentObject))


def _managed_by(meta: k8s.WorkloadMeta) -> str:
    writers = {entry.manager for entry in meta.managed_fields or ()}
    return describe_tools(find_managing_tools(meta.labels or {}, meta.annotations or {}, writers))


def _find_template_writer(meta: k8s.WorkloadMeta) -> tuple[str, float]:
    """The field manager that wrote the pod template last, and when it last wrote the object."""
    own = [
        entry
        for entry in meta.managed_fields or ()
        if (spec := entry.fields_v1.spec if entry.fields_v1 else None) and (spec.template or spec.job_template)
    ]
    newest = max(own, key=lambda entry: entry.time or "", default=k8s.Managed())
    return newest.manager, parse_timestamp(newest.time)


def _restarted_at(template: k8s.Template | None) -> float:
    notes = (template.metadata.annotations if template and template.metadata else None) or {}
    return parse_timestamp(notes.get(RESTARTED_AT))
