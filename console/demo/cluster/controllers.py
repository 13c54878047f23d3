"""Runs the controllers: a change enqueues the objects that it affects."""

from __future__ import annotations

from collections.abc import Callable

from console.demo.cluster.daemon_set_controller import DaemonSets
from console.demo.cluster.hpa_controller import Autoscalers
from console.demo.cluster.job_controller import Jobs
from console.demo.cluster.owned_pods import is_terminating
from console.demo.cluster.pdb_controller import Budgets
from console.demo.cluster.pods import Pods
from console.demo.cluster.resource import (
    AUTOSCALERS,
    BUDGETS,
    DAEMON_SETS,
    DEPLOYMENTS,
    JOBS,
    NODES,
    PODS,
    REPLICA_SETS,
    STATEFUL_SETS,
    Object,
)
from console.demo.cluster.rollout import Rollouts
from console.demo.cluster.stateful_set_controller import StatefulSets
from console.demo.cluster.store import Store, WatchEvent
from console.demo.cluster.timers import Timers

GATHER_SECONDS = 0.02
"""Batches changes: the first runs at once, the next ones together after this time, since thousands of pods change."""


class Controllers:
    """A work queue without duplicates for every kind but autoscalers, which run on their own interval."""

    def __init__(
        self,
        store: Store,
        timers: Timers,
        *,
        rollouts: Rollouts,
        pods: Pods,
        autoscalers: Autoscalers,
        budgets: Budgets,
        jobs: Jobs,
        stateful_sets: StatefulSets,
        daemon_sets: DaemonSets,
    ) -> None:
        self._store, self._timers = store, timers
        self._rollouts, self._pods, self._autoscalers = rollouts, pods, autoscalers
        self._syncs: dict[str, Callable[[str, str], None]] = {
            REPLICA_SETS.kind: pods.sync,
            JOBS.kind: jobs.sync,
            BUDGETS.kind: budgets.sync,
            STATEFUL_SETS.kind: stateful_sets.sync,
            DAEMON_SETS.kind: daemon_sets.sync,
        }
        self._queue: dict[tuple[str, str, str], None] = {}
        self._queued = False
        self._ran_at = -GATHER_SECONDS
        store.listeners.append(self._changed)

    def _changed(self, change: WatchEvent) -> None:
        item = change.object
        namespace, name = change.key
        if change.resource is DEPLOYMENTS:
            self._enqueue(DEPLOYMENTS.kind, namespace, name)
        elif change.resource is REPLICA_SETS:
            if change.type != "DELETED":
                self._enqueue(REPLICA_SETS.kind, namespace, name)
            self._enqueue_owner(item, DEPLOYMENTS.kind)
        elif change.resource is PODS:
            self._pod_changed(change, item)
        elif change.resource in (JOBS, BUDGETS, STATEFUL_SETS, DAEMON_SETS) and change.type != "DELETED":
            self._enqueue(change.resource.kind, namespace, name)
        elif change.resource is NODES and change.type != "MODIFIED":
            for daemon_set in self._store.items(DAEMON_SETS):
                self._enqueue(DAEMON_SETS.kind, daemon_set["metadata"]["namespace"], daemon_set["metadata"]["name"])
        elif change.resource is AUTOSCALERS and change.type == "ADDED":
            self._timers.after(self._autoscalers.sync_seconds, lambda: self._autoscale(namespace, name))

    def _pod_changed(self, change: WatchEvent, pod: Object) -> None:
        if change.type == "ADDED":
            self._pods.pod_added(pod)
        elif change.type == "MODIFIED" and is_terminating(pod) and not is_terminating(change.before or {}):
            self._pods.pod_ending(pod)
        self._enqueue_owner(pod, *self._syncs)
        for budget in self._store.items(BUDGETS, change.key[0]):
            self._enqueue(BUDGETS.kind, change.key[0], budget["metadata"]["name"])

    def _enqueue_owner(self, item: Object, *kinds: str) -> None:
        for owner in item["metadata"].get("ownerReferences") or ():
            if owner.get("controller") and owner.get("kind") in kinds:
                self._enqueue(owner["kind"], item["metadata"]["namespace"], owner["name"])

    def _enqueue(self, kind: str, namespace: str, name: str) -> None:
        self._queue[kind, namespace, name] = None
        if not self._queued:
            self._queued = True
            delay = self._ran_at + GATHER_SECONDS - self._timers.now()
            self._timers.after(min(max(0.0, delay), GATHER_SECONDS), self._work)

    def _work(self) -> None:
        self._queued = False
        self._ran_at = self._timers.now()
        queue, self._queue = self._queue, {}
        for kind, namespace, name in queue:
            if kind == DEPLOYMENTS.kind:
                delay = self._rollouts.sync(namespace, name)
                if delay:
                    self._timers.after(delay, lambda at=(namespace, name): self._enqueue(DEPLOYMENTS.kind, *at))  # type: ignore[misc]
            else:
                self._syncs[kind](namespace, name)

    def _autoscale(self, namespace: str, name: str) -> None:
        if self._autoscalers.sync(namespace, name):
            self._timers.after(self._autoscalers.sync_seconds, lambda: self._autoscale(namespace, name))
