"""A minimal HTTP/1.1 server protocol: requests with bodies, responses, chunked streams, keep-alive."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

MAX_HEAD_BYTES = 64 << 10
MAX_BODY_BYTES = 4 << 20


class InvalidRequest(Exception):
    """Received bytes that are not an HTTP request; the server closes the connection."""


@dataclass(frozen=True, slots=True)
class HttpRequest:
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str] = field(repr=False)  # includes the token
    body: bytes

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


@dataclass(frozen=True, slots=True)
class HttpResponse:
    code: int
    body: bytes
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()


def as_json(code: int, body: Any, headers: tuple[tuple[str, str], ...] = ()) -> HttpResponse:
    return HttpResponse(code, json.dumps(body, separators=(",", ":")).encode(), headers=headers)


def as_text(code: int, body: str) -> HttpResponse:
    return HttpResponse(code, body.encode(), "text/plain; charset=utf-8")


async def read_request(reader: asyncio.StreamReader) -> HttpRequest | None:
    """The next request; None where the client closed the connection between two. Raises InvalidRequest."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if error.partial.strip():
            raise InvalidRequest("the request ended in its head") from None
        return None
    except asyncio.LimitOverrunError:
        raise InvalidRequest("the head of the request is too long") from None
    first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    words = first.split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        raise InvalidRequest("the first line is not a request line")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    parts = urlsplit(words[1])
    body = await _body(reader, headers)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    return HttpRequest(words[0], unquote(parts.path), query, headers, body)


async def _body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
    try:
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return await _chunks(reader)
        length = int(headers.get("content-length", "0"))
        if not 0 <= length <= MAX_BODY_BYTES:
            raise InvalidRequest("the body is too long")
        return await reader.readexactly(length)
    except (ValueError, asyncio.IncompleteReadError):
        raise InvalidRequest("the body is incomplete") from None


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while True:
        size = int((await reader.readline()).split(b";")[0], 16)
        if len(body) + size > MAX_BODY_BYTES:
            raise InvalidRequest("the body is too long")
        body += await reader.readexactly(size)
        await reader.readexactly(2)
        if not size:
            return body


def head(code: int, content_type: str, *extra: tuple[str, str]) -> bytes:
    """The status line and headers of a response."""
    lines = [f"HTTP/1.1 {code} {HTTPStatus(code).phrase}", f"Content-Type: {content_type}", "Cache-Control: no-cache, private"]
    lines.append(f"Date: {formatdate(usegmt=True)}")
    lines += [f"{name}: {value}" for name, value in extra]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def encode_response(response: HttpResponse) -> bytes:
    """A complete response."""
    length = ("Content-Length", str(len(response.body)))
    return head(response.code, response.content_type, length, *response.headers) + response.body


def chunk(data: bytes) -> bytes:
    """A chunk of a chunked response."""
    return b"%x\r\n%b\r\n" % (len(data), data)
