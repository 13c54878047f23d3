"""A server that answers to calls of its administration as the platform's source does at commit 22e3c77.

The recording has every answer that the real routes gave under FastAPI: with both keys, without one, with a wrong one, with
another method, with a bad body; and what their metric objects counted meanwhile.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from loopback import RECORDINGS

KEY, TOKEN = "key-in-a-file", "token-in-a-file"
CACHE, SPEED = "/api/v1/features/cache", "/api/v1/v16-classifier/speed-mode"


@dataclass
class AdminServer:
    """`requests` are method, path, query and body of everything that came."""

    url: str = ""
    requests: list[tuple[str, str, dict[str, str], Any]] = field(default_factory=list)
    cuts: set[str] = field(default_factory=set)
    """Paths whose answer is lost after the call took effect."""
    changed: dict[str, Any] = field(default_factory=dict)
    """What an answer has instead, by path."""
    forced: tuple[int, Any] | None = None
    """The status and the answer that a call gets whatever its keys and its method are."""
    forced_at: tuple[str, str] = ("", "")
    documented: bool = True
    """Whether it publishes /openapi.json, which a production build may not."""

    def __post_init__(self) -> None:
        recorded = json.loads((RECORDINGS / "cad-ml-platform-administration.json").read_text(encoding="utf-8"))
        self._paths = recorded["openapi"]
        self._answers = recorded["answers"]
        self.metrics: dict[str, float] = {}
        """What the platform's own metric objects counted: series with their labels."""
        self.accepted = 0
        self._settings: dict[str, Any] = {}

    def refusals(self, path: str) -> dict[int, Any]:
        """What the source answers at a path where it refuses, by status: to another method, a wrong key, a bad body."""
        return {item["status"]: item["answer"] for item in self._answers if item["path"] == path and item["status"] >= 400}

    @property
    def writes(self) -> list[tuple[str, str, dict[str, str], Any]]:
        return [item for item in self.requests if item[0] != "GET"]

    def answer(self, method: str, path: str, query: dict[str, str], body: Any, headers: dict[str, str]) -> tuple[int, Any]:
        self.requests.append((method, path, query, body))
        if path == "/openapi.json":
            return (200, {"openapi": "3.1.0", "paths": self._paths}) if self.documented else (404, {"detail": "Not Found"})
        if self.forced is not None and (method, path) == self.forced_at:
            return self.forced
        key, token = headers.get("x-api-key"), headers.get("x-admin-token")
        state = "none" if key is None else "wrong key" if key != KEY else "key only" if token is None else "both"
        if state == "both" and token != TOKEN:
            state = "wrong token"
        mine = [item for item in self._answers if (item["method"], item["path"]) == (method, path)]
        fitting = [item for item in mine if item.get("query", {}) == query and item.get("body") == body]
        found = next((item for item in (*fitting, *mine) if item["keys"] == state), None)
        if found is None and any(item["path"] == path for item in self._answers):
            return 405, {"detail": "Method Not Allowed"}
        if found is None:
            return 404, {"detail": "Not Found"}
        status, content = found["status"], found["answer"]
        for series, change in found.get("moved", {}).items():
            self.metrics[series] = self.metrics.get(series, 0.0) + change
        if status < 300 and method != "GET":
            self.accepted += 1
            self._settings |= {key: value for key, value in (body or {}).items() if value is not None}
        if status < 300 and path == CACHE and method == "GET":
            content = {**content, **{key: value for key, value in self._settings.items() if key in content}}
        if status < 300 and path in self.changed:
            content = self.changed[path] if method != "GET" else {**content, "current_mode": self._settings.get("speed_mode")}
        return status, content


@contextmanager
def serve() -> Iterator[AdminServer]:
    made = AdminServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            parts = urlsplit(self.path)
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = json.loads(raw) if raw else None
            status, content = made.answer(self.command, parts.path, dict(parse_qsl(parts.query)), body, headers)
            if parts.path in made.cuts:
                self.close_connection = True
                return
            sent = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        do_GET = do_POST = do_PUT = do_DELETE = handle_any

        def log_message(self, format: str, *args: object) -> None:
            """The test reads `requests`."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    made.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield made
    finally:
        server.shutdown()
        thread.join(5)
        server.server_close()
