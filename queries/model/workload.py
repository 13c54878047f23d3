"""Workloads, pods, jobs and rollouts of the cluster, reduced to the fields that the console uses."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from queries.model.identity_cache import IdentityCache
from queries.model.series import Labels


@dataclass(frozen=True, slots=True)
class Container:
    """One container of a pod template. `env` holds literal values, secrets hidden; references are `<kind name/key>`."""

    name: str
    image: str
    env: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition of a status; `updated_at` is Unix seconds, 0 if the server does not report it."""

    type: str
    status: str
    reason: str = ""
    message: str = ""
    updated_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Workload:
    """One Deployment. Replica counts are pods; times are Unix seconds; `revision` is 0 before the first one."""

    namespace: str
    name: str
    uid: str
    resource_version: str
    generation: int
    observed_generation: int
    desired: int
    replicas: int
    updated: int
    ready: int
    available: int
    paused: bool
    revision: int
    created_at: float
    change_cause: str = ""
    selector: Labels = ()
    labels: Labels = ()
    containers: tuple[Container, ...] = ()
    conditions: tuple[Condition, ...] = ()
    kind: str = "Deployment"

    @property
    def target(self) -> str:
        """The name that actions use: `deployment/cad-ml-api`."""
        return f"{self.kind.lower()}/{self.name}"


@dataclass(frozen=True, slots=True)
class Revision:
    """One ReplicaSet of a Deployment: a revision to roll back to. `created_at` is Unix seconds.

    `template` is a fingerprint of the pod template, unchanged by a restart; `history` holds its earlier revision numbers.
    """

    number: int
    name: str
    owner_uid: str
    created_at: float
    replicas: int
    ready: int = 0
    change_cause: str = ""
    containers: tuple[Container, ...] = ()
    template: str = ""
    history: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Pod:
    """One pod. `reason` is why it is not running (`CrashLoopBackOff`), empty for a healthy pod."""

    namespace: str
    name: str
    uid: str
    phase: str
    ready: bool
    restarts: int
    created_at: float
    reason: str = ""
    node: str = ""
    labels: Labels = ()
    owner_uid: str = ""
    """UID of the controlling ReplicaSet."""


@dataclass(frozen=True, slots=True)
class Autoscaler:
    """One HorizontalPodAutoscaler; `target_name` is the Deployment that it scales."""

    namespace: str
    name: str
    target_kind: str
    target_name: str
    minimum: int
    maximum: int
    current: int
    desired: int
    scaled_object: str = ""
    """The KEDA ScaledObject that created it, else empty."""


@dataclass(frozen=True, slots=True)
class DisruptionBudget:
    """One PodDisruptionBudget; `allowed` is the number of evictions that it permits now."""

    namespace: str
    name: str
    selector: Labels
    allowed: int
    minimum: str = ""


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
class PodUsage:
    """One pod's usage from metrics.k8s.io: CPU in cores, memory in bytes."""

    namespace: str
    name: str
    cpu_cores: float
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class Cluster:
    """The namespace as last listed or watched; every tuple is sorted by name."""

    namespace: str
    workloads: tuple[Workload, ...] = ()
    revisions: tuple[Revision, ...] = ()
    pods: tuple[Pod, ...] = ()
    autoscalers: tuple[Autoscaler, ...] = ()
    budgets: tuple[DisruptionBudget, ...] = ()
    events: tuple[ClusterEvent, ...] = ()

    def workload(self, name: str) -> Workload | None:
        return next((item for item in self.workloads if item.name == name), None)

    def revisions_of(self, workload: Workload) -> tuple[Revision, ...]:
        """The workload's revisions, the newest first."""
        own = [item for item in self.revisions if item.owner_uid == workload.uid]
        return tuple(sorted(own, key=lambda item: item.number, reverse=True))

    def rolled_out_at(self, workload: Workload) -> float:
        """When its last rollout last progressed, Unix seconds.

        Source: the condition Progressing, which scaling does not touch; a revision that was rolled back to is older than its
        rollout. Without that condition the creation of the revision, or of the workload.
        """
        progressed = [
            item.updated_at
            for item in workload.conditions
            if item.type == "Progressing" and item.reason not in ("DeploymentPaused", "DeploymentResumed")
        ]
        created = [item.created_at for item in self.revisions_of(workload) if item.number == workload.revision]
        return max([*progressed, *created], default=workload.created_at)

    def index_pods(self) -> None:
        """Group all pods by selector, to be called off the UI thread so that no screen has to do it while drawing."""
        _pods_by_selector(self)

    def pods_of(self, workload: Workload) -> tuple[Pod, ...]:
        return _pods_by_selector(self).get(workload.selector, ())


