"""An HTTP server on this machine for what the demo plays: GET alone, from a thread."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TypeAlias

Answer: TypeAlias = tuple[int, Mapping[str, str], bytes]
"""Status, headers without the length, and body."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignores disconnects: the console owns this terminal."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]  # as in socketserver


class HttpServer:
    """Listens between `start` and `stop`, by default on a free loopback port.

    `answer` gets the request's path with its query, and the headers by their lower-case names; several threads call it.
    """

    def __init__(
        self, answer: Callable[[str, Mapping[str, str]], Answer], *, name: str, host: str = "127.0.0.1", port: int = 0
    ) -> None:
        self._answer = answer
        self._name = name
        self._address = (host, port)
        self._server: ThreadingHTTPServer | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        if self._server is None:
            raise RuntimeError(f"{self._name} was not started")
        return f"http://127.0.0.1:{self._server.server_port}"

    def start(self) -> None:
        answer = self._answer

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 30.0

            def do_GET(self) -> None:
                status, headers, body = answer(self.path, {name.lower(): value for name, value in self.headers.items()})
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Prints nothing: the console owns this terminal."""

        self._server = _Server(self._address, Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name=self._name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._thread.join(5)
            self._server.server_close()
            self._thread = None
