"""Backfills a week of recorded series and counters into the embedded Prometheus before it starts."""

from __future__ import annotations

import functools
import subprocess
from collections.abc import Iterator
from pathlib import Path

from console.demo import traffic
from console.demo.exposition import bucket_bounds
from console.demo.scenarios import RuleSet
from console.demo.simulator import WORKLOADS, Simulator
from queries.text.durations import format_duration

DAYS = 7.0
_HOUR = 3600.0
_TIERS = ((DAYS * 24 * _HOUR, 300.0), (24 * _HOUR, 120.0), (2 * _HOUR, 60.0))
"""Start before now and step of each tier, in seconds. At most 300: Prometheus looks back five minutes.

`sample_times` adds a last tier as dense as the live scrapes, so that the first evaluation sees full windows; the
fault starts in it.
"""

_WEEK = (
    "ocr_requests_total",
    "vision_requests_total",
    "ocr_processing_duration_seconds",
    "vision_processing_duration_seconds",
    "dedup2d_job_queue_depth",
)
_DAY = (
    *_WEEK,
    "container_cpu_usage_seconds_total",
    "container_memory_working_set_bytes",
    "kube_pod_container_resource_limits",
)
"""The families that long rules and windows read raw; the others cover the last two hours only."""


class HistoryFailed(Exception):
    """promtool rejected the history; the message is its reason."""


def write_history(simulator: Simulator, path: Path, *, now: float, target_labels: str) -> None:
    """Runs the simulator up to `now` and writes the samples that a Prometheus would have stored, as OpenMetrics."""
    fault_seconds, rules = simulator.scenario.fault_seconds, simulator.scenario.rules
    with simulator.past(), path.open("w") as file:
        lines: list[str] = []
        for at, names in sample_times(now, fault_seconds):
            live = at > now - fault_seconds - 1.0
            if live:
                simulator.replay(at)
            else:
                simulator.advance(at)
            # Without it NoMetricsData would fire until the first scrape, at least five seconds after the start.
            lines.append(f"up{{{target_labels}}} 1 {at:.3f}")
            for series, value in simulator.metrics.samples(names):
                if names and "_bucket{" in series and 'le="2.0"' not in series:
                    continue  # older queries read only the objective's bucket
                lines.append(f"{_with(series, target_labels)} {value} {at:.3f}")
            for name, labels, number in () if live or RuleSet.OURS not in rules else recorded_samples(simulator, at):
                braces = f"{{{labels}}}" if labels else ""
                lines.append(f"{name}{braces} {number:.9g} {at:.3f}")
            if len(lines) > 20000:
                file.write("\n".join(lines) + "\n")
                lines.clear()
        file.write("\n".join([*lines, "# EOF"]) + "\n")


def sample_times(now: float, fault_seconds: float) -> Iterator[tuple[float, tuple[str, ...]]]:
    """The sample times up to just before `now`, denser towards it, with the families to write (empty for all)."""
    tiers = (*_TIERS, (fault_seconds, 2.0))
    ends = [start for start, _ in tiers[1:]] + [0.5]
    for (start, step), end, names in zip(tiers, ends, (_WEEK, _DAY, (), ()), strict=True):
        at = now - start
        while at < now - end:
            yield at, names
            at += step


