"""The scenarios of the demo: the fault, the alert that it raises, and the action that fixes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from enum import StrEnum
from types import MappingProxyType
from typing import Protocol

from queries.model.action import ActionCall
from queries.model.frozen import dataclass

API = "cad-ml-api"
SLOW_PROVIDER = "deepseek"
SLOW_DEPLOYMENT = f"ocr-provider-{SLOW_PROVIDER}"
WORKER = "cad-render"
GOOD_IMAGE_TAG = "1.8.2"
BAD_IMAGE_TAG = "1.9.0"
ENOUGH_API_REPLICAS = 5
ENOUGH_WORKERS = 4
SILENT_SHARE = 0.83
RAW_SECONDS = 330.0
"""The five-minute window of the raw expressions, with a margin."""


class DeploymentView(Protocol):
    """The simulated platform's view of a Deployment; `restarted_at` is empty without a restart."""

    @property
    def image(self) -> str: ...

    @property
    def desired(self) -> int: ...

    @property
    def replicas(self) -> int: ...

    @property
    def updated(self) -> int: ...

    @property
    def available(self) -> int: ...

    @property
    def ready(self) -> int: ...

    @property
    def restarted_at(self) -> str: ...

    @property
    def created_at(self) -> float:
        """Unix seconds."""
        ...


class ReplicaSetView(Protocol):
    """A ReplicaSet of a Deployment."""

    @property
    def name(self) -> str: ...

    @property
    def deployment(self) -> str: ...

    @property
    def desired(self) -> int: ...

    @property
    def ready(self) -> int: ...

    @property
    def created_at(self) -> float:
        """Unix seconds."""
        ...


class PodView(Protocol):
    """A pod; `owner_kind` and `owner` name its controller."""

    @property
    def name(self) -> str: ...

    @property
    def ready(self) -> bool: ...

    @property
    def image(self) -> str: ...

    @property
    def node(self) -> str: ...

    @property
    def owner_kind(self) -> str: ...

    @property
    def owner(self) -> str: ...

    @property
    def created_at(self) -> float:
        """Unix seconds."""
        ...


class SetView(Protocol):
    """A StatefulSet or DaemonSet beside the platform; `kind` is `statefulset` or `daemonset`."""

    @property
    def kind(self) -> str: ...

    @property
    def name(self) -> str: ...

    @property
    def desired(self) -> int: ...

    @property
    def ready(self) -> int: ...


class ClusterView(Protocol):
    """The simulated platform's view of its cluster; None for a missing Deployment or an unreachable cluster."""

    def deployment(self, name: str) -> DeploymentView | None: ...

    def pods(self, name: str) -> Sequence[PodView]:
        """The pods of a Deployment or of what runs beside the platform."""
        ...

    def replica_sets(self) -> Sequence[ReplicaSetView]: ...

    def sets(self) -> Sequence[SetView]: ...


class RuleSet(StrEnum):
    """The rules that a scenario's Prometheus loads."""

    OURS = "ours"
    FOREIGN = "foreign"
    """Other rules under the same names: foreign_rules.yaml."""


_NOTHING: Mapping[str, float] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Conditions:
    """The current condition of the platform. Shares are 0..1; the simulator moves smoothly between conditions.

    `error_share` applies to every service, `timeout_shares` and `failing_shares` (invalid results) to single OCR providers;
    `circuits` are 0, 1 or 2 by provider, as in ocr_circuit_state, and `vision_circuit` as in dedupcad_vision_circuit_state;
    `memory_shares` are shares of the limit by deployment; `backlog` is the target queue depth in jobs; `not_ready` are the
    failing checks of /ready.
    """

    traffic: bool = True
    error_share: float = 0.0
    timeout_shares: Mapping[str, float] = field(default_factory=lambda: _NOTHING)
    failing_shares: Mapping[str, float] = field(default_factory=lambda: _NOTHING)
    circuits: Mapping[str, float] = field(default_factory=lambda: _NOTHING)
    vision_circuit: float = 0.0
    memory_shares: Mapping[str, float] = field(default_factory=lambda: _NOTHING)
    backlog: float = 12.0
    not_ready: tuple[str, ...] = ()


CALM = Conditions()


@dataclass(frozen=True, slots=True)
class Start:
    """The state at the start of the scenario, to compare with."""

    restarted_at: str = ""


@dataclass(frozen=True, slots=True)
class Fix(ActionCall):
    """The action that fixes the fault, as in `cad-console act`."""

    panel_id: str = ""


@dataclass(frozen=True, slots=True)
class Scenario:
    """A scenario. `alert` is the alert that it raises, empty for none.

    `fault_seconds` is the age of the fault when the servers start: more than 22 where the console reads raw expressions,
    whose windows the demo does not shorten.
    """

    name: str
    summary: str
    alert: str
    conditions: Callable[[ClusterView, Start], Conditions]
    remedy: Fix | None = None
    rolls_out_bad_image: bool = False
    rules: tuple[RuleSet, ...] = (RuleSet.OURS,)
    fault_seconds: float = 22.0
    new_line: str = ""
    """Words of the log line that the fault brings, empty for none."""


