"""The panels' expressions mean what they say on a real Prometheus, in every state that a platform can be in."""

from __future__ import annotations

import asyncio
import math
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from servers import servers, start_prometheus

from console.checks.panels import evaluate_panel
from console.monitor.metric_history import chart_window
from queries.catalogue.loader import expand_spec, load_board
from queries.errors import InvalidResponse, RequestRejected, Unreachable
from queries.grafana.dashboard import OpenDashboard
from queries.http.endpoint import Endpoint
from queries.model.dashboard import DASHBOARDS, Dashboard, DashboardChoice
from queries.model.fault import FaultKind
from queries.model.panel import Aggregation, Origin, PanelSpec, Threshold, Unit
from queries.model.panel_result import HistoryRange
from queries.model.verdict import Verdict
from queries.prometheus.client import Prometheus
from queries.prometheus.evidence import Decisions
from queries.prometheus.metadata import Discovery
from queries.promql.our_rules import our_recordings

pytestmark = pytest.mark.servers

SPECS = {spec.id: spec for spec in load_board("overview")}
STEP = 15
Shape = Callable[[float], float]
"""The value of a series at so many seconds after its window began."""


def counter(per_second: float, *, start: float = 1000.0) -> Shape:
    return lambda since: start + per_second * since


def gauge(value: float) -> Shape:
    return lambda since: value


def resetting(per_second: float, *, every: float) -> Shape:
    return lambda since: per_second * (since % every)


def histogram(name: str, provider: str, per_second: float, below: dict[str, float]) -> dict[str, Shape]:
    return {f'{name}_bucket{{provider="{provider}",le="{le}"}}': counter(per_second * share) for le, share in below.items()}


POD = 'namespace="cad-ml-platform",pod="cad-ml-api-7f9c4d-x2x{}",container="{}"'

SPIKE = 615.0
"""When, in the busy window, one sample of `one_scrape` differs from all others."""
CROWDS = {"one": 1000.0, "two": 0.0}
"""Sixty providers under each of two names; every series of the second is smaller than any of the first."""

