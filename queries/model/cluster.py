"""The namespace as last listed or watched, with indices of its workloads and their pods."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import field
from typing import TypeAlias

from queries.model.frozen import dataclass
from queries.model.identity_cache import IdentityCache
from queries.model.label_selector import Requirement, matches_selector
from queries.model.pod import Pod
from queries.model.replica_limits import Autoscaler, DisruptionBudget
from queries.model.series import Labels
from queries.model.workload import WORKLOAD_KINDS, Revision, Workload, parse_kind, rolled_out_at


@dataclass(frozen=True, slots=True)
class ClusterEvent:
    """One Kubernetes event; `at` is Unix seconds of the last occurrence."""

    namespace: str
    kind: str
    name: str
    type: str
    reason: str
    message: str
    at: float
    count: int = 1


@dataclass(frozen=True, slots=True)
class KindFault:
    """A kind whose objects are not, or no longer, listed. `forbidden`: the server does not let this identity list them.
    Otherwise its last known objects remain; `since` is when they stopped being current, Unix seconds.
    """

    plural: str
    what: str
    forbidden: bool = False
    since: float = field(default=0.0, compare=False)


def describe_forbidden(faults: Iterable[KindFault]) -> str:
    """`not visible: list statefulsets, jobs is forbidden`; empty if everything may be listed."""
    names = ", ".join(item.plural for item in faults if item.forbidden)
    return f"not visible: list {names} is forbidden" if names else ""


@dataclass(frozen=True, slots=True)
class Cluster:
    """The namespace as last listed or watched; every tuple is sorted by name."""

    namespace: str
    workloads: tuple[Workload, ...] = ()
    """Of every kind of `WORKLOAD_KINDS`; only those pods that no other workload has."""
    revisions: tuple[Revision, ...] = ()
    pods: tuple[Pod, ...] = ()
    autoscalers: tuple[Autoscaler, ...] = ()
    budgets: tuple[DisruptionBudget, ...] = ()
    events: tuple[ClusterEvent, ...] = ()
    faults: tuple[KindFault, ...] = ()

    def workload(self, target: str) -> Workload | None:
        """The workload of a target: `statefulset/db`, `sts/db`. Of a bare name, the first of the kinds in their order."""
        word, _, name = target.rpartition("/")
        return _by_name(self).get((parse_kind(word) or word, name))

    def is_stale(self, workload: Workload) -> bool:
        """Whether its kind is no longer listed or watched, so that it is only as last known."""
        return any(item.plural == workload.plural and not item.forbidden for item in self.faults)

    def count_ready(self) -> tuple[int, int]:
        """Ready and desired pods of the workloads that serve."""
        serving = [item for item in self.workloads if item.serves]
        return sum(item.ready for item in serving), sum(item.desired for item in serving)

    def autoscaler_of(self, workload: Workload) -> Autoscaler | None:
        named = (workload.kind, workload.name)
        return next((item for item in self.autoscalers if (item.target_kind, item.target_name) == named), None)

    def revisions_of(self, workload: Workload) -> tuple[Revision, ...]:
        """The workload's revisions, the newest first."""
        own = [item for item in self.revisions if item.owner_uid == workload.uid]
        return tuple(sorted(own, key=lambda item: item.number, reverse=True))

    def rolled_out_at(self, workload: Workload) -> float:
        """When its last rollout last progressed, or when its last run began, Unix seconds; 0 if the cluster does not tell."""
        return rolled_out_at(workload, self.revisions_of(workload))

    def revision_since(self, workload: Workload, revision: Revision) -> float:
        """Since when the revision is current; for an earlier one its creation, Unix seconds."""
        return self.rolled_out_at(workload) if revision.number == workload.revision else revision.created_at

    def index_pods(self) -> None:
        """Group all pods by workload, to be called off the UI thread so that no screen has to do it while drawing."""
        _pods_by_workload(self)

    def pods_of(self, workload: Workload) -> tuple[Pod, ...]:
        """The pods that it controls; of pods without a known controller, those that its selector selects."""
        return _pods_by_workload(self).get(workload.target, ())


_Selector: TypeAlias = tuple[Labels, tuple[Requirement, ...]]


