"""A simulated platform for tests, on a cluster that is what the test says it is."""

from __future__ import annotations

from dataclasses import dataclass, field

from console.demo.embedded_cluster import ObservedSet
from console.demo.scenarios import scenario
from console.demo.simulator import Simulator

NOON = 1_795_003_200.0


@dataclass
class Deployment:
    image: str = "registry/api:1.8.2"
    desired: int = 3
    ready: int = 3
    restarted_at: str = ""


@dataclass
class Cluster:
    of: dict[str, Deployment] = field(default_factory=dict)
    beside: tuple[ObservedSet, ...] = ()

    def deployment(self, name: str) -> Deployment:
        return self.of.setdefault(name, Deployment())

    def sets(self) -> tuple[ObservedSet, ...]:
        return self.beside

    def pods(self, name: str) -> tuple[tuple[str, bool], ...]:
        return tuple((f"{name}-7bbff-{number:05}", True) for number in range(self.deployment(name).desired))


def simulator(name: str, cluster: Cluster | None = None, *, seed: int = 3) -> Simulator:
    """The platform of a scenario, a minute before NOON."""
    return Simulator(scenario(name), cluster or Cluster(), seed=seed, now=NOON - 60.0)
