"""A loopback server that is good until a test names a fault; then it misbehaves until it is told to be good again."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from loopback import CERTIFICATES
from told_platform import ToldPlatform

GOOD = "good"
REFUSE = "refuse"
"""The port is closed: every dial is refused."""


class FaultyServer:
    """Answers as `platform` says while `fault` is GOOD, else as the fault of that name does.

    `only`, where given, chooses the paths that misbehave. `arrivals` has the time and path of every request (or of every
    connection that never got that far, with an empty path).
    """

    def __init__(self, platform: ToldPlatform | None = None, *, certificate: Path | None = None) -> None:
        self.platform = platform or ToldPlatform()
        self.only: Callable[[str, str], bool] = lambda path, query: True
        self.arrivals: list[tuple[float, str]] = []
        self._fault = GOOD
        self._ended = threading.Event()
        self._changed = threading.Event()
        self._tls: ssl.SSLContext | None = None
        if certificate is not None:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            key = certificate.with_suffix(".key")
            self._tls.load_cert_chain(certificate, key if key.exists() else CERTIFICATES / "server.key")
        self._listener: socket.socket | None = None
        self._threads: list[threading.Thread] = []
        self._connections: list[socket.socket] = []
        self.port = 0
        self._listen()

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def fault(self) -> str:
        return self._fault

    @fault.setter
    def fault(self, name: str) -> None:
        if name not in (GOOD, REFUSE):
            FAULTS[name]  # a wrong name is the test's mistake
        self._fault = name
        self._changed.set()  # whoever hangs in the old fault is let go
        self._changed = threading.Event()
        if name == REFUSE:
            self._shut()
        elif self._listener is None:
            self._listen()

    def requests_since(self, moment: float) -> list[str]:
        return [path for at, path in list(self.arrivals) if at >= moment]

    def wait(self) -> None:
        """Do nothing until the fault is changed or the server is closed."""
        changed = self._changed
        while not changed.wait(0.05) and not self._ended.is_set():
            pass

    def over(self) -> bool:
        return self._ended.is_set()

    def close(self) -> None:
        self._ended.set()
        self._changed.set()
        self._shut()
        for connection in self._connections:  # whoever waits for a request need not wait for its time-out
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5.0)

    def _listen(self) -> None:
        listener = socket.create_server(("127.0.0.1", self.port), backlog=128)
        self.port = listener.getsockname()[1]
        self._listener = listener
        self._begin(self._accept, listener)

    def _shut(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()

    def _begin(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            self._connections.append(connection)
            self._begin(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.ExitStack() as held:
            held.callback(connection.close)
            connection.settimeout(0.5)
            try:
                if self._tls is not None:
                    connection = self._tls.wrap_socket(connection, server_side=True)
                    held.callback(connection.close)
                if self.fault in BEFORE_READING:
                    self.arrivals.append((time.monotonic(), ""))
                    FAULTS[self.fault](self, connection)
                    return
                for path, query in self._requests(connection):
                    self.arrivals.append((time.monotonic(), path))
                    if self.fault not in (GOOD, REFUSE) and self.only(path, query):
                        FAULTS[self.fault](self, connection)
                        return
                    if self.fault == REFUSE:
                        return
                    status, media, text = self.platform.answer(path, query)
                    connection.sendall(http(f"{status} Told", text.encode(), media=media, keep=True))
            except (OSError, ssl.SSLError):
                return

    def _requests(self, connection: socket.socket) -> Iterator[tuple[str, str]]:
        """Path and PromQL of each request on this connection."""
        held = b""
        while True:
            while b"\r\n\r\n" not in held:
                if not (more := self._receive(connection)):
                    return
                held += more
                if held.startswith(b"\x16\x03"):  # a TLS hello: answered as Go's servers do
                    connection.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTPS request to an HTTP server.\n")
                    return
            head, _, held = held.partition(b"\r\n\r\n")
            lengths = [line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
            length = int(lengths[0]) if lengths else 0
            while len(held) < length:
                if not (more := self._receive(connection)):
                    return
                held += more
            body, held = held[:length], held[length:]
            target = urlsplit(head.split(b" ", 2)[1].decode())
            form = parse_qs(body.decode() or target.query)
            yield target.path, form.get("query", [""])[0]

    def _receive(self, connection: socket.socket) -> bytes:
        while not self._ended.is_set():
            try:
                return connection.recv(1 << 16)
            except TimeoutError:
                continue
        return b""


Fault = Callable[[FaultyServer, socket.socket], None]


def http(
    status: str,
    body: bytes = b"",
    *,
    media: str = "application/json",
    more: Mapping[str, str] | None = None,
    keep: bool = False,
) -> bytes:
    """One whole answer."""
    headers = {"Content-Type": media, "Content-Length": str(len(body)), **(more or {})}
    if not keep:
        headers["Connection"] = "close"
    return f"HTTP/1.1 {status}\r\n".encode() + "".join(f"{k}: {v}\r\n" for k, v in headers.items()).encode() + b"\r\n" + body


def _answers(whole: bytes) -> Fault:
    return lambda server, connection: connection.sendall(whole)


def _reset(server: FaultyServer, connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _silence(server: FaultyServer, connection: socket.socket) -> None:
    server.wait()


def _trickle(server: FaultyServer, connection: socket.socket) -> None:
    """A byte now and then, for ever: no gap is ever as long as a time-out."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n")
    while server.fault == "trickle" and not server.over():
        connection.sendall(b" ")
        time.sleep(0.05)


