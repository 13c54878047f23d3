"""What the platform says of itself, in whatever words its build uses."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from queries.endpoint import Endpoint, HttpConfig
from queries.errors import Denied, Malformed, Unreachable
from queries.model.platform import PlatformHealth
from queries.platform import Platform, circuit_states

HEALTHY = {
    "status": "healthy",
    "timestamp": "2026-01-01T00:00:00Z",
    "services": {"api": "up", "ml": "up", "redis": "disabled"},
    "runtime": {"python_version": "3.11", "metrics_enabled": True, "error_rate_ema": {"ocr": 0.01, "vision": 0}},
    "config": {"anything": [1, 2]},
}


async def health(answer: Any, *, status: int = 200, circuits: Any = None) -> PlatformHealth:
    def serve(request: httpx.Request) -> httpx.Response:
        assert request.headers["x-api-key"] == "k3y"
        if request.url.path == "/prefix/health":
            return httpx.Response(status, content=answer) if isinstance(answer, bytes) else httpx.Response(status, json=answer)
        assert request.url.path == "/prefix/health/circuit-breakers"
        return httpx.Response(404, text="Not Found") if circuits is None else httpx.Response(200, json=circuits)

    endpoint = Endpoint("http://api/prefix", HttpConfig(http_headers=(("X-API-Key", "k3y"),)))
    source = Platform(endpoint, transport=httpx.MockTransport(serve))
    try:
        return await source.health()
    finally:
        await source.close()


async def test_healthy() -> None:
    """Status, services and error rates; a build without a page for breakers is no failure."""
    assert await health(HEALTHY) == PlatformHealth(
        "healthy", (("api", "up"), ("ml", "up"), ("redis", "disabled")), (("ocr", 0.01), ("vision", 0.0)), ()
    )


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
        (b"no", 401, Denied),
        (b"[]", 200, Malformed),
        (b'{"state": "up"}', 200, Malformed),
        (b'{"status": "o', 200, Malformed),
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
        {"ocr:cb:deepseek": 2, "ocr:cb:paddle": 0},
        {"circuit_breakers": {"ocr:cb:deepseek": {"state": "open", "failures": 3}, "ocr:cb:paddle": {"state": 0}}, "total": 2},
        {
            "circuits": [{"name": "ocr:cb:deepseek", "state": "open"}, {"key": "ocr:cb:paddle", "state": "closed"}],
            "status": "ok",
        },
        [{"key": "ocr:cb:deepseek", "state": 2}, {"key": "ocr:cb:paddle", "state": "CLOSED"}, "x"],
    ],
)
async def test_circuits_in_every_shape(circuits: Any) -> None:
    """Maps and lists, words and numbers become the same state words."""
    told = await health(HEALTHY, circuits=circuits)
    assert told.circuits == (("ocr:cb:deepseek", "open"), ("ocr:cb:paddle", "closed"))


def test_half_open_in_every_spelling() -> None:
    """half_open, HALF-OPEN, halfOpen and 1 are one state."""
    assert {state for _, state in circuit_states({"a": "half_open", "b": "HALF-OPEN", "c": "halfOpen", "d": 1})} == {
        "half-open"
    }


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
def test_any_document_gives_state_words_only(document: object) -> None:
    """No document raises, and no state but the three comes out."""
    assert {state for _, state in circuit_states(document)} <= {"open", "half-open", "closed"}
