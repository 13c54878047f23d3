"""Decodes pods, as rows, as sources of logs, and as consumers of resources."""

from __future__ import annotations

from collections.abc import Mapping
from sys import intern
from typing import Any

from queries.decoding import convert
from queries.kubernetes import objects as k8s
from queries.kubernetes.metadata_decode import parse_timestamp, sort_pairs
from queries.model.pod import Pod, PodUsage
from queries.model.pod_log import LogPod, PodContainers
from queries.text.numbers import parse_quantity

DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"
_NO_STATUS = k8s.PodStatus()


def build_pod(item: k8s.PodObject) -> Pod:
    """A pod."""
    # Without generators, because this runs ten thousand times for one list.
    meta, status = item.metadata, item.status or _NO_STATUS
    ready = False
    for condition in status.conditions or ():
        if condition.type == "Ready":
            ready = condition.status == "True"
    restarts = 0
    for statuses in (status.init_container_statuses, status.container_statuses):
        for entry in statuses or ():
            restarts += entry.restart_count
    owner_uid = owner = ""
    for reference in meta.owner_references or ():
        if reference.controller:
            # One text for all pods of a controller, not ten thousand copies.
            owner_uid, owner = intern(reference.uid), intern(f"{reference.kind}/{reference.name}")
            break
    spec = item.spec
    node = (spec.node_name or "") if spec else ""
    images = () if owner_uid or spec is None else tuple([entry.image for entry in spec.containers or ()])
    labels = tuple(sorted(meta.labels.items())) if meta.labels else ()
    created_at = parse_timestamp(meta.creation_timestamp)
    reason, message = _pod_reason(meta, status, ready)
    last_exit = "" if ready and not restarts else _last_exit(status)
    return Pod(
        meta.namespace, meta.name, meta.uid, status.phase, ready, restarts, created_at, reason, node, labels, owner_uid,
        message, last_exit, owner, images,
    )  # fmt: skip


def _pod_reason(meta: k8s.PodMeta, status: k8s.PodStatus, ready: bool) -> tuple[str, str]:
    """Kubernetes' reason why a pod is unhealthy and its message, else empty."""
    if meta.deletion_timestamp:
        return "Terminating", ""
    if status.reason:
        return status.reason, status.message or ""
    for prefix, statuses in (("Init:", status.init_container_statuses), ("", status.container_statuses)):
        for entry in statuses or ():
            state = entry.state
            if state is None or (state.waiting is None and state.terminated is None):
                continue
            if state.waiting and state.waiting.reason and state.waiting.reason != "PodInitializing":
                return prefix + state.waiting.reason, state.waiting.message or ""
            if state.terminated and state.terminated.reason and state.terminated.reason != "Completed":
                return prefix + state.terminated.reason, state.terminated.message or ""
    for condition in status.conditions or ():
        if condition.type == "PodScheduled" and condition.status == "False":
            return condition.reason or "Unschedulable", condition.message or ""
    return ("NotReady" if status.phase == "Running" and not ready else ""), ""


def _last_exit(status: k8s.PodStatus) -> str:
    """Reason and exit code of the last container termination, except for completed ones."""
    ends = [
        state.terminated
        for statuses in (status.init_container_statuses, status.container_statuses)
        for entry in statuses or ()
        for state in (entry.state, entry.last_state)
        if state is not None and state.terminated is not None and state.terminated.reason != "Completed"
    ]
    if not ends:
        return ""
    end = max(ends, key=lambda item: item.finished_at or "")
    return f"{end.reason or 'ended'}, exit code {end.exit_code}"


def decode_pod(item: dict[str, Any]) -> Pod:
    """A raw pod."""
    return build_pod(convert(item, k8s.PodObject))


def decode_pod_containers(item: Mapping[str, Any]) -> PodContainers:
    """The containers of a raw pod. As in kubectl, the annotation sets the default container, otherwise it is the first."""
    spec = item.get("spec") or {}
    kinds = ("containers", "initContainers", "ephemeralContainers")
    names = tuple(str(each["name"]) for kind in kinds for each in spec.get(kind) or ())
    annotated = ((item.get("metadata") or {}).get("annotations") or {}).get(DEFAULT_CONTAINER, "")
    return PodContainers(names, annotated if annotated in names else names[0] if names else "")


def decode_log_pod(item: Mapping[str, Any]) -> LogPod:
    """A raw pod, as its logs need it."""
    meta, status = item.get("metadata") or {}, item.get("status") or {}
    kinds = ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses")
    statuses = [each for kind in kinds for each in status.get(kind) or ()]
    exits = []
    for each in statuses:
        states = ((each.get("state") or {}).get("terminated"), (each.get("lastState") or {}).get("terminated"))
        if (end := next(filter(None, states), None)) is not None:
            exits.append((str(each["name"]), f"{end.get('reason') or 'ended'}, exit code {end.get('exitCode', 0)}"))
    return LogPod(
        name=str(meta.get("name", "")),
        uid=str(meta.get("uid", "")),
        created_at=parse_timestamp(meta.get("creationTimestamp")),
        containers=decode_pod_containers(item),
        labels=sort_pairs(meta.get("labels")),
        restarts=tuple((str(each["name"]), int(each.get("restartCount") or 0)) for each in statuses),
        exits=tuple(exits),
        ending="deletionTimestamp" in meta,
        finished=status.get("phase") in ("Succeeded", "Failed"),
    )


def build_usage(item: k8s.UsageObject) -> PodUsage:
    """A pod's usage, summed over its containers."""
    used = [entry.usage for entry in item.containers or () if entry.usage]
    return PodUsage(
        namespace=item.metadata.namespace,
        name=item.metadata.name,
        cpu_cores=sum(parse_quantity(entry.cpu) for entry in used),
        memory_bytes=int(sum(parse_quantity(entry.memory) for entry in used)),
    )
