"""Decodes events, revisions, nodes and claims for the pages of single objects, from raw Kubernetes objects."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from queries.kubernetes import objects as k8s
from queries.kubernetes.metadata_decode import parse_timestamp
from queries.kubernetes.revision_decode import TEMPLATE_HASH, decode_revision
from queries.kubernetes.workload_decode import CHANGE_CAUSE
from queries.model.object_page import EventCount, Node, NodePod, ObjectEvent, Resources, TemplateRevision, VolumeClaim
from queries.model.workload import Condition
from queries.text.numbers import parse_quantity

CONTROLLER_HASH = "controller-revision-hash"
ARGO_HASH = "rollouts-pod-template-hash"
_COMBINED = "(combined from similar events): "
"""How client-go's event aggregator begins the message of more than ten similar events."""
_ROLE = "node-role.kubernetes.io/"


def decode_object_event(item: Mapping[str, Any]) -> ObjectEvent:
    """A raw event of core/v1 or of events.k8s.io/v1: one object, which both APIs serve under other field names."""
    about = item.get("involvedObject") or item.get("regarding") or {}
    series = item.get("series") or {}
    message = str(item.get("message") or item.get("note") or "")
    count = max(1, int(item.get("count") or item.get("deprecatedCount") or 1))
    counted = EventCount.REPEATED if count > 1 else EventCount.ONCE
    if message.startswith(_COMBINED):
        message, counted = message.removeprefix(_COMBINED), EventCount.COMBINED
    if series:
        count = max(count, int(series.get("count") or 1))
        counted = EventCount.SERIES
    created = (item.get("metadata") or {}).get("creationTimestamp")
    moment = item.get("eventTime") or created
    first = item.get("firstTimestamp") or item.get("deprecatedFirstTimestamp") or moment
    last = series.get("lastObservedTime") or item.get("lastTimestamp") or item.get("deprecatedLastTimestamp") or moment
    return ObjectEvent(
        kind=str(about.get("kind") or ""),
        name=str(about.get("name") or ""),
        type=str(item.get("type") or ""),
        reason=str(item.get("reason") or ""),
        message=message,
        count=count,
        counted=counted,
        first_at=parse_timestamp(first),
        last_at=parse_timestamp(last),
        uid=str(about.get("uid") or ""),
    )


def decode_replica_set(item: Mapping[str, Any]) -> TemplateRevision:
    """A raw ReplicaSet of a Deployment or of an Argo Rollout as one of its revisions."""
    revision = decode_revision(dict(item))
    labels = item["metadata"].get("labels") or {}
    hash_label = ARGO_HASH if ARGO_HASH in labels else TEMPLATE_HASH
    return TemplateRevision(
        number=revision.number,
        name=revision.name,
        since=revision.created_at,
        change_cause=revision.change_cause,
        template=(item.get("spec") or {}).get("template") or {},
        pods_label=hash_label,
        pods_value=labels.get(hash_label, ""),
        fingerprint=revision.template,
        history=revision.history,
    )


def decode_controller_revision(item: Mapping[str, Any], kind: str) -> TemplateRevision:
    """A raw ControllerRevision of a StatefulSet or a DaemonSet; the pods of the former have its name as the label's value,
    those of the latter its hash.
    """
    meta = item["metadata"]
    data = (item.get("data") or {}).get("spec") or {}
    template = {key: value for key, value in (data.get("template") or {}).items() if key != "$patch"}
    labels = meta.get("labels") or {}
    return TemplateRevision(
        number=int(item.get("revision") or 0),
        name=meta["name"],
        since=parse_timestamp(meta.get("creationTimestamp")),
        change_cause=(meta.get("annotations") or {}).get(CHANGE_CAUSE, ""),
        template=template,
        pods_label=CONTROLLER_HASH,
        pods_value=meta["name"] if kind == "StatefulSet" else labels.get(CONTROLLER_HASH, ""),
    )


def decode_conditions(item: Mapping[str, Any]) -> tuple[Condition, ...]:
    """The conditions in the status of any raw object; `updated_at` is their last update, or without one their
    last transition: heartbeats do not count.
    """
    found = (item.get("status") or {}).get("conditions") or ()
    return tuple(
        Condition(
            str(entry.get("type") or ""),
            str(entry.get("status") or ""),
            str(entry.get("reason") or ""),
            str(entry.get("message") or ""),
            parse_timestamp(entry.get("lastUpdateTime") or entry.get("lastTransitionTime")),
        )
        for entry in found
        if isinstance(entry, Mapping)
    )


