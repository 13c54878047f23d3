"""Builds the model of a namespace from the lists of its kinds."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from queries.kubernetes.client import Kubernetes
from queries.kubernetes.watch import CONTROLLERS, KINDS, PODS, Kind
from queries.kubernetes.workload_decode import build_lone_pod
from queries.model.cluster import Cluster, KindFault, find_lone_pods
from queries.model.fault import Fault
from queries.model.pod import Pod
from queries.model.workload import Workload

EVENTS_KEPT = 500


class ClusterBuilder:
    """Of one namespace; it remembers rows from one result to the next."""

    def __init__(self, kubernetes: Kubernetes) -> None:
        self._kubernetes = kubernetes
        self._lone_pods: dict[str, tuple[Pod, Workload]] = {}
        """By UID, the pods that are rows of their own, and these rows: of thousands only the changed ones are made anew."""

    def build(
        self,
        items: Mapping[str, tuple[Any, ...]],
        failed: Mapping[Kind, tuple[Fault, float]],
        kept: Collection[Kind] = frozenset(),
    ) -> Cluster:
        """`failed` are the kinds without a current list, with the time since when. Of those in `kept` there is an old list:
        they may be listed, but not watched.
        """
        newest = sorted(items["events"], key=lambda item: item.at)[-EVENTS_KEPT:]
        cluster = Cluster(
            namespace=self._kubernetes.namespace,
            workloads=tuple(workload for kind in CONTROLLERS for workload in items[kind.name]),
            revisions=items["replicasets"],
            pods=items["pods"],
            autoscalers=items["horizontalpodautoscalers"],
            budgets=items["poddisruptionbudgets"],
            events=tuple(sorted(newest, key=lambda item: item.name)),
            faults=tuple(
                KindFault(kind.name, fault.what, fault.status == 403 and kind not in kept, since)
                for kind, (fault, since) in failed.items()
                if not kind.optional
            ),
        )
        forbidden = {kind.object_kind for kind, (fault, _) in failed.items() if fault.status == 403 and kind not in kept}
        served = self._kubernetes.api.served
        absent = {kind.object_kind for kind in KINDS if kind.custom and kind.name not in served.get(kind.prefix, ())}
        listed = {kind.object_kind for kind in KINDS if kind.object_kind} - forbidden - absent
        lone = {pod.uid: (pod, controller) for pod, controller in find_lone_pods(cluster, listed)}
        self._lone_pods = {uid: self._lone_pod(pod, controller) for uid, (pod, controller) in lone.items()}
        rows = (*cluster.workloads, *(row for _, row in self._lone_pods.values()))
        return replace(cluster, workloads=tuple(sorted(rows, key=lambda item: (item.name, item.kind))))

    def _lone_pod(self, pod: Pod, controller: str) -> tuple[Pod, Workload]:
        known = self._lone_pods.get(pod.uid)
        if known is not None and known[0] is pod and known[1].owner == controller:
            return known
        return pod, build_lone_pod(pod, controller)


def is_tolerated(kind: Kind, fault: Fault) -> bool:
    """Whether the other kinds are of use without this one: it may not be listed, or it is optional or apart and the server
    lacks it; a kind that is apart may fail in any way.
    """
    return fault.status == 403 or kind.apart or (kind.optional and fault.status == 404)


def nothing_is_visible(faults: Mapping[Kind, Fault]) -> bool:
    """Whether no kind of workload may be listed."""
    return all(kind in faults and faults[kind].status == 403 for kind in (*CONTROLLERS, PODS) if not kind.custom)
