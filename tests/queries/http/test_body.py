"""The body of one answer, put together and inflated within its limit."""

from __future__ import annotations

import gzip

import pytest

from queries.errors import InvalidResponse
from queries.http.body import Body


def _body(*pieces: bytes) -> bytes:
    body = Body({"content-encoding": "gzip"}, limit_bytes=4096, where="http://127.0.0.1:9", accepted="gzip")
    for piece in pieces:
        body.feed(piece)
    return body.whole()


def test_what_was_asked_for_is_inflated() -> None:
    """A gzip answer to a request for gzip is its content, in whatever pieces it comes."""
    sent = gzip.compress(b'{"status": "success"}')
    assert _body(*(sent[at : at + 3] for at in range(0, len(sent), 3))) == b'{"status": "success"}'


@pytest.mark.parametrize(
    ("sent", "words"),
    [(b"this is not gzip", "compressed data is damaged"), (gzip.compress(b"a" * 500)[:-9], "cut off")],
    ids=["garbage", "cut"],
)
def test_broken_compression_is_named(sent: bytes, words: str) -> None:
    """What was asked for as gzip and is not, or not whole, ends as a sentence that says which."""
    with pytest.raises(InvalidResponse, match=words):
        _body(sent)


@pytest.mark.parametrize("size", [4096, 4097])
@pytest.mark.parametrize("piece", [1, 7, 4096])
def test_the_limit_is_what_may_come(size: int, piece: int) -> None:
    """Exactly as much is whole, one byte more is an error: as sent, as announced, and as inflated."""
    content = bytes(at % 251 for at in range(size))
    announced = {"content-length": str(size)}
    packed = gzip.compress(content)

    def plain(headers: dict[str, str]) -> bytes:
        body = Body(headers, limit_bytes=4096, where="w")
        for at in range(0, size, piece):
            body.feed(content[at : at + piece])
        return body.whole()

    ways = (
        lambda: plain({}),
        lambda: plain(announced),
        lambda: _body(*(packed[at : at + piece] for at in range(0, len(packed), piece))),
    )
    for read in ways:
        if size > 4096:
            with pytest.raises(InvalidResponse, match="larger than 4 KiB"):
                read()
        else:
            assert read() == content
