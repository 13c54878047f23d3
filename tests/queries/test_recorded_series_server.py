"""Recorded series on a real Prometheus: read where the loaded rule means what ours means, raw or IN DOUBT where it does not."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from servers import servers, start_prometheus

from console.checks.panels import evaluate_panel
from console.cli.main import main
from queries.catalogue.loader import load_board, load_dashboards
from queries.errors import SourceError
from queries.http.endpoint import Endpoint
from queries.model.panel import Origin, PanelSpec, Threshold, aggregate
from queries.model.panel_result import ContradictionKind, PanelResult
from queries.model.rule import RuleMatch
from queries.model.verdict import Verdict
from queries.prometheus.client import Prometheus
from queries.promql.our_rules import rule_names
from queries.promql.rule_templates import rule_text

pytestmark = pytest.mark.servers

STEP, LENGTH = 15, 1800
BOARDS = [load_board(item.name) for item in load_dashboards()]
SPECS = {spec.id: spec for board in (load_board("overview"), *BOARDS) for spec in board if spec.recorded}
RATES = {
    'ocr_requests_total{provider="paddle",status="start"}': 4.1,
    'ocr_requests_total{provider="paddle",status="success"}': 4.1,
    'ocr_requests_total{provider="paddle",status="cache_hit"}': 0.9,
    'ocr_requests_total{provider="deepseek_hf",status="start"}': 1.4,
    'ocr_requests_total{provider="deepseek_hf",status="success"}': 0.3,
    'ocr_errors_total{provider="deepseek_hf",code="PROVIDER_TIMEOUT",stage="infer"}': 1.1,
    'ocr_processing_duration_seconds_bucket{provider="paddle",le="1.0"}': 3.9,
    'ocr_processing_duration_seconds_bucket{provider="paddle",le="2.0"}': 4.0,
    'ocr_processing_duration_seconds_bucket{provider="paddle",le="+Inf"}': 4.1,
    'ocr_processing_duration_seconds_count{provider="paddle"}': 4.1,
    'vision_requests_total{provider="deepseek_stub",status="start"}': 2.0,
    'vision_requests_total{provider="deepseek_stub",status="success"}': 1.95,
    'vision_requests_total{provider="deepseek_stub",status="error"}': 0.05,
    'analysis_requests_total{status="success"}': 3.5,
    'analysis_requests_total{status="error"}': 0.5,
    "feature_cache_hits_total": 3.4,
    "feature_cache_miss_total": 0.6,
    'dedup2d_jobs_total{status="pending"}': 1.0,
    'dedup2d_jobs_total{status="completed"}': 0.9,
    'dedup2d_jobs_total{status="failed"}': 0.1,
}
FOREIGN = {
    "platform_error_ratio": """100 * (sum(rate(vision_requests_total{status="error"}[5m])) or vector(0))
        / (sum(rate(ocr_requests_total[5m])) + sum(rate(vision_requests_total[5m])))""",
    "platform_requests_per_second": "sum(rate(ocr_requests_total[5m])) + sum(rate(vision_requests_total[5m]))",
    "provider_success_rate": """sum by (provider) (rate(ocr_requests_total{status="success"}[5m]))
        / sum by (provider) (rate(ocr_requests_total[5m])) * 100""",
    "provider_health_score": "provider_success_rate * 0.7 + 30",
    "error_budget_remaining": """100 * (sum(rate(vision_requests_total{status="error"}[30d]))
        / sum(rate(vision_requests_total[30d]))) / 0.1""",
    "cad:analysis_success_rate:5m": """sum(rate(analysis_requests_total{status="success"}[5m]))
        / sum(rate(analysis_requests_total[5m]))""",
    "cad:feature_cache_hit_rate:1h": """sum(rate(feature_cache_hits_total[1h]))
        / (sum(rate(feature_cache_hits_total[1h])) + sum(rate(feature_cache_miss_total[1h])))""",
    "dedup2d_job_error_rate": """100 * sum(rate(dedup2d_jobs_total{status="failed"}[5m]))
        / sum(rate(dedup2d_jobs_total[5m]))""",
    "ocr_p95_latency_seconds": """histogram_quantile(0.95,
        sum(rate(ocr_processing_duration_seconds_bucket[5m])) by (le, provider)) >= 0""",
}
SAME_IN_FOREIGN = {"ocr_p95_latency_seconds"}


def history() -> str:
    now = time.time() // STEP * STEP
    blocks = []
    for selector in sorted(RATES):
        lines = [f"{selector} {(LENGTH + at) * RATES[selector]} {now + at:.0f}" for at in range(-LENGTH, 1, STEP)]
        blocks.append("\n".join(lines))
    return "\n".join(blocks) + "\n# EOF\n"


def ours(prefix: str = "") -> dict[str, str]:
    """Our recording rules, evaluated every second."""
    names = [name for name in rule_names() if name.startswith("recording")]
    texts = {name: rule_text(name, prefix=prefix) for name in names}
    return {prefix + name: re.sub(r"interval: \w+", "interval: 1s", text) for name, text in texts.items()}


def foreign() -> dict[str, str]:
    rules = [{"record": name, "expr": expression} for name, expression in FOREIGN.items()]
    return {"foreign.yaml": json.dumps({"groups": [{"name": "theirs", "interval": "1s", "rules": rules}]})}


Loaded = Callable[[str], str]
SETS: Mapping[str, Callable[[], dict[str, str]]] = {
    "ours": ours,
    "foreign": foreign,
    "beside": lambda: {**foreign(), **ours("team_")},
    "both": lambda: {**foreign(), **ours()},
}


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loaded]:
    """The address of a Prometheus that has the same half hour of traffic and one of SETS of rules."""
    running: dict[str, str] = {}
    with ExitStack() as stack:

        def address(name: str) -> str:
            if name not in running:
                folder = tmp_path_factory.mktemp(name)
                (folder / "history.txt").write_text(history())
                made = ["tsdb", "create-blocks-from", "openmetrics", "-q", str(folder / "history.txt"), str(folder / "data")]
                subprocess.run([servers().promtool, *made], check=True, capture_output=True)
                rules = SETS[name]()
                server = stack.enter_context(start_prometheus(json.dumps({"rule_files": list(rules)}), rules, folder=folder))
                running[name] = server.url
                _wait_for_rules(server.url)
            return running[name]

        yield address


def _wait_for_rules(url: str) -> None:
    """Until what reads what others record was evaluated after them."""
    ends = time.monotonic() + 30
    while time.monotonic() < ends:
        groups = httpx.get(f"{url}/api/v1/rules").json()["data"]["groups"]
        if groups and all(rule["health"] == "ok" for group in groups for rule in group["rules"]):
            break
        time.sleep(0.2)
    time.sleep(2.5)


class Counting(httpx.AsyncHTTPTransport):
    """Counts the requests, and refuses to show the rules where it is told to."""

    def __init__(self, *, rules: bool = True) -> None:
        super().__init__()
        self.paths: list[str] = []
        self._rules = rules

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.paths.append(request.url.path.rpartition("/")[2])
        if request.url.path.endswith("/rules") and not self._rules:
            return httpx.Response(403, text="forbidden", request=request)
        return await super().handle_async_request(request)


async def asked(url: str, *, rules: bool = True) -> tuple[dict[str, PanelResult], Prometheus, Counting]:
    """What every panel answers at its second refresh, once the rules were asked."""
    transport = Counting(rules=rules)
    source = Prometheus(Endpoint(url), transport=transport)
    if rules:
        await source.rules()
    else:
        with pytest.raises(SourceError):
            await source.rules()
    await source.panels(tuple(SPECS.values()))
    transport.paths.clear()
    answers = {item.id: item for item in (await source.panels(tuple(SPECS.values()))).results}
    return answers, source, transport


async def truth(source: Prometheus, spec: PanelSpec) -> float | None:
    """The panel's value by its raw expression, asked by itself."""
    answer = await source.query(source.expand(spec.raw))
    return aggregate(spec.aggregation, [sample.value for sample in answer.samples])