def _group_pods(cluster: Cluster) -> dict[Labels, tuple[Pod, ...]]:
    """The pods of every selector, in one pass over all pods."""
    by_pair: dict[tuple[str, str], list[frozenset[tuple[str, str]]]] = {}
    selected: dict[frozenset[tuple[str, str]], list[Pod]] = {}
    for item in cluster.workloads:
        selector = frozenset(item.selector)
        if selector and selector not in selected:
            selected[selector] = []
            by_pair.setdefault(item.selector[0], []).append(selector)
    for pod in cluster.pods:
        for pair in pod.labels:
            for selector in by_pair.get(pair, ()):
                if selector.issubset(pod.labels):
                    selected[selector].append(pod)
    return {item.selector: tuple(selected.get(frozenset(item.selector), ())) for item in cluster.workloads}


_pods_by_selector: IdentityCache[Cluster, dict[Labels, tuple[Pod, ...]]] = IdentityCache(_group_pods)


@dataclass(frozen=True, slots=True)
class LastWrite:
    """The last write of an object: Unix seconds, and the field manager (`helm`, `kubectl-edit`) if the server reports it."""

    name: str
    at: float
    manager: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """One change: a rollout, a scaling, a silence, a restart. `at` is Unix seconds."""

    at: float
    kind: str
    subject: str
    text: str
    author: str = ""


@dataclass(frozen=True, slots=True)
class BatchJob:
    """One CronJob or Job. Times are Unix seconds, 0 if there is none.

    `succeeded_at` is the end of the last success, for a Job of its one run. `failed`: the Job has given up; a CronJob does
    not report it.
    """

    kind: str
    name: str
    schedule: str = ""
    suspended: bool = False
    active: int = 0
    created_at: float = 0.0
    succeeded_at: float = 0.0
    failed: bool = False
    reason: str = ""


class RolloutPhase(StrEnum):
    WAITING = "waiting"
    FAILED = "failed"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class RolloutStatus:
    phase: RolloutPhase
    sentence: str


def rollout_status(workload: Workload) -> RolloutStatus:
    """How far a rollout is, by the tests of kubectl's `rollout status` for Deployments, in their order."""
    name = workload.name
    if workload.generation > workload.observed_generation:
        return RolloutStatus(RolloutPhase.WAITING, f"{name}: waiting for the controller to observe the new spec")
    if any(item.type == "Progressing" and item.reason == "ProgressDeadlineExceeded" for item in workload.conditions):
        return RolloutStatus(RolloutPhase.FAILED, f"{name}: exceeded its progress deadline")
    if workload.updated < workload.desired:
        return RolloutStatus(RolloutPhase.WAITING, f"{name}: {workload.updated} of {workload.desired} new pods created")
    if workload.replicas > workload.updated:
        old = workload.replicas - workload.updated
        return RolloutStatus(RolloutPhase.WAITING, f"{name}: {old} old pods pending termination")
    if workload.available < workload.updated:
        return RolloutStatus(RolloutPhase.WAITING, f"{name}: {workload.available} of {workload.updated} new pods available")
    return RolloutStatus(RolloutPhase.DONE, f"{name}: rolled out, {workload.available} of {workload.desired} available")
