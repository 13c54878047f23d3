"""The namespace as last listed or watched, with indices of its workloads and their pods."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import field
from operator import attrgetter
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


NO_SERIES = "no series of it"
"""Of a kind that nothing exported at a past moment: whether it had objects is not known."""


@dataclass(frozen=True, slots=True)
class KindFault:
    """A kind whose objects are not, or no longer, listed. `forbidden`: none is known, because the server does not let this
    identity list them, or because of NO_SERIES. Otherwise its last known objects remain; `since` is when they stopped being
    current, Unix seconds.
    """

    plural: str
    what: str
    forbidden: bool = False
    since: float = field(default=0.0, compare=False)


def describe_forbidden(faults: Iterable[KindFault]) -> str:
    """`not visible: list statefulsets, jobs is forbidden`; empty if every kind is known."""
    hidden = [item for item in faults if item.forbidden]
    refused = ", ".join(item.plural for item in hidden if item.what != NO_SERIES)
    absent = ", ".join(item.plural for item in hidden if item.what == NO_SERIES)
    parts = (f"list {refused} is forbidden" if refused else "", f"no series of {absent}" if absent else "")
    return f"not visible: {'; '.join(filter(None, parts))}" if hidden else ""


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
    ahead_seconds: float = 0.0
    """How far the API server's clock, by which these times are, is ahead of this machine's; 0 if negligible."""

    def workload(self, target: str) -> Workload | None:
        """The workload of a target: `statefulset/db`, `sts/db`. Of a bare name, the first of the kinds in their order."""
        word, _, name = target.rpartition("/")
        kinds = (parse_kind(word) or word,) if word else _KIND_NAMES
        named = _by_name(self)
        return next((found for kind in kinds if (found := named.get((kind, name))) is not None), None)

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
        return _revisions_by_owner(self.revisions).get(workload.uid, ())

    def rolled_out_at(self, workload: Workload) -> float:
        """When its last rollout last progressed, or when its last run began, Unix seconds; 0 if the cluster does not tell."""
        return rolled_out_at(workload, self.revisions_of(workload))

    def revision_since(self, workload: Workload, revision: Revision) -> float:
        """Since when the revision is current; for an earlier one its creation, Unix seconds."""
        return self.rolled_out_at(workload) if revision.number == workload.revision else revision.created_at

    def keep_pods(self, pods: Mapping[str, tuple[Pod, ...]]) -> None:
        """Use the pods of each target that whoever built this has at hand, so that no screen has to find them."""
        _pods_by_workload.keep(self, pods)

    def pods_of(self, workload: Workload) -> tuple[Pod, ...]:
        """The pods that it controls; of pods without a known controller, those that its selector selects."""
        return self.group_pods().get(workload.target, ())

    def group_pods(self) -> Mapping[str, tuple[Pod, ...]]:
        """The pods of every workload by its target."""
        return _pods_by_workload(self)

    def find_targets(self, uids: Collection[str]) -> list[str]:
        """The targets of the workloads that have one of these pods."""
        sought = frozenset(uids)
        pods = self.group_pods().items() if sought else ()
        return [target for target, own in pods if not sought.isdisjoint(map(_UID, own))]


Selector: TypeAlias = tuple[Labels, tuple[Requirement, ...]]


_KIND_NAMES = tuple(item.name for item in WORKLOAD_KINDS)
_UID = attrgetter("uid")


def _index_workloads(cluster: Cluster) -> dict[tuple[str, str], Workload]:
    return {(item.kind, item.name): item for item in cluster.workloads}


_by_name: IdentityCache[Cluster, dict[tuple[str, str], Workload]] = IdentityCache(_index_workloads)


def _group_revisions(revisions: tuple[Revision, ...]) -> dict[str, tuple[Revision, ...]]:
    found: dict[str, list[Revision]] = {}
    for item in sorted(revisions, key=lambda item: item.number, reverse=True):
        found.setdefault(item.owner_uid, []).append(item)
    return {uid: tuple(own) for uid, own in found.items()}


_revisions_by_owner: IdentityCache[tuple[Revision, ...], dict[str, tuple[Revision, ...]]] = IdentityCache(_group_revisions)


class PodControllers:
    """Which workload controls a pod, directly or through a ReplicaSet or a Job."""

    def __init__(self, workloads: Iterable[Workload], revisions: Iterable[Revision]) -> None:
        self._targets = {item.uid: item.target for item in workloads if item.uid and item.kind != "Pod"}
        self._sets = {item.uid: item for item in revisions if item.uid}

    def target(self, pod: Pod) -> str:
        """Empty if none of the listed workloads controls it."""
        owner = self._sets.get(pod.owner_uid)
        return self._targets.get(owner.owner_uid if owner else pod.owner_uid, "")

    def controller(self, pod: Pod) -> str:
        """The topmost controller that is known: `Deployment/cad-ml-api`."""
        owner = self._sets.get(pod.owner_uid)
        return (owner.owner or f"ReplicaSet/{owner.name}") if owner else pod.owner


class PodSelectors:
    """Which selectors select a pod, without a look at each of them."""

    def __init__(self, workloads: Iterable[Workload]) -> None:
        self._by_pair: dict[tuple[str, str], list[tuple[frozenset[tuple[str, str]], Selector]]] = {}
        self._anywhere: list[tuple[frozenset[tuple[str, str]], Selector]] = []
        for selector in dict.fromkeys((item.selector, item.requirements) for item in workloads):
            if any(selector):
                entry = (frozenset(selector[0]), selector)
                (self._by_pair.setdefault(selector[0][0], []) if selector[0] else self._anywhere).append(entry)

    def of(self, pod: Pod) -> list[Selector]:
        candidates = [entry for pair in pod.labels for entry in self._by_pair.get(pair, ())]
        return [
            selector
            for pairs, selector in (*candidates, *self._anywhere)
            if pairs.issubset(pod.labels) and (not selector[1] or matches_selector(pod.labels, (), selector[1]))
        ]


def find_groups(
    pod: Pod, controllers: PodControllers, selectors: PodSelectors, listed: Collection[str]
) -> tuple[str | Selector, ...] | None:
    """The target of the workload that controls a pod, else the selectors that select it; None if it is a workload of its own.
    `listed` are the kinds of controllers that are listed.
    """
    if target := controllers.target(pod):
        return (target,)
    selected = selectors.of(pod)
    return tuple(selected) if selected or controllers.controller(pod).partition("/")[0] in listed else None


def _group_pods(cluster: Cluster) -> dict[str, tuple[Pod, ...]]:
    """The pods of every workload by its target, in one pass over all pods."""
    controllers, selectors = PodControllers(cluster.workloads, cluster.revisions), PodSelectors(cluster.workloads)
    lone = {item.uid: item.target for item in cluster.workloads if item.kind == "Pod"}
    by_target: dict[str, list[Pod]] = {}
    selected: dict[Selector, list[Pod]] = {}
    for pod in cluster.pods:
        target = lone.get(pod.uid) or controllers.target(pod)
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


_pods_by_workload: IdentityCache[Cluster, Mapping[str, tuple[Pod, ...]]] = IdentityCache(_group_pods)
