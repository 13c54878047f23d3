"""A response body: kept up to a limit, and decoded in pieces from the one accepted content encoding."""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Mapping

from queries.errors import AnswerTooLarge, InvalidResponse
from queries.text.numbers import format_size

PIECE_BYTES = 256 << 10
"""How much is inflated at once on the event loop, about a millisecond."""
_PIECES_BYTES = 4 << 20
"""The same in a thread; the rest of a piece is copied each time."""
_SMALL = 4 << 10
_GZIP = ("gzip", "x-gzip")


class Body:
    """Collects the pieces of one response; `whole` returns its content.

    It needs at most twice `limit_bytes` of memory, whatever the server sends: neither the received nor the inflated bytes may
    exceed the limit, and small pieces are merged. Raises InvalidResponse.
    """

    def __init__(
        self, headers: Mapping[str, str], *, limit_bytes: int, where: str, accepted: str = "identity", status: int | None = None
    ) -> None:
        """`headers` by names in lower case; `accepted` is the Accept-Encoding of the request: `identity` or `gzip`."""
        self.limit_bytes = limit_bytes
        self._where = where
        self._status = status
        self._raw: deque[bytes | bytearray] = deque()
        self._decoded: list[bytes] = []
        self._decoded_bytes = 0
        self.size = 0
        """Bytes received so far, still encoded."""
        encoding = headers.get("content-encoding", "")
        layers = [layer for item in encoding.lower().split(",") if (layer := item.strip()) not in ("", "identity")]
        if layers and (len(layers) > 1 or accepted != "gzip" or layers[0] not in _GZIP):
            named = "".join(char if char.isprintable() else " " for char in encoding[:40])
            raise InvalidResponse(
                f"the answer is encoded as {named} instead of {accepted}",
                where=where,
                hint="a proxy may have encoded it",
                status=status,
            )
        self._inflater = zlib.decompressobj(zlib.MAX_WBITS | 16) if layers else None
        announced = headers.get("content-length", "")
        if announced.isascii() and announced.isdigit() and (len(announced) > 18 or int(announced) > limit_bytes):
            raise self._too_large()

    def feed(self, piece: bytes) -> None:
        """Add the next piece. Raises InvalidResponse beyond the limit."""
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
        """Decode the first PIECE_BYTES, or the whole content if `decoded` is True afterwards. Raises InvalidResponse."""
        if self._inflater is None:
            return self.whole()
        while self._raw and self._decoded_bytes < PIECE_BYTES:
            self._decode_piece(PIECE_BYTES)
        return b"".join(self._decoded) if self._raw else self.whole()

    @property
    def decoded(self) -> bool:
        """Whether everything is decoded."""
        return not self._raw

    def whole(self) -> bytes:
        """The content; decoding it may take too long for the event loop. Raises InvalidResponse."""
        while self._raw:
            self._decode_piece(min(_PIECES_BYTES, self.limit_bytes + 1 - self._decoded_bytes))
        if self._inflater is not None and self.size and not self._inflater.eof:
            raise InvalidResponse(
                "the answer was cut off", where=self._where, hint="its compressed data is incomplete", status=self._status
            )
        content = self._decoded[0] if len(self._decoded) == 1 else b"".join(self._decoded)
        self._decoded = [content]
        return content

    def _decode_piece(self, at_most: int) -> None:
        raw = self._raw.popleft()
        if self._inflater is None:
            self._keep(bytes(raw))
            return
        if self._inflater.eof:
            if raw.strip(b"\0"):  # padding is allowed, a second member is not
                raise self._broken()
            return
        try:
            piece = self._inflater.decompress(raw, at_most)
        except zlib.error:
            raise self._broken() from None
        self._keep(piece)
        rest = self._inflater.unconsumed_tail or self._inflater.unused_data
        if rest or len(piece) == at_most:  # a full piece: the inflater may hold more output
            self._raw.appendleft(rest)

    def _keep(self, piece: bytes) -> None:
        self._decoded_bytes += len(piece)
        if self._decoded_bytes > self.limit_bytes:
            raise self._too_large()
        if piece:
            self._decoded.append(piece)

    def _broken(self) -> InvalidResponse:
        return InvalidResponse(
            "the answer's compressed data is damaged",
            where=self._where,
            hint="a proxy may have damaged it",
            status=self._status,
        )

    def _too_large(self) -> AnswerTooLarge:
        return AnswerTooLarge(
            f"the answer is larger than {format_size(self.limit_bytes)}",
            where=self._where,
            hint="check that the URL is this server's, or narrow the query",
            status=self._status,
        )