def decode_claim(item: Mapping[str, Any]) -> VolumeClaim:
    """A raw PersistentVolumeClaim."""
    spec, status = item.get("spec") or {}, item.get("status") or {}
    return VolumeClaim(
        name=item["metadata"]["name"],
        phase=str(status.get("phase") or ""),
        capacity=str((status.get("capacity") or {}).get("storage") or ""),
        storage_class=str(spec.get("storageClassName") or ""),
        created_at=parse_timestamp(item["metadata"].get("creationTimestamp")),
    )


def decode_node(item: Mapping[str, Any]) -> Node:
    """A raw node."""
    meta, spec, status = item["metadata"], item.get("spec") or {}, item.get("status") or {}
    conditions = decode_conditions(item)
    allocatable = status.get("allocatable") or {}
    return Node(
        name=meta["name"],
        uid=str(meta.get("uid") or ""),
        ready=next((entry.status for entry in conditions if entry.type == "Ready"), ""),
        conditions=conditions,
        cordoned=bool(spec.get("unschedulable")),
        taints=tuple(_describe_taint(entry) for entry in spec.get("taints") or ()),
        version=str((status.get("nodeInfo") or {}).get("kubeletVersion") or ""),
        roles=tuple(sorted(name.removeprefix(_ROLE) for name in meta.get("labels") or () if name.startswith(_ROLE))),
        created_at=parse_timestamp(meta.get("creationTimestamp")),
        allocatable=_resources(allocatable),
    )


def build_node_pod(item: k8s.ScheduledPodObject) -> NodePod:
    """A pod with what the scheduler reserves for it."""
    spec, status = item.spec or k8s.ScheduledPodSpec(), item.status or k8s.PodStatus()
    unscheduled = ""
    for condition in status.conditions or ():
        if condition.type == "PodScheduled" and condition.status == "False" and not spec.node_name:
            unscheduled = ": ".join(filter(None, (condition.reason, condition.message)))
    return NodePod(
        item.metadata.namespace,
        item.metadata.name,
        spec.node_name or "",
        status.phase,
        _reserve(spec),
        parse_timestamp(item.metadata.creation_timestamp),
        unscheduled,
    )


def _reserve(spec: k8s.ScheduledPodSpec) -> Resources:
    """What the scheduler reserves: the containers and sidecars together, or an init container that needs more, and the
    overhead. Source: Kubernetes 1.36, component-helpers/resource, `PodRequests`.
    """
    return Resources(_request(spec, "cpu"), _request(spec, "memory"))


def _request(spec: k8s.ScheduledPodSpec, name: str) -> float:
    running = sum(_quantity(item.resources, name) for item in spec.containers or ())
    sidecars = peak = 0.0
    for item in spec.init_containers or ():
        own = _quantity(item.resources, name)
        if item.restart_policy == "Always":
            sidecars += own
            peak = max(peak, sidecars)
        else:
            peak = max(peak, sidecars + own)
    whole = (spec.resources.requests or {}).get(name) if spec.resources else None
    total = parse_quantity(whole) if whole else max(running + sidecars, peak)
    return total + parse_quantity((spec.overhead or {}).get(name, "0"))


def _quantity(resources: k8s.Requests | None, name: str) -> float:
    return parse_quantity((resources.requests or {}).get(name, "0")) if resources else 0.0


def _resources(values: Mapping[str, Any]) -> Resources:
    cpu, memory, pods = (parse_quantity(str(values.get(name, "0"))) for name in ("cpu", "memory", "pods"))
    return Resources(cpu, memory, pods)


def _describe_taint(entry: Mapping[str, Any]) -> str:
    value = f"={entry['value']}" if entry.get("value") else ""
    return f"{entry.get('key', '')}{value}:{entry.get('effect', '')}"


def sort_events(events: Iterable[ObjectEvent]) -> tuple[ObjectEvent, ...]:
    """Newest first."""
    return tuple(sorted(events, key=lambda item: (-item.last_at, item.kind, item.name, item.reason, item.message)))
