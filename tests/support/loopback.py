"""Loopback servers that answer, or misbehave, exactly as a test says."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

QUERIES = Path(__file__).parents[1] / "queries"
CERTIFICATES = QUERIES / "certificates"
RECORDINGS = QUERIES / "recordings"

Behaviour = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Loopback:
    """One server; `requests` are the heads it was sent, `connections` how often somebody dialled."""

    port: int = 0
    scheme: str = "http"
    requests: list[bytes] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    connections: int = 0

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"


@asynccontextmanager
async def loopback(behave: Behaviour, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[Loopback]:
    facts = Loopback(scheme="https" if tls else "http")
    writers: set[asyncio.StreamWriter] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        facts.connections += 1
        writers.add(writer)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                facts.requests.append(head)
                length = next(
                    (int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0
                )
                facts.bodies.append(await reader.readexactly(length))
                await behave(head, writer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writers.discard(writer)
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    facts.port = server.sockets[0].getsockname()[1]
    try:
        yield facts
    finally:
        server.close()
        for writer in list(writers):
            writer.transport.abort()
        await server.wait_closed()
        await asyncio.sleep(0)


def http_answer(status: str, body: bytes, media: str = "application/json", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    if media:
        lines.append(f"Content-Type: {media}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def always(raw: bytes, *, close: bool = False) -> Behaviour:
    async def behave(head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(raw)
        if close:
            await writer.drain()
            writer.close()

    return behave


def server_tls(certificate: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATES / certificate, CERTIFICATES / "server.key")
    return context