def _calm(cluster: ClusterView, start: Start) -> Conditions:
    return CALM


def _quiet(cluster: ClusterView, start: Start) -> Conditions:
    return Conditions(traffic=False, backlog=0.0)


def _provider_timeout(cluster: ClusterView, start: Start) -> Conditions:
    provider = cluster.deployment(SLOW_DEPLOYMENT)
    if provider is not None and provider.restarted_at and provider.restarted_at != start.restarted_at:
        return CALM
    return Conditions(timeout_shares={SLOW_PROVIDER: 0.15}, circuits={SLOW_PROVIDER: 1.0})


def _silent_failure(cluster: ClusterView, start: Start) -> Conditions:
    provider = cluster.deployment(SLOW_DEPLOYMENT)
    if provider is not None and provider.restarted_at and provider.restarted_at != start.restarted_at:
        return CALM
    return Conditions(failing_shares={SLOW_PROVIDER: SILENT_SHARE}, vision_circuit=1.0)


def _not_ready(cluster: ClusterView, start: Start) -> Conditions:
    return Conditions(not_ready=("models",))


def _bad_deploy(cluster: ClusterView, start: Start) -> Conditions:
    api = cluster.deployment(API)
    return Conditions(error_share=0.08) if api is not None and api.image.endswith(f":{BAD_IMAGE_TAG}") else CALM


def _memory_pressure(cluster: ClusterView, start: Start) -> Conditions:
    api = cluster.deployment(API)
    if api is not None and min(api.desired, api.ready) >= ENOUGH_API_REPLICAS:
        return CALM
    return Conditions(memory_shares={API: 0.92})


def _queue_backlog(cluster: ClusterView, start: Start) -> Conditions:
    worker = cluster.deployment(WORKER)
    if worker is not None and min(worker.desired, worker.ready) >= ENOUGH_WORKERS:
        return CALM
    return Conditions(backlog=460.0)


SCENARIOS: tuple[Scenario, ...] = (
    Scenario("calm", "no fault", "", _calm),
    Scenario(
        "provider-timeout",
        f"the OCR provider {SLOW_PROVIDER} times out until it is restarted",
        "ProviderTimeout",
        _provider_timeout,
        Fix("restart", f"deployment/{SLOW_DEPLOYMENT}", {}, "provider_health"),
    ),
    Scenario(
        "bad-deploy",
        f"{API} was rolled out from {GOOD_IMAGE_TAG} to {BAD_IMAGE_TAG}, and 8 % of all requests fail until it is rolled back",
        "HighErrorRate",
        _bad_deploy,
        Fix("rollback", f"deployment/{API}", {"revision": "1"}, "error_ratio"),
        rolls_out_bad_image=True,
        new_line="result schema v2 not understood",
    ),
    Scenario(
        "memory-pressure",
        f"{API} runs into its memory limit until it has {ENOUGH_API_REPLICAS} replicas",
        "HighMemoryUsage",
        _memory_pressure,
        Fix("scale", f"deployment/{API}", {"replicas": str(ENOUGH_API_REPLICAS)}, "memory"),
    ),
    Scenario(
        "queue-backlog",
        f"deduplication jobs pile up until {WORKER} has {ENOUGH_WORKERS} replicas",
        "QueueBacklog",
        _queue_backlog,
        Fix("scale", f"deployment/{WORKER}", {"replicas": str(ENOUGH_WORKERS)}, "queue_depth"),
    ),
    Scenario(
        "silent-failure",
        f"{100 * SILENT_SHARE:.0f} % of the requests to the OCR provider {SLOW_PROVIDER} fail without an error status, "
        "until it is restarted",
        "ProviderDown",
        _silent_failure,
        Fix("restart", f"deployment/{SLOW_DEPLOYMENT}", {}, "provider_health"),
        fault_seconds=RAW_SECONDS,
    ),
    Scenario(
        "foreign-rules",
        "the same failure, with foreign rules in Prometheus: our names, other meanings",
        "",
        _silent_failure,
        rules=(RuleSet.FOREIGN,),
        fault_seconds=RAW_SECONDS,
    ),
    Scenario(
        "two-rule-sets",
        "foreign rules loaded beside ours: two groups record one name",
        "",
        _calm,
        rules=(RuleSet.OURS, RuleSet.FOREIGN),
    ),
    Scenario("not-ready", "/ready answers 503: a model is missing, while /health says healthy", "", _not_ready),
    Scenario("quiet", "no traffic at all: every ratio is empty", "", _quiet),
)


def scenario(name: str) -> Scenario:
    """The scenario of this name. Raises KeyError, which lists the names."""
    for item in SCENARIOS:
        if item.name == name:
            return item
    raise KeyError(f"no scenario {name}; known: {', '.join(item.name for item in SCENARIOS)}")
