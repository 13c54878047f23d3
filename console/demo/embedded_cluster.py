"""The simulated platform's view of its cluster, and the view of the embedded one."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from console.demo.cluster import DemoCluster
from queries.model.frozen import dataclass

RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"
_LISTED = ("deployments", "pods", "statefulsets", "daemonsets")


@dataclass(frozen=True, slots=True)
class ObservedDeployment:
    image: str
    desired: int
    ready: int
    restarted_at: str


@dataclass(frozen=True, slots=True)
class ObservedSet:
    """A StatefulSet or DaemonSet; `kind` as in the names of kube-state-metrics."""

    kind: str
    name: str
    image: str
    desired: int
    ready: int


@dataclass(frozen=True, slots=True)
class ObservedCluster:
    """Deployments, what runs beside them, and pods as name and readiness by the label `app`."""

    deployments: Mapping[str, ObservedDeployment]
    pods: Mapping[str, tuple[tuple[str, bool], ...]]
    sets: tuple[ObservedSet, ...] = ()

    def deployment(self, name: str) -> ObservedDeployment | None:
        return self.deployments.get(name)


def observe_cluster(deployments: list[dict[str, Any]], pods: list[dict[str, Any]]) -> ObservedCluster:
    """Reduces the API server's two lists."""
    by_app: dict[str, list[tuple[str, bool]]] = {}
    for pod in pods:
        app = (pod["metadata"].get("labels") or {}).get("app", "")
        conditions = (pod.get("status") or {}).get("conditions") or ()
        ready = any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)
        by_app.setdefault(app, []).append((pod["metadata"]["name"], ready))
    return ObservedCluster(
        {item["metadata"]["name"]: _deployment(item) for item in deployments},
        {app: tuple(sorted(found)) for app, found in by_app.items()},
    )


def observe_sets(stateful: list[dict[str, Any]], daemon: list[dict[str, Any]]) -> tuple[ObservedSet, ...]:
    """Reduces the API server's two lists."""
    found = [_set("statefulset", item, item["spec"].get("replicas", 1), "readyReplicas") for item in stateful]
    for item in daemon:
        desired = (item.get("status") or {}).get("desiredNumberScheduled") or 0
        found.append(_set("daemonset", item, desired, "numberReady"))
    return tuple(found)


def _set(kind: str, item: dict[str, Any], desired: int, ready: str) -> ObservedSet:
    image = item["spec"]["template"]["spec"]["containers"][0]["image"]
    return ObservedSet(kind, item["metadata"]["name"], image, desired, (item.get("status") or {}).get(ready) or 0)


def _deployment(item: dict[str, Any]) -> ObservedDeployment:
    template = item["spec"]["template"]
    return ObservedDeployment(
        image=template["spec"]["containers"][0]["image"],
        desired=item["spec"].get("replicas", 1),
        ready=(item.get("status") or {}).get("readyReplicas") or 0,
        restarted_at=((template.get("metadata") or {}).get("annotations") or {}).get(RESTARTED_AT, ""),
    )


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

    def pods(self, name: str) -> tuple[tuple[str, bool], ...]:
        return self._now().pods.get(name, ())

    def sets(self) -> tuple[ObservedSet, ...]:
        return self._now().sets

    def _now(self) -> ObservedCluster:
        if self._stale.is_set():
            with self._lock:
                self._stale.clear()  # before the listing: a change during it makes the next call list again
                deployments, pods, stateful, daemon = (list(self._cluster.objects(plural)) for plural in _LISTED)
                self._observed = replace(observe_cluster(deployments, pods), sets=observe_sets(stateful, daemon))
        return self._observed
