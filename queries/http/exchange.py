"""One exchange of HTTP/1.1, a request and its response, as bytes; it does no I/O.

The protocol is that of h11, which httpx needs. It limits neither informational responses nor the work for one piece; this does.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

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

Headers = Sequence[tuple[bytes, bytes]]


@lru_cache(maxsize=32)
def _build_head(method: str, target: bytes, headers: Headers) -> h11.Request:
    """Cached, because every refresh sends the same ones, and checking each header costs more than sending. Raises as h11."""
    return h11.Request(method=method, target=target, headers=list(headers))


class Exchange:
    """Builds the request, and parses the response from the bytes that it is fed: `head`, then `body` until it is `complete`.

    `head` and `body` raise httpx.RemoteProtocolError.
    """

    def __init__(self) -> None:
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_BYTES)
        self._informational = 0
        self._ended = False
        self.complete = False
        """Whether the whole response was read."""

    @property
    def reusable(self) -> bool:
        """Whether the next request may follow on the same connection: all was read, and nothing beyond it was received."""
        done = self._http.our_state is self._http.their_state is h11.DONE
        return self.complete and done and not self._http.trailing_data[0]

    def request(self, method: str, target: bytes, headers: Headers, content: bytes) -> bytes:
        """The bytes to send. Raises httpx.LocalProtocolError for a header that would break it, without quoting it."""
        try:
            head = self._http.send(_build_head(method, target, tuple(headers)))
            body = self._http.send(h11.Data(content)) if content else b""
            self._http.send(h11.EndOfMessage())
        except h11.LocalProtocolError:
            raise httpx.LocalProtocolError("illegal header") from None
        return (head or b"") + (body or b"")

    def feed(self, data: bytes) -> None:
        """What was received next; not empty."""
        self._http.receive_data(data)

    def feed_end(self) -> None:
        """The server closed the connection."""
        if not self._ended:
            self._ended = True
            self._http.receive_data(b"")

    def head(self) -> tuple[int, Headers] | None:
        """Status and headers of the response, without the informational ones before it; None if they are not whole yet."""
        while not self._ended or self._http.trailing_data[0]:
            event = self._next()
            if isinstance(event, h11.Response):
                return event.status_code, event.headers.raw_items()
            if not isinstance(event, h11.InformationalResponse):
                break
            self._informational += 1
            if self._informational > MOST_INFORMATIONAL:
                raise httpx.RemoteProtocolError(ENDLESS_HEAD)
        if self._ended:
            raise httpx.RemoteProtocolError("Server disconnected without sending a response.")
        return None

    def body(self) -> bytes:
        """The next bytes of the body; empty if more must be fed first, or if it is `complete`."""
        pieces: list[bytes] = []
        for _ in range(0 if self.complete else _MOST_EVENTS):
            event = self._next()
            if isinstance(event, h11.Data):
                pieces.append(bytes(event.data))
                continue
            self.complete = isinstance(event, h11.EndOfMessage)
            if self._ended and not self.complete:
                raise httpx.RemoteProtocolError("peer closed connection without sending complete message body")
            break
        return b"".join(pieces)

    def _next(self) -> object:
        try:
            return self._http.next_event()
        except h11.RemoteProtocolError as error:
            text = ENDLESS_HEAD if error.error_status_hint == _TOO_LONG else str(error)
            raise httpx.RemoteProtocolError(text) from error
