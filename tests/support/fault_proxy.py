"""A proxy in front of a real server: it forwards everything, until a test names the fault that it shall have."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import socket
import ssl
import struct
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar
from urllib.parse import urlsplit

T = TypeVar("T")

_UPSTREAM_SECONDS = 10.0
_HOP_BY_HOP = ("connection", "transfer-encoding", "content-length", "keep-alive")


@dataclass(frozen=True, slots=True)
class Asked:
    """One request that reached the proxy: when (monotonic), what, and which fault it met (empty: none)."""

    at: float
    method: str
    target: str
    fault: str

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer of the real server."""

    status: int
    reason: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def raw(self, *, body: bytes | None = None, **changed: str) -> bytes:
        """On the wire again, with headers replaced (`Date="…"`, underscores are dashes) and, where given, another body."""
        told = self.body if body is None else body
        kept = {name.title(): value for name, value in self.headers}
        kept |= {name.replace("_", "-").title(): value for name, value in changed.items()}
        kept.setdefault("Content-Length", str(len(told)))
        lines = [f"HTTP/1.1 {self.status} {self.reason}", *(f"{name}: {value}" for name, value in kept.items())]
        return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + told


@dataclass
class Exchange:
    """One request that a fault has to deal with: the client's side, and the way to what the server would say."""

    proxy: FaultProxy
    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    writer: asyncio.StreamWriter

    @property
    def watches(self) -> bool:
        return "watch=true" in self.target

    async def real(self) -> Answer:
        """What the real server says to this request."""
        return await asyncio.to_thread(self._real)

    def _real(self) -> Answer:
        place = urlsplit(self.proxy.upstream)
        connection: http.client.HTTPConnection
        if place.scheme == "https":
            connection = http.client.HTTPSConnection(
                place.hostname or "", place.port, timeout=_UPSTREAM_SECONDS, context=_any_peer()
            )
        else:
            connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=_UPSTREAM_SECONDS)
        kept = {name: value for name, value in self.headers.items() if name not in (*_HOP_BY_HOP, "host", "accept-encoding")}
        try:
            connection.request(self.method, self.target, body=self.body or None, headers=kept)
            answer = connection.getresponse()
            told = tuple(item for item in answer.getheaders() if item[0].lower() not in _HOP_BY_HOP)
            return Answer(answer.status, answer.reason, told, answer.read())
        finally:
            connection.close()

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()


Act = Callable[[Exchange], Awaitable[bool]]
"""Deals with one request; gives whether the connection stays open."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What the proxy does instead of forwarding. `only` chooses the requests that meet it.

    `refuse` closes the port, `reset` and `mute` act before a request is read, `certificate` is what TLS shows; `cut` ends
    the connections that are open when the fault begins, as a server that died does.
    """

    name: str
    act: Act | None = None
    refuse: bool = False
    reset: bool = False
    mute: bool = False
    certificate: Path | None = None
    cut: bool = False
    only: Callable[[Exchange], bool] = field(default=lambda exchange: True)


