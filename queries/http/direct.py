"""The httpx transport to a server without a proxy: HTTP/1.1 over asyncio's own connections.

It costs a quarter of the CPU of httpx' general transport, and neither httpcore nor anyio is imported.
"""

from __future__ import annotations

import asyncio
import select
import socket
import ssl
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, TypeAlias, cast

from queries.http.exchange import Exchange
from queries.http.known_heads import KnownHeads
from queries.http.lean_httpx import httpx

CONNECTIONS = 8
"""How many connections are open at once; more requests wait."""
IDLE_SECONDS = 60.0
"""How long an unused connection is kept."""
_UNREAD_BYTES = 512 << 10
"""With more than this unread, the console reads no more from the server."""
_NEXT_ADDRESS_SECONDS = 0.25
"""How long an address has before the next one is tried in parallel (RFC 8305)."""

Trace: TypeAlias = Callable[[str, dict[str, Any]], Awaitable[None]]


class DirectTransport(httpx.AsyncBaseTransport):
    """A pool of connections to one server. Raises httpx' errors with their cause; calls the extension `trace` at each phase."""

    def __init__(self, context: ssl.SSLContext | None) -> None:
        """`context` is None for plain HTTP."""
        self._context = context
        if context is not None:
            context.set_alpn_protocols(["http/1.1"])
        self._known = KnownHeads()
        self._slots = asyncio.Semaphore(CONNECTIONS)
        self._idle: list[_Connection] = []
        self._open: set[_Connection] = set()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        trace: Trace = request.extensions.get("trace", _ignore)
        exchange = Exchange(self._known)
        content = await request.aread()
        message = exchange.request(request.method, request.url.raw_path, request.headers.raw, content)
        await self._slots.acquire()
        connection = None
        try:
            connection = self._reuse() or await self._dial(request, trace)
            await trace("http11.send_request_headers.started", {})
            connection.write(message)
            while (head := exchange.head()) is None:
                await connection.feed(exchange)
            status, headers = head
            return httpx.Response(status, headers=headers, stream=BodyStream(self, connection, exchange, trace))
        except BaseException:
            self._release(connection, reusable=False)
            raise

    async def aclose(self) -> None:
        connections = tuple(self._open)
        self._idle.clear()
        for connection in connections:
            connection.abort()
        for connection in connections:
            await connection.lost

    def release(self, connection: _Connection, exchange: Exchange) -> None:
        """The response was read to its end, or the caller gave it up."""
        self._release(connection, reusable=exchange.reusable and not connection.unread)

    def _release(self, connection: _Connection | None, *, reusable: bool) -> None:
        self._slots.release()
        if connection is None:
            return
        if reusable and not connection.ended:
            connection.idle_since = time.monotonic()
            self._idle.append(connection)
        else:
            connection.abort()

    def _reuse(self) -> _Connection | None:
        """The usable connection that was idle for the shortest time; None without one."""
        oldest = time.monotonic() - IDLE_SECONDS
        while self._idle:
            connection = self._idle.pop()
            if connection.idle_since >= oldest and not connection.spoiled():
                return connection
            connection.abort()
        return None

    async def _dial(self, request: httpx.Request, trace: Trace) -> _Connection:
        url, seconds = request.url, request.extensions.get("timeout", {}).get("connect")
        host = url.raw_host.decode("ascii")
        try:
            await trace("connection.connect_tcp.started", {})
            # As in httpx, each of the two steps has the whole time.
            async with asyncio.timeout(seconds):
                sock = await _connect(host, url.port or (443 if self._context else 80))
            try:
                if self._context is not None:
                    await trace("connection.start_tls.started", {})
                async with asyncio.timeout(seconds):
                    connection = await self._wrap(sock, request.extensions.get("sni_hostname") or host)
            except BaseException:
                sock.close()
                raise
        except TimeoutError as error:
            raise httpx.ConnectTimeout("no connection in time") from error
        except (OSError, ExceptionGroup) as error:
            raise httpx.ConnectError("no connection") from error
        self._open.add(connection)
        connection.lost.add_done_callback(lambda _: self._open.discard(connection))
        return connection

    async def _wrap(self, sock: socket.socket, name: str) -> _Connection:
        """The connection over this socket, after the TLS handshake if there is one; the caller closes the socket on failure."""
        loop = asyncio.get_running_loop()
        options: dict[str, Any] = {"ssl": self._context, "server_hostname": name} if self._context else {}
        try:
            _, connection = await loop.create_connection(lambda: _Connection(loop), sock=sock, **options)
        except ConnectionResetError as error:
            if error.errno is not None:
                raise
            # asyncio's own, for a server that closes during the handshake
            ended = ssl.SSLEOFError(ssl.SSLErrorNumber.SSL_ERROR_EOF, "EOF occurred in violation of protocol")
            ended.reason = "UNEXPECTED_EOF_WHILE_READING"
            raise ended from None
        return connection


