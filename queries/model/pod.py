"""Pods, reduced to the fields that the console uses."""

from __future__ import annotations

from queries.model.frozen import dataclass
from queries.model.series import Labels


@dataclass(frozen=True, slots=True)
class Pod:
    """One pod. `reason` is why it is not running (`CrashLoopBackOff`), empty for a healthy pod; `message` is the cluster's own
    message about it. `restarts` counts those of all containers, init and sidecar containers included.
    """

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
    """UID of the controller: a ReplicaSet, a StatefulSet, a DaemonSet or a Job."""
    message: str = ""
    last_exit: str = ""
    """Why a container last terminated: `OOMKilled, exit code 137`; empty if none did, or if it completed."""
    owner: str = ""
    """The controller: `ReplicaSet/cad-ml-api-7d9f8`; empty for a pod that nothing controls."""
    images: tuple[str, ...] = ()
    """Only of a pod that nothing controls; the others have those of their workload."""

    @property
    def ended(self) -> bool:
        """It never runs again: of a workload that serves, its controller has replaced it. The object of an evicted pod may
        remain for weeks.
        """
        return self.phase in ("Failed", "Succeeded")


STARTING_REASONS = ("", "ContainerCreating", "PodInitializing", "Init:PodInitializing")
"""Reasons of a pod that is not ready yet and has no problem."""


@dataclass(frozen=True, slots=True)
class PodUsage:
    """One pod's usage from metrics.k8s.io: CPU in cores, memory in bytes."""

    namespace: str
    name: str
    cpu_cores: float
    memory_bytes: int
