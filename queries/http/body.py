"""The body of one answer: kept up to a limit, with the one content encoding that was asked for decoded in pieces."""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Mapping

from queries.errors import InvalidResponse
from queries.text.numbers import format_size

PIECE_BYTES = 256 << 10
"""How much is inflated at once on the event loop: about a millisecond."""
_PIECES_BYTES = 4 << 20
"""The same in a thread: what is left of a piece of the answer is copied each time."""
_SMALL = 4 << 10
_GZIP = ("gzip", "x-gzip")


class Body:
    """Collects the pieces of one answer as they came over the wire; `whole` gives its content.

    Memory is at most twice `limit_bytes`, whatever the server sends: neither what comes nor what it inflates to may be
    larger, and pieces of a few bytes are put together. Raises Malformed with a sentence.
    """

    def __init__(
        self, headers: Mapping[str, str], *, limit_bytes: int, where: str, asked: str = "identity", status: int | None = None
    ) -> None:
        """`headers` by names in lower case; `asked` is the Accept-Encoding of the request: `identity` or `gzip`."""
        self.limit_bytes = limit_bytes
        self._where = where
        self._status = status
        self._raw: deque[bytes | bytearray] = deque()
        self._found: list[bytes] = []
        self._found_bytes = 0
        self.size = 0
        """Bytes that came so far, still encoded."""
        encoding = headers.get("content-encoding", "")
        layers = [layer for item in encoding.lower().split(",") if (layer := item.strip()) not in ("", "identity")]
        if layers and (len(layers) > 1 or asked != "gzip" or layers[0] not in _GZIP):
            named = "".join(char if char.isprintable() else " " for char in encoding[:40])
            raise InvalidResponse(
                f"the answer is encoded as {named}, and {asked} was asked for",
                where=where,
                hint="a proxy on the way may have encoded it",
                status=status,
            )
        self._inflater = zlib.decompressobj(zlib.MAX_WBITS | 16) if layers else None
        announced = headers.get("content-length", "")
        if announced.isascii() and announced.isdigit() and (len(announced) > 18 or int(announced) > limit_bytes):
            raise self._too_large()

    def feed(self, piece: bytes) -> None:
        """Keep the next piece. Raises Malformed where the limit is passed."""
        self.size += len(piece)
        if self.size > self.limit_bytes:
            raise self._too_large()
        last = self._raw[-1] if self._raw else None
        if len(piece) >= _SMALL:
            self._raw.append(piece)
        elif isinstance(last, bytearray) and len(last) < PIECE_BYTES:
            last += piece
        else:
            self._raw.append(bytearray(piece))

    def start(self) -> bytes:
        """The content where `decoded` says so afterwards, else its first PIECE_BYTES; short work. Raises Malformed."""
        if self._inflater is None:
            return self.whole()
        while self._raw and self._found_bytes < PIECE_BYTES:
            self._decode_piece(PIECE_BYTES)
        return b"".join(self._found) if self._raw else self.whole()

    @property
    def decoded(self) -> bool:
        """Whether nothing is left to be decoded."""
        return not self._raw

    def whole(self) -> bytes:
        """The content. What it takes is bounded by the limit, but may be too long for the event loop. Raises Malformed."""
        while self._raw:
            self._decode_piece(min(_PIECES_BYTES, self.limit_bytes + 1 - self._found_bytes))
        if self._inflater is not None and self.size and not self._inflater.eof:
            raise InvalidResponse(
                "the answer was cut off", where=self._where, hint="its compressed data is not whole", status=self._status
            )
        content = self._found[0] if len(self._found) == 1 else b"".join(self._found)
        self._found = [content]
        return content

    def _decode_piece(self, at_most: int) -> None:
        raw = self._raw.popleft()
        if self._inflater is None:
            self._keep(bytes(raw))
            return
        if self._inflater.eof:
            if raw.strip(b"\0"):  # padding is allowed, a second member would be a second answer
                raise self._broken()
            return
        try:
            piece = self._inflater.decompress(raw, at_most)
        except zlib.error:
            raise self._broken() from None
        self._keep(piece)
        rest = self._inflater.unconsumed_tail or self._inflater.unused_data
        if rest or len(piece) == at_most:  # a full piece: more may be waiting in the inflater without any input
            self._raw.appendleft(rest)

    def _keep(self, piece: bytes) -> None:
        self._found_bytes += len(piece)
        if self._found_bytes > self.limit_bytes:
            raise self._too_large()
        if piece:
            self._found.append(piece)

    def _broken(self) -> InvalidResponse:
        return InvalidResponse(
            "the answer's compression is broken",
            where=self._where,
            hint="a proxy on the way may damage it",
            status=self._status,
        )

    def _too_large(self) -> InvalidResponse:
        return InvalidResponse(
            f"the answer is larger than {format_size(self.limit_bytes)}",
            where=self._where,
            hint="check that the URL is this server's, or narrow the query",
            status=self._status,
        )
