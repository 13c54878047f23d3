"""Reads a response that is received whole, and whose head differs from an earlier one only in its time and its length.

A server's responses to what is polled have the same head, and h11 takes four times as long to read one. Whatever is not exactly
as before is left to h11, from its first byte.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

Headers: TypeAlias = Sequence[tuple[bytes, bytes]]

_VARIES = re.compile(
    rb"\r\nDate: ([A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT)(?=\r\n|\Z)"
    rb"|\r\nContent-Length: (0|[1-9][0-9]{0,8})(?=\r\n|\Z)"
)
_END = b"\r\n\r\n"
_CHUNK = re.compile(rb"([1-9a-f][0-9a-f]{0,5})\r\n")
_LAST_CHUNK = b"0\r\n\r\n"
_MOST_CHUNKS = 64
"""More of them are small ones, and h11 reads those with pauses for the event loop."""
_MOST = 32
"""How many heads are kept: a console polls a few paths of a few servers."""


class WholeResponse(NamedTuple):
    """A response to GET or POST after which the connection can be used again."""

    status: int
    headers: Headers
    body: bytes


class _Split(NamedTuple):
    """A head without what varies; both are empty where it has none."""

    fixed: tuple[bytes | None, ...]
    date: bytes
    length: bytes


class _Known(NamedTuple):
    status: int
    headers: Headers
    date_at: int
    """The place of the header, or -1."""
    length_at: int


class KnownHeads:
    """The heads that h11 has read, and found to leave the connection usable."""

    def __init__(self) -> None:
        self._known: dict[tuple[bytes | None, ...], _Known] = {}

    def read(self, data: bytes) -> WholeResponse | None:
        """What was received first on a connection, if it is a whole response with a known head, and nothing beyond it."""
        end = data.find(_END)
        split = _split(data[:end]) if end > 0 else None
        known = self._known.get(split.fixed) if split is not None else None
        if split is None or known is None:
            return None
        body = data[end + 4 :]
        if known.length_at < 0:
            joined = _join_chunks(body)
            if joined is None:
                return None
            body = joined
        elif len(body) != int(split.length):
            return None
        return WholeResponse(known.status, _fill(known, split), body)

    def learn(self, data: bytes, status: int, headers: Headers) -> None:
        """Takes what was received first of a response that h11 read to its end, and what it read."""
        end = data.find(_END)
        head = data[:end]
        split = _split(head) if end > 0 else None
        if split is None or status != 200 or split.fixed in self._known or b"\n" in head.replace(b"\r\n", b""):
            return
        names = [name.lower() for name, _ in headers]
        framed = names.count(b"content-length"), names.count(b"transfer-encoding")
        if framed != ((1, 0) if split.length else (0, 1)):
            return
        date_at, length_at = (_find(headers, *item) for item in ((b"date", split.date), (b"content-length", split.length)))
        known = _Known(status, tuple(headers), date_at, length_at)
        # As h11 read this one, so it will read the next ones.
        if list(_fill(known, split)) == list(headers):
            if len(self._known) >= _MOST:
                self._known.clear()
            self._known[split.fixed] = known


def _split(head: bytes) -> _Split | None:
    """None for a head with two times or two lengths."""
    fixed = _VARIES.split(head)
    dates, lengths = fixed[1::3], fixed[2::3]
    if len(dates) != len({date is None for date in dates}):
        return None
    date = next(filter(None, dates), b"")
    length = next(filter(None, lengths), b"")
    # Where each of them stood is a part of what is fixed.
    fixed[1::3] = [None if date is None else b"" for date in dates]
    fixed[2::3] = [None] * len(lengths)
    return _Split(tuple(fixed), date, length)


def _find(headers: Headers, name: bytes, value: bytes) -> int:
    return next((at for at, (found, held) in enumerate(headers) if value and found.lower() == name and held == value), -1)


def _fill(known: _Known, split: _Split) -> Headers:
    filled = list(known.headers)
    for at, value in ((known.date_at, split.date), (known.length_at, split.length)):
        if at >= 0:
            filled[at] = (filled[at][0], value)
    return filled


def _join_chunks(data: bytes) -> bytes | None:
    """The content of a whole chunked body without extensions and trailers; None for any other."""
    pieces: list[bytes] = []
    at = 0
    for _ in range(_MOST_CHUNKS):
        if data.startswith(_LAST_CHUNK, at):
            return b"".join(pieces) if at + len(_LAST_CHUNK) == len(data) else None
        size = _CHUNK.match(data, at)
        if size is None:
            return None
        end = size.end() + int(size[1], 16)
        if data[end : end + 2] != b"\r\n":
            return None
        pieces.append(data[size.end() : end])
        at = end + 2
    return None
