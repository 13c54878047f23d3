"""The platform's API as its source has it, on loopback: /metrics behind a redirect, /health, /ready, and what a test adds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from page_server import Reply, Request, serve

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

    def answer(self, request: Request) -> Reply:
        path = request.path
        self.asked.append(path)
        if path == "/metrics":
            return Reply(status=307, headers={"Location": f"{self.url}/metrics/"})
        if path == "/metrics/":
            return Reply(self.metrics.encode(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})
        status, page = self.pages.get(path, (404, {"detail": "Not Found"}))
        if isinstance(page, str):
            return Reply(page.encode(), status, {"Content-Type": "text/plain"})
        return Reply(json.dumps(page).encode(), status)


@contextmanager
def serve_platform(**given: Any) -> Iterator[ServedPlatform]:
    """The server runs until the block ends, on a free port."""
    platform = ServedPlatform(**given)
    with serve(platform.answer) as platform.url:
        yield platform
