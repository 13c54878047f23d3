"""A TCP proxy for one HTTP server that can lose an answer: the server takes the request, the client never hears of it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from urllib.parse import urlsplit


class CuttingProxy:
    """Forwards connections to `url`; `cut` names requests (by their first bytes) whose connection breaks.

    With `deliver` the request reaches the server before the connection breaks, without it it is swallowed.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        assert parts.hostname and parts.port
        self._upstream = (parts.hostname, parts.port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.cut: Callable[[bytes], bool] = lambda _: False
        self.deliver = True
        self.cuts = 0
        self._open: list[tuple[threading.Event, list[bytes]]] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def forget(self, sent: bytes = b"") -> None:
        """As a firewall that dropped its state: connections that are open now stay open, and nothing comes on them any more.
        With `sent` only those whose last request has these bytes.
        """
        for silent, last in self._open:
            if sent in last[-1]:
                silent.set()

    def close(self) -> None:
        self._listener.close()

    def __enter__(self) -> CuttingProxy:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, socket.create_connection(self._upstream) as server:
            doomed, silent, last = threading.Event(), threading.Event(), [b""]
            self._open.append((silent, last))
            back = threading.Thread(target=self._back, args=(client, server, doomed, silent), daemon=True)
            back.start()
            while chunk := _received(client):
                last[:] = [chunk]
                if self.cut(chunk):
                    self.cuts += 1
                    doomed.set()
                    if self.deliver:
                        # The rest of the body may come in a second piece.
                        client.settimeout(0.2)
                        server.sendall(chunk + _received(client))
                        _received(server)
                    break
                server.sendall(chunk)
            for end in (client, server):
                _shut(end)
            back.join()

    def _back(self, client: socket.socket, server: socket.socket, doomed: threading.Event, silent: threading.Event) -> None:
        while not doomed.is_set():
            chunk = _received(server)
            if not chunk or doomed.is_set():
                break
            if silent.is_set():
                continue
            try:
                client.sendall(chunk)
            except OSError:
                break
        _shut(client)


def _received(end: socket.socket) -> bytes:
    try:
        return end.recv(1 << 16)
    except OSError:
        return b""


def _shut(end: socket.socket) -> None:
    try:
        end.shutdown(socket.SHUT_RDWR)
    except OSError:
        return
