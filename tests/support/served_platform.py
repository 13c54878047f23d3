"""The platform's API as its source has it, on loopback: /metrics behind a redirect, /health, /ready, and what a test adds."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

RECORDING = Path(__file__).parents[1] / "queries" / "recordings" / "platform-metrics.txt"
"""What the platform's own metric objects export, cut down to what the console reads; the numbers are made up."""

HEALTH: dict[str, Any] = {
    "status": "healthy",
    "timestamp": "2026-01-01T00:00:00Z",
    "services": {"api": "up", "ml": "up", "redis": "disabled"},
    "runtime": {"python_version": "3.11.9", "metrics_enabled": True, "error_rate_ema": {"ocr": 0.01, "vision": 0.0}},
    "config": {
        "ml": {
            "readiness": {
                "degraded_reasons": [],
                "model_registry": {"status": "ready", "items": {"ocr_paddle": {"status": "loaded"}}},
            }
        }
    },
    "resilience": {
        "status": "healthy",
        "circuit_breakers": {"vision": {"state": "closed", "failure_count": 1, "success_count": 9, "threshold": 5}},
    },
}
READY: dict[str, Any] = {
    "status": "ready",
    "ready": True,
    "checks": {"models_loaded": {"status": "ready", "detail": None}, "redis": {"status": "disabled", "detail": "by config"}},
}
NOT_READY: dict[str, Any] = {
    "status": "not_ready",
    "ready": False,
    "checks": {
        "models_loaded": {"status": "not_ready", "detail": "ocr_paddle:missing"},
        "redis": {"status": "disabled", "detail": "by config"},
    },
}
EXTENDED: dict[str, Any] = {
    **HEALTH,
    "vector_store": {"total": 1500, "versions": {"v3": 300, "v4": 1200}},
    "faiss": {"enabled": True, "imported": True, "last_export_size": 1500, "last_export_age_seconds": 61.5},
}
PROVIDERS: dict[str, Any] = {
    "status": "ok",
    "total": 2,
    "ready": 1,
    "results": [
        {"domain": "ocr", "provider": "paddle", "ready": True, "error": None},
        {"domain": "ocr", "provider": "deepseek_hf", "ready": False, "error": "model file is missing"},
    ],
}


@dataclass
class ServedPlatform:
    """`pages` maps a path to its status and its JSON value or text; `metrics` stands at /metrics/; `asked` are the paths."""

    pages: dict[str, tuple[int, Any]] = field(default_factory=lambda: {"/health": (200, HEALTH), "/ready": (200, READY)})
    metrics: str = ""
    asked: list[str] = field(default_factory=list)
    url: str = ""

    def answer(self, path: str) -> tuple[int, dict[str, str], bytes]:
        self.asked.append(path)
        if path == "/metrics":
            return 307, {"Location": f"{self.url}/metrics/"}, b""
        if path == "/metrics/":
            return 200, {"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}, self.metrics.encode()
        status, page = self.pages.get(path, (404, {"detail": "Not Found"}))
        if isinstance(page, str):
            return status, {"Content-Type": "text/plain"}, page.encode()
        return status, {"Content-Type": "application/json"}, json.dumps(page).encode()


@contextmanager
def serve_platform(**given: Any) -> Iterator[ServedPlatform]:
    """The server runs in a thread of its own, on a free port."""
    platform = ServedPlatform(**given)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status, headers, body = platform.answer(urlsplit(self.path).path)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    platform.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield platform
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
