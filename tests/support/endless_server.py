"""A loopback server whose answers are larger, longer or packed otherwise than a client asked for, until the client goes."""

from __future__ import annotations

import contextlib
import gzip
import socket
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager

PIECE = 16 << 10
_JSON = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"

Send = Callable[[bytes], None]
Answer = Callable[[Send], None]


def _whole(body: bytes, *headers: str) -> Answer:
    more = "".join(f"{line}\r\n" for line in headers).encode()
    return lambda send: send(_JSON + more + b"Content-Length: %d\r\n\r\n" % len(body) + body)


def _for_ever(head: bytes, piece: bytes) -> Answer:
    def answer(send: Send) -> None:
        send(head)
        block = piece * max(1, PIECE // len(piece))
        while True:
            send(block)

    return answer


_CHUNKED = _JSON + b"Transfer-Encoding: chunked\r\n\r\n"
_BLANK = b" " * (3 << 20)

ENCODED: dict[str, tuple[Answer, str]] = {
    name: (_whole(body, f"Content-Encoding: {name}"), name)
    for name, body in {
        "gzip": gzip.compress(b"{}"),
        "deflate": zlib.compress(b"{}"),
        "br": b"\x0b\x01\x80{}\x03",
        "zstd": b"\x28\xb5\x2f\xfd\x20\x02\x11\x00\x00{}",
        "gzip, gzip": gzip.compress(gzip.compress(b"{}")),
        "unheard-of": b"{}",
    }.items()
}
"""Answers in an encoding that loopback clients do not ask for, and the name that the sentence has to give."""

ENDLESS: dict[str, Answer] = {
    "chunks": _for_ever(_CHUNKED, b"4000\r\n" + b" " * 0x4000 + b"\r\n"),
    "chunks of a byte": _for_ever(_CHUNKED, b"1\r\n \r\n"),
    "body": _for_ever(_JSON + b"\r\n", b" "),
    "chunk size": _for_ever(_CHUNKED, b"0"),
    "chunk extension": _for_ever(_CHUNKED + b"1;", b"x"),
    "trailers": _for_ever(_CHUNKED + b"0\r\n", b"X: y\r\n"),
    "header lines": _for_ever(_JSON, b"X: y\r\n"),
    "header line": _for_ever(_JSON + b"X: ", b"y"),
    "informational answers": _for_ever(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "early hints": _for_ever(b"", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"),
    "status line": _for_ever(b"HTTP/1.1 200 ", b"O"),
}
TOO_LARGE: dict[str, Answer] = {
    "announced": lambda send: send(_JSON + b"Content-Length: 99999999999999999999\r\n\r\n{"),
    "3 MiB": _whole(_BLANK),
}
PACKED: Answer = _whole(gzip.compress(_BLANK), "Content-Encoding: gzip")
"""Three kilobytes that become three megabytes: to be asked with a smaller limit."""

DEEP: Answer = _whole(b'{"status":"success","data":' + b"[" * 20_000 + b"]" * 20_000 + b"}")
DEEP_LIST: Answer = _whole(b'[{"x":' + b"[" * 20_000 + b"]" * 20_000 + b"}]")
_DEEP_REFUSAL = b'{"message":' + b"[" * 20_000
DEEP_REFUSAL: Answer = lambda send: send(  # noqa: E731
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(_DEEP_REFUSAL)
    + _DEEP_REFUSAL
)


class EndlessServer:
    """`url` is its address; every request gets `answer`, and its connection ends with the client."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.requests: list[bytes] = []
        self._ended = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._threads: list[threading.Thread] = []
        self._connections: list[socket.socket] = []
        self._begin(self._accept)

    def close(self) -> None:
        self._ended.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._connections:  # whoever waits for a byte need not wait for its time-out
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5.0)

    def _begin(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._connections.append(connection)
            self._begin(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        def send(data: bytes) -> None:
            left = memoryview(data)
            while left:
                if self._ended.is_set():
                    raise OSError
                with contextlib.suppress(TimeoutError):
                    left = left[connection.send(left) :]

        with connection:
            connection.settimeout(0.2)
            held = b""
            while not self._ended.is_set():
                try:
                    while b"\r\n\r\n" not in held:
                        if not (more := connection.recv(1 << 16)):
                            return
                        held += more
                    head, _, held = held.partition(b"\r\n\r\n")
                    lengths = [int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
                    while len(held) < sum(lengths):
                        held += connection.recv(1 << 16)
                    held = held[sum(lengths) :]
                    self.requests.append(head)
                    self.answer(send)
                except TimeoutError:
                    continue
                except OSError:
                    return


@contextmanager
def endless_server(answer: Answer) -> Iterator[EndlessServer]:
    server = EndlessServer(answer)
    try:
        yield server
    finally:
        server.close()
