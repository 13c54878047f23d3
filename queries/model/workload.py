"""What runs in the cluster, in the few fields that the console keeps."""

from __future__ import annotations

from dataclasses import dataclass

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
    """One condition of a status; `updated_at` is Unix seconds, 0 where the server does not say."""

    type: str
    status: str
    reason: str = ""
    message: str = ""
    updated_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Workload:
    """One Deployment. Replica counts are pods; times are Unix seconds; `revision` is 0 where none was written yet."""

    namespace: str
    name: str
    uid: str
    resource_version: str
    generation: int
    observed_generation: int
    wanted: int
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
        """How actions name it: `deployment/cad-ml-api`."""
        return f"{self.kind.lower()}/{self.name}"


@dataclass(frozen=True, slots=True)
class Revision:
    """One ReplicaSet of a Deployment: a revision one can go back to. `created_at` is Unix seconds.

    `template` is a fingerprint of the pod template, the same after a restart; `history` holds the numbers that it had before.
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
    """One pod. `reason` is why it is not running (`CrashLoopBackOff`), empty while it is well."""

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
    """One HorizontalPodAutoscaler; `target_name` is the Deployment it drives."""

    namespace: str
    name: str
    target_kind: str
    target_name: str
    minimum: int
    maximum: int
    current: int
    wanted: int
    scaled_object: str = ""
    """The KEDA ScaledObject that made it; empty where none did."""


@dataclass(frozen=True, slots=True)
class DisruptionBudget:
    """One PodDisruptionBudget; `allowed` is how many evictions it would let through now."""

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
    """What metrics.k8s.io says of one pod: CPU in cores, memory in bytes."""

    namespace: str
    name: str
    cpu_cores: float
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class Cluster:
    """The namespace as it was last listed or watched; every tuple is sorted by name."""

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
        """Its revisions, the newest first."""
        own = [item for item in self.revisions if item.owner_uid == workload.uid]
        return tuple(sorted(own, key=lambda item: item.number, reverse=True))

    def rolled_out_at(self, workload: Workload) -> float:
        """When its last rollout moved last, Unix seconds.

        Source: the condition Progressing, whose time does not change with scaling; a revision that one went back to is
        older than its rollout. Without that condition: the revision's own creation, or the workload's.
        """
        told = [
            item.updated_at
            for item in workload.conditions
            if item.type == "Progressing" and item.reason not in ("DeploymentPaused", "DeploymentResumed")
        ]
        made = [item.created_at for item in self.revisions_of(workload) if item.number == workload.revision]
        return max([*told, *made], default=workload.created_at)

    def derive(self) -> None:
        """To be called in a thread: walks over all pods once, so that no screen has to in the thread that draws."""
        _pods_by_selector(self)

    def pods_of(self, workload: Workload) -> tuple[Pod, ...]:
        return _pods_by_selector(self).get(workload.selector, ())


def _selected(cluster: Cluster) -> dict[Labels, tuple[Pod, ...]]:
    """One walk over all pods, however many workloads there are."""
    by_pair: dict[tuple[str, str], list[frozenset[tuple[str, str]]]] = {}
    found: dict[frozenset[tuple[str, str]], list[Pod]] = {}
    for item in cluster.workloads:
        selector = frozenset(item.selector)
        if selector and selector not in found:
            found[selector] = []
            by_pair.setdefault(item.selector[0], []).append(selector)
    for pod in cluster.pods:
        for pair in pod.labels:
            for selector in by_pair.get(pair, ()):
                if selector.issubset(pod.labels):
                    found[selector].append(pod)
    return {item.selector: tuple(found.get(frozenset(item.selector), ())) for item in cluster.workloads}


_pods_by_selector: IdentityCache[Cluster, dict[Labels, tuple[Pod, ...]]] = IdentityCache(_selected)


@dataclass(frozen=True, slots=True)
class Touched:
    """When an object was last written, Unix seconds, and by which program (`helm`, `kubectl-edit`), where the server says."""

    name: str
    at: float
    manager: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that changed: a rollout, a scaling, a silence, a restart. `at` is Unix seconds."""

    at: float
    kind: str
    subject: str
    text: str
    author: str = ""
