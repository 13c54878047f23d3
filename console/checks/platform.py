"""The platform itself: its API, its `/health`, Redis, and whether it has metrics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from console.checks.platform_lines import READY, RESILIENCE, PlatformLine, PlatformSection, evaluate_platform
from console.checks.result import API, HEALTH, METRICS, CheckResult, Result
from queries.model.fault import Fault, FaultKind
from queries.model.platform import PlatformHealth
from queries.model.text import visible
from queries.model.verdict import Verdict
from queries.text.durations import format_duration

_UNCONNECTED = (FaultKind.UNREACHABLE, FaultKind.TIMED_OUT, FaultKind.NOT_CONFIGURED)
_GROUPED = (PlatformSection.BREAKERS, PlatformSection.MODELS, PlatformSection.PROVIDERS)
"""Sections whose healthy entries share one line."""


def is_unreachable(fault: Fault | None) -> bool:
    """Whether there was no connection at all, as opposed to an error response."""
    return fault is not None and fault.kind in _UNCONNECTED


def check_api(fault: Fault | None) -> CheckResult:
    """Whether the API responds at all; what it responded is the next check's."""
    if fault is not None and is_unreachable(fault):
        return CheckResult("api", "reachable", Result.FAILED, visible(fault.sentence()), API)
    return CheckResult("api", "reachable", Result.PASSED, "the platform's API responds", API)


def check_health(found: PlatformHealth | None, fault: Fault | None, *, strict: bool) -> tuple[CheckResult, ...]:
    """What the platform reports about itself.

    What it cannot serve without fails; what it can serve without is noted, and fails in strict mode. A healthy `/health`
    proves nothing: some builds always report it.
    """
    if found is None:
        if fault is not None and not is_unreachable(fault):
            return (CheckResult("health", "status", Result.FAILED, visible(fault.sentence()), HEALTH),)
        return (CheckResult("health", "status", Result.SKIPPED, "the API is unreachable", HEALTH),)
    platform = evaluate_platform(found)
    results = []
    if platform.verdict is Verdict.NO_DATA and not platform.problems:
        results.append(CheckResult("health", "status", Result.NOTED, platform.reason, HEALTH))
    healthy: Counter[PlatformSection] = Counter()
    for line in platform.lines:
        if line.section in _GROUPED and line.verdict is Verdict.OK and line.name != RESILIENCE:
            healthy[line.section] += 1
        elif (result := _result(line, strict=strict)) is not None:
            text = f"is {line.text}" if line.section is PlatformSection.SERVICES else line.text
            results.append(CheckResult("health", _name(line), result, text, HEALTH))
    for section, count in healthy.items():
        results.append(CheckResult("health", section.lower(), Result.PASSED, f"{count} healthy", HEALTH))
    return tuple(results)


def _result(line: PlatformLine, *, strict: bool) -> Result | None:
    """None for a line without a verdict."""
    if line.verdict is None:
        return Result.SKIPPED if line.name.startswith("/") else None
    if line.verdict is Verdict.OK:
        return Result.PASSED
    if line.verdict is Verdict.NO_DATA and line.section is not PlatformSection.READINESS:
        return Result.SKIPPED
    if line.verdict in (Verdict.CRITICAL, Verdict.NO_DATA):
        return Result.FAILED
    return Result.FAILED if strict or line.section is PlatformSection.SERVICES else Result.NOTED


def _name(line: PlatformLine) -> str:
    if line.section is PlatformSection.READINESS:
        return {READY: "ready", "/health": "status", "degraded": "degraded"}.get(line.name, f"ready {line.name}")
    if line.name.startswith("/") or line.name == RESILIENCE:
        return line.name
    singular = {PlatformSection.SERVICES: "service ", PlatformSection.BREAKERS: "breaker ", PlatformSection.MODELS: "model "}
    return f"{singular.get(line.section, '')}{line.name}"


def check_redis(seconds: float | None, fault: Fault | None, *, strict: bool) -> CheckResult:
    """Whether Redis answers a PING within `seconds`; both are None if no Redis is configured."""
    if fault is not None:
        # A missing client library says nothing about Redis itself.
        missing = fault.kind is FaultKind.NOT_CONFIGURED and not strict
        return CheckResult("redis", "ping", Result.SKIPPED if missing else Result.FAILED, visible(fault.sentence()), HEALTH)
    if seconds is None:
        return CheckResult("redis", "ping", Result.SKIPPED, "REDIS_URL is not set", HEALTH)
    return CheckResult("redis", "ping", Result.PASSED, f"PONG in {format_duration(seconds)}", HEALTH)


def check_metrics(fault: Fault | None, platform_metrics: Iterable[str]) -> CheckResult:
    """Whether Prometheus responds and has series of the platform."""
    if fault is not None:
        return CheckResult("metrics", "prometheus", Result.FAILED, visible(fault.sentence()), METRICS)
    count = len(tuple(platform_metrics))
    if not count:
        text = "Prometheus responds, but has no series of the platform: not scraped, or the wrong server"
        return CheckResult("metrics", "prometheus", Result.FAILED, text, METRICS)
    return CheckResult("metrics", "prometheus", Result.PASSED, f"{count} metrics of the platform", METRICS)


def check_exporter(families: int | None, fault: Fault | None) -> CheckResult:
    """Whether `/metrics` can be read; both are None if it was not queried.

    If the exporter is elsewhere, only Prometheus is checked.
    """
    if families is not None:
        return CheckResult("metrics", "/metrics", Result.PASSED, f"{families} families are announced", METRICS)
    if fault is None:
        return CheckResult("metrics", "/metrics", Result.SKIPPED, "the API is unreachable", METRICS)
    elsewhere = fault.kind is FaultKind.DENIED or fault.status == 404
    text = f"{fault.sentence()}; only Prometheus is checked" if elsewhere else fault.sentence()
    return CheckResult("metrics", "/metrics", Result.NOTED if elsewhere else Result.FAILED, visible(text), METRICS)
