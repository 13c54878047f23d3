"""One exchange of HTTP/1.1, a request and its response, as bytes; it does no I/O.

The protocol is that of h11, which httpx needs. It limits neither informational responses nor the work for one piece; this does.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from queries.http.known_heads import KnownHeads, WholeResponse
from queries.http.lean_h11 import h11
from queries.http.lean_httpx import httpx

HEAD_BYTES = 100 << 10
"""The limit of a head and of trailers."""
ENDLESS_HEAD = "the answer does not begin"
MOST_INFORMATIONAL = 20
"""100 Continue, 103 Early Hints: a server sends one or two of them before its response."""
_MOST_EVENTS = 200
"""How many chunks are decoded at once: of one byte each, a piece of 256 KiB would keep the event loop busy for seconds."""
_TOO_LONG = 431
"""h11's hint for what is larger than its limit."""
_BODIED = ("GET", "POST")
"""The methods whose responses have the body that their head announces."""
_SMALL = 32 << 10
"""A request with more content is not kept."""

Headers = Sequence[tuple[bytes, bytes]]


def _write_request(method: str, target: bytes, headers: Headers, content: bytes) -> bytes:
    """Raises as h11."""
    return b"".join(_send_request(_connect(), method, target, headers, content))


_write_small_request = lru_cache(maxsize=32)(_write_request)
"""Cached, because every refresh sends the same ones, and checking each header costs more than sending."""


def _connect() -> h11.Connection:
    return h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_BYTES)


def _send_request(http: h11.Connection, method: str, target: bytes, headers: Headers, content: bytes) -> list[bytes]:
    head = http.send(h11.Request(method=method, target=target, headers=list(headers)))
    body = http.send(h11.Data(content)) if content else b""
    http.send(h11.EndOfMessage())
    return [head or b"", body or b""]


class Exchange:
    """Builds the request, and parses the response from the bytes that it is fed: `head`, then `body` until it is `complete`.

    `head` and `body` raise httpx.RemoteProtocolError.
    """

    def __init__(self, known: KnownHeads | None = None) -> None:
        """`known` are the heads of earlier responses of the same server."""
        self._known = known or KnownHeads()
        self._request: tuple[str, bytes, Headers, bytes] = ("GET", b"/", (), b"")
        self._h11: h11.Connection | None = None
        """None as long as nothing was received that it has to parse."""
        self._whole: WholeResponse | None = None
        """The response, if its head is known and all of it came at once."""
        self._first = b""
        """What was received first."""
        self._beyond = False
        """Whether more than the response was received."""
        self._headers: Headers = ()
        self._status = 0
        self._informational = 0
        self._ended = False
        self.complete = False
        """Whether the whole response was read."""

    @property
    def reusable(self) -> bool:
        """Whether the next request may follow on the same connection: all was read, and nothing beyond it was received."""
        if self._whole is not None:
            return self.complete and not self._beyond
        if self._h11 is None:
            return False
        done = self._h11.our_state is self._h11.their_state is h11.DONE
        return self.complete and done and not self._h11.trailing_data[0]

    def request(self, method: str, target: bytes, headers: Headers, content: bytes) -> bytes:
        """The bytes to send. Raises httpx.LocalProtocolError for a header that would break it, without quoting it."""
        self._request = method, target, tuple(headers), content
        try:
            return (_write_small_request if len(content) < _SMALL else _write_request)(*self._request)
        except h11.LocalProtocolError:
            raise httpx.LocalProtocolError("illegal header") from None

    def feed(self, data: bytes) -> None:
        """What was received next; not empty."""
        if not self._first:
            self._first = data
            self._whole = self._known.read(data) if self._request[0] in _BODIED else None
        else:
            self._beyond = self._whole is not None
        if self._whole is None:
            self._http.receive_data(data)

    def feed_end(self) -> None:
        """The server closed the connection."""
        if not self._ended:
            self._ended = True
            self._http.receive_data(b"")

    @property
    def _http(self) -> h11.Connection:
        if self._h11 is None:
            self._h11 = _connect()
            _send_request(self._h11, *self._request)
        return self._h11

    def head(self) -> tuple[int, Headers] | None:
        """Status and headers of the response, without the informational ones before it; None if they are not whole yet."""
        if self._whole is not None:
            return self._whole.status, self._whole.headers
        if self._h11 is None:
            return None
        while not self._ended or self._http.trailing_data[0]:
            event = self._next()
            if isinstance(event, h11.Response):
                self._status, self._headers = event.status_code, event.headers.raw_items()
                return self._status, self._headers
            if not isinstance(event, h11.InformationalResponse):
                break
            self._informational += 1
            if self._informational > MOST_INFORMATIONAL:
                raise httpx.RemoteProtocolError(ENDLESS_HEAD)
        if self._ended:
            raise httpx.RemoteProtocolError("Server disconnected without sending a response.")
        return None

    def take_whole(self) -> bytes | None:
        """The body, if the response came whole and nothing of it was taken yet."""
        return self.body() if self._whole is not None and not self.complete else None

    def body(self) -> bytes:
        """The next bytes of the body; empty if more must be fed first, or if it is `complete`."""
        if self._whole is not None and not self.complete:
            self.complete = True
            return self._whole.body
        pieces: list[bytes] = []
        for _ in range(0 if self.complete else _MOST_EVENTS):
            event = self._next()
            if isinstance(event, h11.Data):
                pieces.append(bytes(event.data))
                continue
            self.complete = isinstance(event, h11.EndOfMessage)
            if self._ended and not self.complete:
                raise httpx.RemoteProtocolError("peer closed connection without sending complete message body")
            if self.reusable and not self._informational and self._request[0] in _BODIED:
                self._known.learn(self._first, self._status, self._headers)
            break
        return b"".join(pieces)

    def _next(self) -> object:
        try:
            return self._http.next_event()
        except h11.RemoteProtocolError as error:
            text = ENDLESS_HEAD if error.error_status_hint == _TOO_LONG else str(error)
            raise httpx.RemoteProtocolError(text) from error
