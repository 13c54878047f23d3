"""A stream of messages that is only read: what a server may send instead of it, or in the middle of it."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import struct
import time
from collections.abc import Awaitable, Callable

import pytest
from loopback import CERTIFICATES, Behaviour, Loopback, http_answer

from queries.errors import SourceError
from queries.http import web_socket
from queries.http.client import Client
from queries.http.endpoint import Endpoint, HttpConfig
from queries.http.web_socket import read_messages
from queries.model.fault import FaultKind

Serve = Callable[..., Awaitable[Loopback]]
SECONDS = 2.0
TEXT, CLOSE, PING = 0x81, 0x88, 0x89


def upgraded(head: bytes) -> bytes:
    """The answer to an upgrade."""
    (key,) = (line.partition(b":")[2].strip() for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key:"))
    accepted = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
    lines = (b"HTTP/1.1 101 Switching Protocols", b"Upgrade: websocket", b"Connection: Upgrade")
    return b"\r\n".join((*lines, b"Sec-WebSocket-Accept: " + accepted, b"", b""))


def frame(code: int, data: bytes) -> bytes:
    length = bytes([len(data)]) if len(data) < 126 else b"\x7f" + struct.pack("!Q", len(data))
    return bytes([code]) + length + data


def sending(*pieces: bytes, pause: float = 0.0) -> Behaviour:
    async def behave(head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(upgraded(head))
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause)

    return behave


async def read(url: str, *, most: int = 1000, **http: object) -> list[bytes | None]:
    client = Client(Endpoint(url, HttpConfig(**http), SECONDS), name="loki")  # type: ignore[arg-type]
    stream = client.web_socket("/tail", [("query", '{a="b"}')])
    assert stream is not None
    found: list[bytes | None] = []
    async with asyncio.timeout(20):
        async for message in read_messages(stream):
            found.append(message)
            if len(found) >= most:
                break
    return found


async def fault(url: str, **http: object) -> tuple[FaultKind, str]:
    began = time.monotonic()
    with pytest.raises(SourceError) as raised:
        await read(url, **http)
    assert time.monotonic() - began < 3 * SECONDS
    return raised.value.fault.kind, raised.value.fault.sentence()


async def test_messages_pings_and_the_reason_of_the_end(serve: Serve) -> None:
    """None once it is open and for a ping; a message in two frames is one; the reason of the server's closing is quoted."""
    server = await serve(
        sending(
            frame(TEXT, b"one"), frame(PING, b"x"), frame(0x01, b"tw"), frame(0x80, b"o"), frame(CLOSE, b"\x03\xf3too many")
        )
    )
    found: list[bytes | None] = []
    stream = Client(Endpoint(f"{server.url}/prefix"), name="loki").web_socket("/tail", [("query", '{a="b"}')])
    assert stream is not None
    with pytest.raises(SourceError, match="closed the stream: too many"):
        async for message in read_messages(stream):
            found.append(message)
    assert found == [None, b"one", None, b"two"]
    assert server.requests[0].startswith(b"GET /prefix/tail?query=%7Ba%3D%22b%22%7D HTTP/1.1\r\n")


async def test_tls_and_credentials(serve: Serve) -> None:
    """As every request of the endpoint: its CA, its tenant and its token."""
    server = await serve(sending(frame(TEXT, b"x")), tls="localhost.pem")
    url, tenant = server.url.replace("127.0.0.1", "localhost"), (("X-Scope-OrgID", "team-a"),)
    ca = str(CERTIFICATES / "authority.pem")
    assert await read(url, most=2, ca_file=ca, credentials="secret-token", http_headers=tenant) == [None, b"x"]
    head = server.requests[0].lower()
    assert b"x-scope-orgid: team-a" in head and b"authorization: bearer secret-token" in head
    kind, said = await fault(url)
    assert kind is FaultKind.UNREACHABLE and "unknown authority" in said


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (http_answer("400 Bad Request", b"parse error at line 1, col 9: secret-token", "text/plain"), "REJECTED", "col 9: …"),
        (http_answer("401 Unauthorized", b"no org id", "text/plain"), "DENIED", "X-Scope-OrgID"),
        (http_answer("404 Not Found", b"", "text/plain"), "MALFORMED", "nothing at this path"),
        (http_answer("200 OK", b"<html>", "text/html"), "MALFORMED", "does not speak WebSocket"),
        (http_answer("302 Found", b"", "", "Location: http://elsewhere/"), "MALFORMED", "does not speak WebSocket"),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", "MALFORMED", "does not speak WebSocket"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "MALFORMED", "does not speak WebSocket"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n" + b"x" * (1 << 20), "MALFORMED", "more than 64 KiB"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100_000, "MALFORMED", "more than 64 KiB"),
        (b"HTTP/1.1 200 OK\r\n", "TIMED_OUT", "no connection in time"),
    ],
    ids=[
        "rejected",
        "denied",
        "not found",
        "a page",
        "redirected",
        "no key",
        "another protocol",
        "endless body",
        "endless head",
        "half a head",
    ],
)
async def test_what_is_no_upgrade(serve: Serve, answer: bytes, kind: str, words: str) -> None:
    """The server's own words as for any request, without the secret that they repeat; what does not end is ended."""
    server = await serve(answer)
    found, said = await fault(server.url, credentials="secret-token")
    assert (found.name, words in said) == (kind, True), said
    assert "secret-token" not in said


