"""Every way in which a server can fail us becomes an error of the right kind, with words a person can act on."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import time
from pathlib import Path

import httpx
import msgspec
import pytest
from limits import extend
from loopback import CERTIFICATES, http_answer

from queries.errors import AccessDenied, InvalidResponse, RateLimited, RequestRejected, SourceError, TimedOut, Unreachable
from queries.http.client import Client
from queries.http.endpoint import Endpoint, HttpConfig
from queries.prometheus.client import Prometheus

SECRET = "s3cr3t-token"
HTML = b"<html><body>Sign in</body></html>"


class Thing(msgspec.Struct):
    value: int


def client(url: str, *, timeout: float = 3.0, **http: object) -> Client:
    http.setdefault("credentials", SECRET)
    return Client(Endpoint(url, HttpConfig(**http), timeout), name="thing")  # type: ignore[arg-type]


async def failure(made: Client, *, limit_bytes: int = 64 << 20) -> SourceError:
    """The error of one GET; whatever it is, it holds no secret and says where."""
    try:
        with pytest.raises(SourceError) as caught:
            await made.get("/thing", type=Thing, limit_bytes=limit_bytes)
    finally:
        await made.close()
    assert SECRET not in repr(caught.value) and SECRET not in str(caught.value.__cause__)
    assert "127.0.0.1" in caught.value.fault.where or "localhost" in caught.value.fault.where
    return caught.value


def prometheus_error(kind: str, words: str) -> bytes:
    return msgspec.json.encode({"status": "error", "errorType": kind, "error": words})


ANSWERS = [
    ("401", http_answer("401 Unauthorized", b"Unauthorized\n", "text/plain"), AccessDenied, "credentials"),
    ("403", http_answer("403 Forbidden", b"no", "text/plain"), AccessDenied, "lack read permission"),
    ("404-prefix", http_answer("404 Not Found", b"404 page not found\n", "text/plain"), InvalidResponse, "path prefix"),
    ("405", http_answer("405 Method Not Allowed", b"", "text/plain"), RequestRejected, "405"),
    ("407", http_answer("407 Proxy Authentication Required", b"", "text/plain"), AccessDenied, "proxy"),
    ("408", http_answer("408 Request Timeout", b"", "text/plain"), TimedOut, "408"),
    ("429", http_answer("429 Too Many Requests", b"slow down", "text/plain", "Retry-After: 17"), RateLimited, "17s"),
    ("429-silent", http_answer("429 Too Many Requests", b"", ""), RateLimited, "limit"),
    ("503-retry", http_answer("503 Service Unavailable", b"busy", "text/plain", "Retry-After: 5"), RateLimited, "5s"),
    ("503-starting", http_answer("503 Service Unavailable", b"Service Unavailable", "text/plain"), Unreachable, "starting"),
    (
        "503-timeout",
        http_answer("503 Service Unavailable", prometheus_error("timeout", "query timed out")),
        TimedOut,
        "aborted the query",
    ),
    (
        "400-bad-data",
        http_answer("400 Bad Request", prometheus_error("bad_data", "1:5: parse error")),
        RequestRejected,
        "1:5: parse error",
    ),
    (
        "422",
        http_answer("422 Unprocessable", prometheus_error("execution", "too many samples")),
        RequestRejected,
        "too many samples",
    ),
    ("400-string", http_answer("400 Bad Request", b'"bad matcher format: a"'), RequestRejected, "bad matcher format"),
    (
        "422-schema",
        http_answer("422 Unprocessable", b'{"code":602,"message":"startsAt is required"}'),
        RequestRejected,
        "startsAt",
    ),
    (
        "400-tls",
        http_answer("400 Bad Request", b"Client sent an HTTP request to an HTTPS server.\n", "text/plain"),
        Unreachable,
        "https://",
    ),
    ("500", http_answer("500 Internal Server Error", b"panic", "text/plain"), Unreachable, "500"),
    ("502-html", http_answer("502 Bad Gateway", HTML, "text/html"), Unreachable, "proxy"),
    ("504", http_answer("504 Gateway Timeout", HTML, "text/html"), TimedOut, "504"),
    ("410", http_answer("410 Gone", b'{"status":"deprecated"}'), RequestRejected, "410"),
    ("200-html", http_answer("200 OK", HTML, "text/html; charset=utf-8"), AccessDenied, "login page"),
    ("200-html-unnamed", http_answer("200 OK", HTML, "text/plain"), AccessDenied, "login page"),
    ("200-text", http_answer("200 OK", b"pong", "text/plain"), InvalidResponse, "text/plain came instead of JSON (pong)"),
    (
        "302",
        http_answer("302 Found", b"", "", "Location: https://sso.example/login?next=a&token=" + SECRET),
        AccessDenied,
        "sso.example/login",
    ),
    ("302-itself", http_answer("302 Found", b"", "", "Location: /thing"), InvalidResponse, "endless redirects"),
    ("302-nowhere", http_answer("302 Found", b"", "", "Location: http://[::1"), InvalidResponse, "an invalid URL"),
    ("truncated-json", http_answer("200 OK", b'{"value": 1'), InvalidResponse, "cut off"),
    ("empty", http_answer("200 OK", b""), InvalidResponse, "cut off"),
    ("not-json", http_answer("200 OK", b"{'value': 1}"), InvalidResponse, "not JSON"),
    ("other-shape", http_answer("200 OK", b'{"value": "one"}'), InvalidResponse, "$.value"),
    ("deep", http_answer("200 OK", b'{"other":' + b"[" * 100_000), InvalidResponse, "nested too deeply"),
    ("deep-error", http_answer("400 Bad Request", b'{"error":' + b"[" * 60_000), RequestRejected, "400"),
    (
        "gzip-garbage",
        http_answer("200 OK", b"\x1f\x8b garbage", "application/json", "Content-Encoding: gzip"),
        InvalidResponse,
        "encoded as gzip instead of identity",
    ),
    ("not-http", b"SSH-2.0-OpenSSH_9.2\r\n\r\n", InvalidResponse, "HTTP"),
    (
        "echo",
        http_answer("400 Bad Request", f"bad header: Bearer {SECRET}".encode(), "text/plain"),
        RequestRejected,
        "bad header: Bearer …",
    ),
    (
        "escapes",
        http_answer("400 Bad Request", b"\x1b[31mred\x1b[0m\x07\n\n line two", "text/plain"),
        RequestRejected,
        "[31mred",
    ),
]


@pytest.mark.parametrize(("raw", "kind", "words"), [row[1:] for row in ANSWERS], ids=[row[0] for row in ANSWERS])
async def test_answer_becomes_its_error(serve, raw: bytes, kind: type[SourceError], words: str) -> None:
    """Each bad answer is told apart by content type, status and errorType."""
    server = await serve(raw, close=True)
    error = await failure(client(server.url))
    assert type(error) is kind
    assert words in error.fault.sentence()
    assert error.fault.sentence().isprintable() and "<html" not in error.fault.sentence()


async def test_retry_after_is_kept(serve) -> None:
    """What the server asks for reaches the poller, as seconds and as a date."""
    server = await serve(http_answer("429 Too Many Requests", b"", "", "Retry-After: 17"))
    assert (await failure(client(server.url))).fault.retry_after_seconds == 17
    later = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 30))
    server = await serve(http_answer("503 Service Unavailable", b"", "", f"Retry-After: {later}"))
    assert 20 < (await failure(client(server.url))).fault.retry_after_seconds <= 30


async def test_refused() -> None:
    """Nobody listens: the sentence says so."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    error = await failure(client(f"http://user:{SECRET}@127.0.0.1:{port}/prom?key={SECRET}"))
    assert type(error) is Unreachable and "refused" in error.fault.what
    assert error.fault.where == f"http://127.0.0.1:{port}/prom"