WINDOWS: dict[str, dict[str, Shape]] = {
    "busy": {
        'ocr_requests_total{provider="paddle",status="success"}': counter(8),
        'ocr_requests_total{provider="paddle",status="error"}': counter(2),
        'vision_requests_total{provider="paddle",status="success"}': counter(10),
        'ocr_circuit_state{key="ocr:cb:paddle"}': gauge(0),
        "dedup2d_job_queue_depth": gauge(14),
        **histogram("ocr_processing_duration_seconds", "paddle", 10, {"1": 0.5, "2": 0.9, "4": 1.0, "+Inf": 1.0}),
        **histogram("vision_processing_duration_seconds", "paddle", 10, {"1": 1.0, "+Inf": 1.0}),
        f"container_cpu_usage_seconds_total{{{POD.format(1, 'main')}}}": counter(0.5),
        f"container_cpu_usage_seconds_total{{{POD.format(2, 'main')}}}": counter(0.9),
        f"container_cpu_usage_seconds_total{{{POD.format(2, '')}}}": counter(7.9),
        f"container_memory_working_set_bytes{{{POD.format(1, 'main')}}}": gauge(63),
        'kube_pod_container_resource_limits{resource="cpu",' + POD.format(1, "main") + "}": gauge(1),
        'kube_pod_container_resource_limits{resource="cpu",' + POD.format(2, "main") + "}": gauge(1),
        'kube_pod_container_resource_limits{resource="memory",' + POD.format(1, "main") + "}": gauge(100),
        "platform_requests_per_second": gauge(21),
        "slo_availability": gauge(99.95),
        "one_scrape": lambda since: 9.0 if since == SPIKE else 1.0,
        "one_scrape_low": lambda since: 40.0 if since == SPIKE else 99.0,
        **{f'crowd_{name}{{provider="p{at}"}}': gauge(more + at) for name, more in CROWDS.items() for at in range(60)},
        **{f'vision_requests_total{{provider="p{at}",status="success"}}': counter(0) for at in range(60)},
    },
    "no errors yet": {
        'ocr_requests_total{provider="paddle",status="success"}': counter(10),
        "slo_availability": gauge(0),
        "error_budget_remaining": gauge(42),
        'dedup2d_jobs_queued{backend="redis",instance="a"}': gauge(3),
        'dedup2d_jobs_queued{backend="redis",instance="b"}': gauge(3),
    },
    "vision only": {
        'vision_requests_total{provider="openai",status="success"}': counter(5),
        'vision_requests_total{provider="openai",status="error"}': counter(5),
    },
    "quiet": {
        'ocr_requests_total{provider="paddle",status="success"}': counter(0),
        'ocr_requests_total{provider="paddle",status="error"}': counter(0),
        'ocr_circuit_state{key="ocr:cb:paddle"}': gauge(0),
        **histogram("ocr_processing_duration_seconds", "paddle", 0, {"1": 0.5, "+Inf": 1.0}),
    },
    "nothing": {"up": gauge(1)},
    "restarting": {'ocr_requests_total{provider="paddle",status="success"}': resetting(10, every=120)},
    "sidecar": {
        f"container_cpu_usage_seconds_total{{{POD.format(1, 'main')}}}": counter(0.5),
        f"container_cpu_usage_seconds_total{{{POD.format(1, 'unlimited')}}}": counter(7),
        'kube_pod_container_resource_limits{resource="cpu",' + POD.format(1, "main") + "}": gauge(1),
    },
    "breakers": {
        'ocr_circuit_state{key="ocr:cb:a",instance="1"}': gauge(2),
        'ocr_circuit_state{key="ocr:cb:a",instance="2"}': gauge(2),
        'ocr_circuit_state{key="ocr:cb:b",instance="1"}': gauge(1),
        'dedupcad_vision_circuit_state{endpoint="search",instance="1"}': gauge(1),
        'dedupcad_vision_circuit_state{endpoint="search",instance="2"}': gauge(2),
        'dedupcad_vision_circuit_state{endpoint="health"}': gauge(2),
        'resilience_circuit_state{service="vision",endpoint="analyze"}': gauge(1),
        'circuit_breaker_state{circuit="redis"}': gauge(0),
    },
    # As the platform's own metric objects count: no OCR request has status="error", `start` and `success` are both there.
    "as exported": {
        'ocr_requests_total{provider="paddle",status="start"}': counter(8),
        'ocr_requests_total{provider="paddle",status="success"}': counter(8),
        'ocr_requests_total{provider="paddle",status="cache_hit"}': counter(2),
        'ocr_requests_total{provider="deepseek_hf",status="start"}': counter(4),
        'ocr_requests_total{provider="deepseek_hf",status="success"}': counter(1),
        'ocr_errors_total{provider="deepseek_hf",code="PROVIDER_TIMEOUT",stage="infer"}': counter(3),
        'ocr_errors_total{provider="deepseek_hf",code="MODEL_LOAD_ERROR",stage="load"}': counter(1),
        'ocr_errors_total{provider="auto",code="INPUT_ERROR",stage="preprocess"}': counter(1),
        'ocr_errors_total{provider="paddle",code="rate_limit",stage="preprocess"}': counter(1),
        'vision_requests_total{provider="deepseek_stub",status="start"}': counter(5),
        'vision_requests_total{provider="deepseek_stub",status="success"}': counter(3),
        'vision_requests_total{provider="deepseek_stub",status="error"}': counter(1),
        'vision_requests_total{provider="deepseek_stub",status="input_error"}': counter(1),
        'vision_errors_total{provider="deepseek_stub",code="EXTERNAL_SERVICE_ERROR"}': counter(1),
        'vision_errors_total{provider="deepseek_stub",code="INPUT_ERROR"}': counter(1),
        'ocr_circuit_state{key="ocr:cb:paddle"}': gauge(0),
        'ocr_circuit_state{key="ocr:cb:deepseek_hf"}': gauge(1),
        "dedup2d_job_queue_depth": gauge(67),
        'dedup2d_jobs_queued{backend="redis"}': gauge(64),
    },
    # What paddle reads badly is read again by deepseek_hf: paddle's start has its success there.
    "fallback": {
        'ocr_requests_total{provider="paddle",status="start"}': counter(10),
        'ocr_requests_total{provider="paddle",status="success"}': counter(6),
        'ocr_requests_total{provider="deepseek_hf",status="start"}': counter(2),
        'ocr_requests_total{provider="deepseek_hf",status="success"}': counter(5),
        'ocr_errors_total{provider="paddle",code="INTERNAL_ERROR",stage="infer"}': counter(1),
        'ocr_fallback_triggered_total{reason="low_confidence"}': counter(3),
    },
    # One provider answers nothing, and its circuit then refuses everything; another only ever fails.
    "circuit open": {
        'ocr_requests_total{provider="deepseek_hf",status="start"}': counter(0),
        'ocr_requests_total{provider="never",status="start"}': counter(2),
        'ocr_errors_total{provider="deepseek_hf",code="circuit_open",stage="infer"}': counter(3),
        'ocr_requests_total{provider="paddle",status="start"}': counter(5),
        'ocr_requests_total{provider="paddle",status="success"}': counter(5),
        'ocr_circuit_state{key="ocr:cb:deepseek_hf",instance="1"}': gauge(2),
        'ocr_circuit_state{key="ocr:cb:deepseek_hf",instance="2"}': gauge(0),
        'dedup2d_jobs_queued{backend="redis"}': gauge(64),
        'dedup2d_jobs_active{backend="redis"}': gauge(3),
    },
}