@pytest.mark.parametrize(
    ("piece", "kind", "words"),
    [
        (b"\x81\x7f" + struct.pack("!Q", 1 << 62) + b"x" * (3 << 20), "MALFORMED", "more than 1 MiB"),
        (frame(0x01, b"x" * (1 << 19)) + frame(0x00, b"x" * (1 << 20)), "MALFORMED", "more than 1 MiB"),
        (b"\xf1\x00", "MALFORMED", "does not speak WebSocket"),
        (b"\x80\x01x", "MALFORMED", "does not speak WebSocket"),
        (frame(CLOSE, b"\x00"), "MALFORMED", "does not speak WebSocket"),
        (frame(CLOSE, b""), "UNREACHABLE", "no reason given"),
        (frame(PING, b"x" * 200), "MALFORMED", "does not speak WebSocket"),
    ],
    ids=["exabytes", "frames without an end", "reserved bits", "no first frame", "half a code", "no reason", "long ping"],
)
async def test_what_is_no_frame(serve: Serve, piece: bytes, kind: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A frame of exabytes, frames without an end, reserved bits: a sentence, and never more memory than a message may have."""
    monkeypatch.setattr(web_socket, "MESSAGE_BYTES", 1 << 20)
    server = await serve(sending(piece))
    found, said = await fault(server.url)
    assert (found.name, words in said) == (kind, True), said


async def test_a_server_that_goes_or_says_nothing(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broken connection ends it at once, a silent one after its time; a slow message is none."""
    monkeypatch.setattr(web_socket, "SILENCE_SECONDS", 1.5)

    async def leave(head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(upgraded(head) + b"\x81")
        await writer.drain()
        writer.close()

    gone = await serve(leave)
    assert (await fault(gone.url))[1].startswith("the stream broke")
    silent = await serve(sending())
    assert "silent for 1s500ms" in (await fault(silent.url))[1]
    slow = await serve(sending(*(bytes([value]) for value in frame(TEXT, b"x" * 100)), pause=0.1))
    assert (await fault(slow.url))[0] is FaultKind.TIMED_OUT


async def test_a_reader_that_stops_ends_the_connection(serve: Serve) -> None:
    """Cancelled while it waits, it leaves neither a connection nor a thread that reads."""
    opened, ended = asyncio.Event(), asyncio.Event()

    async def wait(head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(upgraded(head))
        await writer.drain()
        opened.set()
        with contextlib.suppress(ConnectionError):
            while True:
                writer.write(frame(PING, b""))
                await writer.drain()
                await asyncio.sleep(0.05)
        ended.set()

    server = await serve(wait)
    reading = asyncio.ensure_future(read(server.url))
    await opened.wait()
    reading.cancel()
    async with asyncio.timeout(5):
        await asyncio.gather(reading, return_exceptions=True)
        await ended.wait()


async def test_a_header_with_a_line_break_is_not_sent(serve: Serve) -> None:
    """A secret file with two lines must not become a header of its own."""
    server = await serve(sending())
    kind, said = await fault(server.url, http_headers=(("X-Scope-OrgID", "a\r\nX-Evil: b"),))
    assert kind is FaultKind.DENIED and "line breaks" in said
    assert not server.requests


async def test_no_stream_through_a_proxy() -> None:
    """The caller polls then: a tunnel of the client's own has neither its TLS nor its limits."""
    client = Client(Endpoint("http://10.0.0.1:3100", HttpConfig(proxy_url="http://127.0.0.1:1")), name="loki")
    assert client.web_socket("/tail", []) is None
