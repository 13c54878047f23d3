"""The syntax of HTTP/1.1 responses (RFC 9112), with limits; it does no I/O."""

from __future__ import annotations

import re
from collections.abc import Iterable

import httpx

HEAD_BYTES = 100 << 10
"""The limit of a head and of trailers."""
ENDLESS_HEAD = "the answer does not begin"
MOST_INFORMATIONAL = 20
"""100 Continue, 103 Early Hints: a server sends one or two of them before its response."""
_MOST_CHUNKS = 200
"""How many chunks are decoded at once: of one byte each, a piece of 256 KiB would keep the event loop busy for 50 ms."""
_STATUS = re.compile(rb"HTTP/([0-9]\.[0-9]) ([1-9][0-9]{2})(?: [^\x00\n\r\x0b\x0c]*)?")
_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(rb"[^\x00\n\r\x0b\x0c]*")
_BLANK_LINE = re.compile(rb"\n\r?\n")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,20})(?:;[^\r\n]*)?[ \t]*\r\n")

Headers = list[tuple[bytes, bytes]]


class ResponseHead:
    """Status and headers of a response, and how its body ends."""

    __slots__ = ("headers", "keeps_open", "length", "status")

    def __init__(self, status: int, headers: Headers, *, length: int | None, keeps_open: bool) -> None:
        """`length` is that of the body, None if it is chunked, and -1 if it ends with the connection."""
        self.status = status
        self.headers = headers
        self.length = length
        self.keeps_open = keeps_open


class ResponseParser:
    """Parses one response from the bytes that it is fed. Every method raises httpx.RemoteProtocolError."""

    def __init__(self, method: str) -> None:
        self._method = method
        self._buffer = bytearray()
        self._searched = 0
        self._informational = 0
        self._ended = False
        self._left = 0
        """Bytes left of the body, or of the current chunk."""
        self._chunked = False
        self._step = "size"
        """What comes next of a chunked body: size, data, end or trailer."""
        self.complete = False
        """Whether the whole response was read."""
        self.reusable = False
        """Whether the next response may follow on the same connection, once this one is complete."""

    @property
    def unread(self) -> bool:
        """Whether there are bytes beyond what was returned."""
        return bool(self._buffer)

    def feed(self, data: bytes) -> None:
        self._buffer += data

    def feed_end(self) -> None:
        """The server closed the connection."""
        self._ended = True

    def head(self) -> ResponseHead | None:
        """The head of the response without the informational ones before it; None if it is not whole yet."""
        if self._buffer and self._buffer[0] <= 0x20:  # no status line begins so: an alert of TLS, for example
            raise httpx.RemoteProtocolError("illegal status line")
        while (lines := self._lines()) is not None:
            head = _parse_head(lines, self._method)
            if head.status >= 200:
                self._chunked, self._left = head.length is None, head.length or 0
                self.complete, self.reusable = head.length == 0, head.keeps_open
                return head
            self._informational += 1
            if head.status == 101:
                raise httpx.RemoteProtocolError("the server switches protocols without being asked")
            if self._informational > MOST_INFORMATIONAL:
                raise httpx.RemoteProtocolError(ENDLESS_HEAD)
        if self._ended:
            raise httpx.RemoteProtocolError("Server disconnected without sending a response.")
        return None

    def body(self) -> bytes:
        """The next bytes of the body; empty if more must be fed first, or if it is `complete`."""
        if self.complete:
            return b""
        piece = self._read_chunks() if self._chunked else self._take()
        if not self._chunked and self._left == 0:
            self.complete = True
        if not piece and self._ended and not self.complete:
            if self._chunked or self._left > 0:
                raise httpx.RemoteProtocolError("peer closed connection without sending the complete message body")
            self.complete = True
        return piece

    def pass_through(self, data: bytes) -> bool:
        """Whether these bytes, received next, are nothing but the next bytes of the body: then they need not be copied."""
        if self._chunked or self._buffer or 0 <= self._left < len(data):
            return False
        if self._left > 0:
            self._left -= len(data)
            self.complete = self._left == 0
        return True

    def _take(self) -> bytes:
        """Up to as many bytes as are left; all if the connection's end ends them."""
        if self._left < 0 or self._left >= len(self._buffer):
            piece = bytes(self._buffer)
            self._buffer.clear()
        else:
            piece = bytes(self._buffer[: self._left])
            del self._buffer[: self._left]
        if self._left > 0:
            self._left -= len(piece)
        return piece

    def _read_chunks(self) -> bytes:
        pieces: list[bytes] = []
        for _ in range(_MOST_CHUNKS):
            if self._step == "size" and not self._read_size():
                break
            if self._step == "data":
                pieces.append(self._take())
                if self._left:
                    break
                self._step = "end"
            if self._step == "end":
                if len(self._buffer) < 2:
                    break
                if not self._buffer.startswith(b"\r\n"):
                    raise httpx.RemoteProtocolError("a chunk does not end where its size says")
                del self._buffer[:2]
                self._step = "size"
            if self._step == "trailer":
                if (lines := self._lines()) is not None:
                    _parse_fields(lines)
                    self.complete = True
                break
        return b"".join(pieces)

    def _read_size(self) -> bool:
        found = _CHUNK.match(self._buffer)
        if found is None:
            if b"\n" in self._buffer or len(self._buffer) > HEAD_BYTES:
                raise httpx.RemoteProtocolError("illegal chunk header")
            return False
        self._left = int(found[1], 16)
        del self._buffer[: found.end()]
        self._step = "data" if self._left else "trailer"
        return True

    def _lines(self) -> list[bytes] | None:
        """The lines up to the next empty one, which ends them; None if that was not received yet."""
        buffer = self._buffer
        for empty in (b"\r\n", b"\n"):
            if buffer.startswith(empty):
                del buffer[: len(empty)]
                return []
        found = _BLANK_LINE.search(buffer, max(0, self._searched - 2))
        if found is None:
            if len(buffer) > HEAD_BYTES:
                raise httpx.RemoteProtocolError(ENDLESS_HEAD)
            self._searched = len(buffer)
            return None
        text = bytes(buffer[: found.start()])
        del buffer[: found.end()]
        self._searched = 0
        return [line.removesuffix(b"\r") for line in text.split(b"\n")]


