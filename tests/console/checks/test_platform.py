"""Whether the platform answers, and what its own report makes of the self-check: each kind of fault, and one and two of all."""

from __future__ import annotations

from typing import Any

import pytest

from console.checks.platform import check_api, check_exporter, check_health, check_metrics, check_redis, is_unreachable
from console.checks.result import CheckResult, Result
from queries.model.fault import Fault, FaultKind
from queries.model.platform import Breaker, PlatformHealth, ProviderHealth, Readiness, ReadinessCheck, VectorStore

UNCONNECTED = {FaultKind.UNREACHABLE, FaultKind.TIMED_OUT, FaultKind.NOT_CONFIGURED}


@pytest.mark.parametrize("kind", FaultKind)
def test_an_answer_that_is_an_error_is_an_answer(kind: FaultKind) -> None:
    """Only without any connection is the API unreachable; what it answered is the next check's, which fails then."""
    fault = Fault(kind, "it broke", where="x")
    lost = kind in UNCONNECTED
    assert is_unreachable(fault) is lost and not is_unreachable(None)
    api, (health,) = check_api(fault), check_health(None, fault, strict=False)
    assert (api.result, health.result) == ((Result.FAILED, Result.SKIPPED) if lost else (Result.PASSED, Result.FAILED))
    assert (api.text, health.text) == (
        ("it broke at x", "the API is unreachable") if lost else ("the platform's API responds", "it broke at x")
    )
    assert check_api(None).result is Result.PASSED
    assert check_health(None, None, strict=False)[0].result is Result.SKIPPED


def health(status: str = "healthy", *, strict: bool = False, **more: Any) -> dict[str, tuple[Result, str]]:
    found: tuple[CheckResult, ...] = check_health(PlatformHealth(status, **more), None, strict=strict)
    assert len({item.name for item in found}) == len(found)
    return {item.name: (item.result, item.text) for item in found}


def test_healthy_entries_share_a_line_and_each_other_one_has_its_own() -> None:
    """Two healthy breakers, models and providers are counted; one that is not stands beside them."""
    found = health(
        readiness=Readiness(True, (ReadinessCheck("redis", "ok", degraded=True), ReadinessCheck("db", "ok"))),
        services=(("redis", "up"), ("store", "down")),
        breakers=(Breaker("a", "closed"), Breaker("b", "closed"), Breaker("c", "open")),
        models=(("one", "loaded"), ("two", "failed"), ("off", "disabled")),
        providers=(ProviderHealth("p", True), ProviderHealth("q", True), ProviderHealth("r", False, "no key")),
        resilience="healthy",
    )
    assert found == {
        "ready": (Result.PASSED, "ready"),
        "ready redis": (Result.NOTED, "ok, degraded"),
        "ready db": (Result.PASSED, "ok"),
        "service redis": (Result.PASSED, "is up"),
        "service store": (Result.FAILED, "is down"),
        "resilience": (Result.PASSED, "healthy"),
        "breaker c": (Result.NOTED, "open"),
        "model two": (Result.NOTED, "failed"),
        "r": (Result.NOTED, "not ready: no key"),
        "circuit breakers": (Result.PASSED, "2 healthy"),
        "models": (Result.PASSED, "1 healthy"),
        "providers": (Result.PASSED, "2 healthy"),
    }


@pytest.mark.parametrize("strict", [False, True])
def test_what_it_can_serve_without_fails_in_strict_mode_only(strict: bool) -> None:
    """A service never is such; nor is a page of readiness that nobody could read."""
    noted = Result.FAILED if strict else Result.NOTED
    found = health("degraded", strict=strict, services=(("store", "degraded"),), resilience="open",
                   readiness=Readiness(False, (ReadinessCheck("x", "unknown"),), "loading"),
                   degraded_reasons=("cold",), error_rates=(("p", 1.5), ("q", 0.5)))  # fmt: skip
    assert {name: result for name, (result, _) in found.items()} == {
        "ready": Result.FAILED, "ready x": Result.FAILED, "status": noted, "degraded": noted,
        "service store": Result.FAILED, "resilience": noted, "p": noted,
    }  # fmt: skip


def test_a_build_that_only_says_healthy_is_noted() -> None:
    """Some builds always say so: nothing else is known, and nothing failed. With a problem that one stands there instead."""
    assert health() == {"status": (Result.NOTED, "/health reports healthy, which some builds always do: nothing else is known")}
    assert health(vectors=VectorStore(total=3, versions=(("v1", 3),))) == health()
    assert set(health("down")) == {"status"} and health("down")["status"][0] is Result.FAILED
    assert health(services=(("a", "unknown"),)) == {"service a": (Result.FAILED, "is unknown")}


@pytest.mark.parametrize(
    ("seconds", "fault", "strict", "result", "text"),
    [
        (None, None, False, Result.SKIPPED, "REDIS_URL is not set"),
        (0.002, None, False, Result.PASSED, "PONG in 2ms"),
        (0.0, None, False, Result.PASSED, "PONG in 0s"),
        (None, Fault(FaultKind.NOT_CONFIGURED, "no client"), False, Result.SKIPPED, "no client"),
        (None, Fault(FaultKind.NOT_CONFIGURED, "no client"), True, Result.FAILED, "no client"),
        (None, Fault(FaultKind.UNREACHABLE, "refused"), False, Result.FAILED, "refused"),
        (None, Fault(FaultKind.UNREACHABLE, "refused"), True, Result.FAILED, "refused"),
    ],
)
def test_redis_is_skipped_failed_or_passed(
    seconds: float | None, fault: Fault | None, strict: bool, result: Result, text: str
) -> None:
    found = check_redis(seconds, fault, strict=strict)
    assert (found.result, found.text) == (result, text)


@pytest.mark.parametrize(
    ("fault", "names", "result", "text"),
    [
        (None, ["a"], Result.PASSED, "1 metrics of the platform"),
        (None, ["a", "b"], Result.PASSED, "2 metrics of the platform"),
        (None, [], Result.FAILED, "Prometheus responds, but has no series of the platform"),
        (Fault(FaultKind.UNREACHABLE, "refused"), ["a"], Result.FAILED, "refused"),
    ],
)
def test_prometheus_has_to_have_series_of_the_platform(
    fault: Fault | None, names: list[str], result: Result, text: str
) -> None:
    found = check_metrics(fault, iter(names))
    assert found.result is result and found.text.startswith(text)


@pytest.mark.parametrize(
    ("families", "fault", "result", "text"),
    [
        (0, None, Result.PASSED, "0 families are announced"),
        (7, Fault(FaultKind.DENIED, "x"), Result.PASSED, "7 families are announced"),
        (None, None, Result.SKIPPED, "the API is unreachable"),
        (None, Fault(FaultKind.DENIED, "no", status=403), Result.NOTED, "no; only Prometheus is checked"),
        (None, Fault(FaultKind.REJECTED, "gone", status=404), Result.NOTED, "gone; only Prometheus is checked"),
        (None, Fault(FaultKind.REJECTED, "bad", status=405), Result.FAILED, "bad"),
        (None, Fault(FaultKind.MALFORMED, "html", status=200), Result.FAILED, "html"),
    ],
)
def test_an_exporter_may_be_elsewhere(families: int | None, fault: Fault | None, result: Result, text: str) -> None:
    """Denied or not there is noted; what answers nonsense fails."""
    found = check_exporter(families, fault)
    assert (found.result, found.text) == (result, text)
