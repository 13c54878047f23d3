"""The self-check as a whole: asks everything at once, and has each area judged by its own check."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from console.checks import contract, error_codes, platform, rule_evaluation, servers, watchdog
from console.checks.contract_probe import StoredFacts, in_exposition, in_prometheus, stored_facts
from console.checks.result import API, METRICS, CheckResult, Result, in_order
from console.config.settings import Settings
from queries.alertmanager import Alertmanager
from queries.catalogue.contract import PLATFORM, ContractMetric, load_contract
from queries.catalogue.error_codes import load_taxonomy, use_team_codes
from queries.catalogue.exposition import Exposition
from queries.errors import NotConfigured, SourceError
from queries.http.endpoint import Endpoint
from queries.model.fault import Fault
from queries.model.platform import PlatformHealth
from queries.model.rule import RuleGroup, RuleKind
from queries.model.series import Sample
from queries.model.text import visible
from queries.platform.client import Platform
from queries.prometheus.client import Prometheus
from queries.prometheus.code_counts import Counts, exposed_codes
from queries.prometheus.metadata import Discovery
from queries.prometheus.query_batch import BatchQuery, QueryBatch
from queries.promql.rule_files import load_built_in
from queries.redis_ping import ping

T = TypeVar("T")
_METRICS_PATH = "/metrics"


@dataclass(frozen=True, slots=True)
class ApiProbe:
    """What the platform's own API says."""

    health: PlatformHealth | None = None
    health_fault: Fault | None = None
    exposed: Exposition | None = None
    exposed_fault: Fault | None = None
    ahead_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class MetricsProbe:
    """What Prometheus has of the contract: the facts, or why there are none."""

    facts: StoredFacts | None = None
    fault: Fault | None = None


async def examine(settings: Settings, *, strict: bool, metrics_url: str = "") -> tuple[CheckResult, ...]:
    """Every area in its order. Everything is looked at, also after a failure; what cannot be looked at is skipped."""
    use_team_codes(settings.error_codes)
    looked, of_redis, of_prometheus, of_peers, of_heartbeat = await asyncio.gather(
        _api(settings, metrics_url),
        _redis(settings, strict=strict),
        _prometheus(settings, strict=strict),
        _peers(settings),
        _heartbeat(settings),
    )
    metrics, around, prometheus_clock = of_prometheus
    peers, peer_clocks = of_peers
    clocks = [*([("platform", looked.ahead_seconds)] if looked.ahead_seconds is not None else []), *prometheus_clock]
    return in_order(
        (
            platform.api(looked.health_fault),
            *platform.health(looked.health, looked.health_fault, strict=strict),
            of_redis,
            *contract_results(looked, metrics, strict=strict, window_seconds=settings.error_codes_window_seconds),
            *around,
            *peers,
            of_heartbeat,
            *servers.clocks([*clocks, *peer_clocks]),
        )
    )


async def examine_contract(settings: Settings, *, strict: bool, metrics_url: str = "") -> tuple[CheckResult, ...]:
    """Only the metrics, the contract and the mapping; where no API is configured, Prometheus alone is judged."""
    use_team_codes(settings.error_codes)
    looked, (metrics, _, _) = await asyncio.gather(
        _api(settings, metrics_url), _prometheus(settings, strict=strict, rest=False)
    )
    reachable = platform.api(looked.health_fault)
    if settings.platform is None and settings.prometheus is not None:
        reachable = CheckResult("api", "reachable", Result.SKIPPED, "the platform's API is not configured", API)
    window = settings.error_codes_window_seconds
    return in_order((reachable, *contract_results(looked, metrics, strict=strict, window_seconds=window)))


def contract_results(
    looked: ApiProbe, metrics: MetricsProbe, *, strict: bool, window_seconds: float
) -> tuple[CheckResult, ...]:
    """The metrics areas, the contract and the mapping, from both places as far as they answered."""
    held, taxonomy = load_contract(), load_taxonomy()
    exposed, facts = looked.exposed, metrics.facts
    ours = {name for item in held.metrics if item.exporter == PLATFORM for name in item.series}
    basic = (
        platform.metrics(metrics.fault, facts.names & ours if facts else ()),
        platform.exporter(len(exposed.types) if exposed else None, looked.exposed_fault),
    )
    empty = facts is None or not facts.names & ours
    if empty and exposed is None:
        return (
            *basic,
            CheckResult("contract", "metrics", Result.SKIPPED, "there is no place to look at them", METRICS),
            CheckResult("mapping", "codes", Result.SKIPPED, "there is no place to look at them", METRICS),
        )
    counted: Counts | Fault = {}
    if facts is not None:
        counted = facts.codes
    elif exposed is not None:
        counted = exposed_codes(taxonomy, exposed, start=time.time() - window_seconds)
    return (
        *basic,
        *(contract.metric(item, _seen(item, exposed, facts), strict=strict) for item in held.metrics),
        *error_codes.mapping(taxonomy, counted, window_seconds=window_seconds),
    )


