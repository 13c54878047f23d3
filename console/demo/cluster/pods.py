"""The ReplicaSet controller and the kubelet: create, start, ready and delete pods."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from typing import Any

from console.demo.cluster import event_recorder
from console.demo.cluster.owned_pods import create_pod, is_ready, is_terminating, pinned_node, pods_of
from console.demo.cluster.pod_logs import PodLogs
from console.demo.cluster.registry import Registry
from console.demo.cluster.resource import NODES, PODS, REPLICA_SETS, Object
from console.demo.cluster.store import Store
from console.demo.cluster.timers import Timers
from queries.model.frozen import dataclass

NODE_COUNT = 3
FAILING = "failing"
_RESCHEDULE_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class PodTimings:
    """Durations of a pod's phases in seconds, each drawn from a range."""

    schedule: tuple[float, float] = (0.02, 0.08)
    start: tuple[float, float] = (0.1, 0.3)
    ready: tuple[float, float] = (0.15, 0.5)
    end: tuple[float, float] = (0.1, 0.4)
    run: tuple[float, float] = (2.0, 5.0)
    """How long a pod runs that is not restarted when it succeeds, such as a Job's."""


class Pods:
    """Keeps the desired number of pods of each ReplicaSet, and acts as the kubelet."""

    def __init__(self, store: Store, registry: Registry, timers: Timers, *, timings: PodTimings, chance: random.Random) -> None:
        self._store, self._registry, self._timers = store, registry, timers
        self.timings = timings
        self._chance = chance
        self.logs = PodLogs(store)
        self.broken: dict[str, str] = {}
        """Parts of image names to the waiting reason of their containers: `ImagePullBackOff`, `CrashLoopBackOff`."""

    def sync(self, namespace: str, name: str) -> None:
        replica_set = self._store.get(REPLICA_SETS, namespace, name)
        if replica_set is None:
            return
        pods = [pod for pod in pods_of(self._store, replica_set) if not is_terminating(pod)]
        missing = replica_set["spec"]["replicas"] - len(pods)
        for _ in range(missing):
            self._create(replica_set)
        if missing < 0:
            # as the real controller: pods that are not ready first, then the youngest
            pods.sort(key=lambda pod: (is_ready(pod), -int(pod["metadata"]["resourceVersion"])))
            for pod in pods[:-missing]:
                self._registry.terminate(pod)
                self._record_event(replica_set, "SuccessfulDelete", f"Deleted pod: {pod['metadata']['name']}")
        self._count(namespace, name)

    def _count(self, namespace: str, name: str) -> None:
        replica_set = self._store.copy(REPLICA_SETS, namespace, name)
        if replica_set is None:
            return
        all_pods = pods_of(self._store, replica_set)
        pods = [pod for pod in all_pods if not is_terminating(pod)]
        ready = sum(is_ready(pod) for pod in pods)
        counts = {"fullyLabeledReplicas": len(pods), "readyReplicas": ready, "availableReplicas": ready}
        replica_set["status"] = {
            "replicas": len(pods),
            **{key: value for key, value in counts.items() if value},
            "terminatingReplicas": len(all_pods) - len(pods),
            "observedGeneration": replica_set["metadata"]["generation"],
        }
        self._store.update(REPLICA_SETS, replica_set)

    def _create(self, replica_set: Object) -> None:
        name = create_pod(self._registry, replica_set, REPLICA_SETS, replica_set["spec"]["template"])
        self._record_event(replica_set, "SuccessfulCreate", f"Created pod: {name}")

    def _record_event(self, replica_set: Object, reason: str, message: str) -> None:
        event_recorder.record_event(
            self._store, replica_set, "apps/v1", "ReplicaSet",
            reason=reason, message=message, source="replicaset-controller",
        )  # fmt: skip

    def _after(self, span: tuple[float, float], step: Callable[[str, str], None], pod: Object) -> None:
        namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
        self._timers.after(self._chance.uniform(*span), lambda: step(namespace, name))

    def pod_added(self, pod: Object) -> None:
        self._after(self.timings.schedule, self._schedule, pod)

    def pod_ending(self, pod: Object) -> None:
        self._after(self.timings.end, self._remove, pod)

    def _remove(self, namespace: str, name: str) -> None:
        pod = self._store.get(PODS, namespace, name)
        if pod is not None:
            self.logs.remove(pod["metadata"]["uid"])
            self._store.delete(PODS, namespace, name)

    def _alive(self, namespace: str, name: str) -> Object | None:
        pod = self._store.copy(PODS, namespace, name)
        return pod if pod is not None and not is_terminating(pod) else None

    def _schedule(self, namespace: str, name: str) -> None:
        pod = self._alive(namespace, name)
        if pod is None:
            return
        pinned = pinned_node(pod)
        nodes = [
            name
            for item in self._store.items(NODES)
            if (name := item["metadata"]["name"]) == pinned or not (pinned or item["spec"].get("unschedulable"))
        ]
        if not nodes:
            self._leave_pending(pod)
            return
        pod["spec"]["nodeName"] = self._chance.choice(nodes)
        pod["status"]["conditions"] = [self._condition("PodScheduled", "True")]
        pod["status"]["startTime"] = self._store.now()
        reason = next((why for part, why in self.broken.items() if any(part in item["image"] for item in _containers(pod))), "")
        waiting = reason or "ContainerCreating"
        pod["status"]["containerStatuses"] = [
            {
                "name": item["name"],
                "state": {"waiting": {"reason": waiting}},
                "lastState": {},
                "ready": False,
                "restartCount": 4 if reason == "CrashLoopBackOff" else 0,
                "image": item["image"],
                "imageID": "",
                "started": False,
            }
            for item in _containers(pod)
        ]
        self._store.update(PODS, pod)
        if reason:
            event_recorder.record_event(
                self._store, pod, "v1", "Pod", reason="Failed", message=f"Error: {reason}", source="kubelet", warn=True
            )
        else:
            self._after(self.timings.start, self.start, pod)

    def _leave_pending(self, pod: Object) -> None:
        """As the scheduler reports it; tried again later."""
        condition = self._condition("PodScheduled", "False")
        count = len(self._store.items(NODES))
        condition.update(reason="Unschedulable", message=f"0/{count} nodes are available: {count} node(s) were unschedulable.")
        pod["status"]["conditions"] = [condition]
        self._store.update(PODS, pod)
        self._timers.after(_RESCHEDULE_SECONDS, lambda: self._schedule(pod["metadata"]["namespace"], pod["metadata"]["name"]))

    def add_images(self, node: str, images: list[str]) -> None:
        """Adds images to those that the node reports to have."""
        found = self._store.copy(NODES, "", node)
        if found is not None and images:
            found["status"].setdefault("images", []).extend({"names": [image], "sizeBytes": 1} for image in images)
            self._store.update(NODES, found)

    def start(self, namespace: str, name: str) -> None:
        pod = self._alive(namespace, name)
        if pod is None:
            return
        for status in pod["status"]["containerStatuses"]:
            status["state"] = {"running": {"startedAt": self._store.now()}}
            status["started"] = True
            status["imageID"] = _image_id(status["image"])
        pod["status"]["phase"] = "Running"
        pod["status"]["podIP"] = f"10.1.{self._chance.randrange(1, 250)}.{self._chance.randrange(1, 250)}"
        self._store.update(PODS, pod)
        node = pod["spec"]["nodeName"]
        known = {
            image
            for item in self._store.items(NODES)
            for entry in item["status"].get("images") or ()
            for image in entry["names"]
        }
        self.add_images(node, [item["image"] for item in _containers(pod) if item["image"] not in known])
        self._after(self.timings.ready, self._ready, pod)

    def _ready(self, namespace: str, name: str) -> None:
        pod = self._alive(namespace, name)
        if pod is None:
            return
        for status in pod["status"]["containerStatuses"]:
            status["ready"] = True
        kinds = ("Initialized", "Ready", "ContainersReady", "PodScheduled")
        pod["status"]["conditions"] = [self._condition(kind, "True") for kind in kinds]
        self._store.update(PODS, pod)
        if pod["spec"]["restartPolicy"] != "Always":
            self._after(self.timings.run, self._finish, pod)

    def _finish(self, namespace: str, name: str) -> None:
        """Ends a pod's run; an image with FAILING in its name exits with 1."""
        pod = self._alive(namespace, name)
        if pod is None:
            return
        failed = any(FAILING in item["image"] for item in _containers(pod))
        for status in pod["status"]["containerStatuses"]:
            reason, code = ("Error", 1) if failed else ("Completed", 0)
            status["state"] = {"terminated": {"reason": reason, "exitCode": code, "finishedAt": self._store.now()}}
            status["ready"] = False
        pod["status"]["phase"] = "Failed" if failed else "Succeeded"
        kinds = {"Initialized": "True", "Ready": "False", "ContainersReady": "False", "PodScheduled": "True"}
        pod["status"]["conditions"] = [self._condition(kind, value) for kind, value in kinds.items()]
        self._store.update(PODS, pod)

    def _condition(self, kind: str, status: str) -> dict[str, Any]:
        return {"type": kind, "status": status, "lastProbeTime": None, "lastTransitionTime": self._store.now()}


def _containers(pod: Object) -> list[dict[str, Any]]:
    return list(pod["spec"]["containers"])


def _image_id(image: str) -> str:
    """As a kubelet reports what it pulled: the repository and a digest, here that of the name."""
    name, _, digest = image.partition("@")
    repository = name.rpartition(":")[0] if ":" in name.rpartition("/")[2] else name
    return f"{repository}@{digest or f'sha256:{hashlib.sha256(image.encode()).hexdigest()}'}"