def _parse_head(lines: list[bytes], method: str) -> ResponseHead:
    found = _STATUS.fullmatch(lines[0]) if lines else None
    if found is None:
        raise httpx.RemoteProtocolError("illegal status line")
    status, headers = int(found[2]), _parse_fields(lines[1:])
    connection = {item.strip().lower() for item in b",".join(_values(headers, b"connection")).split(b",")}
    keeps_open = found[1] >= b"1.1" and b"close" not in connection
    encodings = [item.strip().lower() for value in _values(headers, b"transfer-encoding") for item in value.split(b",")]
    lengths = {item.strip() for value in _values(headers, b"content-length") for item in value.split(b",")}
    repeated = [item for item in headers if item[0].lower() == b"content-length"]
    for item in repeated[1:]:
        headers.remove(item)
    length: int | None
    if encodings and encodings != [b"chunked"]:
        raise httpx.RemoteProtocolError("Only Transfer-Encoding: chunked is supported")
    if lengths and (len(lengths) > 1 or not (text := next(iter(lengths))).isdigit() or len(text) > 20):
        raise httpx.RemoteProtocolError("bad Content-Length")
    if status < 200 or status in (204, 304) or method == "HEAD":
        length = 0
    elif encodings:
        length = None
    elif lengths:
        length = int(next(iter(lengths)))
    else:
        length, keeps_open = -1, False
    return ResponseHead(status, headers, length=length, keeps_open=keeps_open)


def _parse_fields(lines: Iterable[bytes]) -> Headers:
    headers: Headers = []
    for line in lines:
        name, colon, rest = line.partition(b":")
        value = rest.strip(b" \t")
        if line[:1] in (b" ", b"\t") and headers:  # a folded line continues the one before
            name, before = headers.pop()
            colon, value = b":", before + b" " + line.strip(b" \t")
        if not colon or not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            raise httpx.RemoteProtocolError("illegal header line")
        headers.append((name, value))
    return headers


def _values(headers: Headers, name: bytes) -> list[bytes]:
    return [value for key, value in headers if key.lower() == name]


def build_head(method: str, target: bytes, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The head of a request. Raises httpx.LocalProtocolError for a header that would break it, without quoting it."""
    lines = [method.encode("ascii") + b" " + target + b" HTTP/1.1"]
    for name, value in headers:
        if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            raise httpx.LocalProtocolError("illegal header")
        lines.append(name + b": " + value)
    return b"\r\n".join(lines) + b"\r\n\r\n"
