"""What a client sends: a request that was sent before goes out as if it were built anew."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import httpx
import pytest
from loopback import http_answer

from queries.errors import InvalidResponse
from queries.http.client import Client, parse_url
from queries.http.endpoint import Endpoint, HttpConfig

Sent = tuple[str, tuple[tuple[str, str], ...]]
UP: Sent = "/api/v1/query", (("query", 'up{job="ä"}'), ("timeout", "8.000"))


async def fetch(client: Client, method: str, sent: Sent = UP) -> None:
    await client.fetch(*sent, decode=bytes, method=method)


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_repeated_request_is_the_same_to_the_last_byte(serve, method: str, tmp_path: Path) -> None:
    """Others, and a token that was renewed meanwhile, do not get mixed up with it."""
    token = tmp_path / "token"
    token.write_text("first")
    others: list[Sent] = [("/api/v1/query", (("query", "down"),)), ("/api/v1/query_range", ()), ("/api/v1/query", ())]
    server = await serve(http_answer("200 OK", b"null"))
    endpoint = Endpoint(f"{server.url}/base", HttpConfig(credentials_file=str(token)))
    client, fresh = (Client(endpoint, name="prometheus") for _ in range(2))
    for sent in (UP, *others, UP, *others, UP):
        await fetch(client, method, sent)
    token.write_text("second")
    os.utime(token, ns=(1, 1))
    for one in (client, fresh):
        await fetch(one, method)
        await one.close()
    received = [head + body for head, body in zip(server.requests, server.bodies, strict=True)]
    assert received[0] == received[4] == received[8]
    assert received[1:4] == received[5:8] and len(set(received[:4])) == 4
    assert received[9] == received[10] == received[0].replace(b"first", b"second") != received[0]


async def test_more_requests_than_are_kept() -> None:
    """Every request is the one that was asked for."""
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(f"{request.url.path}?{request.url.params['at']}")
        return httpx.Response(200, json=None)

    client = Client(Endpoint("http://server"), name="prometheus", transport=httpx.MockTransport(answer))
    wanted = [f"/{path}?{at}" for _ in range(2) for path in range(20) for at in range(3)]
    for text in wanted:
        path, _, at = text.partition("?")
        await fetch(client, "GET", (path, (("at", at),)))
    assert asked == wanted


async def test_equal_requests_at_once_have_a_progress_each() -> None:
    """The phase that an error names is that of its own request."""
    traces: list[object] = []

    def answer(request: httpx.Request) -> httpx.Response:
        traces.append(request.extensions["trace"].__self__)
        return httpx.Response(200, json=None)

    client = Client(Endpoint("http://server"), name="prometheus", transport=httpx.MockTransport(answer))
    await asyncio.gather(*(fetch(client, "GET") for _ in range(3)))
    assert len(set(map(id, traces))) == 3


@pytest.mark.parametrize(("text", "valid"), [("http://a:65535", True), ("http://a:65536", False), ("http://a", True)])
def test_a_port_has_16_bits(text: str, valid: bool) -> None:
    """A URL with a larger one is none."""
    assert (parse_url(text) is not None) is valid


@pytest.mark.parametrize(("redirects", "answered"), [(0, True), (5, True), (6, False)])
async def test_five_redirects_are_followed(redirects: int, answered: bool) -> None:
    """Within the server; one more, and they are called endless."""
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        if len(asked) > redirects:
            return httpx.Response(200, json={})
        return httpx.Response(307, headers={"location": f"/{len(asked)}"})

    client = Client(Endpoint("http://server"), name="prometheus", transport=httpx.MockTransport(answer))
    if answered:
        assert await client.fetch("/0", decode=bytes) == b"{}"
    else:
        with pytest.raises(InvalidResponse, match="307 endless redirects"):
            await client.fetch("/0", decode=bytes)
    assert asked == [f"/{at}" for at in range(min(redirects, 5) + 1)]