def _index_workloads(cluster: Cluster) -> dict[tuple[str, str], Workload]:
    """By kind and name, and by the name alone."""
    order = {item.name: at for at, item in enumerate(WORKLOAD_KINDS)}
    found: dict[tuple[str, str], Workload] = {}
    for item in sorted(cluster.workloads, key=lambda item: order[item.kind]):
        found[item.kind, item.name] = item
        found.setdefault(("", item.name), item)
    return found


_by_name: IdentityCache[Cluster, dict[tuple[str, str], Workload]] = IdentityCache(_index_workloads)


class _Owners:
    """Which workload controls a pod, directly or through a ReplicaSet or a Job."""

    def __init__(self, cluster: Cluster) -> None:
        self._targets = {item.uid: item.target for item in cluster.workloads if item.uid}
        self._sets = {item.uid: item for item in cluster.revisions if item.uid}

    def target(self, pod: Pod) -> str:
        """Empty if none of the listed workloads controls it."""
        owner = self._sets.get(pod.owner_uid)
        own = self._targets.get(pod.uid, "")  # it is a workload of its own
        return own or self._targets.get(owner.owner_uid if owner else pod.owner_uid, "")

    def controller(self, pod: Pod) -> str:
        """The topmost controller that is known: `Deployment/cad-ml-api`."""
        owner = self._sets.get(pod.owner_uid)
        return (owner.owner or f"ReplicaSet/{owner.name}") if owner else pod.owner


def find_lone_pods(cluster: Cluster, listed: Collection[str]) -> tuple[tuple[Pod, str], ...]:
    """The pods that no workload has, each with its controller; `listed` are the kinds of controllers that are listed.

    A pod whose controller is of such a kind has just been created, or its controller has just been deleted.
    """
    owners, selectors = _Owners(cluster), _Selectors(cluster.workloads)
    found = []
    for pod in cluster.pods:
        if owners.target(pod):
            continue
        controller = owners.controller(pod)
        if controller.partition("/")[0] not in listed and not selectors.of(pod):
            found.append((pod, controller))
    return tuple(found)


class _Selectors:
    """Which selectors select a pod, without a look at each of them."""

    def __init__(self, workloads: Iterable[Workload]) -> None:
        self._by_pair: dict[tuple[str, str], list[tuple[frozenset[tuple[str, str]], _Selector]]] = {}
        self._anywhere: list[tuple[frozenset[tuple[str, str]], _Selector]] = []
        for selector in dict.fromkeys((item.selector, item.requirements) for item in workloads):
            if any(selector):
                entry = (frozenset(selector[0]), selector)
                (self._by_pair.setdefault(selector[0][0], []) if selector[0] else self._anywhere).append(entry)

    def of(self, pod: Pod) -> list[_Selector]:
        candidates = [entry for pair in pod.labels for entry in self._by_pair.get(pair, ())]
        return [
            selector
            for pairs, selector in (*candidates, *self._anywhere)
            if pairs.issubset(pod.labels) and (not selector[1] or matches_selector(pod.labels, (), selector[1]))
        ]


def _group_pods(cluster: Cluster) -> dict[str, tuple[Pod, ...]]:
    """The pods of every workload by its target, in one pass over all pods."""
    owners, selectors = _Owners(cluster), _Selectors(cluster.workloads)
    by_target: dict[str, list[Pod]] = {}
    selected: dict[_Selector, list[Pod]] = {}
    for pod in cluster.pods:
        target = owners.target(pod)
        if target:
            by_target.setdefault(target, []).append(pod)
        else:
            for selector in selectors.of(pod):
                selected.setdefault(selector, []).append(pod)
    runs: dict[str, list[str]] = {}
    for item in cluster.workloads:
        if selected and (more := selected.get((item.selector, item.requirements))):
            by_target.setdefault(item.target, []).extend(more)
        if item.kind == "Job" and item.owner:
            runs.setdefault(item.owner, []).append(item.target)
    for owner, targets in runs.items():
        kind, _, name = owner.partition("/")
        by_target[f"{kind.lower()}/{name}"] = [pod for target in targets for pod in by_target.get(target, ())]
    return {target: tuple(pods) for target, pods in by_target.items()}


_pods_by_workload: IdentityCache[Cluster, dict[str, tuple[Pod, ...]]] = IdentityCache(_group_pods)
