"""The whole self-check: reads every server at once, then checks area by area."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Mapping, Sequence
from typing import TypeVar

from console.checks import contract, error_codes, platform, rule_evaluation, servers, watchdog
from console.checks.contract_probe import StoredMetrics, fetch_stored_metrics, observe_in_exposition, observe_in_prometheus
from console.checks.result import API, METRICS, CheckResult, Result, sort_by_area
from console.config.missing import missing_server
from console.config.settings import Settings
from queries.alertmanager import Alertmanager
from queries.catalogue.contract import PLATFORM, ContractMetric, load_contract
from queries.catalogue.error_codes import load_taxonomy, use_team_codes
from queries.catalogue.exposition import Exposition
from queries.errors import SourceError
from queries.http.endpoint import Endpoint
from queries.model.annotations import Annotations
from queries.model.fault import Fault, FaultKind
from queries.model.frozen import dataclass
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
from queries.text.durations import format_duration

T = TypeVar("T")
_METRICS_PATH = "/metrics"


@dataclass(frozen=True, slots=True)
class ApiProbe:
    """What the platform's own API returned."""

    health: PlatformHealth | None = None
    health_fault: Fault | None = None
    exposed: Exposition | None = None
    exposed_fault: Fault | None = None
    ahead_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class MetricsProbe:
    """What Prometheus stores of the contract's metrics, or why that is unknown."""

    facts: StoredMetrics | None = None
    fault: Fault | None = None


async def run_self_check(settings: Settings, *, strict: bool, metrics_url: str = "") -> tuple[CheckResult, ...]:
    """Every area in order. A failure does not stop the others; what cannot be checked is skipped."""
    use_team_codes(settings.error_codes)
    api, redis_result, (metrics, around, prometheus_clock), (peers, peer_clocks), watchdog_result = await asyncio.gather(
        _probe_api(settings, metrics_url),
        _check_redis(settings, strict=strict),
        _probe_prometheus(settings, strict=strict),
        _check_peers(settings),
        _check_watchdog(settings),
    )
    clocks = [*([("platform", api.ahead_seconds)] if api.ahead_seconds is not None else []), *prometheus_clock]
    return sort_by_area(
        (
            platform.check_api(api.health_fault),
            *platform.check_health(api.health, api.health_fault, strict=strict),
            redis_result,
            *check_contract(api, metrics, strict=strict, window_seconds=settings.error_codes_window_seconds),
            *around,
            *peers,
            watchdog_result,
            *servers.check_clocks([*clocks, *peer_clocks]),
        )
    )


async def run_contract_check(settings: Settings, *, strict: bool, metrics_url: str = "") -> tuple[CheckResult, ...]:
    """Only the metrics, the contract and the mapping; without a configured API, only Prometheus is checked."""
    use_team_codes(settings.error_codes)
    api, (metrics, _, _) = await asyncio.gather(
        _probe_api(settings, metrics_url), _probe_prometheus(settings, strict=strict, contract_only=True)
    )
    reachable = platform.check_api(api.health_fault)
    if settings.platform is None and settings.prometheus is not None:
        reachable = CheckResult("api", "reachable", Result.SKIPPED, "the platform's API is not configured", API)
    window = settings.error_codes_window_seconds
    return sort_by_area((reachable, *check_contract(api, metrics, strict=strict, window_seconds=window)))


def check_contract(api: ApiProbe, metrics: MetricsProbe, *, strict: bool, window_seconds: float) -> tuple[CheckResult, ...]:
    """The metrics areas, the contract and the mapping, from exporter and Prometheus as far as they responded."""
    loaded, taxonomy = load_contract(), load_taxonomy()
    exposed, facts = api.exposed, metrics.facts
    platform_names = {name for item in loaded.metrics if item.exporter == PLATFORM for name in item.series}
    basic = (
        platform.check_metrics(metrics.fault, facts.names & platform_names if facts else ()),
        platform.check_exporter(len(exposed.types) if exposed else None, api.exposed_fault),
    )
    empty = facts is None or not facts.names & platform_names
    if empty and exposed is None:
        return (
            *basic,
            CheckResult("contract", "metrics", Result.SKIPPED, "neither the exporter nor Prometheus has series", METRICS),
            CheckResult("mapping", "codes", Result.SKIPPED, "neither the exporter nor Prometheus has series", METRICS),
        )
    counted: Counts | Fault = {}
    if facts is not None:
        counted = facts.codes
    elif exposed is not None:
        counted = exposed_codes(taxonomy, exposed, start=time.time() - window_seconds)
    return (
        *basic,
        *(contract.check_metric(item, _observe(item, exposed, facts), strict=strict) for item in loaded.metrics),
        *error_codes.check_mapping(taxonomy, counted, window_seconds=window_seconds),
    )


