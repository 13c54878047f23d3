"""Two counts of one thing on a real Prometheus: what contradicts itself, and nothing else, is IN DOUBT wherever it is seen."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from painting import text_of
from screen_samples import settings
from servers import servers, start_prometheus
from textual.pilot import Pilot

from console.actions.cluster_reader import LiveClusterReader
from console.actions.plan import Request
from console.actions.recovery import Trigger
from console.checks.panels import evaluate_panel
from console.cli.main import main
from console.incidents.impact import measure
from console.monitor.state_store import StateStore
from console.runbooks.index import RunbookIndex
from console.runbooks.page import Runbook, RunbookStep
from console.runbooks.steps import StepContext, evaluate_steps
from console.screens.app import ConsoleApp
from console.state.place import Place
from queries.catalogue.loader import load_board
from queries.catalogue.signals import DefinitionChoice, load_catalogue_signals
from queries.http.endpoint import Endpoint
from queries.model.panel import PanelSpec, Threshold, Unit
from queries.model.panel_result import Contradiction, ContradictionKind
from queries.model.verdict import Verdict
from queries.prometheus.client import Prometheus
from queries.prometheus.witnesses import MOST

pytestmark = pytest.mark.servers

SPECS = {spec.id: spec for spec in load_board("overview")}
STEP, LENGTH, BEYOND = 15, 1800, 1200
Rate = Callable[[float], float]
"""How many a second, so many seconds before now; a negative number lies after it."""


def steady(rate: float) -> Rate:
    return lambda ago: rate


def since(seconds: float, rate: float, before: float = 0.0) -> Rate:
    return lambda ago: rate if ago <= seconds else before


def vision(provider: str, *, start: Rate, error: Rate, counted: Rate | None) -> dict[str, Rate]:
    """A provider of Vision whose failures are `error` by status and `counted` by the error counter."""
    told = {f'vision_errors_total{{provider="{provider}",code="INTERNAL_ERROR"}}': counted} if counted else {}
    return {
        f'vision_requests_total{{provider="{provider}",status="start"}}': start,
        f'vision_requests_total{{provider="{provider}",status="error"}}': error,
        f'vision_requests_total{{provider="{provider}",status="success"}}': lambda ago: start(ago) - error(ago),
        f'vision_processing_duration_seconds_count{{provider="{provider}"}}': start,
        **told,
    }


def ocr(provider: str, *, start: Rate, success: Rate, counted: Rate, timed: Rate | None = None) -> dict[str, Rate]:
    """A provider of OCR, whose failed requests have no status."""
    return {
        f'ocr_requests_total{{provider="{provider}",status="start"}}': start,
        f'ocr_requests_total{{provider="{provider}",status="success"}}': success,
        f'ocr_processing_duration_seconds_count{{provider="{provider}"}}': timed or success,
        f'ocr_errors_total{{provider="{provider}",code="PROVIDER_TIMEOUT",stage="infer"}}': counted,
    }


SOUND: dict[str, Rate] = {
    **vision("agrees", start=steady(10), error=steady(2), counted=steady(2)),
    **vision("within-a-tenth", start=steady(10), error=steady(2), counted=steady(2.15)),
    **vision("too-few", start=steady(0.5), error=steady(0.01), counted=steady(0.06)),
    **vision("without-a-second-count", start=steady(10), error=steady(2), counted=None),
    **ocr("fails", start=steady(10), success=steady(8), counted=steady(2)),
    # Every request hangs for half a minute and fails then: for so long it has begun, and nobody has counted it as failed.
    **ocr("hangs", start=steady(10), success=since(100, 0, 10), counted=since(70, 10)),
    # Traffic that began two minutes ago, of requests that take twenty seconds.
    **ocr("begins", start=since(120, 10), success=since(100, 10), counted=steady(0)),
}
DOUBTFUL: dict[str, Rate] = {
    **vision("one-or-twenty", start=steady(10), error=steady(0.1), counted=steady(2)),
    **ocr("silent", start=steady(10), success=steady(9.9), counted=steady(2)),
    **ocr("loud", start=steady(10), success=steady(7), counted=steady(0.1)),
}
BOTH = {**SOUND, **DOUBTFUL}
EXPECTED = {
    ("OCR requests that failed at the provider in 5m", "silent", 30.0, 600.0),
    ("OCR requests that failed at the provider in 5m", "loud", 900.0, 30.0),
    ("Vision requests that failed at the provider in 5m", "one-or-twenty", 30.0, 600.0),
}
CROWD = {
    name: rate
    for at in range(30)
    for name, rate in vision(f"p{at}", start=steady(10), error=steady(0), counted=steady(1 + at)).items()
}


def history(series: dict[str, Rate]) -> str:
    now = time.time() // STEP * STEP
    blocks = []
    for selector in sorted(series):
        value, lines = 1000.0, []
        for at in range(-LENGTH, BEYOND + 1, STEP):
            value += series[selector](-at) * STEP if at > -LENGTH else 0.0
            lines.append(f"{selector} {value} {now + at:.0f}")
        blocks.append("\n".join(lines))
    return "\n".join(blocks) + "\n# EOF\n"


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[dict[str, Rate]], str]]:
    """Gives the address of a Prometheus that knows these series from half an hour ago until in twenty minutes."""
    running: dict[int, Any] = {}
    stops: list[Callable[[], None]] = []

    def address(series: dict[str, Rate]) -> str:
        if id(series) not in running:
            folder = tmp_path_factory.mktemp("prometheus")
            (folder / "history.txt").write_text(history(series))
            made = ["tsdb", "create-blocks-from", "openmetrics", "-q", str(folder / "history.txt"), str(folder / "data")]
            subprocess.run([servers().promtool, *made], check=True, capture_output=True)
            opened = start_prometheus(folder=folder)
            running[id(series)] = opened.__enter__()
            stops.append(lambda: opened.__exit__(None, None, None))
        return str(running[id(series)].url)

    yield address
    for stop in stops:
        stop()


class Weighing(httpx.AsyncHTTPTransport):
    """Keeps how many bytes each request and its answer have."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[int] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.sent.append(len(request.url.raw_path) + len(await request.aread()))
        return await super().handle_async_request(request)