EMPTY: dict[str, float] = {}
EXPECTED: list[tuple[str, str, dict[str, float]]] = [
    ("busy", "error_ratio", {"": 10.0}),
    ("busy", "request_rate", {"": 20.0}),
    ("busy", "provider_health", {"paddle": 93.0}),
    ("busy", "queue_depth", {"": 14.0}),
    ("busy", "cpu", {"cad-ml-api": 90.0}),
    ("busy", "memory", {"cad-ml-api": 63.0}),
    ("busy", "circuit_breakers", {"ocr:cb:paddle": 0.0}),
    ("busy", "p95_latency", {"paddle ocr": 3.0, "paddle vision": 0.95}),
    ("sidecar", "cpu", {"cad-ml-api": 50.0}),
    ("no errors yet", "error_ratio", {"": 0.0}),
    ("no errors yet", "provider_health", {"paddle": 100.0}),
    ("no errors yet", "queue_depth", {"": 3.0}),
    ("no errors yet", "circuit_breakers", EMPTY),
    ("vision only", "error_ratio", {"": 50.0}),
    ("vision only", "request_rate", {"": 10.0}),
    ("vision only", "provider_health", {"openai": 65.0}),
    ("quiet", "error_ratio", EMPTY),
    ("quiet", "request_rate", EMPTY),
    ("quiet", "provider_health", EMPTY),
    ("quiet", "p95_latency", EMPTY),
    ("quiet", "circuit_breakers", {"ocr:cb:paddle": 0.0}),
    *(("nothing", panel, EMPTY) for panel in SPECS if panel not in ("workloads", "error_budget")),
    ("restarting", "request_rate", {"": 8.5}),  # 10/s, and at each restart what came since the last scrape is lost
    ("restarting", "error_ratio", {"": 0.0}),
    (
        "breakers",
        "circuit_breakers",
        {
            "ocr:cb:a": 1.0,
            "ocr:cb:b": 0.0,
            "dedupcad_vision/search": 1.0,
            "dedupcad_vision/health": 0.0,
            "vision/analyze": 1.0,
            "redis": 0.0,
        },
    ),
    ("as exported", "error_ratio", {"": 100 * (3 + 1) / (8 + 2 + 4 + 5)}),
    ("as exported", "request_rate", {"": 19.0}),
    ("as exported", "provider_health", {"paddle": 100.0, "deepseek_hf": 100 - 70 * 3 / 4 - 15, "deepseek_stub": 100 - 70 / 5}),
    ("as exported", "circuit_breakers", {"ocr:cb:paddle": 0.0, "ocr:cb:deepseek_hf": 0.0}),
    ("as exported", "queue_depth", {"": 67.0}),
    ("fallback", "error_ratio", {"": 100 * 1 / (10 + 2)}),
    ("fallback", "provider_health", {"paddle": 93.0, "deepseek_hf": 100.0}),
    ("circuit open", "error_ratio", {"": 100 * (2 + 3) / (2 + 5 + 3)}),
    ("circuit open", "request_rate", {"": 7.0}),  # the three that were refused were never taken up
    ("circuit open", "provider_health", {"deepseek_hf": 0.0, "never": 30.0, "paddle": 100.0}),
    ("circuit open", "queue_depth", {"": 67.0}),
]