def _observe(
    item: ContractMetric, exposed: Exposition | None, facts: StoredMetrics | None
) -> tuple[contract.MetricObservation, ...]:
    observations = []
    if exposed is not None and item.exporter == PLATFORM:
        observations.append(observe_in_exposition(item, exposed))
    if facts is not None:
        observations.append(observe_in_prometheus(item, facts))
    return tuple(observations)


async def _probe_api(settings: Settings, metrics_url: str) -> ApiProbe:
    """Health first: without a connection, the exporter at the same address is not queried."""
    if settings.platform is None:
        missing = missing_server("the platform's API").fault
        exposed, exposed_fault = await _probe_exporter(metrics_url) if metrics_url else (None, None)
        return ApiProbe(None, missing, exposed, exposed_fault)
    client = Platform(settings.platform)
    try:
        health, fault = await _catch(client.health(whole=True))
        unreachable = platform.is_unreachable(fault)
        if metrics_url:
            exposed, exposed_fault = await _probe_exporter(metrics_url)
        elif unreachable:
            exposed, exposed_fault = None, None
        else:
            exposed, exposed_fault = await _catch(client.metrics())
        return ApiProbe(health, fault, exposed, exposed_fault, None if unreachable else client.ahead_seconds)
    finally:
        await client.close()


async def _probe_exporter(url: str) -> tuple[Exposition | None, Fault | None]:
    """An exporter with its own address."""
    exporter = Platform(Endpoint(url.rstrip("/").removesuffix(_METRICS_PATH)))
    try:
        return await _catch(exporter.metrics())
    finally:
        await exporter.close()


async def _check_redis(settings: Settings, *, strict: bool) -> CheckResult:
    if settings.redis is None:
        return platform.check_redis(None, None, strict=strict)
    return platform.check_redis(*await _catch(ping(settings.redis)), strict=strict)


async def _check_peers(settings: Settings) -> tuple[tuple[CheckResult, ...], list[tuple[str, float]]]:
    alertmanager = Alertmanager(settings.alertmanagers)
    try:
        peers = await alertmanager.statuses()
    finally:
        await alertmanager.close()
    return servers.check_alertmanager(peers), [(peer.where, peer.ahead_seconds) for peer in peers if peer.fault is None]


async def _check_watchdog(settings: Settings) -> CheckResult:
    """Whether the alert that always fires in Prometheus is listed by Alertmanager."""
    if settings.prometheus is None or not settings.alertmanagers:
        return watchdog.skip("needs Prometheus and an Alertmanager")
    prometheus, alertmanager, name = (
        Prometheus(settings.prometheus),
        Alertmanager(settings.alertmanagers),
        settings.heartbeat_alert,
    )
    try:
        (rules, fault), (state, _) = await asyncio.gather(_catch(prometheus.rules()), _catch(alertmanager.state()))
    finally:
        await asyncio.gather(prometheus.close(), alertmanager.close())
    if rules is None or state is None:
        return watchdog.skip(f"{'Prometheus' if fault else 'Alertmanager'} does not respond")
    (fired, _), (arrived, _) = watchdog.Partition(name)(rules.alerts), watchdog.Partition(name)(state.alerts)
    return watchdog.check(
        name, watchdog.watchdog_state(name, rules.rules, fired, arrived), now=time.time() + prometheus.ahead_seconds
    )


async def _probe_prometheus(
    settings: Settings, *, strict: bool, contract_only: bool = False
) -> tuple[MetricsProbe, tuple[CheckResult, ...], list[tuple[str, float]]]:
    """The contract's metrics, then targets and rules, and the clock's offset."""
    if settings.prometheus is None:
        missing = missing_server("Prometheus")
        return MetricsProbe(fault=missing.fault), () if contract_only else _skipped("Prometheus is not configured"), []
    prometheus, discovery = Prometheus(settings.prometheus), Discovery(settings.prometheus)
    try:
        found = await fetch_stored_metrics(
            load_contract(),
            load_taxonomy(),
            prometheus,
            discovery,
            window_seconds=settings.error_codes_window_seconds,
        )
        if isinstance(found, Fault):
            why = found.what if found.kind is FaultKind.PARTIAL else "Prometheus does not respond"
            return MetricsProbe(fault=found), () if contract_only else _skipped(visible(why)), []
        around = () if contract_only else await _check_around(settings, prometheus, discovery, strict=strict)
        return MetricsProbe(found), around, [(prometheus.where, prometheus.ahead_seconds)]
    finally:
        discovery.close()
        await prometheus.close()


def _skipped(reason: str) -> tuple[CheckResult, ...]:
    return tuple(
        CheckResult(area, name, Result.SKIPPED, reason, METRICS)
        for area, name in (("targets", "up"), ("rules", "loaded"), ("recording", "fresh"))
    )