def told(found: tuple[Contradiction, ...]) -> set[tuple[str, str, float, float]]:
    return {(item.subject, item.whom, item.first.value, item.second.value) for item in found}


DECIDED = DefinitionChoice(
    {
        "ocr_failures": next(item for item in load_catalogue_signals()["ocr_failures"].definitions if item.id == "starts"),
        "vision_failures": next(
            item for item in load_catalogue_signals()["vision_failures"].definitions if item.id == "status"
        ),
    }
)


@pytest.mark.parametrize("choice", [None, DECIDED], ids=["undecided", "decided"])
async def test_exactly_what_contradicts_itself_is_in_doubt(platform: Any, choice: DefinitionChoice | None) -> None:
    """Both figures of each provider that contradicts itself, of events in the window; whatever lies within the tolerance, is
    under way or has no second count is no contradiction. All of it in one request a refresh.
    """
    transport = Weighing()
    source = Prometheus(Endpoint(platform(BOTH)), transport=transport)
    if choice:
        source.decisions.choice = choice
    assert source.decisions.evidence_query(time.time()) is not None  # the series decide nothing else meanwhile
    answer = await source.panels(tuple(SPECS.values()))
    by_id = {item.id: item for item in answer.results}
    rounded = {(what, whom, round(a, -1), round(b, -1)) for what, whom, a, b in told(by_id["error_ratio"].contradictions)}
    assert {row for row in rounded if "failed" in row[0]} == EXPECTED
    assert {row[1] for row in rounded} == {"silent", "loud", "one-or-twenty"}
    assert all(item.kind is ContradictionKind.WITNESS for item in by_id["error_ratio"].contradictions)
    for made_of_failures in ("provider_health", "error_budget"):
        assert by_id[made_of_failures].contradictions, made_of_failures
    for independent in ("queue_depth", "circuit_breakers", "cpu", "p95_latency"):
        assert by_id[independent].contradictions == ()
    for item in by_id["error_ratio"].contradictions:
        for figure in (item.first, item.second):
            alone = {sample.label("provider"): sample.value for sample in (await source.query(figure.query)).samples}
            assert alone[item.whom] == pytest.approx(figure.value, rel=0.05, abs=1.0), "the query gives the figure"
    transport.sent.clear()
    await source.panels(tuple(SPECS.values()))
    assert len(transport.sent) == 1
    await source.close()


