"""A PING is answered or told as what it is, and never with the password."""

from __future__ import annotations

import sys
import tracemalloc

import pytest
import redis_fixture
from redis_fixture import redis_server

from queries.errors import AccessDenied, InvalidResponse, NotConfigured, RequestRejected, SourceError, TimedOut, Unreachable
from queries.http.endpoint import RedisEndpoint
from queries.redis_ping import ping

SECRET = "s3cr3t-pass"


async def test_a_pong_is_timed() -> None:
    """The seconds until the PONG, with the password where one is wanted."""
    with redis_server(password=SECRET) as port:
        assert 0 < await ping(RedisEndpoint(f"redis://:{SECRET}@127.0.0.1:{port}/0")) < 3


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        ("wrong password", AccessDenied, "refuses the user or the password"),
        ("no password", AccessDenied, "refuses the user or the password"),
        ("no permission", AccessDenied, "refuses the user or the password"),
        ("loading", Unreachable, "loading"),
        ("full", SourceError, "Redis"),
        ("no redis", SourceError, "Redis"),
        ("silent", TimedOut, "no PONG within"),
    ],
)
async def test_every_failure_is_told_without_the_secret(answer: str, kind: type[SourceError], words: str) -> None:
    """What went wrong, where, and what to try; user, password and the server's own words are not repeated."""
    with redis_server(answer) as port, pytest.raises(kind, match=words) as caught:
        await ping(RedisEndpoint(f"redis://operator:{SECRET}@127.0.0.1:{port}/2?socket_keepalive=true", timeout_seconds=0.5))
    assert isinstance(caught.value, AccessDenied | InvalidResponse | RequestRejected | TimedOut | Unreachable)
    assert SECRET not in repr(caught.value) and "operator" not in str(caught.value)
    assert caught.value.fault.where == f"redis://127.0.0.1:{port}/2"


@pytest.mark.parametrize(
    "url", [f"redis://:{SECRET}@127.0.0.1:1/0", f"rediss://:{SECRET}@127.0.0.1:1", "unix:///nonexistent.sock"]
)
async def test_nobody_there(url: str) -> None:
    """A refused connection is unreachable, at the URL without its password."""
    with pytest.raises(Unreachable, match="no connection to Redis") as caught:
        await ping(RedisEndpoint(url, timeout_seconds=1.0))
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("url", [f"operator:{SECRET}@host:6379", f"http://:{SECRET}@host", f"redis://:{SECRET}@[::1", ""])
async def test_what_is_no_url(url: str) -> None:
    """A text that is no Redis URL is refused without quoting it."""
    endpoint = RedisEndpoint(url)
    with pytest.raises(Unreachable, match="REDIS_URL is not a URL") as caught:
        await ping(endpoint)
    assert SECRET not in str(caught.value) + repr(endpoint) + endpoint.where


async def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """redis-py is an extra: without it nothing is claimed of Redis."""
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(NotConfigured, match=r"cad-console\[redis\]"):
        await ping(RedisEndpoint("redis://127.0.0.1:1"))


ENDLESS = {
    "a long line": b"+" + b"x" * 200_000,
    "a bulk that was announced": b"$2000000000\r\n" + b"x" * 300_000,
    "an array of arrays": b"*1\r\n" * 20_000,
    "an array that was announced": b"*2000000000\r\n" + b":1\r\n" * 20_000,
}


@pytest.mark.parametrize("kind", ENDLESS)
async def test_what_is_more_than_a_line_is_no_pong(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A PING is answered by one line: bulks, arrays and lines without an end are refused at once, in little memory."""
    monkeypatch.setitem(redis_fixture.ANSWERS, kind, ENDLESS[kind])
    with redis_server(kind) as port:
        endpoint = RedisEndpoint(f"redis://127.0.0.1:{port}/0", timeout_seconds=2.0)
        with pytest.raises(SourceError):
            await ping(RedisEndpoint("redis://127.0.0.1:1"))  # imports
        tracemalloc.start()
        try:
            with pytest.raises(InvalidResponse, match="the server that answered is not Redis"):
                await ping(endpoint)
            assert tracemalloc.get_traced_memory()[1] < 2 << 20
        finally:
            tracemalloc.stop()
