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


@pytest.mark.parametrize(("size", "whole"), [(1000, True), ((256 << 10) - 1, True), (256 << 10, True), (300 << 10, False)])
def test_the_beginning_of_an_answer_is_decoded_at_once_and_the_rest_later(size: int, whole: bool) -> None:
    """About a quarter of a megabyte on the event loop; what is shorter is there as a whole, and nothing is there twice."""
    content = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    sent = gzip.compress(content, 1)
    body = Body({"content-encoding": "gzip"}, limit_bytes=1 << 20, where="x", accepted="gzip")
    for at in range(0, len(sent), 100):
        body.feed(sent[at : at + 100])
    start = body.start()
    assert content.startswith(start) and len(start) >= min(size, 256 << 10) - (1 << 10)
    if not whole:
        assert not body.decoded and len(start) < size
    assert body.whole() == content and body.decoded and body.size == len(sent)
    plain = Body({}, limit_bytes=1 << 20, where="x")
    plain.feed(content)
    assert plain.start() == content and plain.decoded


def test_padding_after_a_compressed_answer_is_none_of_it() -> None:
    """Zeros may follow, in whatever pieces; a second member may not."""
    sent = gzip.compress(b"content")
    assert _body(sent + b"\0" * 7, b"\0" * 9) == _body(sent, b"\0") == b"content"
    for more in (b"x", sent, b"\0x"):
        with pytest.raises(InvalidResponse, match="compressed data is damaged"):
            _body(sent, more)


@pytest.mark.parametrize(
    ("encoding", "accepted", "named"),
    [
        ("gzip", "identity", "gzip instead of identity"), ("br", "gzip", "br instead of gzip"),
        ("gzip, gzip", "gzip", "gzip, gzip instead of gzip"), ("identity, x-gzip", "gzip", ""), ("GZIP", "gzip", ""),
        ("", "gzip", ""), ("identity", "identity", ""), ("a\x1bb" + "c" * 60, "gzip", f"a b{'c' * 37} instead of gzip"),
    ],
)  # fmt: skip
def test_an_encoding_that_nobody_asked_for_is_named(encoding: str, accepted: str, named: str) -> None:
    """Before anything of it is decoded, and as text; more than one is one too many."""
    if named:
        with pytest.raises(InvalidResponse) as told:
            Body({"content-encoding": encoding}, limit_bytes=100, where="x", accepted=accepted)
        assert told.value.fault.what == f"the answer is encoded as {named}"
    else:
        body = Body({"content-encoding": encoding}, limit_bytes=100, where="x", accepted=accepted)
        body.feed(gzip.compress(b"a") if "gzip" in encoding.lower() else b"a")
        assert body.whole() == b"a"


@pytest.mark.parametrize(
    ("announced", "large"),
    [("100", False), ("101", True), ("9" * 18, True), ("9" * 19, True), ("-5", False), ("x", False), ("", False)],
)
def test_an_answer_that_announces_too_much_is_not_read(announced: str, large: bool) -> None:
    """A number that is none announces nothing: the limit holds while it comes."""
    if large:
        with pytest.raises(InvalidResponse, match="larger than 100 bytes"):
            Body({"content-length": announced}, limit_bytes=100, where="x")
    else:
        Body({"content-length": announced}, limit_bytes=100, where="x").feed(b"a" * 100)