async def test_unknown_name() -> None:
    """A name that DNS does not know is told apart from a server that is down."""
    made = client("http://no-such-host.invalid:9090")
    with pytest.raises(Unreachable, match=r"cannot resolve no-such-host\.invalid"):
        await made.get("/thing", type=Thing)
    await made.close()


@pytest.mark.parametrize(
    "url", ["", "prometheus", "ftp://x", "http://", f"http://u:{SECRET}@[::1", "http://a b/", "http://x:99999999"]
)
async def test_unusable_url(url: str) -> None:
    """A URL that is none is a failure of that source, not of the program, and its text is not repeated."""
    made = client(url)
    with pytest.raises(Unreachable, match="is not a URL") as caught:
        await made.get("/thing", type=Thing)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("certificate", "http", "words"),
    [
        ("localhost.pem", {}, "unknown authority"),
        ("expired.pem", {"ca_file": "authority.pem"}, "expired"),
        ("elsewhere.pem", {"ca_file": "authority.pem"}, "another host than 127.0.0.1"),
        ("localhost.pem", {"ca_file": "missing.pem"}, "ca_file"),
        ("localhost.pem", {"ca_file": "server.key"}, "ca_file"),
        ("localhost.pem", {"ca_file": "authority.pem", "cert_file": "authority.pem", "key_file": "server.key"}, "cert_file"),
    ],
)
async def test_tls_failures(serve, certificate: str, http: dict[str, str], words: str) -> None:
    """Each TLS failure names its cause, and the field that mends it."""
    server = await serve(http_answer("200 OK", b'{"value": 1}'), tls=certificate)
    paths = {name: str(CERTIFICATES / value) for name, value in http.items()}
    error = await failure(client(server.url, **paths))
    assert type(error) is Unreachable and words in error.fault.sentence()


