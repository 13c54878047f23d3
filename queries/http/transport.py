"""The httpx transport of an endpoint: TLS and proxy, behind a gate that only reads pass."""

from __future__ import annotations

import os
import ssl
import sys
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import anyio
import httpx

from queries.errors import Unreachable
from queries.http import tls
from queries.http.endpoint import HttpConfig
from queries.http.proxy import proxy_for

if find_spec("sniffio") is None:
    # httpcore imports it four times per request; a module marked as missing is not searched on disk.
    sys.modules["sniffio"] = None  # type: ignore[assignment]

# httpx and anyio would import these at the first request, blocking the event loop for 50 to 100 ms.
httpcore = import_module("httpcore")
import_module("anyio._backends._asyncio")
_Lock = import_module("httpcore._synchronization").AsyncLock
_Stream = import_module("httpcore._backends.anyio").AnyIOStream
is_socket_readable = import_module("httpcore._utils").is_socket_readable

# As much as asyncio reads at once: smaller pieces would copy the rest of a large response each time.
httpcore.AsyncHTTP11Connection.READ_NUM_BYTES = 256 << 10

_stream_info = _Stream.get_extra_info


def _quick_stream_info(self: Any, info: str) -> Any:
    """Twice per request httpcore checks whether each idle connection was closed, and anyio collects all attributes of a
    stream to find the socket: a tenth of a request's time.
    """
    if info != "is_readable":
        return _stream_info(self, info)
    if not hasattr(self, "raw_socket"):
        self.raw_socket = _stream_info(self, "socket")
    return is_socket_readable(self.raw_socket)


_Stream.get_extra_info = _quick_stream_info


def _set_up_lock(self: Any) -> None:
    """A connection's lock is nearly always free. anyio's lock yields to other tasks even then, three times per request."""
    self._backend = "asyncio"
    self._anyio_lock = anyio.Lock(fast_acquire=True)


_Lock.setup = _set_up_lock

_MOST_INFORMATIONAL = 20
"""100 Continue, 103 Early Hints: a server sends one or two of them before its response."""
ENDLESS_HEAD = "the answer does not begin"
_event, _awaited_event = httpcore.HTTP11Connection._receive_event, httpcore.AsyncHTTP11Connection._receive_event


def _limited_event(self: Any, timeout: float | None = None) -> Any:
    """The next event of a connection. httpcore skips informational responses for ever without yielding to the loop."""
    return _count_informational(self, _event(self, timeout))


async def _limited_awaited_event(self: Any, timeout: float | None = None) -> Any:  # noqa: ASYNC109 - httpcore's own signature
    return _count_informational(self, await _awaited_event(self, timeout))


def _count_informational(connection: Any, event: Any) -> Any:
    status = getattr(event, "status_code", 0)
    if 100 <= status < 200:
        connection.informational = getattr(connection, "informational", 0) + 1
        if connection.informational > _MOST_INFORMATIONAL:
            raise httpcore.RemoteProtocolError(ENDLESS_HEAD)
    elif status:
        connection.informational = 0
    return event


httpcore.HTTP11Connection._receive_event = _limited_event
httpcore.AsyncHTTP11Connection._receive_event = _limited_awaited_event

READ_POSTS = ("/api/v1/query", "/api/v1/query_range", "/api/v1/series", "/api/v1/labels")
"""The paths where Prometheus accepts a long read as a POST form."""


class ReadOnlyTransport(httpx.AsyncBaseTransport):
    """Refuses everything but GET, HEAD and Prometheus' long reads before it is sent."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        allowed = request.method in ("GET", "HEAD") or (request.method == "POST" and request.url.path.endswith(READ_POSTS))
        if not allowed:
            raise PermissionError(f"{request.method} {request.url.path} is not a read: this client only reads")
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        await self._inner.aclose()


def build_transport(base: httpx.URL, config: HttpConfig, *, where: str) -> httpx.AsyncBaseTransport:
    """The transport for this server; slow for https (root certificates): call it off the loop. Raises Unreachable."""
    port = base.port or (443 if base.scheme == "https" else 80)
    address = proxy_for(base.scheme, base.host, port, config, os.environ)
    if base.scheme == "https" or address.startswith("https:"):
        context = tls.build_ssl_context(config, where=where)
    else:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # never used; loading the roots is slow
    limits = httpx.Limits(max_connections=8, max_keepalive_connections=8, keepalive_expiry=60)
    try:
        proxy = httpx.Proxy(address, ssl_context=context if address.startswith("https:") else None) if address else None
        return httpx.AsyncHTTPTransport(verify=context, limits=limits, proxy=proxy)
    except (ValueError, ImportError, httpx.InvalidURL):
        raise Unreachable("the proxy's URL is invalid", where=where, hint="proxy_url takes http:// or https://") from None
