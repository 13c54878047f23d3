"""The wire below the clients: what is set there for answers of megabytes."""

from __future__ import annotations

import asyncio

import httpx

from queries.http import transport
from queries.http.endpoint import HttpConfig

SIZE = 8 << 20


async def test_a_large_answer_comes_in_large_pieces() -> None:
    """An answer of megabytes is taken in pieces of more than the 64 KiB that httpcore asks for by itself."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % SIZE + bytes(SIZE))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    url = httpx.URL(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
    wire = transport.build_transport(url, HttpConfig(), where=str(url))
    response = await wire.handle_async_request(httpx.Request("GET", url))
    assert isinstance(response.stream, httpx.AsyncByteStream)
    pieces = [len(piece) async for piece in response.stream]
    await response.aclose()
    await wire.aclose()
    server.close()
    await server.wait_closed()
    assert sum(pieces) == SIZE
    assert max(pieces) > 64 << 10
