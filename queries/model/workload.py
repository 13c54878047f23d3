"""Workloads with their revisions and runs, reduced to the fields that the console uses."""

from __future__ import annotations

from collections.abc import Iterable

from queries.model.frozen import dataclass
from queries.model.label_selector import Requirement, matches_selector
from queries.model.series import Labels


@dataclass(frozen=True, slots=True)
class WorkloadKind:
    """A kind of workload; `short` is kubectl's short name for it. A kind that `serves` keeps its pods running, a Job ends."""

    name: str
    short: str
    plural: str
    serves: bool = True


PROGRESS_DEADLINE_SECONDS = 600.0
"""Of a Deployment or Rollout that sets none."""
_SKEW_SECONDS = 60.0
"""How far the clock of whoever restarts a workload may differ from the API server's."""
WORKLOAD_KINDS = (
    WorkloadKind("Deployment", "deploy", "deployments"),
    WorkloadKind("StatefulSet", "sts", "statefulsets"),
    WorkloadKind("DaemonSet", "ds", "daemonsets"),
    WorkloadKind("Rollout", "ro", "rollouts"),
    WorkloadKind("Job", "job", "jobs", serves=False),
    WorkloadKind("CronJob", "cj", "cronjobs", serves=False),
    WorkloadKind("Pod", "pod", "pods"),
)
TARGET_KINDS = tuple(item.name.lower() for item in WORKLOAD_KINDS if item.name != "Pod")
"""How the targets of alerts and runbooks begin: a pod's name does not last."""
_KINDS = {item.name: item for item in WORKLOAD_KINDS}
_KIND_WORDS = {word: item.name for item in WORKLOAD_KINDS for word in (item.name.lower(), item.short, item.plural)} | {
    "po": "Pod"
}


def names_workload(target: str) -> bool:
    """Whether a target is that of a workload, and not of a silence or an update."""
    return target.partition("/")[0] in TARGET_KINDS


def parse_kind(word: str) -> str:
    """`StatefulSet` for `statefulset`, `sts` or `statefulsets`, in any case; empty for an unknown kind."""
    return _KIND_WORDS.get(word.lower(), "")


@dataclass(frozen=True, slots=True)
class RequestsAndLimits:
    """Requests and limits: CPU in cores, memory in bytes; 0 where none is set."""

    cpu_request: float = 0.0
    cpu_limit: float = 0.0
    memory_request: float = 0.0
    memory_limit: float = 0.0


@dataclass(frozen=True, slots=True)
class Container:
    """One container of a pod template. `env` holds literal values, secrets hidden; references are `<kind name/key>`."""

    name: str
    image: str
    env: tuple[tuple[str, str], ...] = ()
    resources: RequestsAndLimits = RequestsAndLimits()
    starts_first: bool = False
    """An init container that ends before the others start: what it requests is not added to theirs."""


def sum_resources(containers: Iterable[Container]) -> RequestsAndLimits:
    """What one pod with these containers requests, and its limits; a limit is 0 if one of the containers has none."""
    running = [item.resources for item in containers if not item.starts_first]
    if not running:
        return RequestsAndLimits()
    cpu, memory = [item.cpu_limit for item in running], [item.memory_limit for item in running]
    return RequestsAndLimits(
        sum(item.cpu_request for item in running),
        sum(cpu) if all(cpu) else 0.0,
        sum(item.memory_request for item in running),
        sum(memory) if all(memory) else 0.0,
    )


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition of a status; `updated_at` is Unix seconds, 0 if the server does not report it."""

    type: str
    status: str
    reason: str = ""
    message: str = ""
    updated_at: float = 0.0


@dataclass(frozen=True, slots=True)
class UpdateStrategy:
    """How a rollout replaces pods: `RollingUpdate`, `Recreate`, or `OnDelete` of StatefulSets and DaemonSets. Both limits are
    numbers of pods or percentages; a StatefulSet keeps the pods below its `partition` as they are.
    """

    type: str = "RollingUpdate"
    max_surge: int | str = "25%"
    max_unavailable: int | str = "25%"
    partition: int = 0
    rounds_up: bool = False
    """Whether a percentage in `maxUnavailable` rounds up, as for a DaemonSet."""

    def surge(self, desired: int) -> int:
        """How many pods may exist beyond the desired ones."""
        return 0 if self.type in ("Recreate", "OnDelete") else _resolve_limit(self.max_surge, desired, round_up=True)

    def unavailable(self, desired: int) -> int:
        """How many of the desired pods may be unavailable at a time."""
        if self.type == "Recreate":
            return desired
        if self.type == "OnDelete":
            return 0
        found = min(desired, _resolve_limit(self.max_unavailable, desired, round_up=self.rounds_up))
        # As the controllers do: with both at 0, a rollout could never start.
        return found if found or self.surge(desired) else min(1, desired)

    def replaced_at_once(self, desired: int) -> str:
        """`all at once`, `one at a time`, `up to 3 at a time`."""
        if self.type == "OnDelete":
            return "as someone deletes them"
        count = self.surge(desired) + self.unavailable(desired)
        if self.type == "Recreate" or count >= desired > 1:
            return "all at once"
        return f"up to {count} at a time" if count > 1 else "one at a time"


def _resolve_limit(limit: int | str, desired: int, *, round_up: bool) -> int:
    """Source: Kubernetes 1.36, pkg/controller: `maxSurge` rounds up; `maxUnavailable` rounds down for a Deployment and,
    contrary to the API reference, for a StatefulSet (`getStatefulSetMaxUnavailable`), up for a DaemonSet.
    """
    if isinstance(limit, int):
        return max(0, limit)
    percent = limit.removesuffix("%")
    if not (percent.isascii() and percent.isdigit()):
        return 0
    whole, rest = divmod(int(percent) * desired, 100)
    return whole + (1 if rest and round_up else 0)


@dataclass(frozen=True, slots=True)
class BatchJob:
    """One CronJob or Job. Times are Unix seconds, 0 if there is none.

    `succeeded_at` is the end of the last success, for a Job of its one run. `failed`: the Job has given up; a CronJob does
    not report it.
    """

    kind: str
    name: str
    schedule: str = ""
    time_zone: str = ""
    """Of the schedule; empty where the CronJob names none, and the controller's own counts."""
    starting_deadline_seconds: int | None = None
    """A missed run is not started any more once it is older."""
    forbids_overlap: bool = False
    """Whether no run starts while another one is active."""
    suspended: bool = False
    active: int = 0
    created_at: float = 0.0
    succeeded_at: float = 0.0
    failed: bool = False
    reason: str = ""
    message: str = ""
    started_at: float = 0.0
    """When the Job, or the CronJob's last run, began."""
    finished: bool = False
    """The Job succeeded or failed: nothing of it runs any more."""
    completions: int = 1
    succeeded: int = 0
    """How many of the `completions` that a Job needs have succeeded."""


