"""The slow questions fail in the same words as the refresh path."""

from __future__ import annotations

import asyncio
import time

import pytest
from limits import extend
from loopback import CERTIFICATES, http_answer

from queries.errors import AccessDenied, InvalidResponse, RequestRejected, SourceError, TimedOut, Unreachable
from queries.http.endpoint import Endpoint, HttpConfig
from queries.prometheus.metadata import Discovery

SECRET = "s3cr3t-token"
NAMES = http_answer("200 OK", b'{"status":"success","data":["b","a"]}')


def discovery(url: str, *, timeout: float = 3.0, **http: str) -> Discovery:
    return Discovery(Endpoint(url, HttpConfig(credentials=SECRET, **http), timeout))  # type: ignore[arg-type]


async def test_names_with_credentials_and_a_quoted_label(serve) -> None:
    """The same authorization header is sent; a label's name cannot leave its place in the path."""
    server = await serve(NAMES)
    found = discovery(server.url)
    assert await found.metric_names() == ("a", "b")
    assert f"Authorization: Bearer {SECRET}".lower().encode() in server.requests[0].lower()
    await found.label_values("../../../x?y")
    assert server.requests[1].startswith(b"GET /api/v1/label/..%2F..%2F..%2Fx%3Fy/values ")
    found.close()


async def test_early_hints_are_not_the_answer(serve) -> None:
    """A front may send informational answers first; http.client alone would take a 103 for the answer."""
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"
    server = await serve(hints + NAMES)
    found = discovery(server.url)
    assert await found.metric_names() == ("a", "b")
    found.close()


async def test_own_authority(serve) -> None:
    """The CA file and the server's name count here as well."""
    server = await serve(NAMES, tls="elsewhere.pem")
    authority = str(CERTIFICATES / "authority.pem")
    good = discovery(server.url, ca_file=authority, server_name="elsewhere.example")
    assert await good.metric_names() == ("a", "b")
    good.close()
    for http, words in (({}, "authority"), ({"ca_file": authority}, "another host")):
        bad = discovery(server.url, **http)
        with pytest.raises(Unreachable, match=words):
            await bad.metric_names()
        bad.close()


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (http_answer("401 Unauthorized", b"no", "text/plain"), AccessDenied),
        (http_answer("200 OK", b"<html>", "text/html"), AccessDenied),
        (http_answer("302 Found", b"", "", "Location: https://sso.example/?t=" + SECRET), AccessDenied),
        (http_answer("200 OK", b'{"status":"success","data"'), InvalidResponse),
        (http_answer("200 OK", b'{"status":"success"}'), InvalidResponse),
        (http_answer("200 OK", b'{"status":"success","data":3}'), InvalidResponse),
        (
            http_answer("400 Bad Request", b'{"status":"error","errorType":"bad_data","error":"' + SECRET.encode() + b'"}'),
            RequestRejected,
        ),
        (b"SSH-2.0\r\n\r\n", Unreachable),
    ],
)
async def test_failures(serve, raw: bytes, kind: type[SourceError]) -> None:
    """Each failure has its kind, and no secret in its words."""
    found = discovery((await serve(raw, close=True)).url)
    with pytest.raises(kind) as caught:
        await found.metric_names()
    assert SECRET not in repr(caught.value)
    found.close()


async def test_silence_ends_at_the_deadline(serve) -> None:
    """A server that says nothing does not hold the caller."""

    async def silence(head: bytes, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(5)

    found = discovery((await serve(silence)).url, timeout=0.3)
    begun = time.monotonic()
    with pytest.raises(TimedOut):
        await found.metric_names()
    assert time.monotonic() - begun < extend(2)
    await asyncio.sleep(0.1)
    found.close()
