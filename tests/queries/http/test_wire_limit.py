"""Limits of bytes and time for one response, each exactly on its line."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, LineTooLong
from types import SimpleNamespace
from typing import Any

import pytest
import urllib3

from queries.http import wire_limit
from queries.http.body import Body
from queries.http.wire_limit import HEAD_BYTES, WireLimit, WireLimitPassed, exceeds_limit, limit_connection, limit_pools


@contextmanager
def answering(*raw: bytes) -> Iterator[int]:
    """A server that gives these bytes to each connection in turn, and its port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with suppress(OSError):
            for text in raw:
                connection, _ = listener.accept()
                with connection, suppress(OSError):
                    connection.recv(65536)
                    connection.sendall(text)
                    connection.shutdown(socket.SHUT_WR)
                    connection.recv(65536)

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.close()


def ask(port: int, limit: WireLimit | None = None) -> tuple[int, bytes]:
    connection = HTTPConnection("127.0.0.1", port, timeout=10.0)
    limit_connection(connection)
    try:
        if limit is None:
            return _answer(connection)
        with limit:
            return _answer(connection)
    finally:
        connection.close()


def _answer(connection: HTTPConnection) -> tuple[int, bytes]:
    connection.request("GET", "/")
    found = connection.getresponse()
    return found.status, found.read()


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n"


def whole(size: int) -> bytes:
    """An answer of exactly so many bytes, in short header lines."""
    text = HEAD
    while size - len(text) - 5 > 1000:
        text += b"X: " + b"x" * 995 + b"\r\n"
    text += b"Y: " + b"y" * (size - len(text) - 10) + b"\r\n"
    return text + b"\r\nabc"


def test_a_server_may_send_exactly_what_was_granted() -> None:
    """One byte more breaks the connection, with the limit in the sentence; a new grant forgets what came before."""
    for over in (0, 1):
        limit = WireLimit(seconds=30.0)
        limit.consume(HEAD_BYTES - 10)
        limit.consume(10)
        limit.grant(1024)
        limit.consume(1000)
        if over:
            with pytest.raises(WireLimitPassed, match="received more than 1 KiB"):
                limit.consume(25)
        else:
            limit.consume(24)
        limit.grant(5)
        limit.consume(5)


@pytest.mark.parametrize(("size", "fits"), [(1000, True), (1001, False)])
def test_what_a_connection_may_bring_is_what_the_thread_granted(size: int, fits: bool) -> None:
    """Head and body together count; without a limit, and after one, everything is read."""
    raw = whole(size)
    assert len(raw) == size
    with answering(raw, raw, raw) as port:
        assert ask(port) == (200, b"abc")
        limit = WireLimit(seconds=30.0)
        limit.grant(1000)
        if fits:
            assert ask(port, limit) == (200, b"abc")
        else:
            with pytest.raises(WireLimitPassed):
                ask(port, limit)
        assert ask(port) == (200, b"abc")


def test_an_early_hint_is_not_the_answer() -> None:
    """Whatever informational status comes before it; a switch of protocols is an answer."""
    for status in (100, 102, 103, 199):
        with answering(b"HTTP/1.1 %d x\r\nLink: <a>\r\n\r\n" % status + HEAD + b"\r\nabc") as port:
            assert ask(port) == (200, b"abc"), status
    with answering(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n") as port:
        assert ask(port)[0] == 101


def test_the_time_is_over_at_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not a moment before; a grant with a time begins it anew, one without leaves it."""
    clock: Any = SimpleNamespace(at=100.0)
    clock.monotonic = lambda: clock.at
    monkeypatch.setattr(wire_limit, "time", clock)
    limit = WireLimit(seconds=5.0)
    clock.at = 104.5
    assert limit.left_seconds() == 0.5
    limit.grant(10)
    assert limit.left_seconds() == 0.5
    clock.at = 105.0
    with pytest.raises(TimeoutError, match="takes too long"):
        limit.left_seconds()
    limit.grant(10, seconds=2.0)
    assert limit.left_seconds() == 2.0


def test_every_pool_of_a_manager_has_the_limit_once() -> None:
    """Its own classes, named as before; the limit of a thread holds for what urllib3 reads."""
    manager = urllib3.PoolManager(retries=False)
    limit_pools(manager)
    before = dict(manager.pool_classes_by_scheme)
    limit_pools(manager)
    assert manager.pool_classes_by_scheme == before and set(before) == {"http", "https"}
    assert [pool.__name__ for pool in before.values()] == ["HTTPConnectionPool", "HTTPSConnectionPool"]
    with answering(whole(1001), whole(1000)) as port:
        for fits in (False, True):
            limit = WireLimit(seconds=30.0)
            limit.grant(1000)
            with limit:
                if fits:
                    assert manager.request("GET", f"http://127.0.0.1:{port}/").data == b"abc"
                else:
                    with pytest.raises(urllib3.exceptions.HTTPError) as told:
                        manager.request("GET", f"http://127.0.0.1:{port}/")
                    assert exceeds_limit(told.value)


def test_the_first_piece_of_a_body_is_announced_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every piece is fed in order, the time is checked after each, and twice the body's limit may come over the wire."""

    class Response:
        def __init__(self) -> None:
            self.pieces = [b"one", b"two", b"three", b""]

        def read1(self, size: int, *, decode_content: bool) -> bytes:
            clock.at += 1.0
            return self.pieces.pop(0)

    clock: Any = SimpleNamespace(at=0.0)
    clock.monotonic = lambda: clock.at
    monkeypatch.setattr(wire_limit, "time", clock)
    begun: list[bytes] = []
    body, limit, response = Body({}, limit_bytes=100, where="x"), WireLimit(seconds=3.5), Response()
    own: Any = response
    wire_limit.read_limited(own, body, limit, begun.append)
    assert (body.whole(), begun) == (b"onetwothree", [b"one"])
    limit.consume(200 + HEAD_BYTES)
    with pytest.raises(WireLimitPassed):
        limit.consume(1)
    slow: Any = Response()
    with pytest.raises(TimeoutError):
        wire_limit.read_limited(slow, Body({}, limit_bytes=100, where="x"), WireLimit(seconds=1.5))
    assert slow.pieces == [b"three", b""]


def test_which_errors_are_of_a_limit() -> None:
    """Also where urllib3 wrapped them, however often; every other error is not."""
    passed = WireLimitPassed("received more than 1 KiB")
    for error in (passed, OSError("x", passed), OSError("x", OSError("y", passed)), LineTooLong("header line")):
        assert exceeds_limit(error), error
    for other in (OSError("more than"), OSError(passed, "x"), ValueError("got more than 100 headers")):
        assert not exceeds_limit(other), other