def _seen(item: ContractMetric, exposed: Exposition | None, facts: StoredFacts | None) -> tuple[contract.MetricSeen, ...]:
    found = []
    if exposed is not None and item.exporter == PLATFORM:
        found.append(in_exposition(item, exposed))
    if facts is not None:
        found.append(in_prometheus(item, facts))
    return tuple(found)


async def _api(settings: Settings, metrics_url: str) -> ApiProbe:
    """Health first: where it does not answer at all, the exporter behind the same address is not asked."""
    if settings.platform is None:
        missing = NotConfigured("the platform's API is not configured", hint="set CAD_ML_API_URL or --api-url").fault
        exposed, exposed_fault = await _exporter(metrics_url) if metrics_url else (None, None)
        return ApiProbe(None, missing, exposed, exposed_fault)
    api = Platform(settings.platform)
    try:
        health, fault = await _tried(api.health(whole=True))
        lost = platform.unconnected(fault)
        if metrics_url:
            exposed, exposed_fault = await _exporter(metrics_url)
        elif lost:
            exposed, exposed_fault = None, None
        else:
            exposed, exposed_fault = await _tried(api.metrics())
        return ApiProbe(health, fault, exposed, exposed_fault, None if lost else api.ahead_seconds)
    finally:
        await api.close()


async def _exporter(url: str) -> tuple[Exposition | None, Fault | None]:
    """An exporter with an address of its own."""
    exporter = Platform(Endpoint(url.rstrip("/").removesuffix(_METRICS_PATH)))
    try:
        return await _tried(exporter.metrics())
    finally:
        await exporter.close()


async def _redis(settings: Settings, *, strict: bool) -> CheckResult:
    if settings.redis is None:
        return platform.redis(None, None, strict=strict)
    return platform.redis(*await _tried(ping(settings.redis)), strict=strict)


async def _peers(settings: Settings) -> tuple[tuple[CheckResult, ...], list[tuple[str, float]]]:
    alertmanager = Alertmanager(settings.alertmanagers)
    try:
        peers = await alertmanager.statuses()
    finally:
        await alertmanager.close()
    return servers.alertmanager(peers), [(peer.where, peer.ahead_seconds) for peer in peers if peer.fault is None]


async def _heartbeat(settings: Settings) -> CheckResult:
    """Whether the alert that always fires in Prometheus is there in Alertmanager."""
    if settings.prometheus is None or not settings.alertmanagers:
        return watchdog.skipped("it takes Prometheus and an Alertmanager")
    prometheus, alertmanager, name = (
        Prometheus(settings.prometheus),
        Alertmanager(settings.alertmanagers),
        settings.heartbeat_alert,
    )
    try:
        (rules, fault), (state, _) = await asyncio.gather(_tried(prometheus.rules()), _tried(alertmanager.state()))
    finally:
        await asyncio.gather(prometheus.close(), alertmanager.close())
    if rules is None or state is None:
        return watchdog.skipped(f"{'Prometheus' if fault else 'Alertmanager'} does not answer")
    (fired, _), (arrived, _) = watchdog.apart(name, rules.alerts), watchdog.apart(name, state.alerts)
    return watchdog.check(
        name, watchdog.heartbeat(name, rules.rules, fired, arrived), now=time.time() + prometheus.ahead_seconds
    )


async def _prometheus(
    settings: Settings, *, strict: bool, rest: bool = True
) -> tuple[MetricsProbe, tuple[CheckResult, ...], list[tuple[str, float]]]:
    """The facts of the contract; with `rest` also targets and rules, and how far the clock is off."""
    if settings.prometheus is None:
        missing = NotConfigured("Prometheus is not configured", hint="set PROMETHEUS_URL or --prometheus-url")
        return MetricsProbe(fault=missing.fault), _skipped("Prometheus is not configured") if rest else (), []
    prometheus, discovery = Prometheus(settings.prometheus), Discovery(settings.prometheus)
    try:
        found = await stored_facts(
            load_contract(),
            load_taxonomy(),
            prometheus,
            discovery,
            window_seconds=settings.error_codes_window_seconds,
        )
        if isinstance(found, Fault):
            return MetricsProbe(fault=found), _skipped("Prometheus does not answer") if rest else (), []
        around = await _around(settings, prometheus, discovery, strict=strict) if rest else ()
        return MetricsProbe(found), around, [(prometheus.where, prometheus.ahead_seconds)]
    finally:
        discovery.close()
        await prometheus.close()


