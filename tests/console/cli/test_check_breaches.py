"""Against real servers `check --strict` and `contract --strict` pass, and each kind of planted breach has its exit code."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
import yaml
from redis_fixture import redis_server
from servers import start_alertmanager, start_prometheus

from console.checks import watchdog
from console.cli.main import main
from console.demo import server_config
from console.demo.embedded_cluster import EmbeddedView
from console.demo.platform_api import PlatformApi
from console.demo.process import ServerProcess
from console.demo.scenarios import scenario
from console.demo.simulator import Simulator
from console.demo.stack import DemoStack
from queries.promql.our_rules import rule_names
from queries.promql.rule_templates import rule_text

pytestmark = pytest.mark.servers

NAMES = rule_names()
Change = Callable[[str], str]


class BreakableApi(PlatformApi):
    """The simulated platform, whose answers a test can change on their way out."""

    def __init__(self, simulator: Simulator) -> None:
        super().__init__(simulator)
        self.changes: dict[str, Change] = {}
        self.statuses: dict[str, int] = {}

    def answer(self, path: str) -> tuple[int, str, bytes]:
        status, kind, body = super().answer(path)
        path = path.rstrip("/")  # what is served under /metrics stands behind a redirect
        change = self.changes.get(path)
        return self.statuses.get(path, status), kind, change(body.decode()).encode() if change else body


@dataclass
class Bench:
    """The platform that can be broken, a Prometheus that scrapes it with the platform's rules, and the environment."""

    api: BreakableApi
    simulator: Simulator
    prometheus: ServerProcess
    environment: dict[str, str]

    def value(self, query: str) -> float:
        """The first value of an instant query, -1 for nothing."""
        answer = httpx.get(f"{self.prometheus.url}/api/v1/query", params={"query": query}, timeout=5.0)
        result = answer.json()["data"]["result"]
        return float(result[0]["value"][1]) if result else -1.0

    def until_evaluated(self) -> None:
        """Wait until every group of rules was evaluated once: Prometheus spreads the first evaluations over the interval."""
        ends = time.monotonic() + 60.0
        while True:
            groups = httpx.get(f"{self.prometheus.url}/api/v1/rules", timeout=5.0).json()["data"]["groups"]
            if groups and not any(group["lastEvaluation"].startswith("0001-") for group in groups):
                return
            assert time.monotonic() < ends, "a group of rules was never evaluated"
            time.sleep(0.1)

    def until(self, query: str, expected: float) -> None:
        """Wait until Prometheus has scraped what was changed."""
        ends = time.monotonic() + 30.0
        while self.value(query) != expected:
            assert time.monotonic() < ends, f"{query} never became {expected:g}"
            time.sleep(0.1)