def word(answer: PanelResult) -> str:
    return answer.caveat.word if answer.caveat else ""


def verdict(answer: PanelResult) -> Verdict:
    return evaluate_panel(SPECS[answer.id], Threshold(), answer, taken_at=0.0, now=0.0, stale_after=30.0).verdict


@pytest.mark.parametrize("name", ["ours", "beside"])
async def test_our_rules_are_read_under_whatever_name_they_have(loaded: Loaded, name: str) -> None:
    """Every panel whose series exists reads it, in one request, says nothing of it, and has the value of the raw expression."""
    answers, source, transport = await asked(loaded(name))
    assert transport.paths == ["query"]
    read = {panel for panel, item in answers.items() if item.origin is Origin.RECORDED}
    assert read >= {"error_ratio", "request_rate", "provider_health", "error_budget", "analysis_success", "feature_cache_hits"}
    for panel in read:
        assert word(answers[panel]) == "" and answers[panel].contradictions == ()
        value = aggregate(SPECS[panel].aggregation, [sample.value for sample in answers[panel].samples])
        # The data ends when the server starts, so a raw rate asked 20 seconds after the rule ran is 4 % lower.
        assert value == pytest.approx(await truth(source, SPECS[panel]), rel=0.06), panel
    if name == "beside":
        assert answers["error_ratio"].query == "team_platform_error_ratio"
    await source.close()


