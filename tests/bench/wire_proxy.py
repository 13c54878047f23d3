"""A proxy that counts what passes and can be as far away as one likes: half a round trip each way."""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import dataclass
from types import TracebackType
from urllib.parse import urlsplit


@dataclass(slots=True)
class Exchange:
    """One request: when it left the client and when its answer had arrived there, and the answer's body."""

    at: float
    path: str
    ended: float = 0.0
    body_bytes: int = 0


class WireProxy:
    """HTTP/1.1 with Content-Length or chunks, one request after the other on a connection, as the console speaks it."""

    def __init__(self, upstream: str) -> None:
        place = urlsplit(upstream)
        self._upstream = (place.hostname or "", place.port or 80)
        self.trip_seconds = 0.0
        self.exchanges: list[Exchange] = []
        self.seen_at: float | None = None
        """When an answer first had what `watch` named, on the monotonic clock."""
        self._watched = b""
        self.url = ""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> WireProxy:
        self._thread.start()
        server = asyncio.run_coroutine_threadsafe(asyncio.start_server(self._serve, "127.0.0.1", 0), self._loop).result(5)
        self._server = server
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    async def _close(self) -> None:
        self._server.close()
        open_ones = asyncio.all_tasks() - {asyncio.current_task()}
        for task in open_ones:
            task.cancel()
        await asyncio.gather(*open_ones, return_exceptions=True)

    def watch(self, text: bytes) -> None:
        """Note when an answer has these bytes."""
        self.seen_at, self._watched = None, text

    def rounds(self, *, since: float, apart: float = 0.3) -> int:
        """How many refreshes there were: requests that follow each other at once belong to one."""
        times = sorted(one.at for one in self.exchanges if one.at >= since and "/rules" not in one.path)
        return sum(1 for before, at in zip([-1e9, *times], times, strict=False) if at - before > apart)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ahead, back = await asyncio.open_connection(*self._upstream)
        # A connection costs a round trip before the first byte.
        await asyncio.sleep(self.trip_seconds)
        try:
            while head := await self._head(reader):
                exchange = Exchange(time.monotonic(), head.split(b" ", 2)[1].decode())
                self.exchanges.append(exchange)
                body = await self._body(reader, head)
                await asyncio.sleep(self.trip_seconds / 2)
                back.write(head + body)
                answer = await self._head(ahead)
                content = await self._body(ahead, answer)
                await asyncio.sleep(self.trip_seconds / 2)
                writer.write(answer + content)
                await writer.drain()
                exchange.body_bytes = len(content)
                exchange.ended = time.monotonic()
                if self._watched and self.seen_at is None and self._watched in content:
                    self.seen_at = exchange.ended
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            back.close()

    @staticmethod
    async def _head(reader: asyncio.StreamReader) -> bytes:
        try:
            return await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return b""

    @staticmethod
    async def _body(reader: asyncio.StreamReader, head: bytes) -> bytes:
        headers = {
            name.strip().lower(): value.strip() for name, _, value in (line.partition(b":") for line in head.split(b"\r\n"))
        }
        if length := int(headers.get(b"content-length", b"0")):
            return await reader.readexactly(length)
        if headers.get(b"transfer-encoding") != b"chunked":
            return b""
        whole = b""
        while True:
            size = await reader.readuntil(b"\r\n")
            chunk = await reader.readexactly(int(size, 16) + 2)
            whole += size + chunk
            if int(size, 16) == 0:
                return whole