async def test_what_is_sound_is_not_in_doubt(platform: Any) -> None:
    """No provider of the sound ones makes any panel doubtful."""
    source = Prometheus(Endpoint(platform(SOUND)))
    answer = await source.panels(tuple(SPECS.values()))
    assert [(item.id, told(item.contradictions)) for item in answer.results if item.contradictions] == []
    assert answer.warnings == ()
    states = {
        spec.id: evaluate_panel(spec, Threshold(), item, taken_at=0.0, now=0.0, stale_after=1.0)
        for spec, item in zip(SPECS.values(), answer.results, strict=False)
    }
    assert states["error_ratio"].verdict is Verdict.CRITICAL
    await source.close()


async def test_of_a_crowd_the_worst_are_named(platform: Any) -> None:
    """Thirty providers that contradict themselves cost no more bytes than five do."""
    source = Prometheus(Endpoint(platform(CROWD)))
    answer = await source.panels((SPECS["error_ratio"],))
    found = {item.whom for item in answer.results[0].contradictions if "failed" in item.subject}
    assert found == {f"p{at}" for at in range(30 - MOST, 30)}
    await source.close()


@pytest.fixture
def run(platform: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs a command against nothing but the Prometheus of these series."""

    def call(series: dict[str, Rate], *words: str) -> tuple[int, str]:
        for name in (
            "KUBECONFIG",
            "KUBERNETES_SERVICE_HOST",
            "CAD_CONSOLE_CONFIG",
            "ALERTMANAGER_URL",
            "CAD_ML_API_URL",
            "LOKI_URL",
        ):
            monkeypatch.delenv(name, raising=False)
        for name in ("HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"):
            monkeypatch.setenv(name, str(tmp_path))
        monkeypatch.setenv("PROMETHEUS_URL", platform(series))
        return main(list(words)), capsys.readouterr().out

    return call


ONE = vision("clip", start=steady(10), error=steady(0.05), counted=steady(2))
"""0.5 % of the requests failed by their status, which would be ok, and 20 % by the error counter."""


def test_no_command_takes_it_for_well(run: Any) -> None:
    """`status` exits 3 with both figures, in JSON with both queries; the hourly checklist leaves the item open."""
    code, out = run(ONE, "status")
    row = next(line for line in out.splitlines() if "Error ratio" in line)
    assert code == 3, out
    assert (
        row.split("  ")[1] == "IN DOUBT"
        and "0.50 %" in row
        and "15 or 600: Vision requests that failed" in row
        and "clip" in row
    )
    code, out = run(ONE, "status", "--format", "json")
    told = next(item for item in json.loads(out)["panels"] if item["id"] == "error_ratio")
    assert (code, told["verdict"]) == (3, "in_doubt")
    assert [item["whom"] for item in told["contradictions"]] == ["clip"]
    assert [one["value"] for one in told["contradictions"][0]["figures"]] == [
        pytest.approx(15, abs=1),
        pytest.approx(600, rel=0.02),
    ]
    assert "vision_errors_total" in told["contradictions"][0]["figures"][1]["query"]
    code, out = run(ONE, "checklist", "hourly")
    assert code == 2 and "IN DOUBT  Error ratio" in out and "15 or 600" in out


async def until(app: ConsoleApp, pilot: Pilot[None], words: str) -> str:
    """The screen once it has these words."""
    shown = ""
    for _ in range(400):
        shown = text_of(app.screen)
        if words in shown:
            return shown
        await pilot.pause(0.05)
    raise AssertionError(f"{words!r} did not appear:\n{shown}")


async def test_the_screen_says_it_at_80x24_without_colour(
    platform: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its word, its value and both figures on the row; line 1 is not green; the detail has both queries."""
    monkeypatch.setenv("NO_COLOR", "1")
    app = ConsoleApp(settings(tmp_path, read_only=True, prometheus=Endpoint(platform(ONE))), ascii_only=False)
    async with app.run_test(size=(80, 24)) as pilot:
        shown = await until(app, pilot, "15 or 600")
        row = next(line for line in shown.splitlines() if "Error ratio" in line)
        assert row[2:].startswith("IN DOUBT  Error ratio") or row[1:].startswith("IN DOUBT  Error ratio")
        assert "0.50 %" in row and "15 or 600 · clip" in row
        assert " unknown" in shown.splitlines()[0]  # with the panels without data: 80 columns have no room for both
        await pilot.press("enter")
        detail = " ".join((await until(app, pilot, "vision_errors_total")).split())
    assert "15 requests with" in detail or "15 the panel's expression" in detail
    assert "vision_errors_total" in detail and "15 or 600: Vision requests that failed" in detail


async def test_an_action_does_not_take_it_for_well(platform: Any) -> None:
    """The runner waits for a value that it can believe: such a panel has none, and the text says why."""
    source = Prometheus(Endpoint(platform(ONE)))
    specs = (replace(SPECS["error_ratio"], recorded=None, recorded_names=()),)
    board = StateStore(settings(Path()), specs, runbooks=RunbookIndex(()))
    reads = LiveClusterReader(kubernetes=None, alertmanager=None, prometheus=source, specs=specs, state=board)
    cause = Trigger(Request("rollback", "deployment/x", panel_id="error_ratio"), settings(Path()))
    sight = await cause.probe(reads)
    assert (sight.value, cause.recovered(sight)) == (None, None)
    assert sight.text.startswith("0.50 % IN DOUBT (15 or 600: Vision requests that failed")
    await source.close()


async def test_a_runbook_and_an_incident_do_not_take_it_for_known(platform: Any) -> None:
    """The step that asks for the ratio is IN DOUBT with both figures; what the incident cost is unknown, and why is said."""
    source = Prometheus(Endpoint(platform(ONE)))
    step = RunbookStep(
        "Ratio", query="x", template="100 * ${platform_failures[5m]} / ${platform_requests[5m]}", unit="percent", warn=1
    )
    sight = StepContext(
        source.query, None, None, (), 0.0, Place("test", "n"), expand=source.expand, contradictions=source.contradictions
    )
    (result,) = [item async for item in evaluate_steps(Runbook("r", "r.md", "R", steps=(step,)), None, sight)]
    assert (result.verdict, result.value_text) == (Verdict.IN_DOUBT, "0.50 %") and "15 or 600" in result.text
    now = time.time()
    impact = await measure(source, SPECS["error_ratio"], detected_at=now - 600, end=now)
    assert impact.failed is None
    assert re.match(
        r"IN DOUBT: \d\d or \d{4}: Vision requests that failed at the provider in (\d+[hms])+, clip", impact.reason("failed")
    )
    ratio = PanelSpec("r", "R", Unit.PERCENT, raw="vector(170)")
    impossible = await measure(source, ratio, detected_at=now - 600, end=now)
    assert (impossible.outside_seconds, impossible.bad_since) == (None, None)
    assert impossible.reason("outside_seconds").startswith("IN DOUBT")
    assert impact.budget_percent is None and impact.requests == pytest.approx(10 * (impact.end - impact.start), rel=0.02)
    await source.close()
