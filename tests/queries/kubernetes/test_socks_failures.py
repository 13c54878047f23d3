"""A SOCKS5 proxy that does not do what it should: each failure in its own words, in time, and nothing left open."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

import pytest
from limits import extend

from queries.errors import AccessDenied, SourceError, Unreachable
from queries.kubernetes.socks import SocksProxy, connect_through

Play = Callable[[socket.socket], object]


@pytest.fixture
def proxy() -> Iterator[Callable[[Play], SocksProxy]]:
    """A proxy that plays what a test says with its first connection."""
    opened: list[socket.socket] = []

    def start(play: Play, login: str = "") -> SocksProxy:
        server = socket.create_server(("127.0.0.1", 0))
        opened.append(server)

        def serve() -> None:
            with contextlib.suppress(OSError):
                connection, _ = server.accept()
                opened.append(connection)
                play(connection)

        threading.Thread(target=serve, daemon=True).start()
        return SocksProxy.parse(f"socks5://{login}127.0.0.1:{server.getsockname()[1]}")

    yield start
    for each in opened:
        each.close()


def answer(*pieces: bytes) -> Play:
    def play(connection: socket.socket) -> None:
        for piece in pieces:
            connection.recv(1024)
            connection.sendall(piece)

    return play


def fail(proxy: SocksProxy, *, seconds: float = 5.0) -> SourceError:
    with pytest.raises(SourceError) as refused:
        connect_through(proxy, "h", 443, seconds=extend(seconds))
    assert refused.value.fault.where == proxy.where
    return refused.value


def test_a_proxy_that_says_nothing(proxy: Callable[[Play], SocksProxy]) -> None:
    """Unreachable and not late: nothing was sent to the API server."""
    silent = proxy(lambda connection: None)
    with pytest.raises(Unreachable, match=r"did not connect within 200ms at socks5://127\.0\.0\.1:") as refused:
        connect_through(silent, "h", 443, seconds=0.2)
    assert refused.value.fault.hint == "check the proxy and the cluster's address"


def test_nobody_listens() -> None:
    """The operating system's reason, and where to look."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    error = fail(SocksProxy.parse(f"socks5://127.0.0.1:{port}"))
    assert error.fault.what == "no connection to the SOCKS5 proxy (Connection refused)"
    assert error.fault.hint == "check the kubeconfig's proxy-url"


@pytest.mark.parametrize(
    ("pieces", "login", "kind", "words"),
    [
        ((b"\x04\x00",), "", Unreachable, "is not a SOCKS5 proxy"),
        ((b"\x05\x02",), "", AccessDenied, "requires credentials that the kubeconfig does not have"),
        ((b"\x05\x00", b"\x05\x05\x00\x01"), "", Unreachable, "cannot reach the API server: the server refuses connections"),
        ((b"\x05\x00", b"\x05\x09\x00\x01"), "", Unreachable, "cannot reach the API server: code 9"),
        ((b"\x05\x00", b"\x04\x00\x00\x01"), "", Unreachable, "cannot reach the API server: code 0"),
        ((b"\x05\x02", b"\x01\x01"), "ann:x@", AccessDenied, "rejects the user name or the password"),
    ],
)
def test_a_proxy_that_refuses(
    proxy: Callable[..., SocksProxy], pieces: tuple[bytes, ...], login: str, kind: type[SourceError], words: str
) -> None:
    """By the code of its reply, or because it speaks something else."""
    error = fail(proxy(answer(*pieces), login))
    assert isinstance(error, kind) and error.fault.what == f"the SOCKS5 proxy {words}"
    assert error.fault.hint.endswith("the kubeconfig's proxy-url")


def test_a_proxy_that_hangs_up(proxy: Callable[[Play], SocksProxy]) -> None:
    """In the middle of its answer."""

    def play(connection: socket.socket) -> None:
        connection.recv(1024)
        connection.sendall(b"\x05")
        connection.shutdown(socket.SHUT_RDWR)

    assert fail(proxy(play)).fault.what == "the SOCKS5 proxy closed the connection"


@pytest.mark.parametrize("place", [b"\x01\x7f\x00\x00\x01\x00\x50", b"\x03\x02hi\x00\x50", b"\x04" + bytes(16) + b"\x00\x50"])
def test_what_comes_after_the_reply_is_the_servers(proxy: Callable[[Play], SocksProxy], place: bytes) -> None:
    """The reply names an address of either kind or a name; exactly that much is read, and the rest is the server's."""
    seconds = extend(5.0)
    connection = connect_through(proxy(answer(b"\x05\x00", b"\x05\x00\x00" + place + b"HTTP")), "h", 443, seconds=seconds)
    with connection:
        assert connection.recv(4) == b"HTTP" and connection.gettimeout() == pytest.approx(seconds)


def test_the_port_may_be_left_out() -> None:
    """1080, as everywhere; user and password are decoded, and none of them is in the address."""
    found = SocksProxy.parse("socks5://a%40b:c%2Fd@h")
    assert (found.host, found.port, found.user, found.password, found.where) == ("h", 1080, "a@b", "c/d", "socks5://h:1080")
    assert SocksProxy.parse("socks5://").host == ""