async def test_another_meaning_under_our_name_is_not_read(loaded: Loaded) -> None:
    """Where the loaded expression means something else the panel reads raw, says so in a word, and has the true value."""
    answers, source, transport = await asked(loaded("foreign"))
    assert transport.paths == ["query"]
    for panel, answer in answers.items():
        names = set(SPECS[panel].recorded_names)
        if names <= SAME_IN_FOREIGN:
            assert (answer.origin, word(answer)) == (Origin.RECORDED, ""), panel
        elif names & (FOREIGN.keys() - SAME_IN_FOREIGN):
            assert (answer.origin, word(answer)) == (Origin.RAW, "raw: the rule differs"), panel
            value = aggregate(SPECS[panel].aggregation, [sample.value for sample in answer.samples])
            assert value == pytest.approx(await truth(source, SPECS[panel]), rel=0.02), panel
    assert verdict(answers["error_ratio"]) is Verdict.CRITICAL
    book = source.recorded.book
    assert set(book["cad:analysis_success_rate:5m"].differs) >= {"unit"}
    assert set(book["cad:feature_cache_hit_rate:1h"].differs) >= {"unit"}
    assert {book[name].match for name in FOREIGN.keys() - SAME_IN_FOREIGN} == {RuleMatch.DIFFERENT}
    await source.close()


async def test_two_rule_sets_under_one_name_are_read_raw(loaded: Loaded) -> None:
    """A name that two groups record is not believed, and the panel says why."""
    answers, source, _ = await asked(loaded("both"))
    for panel in ("error_ratio", "request_rate", "error_budget"):
        assert (answers[panel].origin, word(answers[panel])) == (Origin.RAW, "raw: recorded twice"), panel
    await source.close()


