"""`check` as a command: what it can reach decides its exit code, in its order and in three formats."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from loopback import RECORDINGS
from redis_fixture import redis_server
from told_platform import Series, ToldPlatform, told_platform

from console.cli.main import main

HEALTHY = {"status": "healthy", "services": {"api": "up", "redis": "disabled"}}
TARGETS = {"status": "success", "data": {"activeTargets": [{"labels": {"job": "cad-ml-platform"}, "health": "up"}]}}
SECRET = "s3cr3t-pass"

Check = Callable[..., tuple[int, str]]


def some(query: str) -> list[Series]:
    """A Prometheus that has something of the platform, and nothing else."""
    return [({"__q__": "names", "__name__": "ocr_requests_total"}, "1")] if '"names"' in query else []


@pytest.fixture
def check(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Check:
    def call(platform: ToldPlatform, *words: str, verb: str = "check", **environ: str) -> tuple[int, str]:
        for name in ("KUBECONFIG", "CAD_CONSOLE_CONFIG", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "REDIS_URL"):
            monkeypatch.delenv(name, raising=False)
        for name, value in {**platform.environ(str(tmp_path)), **environ}.items():
            monkeypatch.setenv(name, value)
        code = main([verb, *words])
        return code, capsys.readouterr().out

    return call


@pytest.mark.parametrize(
    ("pages", "environ", "failure"),
    [
        ({}, {}, (0, "")),
        ({}, {"CAD_ML_API_URL": "http://127.0.0.1:9"}, (2, "api reachable")),
        ({}, {"CAD_ML_API_URL": "", "PROMETHEUS_URL": "http://127.0.0.1:9"}, (2, "api reachable")),
        ({"/health": {"status": "unhealthy"}}, {}, (3, "health status")),
        ({"/health": {"status": "healthy", "services": {"redis": "down"}}}, {}, (3, "health service redis")),
        ({"/health": (401, "no")}, {}, (3, "health status")),
        ({}, {"REDIS_URL": f"redis://:{SECRET}@127.0.0.1:9"}, (3, "redis ping")),
        ({}, {"REDIS_URL": SECRET}, (3, "redis ping")),
        ({}, {"PROMETHEUS_URL": "http://127.0.0.1:9"}, (4, "metrics prometheus")),
        ({}, {"PROMETHEUS_URL": ""}, (4, "metrics prometheus")),
        ({"/api/v1/query": (500, "no")}, {}, (4, "metrics prometheus")),
        ({"/metrics": (500, "no")}, {}, (4, "metrics /metrics")),
        ({"/metrics": (200, "no metrics")}, {}, (4, "metrics /metrics")),
        ({"/api/v1/targets": (500, "no")}, {}, (4, "targets up")),
        ({"/api/v1/rules": (500, "no")}, {}, (4, "rules loaded")),
        ({}, {"ALERTMANAGER_URL": "http://127.0.0.1:9"}, (1, "alertmanager http://127.0.0.1:9")),
    ],
)
def test_the_first_failure_decides(
    check: Check, pages: dict[str, Any], environ: dict[str, str], failure: tuple[int, str]
) -> None:
    """Connection before health before metrics, whatever fails after it; no secret is told."""
    well = {"/health": HEALTHY, "/api/v1/targets": TARGETS, "/api/v2/status": {"cluster": {"status": "disabled"}}}
    with told_platform(vector=some, pages={**well, **pages}) as platform:
        code, out = check(platform, "--format", "json", **environ)
    failed = [f"{item['area']} {item['name']}" for item in json.loads(out)["checks"] if item["result"] == "failed"]
    assert (code, failed[0] if failed else "") == failure, out
    assert SECRET not in out


def test_a_prometheus_without_the_platform_fails(check: Check) -> None:
    """An empty Prometheus answers well and is of no use: metrics check failed, and nothing is said of the contract."""
    with told_platform(pages={"/health": HEALTHY}) as platform:
        code, out = check(platform)
    assert code == 4
    assert "not scraped, or the wrong server" in out
    assert "neither the exporter nor Prometheus has series" in out


def test_redis_is_asked_where_it_is_named(check: Check) -> None:
    """A PONG is told with its time; the rest of the run is the same."""
    with told_platform(pages={"/health": HEALTHY}) as platform, redis_server(password=SECRET) as port:
        _, out = check(platform, "--format", "json", REDIS_URL=f"redis://:{SECRET}@127.0.0.1:{port}/0")
    (redis,) = [item for item in json.loads(out)["checks"] if item["area"] == "redis"]
    assert (redis["result"], redis["text"].startswith("PONG in")) == ("passed", True)


def test_junit_can_be_read_by_a_build_server(check: Check) -> None:
    """The XML parses, counts, and holds hostile text as text."""
    pages = {"/health": {"status": "<bad>\x1b[2J&"}}
    with told_platform(vector=some, pages=pages) as platform:
        code, out = check(platform, "--format", "junit")
    suite = ElementTree.fromstring(out)
    assert code == 3
    assert int(suite.get("failures", "0")) == len(suite.findall("testcase/failure")) > 0
    assert suite.find("testcase[@classname='health']/failure") is not None


def test_a_contract_can_be_checked_without_an_api(check: Check) -> None:
    """Where only Prometheus is configured, the contract is judged by it, and the API is skipped, not failed."""
    with told_platform(vector=some) as platform:
        code, out = check(platform, verb="contract", CAD_ML_API_URL="")
    assert code == 0, out
    assert "the platform's API is not configured" in out
    assert [line for line in out.splitlines() if line.startswith("ok") and "ocr_requests_total" in line]


def test_an_exporter_with_an_address_of_its_own(check: Check) -> None:
    """--metrics-url names the exporter where the API has no /metrics."""
    text = '# TYPE ocr_errors_total counter\nocr_errors_total{provider="a",code="INPUT_ERROR"} 1\n'
    pages = {"/health": HEALTHY, "/exporter/metrics": (200, text)}
    with told_platform(vector=some, pages=pages) as platform:
        code, out = check(platform, "--metrics-url", f"{platform.url}/exporter/metrics", verb="contract")
    assert code == 5
    assert "ocr_errors_total has series without the label stage (in /metrics)" in out


@pytest.mark.parametrize(
    ("severity", "told"),
    [("critical", ""), ("warning", "1 differ from their files: Down FILE:5 (labels)")],
)
def test_rules_at_vmalert_are_those_of_their_file(check: Check, tmp_path: Path, severity: str, told: str) -> None:
    """vmalert 1.148.8 (recorded) puts its external labels on every rule, which no file names; another severity differs."""
    recorded = json.loads((RECORDINGS / "vmalert-1.148.json").read_text())
    (rules,) = (json.loads(item["body"]) for item in recorded if item["path"] == "/api/v1/rules")
    file = tmp_path / "rules.yaml"
    file.write_text(
        "groups:\n- name: g\n  rules:\n  - {record: 'job:up:sum', expr: sum by (job) (up)}\n"
        f"  - {{alert: Down, expr: vector(1) > 0, labels: {{severity: {severity}}}, annotations: {{summary: s}}}}\n"
    )
    well = {"/health": HEALTHY, "/api/v1/targets": TARGETS, "/api/v2/status": {"cluster": {"status": "disabled"}}}
    with told_platform(vector=some, pages=well) as platform, told_platform(pages={"/api/v1/rules": rules}) as vmalert:
        config = {"environments": {"test": {"prometheus": {"url": platform.url, "ruler": vmalert.url}}}, "rules": str(file)}
        (tmp_path / "config.yaml").write_text(json.dumps(config))
        _, out = check(platform, "--format", "json", PROMETHEUS_URL="", CAD_CONSOLE_CONFIG=str(tmp_path / "config.yaml"))
    found = {item["name"]: (item["result"], item["text"]) for item in json.loads(out)["checks"] if item["area"] == "rules"}
    assert [found[name][0] for name in ("expected", "missing", "extra", "without error")] == ["passed"] * 4, found
    assert found["different"] == ("failed" if told else "passed", told.replace("FILE", str(file)) or "all match their files")
