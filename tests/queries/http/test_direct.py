"""The transport to a server without a proxy, beside httpx' own: the same answers and the same kinds of errors, and its pool."""

from __future__ import annotations

import asyncio
import socket
import ssl
from types import SimpleNamespace

import httpx
import pytest
from limits import extend
from loopback import http_answer

from queries.http.direct import CONNECTIONS, IDLE_SECONDS, DirectTransport
from queries.http.exchange import ENDLESS_HEAD, HEAD_BYTES, Exchange

BODY = b'{"value": 1}'
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n4\r\n" + BODY[:4] + b"\r\n8\r\n" + BODY[4:] + b"\r\n"
ANSWERS = {
    "a length": http_answer("200 OK", BODY),
    "the same length twice": HEAD + b"Content-Length: 12\r\nContent-Length: 12\r\n\r\n" + BODY,
    "two lengths": HEAD + b"Content-Length: 12\r\nContent-Length: 13\r\n\r\n" + BODY,
    "no number as length": HEAD + b"Content-Length: x\r\n\r\n" + BODY,
    "a negative length": HEAD + b"Content-Length: -1\r\n\r\n" + BODY,
    "a length of 22 digits": HEAD + b"Content-Length: " + b"9" * 22 + b"\r\n\r\n" + BODY,
    "shorter than its length": HEAD + b"Content-Length: 500\r\n\r\n" + BODY,
    "longer than its length": HEAD + b"Content-Length: 12\r\n\r\n" + BODY + b"more",
    "until the end": HEAD + b"\r\n" + BODY,
    "HTTP/1.0": HEAD.replace(b"1.1", b"1.0") + b"\r\n" + BODY,
    "chunks": CHUNKED + b"0\r\n\r\n",
    "chunks and a length": CHUNKED.replace(b"Transfer", b"Content-Length: 3\r\nTransfer") + b"0\r\n\r\n",
    "trailers": CHUNKED + b"0\r\nX-A: b\r\n\r\n",
    "no trailers": CHUNKED + b"0\r\nnonsense\r\n\r\n",
    "an extension of a chunk": CHUNKED + b"0;a=b\r\n\r\n",
    "no end of the chunks": CHUNKED,
    "no size of a chunk": CHUNKED + b"zz\r\n\r\n",
    "a chunk beyond its size": HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabcdef\r\n0\r\n\r\n",
    "a chunk of exabytes": HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 16 + b"\r\nabc",
    "another encoding": HEAD + b"Transfer-Encoding: gzip\r\n\r\n" + BODY,
    "chunked twice": HEAD + b"Transfer-Encoding: chunked, chunked\r\n\r\n",
    "lines without CR": (HEAD + b"Content-Length: 12\r\n\r\n").replace(b"\r\n", b"\n") + BODY,
    "a folded line": HEAD + b"X-A: b\r\n c\r\nContent-Length: 12\r\n\r\n" + BODY,
    "a first line that is folded": b"HTTP/1.1 200 OK\r\n folded\r\n\r\n",
    "a name with a space": HEAD + b"X A: b\r\nContent-Length: 12\r\n\r\n" + BODY,
    "a line without a colon": HEAD + b"nonsense\r\n\r\n" + BODY,
    "NUL in a value": HEAD + b"X: a\0b\r\nContent-Length: 12\r\n\r\n" + BODY,
    "Latin in a value": HEAD + b"X: \xe9\r\nContent-Length: 12\r\n\r\n" + BODY,
    "an empty value": HEAD + b"X:\r\nContent-Length: 12\r\n\r\n" + BODY,
    "100 Continue before": b"HTTP/1.1 100 Continue\r\n\r\n" + http_answer("200 OK", BODY),
    "101 without being asked": b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: a\r\n\r\n",
    "204": b"HTTP/1.1 204 No Content\r\n\r\n",
    "304 with a length": b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
    "no reason": b"HTTP/1.1 200\r\nContent-Length: 12\r\n\r\n" + BODY,
    "http in small letters": b"http/1.1 200 OK\r\n\r\n",
    "a status of two digits": b"HTTP/1.1 99 OK\r\n\r\n",
    "status 600": b"HTTP/1.1 600 OK\r\nContent-Length: 0\r\n\r\n",
    "nothing": b"",
    "half a head": b"HTTP/1.1 200 OK\r\nContent-",
    "another protocol": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "an alert of TLS": b"\x15\x03\x01\x00\x02\x02\x46",
    "an empty line before": b"\r\n" + http_answer("200 OK", BODY),
}  # fmt: skip


async def exchange(transport: httpx.AsyncBaseTransport, url: str) -> object:
    """Status, headers and body, or the class of the error."""
    try:
        response = await transport.handle_async_request(httpx.Request("GET", url))
        try:
            assert isinstance(response.stream, httpx.AsyncByteStream)
            body = b"".join([piece async for piece in response.stream])
        finally:
            await response.aclose()
    except httpx.HTTPError as error:
        return type(error)
    else:
        return response.status_code, response.headers.multi_items(), body


