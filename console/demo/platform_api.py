"""The simulated platform's HTTP face: /metrics, /health and what belongs to it, served from a thread of its own."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from console.demo import traffic
from console.demo.simulator import Simulator

_TEXT = "text/plain; version=0.0.4; charset=utf-8"
_JSON = "application/json"
_CIRCUITS = {0.0: "closed", 1.0: "half_open", 2.0: "open"}


class PlatformApi:
    """Serves `simulator` between `start` and `stop`, where nobody says otherwise on a free loopback port."""

    def __init__(
        self,
        simulator: Simulator,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._address = (host, port)
        self._simulator = simulator
        self._clock = clock
        self._server: ThreadingHTTPServer | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        if self._server is None:
            raise RuntimeError("the platform's API was not started")
        return f"http://127.0.0.1:{self._server.server_port}"

    def start(self) -> None:
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 30.0

            def do_GET(self) -> None:
                status, kind, body = api.answer(urlsplit(self.path).path)
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Nothing: a console owns this terminal."""

        server = ThreadingHTTPServer(self._address, Handler)
        server.daemon_threads = True
        self._server = server
        self._thread = threading.Thread(target=server.serve_forever, args=(0.1,), name="demo platform", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._thread.join(5)
            self._server.server_close()
            self._thread = None

    def answer(self, path: str) -> tuple[int, str, bytes]:
        """Status, content type and body for one path."""
        if path == "/metrics":
            return 200, _TEXT, self._simulator.exposition(self._clock()).encode()
        tell = {
            "/health": self._health,
            "/health/extended": self._health,
            "/ready": lambda: {"status": "ready"},
            "/health/circuit-breakers": self._circuits,
            "/api/v1/providers/health": self._providers,
        }.get(path)
        if tell is None:
            return 404, _JSON, b'{"detail": "Not Found"}'
        return 200, _JSON, json.dumps(tell()).encode()

    def _health(self) -> object:
        shares = {service: round(self._simulator.service_error_share(service), 5) for service in ("ocr", "vision")}
        return {
            "status": "degraded" if max(shares.values()) > 0.01 else "healthy",
            "timestamp": self._stamp(),
            "services": {"api": "up", "ml": "up", "redis": "up"},
            "runtime": {"python_version": "3.11.9", "metrics_enabled": True, "error_rate_ema": shares},
            "config": {"environment": "demo"},
        }

    def _circuits(self) -> object:
        circuits = self._simulator.fare.circuits
        named = {f"ocr:cb:{item.name}": circuits.get(item.name, 0.0) for item in traffic.PROVIDERS if item.service == "ocr"}
        return {
            "status": "ok",
            "timestamp": self._stamp(),
            "circuit_breakers": {key: {"state": _CIRCUITS[value]} for key, value in named.items()},
        }

    def _providers(self) -> object:
        late = self._simulator.fare.timeout_shares
        return {
            "status": "ok",
            "results": [
                {
                    "id": f"{item.service}/{item.name}",
                    "provider": item.name,
                    "ready": late.get(item.name, 0.0) < 0.05,
                    "error": "PROVIDER_TIMEOUT" if late.get(item.name, 0.0) >= 0.05 else None,
                }
                for item in traffic.PROVIDERS
            ],
        }

    def _stamp(self) -> str:
        return datetime.fromtimestamp(self._clock(), UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