def recorded_samples(simulator: Simulator, at: float) -> Iterator[tuple[str, str, float]]:
    """The recorded series (name, labels, value), as queries/rules/recording.yaml computes them from the same state."""
    if not simulator.has_traffic:
        return
    seed = simulator.seed
    error_percent = 100.0 * simulator.base_errors()
    total = sum(traffic.per_second(seed, provider, at) for provider in traffic.PROVIDERS)
    yield "platform_requests_per_second", "", total
    yield "platform_error_ratio", "", error_percent
    yield "ocr_error_ratio", "", error_percent
    yield "vision_error_ratio", "", error_percent
    yield "circuit_breaker_open_ratio", "", 0.0
    for provider in traffic.PROVIDERS:
        labels = f'provider="{provider.name}"'
        yield "provider_success_rate", labels, 100.0 - error_percent
        yield "provider_health_score", labels, 0.7 * (100.0 - error_percent) + 30.0
        slower = 1.0 + 0.05 * traffic.noise(seed, f"p95 {provider.name}", at)
        edges = bucket_bounds(f"{provider.service}_processing_duration_seconds")
        p95 = traffic.p95(edges, traffic.shares_below(provider, edges)) * slower
        yield f"{provider.service}_p95_latency_seconds", labels, p95
        if provider.service == "ocr":
            yield "provider_timeout_rate", labels, 0.0
    yield from _recorded_quality(at)
    yield "ocr_cache_hit_ratio", "", traffic.CACHE_HIT_SHARE * (100.0 - error_percent)
    yield "cad:analysis_success_rate:5m", "", 100.0 - error_percent
    yield "cad:feature_cache_hit_rate:1h", "", 86.0 + 3.0 * traffic.noise(seed, "cache", at)
    yield "cad:classification_cache_hit_rate:1h", "", 72.0
    yield "slo_latency_compliance", "", 100.0 * _share_within_objective()
    availability = 100.0 * (1.0 - simulator.mean_error_share())
    yield "slo_availability", "", availability
    yield "error_budget_remaining", "", 100.0 * (1.0 - (100.0 - availability) / (100.0 - traffic.OBJECTIVE_PERCENT))
    for deployment in WORKLOADS:
        labels = f'namespace="{simulator.namespace}",deployment="{deployment}"'
        yield "cad:cpu_utilisation:5m", labels, 100.0 * simulator.cpu_share(deployment, at)
        yield "cad:memory_utilisation", labels, 100.0 * simulator.memory_share(deployment, at)


def _recorded_quality(at: float) -> Iterator[tuple[str, str, float]]:
    """Confidence, stages, refused inputs and failed jobs, which no scenario changes before it starts."""
    yield "ocr_avg_confidence", "", 0.89
    yield "ocr_low_confidence_ratio", "", 3.5
    yield "memory_exhaustion_rate", "", 0.0
    yield "dedup2d_job_error_rate", "", 100.0 * 0.01 / 3.01
    ocr = [item for item in traffic.PROVIDERS if item.service == "ocr"]
    total = sum(item.per_second for item in ocr)
    for stage, share in traffic.STAGES:
        seconds = sum(item.per_second * share * traffic.mean_seconds(item) for item in ocr) / total
        yield "ocr_avg_stage_duration_ms", f'stage="{stage}"', 1000.0 * seconds
    scale = traffic.shape(at)
    too_large = 0.08 * scale + 0.002 * traffic.ANALYSIS_PER_SECOND * scale
    for reason, rate in (("file_too_large", too_large), ("base64_padding_error", 0.04 * scale)):
        yield "top_rejection_reason_rate", f'reason="{reason}"', 60.0 * rate


@functools.cache
def _share_within_objective() -> float:
    """The share of requests within two seconds, 0..1, of all providers by their traffic."""
    total = sum(item.per_second for item in traffic.PROVIDERS)
    within = (item.per_second * traffic.shares_below(item, (2.0,))[0] for item in traffic.PROVIDERS)
    return sum(within) / total


def load_history(promtool: str, text: Path, data: Path, *, limit_seconds: float = 60.0) -> None:
    """Turns the OpenMetrics text into blocks for a Prometheus that is not running yet. Raises HistoryFailed."""
    command = [promtool, "tsdb", "create-blocks-from", "openmetrics", "--max-block-duration=744h", "-q", str(text), str(data)]
    try:
        result = subprocess.run(  # noqa: S603  # promtool and fixed arguments
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=limit_seconds, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise HistoryFailed(f"promtool took more than {format_duration(limit_seconds)} to load the history") from error
    if result.returncode != 0:
        raise HistoryFailed(f"promtool rejected the history: {result.stderr.strip().splitlines()[-1:]}")


def _with(series: str, labels: str) -> str:
    """The series with the labels that a scrape would add."""
    if series.endswith("}"):
        return f"{series[:-1]},{labels}}}"
    return f"{series}{{{labels}}}"
