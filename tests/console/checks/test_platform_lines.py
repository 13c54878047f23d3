"""The platform's own health report, evaluated line by line: its words, what is off on purpose, and what is unknown."""

from __future__ import annotations

from typing import Any

import pytest

from console.checks.platform_lines import READY, PlatformSection, PlatformVerdict, evaluate_platform, evaluate_status
from queries.model.platform import Breaker, PlatformHealth, ProviderHealth, Readiness, ReadinessCheck, VectorStore
from queries.model.source import Health
from queries.model.verdict import Verdict


def evaluate_health(status: str = "healthy", **more: Any) -> PlatformVerdict:
    return evaluate_platform(PlatformHealth(status, **more))


def lines(found: PlatformVerdict, section: PlatformSection) -> list[tuple[str, Verdict | None, str]]:
    return [(line.name, line.verdict, line.text) for line in found.lines if line.section is section]


@pytest.mark.parametrize(
    ("word", "verdict"),
    [
        ("Healthy", Verdict.OK),
        (" up ", Verdict.OK),
        ("not configured", None),
        ("Disabled", None),
        ("half-open", Verdict.WARN),
        ("", Verdict.NO_DATA),
        ("None", Verdict.NO_DATA),
        ("exploded", Verdict.CRITICAL),
    ],
)
def test_a_word_of_the_platform(word: str, verdict: Verdict | None) -> None:
    """Whatever its case and spaces; a word that nobody knows is the worst."""
    assert evaluate_status(word) is verdict


def test_a_build_that_only_says_healthy_is_not_known_to_be() -> None:
    """`/health` alone is no evidence; with readiness or a service it is."""
    bare = evaluate_health()
    assert (bare.verdict, bare.not_ready, bare.health) == (Verdict.NO_DATA, False, Health.DEGRADED)
    assert bare.warnings == ("/health reports healthy, which some builds always do: nothing else is known",)
    ready = evaluate_health(readiness=Readiness(True), services=(("redis", "up"), ("db", "ok")), resilience="healthy")
    assert (ready.verdict, ready.health, ready.warnings, ready.detail) == (Verdict.OK, Health.UP, (), "")
    assert ready.reason == "the platform reports ready, 2 services are healthy, resilience is healthy"
    assert evaluate_health(services=(("redis", "up"),)).reason == "this build has no /ready, 1 services are healthy"
    assert evaluate_health(readiness=Readiness(True)).reason == "the platform reports ready"


def test_not_ready_is_critical_and_says_which_check() -> None:
    """The reason and every check; a degraded check warns although it is ok; the detail names the check, not the page."""
    checks = (
        ReadinessCheck("models_loaded", "failed", "ocr"),
        ReadinessCheck("redis", "ok", degraded=True),
        ReadinessCheck("db", "ok"),
    )
    found = evaluate_health(readiness=Readiness(False, checks, "models are loading"))
    assert (found.verdict, found.not_ready, found.health, found.detail) == (
        Verdict.CRITICAL,
        True,
        Health.NOT_READY,
        "models_loaded",
    )
    assert lines(found, PlatformSection.READINESS) == [
        (READY, Verdict.CRITICAL, "503 not ready: models are loading"),
        ("models_loaded", Verdict.CRITICAL, "failed: ocr"),
        ("redis", Verdict.WARN, "ok, degraded"),
        ("db", Verdict.OK, "ok"),
    ]
    assert [line.name for line in found.problems] == [READY, "models_loaded", "redis"]
    assert found.reason == "/ready: 503 not ready: models are loading; models_loaded: failed: ocr"


def test_an_unhealthy_page_and_reasons_for_degradation() -> None:
    """Also where everything else is fine; a `/health` that reports nothing warns."""
    found = evaluate_health("", readiness=Readiness(True), degraded_reasons=("cache is cold", "one pod"))
    assert found.verdict is Verdict.WARN and found.health is Health.DEGRADED
    assert lines(found, PlatformSection.READINESS)[1:] == [
        ("/health", Verdict.WARN, "reports "),
        ("degraded", Verdict.WARN, "cache is cold"),
        ("degraded", Verdict.WARN, "one pod"),
    ]
    assert evaluate_health("broken").verdict is Verdict.CRITICAL


