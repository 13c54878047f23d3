"""A platform's metrics whose every value the benchmark decides: the recorded series, as gauges under their names."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

NAMESPACE = "cad-ml-platform"
_DEPLOYMENTS = ("cad-ml-api", "ocr-provider-paddle", "vision-provider-clip")


class Exporter:
    """Serves `/metrics` on a free loopback port; `values` maps a series in the exposition's own words to its value."""

    def __init__(self, *, providers: int = 3, alerts: int = 0) -> None:
        self.values: dict[str, float] = {}
        self._lock = threading.Lock()
        self._moving = False
        self._round = 0
        self._fill(providers, alerts)
        self._base = dict(self.values)
        exporter = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                body = exporter.text().encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._server.server_address[1]}"

    def _fill(self, providers: int, alerts: int) -> None:
        self.values = {
            "platform_error_ratio": 0.4,
            "platform_requests_per_second": 212.0,
            "error_budget_remaining": 71.0,
            "dedup2d_job_queue_depth": 14.0,
            'ocr_circuit_state{key="ocr:cb:paddle"}': 0.0,
        }
        for number in range(providers):
            name = f'provider="p{number}"'
            self.values[f"provider_health_score{{{name}}}"] = 97.0
            self.values[f"{'ocr' if number % 2 else 'vision'}_p95_latency_seconds{{{name}}}"] = 0.8
        for name in _DEPLOYMENTS:
            labels = f'namespace="{NAMESPACE}",deployment="{name}"'
            self.values[f"cad:cpu_utilisation:5m{{{labels}}}"] = 41.0
            self.values[f"cad:memory_utilisation{{{labels}}}"] = 63.0
        for number in range(alerts):
            self.values[f'bench_unwell{{part="part-{number}",component="c{number % 17}"}}'] = 1.0

    def set(self, series: str, value: float) -> None:
        with self._lock:
            self.values[series] = value

    def move(self, on: bool) -> None:
        """From now on every scrape finds every value changed."""
        self._moving = on

    def shift(self) -> None:
        """Every value of the overview is another one, on another scale, so that every trend is drawn anew."""
        with self._lock:
            self._round += 1
            for at, (series, base) in enumerate(self._base.items()):
                if series.startswith("bench_unwell"):
                    self.values[series] = 1.0 + (self._round % 7)
                elif series.startswith("provider_health_score"):
                    self.values[series] = 91.0 + (self._round * 1.7 + at * 0.1) % 8.0
                elif series.startswith("error_budget_remaining"):  # more than 100 % is none, and the console says so
                    self.values[series] = 42.0 + (self._round * 13.7) % 55.0
                elif "circuit" not in series:
                    self.values[series] = round(base * (1.0 + ((self._round * 0.37 + at * 0.013) % 1.1)), 4)

    def text(self) -> str:
        if self._moving:
            self.shift()
        with self._lock:
            return "".join(f"{series} {value}\n" for series, value in self.values.items())

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