@pytest.fixture(scope="module")
def bench(calm_stack: DemoStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    assert calm_stack.cluster is not None
    simulator = Simulator(scenario("calm"), EmbeddedView(calm_stack.cluster), seed=7, now=time.time() - 3600.0)
    simulator.begin()
    simulator.live(time.time())
    api = BreakableApi(simulator)
    api.start()
    config = server_config.prometheus_config(
        platform=urlsplit(api.url).netloc,
        alertmanager=urlsplit(calm_stack.addresses.alertmanager).netloc,
        rule_files=NAMES,
    )
    rules = {name: server_config.fast_rules(rule_text(name), where=name) for name in NAMES}
    folder = tmp_path_factory.mktemp("breaches")
    with start_prometheus(config.replace("2s", "1s"), rules, folder=folder) as prometheus:
        environment = {
            **calm_stack.addresses.environment(),
            "PROMETHEUS_URL": prometheus.url,
            "CAD_ML_API_URL": api.url,
            "XDG_STATE_HOME": str(folder / "state"),
        }
        yield Bench(api, simulator, prometheus, environment)
    api.stop()


@pytest.fixture
def whole(bench: Bench) -> Iterator[Bench]:
    """The bench while nothing is broken: rules are evaluated, nothing of an earlier breach is left."""
    bench.api.changes.clear()
    bench.api.statuses.clear()
    # An odd code counts for the window of `ask`, two seconds, after its last sample.
    bench.until('count(ocr_errors_total{stage=""} or last_over_time(ocr_errors_total{code="ODD"}[4s])) or vector(0)', 0.0)
    bench.until("up", 1.0)
    bench.until("count(slo_availability)", 1.0)
    bench.until_evaluated()
    yield bench
    bench.api.changes.clear()
    bench.api.statuses.clear()


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    def call(verb: str, environment: dict[str, str], *, window: int = 2, **changed: str) -> tuple[int, str]:
        # A gap stays one for a day; here it would be another test's.
        config, given = tmp_path / "config.yaml", environment.get("CAD_CONSOLE_CONFIG", "")
        own = yaml.safe_load(Path(given).read_text()) if given else {}
        config.write_text(yaml.safe_dump({**own, "error_codes_window": f"{window}s"}))
        monkeypatch.delenv("REDIS_URL", raising=False)
        monkeypatch.setenv("HOME", str(tmp_path))
        for name, value in {**environment, "CAD_CONSOLE_CONFIG": str(config), **changed}.items():
            monkeypatch.setenv(name, value)
        code = main([verb, "--strict", "--format", "json"])
        out = capsys.readouterr().out
        assert json.loads(out)["exit_code"] == code
        failed = [item for item in json.loads(out)["checks"] if item["result"] == "failed"]
        return code, "\n".join(f"{item['area']} {item['name']}: {item['text']} [{item['code']}]" for item in failed)

    return call


Ask = Callable[..., tuple[int, str]]


@pytest.mark.parametrize("verb", ["check", "contract"])
def test_the_embedded_stack_passes(calm_stack: DemoStack, ask: Ask, verb: str) -> None:
    """Nothing fails in strict mode against the stack as it is: rules fresh, targets up, contract kept, codes mapped."""
    calm_stack.settle(60.0)
    assert ask(verb, calm_stack.addresses.environment()) == (0, "")


def test_a_stopped_api_is_2(whole: Bench, ask: Ask) -> None:
    """An API that was there and is not: exit 2 for both, though Prometheus still has its last series."""
    other = PlatformApi(whole.simulator)
    other.start()
    url = other.url
    other.stop()
    for verb in ("check", "contract"):
        code, failed = ask(verb, whole.environment, CAD_ML_API_URL=url)
        assert code == 2
        assert failed.startswith("api reachable: ")


def test_an_ill_platform_is_3(whole: Bench, ask: Ask) -> None:
    """A service that is down in /health, or a Redis that gives no PONG."""
    whole.api.changes["/health"] = lambda text: text.replace('"redis": "up"', '"redis": "down"')
    code, failed = ask("check", whole.environment)
    assert (code, failed) == (3, "health service redis: is down [3]")
    whole.api.changes.clear()
    with redis_server("loading") as port:
        code, failed = ask("check", whole.environment, REDIS_URL=f"redis://127.0.0.1:{port}")
    assert (code, "redis ping: Redis is loading its data" in failed) == (3, True)
    with redis_server() as port:
        assert ask("check", whole.environment, REDIS_URL=f"redis://127.0.0.1:{port}") == (0, "")


def test_an_exporter_that_fails_is_4(whole: Bench, ask: Ask) -> None:
    """A scrape that fails is seen at the exporter and at Prometheus' target; so is a Prometheus that is not there."""
    whole.api.statuses["/metrics"] = 500
    whole.until("up", 0.0)
    code, failed = ask("check", whole.environment)
    assert code == 4
    assert "metrics /metrics: " in failed and "targets up: 1 are down: cad-ml-platform" in failed
    assert ask("contract", whole.environment)[0] == 4
    assert ask("contract", whole.environment, PROMETHEUS_URL="http://127.0.0.1:9")[0] == 4


@pytest.mark.parametrize("verb", ["check", "contract"])
def test_a_label_that_is_gone_is_5(whole: Bench, ask: Ask, verb: str) -> None:
    """A mutated exporter breaks the contract in its own words and in what Prometheus scraped."""
    whole.api.changes["/metrics"] = lambda text: text.replace(',stage="infer"', "")
    code, failed = ask(verb, whole.environment)
    assert code == 5
    assert "contract ocr_errors_total: ocr_errors_total has series without the label stage (in /metrics) [5]" in failed
    whole.until('count(ocr_errors_total{stage=""}) > bool 0', 1.0)
    code, failed = ask("contract", whole.environment, CAD_ML_API_URL="")
    assert code == 5
    assert "without the label stage (in Prometheus) [5]" in failed


def test_another_type_is_5(whole: Bench, ask: Ask) -> None:
    """A counter that is announced as a gauge is a breach, whatever its series look like."""
    whole.api.changes["/metrics"] = lambda text: text.replace(
        "ocr_input_rejected_total counter", "ocr_input_rejected_total gauge"
    )
    code, failed = ask("contract", whole.environment)
    assert (code, "is exported as a gauge, the contract says counter" in failed) == (5, True)


def test_never_counted_is_no_breach(whole: Bench, ask: Ask) -> None:
    """The same counter without series passes while it is announced."""
    whole.api.changes["/metrics"] = lambda text: "\n".join(
        line for line in text.splitlines() if not line.startswith("ocr_input_rejected_total{")
    ) + "\n"  # fmt: skip
    whole.until("count(ocr_input_rejected_total) or vector(0)", 0.0)
    assert ask("contract", whole.environment) == (0, "")


@pytest.mark.parametrize("verb", ["check", "contract"])
def test_a_code_of_nobodys_is_6(whole: Bench, ask: Ask, verb: str) -> None:
    """A code that maps to none of the nine is a gap of the providers that said it."""
    whole.api.changes["/metrics"] = lambda text: text.replace('code="PARSE_FAILED"', 'code="ODD"')
    whole.until('count(count by (code) (ocr_errors_total{code="ODD"}))', 1.0)
    code, failed = ask(verb, whole.environment, window=86_400)
    assert code == 6
    assert "mapping paddle: maps to none of the nine: ODD (" in failed
    # The exporter is mended: for a day the gap was one all the same.
    whole.api.changes.clear()
    whole.until('count(ocr_errors_total{code="ODD"}) or vector(0)', 0.0)
    assert ask(verb, whole.environment, window=86_400)[0] == 6


def test_a_lost_alertmanager_is_1(whole: Bench, ask: Ask) -> None:
    """What is nobody's in particular has the general code."""
    two = f"{whole.environment['ALERTMANAGER_URL']},http://127.0.0.1:9"
    code, failed = ask("check", whole.environment, ALERTMANAGER_URL=two)
    assert code == 1
    assert "alertmanager http://127.0.0.1:9: " in failed


def test_alerts_that_do_not_arrive_fail_the_check(
    whole: Bench, ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The dead-man's switch fires in Prometheus and a real Alertmanager does not have it: failure, with what to look at; as
    long as it may still be under way, none.
    """
    whole.until('count(ALERTS{alertname="Watchdog",alertstate="firing"})', 1.0)
    with start_alertmanager(folder=tmp_path / "deaf") as deaf:
        monkeypatch.setattr(watchdog, "ARRIVES_WITHIN_SECONDS", 3600.0)
        assert ask("check", whole.environment, ALERTMANAGER_URL=deaf.url)[0] == 0
        monkeypatch.setattr(watchdog, "ARRIVES_WITHIN_SECONDS", 0.0)
        code, output = ask("check", whole.environment, ALERTMANAGER_URL=deaf.url)
    assert code == 1
    assert "alertmanager heartbeat: Watchdog does not reach Alertmanager" in output and "`alerting`" in output


def test_live_rules_are_compared_with_what_is_exported(
    whole: Bench, ask: Ask, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With --live a metric that no scrape brings is an error; one that was never counted, and what was recorded, is none."""
    ask("check", whole.environment)
    path = tmp_path / "rules.yaml"
    path.write_text(
        "groups:\n- name: g\n  rules:\n"
        "  - record: a\n    expr: sum(rate(nosuch_total[5m]))\n"
        "  - record: b\n    expr: sum(rate(model_rollback_total[5m]))\n"
        "  - record: c\n    expr: sum(platform_error_ratio)\n"
        "  - record: d\n    expr: sum by (stage) (rate(vision_errors_total[5m]))\n"
        "  - record: e\n    expr: sum(rate(ocr_requests_total{provider=~'padle|tes',status='start'}[5m]))\n"
        "  - record: dedup2d_job_queue_depth\n    expr: sum(dedup2d_jobs_queued)\n"
    )
    assert main(["rules", "lint", str(path), "--live", "--format", "json"]) == 1
    output = json.loads(capsys.readouterr().out)
    assert output["compared_with"] == "the server"
    assert {(item["line"], item["trap"], item["level"]) for item in output["findings"]} == {
        (5, "metric-not-exported", "error"),
        (11, "label-not-carried", "error"),
        (13, "matcher-matches-nothing", "warning"),
        (14, "record-shadows-exported", "error"),
    }
    assert main(["rules", "lint", "--live", "--format", "json"]) in (0, 3)
    assert json.loads(capsys.readouterr().out)["rules"] > 40
