"""The Deployment controller: ReplicaSets, rolling steps, revisions and conditions."""

from __future__ import annotations

import copy
from datetime import datetime
from typing import Any

from console.demo.cluster import event_recorder
from console.demo.cluster.resource import DEPLOYMENTS, REPLICA_SETS, Object
from console.demo.cluster.revision import (
    DESIRED,
    HASH,
    HISTORY,
    MAXIMUM,
    OWN,
    REVISION,
    controller_of,
    owner_reference,
    replica_set_revision,
    rolling_limits,
    status_count,
    strip_hash,
    template_hash,
)
from console.demo.cluster.store import Store


class Rollouts:
    """`sync` advances one Deployment by a step, and runs again after every change of its objects."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def owned(self, deployment: Object) -> list[Object]:
        meta = deployment["metadata"]
        sets = [item for item in self._store.items(REPLICA_SETS, meta["namespace"]) if controller_of(item) == meta["uid"]]
        return sorted(sets, key=lambda item: (item["metadata"]["creationTimestamp"], int(item["metadata"]["resourceVersion"])))

    def sync(self, namespace: str, name: str) -> float:
        """Returns the delay in seconds until the next sync; 0 where only a change triggers it."""
        deployment = self._store.copy(DEPLOYMENTS, namespace, name)
        if deployment is None:
            return 0.0
        spec, status = deployment["spec"], deployment["status"]
        before = self.owned(deployment)
        new = next((item for item in before if strip_hash(item["spec"]["template"]) == strip_hash(spec["template"])), None)
        self._note_pause(deployment)
        if spec.get("paused"):
            if new is not None:
                self._revise(deployment, new, before)
            self._resize_all(deployment)
        elif self._resizing(spec, before):
            self._resize_all(deployment)
        else:
            new = self._create(deployment, before) if new is None else self._revise(deployment, new, before)
            if spec["strategy"]["type"] == "Recreate":
                self._recreate(deployment, new)
            else:
                self._roll(deployment, new)
        sets = self.owned(deployment)
        wait = self._update_status(deployment, sets, status)
        if not spec.get("paused"):
            self._clean(deployment, sets)
        current = self._store.copy(DEPLOYMENTS, namespace, name)
        if current is not None:
            current["status"] = deployment["status"]
            if deployment["metadata"].get("annotations"):
                current["metadata"]["annotations"] = deployment["metadata"]["annotations"]
            self._store.update(DEPLOYMENTS, current)
        return wait

    def _annotations(self, deployment: Object, revision: int) -> dict[str, str]:
        copied = {key: value for key, value in (deployment["metadata"].get("annotations") or {}).items() if key not in OWN}
        return {**copied, REVISION: str(revision), **self._counts(deployment["spec"])}

    def _counts(self, spec: dict[str, Any]) -> dict[str, str]:
        return {DESIRED: str(spec["replicas"]), MAXIMUM: str(spec["replicas"] + rolling_limits(spec)[0])}

    def _create(self, deployment: Object, before: list[Object]) -> Object:
        spec, meta = deployment["spec"], deployment["metadata"]
        taken = {item["metadata"]["name"] for item in self._store.items(REPLICA_SETS, meta["namespace"])}
        collisions = 0
        while (name := f"{meta['name']}-{template_hash(spec['template'], collisions)}") in taken:
            collisions += 1
        extra = {HASH: name.rpartition("-")[2]}
        template = copy.deepcopy(spec["template"])
        template["metadata"]["labels"] = {**(template["metadata"].get("labels") or {}), **extra}
        revision = max((replica_set_revision(item) for item in before), default=0) + 1
        surge, _ = rolling_limits(spec)
        old = sum(item["spec"]["replicas"] for item in before)
        if spec["strategy"]["type"] == "Recreate":
            replicas = 0 if old else spec["replicas"]
        else:
            replicas = max(0, min(spec["replicas"], spec["replicas"] + surge - old))
        selector = copy.deepcopy(spec["selector"])
        selector["matchLabels"] = {**(selector.get("matchLabels") or {}), **extra}
        created = self._store.create(
            REPLICA_SETS,
            {
                "metadata": {
                    "name": name,
                    "namespace": meta["namespace"],
                    "labels": template["metadata"]["labels"],
                    "annotations": self._annotations(deployment, revision),
                    "ownerReferences": [owner_reference(deployment, DEPLOYMENTS)],
                },
                "spec": {"replicas": replicas, "selector": selector, "template": template},
                "status": {"replicas": 0},
            },
        )
        self._set_revision(deployment, revision)
        self._progress(deployment, "True", "NewReplicaSetCreated", f'Created new replica set "{name}"')
        if replicas:
            self._record_scaling(deployment, name, 0, replicas)
        return created

    def _revise(self, deployment: Object, new: Object, sets: list[Object]) -> Object:
        """A reused ReplicaSet gets the next revision; the annotation keeps its previous one."""
        others = max((replica_set_revision(item) for item in sets if item is not new), default=0)
        own = replica_set_revision(new)
        revision = own if own > others else others + 1
        changed = copy.deepcopy(new)
        annotations = changed["metadata"].setdefault("annotations", {})
        if own and own != revision:
            annotations[HISTORY] = ",".join(filter(None, [annotations.get(HISTORY, ""), str(own)]))
        counts = {key: annotations.get(key, value) for key, value in self._counts(deployment["spec"]).items()}
        annotations.update(self._annotations(deployment, revision))
        annotations.update(counts)
        self._set_revision(deployment, revision)
        if not any(item["type"] == "Progressing" for item in deployment["status"].get("conditions") or ()):
            self._progress(deployment, "True", "FoundNewReplicaSet", f'Found new replica set "{new["metadata"]["name"]}"')
        return self._store.update(REPLICA_SETS, changed)

    def _set_revision(self, deployment: Object, revision: int) -> None:
        deployment["metadata"].setdefault("annotations", {})[REVISION] = str(revision)

    def _resizing(self, spec: dict[str, Any], sets: list[Object]) -> bool:
        active = [item for item in sets if item["spec"]["replicas"]]
        return any(
            (item["metadata"].get("annotations") or {}).get(DESIRED, str(spec["replicas"])) != str(spec["replicas"])
            for item in active
        )

    def _resize(self, deployment: Object, item: Object, replicas: int) -> None:
        before = item["spec"]["replicas"]
        changed = copy.deepcopy(item)
        changed["spec"]["replicas"] = replicas
        changed["metadata"].setdefault("annotations", {}).update(self._counts(deployment["spec"]))
        self._store.update(REPLICA_SETS, changed)
        if replicas != before:
            self._record_scaling(deployment, item["metadata"]["name"], before, replicas)

    def _record_scaling(self, deployment: Object, name: str, before: int, after: int) -> None:
        which = "up" if after > before else "down"
        message = f"Scaled {which} replica set {name} from {before} to {after}"
        event_recorder.record_event(
            self._store, deployment, "apps/v1", "Deployment",
            reason="ScalingReplicaSet", message=message, source="deployment-controller",
        )  # fmt: skip

    def _resize_all(self, deployment: Object) -> None:
        """Distributes a changed replica count over the ReplicaSets in proportion."""
        spec = deployment["spec"]
        sets = self.owned(deployment)
        active = [item for item in sets if item["spec"]["replicas"]]
        newest = max(sets, key=replica_set_revision, default=None)
        if len(active) <= 1:
            only = active[0] if active else newest
            if only is not None and only["spec"]["replicas"] != spec["replicas"]:
                self._resize(deployment, only, spec["replicas"])
            return
        total = sum(item["spec"]["replicas"] for item in active)
        allowed = spec["replicas"] + (rolling_limits(spec)[0] if spec["replicas"] else 0)
        left = allowed - total
        shares = {}
        for item in sorted(active, key=lambda item: -item["spec"]["replicas"]):
            part = round(item["spec"]["replicas"] * (allowed - total) / total)
            part = max(min(part, max(left, 0)), min(left, 0))
            shares[item["metadata"]["name"]] = part
            left -= part
        for item in active:
            part = shares[item["metadata"]["name"]] + (left if item is active[-1] else 0)
            self._resize(deployment, item, max(0, item["spec"]["replicas"] + part))

    def _roll(self, deployment: Object, new: Object) -> None:
        spec = deployment["spec"]
        surge, unavailable = rolling_limits(spec)
        desired = spec["replicas"]
        sets = self.owned(deployment)
        total = sum(item["spec"]["replicas"] for item in sets)
        have = new["spec"]["replicas"]
        if have > desired:
            self._resize(deployment, new, desired)
            return
        if have < desired and total < desired + surge:
            self._resize(deployment, new, have + min(desired + surge - total, desired - have))
            return
        old = [item for item in sets if item["metadata"]["uid"] != new["metadata"]["uid"] and item["spec"]["replicas"]]
        if not old:
            return
        room = total - (desired - unavailable) - (have - status_count(new))
        for item in old:
            broken = min(room, item["spec"]["replicas"] - status_count(item))
            if broken > 0:
                self._resize(deployment, item, item["spec"]["replicas"] - broken)
                room -= broken
        room = min(room, sum(status_count(item) for item in sets) - (desired - unavailable))
        for item in self.owned(deployment):
            if item["metadata"]["uid"] == new["metadata"]["uid"] or room <= 0:
                continue
            fewer = min(room, item["spec"]["replicas"])
            if fewer > 0:
                self._resize(deployment, item, item["spec"]["replicas"] - fewer)
                room -= fewer

    def _recreate(self, deployment: Object, new: Object) -> None:
        old = [item for item in self.owned(deployment) if item["metadata"]["uid"] != new["metadata"]["uid"]]
        for item in old:
            if item["spec"]["replicas"]:
                self._resize(deployment, item, 0)
        if (
            not any(status_count(item, "replicas") for item in old)
            and new["spec"]["replicas"] != deployment["spec"]["replicas"]
        ):
            self._resize(deployment, new, deployment["spec"]["replicas"])

    def _clean(self, deployment: Object, sets: list[Object]) -> None:
        """Deletes the oldest revisions beyond the limit once the rollout is complete."""
        spec, status = deployment["spec"], deployment["status"]
        if not status.get("updatedReplicas", 0) == status.get("replicas", 0) == spec["replicas"]:
            return
        newest = max(sets, key=replica_set_revision, default=None)
        idle = [
            item for item in sets if item is not newest and not item["spec"]["replicas"] and not status_count(item, "replicas")
        ]
        idle.sort(key=replica_set_revision)
        for item in idle[: max(0, len(idle) - spec["revisionHistoryLimit"])]:
            self._store.delete(REPLICA_SETS, item["metadata"]["namespace"], item["metadata"]["name"])

    def _condition(self, deployment: Object, kind: str, status: str, reason: str, message: str) -> None:
        conditions = deployment["status"].setdefault("conditions", [])
        old = next((item for item in conditions if item["type"] == kind), None)
        if old is not None and (old["status"], old["reason"]) == (status, reason):
            return
        now = self._store.now()
        turned = old["lastTransitionTime"] if old is not None and old["status"] == status else now
        if old is not None:
            conditions.remove(old)
        conditions.append(
            {
                "type": kind,
                "status": status,
                "lastUpdateTime": now,
                "lastTransitionTime": turned,
                "reason": reason,
                "message": message,
            }
        )

    def _progress(self, deployment: Object, status: str, reason: str, message: str) -> None:
        self._condition(deployment, "Progressing", status, reason, message)

    def _note_pause(self, deployment: Object) -> None:
        old = self._progressing(deployment)
        if old.get("reason") == "ProgressDeadlineExceeded":
            return
        if deployment["spec"].get("paused") and old.get("reason") != "DeploymentPaused":
            self._progress(deployment, "Unknown", "DeploymentPaused", "Deployment is paused")
        elif not deployment["spec"].get("paused") and old.get("reason") == "DeploymentPaused":
            self._progress(deployment, "Unknown", "DeploymentResumed", "Deployment is resumed")

    def _progressing(self, deployment: Object) -> dict[str, Any]:
        found = (item for item in deployment["status"].get("conditions") or () if item["type"] == "Progressing")
        return next(found, {})

    def _update_status(self, deployment: Object, sets: list[Object], was: dict[str, Any]) -> float:
        spec, old = deployment["spec"], copy.deepcopy(was)
        new = next((item for item in sets if strip_hash(item["spec"]["template"]) == strip_hash(spec["template"])), None)
        replicas = sum(status_count(item, "replicas") for item in sets)
        available = sum(status_count(item) for item in sets)
        counts = {
            "observedGeneration": deployment["metadata"]["generation"],
            "replicas": replicas,
            "updatedReplicas": status_count(new, "replicas") if new is not None else 0,
            "readyReplicas": sum(status_count(item, "readyReplicas") for item in sets),
            "availableReplicas": available,
            "unavailableReplicas": max(0, sum(item["spec"]["replicas"] for item in sets) - available),
        }
        shown = {key: value for key, value in counts.items() if value or key == "observedGeneration"}
        ending = sum(status_count(item, "terminatingReplicas") for item in sets)
        deployment["status"] = {**shown, "terminatingReplicas": ending, "conditions": was.get("conditions", [])}
        enough = available >= spec["replicas"] - rolling_limits(spec)[1]
        if enough:
            message = "Deployment has minimum availability."
            self._condition(deployment, "Available", "True", "MinimumReplicasAvailable", message)
        else:
            message = "Deployment does not have minimum availability."
            self._condition(deployment, "Available", "False", "MinimumReplicasUnavailable", message)
        return 0.0 if spec.get("paused") or new is None else self._deadline(deployment, new, counts, old)

    def _deadline(self, deployment: Object, new: Object, counts: dict[str, int], old: dict[str, Any]) -> float:
        desired, name = deployment["spec"]["replicas"], new["metadata"]["name"]
        current = self._progressing(deployment)
        if counts["replicas"] == counts["updatedReplicas"] and current.get("reason") == "NewReplicaSetAvailable":
            return 0.0
        if counts["updatedReplicas"] == counts["replicas"] == counts["availableReplicas"] == desired:
            self._progress(deployment, "True", "NewReplicaSetAvailable", f'ReplicaSet "{name}" has successfully progressed.')
            return 0.0
        outgoing = counts["replicas"] - counts["updatedReplicas"]
        moved = (
            counts["updatedReplicas"] > old.get("updatedReplicas", 0)
            or outgoing < old.get("replicas", 0) - old.get("updatedReplicas", 0)
            or counts["readyReplicas"] > old.get("readyReplicas", 0)
            or counts["availableReplicas"] > old.get("availableReplicas", 0)
        )
        if moved:
            self._progress(deployment, "True", "ReplicaSetUpdated", f'ReplicaSet "{name}" is progressing.')
            self._progressing(deployment)["lastUpdateTime"] = self._store.now()
        elif current.get("status") != "False" and current.get("reason") != "NewReplicaSetAvailable":
            return self._overdue(deployment, current, name)
        return float(deployment["spec"]["progressDeadlineSeconds"]) + 1 if current.get("status") != "False" else 0.0

    def _overdue(self, deployment: Object, current: dict[str, Any], name: str) -> float:
        since = datetime.fromisoformat(current["lastUpdateTime"]).timestamp() if current else self._store.clock()
        left = since + deployment["spec"]["progressDeadlineSeconds"] - self._store.clock()
        if left > 0:
            return float(left) + 0.5
        message = f'ReplicaSet "{name}" has timed out progressing.'
        self._progress(deployment, "False", "ProgressDeadlineExceeded", message)
        return 0.0
