"""The controllers together: a change makes whoever it concerns look again."""

from __future__ import annotations

from console.demo.cluster.hpa_controller import Autoscalers
from console.demo.cluster.pdb_controller import Budgets
from console.demo.cluster.pods import Pods
from console.demo.cluster.resource import AUTOSCALERS, BUDGETS, DEPLOYMENTS, PODS, REPLICA_SETS, Object
from console.demo.cluster.rollout import Rollouts
from console.demo.cluster.store import Store, WatchEvent
from console.demo.cluster.timers import Timers

GATHER_SECONDS = 0.02
"""The first change is looked at once, the next ones within this time together: thousands of pods change one by one."""


class Controllers:
    """A work queue without duplicates over Deployments, ReplicaSets and budgets; autoscalers have their own beat."""

    def __init__(
        self, store: Store, agenda: Timers, *, rollouts: Rollouts, pods: Pods, autoscalers: Autoscalers, budgets: Budgets
    ) -> None:
        self._store, self._agenda = store, agenda
        self._rollouts, self._pods = rollouts, pods
        self._autoscalers, self._budgets = autoscalers, budgets
        self._waiting: dict[tuple[str, str, str], None] = {}
        self._queued = False
        self._worked_at = -GATHER_SECONDS
        store.listeners.append(self._changed)

    def _changed(self, change: WatchEvent) -> None:
        item = change.object
        namespace, name = change.key
        if change.resource is DEPLOYMENTS:
            self._want(DEPLOYMENTS.kind, namespace, name)
        elif change.resource is REPLICA_SETS:
            if change.type != "DELETED":
                self._want(REPLICA_SETS.kind, namespace, name)
            self._want_owner(item, DEPLOYMENTS.kind)
        elif change.resource is PODS:
            self._pod_changed(change, item)
        elif change.resource is BUDGETS and change.type != "DELETED":
            self._want(BUDGETS.kind, namespace, name)
        elif change.resource is AUTOSCALERS and change.type == "ADDED":
            self._agenda.after(self._autoscalers.sync_seconds, lambda: self._autoscale(namespace, name))

    def _pod_changed(self, change: WatchEvent, pod: Object) -> None:
        if change.type == "ADDED":
            self._pods.added(pod)
        elif change.type == "MODIFIED" and _ends(pod) and not _ends(change.before or {}):
            self._pods.ending(pod)
        self._want_owner(pod, REPLICA_SETS.kind)
        for budget in self._store.items(BUDGETS, change.key[0]):
            self._want(BUDGETS.kind, change.key[0], budget["metadata"]["name"])

    def _want_owner(self, item: Object, kind: str) -> None:
        for owner in item["metadata"].get("ownerReferences") or ():
            if owner.get("controller") and owner.get("kind") == kind:
                self._want(kind, item["metadata"]["namespace"], owner["name"])

    def _want(self, kind: str, namespace: str, name: str) -> None:
        self._waiting[kind, namespace, name] = None
        if not self._queued:
            self._queued = True
            left = self._worked_at + GATHER_SECONDS - self._agenda.now()
            self._agenda.after(min(max(0.0, left), GATHER_SECONDS), self._work)

    def _work(self) -> None:
        self._queued = False
        self._worked_at = self._agenda.now()
        waiting, self._waiting = self._waiting, {}
        for kind, namespace, name in waiting:
            if kind == DEPLOYMENTS.kind:
                again = self._rollouts.sync(namespace, name)
                if again:
                    self._agenda.after(again, lambda at=(namespace, name): self._want(DEPLOYMENTS.kind, *at))  # type: ignore[misc]
            elif kind == REPLICA_SETS.kind:
                self._pods.sync(namespace, name)
            else:
                self._budgets.sync(namespace, name)

    def _autoscale(self, namespace: str, name: str) -> None:
        if self._autoscalers.sync(namespace, name):
            self._agenda.after(self._autoscalers.sync_seconds, lambda: self._autoscale(namespace, name))


def _ends(pod: Object) -> bool:
    return "deletionTimestamp" in pod.get("metadata", {})
