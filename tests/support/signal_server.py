"""A server with one metric that a test sets, for consoles in processes of their own."""

from __future__ import annotations

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
from fake_prometheus import FakePrometheus

METRIC = "drawing_errors"
PANEL = f"""panels:
  - id: {METRIC}
    title: Drawing errors
    unit: percent
    raw: {METRIC}
    warn: 1
    critical: 5
"""
"""A team's own panel of the overview that reads it."""


class SignalServer:
    """Answers as Prometheus' HTTP API: `value` of the metric now and in the last minutes, None for no series."""

    def __init__(self) -> None:
        self.value: float | None = 0.3
        self._known = FakePrometheus()
        self._lock = threading.Lock()
        answer = self._answer

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._reply(b"")

            def do_POST(self) -> None:
                self._reply(self.rfile.read(int(self.headers.get("Content-Length", 0))))

            def _reply(self, body: bytes) -> None:
                found = answer(httpx.Request(self.command, f"http://prometheus{self.path}", content=body))
                self.send_response(found.status_code)
                self.send_header("Content-Type", found.headers.get("content-type", "text/plain"))
                self.send_header("Content-Length", str(len(found.content)))
                self.end_headers()
                self.wfile.write(found.content)

            def log_message(self, format: str, *args: Any) -> None: ...

        class Server(ThreadingHTTPServer):
            def handle_error(self, request: Any, client_address: Any) -> None:
                """A console that is killed resets its connection."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def __enter__(self) -> SignalServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(self, request: httpx.Request) -> httpx.Response:
        with self._lock:
            known, value = self._known, self.value
            known.now = time.time()
            known.series[METRIC] = [] if value is None else [({}, str(value))]
            known.hours[METRIC] = [] if value is None else [(known.now - 60.0, str(value)), (known.now, str(value))]
            return known.answer(request)
