"""Decodes what surrounds the workloads: autoscalers, disruption budgets, events and writes."""

from __future__ import annotations

from typing import Any

from queries.decoding import convert
from queries.kubernetes import objects as k8s
from queries.kubernetes.metadata_decode import build_requirements, parse_timestamp, sort_pairs
from queries.model.change import LastWrite
from queries.model.cluster import ClusterEvent
from queries.model.replica_limits import Autoscaler, DisruptionBudget

SCALED_OBJECT = "scaledobject.keda.sh/name"


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
        limited=any(
            (entry.type, entry.status, entry.reason) == ("ScalingLimited", "True", "TooManyReplicas")
            for entry in status.conditions or ()
        ),
    )


def decode_autoscaler(item: dict[str, Any]) -> Autoscaler:
    """A raw HorizontalPodAutoscaler."""
    return build_autoscaler(convert(item, k8s.ScalerObject))


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
        selector=sort_pairs(spec.selector.match_labels if spec.selector else None),
        requirements=build_requirements(spec.selector),
        everything=spec.selector is not None and not spec.selector.match_labels and not spec.selector.match_expressions,
        allowed=item.status.disruptions_allowed if item.status else 0,
        minimum=minimum,
    )


def decode_budget(item: dict[str, Any]) -> DisruptionBudget:
    """A raw PodDisruptionBudget."""
    return build_budget(convert(item, k8s.BudgetObject))


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


def decode_event(item: dict[str, Any]) -> ClusterEvent:
    """A raw event."""
    return build_cluster_event(convert(item, k8s.EventObject))


def build_last_write(item: k8s.TouchedObject) -> LastWrite:
    """The last write of an object, from its managed fields."""
    meta = item.metadata
    newest = max(meta.managed_fields or (), key=lambda entry: entry.time or "", default=k8s.Managed())
    return LastWrite(meta.name, parse_timestamp(newest.time or meta.creation_timestamp), newest.manager)