@pytest.mark.parametrize(("count", "more"), [(3, ""), (4, " and 1 more")])
def test_three_problems_are_named(count: int, more: str) -> None:
    """More are counted; only those of the worst verdict are named."""
    services = tuple((f"s{number}", "failed") for number in range(count))
    found = evaluate_health(services=(*services, ("slow", "degraded")))
    assert found.reason == f"s0: failed; s1: failed; s2: failed{more}"


def test_services_models_and_providers() -> None:
    """A service without a status warns, one that is off counts for nothing; a missing model and a provider only warn."""
    found = evaluate_health(
        services=(("redis", "unknown"), ("mail", "disabled")),
        models=(("ocr", "missing"), ("vision", "loaded"), ("old", "")),
        providers=(ProviderHealth("paddle", True), ProviderHealth("azure", False, "401"), ProviderHealth("aws", False)),
    )
    assert lines(found, PlatformSection.SERVICES) == [("redis", Verdict.WARN, "unknown"), ("mail", None, "disabled")]
    assert lines(found, PlatformSection.MODELS) == [
        ("ocr", Verdict.WARN, "missing"),
        ("vision", Verdict.OK, "loaded"),
        ("old", Verdict.NO_DATA, ""),
    ]
    assert lines(found, PlatformSection.PROVIDERS) == [
        ("paddle", Verdict.OK, "ready"),
        ("azure", Verdict.WARN, "not ready: 401"),
        ("aws", Verdict.WARN, "not ready"),
    ]
    assert found.verdict is Verdict.WARN


@pytest.mark.parametrize(("rate", "verdict"), [(0.0, None), (1.0, None), (-0.001, Verdict.IN_DOUBT), (1.001, Verdict.IN_DOUBT)])
def test_a_rate_lies_between_nothing_and_everything(rate: float, verdict: Verdict | None) -> None:
    """Both ends are possible; beyond them the platform's own average is in doubt."""
    ((name, found, text),) = lines(evaluate_health(error_rates=(("ocr", rate),)), PlatformSection.RATES)
    assert (name, found) == ("ocr", verdict)
    assert text == f"{100 * rate:.2f} % fail, by the platform's own moving average"


def test_breakers_and_vectors() -> None:
    """A breaker that is not closed warns, with its failures and limit where it reports them; vectors are information."""
    breakers = (Breaker("paddle", "closed", 0, 5), Breaker("azure", "open", 7), Breaker("aws", "half_open"))
    vectors = VectorStore(12, (("v1", 10), ("v2", 2)), (("index", "flat"), ("empty", "")))
    found = evaluate_health(breakers=breakers, resilience="broken", vectors=vectors)
    assert lines(found, PlatformSection.BREAKERS) == [
        ("resilience", Verdict.WARN, "broken"),
        ("paddle", Verdict.OK, "closed, failures 0 of 5"),
        ("azure", Verdict.WARN, "open, failures 7"),
        ("aws", Verdict.WARN, "half_open"),
    ]
    assert lines(found, PlatformSection.VECTORS) == [
        ("versions", None, "v1 10 · v2 2 · 12 in total"),
        ("faiss", None, "index flat"),
    ]
    assert lines(evaluate_health(vectors=VectorStore()), PlatformSection.VECTORS) == [("versions", None, "none")]
    assert lines(evaluate_health(), PlatformSection.VECTORS) == []


def test_a_page_that_did_not_answer() -> None:
    """Readiness that could not be read makes the whole unknown; a page that only some builds have does not."""
    found = evaluate_health(unread=((READY, "timed out"), ("/health/extended", "500"), ("/api/v1/providers/health", "")))
    assert lines(found, PlatformSection.READINESS) == [(READY, Verdict.NO_DATA, "timed out")]
    assert lines(found, PlatformSection.VECTORS) == [("/health/extended", Verdict.NO_DATA, "500")]
    ((_, verdict, text),) = lines(found, PlatformSection.PROVIDERS)
    assert verdict is None and text.startswith("not in this build (404)")
    assert (found.verdict, [line.name for line in found.problems]) == (Verdict.NO_DATA, [READY])
    assert found.warnings == (f"{READY}: timed out",)
