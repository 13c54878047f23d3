"""What the overview's queries cost the server with the recording rules installed, against the same panels raw.

Thirty days of a hundred series a metric, loaded by promtool; the times are Prometheus' own (`stats=all`).
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator

import httpx
from figure import Figure
from servers import servers, start_prometheus
from stage import Stage

from console.demo.backfill import load_history
from queries.catalogue.loader import load_board
from queries.model.panel import PanelSpec
from queries.prometheus.query_batch import BatchQuery, join_queries

_DAYS = 30
_SERIES = 100
_STEP = 240  # two points in every five minutes, so that rate() has something everywhere
_RUNS = 9
_EDGES = ("0.5", "1.0", "2.0", "5.0", "+Inf")


def measure(stage: Stage) -> list[Figure]:
    place = stage.place("month")
    end = time.time() - 5.0
    text = place / "month.txt"
    with text.open("w") as file:
        file.writelines(_lines(end))
        file.write("# EOF\n")
    load_history(servers().promtool, text, place / "data", limit_seconds=180.0)
    text.unlink()
    specs = [spec for spec in load_board("overview") if spec.source == "prometheus"]
    with start_prometheus("global: {scrape_interval: 1h}\n", folder=place) as server:
        recorded = _milliseconds(server.url, join_queries([_recorded(spec) for spec in specs]), end)
        raw = _milliseconds(server.url, join_queries([BatchQuery(spec.id, spec.raw) for spec in specs]), end)
    note = f"{recorded:.2f} ms against {raw:.0f} ms"
    return [Figure("query time at the server, recorded ÷ raw", recorded / raw, "×", 0.1, note)]


def _recorded(spec: PanelSpec) -> BatchQuery:
    """What a refresh asks: the recorded series, or the raw expression of a panel that has none."""
    return BatchQuery(spec.id, spec.recorded or spec.raw)


def _milliseconds(url: str, query: str, at: float) -> float:
    times = []
    for _ in range(_RUNS):
        form = {"query": query, "stats": "all", "time": f"{at:.3f}", "timeout": "60s"}
        answer = httpx.post(f"{url}/api/v1/query", data=form, timeout=90.0).json()
        if answer["status"] != "success" or len(answer["data"]["result"]) < 9:
            raise AssertionError(f"not the answer of nine panels: {str(answer)[:500]}")
        times.append(answer["data"]["stats"]["timings"]["execTotalTime"] * 1000)
    return statistics.median(times)


def _lines(end: float) -> Iterator[str]:
    """Series by series would be smaller, but OpenMetrics wants the moments of one series together: family by family."""
    moments = [int(end) - _DAYS * 86_400 + number * _STEP for number in range(_DAYS * 86_400 // _STEP + 1)]
    last = moments[-6:]
    for number in range(_SERIES):
        status = ("success", "error")[number % 2]
        provider = f"p{number // 2}"
        rate = 0.01 if status == "error" else 10.0
        for family in ("ocr_requests_total", "vision_requests_total"):
            series = f'{family}{{provider="{provider}",status="{status}"}}'
            yield from (f"{series} {round(at * rate - moments[0] * rate)} {at}\n" for at in moments)
    for number in range(_SERIES // len(_EDGES)):
        for family in ("ocr", "vision"):
            for rank, edge in enumerate(_EDGES, 1):
                series = f'{family}_processing_duration_seconds_bucket{{provider="p{number}",le="{edge}"}}'
                yield from (f"{series} {(at - moments[0]) * rank} {at}\n" for at in last)
    for number in range(_SERIES):
        labels = f'namespace="cad-ml-platform",pod="app{number % 7}-5d9-{number:05d}",container="main"'
        for at in last:
            yield f"container_cpu_usage_seconds_total{{{labels}}} {(at - moments[0]) * 0.4} {at}\n"
        for at in last:
            yield f"container_memory_working_set_bytes{{{labels}}} {4e8 + number} {at}\n"
        for resource, limit in (("cpu", 1), ("memory", 1 << 30)):
            for at in last:
                yield f'kube_pod_container_resource_limits{{{labels},resource="{resource}"}} {limit} {at}\n'
    for at in last:
        yield f"dedup2d_job_queue_depth 14 {at}\n"
    for number in range(_SERIES):
        for at in last:
            yield f'ocr_circuit_state{{key="ocr:cb:p{number}"}} 0 {at}\n'
    yield from _of_the_rules(last)


def _of_the_rules(moments: list[int]) -> Iterator[str]:
    for name in ("platform_error_ratio", "platform_requests_per_second", "error_budget_remaining"):
        yield from (f"{name} 1 {at}\n" for at in moments)
    for name in ("ocr_p95_latency_seconds", "vision_p95_latency_seconds", "provider_health_score"):
        for number in range(_SERIES):
            yield from (f'{name}{{provider="p{number}"}} 1 {at}\n' for at in moments)
    for name in ("cad:cpu_utilisation:5m", "cad:memory_utilisation"):
        for number in range(7):
            labels = f'namespace="cad-ml-platform",deployment="app{number}"'
            yield from (f"{name}{{{labels}}} 40 {at}\n" for at in moments)
