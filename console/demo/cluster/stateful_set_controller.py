"""The StatefulSet controller: pods with fixed names, created in order and replaced from the last to the first."""

from __future__ import annotations

from typing import Any

from console.demo.cluster import event_recorder
from console.demo.cluster.controller_revisions import POD_LABEL, Revisions
from console.demo.cluster.owned_pods import create_pod, is_ready, is_terminating, pods_of
from console.demo.cluster.registry import Registry
from console.demo.cluster.resource import CLAIMS, STATEFUL_SETS, Object
from console.demo.cluster.store import Store

_HASH_LABEL = "controller.kubernetes.io/hash"


class StatefulSets:
    """`sync` takes one step, and runs again after every change of its pods.

    Source: Kubernetes 1.36, pkg/controller/statefulset/stateful_set_control.go. `minReadySeconds` is not waited for.
    """

    def __init__(self, store: Store, registry: Registry) -> None:
        self._store, self._registry = store, registry
        self._revisions = Revisions(store, STATEFUL_SETS, hash_label=_HASH_LABEL)

    def sync(self, namespace: str, name: str) -> None:
        owner = self._store.copy(STATEFUL_SETS, namespace, name)
        if owner is None:
            return
        update = self._revisions.newest(owner)
        current = owner["status"].get("currentRevision") or update["metadata"]["name"]
        owner["status"]["currentRevision"] = current
        self._step(owner, update)
        self._report(namespace, name, update["metadata"]["name"], current)

    def _step(self, owner: Object, update: Object) -> None:
        spec = owner["spec"]
        in_order = spec["podManagementPolicy"] != "Parallel"
        pods = {ordinal: pod for pod in pods_of(self._store, owner) if (ordinal := _ordinal(pod)) is not None}
        for ordinal in range(spec["replicas"]):
            pod = pods.get(ordinal)
            if pod is None:
                self._create(owner, ordinal, update)
            elif pod["status"].get("phase") in ("Succeeded", "Failed"):
                self._registry.terminate(pod)
            if in_order and (pod is None or is_terminating(pod) or not is_ready(pod)):
                break  # the next one waits for it
        else:
            self._remove_or_replace(owner, update, pods, in_order=in_order)

    def _remove_or_replace(self, owner: Object, update: Object, pods: dict[int, Object], *, in_order: bool) -> None:
        spec = owner["spec"]
        surplus = sorted((ordinal for ordinal in pods if ordinal >= spec["replicas"]), reverse=True)
        for ordinal in surplus:
            if not is_terminating(pods[ordinal]):
                self._delete(owner, pods[ordinal])
            if in_order:
                break
        if (surplus and in_order) or spec["updateStrategy"]["type"] == "OnDelete":
            return
        for ordinal in range(spec["replicas"] - 1, _partition(owner) - 1, -1):
            pod = pods.get(ordinal)
            if pod is None or is_terminating(pod):
                return
            if _revision(pod) != update["metadata"]["name"]:
                self._delete(owner, pod)
                return
            if not is_ready(pod):
                return

    def _create(self, owner: Object, ordinal: int, update: Object) -> None:
        revision = update
        if ordinal < _partition(owner):
            known = {item["metadata"]["name"]: item for item in self._revisions.of(owner)}
            revision = known.get(owner["status"]["currentRevision"], update)
        name = f"{owner['metadata']['name']}-{ordinal}"
        template = {key: value for key, value in revision["data"]["spec"]["template"].items() if key != "$patch"}
        claims = [(item["metadata"]["name"], f"{item['metadata']['name']}-{name}") for item in _claims(owner)]
        if claims:
            volumes = [{"name": volume, "persistentVolumeClaim": {"claimName": claim}} for volume, claim in claims]
            template = {**template, "spec": {**template["spec"], "volumes": [*template["spec"].get("volumes", ()), *volumes]}}
            self._claim(owner, claims)
        labels = {
            POD_LABEL: revision["metadata"]["name"],
            "statefulset.kubernetes.io/pod-name": name,
            "apps.kubernetes.io/pod-index": str(ordinal),
        }
        create_pod(self._registry, owner, STATEFUL_SETS, template, name=name, labels=labels)
        self._record(owner, "SuccessfulCreate", f"create Pod {name} in StatefulSet {owner['metadata']['name']} successful")

    def _claim(self, owner: Object, claims: list[tuple[str, str]]) -> None:
        namespace = owner["metadata"]["namespace"]
        for template, (_, name) in zip(_claims(owner), claims, strict=True):
            if self._store.get(CLAIMS, namespace, name) is not None:
                continue
            meta = {"name": name, "labels": owner["spec"]["selector"].get("matchLabels") or {}}
            claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": meta, "spec": template["spec"]}
            created = self._registry.create(CLAIMS, namespace, claim)
            capacity = (template["spec"].get("resources") or {}).get("requests") or {}
            bound = {**created, "status": {"phase": "Bound", "capacity": capacity}}
            self._store.update(CLAIMS, bound)

    def _delete(self, owner: Object, pod: Object) -> None:
        self._registry.terminate(pod)
        name = pod["metadata"]["name"]
        self._record(owner, "SuccessfulDelete", f"delete Pod {name} in StatefulSet {owner['metadata']['name']} successful")

    def _record(self, owner: Object, reason: str, message: str) -> None:
        event_recorder.record_event(
            self._store, owner, "apps/v1", "StatefulSet", reason=reason, message=message, source="statefulset-controller"
        )

    def _report(self, namespace: str, name: str, update: str, current: str) -> None:
        owner = self._store.copy(STATEFUL_SETS, namespace, name)
        if owner is None:
            return
        pods = [pod for pod in pods_of(self._store, owner) if not is_terminating(pod)]
        ready, of = sum(map(is_ready, pods)), [_revision(pod) for pod in pods]
        updated = of.count(update)
        if updated == len(pods) == ready and owner["spec"]["updateStrategy"]["type"] == "RollingUpdate":
            current = update
        owner["status"] = {
            "observedGeneration": owner["metadata"]["generation"],
            "replicas": len(pods),
            **({"readyReplicas": ready} if ready else {}),
            "availableReplicas": ready,
            **({"currentReplicas": count} if (count := of.count(current)) else {}),
            **({"updatedReplicas": updated} if updated else {}),
            "currentRevision": current,
            "updateRevision": update,
            "collisionCount": 0,
        }
        self._store.update(STATEFUL_SETS, owner)
        self._revisions.trim(owner, {update, current, *of})


def _ordinal(pod: Object) -> int | None:
    """None for a pod that the controller did not name."""
    last = pod["metadata"]["name"].rpartition("-")[2]
    return int(last) if last.isascii() and last.isdigit() else None


def _revision(pod: Object) -> str:
    return str((pod["metadata"].get("labels") or {}).get(POD_LABEL, ""))


def _partition(owner: Object) -> int:
    return int((owner["spec"]["updateStrategy"].get("rollingUpdate") or {}).get("partition") or 0)


def _claims(owner: Object) -> list[dict[str, Any]]:
    return owner["spec"].get("volumeClaimTemplates") or []