@pytest.mark.parametrize(
    ("certificate", "http"),
    [
        ("localhost.pem", {}),
        ("elsewhere.pem", {"server_name": "elsewhere.example"}),
        ("expired.pem", {"insecure_skip_verify": True}),
    ],
)
async def test_tls_works(serve, certificate: str, http: dict[str, object]) -> None:
    """A CA file, another server name and no verification at all do what Prometheus' tls_config says."""
    server = await serve(http_answer("200 OK", b'{"value": 1}'), tls=certificate)
    made = client(server.url, ca_file=str(CERTIFICATES / "authority.pem"), **http)
    assert (await made.get("/thing", type=Thing)).value == 1
    await made.close()


async def test_tls_files_are_read_again(serve, tmp_path: Path) -> None:
    """A CA file that was replaced counts at the next request, without a restart."""
    server = await serve(http_answer("200 OK", b'{"value": 1}'), tls="localhost.pem")
    authority = tmp_path / "ca.pem"
    authority.write_bytes((CERTIFICATES / "elsewhere.pem").read_bytes())
    made = client(server.url, ca_file=str(authority))
    with pytest.raises(Unreachable, match="unknown authority"):
        await made.get("/thing", type=Thing)
    await asyncio.sleep(0.02)
    authority.write_bytes((CERTIFICATES / "authority.pem").read_bytes())
    assert (await made.get("/thing", type=Thing)).value == 1
    await made.close()


async def test_plain_http_on_a_tls_url() -> None:
    """https:// against a port without TLS says which scheme to write."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(http_answer("400 Bad Request", b"what?", "text/plain"))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        error = await failure(client(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"))
    assert type(error) is Unreachable and "http://" in error.fault.hint


async def test_redirect_to_https_is_explained(serve) -> None:
    """A server that wants https is not a login page."""

    async def behave(head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(http_answer("301 Moved", b"", "", "Location: https://127.0.0.1/thing"))

    error = await failure(client((await serve(behave)).url))
    assert type(error) is InvalidResponse and "https" in error.fault.what


async def test_redirect_within_the_origin_is_followed(serve) -> None:
    """A moved path prefix is no failure, unless following is switched off."""

    async def behave(head: bytes, writer: asyncio.StreamWriter) -> None:
        moved = head.startswith(b"GET /thing ")
        writer.write(
            http_answer("307 Temporary Redirect", b"", "", "Location: /prefix/thing?a=1")
            if moved
            else http_answer("200 OK", b'{"value": 2}')
        )

    server = await serve(behave)
    made = client(server.url)
    assert (await made.get("/thing", type=Thing)).value == 2
    assert server.requests[1].startswith(b"GET /prefix/thing?a=1 ")
    await made.close()
    assert type(await failure(client(server.url, follow_redirects=False))) is AccessDenied


async def test_cut_off_in_the_middle(serve) -> None:
    """A connection that breaks inside the body is a damaged answer, not a missing server."""
    server = await serve(http_answer("200 OK", b'{"value": 1}').replace(b"Length: 12", b"Length: 500"), close=True)
    error = await failure(client(server.url))
    assert type(error) is InvalidResponse and "cut off" in error.fault.what


async def test_too_large(serve) -> None:
    """An answer beyond the limit is left unread."""
    server = await serve(http_answer("200 OK", b'{"value": 1, "x": "' + b"y" * 300_000 + b'"}'))
    assert "larger than" in (await failure(client(server.url), limit_bytes=100_000)).fault.what


async def test_endless_error_page(serve) -> None:
    """Of a failure's explanation only the beginning is read."""
    server = await serve(http_answer("500 Internal Server Error", b"x" * 5_000_000, "text/plain"))
    assert len((await failure(client(server.url))).fault.sentence()) < 500