def _endless(server: FaultyServer, connection: socket.socket) -> None:
    """A body without an end, as fast as it is taken."""
    connection.settimeout(2.0)
    connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n{"status":"')
    while server.fault == "endless" and not server.over():
        connection.sendall(b"x" * (1 << 16))


def _close(server: FaultyServer, connection: socket.socket) -> None:
    return


_JSON = {"status": "success", "data": {"resultType": "vector", "result": []}}
_LOGIN = b"<!doctype html><title>Sign in</title><form action=/login>"

FAULTS: dict[str, Fault] = {
    "reset": _reset,
    "close": _close,
    "silence": _silence,
    "trickle": _trickle,
    "endless": _endless,
    "no http": _answers(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"),
    "401": _answers(http("401 Unauthorized", b"Unauthorized\n", media="text/plain")),
    "403": _answers(http("403 Forbidden", b"RBAC: access denied", media="text/plain")),
    "404": _answers(http("404 Not Found", b"404 page not found\n", media="text/plain")),
    "429": _answers(http("429 Too Many Requests", b"slow down", media="text/plain", more={"Retry-After": "120"})),
    "500": _answers(http("500 Internal Server Error", b"worker died \x1b[2J", media="text/plain")),
    "502": _answers(http("502 Bad Gateway", b"<html><h1>502 Bad Gateway</h1></html>", media="text/html")),
    "503": _answers(http("503 Service Unavailable", b"Service Unavailable", media="text/plain")),
    "login redirect": _answers(http("302 Found", more={"Location": "https://sso.example/login?rd=secret-token"})),
    "redirect loop": _answers(http("302 Found", more={"Location": "/again"})),
    "login page": _answers(http("200 OK", _LOGIN, media="text/html; charset=utf-8")),
    "truncated": _answers(http("200 OK", json.dumps(_JSON).encode()[:30])),
    "cut off": _answers(http("200 OK", json.dumps(_JSON).encode(), more={"Content-Length": "9000"})),
    "bad gzip": _answers(http("200 OK", b"\x1f\x8b" + b"\xff" * 200, more={"Content-Encoding": "gzip"})),
    "no json": _answers(http("200 OK", b"{'status': success}")),
    "bad utf-8": _answers(http("200 OK", b'{"status": "\xff\xfe"}')),
    "wrong shape": _answers(http("200 OK", b'{"status": 7, "data": [1, [2]], "versionInfo": 3}')),
    "a list": _answers(http("200 OK", b"[3]")),
    "null": _answers(http("200 OK", b"null")),
    "deep": _answers(http("200 OK", b'{"status":"success","data":' + b"[" * 100_000 + b"]" * 100_000 + b"}")),
    "empty": _answers(http("200 OK", b"")),
}
"""What a server may do, by name. Each ends its connection."""

BEFORE_READING = {"reset"}
"""Faults that do not wait for a request."""


@contextmanager
def faulty_server(platform: ToldPlatform | None = None, *, certificate: Path | None = None) -> Iterator[FaultyServer]:
    server = FaultyServer(platform, certificate=certificate)
    try:
        yield server
    finally:
        server.close()


def self_signed(folder: Path) -> Path:
    """A certificate for 127.0.0.1 that nobody signed but itself; its key lies beside it."""
    certificate = folder / "self.pem"
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    words += ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    words += ["-keyout", str(certificate.with_suffix(".key")), "-out", str(certificate)]
    subprocess.run(words, check=True, capture_output=True)
    return certificate