class FaultProxy:
    """One proxy on a free loopback port; `url` is where its clients go, `asked` and `dials` what they did."""

    def __init__(self, house: ProxyHouse, upstream: str, *, certificate: Path | None = None, key: Path | None = None) -> None:
        self.upstream = upstream
        self.asked: list[Asked] = []
        self.dials: list[float] = []
        self.port = 0
        self._house = house
        self._certificate, self._key = certificate, key
        self._tls: ssl.SSLContext | None = None
        if certificate is not None:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(certificate, key)
        self._fault: Fault | None = None
        self._changed = asyncio.Event()
        self._listener: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def use(self, fault: Fault | None) -> None:
        """From now on this fault, or none; returns when it is in effect. Whoever hangs in the old one is let go."""
        self._house.call(self._use(fault))

    def count(self, *, since: float, path: str = "") -> int:
        return sum(1 for item in list(self.asked) if item.at >= since and item.path.endswith(path))

    def rounds(self, *, since: float, path: str, until: float = float("inf"), gap: float = 0.3) -> list[float]:
        """When this path was asked; what comes within `gap` of the one before is the same round."""
        found: list[float] = []
        last = float("-inf")
        for item in list(self.asked):
            if since <= item.at <= until and item.path.endswith(path):
                if item.at - last > gap:
                    found.append(item.at)
                last = item.at
        return found

    @property
    def connections(self) -> int:
        return len(self._open)

    async def listen(self) -> None:
        self._listener = await asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=self._tls, backlog=256)
        self.port = self._listener.sockets[0].getsockname()[1]

    async def shut(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.close()
        self._changed.set()
        self._cut()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _use(self, fault: Fault | None) -> None:
        old, self._fault = self._fault, fault
        self._changed.set()
        self._changed = asyncio.Event()
        shown = fault.certificate if fault and fault.certificate else self._certificate
        if self._tls is not None and shown is not None:
            self._tls.load_cert_chain(shown, self._key)
        if fault is not None and fault.refuse:
            await self.shut()
        elif self._listener is None:
            await self.listen()
        ended = old is not None and (old.mute or old.reset or old.certificate is not None)
        if ended or (fault is not None and (fault.cut or fault.reset or fault.mute or fault.certificate is not None)):
            self._cut()

    def _cut(self) -> None:
        for task in tuple(self._open):
            task.cancel()

    async def until_changed(self) -> None:
        """For faults that hang: until the fault is another one."""
        await self._changed.wait()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        self.dials.append(time.monotonic())
        try:
            await self._converse(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError, ssl.SSLError, http.client.HTTPException):
            pass  # the client went, the server went, or the test cut it
        finally:
            self._open.discard(task)
            writer.transport.abort()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._fault is not None and self._fault.reset:
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return  # the `abort` at the end is a reset then
        if self._fault is not None and self._fault.mute:
            await self.until_changed()
            return
        async with contextlib.AsyncExitStack() as held:
            onward: asyncio.StreamWriter | None = None
            while head := await _head(reader):
                exchange = await self._exchange(head, reader, writer)
                fault = self._fault if self._fault is not None and self._fault.only(exchange) else None
                name = fault.name if fault else ""
                self.asked.append(Asked(time.monotonic(), exchange.method, exchange.target, name))
                if fault is not None and fault.act is not None:
                    if not await fault.act(exchange):
                        # What was written has to leave before the abort.
                        with contextlib.suppress(TimeoutError):
                            async with asyncio.timeout(1.0):
                                await writer.drain()
                                writer.write_eof() if writer.can_write_eof() else None
                                await reader.read(1)
                        return
                    continue
                if onward is None or onward.is_closing():
                    back, onward = await self._dial()
                    held.callback(onward.transport.abort)
                    pipe = asyncio.create_task(_pipe(back, writer))
                    held.callback(pipe.cancel)
                onward.write(head + exchange.body)
                await onward.drain()

    async def _dial(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        place = urlsplit(self.upstream)
        return await asyncio.open_connection(place.hostname, place.port, ssl=_any_peer() if place.scheme == "https" else None)

    async def _exchange(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Exchange:
        first, *lines = head.decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ", 2)
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        return Exchange(self, method, target, headers, body, writer)


def _any_peer() -> ssl.SSLContext:
    """For a server of the test on loopback, whose certificate nobody signed."""
    found = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    found.check_hostname, found.verify_mode = False, ssl.CERT_NONE
    return found


async def _head(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return b""


async def _pipe(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """One way, to the end; where the server ends the connection, the client's ends too."""
    try:
        while data := await source.read(1 << 16):
            target.write(data)
            await target.drain()
    except OSError:
        target.transport.abort()
    else:
        target.close()


class ProxyHouse:
    """A thread with an event loop in which all proxies of a test live, apart from the loop of what is tested."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault proxies", daemon=True)
        self._proxies: list[FaultProxy] = []

    def proxy(self, upstream: str, *, certificate: Path | None = None, key: Path | None = None) -> FaultProxy:
        made = FaultProxy(self, upstream, certificate=certificate, key=key)
        self.call(made.listen())
        self._proxies.append(made)
        return made

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10.0)

    def drop(self, proxy: FaultProxy) -> None:
        self._proxies.remove(proxy)
        self.call(proxy.shut())

    def __enter__(self) -> ProxyHouse:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for proxy in tuple(self._proxies):
            self.drop(proxy)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10.0)
        self._loop.close()
