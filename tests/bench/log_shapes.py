"""Lines in the shapes that the platform's pods write: the demo's own, access logs, JSON, logfmt, klog and stack traces."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

from console.demo.logs import log_lines
from console.demo.scenarios import API, SLOW_DEPLOYMENT, SLOW_PROVIDER, WORKER
from console.demo.simulator import TrafficOutcome
from queries.text.times import format_milliseconds

_APPS = (API, SLOW_DEPLOYMENT, WORKER, "ocr-provider-paddle", "vision-provider-clip", "redis", "log-agent")
_CODES = ("PROVIDER_TIMEOUT", "PARSE_FAILED", "NETWORK_ERROR", "RESOURCE_EXHAUSTED", "INTERNAL_ERROR")
_PATHS = ("/api/v1/ocr/extract", "/api/v1/vision/analyze", "/api/v1/analyze/", "/health", "/metrics/")


def write_lines(path: Path, count: int) -> None:
    """So many lines in the order of time; the same ones at every call."""
    with path.open("w", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in generate_lines(count))


def generate_lines(count: int) -> Iterator[str]:
    chance = random.Random(16)
    outcome = TrafficOutcome(error_share=0.08, timeout_shares={SLOW_PROVIDER: 0.3}, backlog=240.0)
    own = [text.partition(" ")[2] for app in _APPS for _, text in log_lines(app, app, 0.0, 60.0, outcome)]
    at = 1_767_276_000.0
    for number in range(count):
        at += chance.expovariate(200.0)
        stamp = format_milliseconds(at)
        kind = number % 10
        if kind < 4:
            yield f"{stamp} {chance.choice(own)}"
        elif kind < 6:
            path, status = chance.choice(_PATHS), chance.choice((200, 200, 200, 404, 500))
            yield f'INFO:     10.244.{number % 7}.{number % 251}:{30000 + number % 9999} - "POST {path} HTTP/1.1" {status} OK'
        elif kind == 6:
            took, trace = chance.random() * 3.0, f"{chance.getrandbits(128):032x}"
            code = chance.choice(_CODES)
            yield (
                f'{{"timestamp": "{stamp}", "level": "ERROR", "logger": "ocr.manager", "message": "provider failed", '
                f'"provider": "deepseek", "code": "{code}", "latency_ms": {took * 1000:.1f}, "trace_id": "{trace}"}}'
            )
        elif kind == 7:
            job, took = chance.getrandbits(32), chance.random()
            yield f'time={stamp} level=info msg="job done" job={job:08x} pages={number % 40} took={took:.3f}s'
        elif kind == 8:
            yield f"I0101 14:03:{number % 60:02}.{number % 999999:06} 1 reflector.go:{number % 900}] watch of *v1.Pod ended"
        else:
            yield f'  File "/app/src/core/ocr/providers/deepseek.py", line {number % 400}, in extract'
