"""The platform as it answers by itself: its API, what `/health` says, Redis, and whether anything of it is measured."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from console.checks.platform_lines import READY, RESILIENCE, PlatformLine, PlatformSection, judge_platform
from console.checks.result import API, HEALTH, METRICS, CheckResult, Result
from queries.model.fault import Fault, FaultKind
from queries.model.platform import PlatformHealth
from queries.model.text import visible
from queries.model.verdict import Verdict

_UNCONNECTED = (FaultKind.UNREACHABLE, FaultKind.TIMED_OUT, FaultKind.NOT_CONFIGURED)
_SUMMED = (PlatformSection.BREAKERS, PlatformSection.MODELS, PlatformSection.PROVIDERS)
"""Sections of which what is fine makes one line together."""


def unconnected(fault: Fault | None) -> bool:
    """Whether there is no connection at all, as against an answer that says no."""
    return fault is not None and fault.kind in _UNCONNECTED


def api(fault: Fault | None) -> CheckResult:
    """Whether there is a connection at all; what it answered is the next check's."""
    if fault is not None and unconnected(fault):
        return CheckResult("api", "reachable", Result.FAILED, visible(fault.sentence()), API)
    return CheckResult("api", "reachable", Result.PASSED, "the platform's API answers", API)


def health(found: PlatformHealth | None, fault: Fault | None, *, strict: bool) -> tuple[CheckResult, ...]:
    """What the platform says of itself. What it does not serve without fails; what it serves without is noted, and fails in
    strict mode. That `/health` says healthy passes nothing: some builds always say so."""
    if found is None:
        if fault is not None and not unconnected(fault):
            return (CheckResult("health", "status", Result.FAILED, visible(fault.sentence()), HEALTH),)
        return (CheckResult("health", "status", Result.SKIPPED, "the API cannot be reached", HEALTH),)
    judged = judge_platform(found)
    results = []
    if judged.verdict is Verdict.NO_DATA and not judged.trouble:
        results.append(CheckResult("health", "status", Result.NOTED, judged.reason, HEALTH))
    fine: Counter[PlatformSection] = Counter()
    for line in judged.lines:
        if line.section in _SUMMED and line.verdict is Verdict.OK and line.name != RESILIENCE:
            fine[line.section] += 1
        elif (result := _result(line, strict=strict)) is not None:
            told = f"is {line.text}" if line.section is PlatformSection.SERVICES else line.text
            results.append(CheckResult("health", _name(line), result, told, HEALTH))
    for section, count in fine.items():
        results.append(CheckResult("health", section.lower(), Result.PASSED, f"{count} fine", HEALTH))
    return tuple(results)


def _result(line: PlatformLine, *, strict: bool) -> Result | None:
    """None for a line that only tells."""
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


def redis(seconds: float | None, fault: Fault | None, *, strict: bool) -> CheckResult:
    """Whether Redis answers a PING; `seconds` is how long that took, both are None where nobody said where it is."""
    if fault is not None:
        # A client that is not installed says nothing of Redis: it could not be judged.
        missing = fault.kind is FaultKind.NOT_CONFIGURED and not strict
        return CheckResult("redis", "ping", Result.SKIPPED if missing else Result.FAILED, visible(fault.sentence()), HEALTH)
    if seconds is None:
        return CheckResult("redis", "ping", Result.SKIPPED, "REDIS_URL is not set", HEALTH)
    return CheckResult("redis", "ping", Result.PASSED, f"PONG in {seconds * 1000:.0f} ms", HEALTH)


def metrics(fault: Fault | None, platform_metrics: Iterable[str]) -> CheckResult:
    """Whether Prometheus answers and has anything of the platform."""
    if fault is not None:
        return CheckResult("metrics", "prometheus", Result.FAILED, visible(fault.sentence()), METRICS)
    found = len(tuple(platform_metrics))
    if not found:
        told = "Prometheus answers, but has no series of the platform: nothing scrapes it, or the wrong server is asked"
        return CheckResult("metrics", "prometheus", Result.FAILED, told, METRICS)
    return CheckResult("metrics", "prometheus", Result.PASSED, f"{found} metrics of the platform", METRICS)


def exporter(families: int | None, fault: Fault | None) -> CheckResult:
    """Whether `/metrics` can be read, both None where nobody was asked; where the exporter stands elsewhere, Prometheus
    alone is judged."""
    if families is not None:
        return CheckResult("metrics", "/metrics", Result.PASSED, f"{families} families are announced", METRICS)
    if fault is None:
        return CheckResult("metrics", "/metrics", Result.SKIPPED, "the API cannot be reached", METRICS)
    elsewhere = fault.kind is FaultKind.DENIED or fault.status == 404
    told = f"{fault.sentence()}; only Prometheus is judged" if elsewhere else fault.sentence()
    return CheckResult("metrics", "/metrics", Result.NOTED if elsewhere else Result.FAILED, visible(told), METRICS)