class _Connection(asyncio.Protocol):
    """One connection; it keeps what it received until `feed` takes it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.lost: asyncio.Future[None] = loop.create_future()
        """Done once the socket is closed."""
        self.ended = False
        """Whether the server will send nothing more."""
        self.idle_since = 0.0
        self._loop = loop
        self._error: Exception | None = None
        self._pieces: deque[bytes] = deque()
        self._size = 0
        self._paused = False
        self._waiting: asyncio.Future[None] | None = None
        self._transport: asyncio.Transport | None = None

    # Called by asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._pieces.append(data)
        self._size += len(data)
        if self._size > _UNREAD_BYTES and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        self.ended = True
        self._wake()

    def connection_lost(self, error: Exception | None) -> None:
        self.ended = True
        self._error = self._error or error
        self._wake()
        if not self.lost.done():
            self.lost.set_result(None)

    # Called by DirectTransport

    @property
    def unread(self) -> bool:
        return bool(self._pieces)

    def write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    async def feed(self, exchange: Exchange) -> None:
        """Passes on the next piece of the response, or its end, and waits for it if necessary. Raises httpx.ReadError."""
        while not self._pieces:
            if self._error is not None:
                raise httpx.ReadError("the connection broke") from self._error
            if self.ended:
                exchange.feed_end()
                return
            self._waiting = self._loop.create_future()
            try:
                await self._waiting
            finally:
                self._waiting = None
        piece = self._pieces.popleft()
        self._size -= len(piece)
        if self._paused and self._size <= _UNREAD_BYTES and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()
        exchange.feed(piece)

    def spoiled(self) -> bool:
        """Whether an idle connection cannot be used again: the server closed it, or sent what belongs to no request."""
        if self.ended or self._pieces or self._transport is None:
            return True
        poll = select.poll()
        poll.register(self._transport.get_extra_info("socket"), select.POLLIN)
        return bool(poll.poll(0))

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)


class BodyStream(httpx.AsyncByteStream):
    """The body of one response; closing it returns the connection to the pool."""

    def __init__(self, owner: DirectTransport, connection: _Connection, exchange: Exchange, trace: Trace) -> None:
        self._owner = owner
        self._connection = connection
        self._exchange = exchange
        self._trace = trace
        self._closed = False

    def take_whole(self) -> bytes | None:
        """The body, if all of it was received with the head; None, with nothing taken, if more has to be awaited."""
        return self._exchange.take_whole()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        await self._trace("http11.receive_response_body.started", {})
        while not self._exchange.complete:
            if piece := self._exchange.body():
                yield piece
            elif not self._exchange.complete:
                await self._connection.feed(self._exchange)

    async def aclose(self) -> None:
        if not self._closed:
            self._closed = True
            self._owner.release(self._connection, self._exchange)


async def _ignore(_event: str, _info: dict[str, Any]) -> None:
    """The `trace` of a request without one."""


async def _connect(host: str, port: int) -> socket.socket:
    """A connected socket to the first address that accepts. Raises OSError, or a group of them."""
    try:
        # An address needs no resolver, which works in a thread. As bytes, or Python imports the tables of IDNA.
        results = socket.getaddrinfo(host.encode("ascii"), port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:
        results = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys((family, address) for family, _, _, _, address in results))
    if len(addresses) == 1:
        return await _connect_to(*addresses[0])
    return await _race(_alternate_families(addresses))


def _alternate_families(addresses: Sequence[tuple[int, Any]]) -> Sequence[tuple[int, Any]]:
    """The addresses in their order, but the second one is of the other family, so that a broken family costs little."""
    first = addresses[0][0]
    other = next((item for item in addresses if item[0] != first), None)
    return addresses if other is None else [addresses[0], other, *(item for item in addresses[1:] if item != other)]


async def _race(addresses: Sequence[tuple[int, Any]]) -> socket.socket:
    """Each address has a quarter of a second before the next one is tried in parallel; the first connection wins."""
    tasks: set[asyncio.Task[socket.socket]] = set()
    errors: list[Exception] = []
    waiting = deque(addresses)
    try:
        while waiting or tasks:
            if waiting:
                tasks.add(asyncio.ensure_future(_connect_to(*waiting.popleft())))
            pause = _NEXT_ADDRESS_SECONDS if waiting else None
            done, _ = await asyncio.wait(tasks, timeout=pause, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                error = task.exception()
                if error is None:
                    tasks.discard(task)
                    return task.result()
                tasks.discard(task)
                if not isinstance(error, Exception):
                    raise error
                errors.append(error)
        # What is not a failed connection is a defect, and is raised as itself, as with one address.
        if defect := next((error for error in errors if not isinstance(error, OSError)), None):
            raise defect
        raise ExceptionGroup("no address accepts a connection", errors)
    finally:
        for task in tasks:
            task.add_done_callback(_close_late)
            task.cancel()


def _close_late(task: asyncio.Task[socket.socket]) -> None:
    """Closes the connection of an address that another one beat."""
    if not task.cancelled() and task.exception() is None:
        task.result().close()


async def _connect_to(family: int, address: Any) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, address)
    except BaseException:
        sock.close()
        raise
    return sock