@dataclass(frozen=True, slots=True)
class Workload:
    """One object of `WORKLOAD_KINDS`. Replica counts are pods; times are Unix seconds; `revision` is 0 before the first one,
    and for a kind whose revisions have no number.
    """

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
    """The selector's `matchLabels`."""
    labels: Labels = ()
    containers: tuple[Container, ...] = ()
    conditions: tuple[Condition, ...] = ()
    kind: str = "Deployment"
    requirements: tuple[Requirement, ...] = ()
    """The selector's `matchExpressions`."""
    strategy: UpdateStrategy = UpdateStrategy()
    update_revision: str = ""
    """The ControllerRevision that a StatefulSet updates its pods to; `current_revision` is the one it updates from."""
    current_revision: str = ""
    batch: BatchJob | None = None
    """Of a Job or CronJob: its runs."""
    phase: str = ""
    """Argo's phase of a Rollout, or the phase of a pod; `message` is the cluster's own message about it."""
    message: str = ""
    restarted_at: float = 0.0
    """When somebody last restarted its pods with `kubectl rollout restart`; 0 if nobody did."""
    owner: str = ""
    """Its controller: `CronJob/nightly-backup`."""
    managed_by: str = ""
    """The GitOps tool or Helm release that applies it: `Argo CD application shop`."""
    written_by: str = ""
    """The field manager that wrote its pod template last: `kubectl-set`. Empty if the server does not report it."""
    written_at: float = 0.0
    """When that manager last wrote the object."""
    progress_deadline_seconds: float = PROGRESS_DEADLINE_SECONDS
    """How long a rollout may make no progress before its controller calls it failed."""

    @property
    def target(self) -> str:
        """The name that actions use: `deployment/cad-ml-api`. No other workload of the namespace has it."""
        return f"{self.kind.lower()}/{self.name}"

    @property
    def short_kind(self) -> str:
        """kubectl's short name of its kind: `sts`."""
        return _KINDS[self.kind].short

    @property
    def plural(self) -> str:
        return _KINDS[self.kind].plural

    @property
    def replaces_pods(self) -> bool:
        """Whether another pod takes the place of one that has ended."""
        return self.serves and self.kind != "Pod"

    @property
    def serves(self) -> bool:
        """Whether its pods are meant to keep running."""
        return _KINDS[self.kind].serves

    def selects(self, labels: Labels) -> bool:
        """Whether its selector selects a pod with these labels; an empty one selects nothing."""
        return bool(self.selector or self.requirements) and matches_selector(labels, self.selector, self.requirements)


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
    uid: str = ""
    owner: str = ""
    """Its controller: `Deployment/cad-ml-api`."""


def rolled_out_at(workload: Workload, revisions: Iterable[Revision]) -> float:
    """When the last rollout last progressed, Unix seconds.

    Source: the condition Progressing, which scaling does not change (one that missed its deadline was updated when the deadline
    ended, and progressed last when it began); after a rollback the revision is older than its
    rollout. Without that condition the creation of the revision, or of the workload. A StatefulSet or DaemonSet has neither:
    its last restart, unless somebody wrote the template later, or its creation if its spec never changed; else 0.
    """
    if workload.kind in ("StatefulSet", "DaemonSet"):
        if 0.0 < workload.restarted_at < workload.written_at - _SKEW_SECONDS:
            return 0.0
        return workload.restarted_at or (workload.created_at if workload.generation <= 1 else 0.0)
    if workload.batch is not None:
        return workload.batch.started_at
    progressed = [
        item.updated_at - (workload.progress_deadline_seconds if item.reason == "ProgressDeadlineExceeded" else 0.0)
        for item in workload.conditions
        if item.type == "Progressing" and item.reason not in ("DeploymentPaused", "DeploymentResumed")
    ]
    created = [item.created_at for item in revisions if item.number == workload.revision]
    return max([*progressed, *created], default=workload.created_at)
