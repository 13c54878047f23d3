"""Serves the routes over HTTP: requests in order, watches and followed logs, and a shutdown that ends them all."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from aiohttp import web

from console.demo.cluster.pod_logs import LogFollow
from console.demo.cluster.request import HttpRequest, HttpResponse
from console.demo.cluster.routes import Routes
from console.demo.cluster.watch import WatchRequest, stream_watch

MAX_HEAD_BYTES = 64 << 10
MAX_BODY_BYTES = 4 << 20
_IDLE_SECONDS = 3600.0
_SHUTDOWN_SECONDS = 0.01  # a stop cuts what is in progress; zero would wait for it without a limit

_LOG = logging.getLogger(__name__)
_LOG.addHandler(logging.NullHandler())  # a disconnect is not worth a message, and the terminal belongs to the console


class ApiServer:
    """Serves Routes on a loopback port, in one event loop."""

    def __init__(self, routes: Routes, *, bookmark_seconds: float) -> None:
        self._routes = routes
        self.bookmark_seconds = bookmark_seconds
        self.intercept: Callable[[HttpRequest], Awaitable[HttpResponse | None]] | None = None
        """Called with every request; what it returns replaces the response."""
        self.watches: set[asyncio.Task[None]] = set()
        """The tasks of the open watches; cancelling one cuts its stream."""
        self.followed_logs: set[asyncio.Task[None]] = set()
        """As `watches`, of the followed logs."""
        self._runner: web.AppRunner | None = None

    async def start(self, port: int = 0) -> int:
        """Listens on `port`, or on a free one, and returns it. Raises OSError if it is in use."""
        app = web.Application(client_max_size=MAX_BODY_BYTES)
        app.router.add_route("*", "/{path:.*}", self._handle)
        app.on_response_prepare.append(_drop_server_header)
        runner = web.AppRunner(
            app,
            access_log=None,
            logger=_LOG,
            handle_signals=False,
            handler_cancellation=True,  # ends a watch whose client has gone
            keepalive_timeout=_IDLE_SECONDS,
            max_line_size=MAX_HEAD_BYTES,
            max_field_size=MAX_HEAD_BYTES,
            shutdown_timeout=_SHUTDOWN_SECONDS,
        )
        await runner.setup()
        self._runner = runner
        try:
            await web.TCPSite(runner, "127.0.0.1", port, backlog=256).start()
        except OSError:
            await self.stop()
            raise
        return int(runner.addresses[0][1])

    async def stop(self) -> None:
        """Refuses new connections and cuts the open ones."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    async def _handle(self, message: web.Request) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in message.headers.items()}
        request = HttpRequest(message.method, message.rel_url.path, dict(message.rel_url.query), headers, await message.read())
        response = await self._respond(request)
        if isinstance(response, WatchRequest | LogFollow):
            return await self._stream(response, message)
        return web.Response(
            status=response.code, body=response.body, headers=[("Content-Type", response.content_type), *response.headers]
        )

    async def _respond(self, request: HttpRequest) -> HttpResponse | WatchRequest | LogFollow:
        if self.intercept is not None and (response := await self.intercept(request)) is not None:
            return response
        return self._routes.respond(request)

    async def _stream(self, response: WatchRequest | LogFollow, message: web.Request) -> web.StreamResponse:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  # a task serves every request
        watching = isinstance(response, WatchRequest)
        stream = web.StreamResponse(headers={"Content-Type": "application/json" if watching else "text/plain"})
        stream.enable_chunked_encoding()
        tasks = self.watches if watching else self.followed_logs
        tasks.add(task)
        try:
            await stream.prepare(message)
            if isinstance(response, WatchRequest):
                await stream_watch(response, self._routes.store, stream.write, bookmark_seconds=self.bookmark_seconds)
            else:
                await self._routes.logs.stream(response, stream.write)
        finally:
            tasks.discard(task)
        return stream


async def _drop_server_header(message: web.Request, response: web.StreamResponse) -> None:
    """Omits the Server header, as a real API server does."""
    response.headers.pop("Server", None)
    response.headers["Cache-Control"] = "no-cache, private"