@dataclass
class Filled:
    url: str
    moments: dict[str, float]
    """When each window is asked."""


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    """A Prometheus whose past holds one window of twenty minutes for each state; `busy` reaches beyond now."""
    folder = tmp_path_factory.mktemp("prometheus")
    now = time.time() // 60 * 60
    moments = {name: now - 3600.0 * index for index, name in enumerate(WINDOWS)}
    lines: dict[str, list[str]] = {}
    for name, series in WINDOWS.items():
        begin, end = moments[name] - 1200, moments[name] + (1800 if name == "busy" else 0)
        for selector, shape in series.items():
            points = lines.setdefault(selector, [])
            points += [f"{selector} {shape(at - begin)} {at}" for at in _steps(begin, end)]
    text = "".join("\n".join(sorted(lines[key], key=lambda line: float(line.split()[-1]))) + "\n" for key in sorted(lines))
    (folder / "history.txt").write_text(text + "# EOF\n")
    made = [
        servers().promtool,
        "tsdb",
        "create-blocks-from",
        "openmetrics",
        "-q",
        str(folder / "history.txt"),
        str(folder / "data"),
    ]
    subprocess.run(made, check=True, capture_output=True)
    with start_prometheus(folder=folder) as server:
        yield Filled(server.url, moments)


def _steps(begin: float, end: float) -> Iterator[float]:
    at = begin
    while at <= end:
        yield at
        at += STEP


class Counting(httpx.AsyncHTTPTransport):
    """Counts what is sent."""

    def __init__(self) -> None:
        super().__init__()
        self.paths: list[str] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.paths.append(request.url.path.rpartition("/")[2])
        return await super().handle_async_request(request)


@pytest.mark.parametrize(("window", "panel", "expected"), EXPECTED, ids=[f"{row[0]}-{row[1]}" for row in EXPECTED])
async def test_raw_expression(filled: Filled, window: str, panel: str, expected: dict[str, float]) -> None:
    """No series means no data, not 0; requests without errors mean 0; one silent service does not hide the other."""
    source = Prometheus(Endpoint(filled.url))
    answer = await source.query(SPECS[panel].raw, at=filled.moments[window])
    await source.close()
    found = {" ".join(value for _, value in sample.labels): sample.value for sample in answer.samples}
    assert found == pytest.approx(expected, rel=0.02)


def panels_of_now() -> tuple[PanelSpec, ...]:
    """Every panel that is built from signals and looks back five minutes at most."""
    found = {spec.id: spec for name in ("overview", *dict(DASHBOARDS)) for spec in load_board(name) if spec.template}
    return tuple(spec for spec in found.values() if not any(f"[{long}]" in spec.template for long in ("1h", "6h", "3d", "30d")))


@pytest.mark.parametrize("window", WINDOWS)
async def test_what_is_decided_means_what_stands_joined(filled: Filled, window: str) -> None:
    """In every state of the platform a panel with its signals decided has the values of all definitions joined by `or`."""
    source, decisions, at = Prometheus(Endpoint(filled.url)), Decisions(), filled.moments[window]
    part = decisions.evidence_query(0.0)
    assert part is not None
    decisions.ingest((await source.query(part.query, at=at)).samples, 0.0)
    differ = []
    for spec in panels_of_now():
        asked = [spec.raw, expand_spec(spec, decisions.choice).raw]
        static, chosen = [{item.labels: item.value for item in (await source.query(text, at=at)).samples} for text in asked]
        if static != pytest.approx(chosen, rel=1e-9, nan_ok=True):
            differ.append((spec.id, static, chosen))
    await source.close()
    assert not differ


@pytest.mark.parametrize(("window", "expected"), [("busy", None), ("no errors yet", 42.0), ("quiet", None)])
async def test_recorded_error_budget(filled: Filled, window: str, expected: float | None) -> None:
    """The budget comes from its own rule or from nowhere: an availability of another name may be of another window."""
    source = Prometheus(Endpoint(filled.url))
    answer = await source.query(SPECS["error_budget"].recorded or "", at=filled.moments[window])
    await source.close()
    assert [sample.value for sample in answer.samples] == ([] if expected is None else [pytest.approx(expected, rel=1e-6)])


