"""The kube-state-metrics of the simulated platform: the series of its cluster's objects, as the real one names them."""

from __future__ import annotations

from collections.abc import Iterable

from console.demo.exposition import Metrics
from console.demo.scenarios import BAD_IMAGE_TAG, GOOD_IMAGE_TAG, ClusterView, PodView

_SETS = {
    "statefulset": ("kube_statefulset_replicas", "kube_statefulset_status_replicas_ready"),
    "daemonset": ("kube_daemonset_status_desired_number_scheduled", "kube_daemonset_status_number_ready"),
}
"""Desired and ready pods."""
SERIES = (
    "kube_deployment_created",
    "kube_deployment_spec_replicas",
    "kube_deployment_status_replicas",
    "kube_deployment_status_replicas_available",
    "kube_deployment_status_replicas_ready",
    "kube_deployment_status_replicas_updated",
    "kube_pod_container_info",
    "kube_pod_container_status_restarts_total",
    "kube_pod_created",
    "kube_pod_info",
    "kube_pod_status_phase",
    "kube_pod_status_ready",
    "kube_replicaset_created",
    "kube_replicaset_owner",
    "kube_replicaset_spec_replicas",
    "kube_replicaset_status_ready_replicas",
    *(name for names in _SETS.values() for name in names),
)


def put_objects(
    metrics: Metrics, cluster: ClusterView, deployments: Iterable[str], *, namespace: str, at: float, past: bool
) -> None:
    """Put every series anew. What was created after `at` (Unix seconds) is left out of those that say when and by whom.

    `past`: before the scenario. The cluster has its current state only, so its pods have the image from before.
    """
    for name in SERIES:
        metrics.forget(name)
    put, place = metrics.put, f'namespace="{namespace}"'
    for name in deployments:
        view = cluster.deployment(name)
        if view is None:
            continue
        own = f'{place},deployment="{name}"'
        put("kube_deployment_created", own, view.created_at)
        put("kube_deployment_spec_replicas", own, view.desired)
        put("kube_deployment_status_replicas", own, view.replicas)
        put("kube_deployment_status_replicas_available", own, view.available)
        put("kube_deployment_status_replicas_ready", own, view.ready)
        put("kube_deployment_status_replicas_updated", own, view.updated)
        for pod in cluster.pods(name):
            _put_pod(metrics, pod, name, place=place, at=at, past=past)
    for item in cluster.replica_sets():
        if item.created_at <= at:
            own = f'{place},replicaset="{item.name}"'
            owner = f'{own},owner_kind="Deployment",owner_name="{item.deployment}",owner_is_controller="true"'
            put("kube_replicaset_created", own, item.created_at)
            put("kube_replicaset_owner", owner, 1.0)
            put("kube_replicaset_spec_replicas", own, item.desired)
            put("kube_replicaset_status_ready_replicas", own, item.ready)
    for beside in cluster.sets():
        desired, ready = _SETS[beside.kind]
        own = f'{place},{beside.kind}="{beside.name}"'
        put(desired, own, beside.desired)
        put(ready, own, beside.ready)
        for pod in cluster.pods(beside.name):
            _put_pod(metrics, pod, beside.name, place=place, at=at, past=past)


def _put_pod(metrics: Metrics, pod: PodView, container: str, *, place: str, at: float, past: bool) -> None:
    put, own = metrics.put, f'{place},pod="{pod.name}"'
    image = pod.image.replace(f":{BAD_IMAGE_TAG}", f":{GOOD_IMAGE_TAG}") if past else pod.image
    put("kube_pod_status_ready", f'{own},condition="true"', 1.0 if pod.ready else 0.0)
    put("kube_pod_status_phase", f'{own},phase="Running"', 1.0)
    put("kube_pod_container_status_restarts_total", f'{own},container="{container}"', 0.0)
    put("kube_pod_container_info", f'{own},container="{container}",image="{image}"', 1.0)
    if pod.created_at <= at:
        put("kube_pod_created", own, pod.created_at)
        put("kube_pod_info", f'{own},node="{pod.node}",created_by_kind="{pod.owner_kind}",created_by_name="{pod.owner}"', 1.0)
