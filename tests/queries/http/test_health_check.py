"""A service's own health, by one GET."""

from __future__ import annotations

import pytest
from loopback import http_answer

from queries.http.health_check import probe_health


@pytest.mark.parametrize(
    "answer", [http_answer("200 OK", b"ok", "text/plain"), http_answer("204 No Content", b"", ""), http_answer("200 OK", b"{}")]
)
async def test_it_is_healthy(serve, answer: bytes) -> None:
    """Any 2xx, whatever its body."""
    server = await serve(answer)
    assert await probe_health(f"{server.url}/healthz", name="runner") == ""
    assert server.requests[0].startswith(b"GET /healthz ") and len(server.requests) == 1


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (http_answer("503 Service Unavailable", b"not yet", "text/plain"), "503"),
        (http_answer("404 Not Found", b"", "text/plain"), "404 nothing at this path"),
        (http_answer("200 OK", b"<html><body>Log in</body></html>", "text/html"), "login page"),
    ],
)
async def test_it_is_not(serve, answer: bytes, words: str) -> None:
    """A status other than 2xx, or a web page, with the address."""
    server = await serve(answer)
    said = await probe_health(server.url, name="runner")
    assert words in said and server.url in said


async def test_nobody_answers(serve) -> None:
    """The connection's failure is the reason."""
    server = await serve(b"", close=True)
    assert "the server closed the connection" in await probe_health(server.url, name="runner")