@pytest.mark.parametrize("raw", ANSWERS.values(), ids=list(ANSWERS))
async def test_an_answer_is_read_as_by_httpx(serve, raw: bytes) -> None:
    """Whatever a server sends: the same status, headers and body as from httpx' own transport, or the same kind of error."""
    server = await serve(raw, close=True)
    one, other = DirectTransport(None), httpx.AsyncHTTPTransport()
    assert await exchange(one, server.url) == await exchange(other, server.url)
    await one.aclose()
    await other.aclose()


def open_exchange() -> Exchange:
    """An exchange of which the request was sent."""
    exchange = Exchange()
    assert exchange.request("GET", b"/", [(b"Host", b"a")], b"") == b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    return exchange


@pytest.mark.parametrize("name", ["a length", "trailers", "100 Continue before", "a folded line", "lines without CR"])
def test_an_answer_may_come_in_any_pieces(name: str) -> None:
    """Byte by byte, or broken in two anywhere, the answer is the same as at once."""
    raw = ANSWERS[name]
    cuts = [[raw[:at], raw[at:]] for at in range(1, len(raw))]
    for pieces in ([raw], [raw[at : at + 1] for at in range(len(raw))], *cuts):
        exchange, body, head = open_exchange(), b"", None
        for piece in pieces:
            exchange.feed(piece)
            head = head or exchange.head()
            while head and (more := exchange.body()):
                body += more
        assert head is not None
        assert (head[0], body, exchange.complete, exchange.reusable) == (200, BODY, True, True)


@pytest.mark.parametrize(
    "raw",
    [HEAD + b"X: " + b"y" * HEAD_BYTES, b"HTTP/1.1 103 Early Hints\r\n\r\n" * 30, CHUNKED + b"0\r\nX: " + b"y" * HEAD_BYTES],
    ids=["head", "informational", "trailers"],
)
def test_what_does_not_end_is_an_error(raw: bytes) -> None:
    """A head, informational responses or trailers beyond their limit are not read on."""
    exchange = open_exchange()
    exchange.feed(raw)
    with pytest.raises(httpx.RemoteProtocolError, match=ENDLESS_HEAD):
        while exchange.head() is None or exchange.body():
            pass


@pytest.mark.parametrize("header", [(b"X", b"a\r\nb"), (b"X", b"a\0b"), (b"X Y", b"a"), (b"", b"a")])
def test_a_header_that_would_break_the_request_is_not_sent(header: tuple[bytes, bytes]) -> None:
    """The error does not repeat the header, which may be a secret."""
    with pytest.raises(httpx.LocalProtocolError) as caught:
        Exchange().request("GET", b"/", [(b"Host", b"a"), header], b"")
    assert str(caught.value) == "illegal header"