async def test_silence_and_trickle_end_at_the_deadline(serve) -> None:
    """The time-out covers the whole answer: a byte now and then does not prolong it."""

    async def silence(head: bytes, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(30)

    async def trickle(head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n")
        for _ in range(1000):
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.02)

    for behave, phase in ((silence, "waiting for the answer"), (trickle, "receiving the answer")):
        begun = time.monotonic()
        error = await failure(client((await serve(behave)).url, timeout=0.3))
        assert type(error) is TimedOut and phase in error.fault.what
        assert time.monotonic() - begun < extend(1.5)


async def test_hanging_tls_handshake() -> None:
    """A port that accepts and says nothing ends at the deadline, too, and leaves no socket behind."""

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    async with server:
        error = await failure(client(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}", timeout=1.0))
        await asyncio.sleep(0.05)
    assert type(error) is TimedOut and "no connection in time" in error.fault.what


async def test_stale_kept_connection_is_retried_once(serve) -> None:
    """A server that closes kept connections costs nothing: the read is sent again on a new one."""

    async def behave(head: bytes, writer: asyncio.StreamWriter) -> None:
        if len(server.requests) == 2:
            writer.close()  # the second request on the kept connection gets nothing
        else:
            writer.write(http_answer("200 OK", b'{"value": 1}'))

    server = await serve(behave)
    made = client(server.url)
    for _ in range(2):
        assert (await made.get("/thing", type=Thing)).value == 1
    assert (len(server.requests), server.connections) == (3, 2)
    await made.close()


async def test_fresh_connection_that_breaks_is_not_retried(serve) -> None:
    """A server that answers nobody is asked once a poll, not twice."""

    async def behave(head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await serve(behave)
    error = await failure(client(server.url))
    assert type(error) is Unreachable and len(server.requests) == 1


async def test_write_is_never_repeated(serve) -> None:
    """A write on a broken connection is sent once, and its outcome is called unknown (a time-out)."""

    async def behave(head: bytes, writer: asyncio.StreamWriter) -> None:
        if len(server.requests) == 1:
            writer.write(http_answer("200 OK", b'{"value": 1}'))
        else:
            writer.close()

    server = await serve(behave)
    made = Client(Endpoint(server.url, timeout_seconds=3), name="thing", writes=True)
    assert await made.send("POST", "/api/v2/silences", json={"a": 1}) == {"value": 1}
    with pytest.raises(TimedOut, match="may or may not have taken effect"):
        await made.send("DELETE", "/api/v2/silence/1")
    assert len(server.requests) == 2
    assert server.bodies[0] == b'{"a":1}'
    await made.close()


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
async def test_a_reading_client_cannot_write(serve, method: str) -> None:
    """Whatever is called on it, a client without `writes` sends nothing but reads; the transport itself refuses."""
    server = await serve(http_answer("200 OK", b'{"value": 1}'))
    made = client(server.url)
    with pytest.raises(PermissionError):
        await made.send(method, "/api/v2/silences", json={})
    with pytest.raises(PermissionError):
        await made.fetch("/api/v2/silences", decode=bytes, method=method)
    with pytest.raises(PermissionError):
        await made.fetch("/api/v1/admin/tsdb/delete_series", decode=bytes, method=method)
    assert not server.requests
    await made.close()


async def test_prometheus_error_behind_200(serve) -> None:
    """A query that fails after the answer has begun: 200, and the error in the JSON."""
    server = await serve(http_answer("200 OK", prometheus_error("timeout", "query timed out in expression evaluation")))
    source = Prometheus(Endpoint(server.url))
    with pytest.raises(TimedOut, match="aborted the query"):
        await source.query("up")
    await source.close()


async def test_no_tls_context_for_http(serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading the roots is slow: a plain http endpoint does not."""
    monkeypatch.setattr(ssl, "create_default_context", lambda *a, **k: pytest.fail("roots were loaded"))
    made = client((await serve(http_answer("200 OK", b'{"value": 1}'))).url)
    assert (await made.get("/thing", type=Thing)).value == 1
    await made.close()


async def test_mock_transport_passes_the_same_gate() -> None:
    """A transport given by a test stands behind the read-only gate, too."""
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.method)
        return httpx.Response(200, json={"value": 3})

    made = Client(Endpoint("http://x/prefix/"), name="thing", transport=httpx.MockTransport(answer))
    assert (await made.get("/thing", [("a", "b c")], type=Thing)).value == 3
    with pytest.raises(PermissionError):
        await made.fetch("/thing", decode=bytes, method="POST")
    assert seen == ["GET"]
    await made.close()
