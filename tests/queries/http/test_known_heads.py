"""Responses whose head is known: read as h11 reads them, or left to h11."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from queries.http.exchange import Exchange
from queries.http.known_heads import KnownHeads

BODY = b'{"value": 1}'
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nDate: Mon, 30 Nov 2026 10:00:00 GMT\r\n"
WITH_LENGTH = HEAD + b"Content-Length: 12\r\n\r\n" + BODY
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n4\r\n" + BODY[:4] + b"\r\n8\r\n" + BODY[4:] + b"\r\n0\r\n\r\n"
LATER = b"Tue, 01 Dec 2026 11:12:13 GMT"


def read(raw: bytes, known: KnownHeads, method: str = "GET") -> object:
    """Status, headers, body and whether the connection can be used again; or the class of the error."""
    exchange = Exchange(known)
    exchange.request(method, b"/", [(b"Host", b"a")], b"")
    body = b""
    try:
        exchange.feed(raw)
        head = exchange.head()
        while head is not None and (piece := exchange.body()):
            body += piece
    except httpx.HTTPError as error:
        return type(error)
    return head and (head[0], list(head[1])), body, exchange.complete, exchange.reusable


def mutate(raw: bytes) -> Iterator[bytes]:
    """The response with each byte lost, twice, or another one; cut anywhere; and with more after it."""
    for at in range(len(raw)):
        yield raw[:at] + raw[at + 1 :]
        yield raw[: at + 1] + raw[at:]
        yield from (raw[:at] + other + raw[at + 1 :] for other in (b"0", b"\r", b"\n", b":", b" ", b"a"))
        yield raw[: at + 1]
    yield raw + b"\r\n"
    yield raw + raw


@pytest.mark.parametrize("raw", [WITH_LENGTH, CHUNKED], ids=["length", "chunks"])
def test_what_differs_in_any_byte_is_read_as_if_no_head_were_known(raw: bytes) -> None:
    """Of a response with a known head no change of a byte leads to something that h11 does not read as well."""
    known = KnownHeads()
    assert known.read(raw) is None
    read(raw, known)
    assert known.read(raw) is not None
    changes = list(mutate(raw))
    assert len(changes) > 1000
    for changed in changes:
        assert read(changed, known) == read(changed, KnownHeads()), changed


@pytest.mark.parametrize("raw", [WITH_LENGTH, CHUNKED], ids=["length", "chunks"])
def test_time_and_length_may_differ(raw: bytes) -> None:
    """The next response of the same server is not parsed again, and its headers are its own."""
    known = KnownHeads()
    read(raw, known)
    longer = raw.replace(b"Mon, 30 Nov 2026 10:00:00 GMT", LATER).replace(b"12\r\n\r\n" + BODY, b"13\r\n\r\n " + BODY)
    found = known.read(longer)
    assert found is not None and (b"Date", LATER) in found.headers
    assert ((found.status, list(found.headers)), found.body, True, True) == read(longer, KnownHeads())


@pytest.mark.parametrize(
    "raw",
    [
        WITH_LENGTH.replace(b"200 OK", b"404 Not Found"),
        WITH_LENGTH.replace(b"Content-Type", b"Connection: close\r\nContent-Type"),
        WITH_LENGTH.replace(b"Content-Length: 12", b"Content-Length: 12\r\nContent-Length: 12"),
        WITH_LENGTH.replace(b"Content-Type", b"Date: Mon, 30 Nov 2026 10:00:00 GMT\r\nContent-Type"),
        WITH_LENGTH.replace(b"\r\n", b"\n"),
        WITH_LENGTH.replace(b"1.1", b"1.0"),
        b"HTTP/1.1 100 Continue\r\n\r\n" + WITH_LENGTH,
        CHUNKED.replace(b"\r\n4\r\n", b"\r\n4;a=b\r\n"),
        CHUNKED.replace(b"0\r\n\r\n", b"0\r\nX: y\r\n\r\n"),
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\na\r\n" * 100 + b"0\r\n\r\n",
    ],
)
def test_what_is_rare_or_odd_is_left_to_h11(raw: bytes) -> None:
    """An error, a response that ends the connection, two lengths, chunks with extensions or of a byte each: each is parsed."""
    known = KnownHeads()
    for learned in (WITH_LENGTH, CHUNKED, raw, raw):
        read(learned, known)
    assert known.read(raw) is None
    assert read(raw, known) == read(raw, KnownHeads())


def test_a_response_without_a_body_is_none_of_a_get() -> None:
    """HEAD has no body, whatever length its response announces."""
    known = KnownHeads()
    read(WITH_LENGTH, known)
    assert read(WITH_LENGTH, known, "HEAD") == read(WITH_LENGTH, KnownHeads(), "HEAD")


def test_it_keeps_only_so_many() -> None:
    """A server whose head always differs does not fill the memory."""
    known = KnownHeads()
    for number in range(100):
        raw = WITH_LENGTH.replace(b"Content-Type", f"X-{number}: a\r\nContent-Type".encode())
        read(raw, known)
        assert known.read(raw) is not None
    first = WITH_LENGTH.replace(b"Content-Type", b"X-0: a\r\nContent-Type")
    assert known.read(first) is None


@pytest.mark.parametrize("first", [b"Content-Length: 12\r\n", b"Date: Mon, 30 Nov 2026 10:00:00 GMT\r\n"])
def test_time_and_length_may_stand_first(first: bytes) -> None:
    """Wherever they stand, the next response has its own."""
    head, _, rest = WITH_LENGTH.partition(b"\r\n")
    raw = head + b"\r\n" + first + rest.replace(first, b"")
    assert raw != WITH_LENGTH and len(raw) == len(WITH_LENGTH)
    known = KnownHeads()
    read(raw, known)
    later = raw.replace(b"Mon, 30 Nov 2026 10:00:00 GMT", LATER).replace(b"Length: 12", b"Length: 13") + b" "
    found = known.read(later)
    assert found is not None
    assert {(b"Date", LATER), (b"Content-Length", b"13")} <= set(found.headers)
    assert ((found.status, list(found.headers)), found.body, True, True) == read(later, KnownHeads())


def test_32_heads_are_known_at_once() -> None:
    """The next one takes the place of all of them, and is known."""
    known = KnownHeads()
    heads = [WITH_LENGTH.replace(b"Content-Type", f"X-{number}: a\r\nContent-Type".encode()) for number in range(33)]
    for raw in heads[:32]:
        read(raw, known)
    assert all(known.read(raw) is not None for raw in heads[:32])
    read(heads[32], known)
    assert [raw for raw in heads if known.read(raw) is not None] == [heads[32]]