RULES = {
    "error_ratio": "platform_error_ratio",
    "p95_latency": 'label_replace(ocr_p95_latency_seconds, "service", "ocr", "", "") '
    'or label_replace(vision_p95_latency_seconds, "service", "vision", "", "")',
    "provider_health": "provider_health_score",
    "cpu": "max by (deployment) (cad:cpu_utilisation:5m)",
    "memory": "max by (deployment) (cad:memory_utilisation)",
    "request_rate": "platform_requests_per_second",
    "error_budget": "error_budget_remaining",
}


def spelled_out(expression: str) -> str:
    """The expression with every recorded name replaced by what its rule computes."""
    rules = our_recordings()
    names = re.compile(r"(?<![\w:])(" + "|".join(map(re.escape, sorted(rules, key=len, reverse=True))) + r")(?![\w:])")
    while names.search(expression):
        expression = names.sub(lambda match: f"(\n{rules[match[1]]}\n)", expression)
    return expression


@pytest.mark.parametrize("panel", RULES)
async def test_raw_means_what_the_rule_means(filled: Filled, panel: str) -> None:
    """In every state of the platform the raw expression gives what our recording rule would have recorded."""
    source = Prometheus(Endpoint(filled.url))
    seen = 0
    for window, at in filled.moments.items():
        if window == "sidecar":
            continue  # the rule counts a container without a limit against its neighbour's
        ways = [await source.query(text, at=at) for text in (SPECS[panel].raw, spelled_out(RULES[panel]))]
        raw, rule = ({sample.labels: sample.value for sample in way.samples} for way in ways)
        assert raw == pytest.approx(rule, rel=1e-6), window
        seen += len(raw)
    assert seen
    await source.close()


async def test_joined_equals_one_by_one(filled: Filled) -> None:
    """What is rare waits at first for how it is counted; then it is one request. Each panel has what its query gives alone."""
    transport = Counting()
    source = Prometheus(Endpoint(filled.url), transport=transport)
    await source.panels(tuple(SPECS.values()))
    assert transport.paths == ["query", "query", "query_range"]
    transport.paths.clear()
    answers = (await source.panels(tuple(SPECS.values()))).results
    assert transport.paths == ["query"]
    origins = {item.id: item.origin for item in answers}
    assert origins["request_rate"] is Origin.RECORDED
    assert {origin for name, origin in origins.items() if name != "request_rate"} == {Origin.RAW}
    for item in answers:
        alone = await source.query(item.query)
        known = {tuple(pair for pair in sample.labels if pair[0] != "__name__"): sample.value for sample in alone.samples}
        assert {sample.labels: sample.value for sample in item.samples} == pytest.approx(known, rel=0.02), item.id
        assert item.fault is None and item.samples, item.id
    await source.close()


@pytest.mark.parametrize(
    ("fold", "below", "expected"),
    [
        (Aggregation.MAX, False, {more + at for more in CROWDS.values() for at in range(10, 60)}),
        (Aggregation.MIN, True, {more + at for more in CROWDS.values() for at in range(50)}),
        (Aggregation.SUM, False, {more + at for more in CROWDS.values() for at in range(60)}),
    ],
)
async def test_of_a_crowd_the_worst_are_asked_for(filled: Filled, fold: Aggregation, below: bool, expected: set[float]) -> None:
    """Of every recorded name the fifty worst, which decide the value; it is said that there may be more. A sum has all."""
    crowd = PanelSpec(
        "crowd",
        "Crowd",
        Unit.COUNT,
        aggregation=fold,
        lower_is_worse=below,
        group_by="provider",
        recorded='{__name__=~"crowd_(one|two)"}',
        recorded_names=("crowd_one", "crowd_two"),
        raw="vector(1)",
    )
    source = Prometheus(Endpoint(filled.url))
    answer = (await source.panels((crowd,))).results[0]
    await source.close()
    assert answer.origin is Origin.RECORDED
    assert {sample.value for sample in answer.samples} == expected
    assert answer.query == crowd.recorded
    assert answer.truncated is (fold is not Aggregation.SUM)


