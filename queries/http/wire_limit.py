"""Limits of bytes and time for one response of a blocking HTTP client.

http.client and urllib3 limit neither: informational responses, header lines, chunk sizes and trailers may go on for ever
within every timeout, because a timeout counts from one byte to the next.
"""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable
from functools import lru_cache
from types import TracebackType
from typing import TYPE_CHECKING, Any

from queries.http.body import PIECE_BYTES, Body
from queries.text.numbers import format_size

if TYPE_CHECKING:
    import socket
    from http.client import HTTPConnection

    import urllib3
    from urllib3.response import BaseHTTPResponse

HEAD_BYTES = 256 << 10
"""Status line and headers, and every informational response before them; room for a hundred long cookies."""
_current = threading.local()


class WireLimitPassed(OSError):
    """The server exceeds the limit of the response; the HTTP client sees a broken connection."""


class WireLimit:
    """A context manager that limits the requests of this thread through a manager of `limit_pools`.

    At first it allows the head of a response; `grant` then sets a new limit, for a watch again and again.
    """

    def __init__(self, *, seconds: float) -> None:
        self._bytes = HEAD_BYTES
        self._granted = HEAD_BYTES
        self._until = time.monotonic() + seconds
        self.awaits_response = False
        """Whether a request was sent, so that the server may have seen it."""

    def grant(self, count: int, *, seconds: float | None = None) -> None:
        """Allow this many bytes from now on, within `seconds` if given."""
        self._bytes = self._granted = count
        if seconds is not None:
            self._until = time.monotonic() + seconds

    def left_seconds(self) -> float:
        """The remaining time. Raises TimeoutError if it is over."""
        left = self._until - time.monotonic()
        if left <= 0.0:
            raise TimeoutError("the answer takes too long")
        return left

    def consume(self, count: int) -> None:
        self._bytes -= count
        if self._bytes < 0:
            raise WireLimitPassed(f"received more than {format_size(self._granted)}")

    def __enter__(self) -> WireLimit:
        _current.limit = self
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        _current.limit = None


class _Wire(io.RawIOBase):
    """The socket's stream, which fails beyond the limit."""

    def __init__(self, raw: Any, connection: socket.socket, limit: WireLimit) -> None:
        self._raw = raw
        self._connection = connection
        self._limit = limit

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._limit.left_seconds()
        waits = self._connection.gettimeout()
        if waits is None or left < waits:
            self._connection.settimeout(left)  # the client resets its own timeout for the next response
        count: int | None = self._raw.readinto(buffer)
        self._limit.consume(count or 0)
        return count

    def fileno(self) -> int:
        return int(self._raw.fileno())

    def close(self) -> None:
        self._raw.close()
        super().close()


def read_limited(
    response: BaseHTTPResponse, body: Body, limit: WireLimit, on_begin: Callable[[bytes], None] | None = None
) -> None:
    """Feed the body with the whole response as it arrives, and call back with its first piece."""
    limit.grant(2 * body.limit_bytes + HEAD_BYTES)  # one-byte chunks double the size of a body
    # Not `stream`: it waits for full pieces, and a slow server would hold this thread for ever.
    while piece := response.read1(PIECE_BYTES, decode_content=False):
        body.feed(piece)
        if on_begin is not None:
            on_begin(piece)
            on_begin = None
        limit.left_seconds()


def exceeds_limit(error: BaseException) -> bool:
    """Whether the response exceeded a WireLimit or http.client's own limits on lines and headers."""
    from http.client import HTTPException, LineTooLong  # noqa: PLC0415 - as below

    while error.args and isinstance(error.args[-1], BaseException):  # as urllib3 and requests wrap the cause
        error = error.args[-1]
    return isinstance(error, WireLimitPassed | LineTooLong) or (type(error) is HTTPException and "more than" in str(error))


def limit_connection(connection: HTTPConnection) -> None:
    """Apply the WireLimit of the using thread to this connection."""
    connection.response_class = _response_class()


def limit_pools(manager: urllib3.PoolManager) -> None:
    """Apply the WireLimit of the using thread to every connection of this manager."""
    manager.pool_classes_by_scheme = {scheme: _limited_pool(pool) for scheme, pool in manager.pool_classes_by_scheme.items()}


@lru_cache(maxsize=16)
def _limited_pool(pool: type[Any]) -> type[Any]:
    if issubclass(pool.ConnectionCls.response_class, _response_class()):
        return pool
    plain: type[Any] = pool.ConnectionCls

    def getresponse(self: Any) -> Any:
        # Not in the response: a proxy that opens a way sends one of its own, before the request.
        limit: WireLimit | None = getattr(_current, "limit", None)
        if limit is not None:
            limit.awaits_response = True
        return plain.getresponse(self)

    connection = type(plain.__name__, (plain,), {"response_class": _response_class(), "getresponse": getresponse})
    return type(pool.__name__, (pool,), {"ConnectionCls": connection})


@lru_cache(maxsize=1)
def _response_class() -> type[Any]:
    from http.client import CONTINUE, HTTPResponse  # noqa: PLC0415 - urllib3 imports it, and is itself imported late

    class LimitedResponse(HTTPResponse):
        def __init__(self, sock: socket.socket, *args: Any, **options: Any) -> None:
            super().__init__(sock, *args, **options)
            limit: WireLimit | None = getattr(_current, "limit", None)
            if limit is not None:
                self.fp = io.BufferedReader(_Wire(self.fp.detach(), sock, limit))

        def _read_status(self) -> tuple[str, int, str]:
            # http.client skips 100 only and treats 103 Early Hints as the response.
            version, status, reason = super()._read_status()  # type: ignore[misc]
            return version, CONTINUE if 101 < status < 200 else status, reason

    return LimitedResponse
