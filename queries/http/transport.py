"""The httpx transport of an endpoint: TLS and proxy, behind a gate that only reads pass."""

from __future__ import annotations

import os

from queries.http import tls
from queries.http.direct import DirectTransport
from queries.http.endpoint import HttpConfig
from queries.http.lean_httpx import httpx
from queries.http.proxy import proxy_for

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
    secure = base.scheme == "https" or address.startswith("https:")
    context = tls.build_ssl_context(config, where=where) if secure else None
    if not address:
        return DirectTransport(context)
    from queries.http.proxied import build_proxied_transport  # noqa: PLC0415  # httpcore and anyio, only with a proxy

    return build_proxied_transport(address, context, where=where)
