"""Serves connections: requests in order, watch streams, and a shutdown that ends all of them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from console.demo.cluster import http1
from console.demo.cluster.http1 import HttpRequest, HttpResponse, InvalidRequest
from console.demo.cluster.routes import Routes
from console.demo.cluster.watch import WatchRequest, stream_watch


class ApiServer:
    """Serves Routes on a loopback port, in one event loop."""

    def __init__(self, routes: Routes, *, bookmark_seconds: float) -> None:
        self._routes = routes
        self.bookmark_seconds = bookmark_seconds
        self.intercept: Callable[[HttpRequest], Awaitable[HttpResponse | None]] | None = None
        """Called with every request; what it returns replaces the response."""
        self.watches: set[asyncio.Task[None]] = set()
        """The tasks of the open watches."""
        self._listener: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self, port: int = 0) -> int:
        self._listener = await asyncio.start_server(self._accept, "127.0.0.1", port, limit=http1.MAX_HEAD_BYTES, backlog=256)
        return int(self._listener.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        if self._listener is not None:
            self._listener.close()
        for task in tuple(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  # a task serves every connection
        self._connections.add(task)
        try:
            await self._serve(reader, writer)
        except (ConnectionError, asyncio.CancelledError):
            # the client is gone or the server stops: nobody waits for a response
            pass
        finally:
            self._connections.discard(task)
            self.watches.discard(task)
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                request = await http1.read_request(reader)
            except InvalidRequest as error:
                writer.write(http1.encode_response(http1.as_text(400, f"400 Bad Request: {error}\n")))
                await writer.drain()
                return
            if request is None:
                return
            response = await self._respond(request)
            if isinstance(response, WatchRequest):
                if not await self._stream(response, reader, writer):
                    return
                continue
            if request.method == "HEAD":
                response = HttpResponse(response.code, b"", response.content_type, response.headers)
            writer.write(http1.encode_response(response))
            await writer.drain()
            if request.headers.get("connection", "").lower() == "close":
                await self._finish(writer)
                return

    async def _finish(self, writer: asyncio.StreamWriter) -> None:
        """Closes the connection after the client has received everything."""
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    async def _respond(self, request: HttpRequest) -> HttpResponse | WatchRequest:
        if self.intercept is not None and (response := await self.intercept(request)) is not None:
            return response
        return self._routes.respond(request)

    async def _stream(self, watch: WatchRequest, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Streams a watch; False where the client closed the connection."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101
        self.watches.add(task)
        writer.write(http1.head(200, "application/json", ("Transfer-Encoding", "chunked")))

        async def send(data: bytes) -> None:
            if data:
                writer.write(http1.chunk(data))
                await writer.drain()

        await writer.drain()
        gone = asyncio.ensure_future(reader.read(1))
        try:
            await stream_watch(watch, self._routes.store, send, gone=gone, bookmark_seconds=self.bookmark_seconds)
            if gone.done():
                return False
        finally:
            self.watches.discard(task)
            gone.cancel()
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                await gone
        # stop reading before the client sees the end: its next request comes on this connection
        writer.write(http1.chunk(b""))
        await writer.drain()
        return True
