"""httpx' general transport with the limits that httpcore lacks, for a server behind a proxy; it imports httpcore and anyio."""

from __future__ import annotations

import ssl
from importlib import import_module
from typing import Any

from queries.errors import Unreachable
from queries.http.exchange import ENDLESS_HEAD, MOST_INFORMATIONAL
from queries.http.lean_httpx import httpx

# httpx and anyio would import these at the first request, blocking the event loop for 50 to 100 ms.
httpcore = import_module("httpcore")
import_module("anyio._backends._asyncio")

# As much as asyncio reads at once: smaller pieces would copy the rest of a large response each time.
httpcore.AsyncHTTP11Connection.READ_NUM_BYTES = 256 << 10

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
        if connection.informational > MOST_INFORMATIONAL:
            raise httpcore.RemoteProtocolError(ENDLESS_HEAD)
    elif status:
        connection.informational = 0
    return event


httpcore.HTTP11Connection._receive_event = _limited_event
httpcore.AsyncHTTP11Connection._receive_event = _limited_awaited_event


def build_proxied_transport(address: str, context: ssl.SSLContext | None, *, where: str) -> httpx.AsyncBaseTransport:
    """The transport through the proxy with this URL; `context` is None where neither side speaks TLS. Raises Unreachable."""
    # Loading the roots is slow: a context that is never used has none.
    used = context or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    limits = httpx.Limits(max_connections=8, max_keepalive_connections=8, keepalive_expiry=60)
    try:
        proxy = httpx.Proxy(address, ssl_context=used if address.startswith("https:") else None)
        return httpx.AsyncHTTPTransport(verify=used, limits=limits, proxy=proxy)
    except (ValueError, ImportError, httpx.InvalidURL):
        raise Unreachable("the proxy's URL is invalid", where=where, hint="proxy_url takes http:// or https://") from None
