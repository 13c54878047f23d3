"""The slow questions fail in the same words as the refresh path."""

from __future__ import annotations

import asyncio
import json
import time

import pytest
from limits import extend
from loopback import CERTIFICATES, http_answer

from queries.errors import (
    AccessDenied,
    InvalidResponse,
    PartialAnswer,
    RequestRejected,
    SourceError,
    TimedOut,
    Unreachable,
)
from queries.http.endpoint import Endpoint, HttpConfig
from queries.prometheus.metadata import Discovery, Metadata, Target

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


def success(data: object, **more: object) -> bytes:
    return http_answer("200 OK", json.dumps({"status": "success", "data": data, **more}).encode())


async def test_labels_of_a_selector(serve) -> None:
    """Names and values, sorted, with the selector only where there is one; nothing is an empty list."""
    server = await serve(NAMES)
    found = discovery(server.url)
    assert await found.label_names() == await found.label_names("up{a='b'}") == ("a", "b")
    assert await found.label_values("job", match="up") == ("a", "b")
    paths = [head.split()[1] for head in server.requests]
    assert paths == [
        b"/api/v1/labels",
        b"/api/v1/labels?match%5B%5D=up%7Ba%3D%27b%27%7D",
        b"/api/v1/label/job/values?match%5B%5D=up",
    ]
    found.close()
    empty = discovery((await serve(success([]))).url)
    assert await empty.label_names() == await empty.label_values("job") == ()
    empty.close()


async def test_metadata_of_every_family(serve) -> None:
    """Type and help text of each, also where one family has two."""
    entries = {
        "errors": [{"type": "counter", "help": "h", "unit": ""}, {"type": "gauge", "help": "g", "unit": ""}],
        "up": [{"type": "gauge", "help": "", "unit": ""}],
    }
    server = await serve(success(entries))
    found = discovery(server.url)
    assert await found.metadata("errors") == (
        Metadata("errors", "counter", "h"),
        Metadata("errors", "gauge", "g"),
        Metadata("up", "gauge", ""),
    )
    assert server.requests[0].split()[1].startswith(b"/api/v1/metadata?") and b"metric=errors" in server.requests[0]
    found.close()


async def test_targets(serve) -> None:
    """Each active target with its labels in order; an old server sends less; a secret in the address's query is not kept."""
    full = {
        "labels": {"job": "api", "instance": "a:1"},
        "scrapePool": "pool",
        "scrapeUrl": "http://a:1/metrics?token=x",
        "health": "down",
        "lastError": "refused",
        "scrapeInterval": "15s",
    }
    server = await serve(success({"activeTargets": [full, {"scrapePool": "pool"}], "droppedTargets": []}))
    found = discovery(server.url)
    assert await found.targets() == (
        Target("api", "http://a:1/metrics", "down", "refused", (("instance", "a:1"), ("job", "api")), "15s"),
        Target("pool", "", "unknown"),
    )
    assert b"state=active" in server.requests[0]
    found.close()


async def test_the_version(serve) -> None:
    """From the build's information, with the credentials of every other request."""
    server = await serve(success({"version": "3.16.0", "revision": "x"}))
    found = discovery(server.url)
    assert await found.version() == "3.16.0"
    assert server.requests[0].startswith(b"GET /api/v1/status/buildinfo ") and SECRET.encode() in server.requests[0]
    found.close()


@pytest.mark.parametrize(
    ("more", "missing"),
    [
        ({"isPartial": True}, True),
        ({"warnings": ["No StoreAPIs matched for this query"]}, True),
        ({"warnings": ["results truncated"]}, True),
        ({"warnings": "x"}, False),
    ],
)
async def test_a_part_of_the_names_is_not_all_of_them(serve, more: dict[str, object], missing: bool) -> None:
    """What a server with several stores leaves out is an error with its reason; a remark in another shape is none."""
    found = discovery((await serve(success(["b", "a"], **more))).url)
    if missing:
        with pytest.raises(PartialAnswer, match="partial response"):
            await found.metric_names()
    else:
        assert await found.metric_names() == ("a", "b")
    found.close()


async def test_a_redirect_within_the_server_is_followed(serve) -> None:
    """To another path of the same server; the address without its user and its path's end is what errors name."""

    async def behave(head: bytes, writer: asyncio.StreamWriter) -> None:
        moved = head.startswith(b"GET /api/")
        writer.write(http_answer("302 Found", b"", "", "Location: /prefix/labels") if moved else NAMES)

    server = await serve(behave)
    found = discovery(f"http://user:pw@127.0.0.1:{server.port}/?a=b#c")
    assert await found.label_names() == ("a", "b") and found.where == server.url
    found.close()


async def test_what_is_no_url_is_said_at_the_first_question() -> None:
    """Nothing is sent, and the sentence says what to write."""
    found = discovery("nonsense")
    with pytest.raises(Unreachable) as refused:
        await found.targets()
    assert refused.value.fault.what == "the URL of prometheus is not a URL" and "http://host:port" in refused.value.fault.hint
    found.close()


async def test_an_answer_without_a_content_type_is_none(serve) -> None:
    """Whatever it holds: Prometheus always names it."""
    body = b'{"status":"success","data":["b","a"]}'
    server = await serve(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
    found = discovery(server.url)
    with pytest.raises(InvalidResponse, match="something without a content type came instead of JSON"):
        await found.metric_names()
    found.close()