@pytest.mark.parametrize("below", [True, False])
async def test_an_infinite_series_of_a_crowd_is_seen(filled: Filled, below: bool) -> None:
    """Infinite at the good end, where the worst are asked for: it comes too, and the panel is not called fine."""
    endless = math.inf if below else -math.inf
    raw = f'crowd_one + 0 or label_replace(vector({"+" if below else "-"}Inf), "provider", "broken", "", "")'
    fold = Aggregation.MIN if below else Aggregation.MAX
    crowd = PanelSpec("crowd", "Crowd", Unit.COUNT, aggregation=fold, lower_is_worse=below, group_by="provider", raw=raw)
    source = Prometheus(Endpoint(filled.url))
    answer = (await source.panels((crowd,))).results[0]
    await source.close()
    assert [sample.label("provider") for sample in answer.samples if sample.value == endless] == ["broken"]
    assert len(answer.samples) == 51 and answer.fault is None
    state = evaluate_panel(crowd, Threshold(), answer, taken_at=0.0, now=0.0, stale_after=30.0)
    assert state.verdict is Verdict.NO_DATA and "infinite" in state.reason


async def test_every_provider_of_a_crowd_can_be_chosen(filled: Filled) -> None:
    """A dashboard lists all providers that there are, however many."""
    board = Dashboard("board", "Board", "", (SPECS["error_ratio"],))
    source = Prometheus(Endpoint(filled.url))
    opened = OpenDashboard(source, board, DashboardChoice("board"))
    answer = await opened.refresh()
    await opened.close()
    await source.close()
    assert {f"p{at}" for at in range(60)} <= set(answer.providers)


async def test_trend_of_the_last_hour(filled: Filled) -> None:
    """The trend holds the folded value of the whole window, from one range request."""
    source = Prometheus(Endpoint(filled.url))
    answers = {item.id: item for item in (await source.panels(tuple(SPECS.values()))).results}
    await source.close()
    points = [value for _, value in answers["error_ratio"].trend]
    assert len(points) >= 15 and points[-1] == pytest.approx(10, rel=0.02)
    assert [value for _, value in answers["p95_latency"].trend][-1] == pytest.approx(3.0, rel=0.02)


async def test_one_bad_panel_on_a_real_server(filled: Filled) -> None:
    """A parse error and a failed execution are told with Prometheus' words; the other panels live."""
    bad = PanelSpec("bad", "Bad", SPECS["cpu"].unit, raw="sum(up")
    many = PanelSpec("many", "Many", SPECS["cpu"].unit, raw="ocr_circuit_state / on () kube_pod_container_resource_limits")
    transport = Counting()
    source = Prometheus(Endpoint(filled.url), transport=transport)
    specs = (bad, *SPECS.values(), many)
    for _ in range(2):
        answers = {item.id: item for item in (await source.panels(specs)).results}
        assert answers["bad"].fault is not None and "1:7" in answers["bad"].fault.what
        assert answers["many"].fault is not None and "many-to-many" in answers["many"].fault.what + answers["many"].fault.hint
        assert [name for name, item in answers.items() if item.fault] == ["bad", "many"]
        transport.paths.clear()
    await source.panels(specs)
    assert transport.paths == ["query"]
    await source.close()


async def test_one_heavy_panel_on_a_real_server(filled: Filled) -> None:
    """A query that takes too long costs its own panel; the board is not taken for unreachable."""
    heavy = PanelSpec("heavy", "Heavy", SPECS["cpu"].unit, raw="sum_over_time((time() * vector(1))[300d:1s])")
    transport = Counting()
    source = Prometheus(Endpoint(filled.url, timeout_seconds=3.0), transport=transport)
    answers = {item.id: item for item in (await source.panels((heavy, *SPECS.values()))).results}
    fault = answers["heavy"].fault
    assert fault is not None and fault.kind is FaultKind.TIMED_OUT
    assert [name for name, item in answers.items() if item.fault] == ["heavy"] and answers["error_ratio"].samples
    transport.paths.clear()
    await source.panels((heavy, *SPECS.values()))
    assert transport.paths == ["query"]
    await source.close()


async def test_too_many_points_are_rejected(filled: Filled) -> None:
    """More than 11,000 points are refused in words, as data."""
    source = Prometheus(Endpoint(filled.url))
    history = await source.history(SPECS["error_ratio"], start=0, end=1e6, step_seconds=1)
    assert history.fault is not None and "11,000" in history.fault.what
    await source.close()


