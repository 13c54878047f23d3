"""The simulated platform's view of its cluster, and the view of the embedded one."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from console.demo.cluster import DemoCluster
from queries.model.frozen import dataclass
from queries.text.times import parse_rfc3339

RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"
_LISTED = ("deployments", "pods", "replicasets", "statefulsets", "daemonsets")


@dataclass(frozen=True, slots=True)
class ObservedDeployment:
    image: str
    desired: int
    replicas: int
    updated: int
    available: int
    ready: int
    restarted_at: str
    created_at: float


@dataclass(frozen=True, slots=True)
class ObservedReplicaSet:
    name: str
    deployment: str
    desired: int
    ready: int
    created_at: float


@dataclass(frozen=True, slots=True)
class ObservedPod:
    """A pod with the image of its first container; `owner` is the name of its controller."""

    name: str
    ready: bool
    image: str
    node: str
    owner_kind: str
    owner: str
    created_at: float


@dataclass(frozen=True, slots=True)
class ObservedSet:
    """A StatefulSet or DaemonSet; `kind` as in the names of kube-state-metrics."""

    kind: str
    name: str
    desired: int
    ready: int


@dataclass(frozen=True, slots=True)
class ObservedCluster:
    """Deployments, their ReplicaSets, what runs beside them, and pods by the label `app`."""

    deployments: Mapping[str, ObservedDeployment]
    pods: Mapping[str, tuple[ObservedPod, ...]]
    replica_sets: tuple[ObservedReplicaSet, ...] = ()
    sets: tuple[ObservedSet, ...] = ()

    def deployment(self, name: str) -> ObservedDeployment | None:
        return self.deployments.get(name)


def observe_cluster(deployments: list[dict[str, Any]], pods: list[dict[str, Any]]) -> ObservedCluster:
    """Reduces the API server's two lists."""
    by_app: dict[str, list[ObservedPod]] = {}
    for pod in pods:
        app = (pod["metadata"].get("labels") or {}).get("app", "")
        by_app.setdefault(app, []).append(_pod(pod))
    return ObservedCluster(
        {item["metadata"]["name"]: _deployment(item) for item in deployments},
        {app: tuple(sorted(found, key=lambda item: item.name)) for app, found in by_app.items()},
    )


def observe_replica_sets(items: list[dict[str, Any]]) -> tuple[ObservedReplicaSet, ...]:
    """Reduces the API server's list to those of Deployments."""
    found = []
    for item in items:
        kind, owner = _controller(item)
        if kind == "Deployment":
            name, desired = item["metadata"]["name"], item["spec"].get("replicas", 1)
            ready = (item.get("status") or {}).get("readyReplicas") or 0
            found.append(ObservedReplicaSet(name, owner, desired, ready, _created_at(item)))
    return tuple(found)


def observe_sets(stateful: list[dict[str, Any]], daemon: list[dict[str, Any]]) -> tuple[ObservedSet, ...]:
    """Reduces the API server's two lists."""
    found = [_set("statefulset", item, item["spec"].get("replicas", 1), "readyReplicas") for item in stateful]
    for item in daemon:
        desired = (item.get("status") or {}).get("desiredNumberScheduled") or 0
        found.append(_set("daemonset", item, desired, "numberReady"))
    return tuple(found)


def _set(kind: str, item: dict[str, Any], desired: int, ready: str) -> ObservedSet:
    return ObservedSet(kind, item["metadata"]["name"], desired, (item.get("status") or {}).get(ready) or 0)


def _deployment(item: dict[str, Any]) -> ObservedDeployment:
    template, status = item["spec"]["template"], item.get("status") or {}
    return ObservedDeployment(
        image=template["spec"]["containers"][0]["image"],
        desired=item["spec"].get("replicas", 1),
        replicas=status.get("replicas") or 0,
        updated=status.get("updatedReplicas") or 0,
        available=status.get("availableReplicas") or 0,
        ready=status.get("readyReplicas") or 0,
        restarted_at=((template.get("metadata") or {}).get("annotations") or {}).get(RESTARTED_AT, ""),
        created_at=_created_at(item),
    )


def _pod(item: dict[str, Any]) -> ObservedPod:
    kind, owner = _controller(item)
    conditions = (item.get("status") or {}).get("conditions") or ()
    return ObservedPod(
        name=item["metadata"]["name"],
        ready=any(each["type"] == "Ready" and each["status"] == "True" for each in conditions),
        image=item["spec"]["containers"][0]["image"],
        node=item["spec"].get("nodeName") or "",
        owner_kind=kind,
        owner=owner,
        created_at=_created_at(item),
    )


def _controller(item: dict[str, Any]) -> tuple[str, str]:
    """Kind and name of the controller; empty without one."""
    owners = item["metadata"].get("ownerReferences") or ()
    return next(((each["kind"], each["name"]) for each in owners if each.get("controller")), ("", ""))


def _created_at(item: dict[str, Any]) -> float:
    return parse_rfc3339(item["metadata"].get("creationTimestamp") or "")


class EmbeddedView:
    """The cluster in this process; lists it again only after a change."""

    def __init__(self, cluster: DemoCluster) -> None:
        self._cluster = cluster
        self._lock = threading.Lock()
        self._stale = threading.Event()
        self._observed = ObservedCluster({}, {})
        self._stale.set()
        cluster.on_change(self._changed)

    def _changed(self, kind: str, plural: str, name: str) -> None:
        if plural in _LISTED:
            self._stale.set()

    def deployment(self, name: str) -> ObservedDeployment | None:
        return self._now().deployments.get(name)

    def pods(self, name: str) -> tuple[ObservedPod, ...]:
        return self._now().pods.get(name, ())

    def replica_sets(self) -> tuple[ObservedReplicaSet, ...]:
        return self._now().replica_sets

    def sets(self) -> tuple[ObservedSet, ...]:
        return self._now().sets

    def _now(self) -> ObservedCluster:
        if self._stale.is_set():
            with self._lock:
                self._stale.clear()  # before the listing: a change during it makes the next call list again
                deployments, pods, replica, stateful, daemon = (list(self._cluster.objects(plural)) for plural in _LISTED)
                self._observed = replace(
                    observe_cluster(deployments, pods),
                    replica_sets=observe_replica_sets(replica),
                    sets=observe_sets(stateful, daemon),
                )
        return self._observed