async def test_a_connection_is_used_again(serve) -> None:
    """Requests one after another share a connection, unless the last answer had more bytes than it announced."""
    answers = [http_answer("200 OK", BODY), http_answer("200 OK", BODY) + b"junk", http_answer("200 OK", BODY)]

    async def behave(_head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(answers[len(server.requests) - 1])

    server = await serve(behave)
    transport = DirectTransport(None)
    for _ in range(2):
        assert (await exchange(transport, server.url))[2] == BODY  # type: ignore[index]
    assert server.connections == 1
    assert (await exchange(transport, server.url))[2] == BODY  # type: ignore[index]
    assert server.connections == 2
    await transport.aclose()


async def test_an_idle_connection_that_was_closed_is_not_used(serve) -> None:
    """Even a write, which is never sent twice, does not meet a connection that the server closed in the meantime."""
    server = await serve(http_answer("200 OK", BODY), close=True)
    transport = DirectTransport(None)
    for _ in range(3):
        response = await transport.handle_async_request(httpx.Request("POST", server.url, content=b"{}"))
        assert response.status_code == 200
        await response.aread()
        await response.aclose()
        await asyncio.sleep(0.05)
    assert len(server.requests) == server.connections == 3
    await transport.aclose()


async def test_only_so_many_connections_are_open_at_once(serve) -> None:
    """More requests than connections wait for one that is free, and all are answered."""
    open_now, most = 0, 0

    async def behave(_head: bytes, writer: asyncio.StreamWriter) -> None:
        nonlocal open_now, most
        open_now += 1
        most = max(most, open_now)
        await asyncio.sleep(0.05)
        open_now -= 1
        writer.write(http_answer("200 OK", BODY))

    server = await serve(behave)
    transport = DirectTransport(None)
    found = await asyncio.gather(*(exchange(transport, server.url) for _ in range(3 * CONNECTIONS)))
    assert all(item[2] == BODY for item in found)  # type: ignore[index]
    assert (most, server.connections) == (CONNECTIONS, CONNECTIONS)
    await transport.aclose()


async def test_a_request_that_is_given_up_closes_its_connection() -> None:
    """A deadline that passes leaves no connection behind, and the next request gets its place."""
    closed, ended = asyncio.Event(), 0

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal ended
        await reader.readuntil(b"\r\n\r\n")
        await reader.read()
        ended += 1
        closed.set()
        writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    transport = DirectTransport(None)
    for _ in range(CONNECTIONS + 1):
        closed.clear()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await transport.handle_async_request(httpx.Request("GET", url))
        await closed.wait()
    assert ended == CONNECTIONS + 1
    await transport.aclose()
    server.close()


@pytest.mark.parametrize("cancelled", [True, False])
async def test_a_request_that_ends_before_the_handshake_closes_its_socket(cancelled: bool) -> None:
    """Between the connection and TLS, neither a trace that raises nor a request that is cancelled leaves the socket open."""
    dialled, closed, reached = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        dialled.set()
        await reader.read()
        closed.set()
        writer.close()

    async def trace(event: str, _info: dict[str, object]) -> None:
        if event == "connection.start_tls.started":
            reached.set()
            if not cancelled:
                raise ZeroDivisionError
            await asyncio.Event().wait()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    transport = DirectTransport(ssl.create_default_context())
    request = httpx.Request("GET", url, extensions={"trace": trace})
    task = asyncio.ensure_future(transport.handle_async_request(request))
    await reached.wait()
    await dialled.wait()
    if cancelled:
        task.cancel()
    # The exception is held: only then does the frame with the socket outlive the request.
    with pytest.raises(asyncio.CancelledError if cancelled else ZeroDivisionError) as held:
        await task
    await asyncio.wait_for(closed.wait(), extend(5.0))
    assert held.value is not None
    await transport.aclose()
    server.close()


async def test_a_server_waits_while_nobody_reads() -> None:
    """Of an answer that nobody reads only a part is taken: a gigabyte does not become memory."""
    sent = 0

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(HEAD + b"\r\n")
        try:
            while True:
                writer.write(bytes(1 << 18))
                await writer.drain()
                sent += 1 << 18
        except ConnectionError:
            writer.close()

    server = await asyncio.start_server(flood, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    transport = DirectTransport(None)
    response = await transport.handle_async_request(httpx.Request("GET", url))
    before = -1
    while sent != before:
        before = sent
        await asyncio.sleep(0.2)
    assert sent < 64 << 20
    await response.aclose()
    await transport.aclose()
    server.close()


async def test_another_address_of_a_name_is_tried(serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name with two addresses of which one refuses: the other one answers; if both refuse, the cause is named."""
    server = await serve(http_answer("200 OK", BODY))
    port = int(server.url.rpartition(":")[2])
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        refusing = unused.getsockname()[1]
    ports = [refusing, port]

    async def resolve(self: object, host: str, asked: int, **_options: object) -> list[object]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", number)) for number in ports]

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", resolve)
    transport = DirectTransport(None)
    assert (await exchange(transport, "http://two.example/"))[2] == BODY  # type: ignore[index]
    await transport.aclose()
    ports[:] = [refusing, 1]
    with pytest.raises(httpx.ConnectError) as caught:
        await transport.handle_async_request(httpx.Request("GET", "http://two.example/"))
    assert isinstance(caught.value.__cause__, ExceptionGroup)
    assert {type(error) for error in caught.value.__cause__.exceptions} == {ConnectionRefusedError}
    # What is not a failed connection stays itself.
    ports[:] = [70_000, 70_001]
    with pytest.raises(OverflowError):
        await transport.handle_async_request(httpx.Request("GET", "http://two.example/"))
    await transport.aclose()


@pytest.mark.parametrize(("count", "read"), [(20, True), (21, False)])
def test_an_answer_may_have_twenty_informational_ones_before_it(count: int, read: bool) -> None:
    """One more, and its head does not end."""
    exchange = open_exchange()
    exchange.feed(b"HTTP/1.1 103 Early Hints\r\n\r\n" * count + http_answer("200 OK", BODY))
    if read:
        head = exchange.head()
        assert head is not None and head[0] == 200
    else:
        with pytest.raises(httpx.RemoteProtocolError, match=ENDLESS_HEAD):
            exchange.head()


@pytest.mark.parametrize(("passed", "connections"), [(IDLE_SECONDS, 1), (IDLE_SECONDS + 2.0**-10, 2)])
async def test_a_connection_is_kept_for_a_minute(
    serve, monkeypatch: pytest.MonkeyPatch, passed: float, connections: int
) -> None:
    """Exactly so long it is still used."""
    server = await serve(http_answer("200 OK", BODY))
    transport = DirectTransport(None)
    now = 1000.0
    monkeypatch.setattr("queries.http.direct.time", SimpleNamespace(monotonic=lambda: now))
    await exchange(transport, server.url)
    now += passed
    assert (await exchange(transport, server.url))[2] == BODY  # type: ignore[index]
    assert server.connections == connections
    await transport.aclose()
