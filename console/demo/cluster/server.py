"""The sockets: connections, their requests in order, their streams, and how they all end at once."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from console.demo.cluster import http1
from console.demo.cluster.api_errors import ApiError
from console.demo.cluster.http1 import HttpRequest, HttpResponse, InvalidRequest
from console.demo.cluster.routes import Routes
from console.demo.cluster.watch import WatchRequest, follow


class ApiServer:
    """Serves Routes on a loopback port; all of it runs in one event loop."""

    def __init__(self, routes: Routes, *, bookmark_seconds: float) -> None:
        self._routes = routes
        self.bookmark_seconds = bookmark_seconds
        self.delay_seconds = 0.0
        self.failing: list[ApiError] = []
        """Answers that the next requests get instead of theirs."""
        self.seen: list[HttpRequest] = []
        self.on_request: Callable[[HttpRequest], None] | None = None
        self._listener: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._watches: set[asyncio.Task[None]] = set()

    async def start(self, port: int = 0) -> int:
        self._listener = await asyncio.start_server(self._accept, "127.0.0.1", port, limit=http1.MAX_HEAD_BYTES, backlog=256)
        return int(self._listener.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        if self._listener is not None:
            self._listener.close()
        for task in tuple(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def drop_watches(self) -> int:
        """Cuts every open watch in the middle of its stream; gives how many there were."""
        watches = tuple(self._watches)
        for task in watches:
            task.cancel()
        return len(watches)

    @property
    def watches(self) -> int:
        return len(self._watches)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a connection is always served by a task
        self._connections.add(task)
        try:
            await self._converse(reader, writer)
        except (ConnectionError, asyncio.CancelledError):
            # the client is gone, or the server is being stopped: either way nobody waits for more
            pass
        finally:
            self._connections.discard(task)
            self._watches.discard(task)
            writer.transport.abort()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                request = await http1.read(reader)
            except InvalidRequest as error:
                writer.write(http1.whole(http1.as_text(400, f"400 Bad Request: {error}\n")))
                await writer.drain()
                return
            if request is None:
                return
            answer = await self._answer(request)
            if isinstance(answer, WatchRequest):
                if not await self._stream(answer, reader, writer):
                    return
                continue
            if request.method == "HEAD":
                answer = HttpResponse(answer.code, b"", answer.content_type, answer.headers)
            writer.write(http1.whole(answer))
            await writer.drain()
            if request.headers.get("connection", "").lower() == "close":
                await self._finish(writer)
                return

    async def _finish(self, writer: asyncio.StreamWriter) -> None:
        """Lets what was written reach the client before the connection is closed."""
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    async def _answer(self, request: HttpRequest) -> HttpResponse | WatchRequest:
        self.seen.append(request)
        del self.seen[:-1000]
        if self.on_request is not None:
            self.on_request(request)
        if self.delay_seconds:
            await asyncio.sleep(self.delay_seconds)
        if self.failing:
            failed = self.failing.pop(0)
            extra = (("Retry-After", "1"),) if failed.code in (429, 503) else ()
            return http1.as_json(failed.code, failed.status, extra)
        return self._routes.answer(request)

    async def _stream(self, wish: WatchRequest, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Fulfils a watch; False where the client has gone meanwhile."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101
        self._watches.add(task)
        writer.write(http1.head(200, "application/json", ("Transfer-Encoding", "chunked")))

        async def send(data: bytes) -> None:
            if data:
                writer.write(http1.chunk(data))
                await writer.drain()

        await writer.drain()
        gone = asyncio.ensure_future(reader.read(1))
        try:
            await follow(wish, self._routes.store, send, gone=gone, bookmark_seconds=self.bookmark_seconds)
            if gone.done():
                return False
        finally:
            self._watches.discard(task)
            gone.cancel()
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                await gone
        # nothing may read any more when the client learns of the end: its next request comes on this connection
        writer.write(http1.chunk(b""))
        await writer.drain()
        return True