async def _check_around(
    settings: Settings, prometheus: Prometheus, discovery: Discovery, *, strict: bool
) -> tuple[CheckResult, ...]:
    """Targets, rules and recorded series."""
    (found, fault), (groups, rules_fault) = await asyncio.gather(_catch(discovery.targets()), _catch(prometheus.rule_groups()))
    jobs, jobs_fault = await _platform_jobs(prometheus)
    jobs_error = jobs_fault.sentence() if jobs_fault else ""
    target_results = servers.check_scrape_targets(
        found or (), fault, namespace=settings.namespace, jobs=jobs, strict=strict, jobs_error=jobs_error
    )
    if groups is None:
        error = visible(rules_fault.sentence()) if rules_fault else "no response"
        return (*target_results, CheckResult("rules", "loaded", Result.FAILED, error, METRICS))
    now = time.time() + prometheus.ahead_seconds
    expected = set() if settings.own.rules else {placed.rule.name for file in load_built_in() for placed in file.rules}
    own = await asyncio.to_thread(_check_own_rules, settings, groups, strict=strict) if settings.own.rules else ()
    elsewhere, _ = (None, None) if groups else await _catch(prometheus.explain_missing_rules())
    names = sorted({rule.name for group in groups for rule in group.rules if rule.kind is RuleKind.RECORD})
    stamps, stamps_fault = await _last_samples(prometheus, dict.fromkeys(names, 0.0))
    late = rule_evaluation.old_series(groups, stamps, now=now)
    before, _ = await _last_samples(prometheus, late) if late else ({}, None)
    return (
        *target_results,
        *rule_evaluation.check_rules(groups, expected, now=now, strict=strict, elsewhere=elsewhere or ""),
        *await _check_meanings(settings, prometheus, groups, strict=strict),
        *own,
        *rule_evaluation.check_recorded_series(groups, stamps, stamps_fault, now=now, before=before),
    )


async def _check_meanings(
    settings: Settings, prometheus: Prometheus, groups: Sequence[RuleGroup], *, strict: bool
) -> tuple[CheckResult, ...]:
    """The meaning of the loaded rules against ours."""
    from queries.promql.our_rules import our_recordings  # noqa: PLC0415  # the parser of PromQL

    prometheus.windows = dict(settings.rule_windows)
    book = await prometheus.match_rules(groups)
    return rule_evaluation.check_meanings(groups, book, our_recordings(), strict=strict)


def _check_own_rules(settings: Settings, groups: Sequence[RuleGroup], *, strict: bool) -> tuple[CheckResult, ...]:
    """The loaded rules against the files of the config's `rules`."""
    from console.checks.expected import compare_rules  # noqa: PLC0415  # the parser of PromQL, only where there are such files
    from console.config.expected_rules import expected_rules  # noqa: PLC0415  # as above
    from queries.promql.syntax import same_expression  # noqa: PLC0415  # as above

    return compare_rules(expected_rules(settings), groups, same_expression, strict=strict)


async def _platform_jobs(prometheus: Prometheus) -> tuple[frozenset[str], Fault | None]:
    """The jobs with series of the platform in the last hour, even if they are down now, and why they could not be read."""
    names = "|".join(name for item in load_contract().metrics if item.exporter == PLATFORM for name in item.series)
    answer, fault = await _catch(prometheus.query(f'group by (job) (last_over_time({{__name__=~"{names}"}}[1h]))'))
    return frozenset(sample.label("job") for sample in answer.samples) if answer else frozenset(), fault


async def _last_samples(prometheus: Prometheus, back: Mapping[str, float]) -> tuple[dict[str, float], Fault | None]:
    """Unix seconds of the newest sample of every recorded series, by name; `back` is how many seconds to look back."""

    async def query(text: str) -> tuple[Sequence[Sample], Annotations]:
        answer = await prometheus.query(text)
        return answer.samples, answer.annotations

    batch: QueryBatch[Sample] = QueryBatch(query, clock=time.monotonic)
    parts = [BatchQuery(name, f'max(timestamp({{__name__="{name}"}}{_offset(seconds)}))') for name, seconds in back.items()]
    try:
        answer = await batch.fetch(parts)
    except SourceError as error:
        return {}, error.fault
    for fault in answer.faults.values():
        return {}, fault
    return {name: max(item.value for item in items) for name, items in answer.items.items() if items}, None


def _offset(seconds: float) -> str:
    return f" offset {format_duration(seconds)}" if seconds else ""


async def _catch(call: Awaitable[T]) -> tuple[T | None, Fault | None]:
    try:
        return await call, None
    except SourceError as error:
        return None, error.fault
