"""A simulated platform for tests, on a cluster that is what the test says it is."""

from __future__ import annotations

from dataclasses import dataclass, field

from console.demo.embedded_cluster import ObservedPod, ObservedReplicaSet, ObservedSet
from console.demo.scenarios import scenario
from console.demo.simulator import Simulator

NOON = 1_795_003_200.0


@dataclass
class Deployment:
    image: str = "registry/api:1.8.2"
    desired: int = 3
    ready: int = 3
    restarted_at: str = ""
    created_at: float = NOON - 9 * 86_400.0

    @property
    def replicas(self) -> int:
        return self.desired

    updated = available = replicas


@dataclass
class Cluster:
    of: dict[str, Deployment] = field(default_factory=dict)
    beside: tuple[ObservedSet, ...] = ()
    rolled: tuple[ObservedReplicaSet, ...] = ()

    def deployment(self, name: str) -> Deployment:
        return self.of.setdefault(name, Deployment())

    def sets(self) -> tuple[ObservedSet, ...]:
        return self.beside

    def replica_sets(self) -> tuple[ObservedReplicaSet, ...]:
        return self.rolled

    def pods(self, name: str) -> tuple[ObservedPod, ...]:
        """Of the newest ReplicaSet that the test names."""
        view = self.deployment(name)
        kind = next((item.kind for item in self.beside if item.name == name), "")
        owner = (
            name if kind else next((item.name for item in reversed(self.rolled) if item.deployment == name), f"{name}-7bbff")
        )
        owner_kind = {"statefulset": "StatefulSet", "daemonset": "DaemonSet"}.get(kind, "ReplicaSet")
        return tuple(
            ObservedPod(f"{owner}-{number:05}", True, view.image, "node-1", owner_kind, owner, view.created_at)
            for number in range(view.desired)
        )


def simulator(name: str, cluster: Cluster | None = None, *, seed: int = 3) -> Simulator:
    """The platform of a scenario, a minute before NOON."""
    return Simulator(scenario(name), cluster or Cluster(), seed=seed, now=NOON - 60.0)
