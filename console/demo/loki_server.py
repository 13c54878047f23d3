"""Serves the stand-in for Loki over HTTP, with its tail socket as that of 3.7.8 behaves."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus

from aiohttp import WSCloseCode, WSMsgType, web

from console.demo.loki import LineStore, QueryRefused, TailQuery

_FLUSH_SECONDS = 0.1
_PING_SECONDS = 1.0
_START_SECONDS = 10.0
_LOG = logging.getLogger(__name__)
_LOG.addHandler(logging.NullHandler())  # the terminal belongs to the console


class LokiApi:
    """Serves a store between `start` and `stop`, by default on a free loopback port."""

    def __init__(self, store: LineStore, *, clock: Callable[[], float], port: int = 0) -> None:
        self.store = store
        self._clock = clock
        self._port = port
        self._tails: set[web.WebSocketResponse] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = asyncio.Event()
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        if self._thread is None:
            raise RuntimeError("the stand-in for Loki was not started")
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        ready = threading.Event()

        def run() -> None:
            asyncio.run(self._serve(ready))

        self._thread = threading.Thread(target=run, name="the stand-in for Loki", daemon=True)
        self._thread.start()
        if not ready.wait(_START_SECONDS):
            raise RuntimeError("the stand-in for Loki did not start")

    def stop(self) -> None:
        if self._thread is not None and self._loop is not None:
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join(5)
            self._thread = None

    async def _serve(self, ready: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        app = web.Application()
        app.router.add_get("/loki/api/v1/tail", self._tail)
        app.router.add_route("*", "/{path:.*}", self._answer)
        runner = web.AppRunner(app, access_log=None, logger=_LOG, handle_signals=False, shutdown_timeout=0.01)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", self._port).start()
            self._port = int(runner.addresses[0][1])
            ready.set()
            await self._stopping.wait()
            for socket in tuple(self._tails):
                await _close(socket, "all ingesters closed the connection")
        finally:
            await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        params = dict(request.query)
        if request.method == "POST":
            params |= {name: str(value) for name, value in (await request.post()).items()}
        headers = {name.lower(): value for name, value in request.headers.items()}
        found = await asyncio.to_thread(self.store.answer, request.path, params, headers, now=self._clock())
        return _response(*found)

    async def _tail(self, request: web.Request) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        try:
            query = self.store.check_tail(dict(request.query), headers, now=self._clock())
        except QueryRefused as refusal:
            return _response(refusal.status, "text/plain; charset=utf-8", str(refusal).encode())
        if headers.get("upgrade", "").lower() != "websocket":
            return _response(HTTPStatus.BAD_REQUEST, "text/plain; charset=utf-8", b"Bad Request\n")
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        limit = self.store.limits.tails
        if query.refusal or len(self._tails) >= limit:
            text = f"max concurrent tail requests limit exceeded, count > limit ({len(self._tails) + 1} > {limit})"
            await _close(socket, query.refusal or f"rpc error: code = Code(400) desc = {text}")
            return socket
        self._tails.add(socket)
        sending = asyncio.ensure_future(self._send(socket, query))
        try:
            async for message in socket:
                if message.type is WSMsgType.ERROR:
                    break
        finally:
            sending.cancel()
            self._tails.discard(socket)
        return socket

    async def _send(self, socket: web.WebSocketResponse, query: TailQuery) -> None:
        position, history = self.store.open_tail(query)
        if history:
            await socket.send_str(json.dumps(history))
        pinged = ended = time.monotonic()
        while time.monotonic() - ended < self.store.limits.tail_seconds:
            await asyncio.sleep(_FLUSH_SECONDS)
            position, message = self.store.read_tail(query, position)
            if message:
                await socket.send_str(json.dumps(message))
            if time.monotonic() - pinged >= _PING_SECONDS:
                pinged = time.monotonic()
                await socket.ping()
        await _close(socket, "reached tail max duration limit")


async def _close(socket: web.WebSocketResponse, reason: str) -> None:
    await socket.close(code=WSCloseCode.INTERNAL_ERROR, message=reason.encode()[:123])


def _response(status: int, kind: str, body: bytes) -> web.Response:
    headers: Mapping[str, str] = {"Content-Type": kind}
    return web.Response(status=status, body=body, headers=headers)
