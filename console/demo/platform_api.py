"""The simulated platform's HTTP API: /metrics, /health and related endpoints, served from a thread."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from urllib.parse import urlsplit

from console.demo import traffic
from console.demo.http_server import HttpServer
from console.demo.simulator import VISION_OPEN, Simulator

_TEXT = "text/plain; version=0.0.4; charset=utf-8"
_JSON = "application/json"
_OCR_CIRCUITS = {0.0: "closed", 1.0: "half_open", 2.0: "open"}
_VISION_CIRCUITS = {0.0: "closed", VISION_OPEN: "open", 2.0: "half_open"}
_THRESHOLD = 5
_CHECKED = ("models", "ocr_providers", "vision_providers")
_VECTORS: dict[str, object] = {
    "vector_store": {"backend": "faiss", "total": 12034, "versions": {"v3": 2011, "v4": 10023}},
    "faiss": {"available": True, "degraded": False},
}


class PlatformApi:
    """Serves `simulator` between `start` and `stop`, by default on a free loopback port."""

    def __init__(
        self,
        simulator: Simulator,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._simulator = simulator
        self._clock = clock
        self._server = HttpServer(self._respond, name="the platform's API", host=host, port=port)

    @property
    def url(self) -> str:
        return self._server.url

    def start(self) -> None:
        self._server.start()

    def stop(self) -> None:
        self._server.stop()

    def _respond(self, target: str, headers: Mapping[str, str]) -> tuple[int, Mapping[str, str], bytes]:
        status, kind, body = self.answer(urlsplit(target).path)
        moved = {"Location": f"http://{headers.get('host', '')}/metrics/"} if status == HTTPStatus.TEMPORARY_REDIRECT else {}
        return status, {"Content-Type": kind, **moved}, body

    def answer(self, path: str) -> tuple[int, str, bytes]:
        """Status, content type and body for one path."""
        self._simulator.live(self._clock())
        if path == "/metrics":
            return HTTPStatus.TEMPORARY_REDIRECT, _TEXT, b""
        if path == "/metrics/":
            return HTTPStatus.OK, _TEXT, self._simulator.exposition(self._clock()).encode()
        missing = self._simulator.outcome.not_ready
        if path == "/ready":
            return (
                HTTPStatus.SERVICE_UNAVAILABLE if missing else HTTPStatus.OK,
                _JSON,
                json.dumps(self._ready(missing)).encode(),
            )
        if path in ("/health", "/health/extended"):
            extended = _VECTORS if path.endswith("extended") else {}
            return HTTPStatus.OK, _JSON, json.dumps({**self._health(missing), **extended}).encode()
        return HTTPStatus.NOT_FOUND, _JSON, b'{"detail": "Not Found"}'

    def _health(self, missing: tuple[str, ...]) -> dict[str, object]:
        """`status` is constant, as in the platform; the state is in the nested fields."""
        shares = {service: round(self._simulator.service_error_share(service), 5) for service in ("ocr", "vision")}
        circuits = self._circuits()
        opened = any(item["state"] == "open" for item in circuits.values())
        reasons = [f"{name}_missing" for name in missing]
        return {
            "status": "healthy",
            "timestamp": self._stamp(),
            "services": {"api": "up", "ml": "up", "redis": "up"},
            "runtime": {"python_version": "3.11.9", "metrics_enabled": True, "error_rate_ema": shares},
            "config": {"environment": "demo", "ml": {"readiness": {"degraded_reasons": reasons}}},
            "resilience": {"status": "degraded" if opened else "healthy", "circuit_breakers": circuits},
        }

    def _circuits(self) -> dict[str, dict[str, object]]:
        outcome = self._simulator.outcome
        states = {
            f"ocr:cb:{item.name}": _OCR_CIRCUITS[outcome.circuits.get(item.name, 0.0)]
            for item in traffic.PROVIDERS
            if item.service == "ocr"
        }
        states["dedupcad_vision:search"] = _VISION_CIRCUITS[outcome.vision_circuit]
        return {
            name: {
                "state": state,
                "failure_count": 0 if state == "closed" else _THRESHOLD,
                "success_count": 0,
                "threshold": _THRESHOLD,
            }
            for name, state in states.items()
        }

    def _ready(self, missing: tuple[str, ...]) -> dict[str, object]:
        checks = {name: {"status": "ready", "detail": "loaded"} for name in _CHECKED}
        checks |= {name: {"status": "missing", "detail": "the model file is missing"} for name in missing}
        return {"status": "not_ready" if missing else "ready", "ready": not missing, "checks": checks}

    def _stamp(self) -> str:
        return datetime.fromtimestamp(self._clock(), UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