async def test_rules_that_cannot_be_seen_are_judged_by_value(loaded: Loaded) -> None:
    """Without a right to see the rules a recorded series is `not verified`; where it contradicts the raw expression it is
    IN DOUBT from the first refresh on, in the same request, and the raw expression is not asked again before five minutes."""
    answers, source, transport = await asked(loaded("foreign"), rules=False)
    assert transport.paths == ["query"]
    wrong = {"error_ratio", "request_rate", "analysis_success", "feature_cache_hits", "error_ratio_by_provider", "dedup_errors"}
    for panel in wrong:
        assert word(answers[panel]) == "not verified", panel
        assert {item.kind for item in answers[panel].contradictions} == {ContradictionKind.RECORDED}, panel
        assert verdict(answers[panel]) is Verdict.IN_DOUBT, panel
    assert {item.whom for item in answers["error_ratio_by_provider"].contradictions} == {"paddle"}
    assert answers["ocr_p95"].contradictions == () and word(answers["ocr_p95"]) == "not verified"
    await source.close()

    answers, source, _ = await asked(loaded("ours"), rules=False)
    read = [item for item in answers.values() if item.origin is Origin.RECORDED]
    assert len(read) >= 6
    assert {word(item) for item in read} == {"not verified"}
    assert [item.id for item in read if item.contradictions] == []
    await source.close()


@pytest.fixture
def run(
    loaded: Loaded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    """What a command prints about the Prometheus with one of SETS."""

    def call(name: str, *words: str) -> str:
        for variable in ("HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"):
            monkeypatch.setenv(variable, str(tmp_path))
        monkeypatch.setenv("PROMETHEUS_URL", loaded(name))
        main(list(words))
        return capsys.readouterr().out

    return call


@pytest.mark.parametrize(
    ("name", "results", "words"),
    [
        ("ours", {"recorded once": "passed", "recorded meaning": "passed"}, "53 recorded series have the expected meaning"),
        ("foreign", {"recorded once": "passed", "recorded meaning": "noted"}, "platform_error_ratio ("),
        ("beside", {"recorded once": "passed", "recorded meaning": "passed"}, "of them under other names"),
        ("both", {"recorded once": "failed", "recorded meaning": "noted"}, "platform_error_ratio (foreign.yaml: theirs"),
    ],
)
def test_check_says_what_the_recorded_names_mean(
    run: Callable[..., str], name: str, results: dict[str, str], words: str
) -> None:
    """Two rules of one of our names fail; another meaning is noted, with what differs; other names are counted."""
    checks = {item["name"]: item for item in json.loads(run(name, "check", "--format", "json"))["checks"]}
    assert {key: checks[key]["result"] for key in results} == results
    assert words in checks["recorded once"]["text"] + checks["recorded meaning"]["text"]


def test_doctor_shows_both_expressions_and_what_differs(run: Callable[..., str]) -> None:
    """The loaded expression stands under ours, with the word for what differs; what is read says nothing."""
    lines = run("foreign", "doctor").splitlines()
    at = next(at for at, line in enumerate(lines) if line.strip().startswith("cad:analysis_success_rate:5m"))
    assert "DIFFERENT" in lines[at] and "a different meaning: it divides by something else" in lines[at]
    assert "ours" in lines[at + 1] and "${analysis_successes[5m]}" in lines[at + 1]
    assert "loaded" in lines[at + 2] and 'analysis_requests_total{status="success"}' in lines[at + 2]
    assert any(line.split() == ["ocr_p95_latency_seconds", "same"] for line in lines)


def test_status_says_in_a_word_why_a_panel_reads_raw(run: Callable[..., str]) -> None:
    """The row of a panel has the word, and where the value comes from."""
    row = next(line for line in run("foreign", "status").splitlines() if "Error ratio" in line)
    assert "raw: the rule differs" in row and "raw expression" in row


async def test_who_asks_beside_the_panels_reads_nothing_that_is_not_known(loaded: Loaded) -> None:
    """A figure of a checklist, which no refresh asks, reads the recorded series only where the loaded rule means the same."""
    availability = SPECS["availability"]
    for name, expected in (("ours", "slo_availability"), ("beside", "team_slo_availability")):
        source = Prometheus(Endpoint(loaded(name)))
        assert source.expression(availability) == availability.raw
        await source.rules()
        assert source.expression(availability) == expected
        await source.close()
