"""The stories the demo can play: what goes wrong, which alert it raises, and what ends it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Protocol

from queries.model.action import ActionCall

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
"""The five minutes of the raw expressions, and a little more."""


class DeploymentView(Protocol):
    """What the simulated platform sees of one Deployment; `restarted_at` is empty where it was never restarted."""

    @property
    def image(self) -> str: ...

    @property
    def desired(self) -> int: ...

    @property
    def ready(self) -> int: ...

    @property
    def restarted_at(self) -> str: ...


class ClusterView(Protocol):
    """What the simulated platform runs on; None where there is no such Deployment (or it cannot be asked now)."""

    def deployment(self, name: str) -> DeploymentView | None: ...

    def pods(self, name: str) -> tuple[tuple[str, bool], ...]:
        """The names of its pods, and whether each is ready."""
        ...


class RuleSet(StrEnum):
    """The rules that a scenario's Prometheus loads."""

    OURS = "ours"
    FOREIGN = "foreign"
    """Somebody else's, under the same names: foreign_rules.yaml."""


_NOTHING: Mapping[str, float] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Conditions:
    """What the platform suffers at this moment. Shares are 0..1; the simulator eases from one state to the next.

    `error_share` is added to every service, `timeout_shares` and `failing_shares` (requests that get a wrong answer) to single
    OCR providers; `circuits` hold 0, 1 or 2 by provider, as ocr_circuit_state codes them, `vision_circuit` as that of
    DedupCAD Vision does; `memory_shares` are of the limit, by deployment; `backlog` is the queue depth that things drift to,
    in jobs; `not_ready` are the checks of /ready that fail.
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
    """How things stood when the story began: what a later state is compared with."""

    restarted_at: str = ""


@dataclass(frozen=True, slots=True)
class Fix(ActionCall):
    """The action that ends the story, as `cad-console act` would name it."""

    panel_id: str = ""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One story. `alert` is the name of the alert it raises, empty where it raises none.

    `trouble_seconds` is how long the trouble has been there when the servers start: longer than 22 where the console reads
    raw expressions, whose windows are not shortened for the demo.
    """

    name: str
    says: str
    alert: str
    conditions: Callable[[ClusterView, Start], Conditions]
    remedy: Fix | None = None
    rolls_out_bad_image: bool = False
    rules: tuple[RuleSet, ...] = (RuleSet.OURS,)
    trouble_seconds: float = 22.0


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
    Scenario("calm", "everything is well", "", _calm),
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
        f"{100 * SILENT_SHARE:.0f} % of the requests to the OCR provider {SLOW_PROVIDER} fail, which no status says, "
        "until it is restarted",
        "ProviderDown",
        _silent_failure,
        Fix("restart", f"deployment/{SLOW_DEPLOYMENT}", {}, "provider_health"),
        trouble_seconds=RAW_SECONDS,
    ),
    Scenario(
        "foreign-rules",
        "the same failure, and the rules that Prometheus has are somebody else's: our names, other meanings",
        "",
        _silent_failure,
        rules=(RuleSet.FOREIGN,),
        trouble_seconds=RAW_SECONDS,
    ),
    Scenario(
        "two-rule-sets",
        "somebody else's rules were loaded beside ours: two groups record one name",
        "",
        _calm,
        rules=(RuleSet.OURS, RuleSet.FOREIGN),
    ),
    Scenario("not-ready", "/ready answers 503: a model is missing, while /health says healthy", "", _not_ready),
    Scenario("quiet", "no traffic at all: every ratio is empty", "", _quiet),
)


def scenario(name: str) -> Scenario:
    """The scenario of this name. Raises KeyError with the names there are."""
    for item in SCENARIOS:
        if item.name == name:
            return item
    raise KeyError(f"no scenario {name}; there are {', '.join(item.name for item in SCENARIOS)}")
