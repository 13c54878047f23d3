"""`check` and `contract` on what the platform's own metric objects export, scraped by a real Prometheus."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from served_platform import RECORDING, ServedPlatform, serve_platform
from servers import start_prometheus

from console.cli.main import main
from console.demo.process import ServerProcess

pytestmark = pytest.mark.servers

EXPORTED = RECORDING.read_text()
ODD = 'ocr_errors_total{code="ODD",provider="paddle",stage="parse"} '
BORN = 'ocr_errors_created{code="ODD",provider="paddle",stage="parse"} '
Ask = Callable[..., tuple[int, str]]


@pytest.fixture(scope="module")
def exporter() -> Iterator[ServedPlatform]:
    """The exporter, with a code of nobody's that one request counted long ago."""
    with serve_platform(metrics=EXPORTED + f"{ODD}1\n{BORN}1.7e9\n") as platform:
        yield platform


@pytest.fixture(scope="module")
def prometheus(exporter: ServedPlatform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    config = f"""
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
scrape_configs:
- job_name: cad-ml-platform
  static_configs: [{{targets: ["{urlsplit(exporter.url).netloc}"]}}]
"""
    with start_prometheus(config, folder=tmp_path_factory.mktemp("exposition")) as server:
        until(server, "up", 1.0)
        yield server


def until(server: ServerProcess, query: str, expected: float) -> None:
    """Wait until Prometheus has scraped what was changed."""
    ends = time.monotonic() + 30.0
    while True:
        found = httpx.get(f"{server.url}/api/v1/query", params={"query": query}, timeout=5.0).json()["data"]["result"]
        if found and float(found[0]["value"][1]) == expected:
            return
        assert time.monotonic() < ends, f"{query} never became {expected:g}"
        time.sleep(0.1)


@pytest.fixture
def ask(
    exporter: ServedPlatform,
    prometheus: ServerProcess,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> Ask:
    def call(verb: str, *words: str, config: str = "", **changed: str) -> tuple[int, str]:
        for name in ("KUBECONFIG", "CAD_CONSOLE_CONFIG", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "REDIS_URL", "ALERTMANAGER_URL"):
            monkeypatch.delenv(name, raising=False)
        settings = {"HOME": str(tmp_path), "PROMETHEUS_URL": prometheus.url, "CAD_ML_API_URL": exporter.url, **changed}
        if config:
            (tmp_path / "config.yaml").write_text(config)
            settings["CAD_CONSOLE_CONFIG"] = str(tmp_path / "config.yaml")
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        code = main([verb, *words, "--format", "json"])
        return code, capsys.readouterr().out

    return call


def texts(out: str, result: str) -> list[str]:
    return [f"{item['area']} {item['name']}: {item['text']}" for item in json.loads(out)["checks"] if item["result"] == result]


@pytest.mark.parametrize("words", [["contract"], ["contract", "--strict"], ["check"]])
def test_what_the_platform_exports_keeps_the_contract(ask: Ask, words: list[str]) -> None:
    """Buckets below zero and so no sum, labelled families without a series, a code counted long ago: nothing fails."""
    code, out = ask(*words)
    assert (code, texts(out, "failed")) == (0, [])


def test_only_what_no_build_exports_is_called_missing(ask: Ask) -> None:
    """Of the platform's own metrics one is exported by no build; the cluster's are there only where their exporters are."""
    _, out = ask("contract")
    missing = [line for line in texts(out, "noted") if line.startswith("contract ")]
    exporters = ("cadvisor", "kube-state-metrics", "kubelet", "node-exporter", "redis-exporter", "prometheus", "alertmanager")
    assert [line for line in missing if not line.endswith(tuple(f"only where {name} is scraped" for name in exporters))] == [
        "contract circuit_breaker_state: not present; no build that is known exports it, though rules and dashboards name it",
        "contract ALERTS: not present; only while an alert is pending or firing",
    ]


@pytest.mark.parametrize(
    ("old", "new", "output"),
    [
        (',stage="load"', "", "ocr_errors_total has series without the label stage"),
        ("ocr_input_rejected_total counter", "ocr_input_rejected_total gauge", "is exported as a gauge"),
        ('vision_processing_duration_seconds_sum{provider="deepseek_stub"}', "x", "incomplete histogram"),
    ],
)
def test_a_breach_is_still_one(ask: Ask, exporter: ServedPlatform, old: str, new: str, output: str) -> None:
    """A label, a type or a part of a histogram that is gone fails with 5."""
    assert old in exporter.metrics
    whole = exporter.metrics
    exporter.metrics = whole.replace(old, new)
    try:
        code, out = ask("contract")
    finally:
        exporter.metrics = whole
    assert code == 5
    assert any(output in line for line in texts(out, "failed"))


def test_a_gap_is_what_was_counted_lately(ask: Ask, exporter: ServedPlatform, prometheus: ServerProcess) -> None:
    """A code counted before the window is named and fails nothing; counted again it fails with provider, code, count and since
    when, and a team's `error_codes` maps it. What a new series has is counted from 0, an older one only by its increase."""
    _, out = ask("contract")
    assert any("; unmapped, but not counted within 1d: ODD" in line for line in texts(out, "passed"))
    whole = exporter.metrics
    began = time.time()
    exporter.metrics = (
        whole.replace(f"{ODD}1", f"{ODD}4") + f"{ODD.replace('paddle', 'new')}2\n{BORN.replace('paddle', 'new')}{began}\n"
    )
    try:
        until(prometheus, 'sum(ocr_errors_total{code="ODD"})', 6.0)
        code, out = ask("contract", config="error_codes_window: 2m\n")
        mapped, output = ask("contract", config="error_codes_window: 2m\nerror_codes: {odd: PARSE_FAILED}\n")
        exporter.metrics = whole
        until(prometheus, 'sum(ocr_errors_total{code="ODD"})', 1.0)
    finally:
        exporter.metrics = whole
    assert code == 6
    assert [re.sub(r"since [^)]+", "since T", line) for line in texts(out, "failed")] == [
        f"mapping {who}: maps to none of the nine: ODD ({count} × since T); map it with `error_codes` in config.yaml"
        for who, count in (("new", 2), ("paddle", 3))
    ]
    (new, old) = [item["items"][0] for item in json.loads(out)["checks"] if "items" in item]
    assert (new["provider"], new["code"], new["count"]) == ("new", "ODD", 2)
    assert time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(began)) == new["since"] <= old["since"]
    assert (mapped, any("ODD → PARSE_FAILED" in line for line in texts(output, "passed"))) == (0, True)