def _skipped(told: str) -> tuple[CheckResult, ...]:
    return tuple(
        CheckResult(area, name, Result.SKIPPED, told, METRICS)
        for area, name in (("targets", "up"), ("rules", "loaded"), ("recording", "fresh"))
    )


async def _around(settings: Settings, prometheus: Prometheus, discovery: Discovery, *, strict: bool) -> tuple[CheckResult, ...]:
    """Targets, rules and recorded series."""
    (found, fault), (groups, rules_fault) = await asyncio.gather(_tried(discovery.targets()), _tried(prometheus.rule_groups()))
    jobs = await _jobs(prometheus)
    of_targets = servers.targets(found or (), fault, namespace=settings.namespace, jobs=jobs, strict=strict)
    if groups is None:
        told = visible(rules_fault.sentence()) if rules_fault else "no answer"
        return (*of_targets, CheckResult("rules", "loaded", Result.FAILED, told, METRICS))
    now = time.time() + prometheus.ahead_seconds
    wanted = set() if settings.own.rules else {placed.rule.name for file in load_built_in() for placed in file.rules}
    own = await asyncio.to_thread(_own_rules, settings, groups, strict=strict) if settings.own.rules else ()
    stamps, stamps_fault = await _stamps(prometheus, groups)
    return (
        *of_targets,
        *rule_evaluation.rules(groups, wanted, now=now, strict=strict),
        *await _meanings(settings, prometheus, groups, strict=strict),
        *own,
        *rule_evaluation.recording(groups, stamps, stamps_fault, now=now),
    )


async def _meanings(
    settings: Settings, prometheus: Prometheus, groups: Sequence[RuleGroup], *, strict: bool
) -> tuple[CheckResult, ...]:
    """What the loaded rules record against what ours do."""
    from queries.promql.rule_templates import our_recordings  # noqa: PLC0415

    prometheus.windows = dict(settings.rule_windows)
    book = await prometheus.match_rules(groups)
    return rule_evaluation.meanings(groups, book, our_recordings(), strict=strict)


def _own_rules(settings: Settings, groups: Sequence[RuleGroup], *, strict: bool) -> tuple[CheckResult, ...]:
    """What is loaded against the files of the config's `rules`."""
    from console.checks.expected import expected  # noqa: PLC0415  # the parser of PromQL, only where there are such files
    from console.config.expected_rules import expected_rules  # noqa: PLC0415
    from queries.promql.syntax import same_expression  # noqa: PLC0415

    return expected(expected_rules(settings), groups, same_expression, strict=strict)


async def _jobs(prometheus: Prometheus) -> frozenset[str]:
    """The jobs that have brought series of the platform within the last hour, also while they are down."""
    promised = "|".join(name for item in load_contract().metrics if item.exporter == PLATFORM for name in item.series)
    answer, _ = await _tried(prometheus.query(f'group by (job) (last_over_time({{__name__=~"{promised}"}}[1h]))'))
    return frozenset(sample.label("job") for sample in answer.samples) if answer else frozenset()


async def _stamps(prometheus: Prometheus, groups: Sequence[RuleGroup]) -> tuple[dict[str, float], Fault | None]:
    """Unix seconds of the youngest sample of every recorded series, by name."""
    names = sorted({rule.name for group in groups for rule in group.rules if rule.kind is RuleKind.RECORD})

    async def ask(text: str) -> tuple[Sequence[Sample], Sequence[str]]:
        answer = await prometheus.query(text)
        return answer.samples, answer.warnings

    joined: QueryBatch[Sample] = QueryBatch(ask, clock=time.monotonic)
    try:
        answer = await joined.fetch([BatchQuery(name, f'max(timestamp({{__name__="{name}"}}))') for name in names])
    except SourceError as error:
        return {}, error.fault
    for fault in answer.faults.values():
        return {}, fault
    return {name: max(item.value for item in items) for name, items in answer.items.items() if items}, None


async def _tried(asking: Awaitable[T]) -> tuple[T | None, Fault | None]:
    try:
        return await asking, None
    except SourceError as error:
        return None, error.fault
