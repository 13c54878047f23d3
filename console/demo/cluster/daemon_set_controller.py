"""The DaemonSet controller: one pod for each node, replaced a few nodes at a time."""

from __future__ import annotations

from typing import Any

from console.demo.cluster import event_recorder
from console.demo.cluster.controller_revisions import POD_LABEL, Revisions
from console.demo.cluster.owned_pods import create_pod, is_ready, is_terminating, pinned_node, pods_of
from console.demo.cluster.registry import Registry
from console.demo.cluster.resource import DAEMON_SETS, NODES, Object
from console.demo.cluster.revision import resolve_percent
from console.demo.cluster.store import Store


class DaemonSets:
    """`sync` takes one step, and runs again after every change of its pods and of the nodes.

    Source: Kubernetes 1.36, pkg/controller/daemon. Node selectors, taints and `maxSurge` are left out.
    """

    def __init__(self, store: Store, registry: Registry) -> None:
        self._store, self._registry = store, registry
        self._revisions = Revisions(store, DAEMON_SETS, hash_label=POD_LABEL)

    def sync(self, namespace: str, name: str) -> None:
        owner = self._store.copy(DAEMON_SETS, namespace, name)
        if owner is None:
            return
        revision = self._revisions.newest(owner)
        digest = revision["metadata"]["labels"][POD_LABEL]
        nodes = [item["metadata"]["name"] for item in self._store.items(NODES)]
        pods = {pinned_node(pod): pod for pod in pods_of(self._store, owner)}
        for node in nodes:
            pod = pods.get(node)
            if pod is None:
                self._create(owner, node, digest)
            elif pod["status"].get("phase") in ("Succeeded", "Failed"):
                self._delete(owner, pod)
        for node in pods.keys() - set(nodes):
            self._delete(owner, pods[node])
        if owner["spec"]["updateStrategy"]["type"] == "RollingUpdate":
            self._replace(owner, digest, [pods[node] for node in nodes if node in pods], len(nodes))
        self._report(owner, digest, len(nodes))
        self._revisions.trim(owner, {f"{name}-{_digest(pod)}" for pod in pods.values()} | {revision["metadata"]["name"]})

    def _replace(self, owner: Object, digest: str, pods: list[Object], nodes: int) -> None:
        """Deletes old pods: those that are not ready at once, the others while few enough are unavailable."""
        rolling = owner["spec"]["updateStrategy"].get("rollingUpdate") or {}
        allowed = max(1, resolve_percent(rolling.get("maxUnavailable"), nodes, up=True))
        down = nodes - sum(is_ready(pod) and not is_terminating(pod) for pod in pods)
        for pod in pods:
            if is_terminating(pod) or _digest(pod) == digest:
                continue
            if is_ready(pod):
                if down >= allowed:
                    continue
                down += 1
            self._delete(owner, pod)

    def _create(self, owner: Object, node: str, digest: str) -> None:
        field = {"key": "metadata.name", "operator": "In", "values": [node]}
        required = {"nodeSelectorTerms": [{"matchFields": [field]}]}
        affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}
        template = owner["spec"]["template"]
        template = {**template, "spec": {**template["spec"], "affinity": affinity}}
        name = create_pod(self._registry, owner, DAEMON_SETS, template, labels={POD_LABEL: digest})
        self._record(owner, "SuccessfulCreate", f"Created pod: {name}")

    def _delete(self, owner: Object, pod: Object) -> None:
        if not is_terminating(pod):
            self._registry.terminate(pod)
            self._record(owner, "SuccessfulDelete", f"Deleted pod: {pod['metadata']['name']}")

    def _record(self, owner: Object, reason: str, message: str) -> None:
        event_recorder.record_event(
            self._store, owner, "apps/v1", "DaemonSet", reason=reason, message=message, source="daemonset-controller"
        )

    def _report(self, owner: Object, digest: str, nodes: int) -> None:
        pods = [pod for pod in pods_of(self._store, owner) if not is_terminating(pod)]
        ready, updated = sum(map(is_ready, pods)), sum(_digest(pod) == digest for pod in pods)
        status: dict[str, Any] = {
            "currentNumberScheduled": len(pods),
            "numberMisscheduled": 0,
            "desiredNumberScheduled": nodes,
            "numberReady": ready,
            "observedGeneration": owner["metadata"]["generation"],
        }
        counts = {"updatedNumberScheduled": updated, "numberAvailable": ready, "numberUnavailable": nodes - ready}
        owner["status"] = {**status, **{key: count for key, count in counts.items() if count}}
        self._store.update(DAEMON_SETS, owner)


def _digest(pod: Object) -> str:
    return str((pod["metadata"].get("labels") or {}).get(POD_LABEL, ""))
