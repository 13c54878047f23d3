"""The platform as it answers by itself: its API, what `/health` says, Redis, and whether anything of it is measured."""

from __future__ import annotations

from collections.abc import Iterable

from console.checks.result import API, HEALTH, METRICS, CheckResult, Result
from queries.model.fault import Fault, FaultKind
from queries.model.platform import PlatformHealth
from queries.model.text import visible

_UNCONNECTED = (FaultKind.UNREACHABLE, FaultKind.TIMED_OUT, FaultKind.NOT_CONFIGURED)
_WELL = {"healthy", "ok", "up", "ready", "pass"}
_SERVICE_FINE = {"up", "disabled", "healthy", "ok", "ready"}


def unconnected(fault: Fault | None) -> bool:
    """Whether there is no connection at all, as against an answer that says no."""
    return fault is not None and fault.kind in _UNCONNECTED


def api(fault: Fault | None) -> CheckResult:
    """Whether there is a connection at all; what it answered is the next check's."""
    if fault is not None and unconnected(fault):
        return CheckResult("api", "reachable", Result.FAILED, visible(fault.sentence()), API)
    return CheckResult("api", "reachable", Result.PASSED, "the platform's API answers", API)


def health(found: PlatformHealth | None, fault: Fault | None) -> tuple[CheckResult, ...]:
    """What `/health` says of the platform and of each service."""
    if found is None:
        if fault is not None and not unconnected(fault):
            return (CheckResult("health", "status", Result.FAILED, visible(fault.sentence()), HEALTH),)
        return (CheckResult("health", "status", Result.SKIPPED, "the API cannot be reached", HEALTH),)
    well = found.status.lower() in _WELL
    results = [
        CheckResult("health", "status", Result.PASSED if well else Result.FAILED, f"status is {visible(found.status)}", HEALTH)
    ]
    for name, state in found.services:
        fine = Result.PASSED if state.lower() in _SERVICE_FINE else Result.FAILED
        results.append(CheckResult("health", f"service {visible(name)}", fine, f"is {visible(state)}", HEALTH))
    return tuple(results)


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
