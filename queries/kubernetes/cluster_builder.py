"""Builds the model of a namespace from the lists of its kinds."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from queries.http.clock_skew import SteadySkew
from queries.kubernetes.client import Kubernetes
from queries.kubernetes.cluster_index import ClusterIndex
from queries.kubernetes.watch import CONTROLLERS, KINDS, PODS, Kind
from queries.model.cluster import Cluster, ClusterEvent, KindFault
from queries.model.fault import Fault

EVENTS_KEPT = 500


class ClusterBuilder:
    """Of one namespace; it remembers what it found, from one result to the next."""

    def __init__(self, kubernetes: Kubernetes) -> None:
        self._kubernetes = kubernetes
        self._index = ClusterIndex()
        self._latest = Cluster(kubernetes.namespace)
        self._skew = SteadySkew()
        self._events: tuple[tuple[ClusterEvent, ...], tuple[ClusterEvent, ...]] = ((), ())

    def build(
        self,
        items: Mapping[str, tuple[Any, ...]],
        failed: Mapping[Kind, tuple[Fault, float]],
        kept: Collection[Kind] = frozenset(),
    ) -> Cluster:
        """`failed` are the kinds without a current list, with the time since when. Of those in `kept` there is an old list:
        they may be listed, but not watched.
        """
        forbidden = {kind.object_kind for kind, (fault, _) in failed.items() if fault.status == 403 and kind not in kept}
        served = self._kubernetes.api.served
        absent = {kind.object_kind for kind in KINDS if kind.custom and kind.name not in served.get(kind.prefix, ())}
        listed = {kind.object_kind for kind in KINDS if kind.object_kind} - forbidden - absent - {PODS.object_kind}
        index = self._index
        index.update([items[kind.name] for kind in CONTROLLERS], items["replicasets"], items["pods"], listed)
        cluster = Cluster(
            namespace=self._kubernetes.namespace,
            workloads=index.rows,
            revisions=items["replicasets"],
            pods=items["pods"],
            autoscalers=items["horizontalpodautoscalers"],
            budgets=items["poddisruptionbudgets"],
            events=self._newest_events(items["events"]),
            faults=tuple(
                KindFault(kind.name, fault.what, fault.status == 403 and kind not in kept, since)
                for kind, (fault, since) in failed.items()
                if not kind.optional
            ),
            ahead_seconds=self._skew.update(self._kubernetes.api.clock.ahead_seconds),
        )
        if cluster != self._latest:  # else the same object: what was derived from it is kept by identity
            self._latest = cluster
            cluster.keep_pods(index.pods_by_target)
        return self._latest

    def _newest_events(self, events: tuple[ClusterEvent, ...]) -> tuple[ClusterEvent, ...]:
        if self._events[0] is not events:
            newest = sorted(events, key=lambda item: item.at)[-EVENTS_KEPT:]
            self._events = (events, tuple(sorted(newest, key=lambda item: item.name)))
        return self._events[1]


def is_tolerated(kind: Kind, fault: Fault) -> bool:
    """Whether the other kinds are of use without this one: it may not be listed, or it is optional or apart and the server
    lacks it; a kind that is apart may fail in any way.
    """
    return fault.status == 403 or kind.apart or (kind.optional and fault.status == 404)


def nothing_is_visible(faults: Mapping[Kind, Fault]) -> bool:
    """Whether no kind of workload may be listed."""
    return all(kind in faults and faults[kind].status == 403 for kind in (*CONTROLLERS, PODS) if not kind.custom)
