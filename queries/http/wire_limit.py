"""What a blocking HTTP client may take off the wire for one answer: so many bytes, and until when.

http.client and urllib3 bound neither: informational answers, header lines, chunk sizes and trailers may go on for ever, each
of them within every time-out, because a time-out counts from one byte to the next.
"""

from __future__ import annotations

import io
import threading
import time
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
"""Status line and headers, and every informational answer before them; as much as one hundred long cookies."""
_current = threading.local()


class WireLimitPassed(OSError):
    """The server sends more than the answer may have; a client sees it as a broken connection."""


class WireLimit:
    """For the requests that are made within it in this thread, through a manager of `limit_pools`: use as a context manager.

    First the head of an answer may come; `grant` then allows so much more, and for a watch again and again.
    """

    def __init__(self, *, seconds: float) -> None:
        self._bytes = HEAD_BYTES
        self._granted = HEAD_BYTES
        self._until = time.monotonic() + seconds

    def grant(self, count: int, *, seconds: float | None = None) -> None:
        """From now on so many bytes may come, and where `seconds` is given, until then."""
        self._bytes = self._granted = count
        if seconds is not None:
            self._until = time.monotonic() + seconds

    def left_seconds(self) -> float:
        """Raises TimeoutError where nothing is left."""
        left = self._until - time.monotonic()
        if left <= 0.0:
            raise TimeoutError("the answer takes too long")
        return left

    def take(self, count: int) -> None:
        self._bytes -= count
        if self._bytes < 0:
            raise WireLimitPassed(f"more than {format_size(self._granted)} came")

    def __enter__(self) -> WireLimit:
        _current.limit = self
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        _current.limit = None


class _Wire(io.RawIOBase):
    """The socket's own stream, which stops where the limit is passed."""

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
            self._connection.settimeout(left)  # the client sets its own again for the next answer
        count: int | None = self._raw.readinto(buffer)
        self._limit.take(count or 0)
        return count

    def fileno(self) -> int:
        return int(self._raw.fileno())

    def close(self) -> None:
        self._raw.close()
        super().close()


def read(response: BaseHTTPResponse, body: Body, limit: WireLimit) -> None:
    """Feed the body with the whole answer, as it comes over the wire."""
    limit.grant(2 * body.limit_bytes + HEAD_BYTES)  # a body in pieces of a byte has as much again around them
    # Not `stream`: it waits for whole pieces, and a server that trickles would hold this thread for ever.
    while piece := response.read1(PIECE_BYTES, decode_content=False):
        body.feed(piece)
        limit.left_seconds()


def endless(error: BaseException) -> bool:
    """Whether more came than an answer may have, by a WireLimit or by http.client's own limits on lines and headers."""
    from http.client import HTTPException, LineTooLong  # noqa: PLC0415 - as below

    while error.args and isinstance(error.args[-1], BaseException):  # as urllib3 and requests carry what lies behind
        error = error.args[-1]
    return isinstance(error, WireLimitPassed | LineTooLong) or (type(error) is HTTPException and "more than" in str(error))


def limit_connection(connection: HTTPConnection) -> None:
    """Makes this connection heed the WireLimit of the thread that uses it."""
    connection.response_class = _answer_class()


def limit_pools(manager: urllib3.PoolManager) -> None:
    """Makes every connection of this manager heed the WireLimit of the thread that uses it."""
    manager.pool_classes_by_scheme = {scheme: _limited_pool(pool) for scheme, pool in manager.pool_classes_by_scheme.items()}


@lru_cache(maxsize=16)
def _limited_pool(pool: type[Any]) -> type[Any]:
    if issubclass(pool.ConnectionCls.response_class, _answer_class()):
        return pool
    connection = type(pool.ConnectionCls.__name__, (pool.ConnectionCls,), {"response_class": _answer_class()})
    return type(pool.__name__, (pool,), {"ConnectionCls": connection})


@lru_cache(maxsize=1)
def _answer_class() -> type[Any]:
    from http.client import CONTINUE, HTTPResponse  # noqa: PLC0415 - urllib3 brings it, and that is imported late

    class LimitedAnswer(HTTPResponse):
        def __init__(self, sock: socket.socket, *args: Any, **options: Any) -> None:
            super().__init__(sock, *args, **options)
            limit: WireLimit | None = getattr(_current, "limit", None)
            if limit is not None:
                self.fp = io.BufferedReader(_Wire(self.fp.detach(), sock, limit))

        def _read_status(self) -> tuple[str, int, str]:
            # http.client passes over 100 alone and takes 103 Early Hints for the answer.
            version, status, reason = super()._read_status()  # type: ignore[misc]
            return version, CONTINUE if 101 < status < 200 else status, reason

    return LimitedAnswer