@pytest.mark.parametrize("seconds", [3600.0, 6 * 3600.0, 86400.0, 7 * 86400.0, 30 * 86400.0])
async def test_a_chart_keeps_what_one_scrape_shows(filled: Filled, seconds: float) -> None:
    """One sample among others is in the chart of every range: of a gauge, of a sum that the server computes, and where low
    values are worse. A sample at each step's end misses it from 6 hours on.
    """
    source = Prometheus(Endpoint(filled.url), clock=lambda: filled.moments["busy"])
    source.recorded.evaluation_seconds = float(STEP)
    at = filled.moments["busy"] - 1200 + SPIKE
    window = chart_window(HistoryRange(seconds), filled.moments["busy"])
    queries = {"one_scrape": False, "one_scrape_low": True}
    if seconds <= 86400.0:
        queries["sum(one_scrape)"] = False
    for query, below in queries.items():
        spec = PanelSpec("a", "A", Unit.COUNT, raw=query, lower_is_worse=below)
        *_, history = [item async for item in source.peak_history(spec, window)]
        assert (history.fault, history.note) == (None, "")
        value = 40.0 if below else 9.0
        reached = [when for when, found in history.series[0].points if found == value]
        assert reached and all(at <= when <= at + max(window.step, STEP) for when in reached)
        if query == "one_scrape" and seconds > 6 * 3600.0:
            sampled = await source.history(spec, start=window.first, end=window.last, step_seconds=window.step)
            assert value not in {found for item in sampled.series for _, found in item.points}
    await source.close()


async def test_history_by_series(filled: Filled) -> None:
    """The detail's tracks come by label."""
    source = Prometheus(Endpoint(filled.url))
    end = filled.moments["busy"]
    history = await source.history(SPECS["p95_latency"], start=end - 600, end=end, step_seconds=60)
    await source.close()
    assert {track.label("service") for track in history.series} == {"ocr", "vision"}
    assert all(len(track.points) == 11 and not any(math.isnan(value) for _, value in track.points) for track in history.series)


async def test_discovery(filled: Filled) -> None:
    """Names, label values, version and targets; a wrong prefix is told apart."""
    found = Discovery(Endpoint(filled.url))
    assert "ocr_requests_total" in await found.metric_names()
    assert await found.label_values("provider", match="ocr_requests_total") == ("deepseek_hf", "never", "paddle")
    assert (await found.version())[0].isdigit()
    assert await found.targets() == () and await found.metadata() == ()
    found.close()
    wrong = Discovery(Endpoint(filled.url + "/wrong"))
    with pytest.raises(InvalidResponse, match="path prefix"):
        await wrong.metric_names()
    wrong.close()
    refused = Discovery(Endpoint("http://127.0.0.1:1"))
    with pytest.raises(Unreachable, match="refused"):
        await refused.metric_names()
    refused.close()


async def test_rules_and_recovery(tmp_path: Path) -> None:
    """Rules with pending instances and values; after a crash the same source answers again, without being made anew."""
    rules = (
        "groups: [{name: g, rules: [{record: one, expr: vector(1)}, {alert: Soon, expr: vector(7), for: 1h, "
        'labels: {severity: warning}, annotations: {summary: "{{ $value }}"}}]}]\n'
    )
    config = "global: {scrape_interval: 1s, evaluation_interval: 1s, external_labels: {cluster: x}}\nrule_files: [r.yml]\n"
    with start_prometheus(config, {"r.yml": rules}, folder=tmp_path) as server:
        source = Prometheus(Endpoint(server.url))
        for _ in range(100):
            if (answer := await source.rules()).alerts:
                break
            await asyncio.sleep(0.1)
        (alert,) = answer.alerts
        assert (alert.name, alert.value, alert.state.value) == ("Soon", 7.0, "pending")
        assert answer.recorded == ("one",) and ("cluster", "x") not in alert.labels
        with pytest.raises(RequestRejected, match="1:5"):
            await source.query("sum(")
        port = httpx.URL(server.url).port or 0
        server.kill()
        with pytest.raises(Unreachable):
            await source.query("up")
    with start_prometheus(config, {"r.yml": rules}, folder=tmp_path, port=port):
        assert (await source.query("vector(3)")).samples[0].value == 3
    await source.close()
