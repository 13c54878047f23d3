"""A WebSocket of which only the server's messages are read; blocking, so for a thread.

The frames are websocket-client's, which the Kubernetes client brings along. It limits neither the head of an answer nor a
message, so it reads through a socket that does.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from queries.concurrency import DaemonPool
from queries.errors import AccessDenied, InvalidResponse, SourceError, TimedOut, Unreachable
from queries.http import error_mapping, tls
from queries.http.endpoint import HttpConfig
from queries.http.wire_limit import WireLimit, WireLimitPassed
from queries.text.durations import format_duration

if TYPE_CHECKING:
    import httpx

HEAD_BYTES = 64 << 10
"""The limit of what comes before the messages: websocket-client reads the head byte by byte, 3 µs each."""
MESSAGE_BYTES = 16 << 20
"""The limit of one message."""
SILENCE_SECONDS = 30.0
"""A connection without any frame for so long is dead: a server of streams pings more often."""
_WAIT_SECONDS = 1.0
_READ_AHEAD_BYTES = 16 << 10
_CLOSE, _PING, _PONG = 0x8, 0x9, 0xA


class WebSocket:
    """One connection to `url` (http or https). `open` and `receive` raise SourceError; `abort` may be called in any thread and
    ends a call that waits.
    """

    def __init__(
        self,
        url: httpx.URL,
        headers: Sequence[tuple[bytes, bytes]],
        config: HttpConfig,
        *,
        where: str,
        timeout_seconds: float,
        redact: Callable[[SourceError], SourceError],
    ) -> None:
        self._url = url
        self._headers = headers
        self._config = config
        self._where = where
        self.timeout_seconds = timeout_seconds
        self._redact = redact
        self._connection: socket.socket | None = None
        self._limit = WireLimit(seconds=timeout_seconds)
        self._limit.grant(HEAD_BYTES)
        self._frames: Any = None
        self._aborted = False

    def open(self) -> None:
        """Connect and upgrade. The server may refuse that as any request, in its own words."""
        from websocket import WebSocket as Frames  # noqa: PLC0415  # not before a stream is followed
        from websocket import WebSocketBadStatusException, WebSocketException  # noqa: PLC0415  # as above

        try:
            connection = self._connect()
            self._frames = Frames(skip_utf8_validation=True)
            scheme = "wss" if self._url.scheme == "https" else "ws"
            self._frames.connect(
                str(self._url.copy_with(scheme=scheme)),
                socket=_LimitedSocket(connection, self._limit),
                header=[_header(name, value, self._where) for name, value in self._headers],
                suppress_origin=True,
                redirect_limit=0,
                timeout=self.timeout_seconds,
            )
            self._frames.settimeout(_WAIT_SECONDS)
            self._grant()
        except WebSocketBadStatusException as error:
            headers = {str(name): str(value) for name, value in (error.resp_headers or {}).items()}
            body = error.resp_body if isinstance(error.resp_body, bytes) else b""
            if error.status_code < HTTPStatus.MULTIPLE_CHOICES:
                raise self._end(self._map(error, "")) from None
            mapped = error_mapping.from_response(error.status_code, headers, body, where=self._where, now=time.time())
            raise self._end(mapped) from None
        except (OSError, WebSocketException, ValueError, LookupError, AttributeError, SourceError) as error:
            raise self._end(self._map(error, "no connection")) from None

    def receive(self) -> bytes | None:
        """The next message; None after a second without one, or for a frame that is none. The server's closing of the stream
        is an Unreachable with its reason.
        """
        from websocket import WebSocketException, WebSocketTimeoutException  # noqa: PLC0415  # as above

        try:
            code, data = self._frames.recv_data(control_frame=True)
        except WebSocketTimeoutException:
            try:
                self._limit.left_seconds()
            except TimeoutError:
                what = f"the stream was silent for {format_duration(SILENCE_SECONDS)}"
                raise self._end(TimedOut(what, where=self._where, hint="check VPN, firewall and proxy")) from None
            return None
        except (OSError, WebSocketException, struct.error, ValueError, AttributeError) as error:
            raise self._end(self._map(error, "the stream broke")) from None
        self._grant()
        if code == _CLOSE:
            reason = data[2:].decode("utf-8", "replace").strip()
            raise self._end(Unreachable(f"the server closed the stream: {reason or 'no reason given'}", where=self._where))
        return None if code in (_PING, _PONG) else bytes(data)

    def abort(self) -> None:
        """Close the connection at once."""
        self._aborted = True
        connection = self._connection
        if connection is not None:
            with suppress(OSError):  # it was closed already
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def _connect(self) -> socket.socket:
        secure = self._url.scheme == "https"
        context = tls.build_ssl_context(self._config, where=self._where) if secure else None
        address = (self._url.host, self._url.port or (443 if secure else 80))
        self._connection = socket.create_connection(address, timeout=self.timeout_seconds)
        if context is not None:
            name = self._config.server_name or self._url.host
            # The handshake comes after it can be aborted.
            wrapped = context.wrap_socket(self._connection, server_hostname=name, do_handshake_on_connect=False)
            self._connection = wrapped
            wrapped.do_handshake()
        if self._aborted:
            raise ConnectionAbortedError
        return self._connection

    def _grant(self) -> None:
        self._limit.grant(MESSAGE_BYTES, seconds=SILENCE_SECONDS)

    def _end(self, error: SourceError) -> SourceError:
        self.abort()
        return self._redact(error)

    def _map(self, error: Exception, what: str) -> SourceError:
        from websocket import WebSocketConnectionClosedException, WebSocketTimeoutException  # noqa: PLC0415  # as above

        if isinstance(error, SourceError):
            return error
        if isinstance(error, WireLimitPassed):
            return InvalidResponse(f"the stream is not read on: {error}", where=self._where)
        if isinstance(error, TimeoutError | WebSocketTimeoutException):
            return TimedOut(f"{what} in time", where=self._where, hint="check host, port, VPN and firewall")
        if isinstance(error, OSError | WebSocketConnectionClosedException):
            mapped = error_mapping.from_causes(error, where=self._where, host=self._url.host)
            return mapped or Unreachable(what, where=self._where)
        return InvalidResponse("the server does not speak WebSocket here", where=self._where, hint="check the URL")


def _header(name: bytes, value: bytes, where: str) -> str:
    line = f"{name.decode('utf-8', 'surrogateescape')}: {value.decode('utf-8', 'surrogateescape')}"
    if any(character in line for character in "\r\n\0"):
        hint = "check for line breaks in http_headers, credentials or their files"
        raise AccessDenied("a header of this endpoint cannot be sent", where=where, hint=hint)
    return line


async def read_messages(stream: WebSocket) -> AsyncGenerator[bytes | None, None]:
    """Connect, and give None once that succeeded; then each message, and None about every second. Raises SourceError; closing
    the generator closes the connection.
    """
    threads = DaemonPool("cad-console-stream", threads=1)
    try:
        try:
            async with asyncio.timeout(stream.timeout_seconds):
                await threads.run(stream.open)
        except TimeoutError:
            raise TimedOut("no connection in time", hint="check host, port, VPN and firewall") from None
        yield None
        while True:
            yield await threads.run(stream.receive)
    finally:
        stream.abort()
        threads.close()


class _LimitedSocket:
    """A connected socket that fails beyond the limit. It reads ahead: websocket-client asks for the head byte by byte."""

    def __init__(self, connection: socket.socket, limit: WireLimit) -> None:
        self._connection = connection
        self._limit = limit
        self._ahead = bytearray()

    def recv(self, count: int) -> bytes:
        self._limit.left_seconds()
        if not self._ahead:
            self._ahead += self._connection.recv(max(count, _READ_AHEAD_BYTES))
        data = bytes(self._ahead[:count])
        del self._ahead[:count]
        self._limit.consume(len(data))
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)
