"""GETs of a Kubernetes API server over the loop's own connections, for a command that lists everything once and ends.

They cost a fifth of urllib3's, whose import alone takes a tenth of such a command. Where no answer comes, `KubeApi`
repeats the request: its errors name what to do.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from queries.errors import SourceError
from queries.http.body import Body
from queries.http.client import read_into
from queries.http.direct import DirectTransport
from queries.http.lean_httpx import httpx
from queries.kubernetes import api
from queries.kubernetes.api import Query, is_answer
from queries.kubernetes.client import Kubernetes
from queries.kubernetes.connection import Connection

if TYPE_CHECKING:
    from collections.abc import Sequence


class NotReadDirectly(Exception):
    """There is no answer to map."""


class DirectReader:
    """Of one log-in."""

    def __init__(
        self,
        kubernetes: Kubernetes,
        connection: Connection,
        context: ssl.SSLContext | None,
        impersonation: Sequence[tuple[str, str]],
    ) -> None:
        self._api = kubernetes.api
        self._seconds = kubernetes.timeout_seconds
        self._connection = connection
        self._transport = DirectTransport(context)
        self._headers = connection.headers(
            (("Accept", "application/json, */*"), ("Accept-Encoding", "identity"), *impersonation)
        )

    async def get(self, path: str, query: Query = ()) -> bytes:
        """The body of a success. Raises as `KubeApi.call`, and NotReadDirectly where no answer came."""
        try:
            async with asyncio.timeout(self._seconds):
                return await self._exchange(path, query)
        except TimeoutError:
            raise self._api.late() from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            raise NotReadDirectly(type(error).__name__) from error

    async def find(self, path: str) -> bytes | None:
        """As `get`, None for what the server does not have."""
        try:
            return await self.get(path)
        except SourceError as error:
            if error.fault.status != 404:
                raise
            return None

    async def _exchange(self, path: str, query: Query) -> bytes:
        # One limit covers the connection too: a server that does not answer must not take the time of two requests.
        extensions: dict[str, object] = {"timeout": {"connect": 2.0 * self._seconds}}
        if self._connection.server_name:
            extensions["sni_hostname"] = self._connection.server_name
        request = httpx.Request("GET", self._connection.url(path, query), headers=self._headers, extensions=extensions)
        sent_at = time.time()
        response = await self._transport.handle_async_request(request)
        try:
            self._api.clock.on_response(response.headers, sent_at=sent_at, received_at=time.time())
            if is_answer(response.status_code, response.headers):
                return await self._read(response, api.LIMIT_BYTES)
            try:
                content = await self._read(response, api.REFUSAL_BYTES)
            except SourceError:
                content = b""  # the status alone must suffice
            raise self._api.refuse(self._connection, response.status_code, content, response.headers)
        finally:
            await response.aclose()

    async def _read(self, response: httpx.Response, limit_bytes: int) -> bytes:
        body = Body(response.headers, limit_bytes=limit_bytes, where=self._api.where, status=response.status_code)
        await read_into(response, body)
        return body.whole()

    async def close(self) -> None:
        await self._transport.aclose()


@asynccontextmanager
async def open_direct(kubernetes: Kubernetes) -> AsyncIterator[DirectReader | None]:
    """A reader, None where only urllib3's way leads to the server: through a proxy, or from within the cluster. Raises what
    the log-in raises.
    """
    connection, impersonation = await kubernetes.run(kubernetes.api.login)
    if connection.tls is None:
        yield None
        return
    try:
        context = await kubernetes.run(connection.tls)
    except (OSError, ValueError):  # a file that is no certificate: the other way names it
        yield None
        return
    reader = DirectReader(kubernetes, connection, context, impersonation)
    try:
        yield reader
    finally:
        await reader.close()
