"""What the platform says of itself, in whatever words its build uses."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
import served_platform as served
from hypothesis import given
from hypothesis import strategies as st

from queries.errors import AccessDenied, InvalidResponse, SourceError, Unreachable
from queries.http.endpoint import Endpoint, HttpConfig
from queries.model.platform import Breaker, PlatformHealth, ProviderHealth, Readiness, ReadinessCheck, VectorStore
from queries.platform.client import Platform
from queries.platform.pages import breakers_of, build_of, health_of, providers_of, readiness_of, vectors_of

HEALTHY = {
    "status": "healthy",
    "timestamp": "2026-01-01T00:00:00Z",
    "services": {"api": "up", "ml": "up", "redis": "disabled"},
    "runtime": {"python_version": "3.11", "metrics_enabled": True, "error_rate_ema": {"ocr": 0.01, "vision": 0}},
    "config": {"anything": [1, 2]},
}
DEGRADED = {"ml": {"readiness": {"degraded_reasons": ["v16_models_missing"], "graph2d_model_present": False}}}
OPEN = {
    "status": "degraded",
    "circuit_breakers": {"vision": {"state": "open", "failure_count": 5, "threshold": 5}, "ocr": {"state": "half_open"}},
}


class Api:
    """The platform behind a transport: `pages` are status and JSON (or bytes) by path, the rest is 404; `asked` its paths."""

    def __init__(self, **pages: Any) -> None:
        self.pages: dict[str, tuple[int, Any]] = {"/health": (200, HEALTHY)}
        self.asked: list[str] = []
        self.now = 0.0
        endpoint = Endpoint("http://api/prefix", HttpConfig(http_headers=(("X-API-Key", "k3y"),)))
        self.source = Platform(endpoint, transport=httpx.MockTransport(self.answer), clock=lambda: self.now)

    def answer(self, request: httpx.Request) -> httpx.Response:
        assert request.headers["x-api-key"] == "k3y"
        path = request.url.path.removeprefix("/prefix")
        self.asked.append(path)
        status, body = self.pages.get(path, (404, {"detail": "Not Found"}))
        return httpx.Response(status, content=body) if isinstance(body, bytes) else httpx.Response(status, json=body)

    async def poll(self, *, whole: bool = False) -> tuple[PlatformHealth, list[str]]:
        """What one poll gives, and which paths it asked for."""
        self.asked.clear()
        found = await self.source.health(whole=whole)
        return found, sorted(self.asked)


async def health(answer: Any, *, status: int = 200, circuits: Any = None) -> PlatformHealth:
    api = Api()
    api.pages["/health"] = (status, answer)
    if circuits is not None:
        api.pages["/health/circuit-breakers"] = (200, circuits)
    found, _ = await api.poll(whole=True)
    await api.source.close()
    return found


async def test_healthy() -> None:
    """Status, services and error rates; a build without the other pages is no failure, and says which it does not have."""
    absent = ("/api/v1/providers/health", "/health/circuit-breakers", "/health/extended", "/ready")
    assert await health(HEALTHY) == PlatformHealth(
        "healthy",
        (("api", "up"), ("ml", "up"), ("redis", "disabled")),
        (("ocr", 0.01), ("vision", 0.0)),
        unread=tuple((path, "") for path in absent),
    )


async def test_what_stands_deeper() -> None:
    """Breakers with their counts, resilience, degraded reasons, models, readiness checks, providers and vectors."""
    api = Api()
    api.pages |= {
        "/health": (200, served.HEALTH | {"config": DEGRADED, "resilience": OPEN}),
        "/ready": (503, served.NOT_READY),
        "/health/extended": (200, served.EXTENDED),
        "/api/v1/providers/health": (200, served.PROVIDERS),
    }
    found, _ = await api.poll(whole=True)
    assert found == PlatformHealth(
        "healthy",
        (("api", "up"), ("ml", "up"), ("redis", "disabled")),
        (("ocr", 0.01), ("vision", 0.0)),
        breakers=(Breaker("ocr", "half-open", None, None), Breaker("vision", "open", 5, 5)),
        resilience="degraded",
        degraded_reasons=("v16_models_missing",),
        models=(("graph2d_model", "missing"),),
        readiness=Readiness(
            ready=False,
            checks=(
                ReadinessCheck("models_loaded", "not_ready", "ocr_paddle:missing"),
                ReadinessCheck("redis", "disabled", "by config"),
            ),
        ),
        providers=(
            ProviderHealth("ocr/deepseek_hf", ready=False, error="model file is missing"),
            ProviderHealth("ocr/paddle", ready=True),
        ),
        vectors=VectorStore(
            1500,
            (("v3", 300), ("v4", 1200)),
            (("enabled", "yes"), ("imported", "yes"), ("last_export_size", "1500"), ("last_export_age_seconds", "61.5")),
        ),
    )


@pytest.mark.parametrize(
    ("status", "body", "ready"),
    [
        (200, {"status": "ready", "ready": True}, True),
        (200, {"status": "ready"}, True),
        (200, {}, True),
        (200, b"", True),
        (503, {"status": "not_ready", "ready": False}, False),
        # A 503 is no, whatever stands in it and whoever sends it.
        (503, {"status": "ready", "ready": True}, False),
        (503, b"<html>no upstream</html>", False),
        (503, b"", False),
        (200, {"status": "ready", "ready": False}, False),
        (200, {"status": "draining"}, False),
        # What cannot be read is not known, neither yes nor no.
        (200, b"<html>login</html>", None),
        (200, [], None),
        (401, {"detail": "no"}, None),
        (500, {"detail": "no"}, None),
        (404, {"detail": "no"}, None),
    ],
)
async def test_ready_is_the_platforms_own_word(status: int, body: Any, ready: bool | None) -> None:
    """Ready is only what says so; a 503 is never ready; what is not understood is not known, and says why."""
    api = Api()
    api.pages["/ready"] = (status, body)
    found, _ = await api.poll()
    assert (found.readiness and found.readiness.ready) is ready
    assert (dict(found.unread).get("/ready") is None) is (ready is not None)
    assert (dict(found.unread).get("/ready") == "") is (status == 404)


async def test_a_poll_costs_no_more_than_before() -> None:
    """/health, /ready and at most one page more; each of these once a minute, and breakers only where /health has none."""
    api = Api()
    api.pages |= {
        "/ready": (200, served.READY),
        "/health/extended": (200, served.EXTENDED),
        "/health/circuit-breakers": (200, {"a": "open"}),
    }
    polls = []
    for _ in range(13):
        found, asked = await api.poll()
        polls.append(asked)
        api.now += 10.0
    assert all(len(asked) <= 3 and {"/health", "/ready"} <= set(asked) for asked in polls)
    assert sum("/health/extended" in asked for asked in polls) == 2
    assert sum("/api/v1/providers/health" in asked for asked in polls) == 1
    assert found.breakers == (Breaker("a", "open"),)
    api.pages["/health"] = (200, HEALTHY | {"resilience": OPEN})
    await api.poll()
    _, asked = await api.poll()
    assert asked == ["/health", "/ready"]


async def test_a_page_that_is_not_there_is_left_alone() -> None:
    """404 is asked again after an hour, by a person, or of a new build; two builds that take turns are remembered both."""
    api = Api()

    async def asks_again() -> bool:
        return "/ready" in (await api.poll())[1]

    assert [await asks_again() for _ in range(6)] == [True, False, False, False, False, False]
    api.now += 3599.0
    assert not await asks_again()
    api.now += 2.0
    assert [await asks_again(), await asks_again()] == [True, False]
    other = HEALTHY | {"runtime": HEALTHY["runtime"] | {"python_version": "3.12"}}
    answers = []
    for at in range(6):
        api.pages["/health"] = (200, other if at % 2 == 0 else HEALTHY)
        answers.append(await asks_again())
    assert answers == [False, True, False, False, False, False]
    api.source.forget_absent()
    assert [await asks_again(), await asks_again()] == [True, False]
    api.pages["/health"] = (502, b"")
    with pytest.raises(Unreachable):
        await api.poll()
    api.pages["/health"] = (200, HEALTHY)
    assert await asks_again()


async def test_a_slow_page_keeps_nobody_waiting() -> None:
    """A page that takes its time is given up early and called unread; readiness is there all the same."""

    async def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/ready":
            return httpx.Response(503, json=served.NOT_READY)
        if request.url.path != "/health":
            await asyncio.sleep(30.0)
        return httpx.Response(200, json=HEALTHY)

    async with asyncio.timeout(5.0):
        source = Platform(Endpoint("http://api"), transport=httpx.MockTransport(answer), page_seconds=0.05)
        found = await source.health(whole=True)
    assert found.readiness is not None and not found.readiness.ready
    assert "did not respond within 50ms" in dict(found.unread)["/api/v1/providers/health"]


async def test_metrics_follow_a_redirect_within_the_origin_only() -> None:
    """/metrics answers 307 to /metrics/; a redirect to somewhere else is not followed, and no key is sent there."""
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(str(request.url))
        if request.url.path == "/metrics":
            return httpx.Response(307, headers={"location": targets[0]})
        return httpx.Response(200, text="# TYPE a_total counter\na_total 1\n", headers={"content-type": "text/plain"})

    source = Platform(Endpoint("http://api:8000"), transport=httpx.MockTransport(answer))
    targets = ["http://api:8000/metrics/"]
    assert (await source.metrics()).types == {"a_total": "counter"}
    for elsewhere in ("http://elsewhere:8000/metrics/", "http://api:9000/metrics/", "https://api:8000/metrics/"):
        targets[0] = elsewhere
        with pytest.raises(SourceError):
            await source.metrics()
    assert {url for url in seen if not url.startswith("http://api:8000/")} == set()


@pytest.mark.parametrize(
    ("answer", "status_word"),
    [
        ({"status": "ok"}, "ok"),
        ({"status": "degraded", "services": {"redis": {"status": "down", "since": 1}, "api": True}}, "degraded"),
        ({"status": "ok", "services": None, "runtime": None, "new": {}}, "ok"),
        ({"status": "ok", "runtime": {"error_rate_ema": {"ocr": "n/a", "vision": None}}}, "ok"),
    ],
)
async def test_missing_and_unknown_fields(answer: dict[str, Any], status_word: str) -> None:
    """Nothing but the status is needed."""
    assert (await health(answer)).status == status_word


async def test_unwell_is_an_answer() -> None:
    """503 with a JSON body is the platform saying that it is not well, not a lost source."""
    told = await health({"status": "unhealthy", "services": {"redis": "down"}}, status=503)
    assert told.status == "unhealthy" and told.services == (("redis", "down"),)


@pytest.mark.parametrize(
    ("answer", "status", "kind"),
    [
        (b"<html>", 503, Unreachable),
        (b"no", 401, AccessDenied),
        (b"[]", 200, InvalidResponse),
        (b'{"state": "up"}', 200, InvalidResponse),
        (b'{"status": "o', 200, InvalidResponse),
    ],
)
async def test_other_answers(answer: bytes, status: int, kind: type[Exception]) -> None:
    """What is no health document is told apart."""
    with pytest.raises(kind):
        await health(answer, status=status)


@pytest.mark.parametrize(
    "circuits",
    [
        {"ocr:cb:deepseek": "OPEN", "ocr:cb:paddle": "closed"},
        {"circuit_breakers": {"ocr:cb:deepseek": {"state": "open", "failures": 3}, "ocr:cb:paddle": {"state": 0}}, "total": 2},
        {
            "circuits": [{"name": "ocr:cb:deepseek", "state": "open"}, {"key": "ocr:cb:paddle", "state": "closed"}],
            "status": "ok",
        },
        [{"key": "ocr:cb:deepseek", "state": "Open"}, {"key": "ocr:cb:paddle", "state": "CLOSED"}, "x"],
    ],
)
async def test_circuits_in_every_shape(circuits: Any) -> None:
    """Maps and lists, words and numbers become the same state words."""
    told = await health(HEALTHY, circuits=circuits)
    assert [(item.name, item.state) for item in told.breakers] == [("ocr:cb:deepseek", "open"), ("ocr:cb:paddle", "closed")]


def test_half_open_in_every_spelling() -> None:
    """half_open, HALF-OPEN and halfOpen are one state; a number other than 0 is not closed, and which of two, nobody said."""
    spelled = {"a": "half_open", "b": "HALF-OPEN", "c": "halfOpen"}
    assert {item.state for item in breakers_of(spelled)} == {"half-open"}
    assert [item.state for item in breakers_of({"a": 0, "b": 1, "c": 2, "d": 3})] == ["closed", "not closed", "not closed"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
def test_any_document_gives_state_words_only(document: object) -> None:
    """No document raises, on whatever page it stands, and no state but the known ones comes out."""
    assert {item.state for item in breakers_of(document)} <= {"open", "half-open", "closed", "not closed"}
    assert health_of({"status": "ok", "resilience": document, "config": document, "services": document}).status == "ok"
    assert build_of({"status": document, "config": document})
    providers_of(document)
    vectors_of({"vector_store": document, "faiss": document})
    readiness_of({"checks": document, "ready": document, "status": document}, status=200)


@pytest.mark.parametrize(("passed", "asked"), [(3599.9, False), (3600.0, True)])
async def test_a_page_that_is_not_there_is_asked_again_after_an_hour(passed: float, asked: bool) -> None:
    """Exactly then."""
    api = Api()
    assert "/ready" in (await api.poll())[1]
    api.now += passed
    assert ("/ready" in (await api.poll())[1]) is asked


@pytest.mark.parametrize(("passed", "asked"), [(0.0, False), (59.9, False), (60.0, True)])
async def test_a_page_is_read_again_after_a_minute(passed: float, asked: bool) -> None:
    """Exactly then."""
    api = Api()
    api.pages["/health/extended"] = (200, served.EXTENDED)
    await api.poll(whole=True)
    api.now += passed
    assert ("/health/extended" in (await api.poll())[1]) is asked


async def test_a_rate_that_is_no_number_is_left_out() -> None:
    """Neither what is too large to draw nor a word or a truth value is one."""
    rates = {"a": 9.9e299, "b": 1e300, "c": -1e300, "d": True, "e": "0.1", "f": -0.5}
    found = await health(HEALTHY | {"runtime": HEALTHY["runtime"] | {"error_rate_ema": rates}})  # type: ignore[operator]
    assert found.error_rates == (("a", 9.9e299), ("f", -0.5))


def test_a_build_is_known_by_its_keys_down_to_the_third_level() -> None:
    """What stands deeper, services and numbers come and go within one build; versions and other keys do not."""

    def build(**deeper: object) -> str:
        return build_of({"status": "ok", "runtime": {"python_version": "3.11", "ml": {"ready": True, "models": deeper}}})

    assert build() == build(a=1) == build(b={"c": 2})
    assert build() == build_of({"status": "bad", "runtime": {"python_version": "3.11", "ml": {"ready": False, "models": {}}}})
    others = [
        {"status": "ok", "runtime": {"python_version": "3.12", "ml": {"ready": True, "models": {}}}},
        {"status": "ok", "runtime": {"python_version": "3.11", "ml": {"ready": True, "model": {}}}},
        {"status": "ok", "runtime": {"python_version": "3.11", "ml": {"ready": True, "models": {}, "version": "2"}}},
        {"status": "ok", "runtime": {"python_version": "3.11"}},
        {"state": "ok", "runtime": {"python_version": "3.11", "ml": {"ready": True, "models": {}}}},
    ]
    assert len({build(), *map(build_of, others)}) == len(others) + 1
    assert build() == build_of(
        {"status": "ok", "services": {"a": "up"}, "runtime": {"python_version": "3.11", "ml": {"ready": True, "models": {}}}}
    )


@pytest.mark.parametrize(
    ("readiness", "models"),
    [
        ({"model_registry": {"items": {"ocr": "loaded", "clip": "missing"}}, "x_present": True},
         (("clip", "missing"), ("ocr", "loaded"))),
        ({"model_registry": {"items": {}}, "b_present": True, "a_present": False, "c_present": "yes"},
         (("a", "missing"), ("b", "present"))),
        ({"b_present": True}, (("b", "present"),)),
        ({}, ()),
    ],
)  # fmt: skip
async def test_models_are_those_of_the_registry(readiness: dict[str, Any], models: tuple[tuple[str, str], ...]) -> None:
    """Of a build without one, or with an empty one, the models whose presence it states."""
    assert (await health(HEALTHY | {"config": {"ml": {"readiness": readiness}}})).models == models
