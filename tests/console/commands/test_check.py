"""The self-check: its exit codes, in their order."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from told_platform import Series, ToldPlatform, told_platform

from console.checks.platform import CheckResult, Result, contract_metric, exit_code, mapping
from console.cli import main
from queries.contract import ContractMetric
from queries.taxonomy import load_taxonomy

HEALTHY = {"status": "healthy", "services": {"api": "up", "redis": "disabled"}}
CODES = [({"provider": "deepseek", "code": "PROVIDER_TIMEOUT"}, "1"), ({"provider": "paddle", "code": "rate_limit"}, "1")]


def whole(query: str) -> list[Series]:
    """A platform that keeps its contract."""
    if query.startswith("group by (__name__)"):
        return [({"__name__": "ocr_requests_total"}, "1")]
    if ", code)" in query:
        return [series for series in CODES if "ocr" in query]
    labels = query.partition("(")[2].partition(")")[0].split(", ")
    return [({name: "+Inf" if name == "le" else "x" for name in labels}, "1")]


@pytest.fixture
def check(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    def call(platform: ToldPlatform, *words: str, **environ: str) -> tuple[int, str]:
        for name in ("KUBECONFIG", "CAD_CONSOLE_CONFIG", "XDG_CONFIG_HOME", "XDG_STATE_HOME"):
            monkeypatch.delenv(name, raising=False)
        for name, value in {**platform.environ(str(tmp_path)), **environ}.items():
            monkeypatch.setenv(name, value)
        code = main(["check", *words])
        return code, capsys.readouterr().out

    return call


def test_a_whole_platform_passes(check: Any) -> None:
    """Everything kept is 0, also in strict mode; older spellings are told and are no gap."""
    with told_platform(vector=whole, pages={"/health": HEALTHY}) as platform:
        code, out = check(platform, "--strict")
    assert code == 0, out
    assert "rate_limit → QUOTA_EXCEEDED" in out


@pytest.mark.parametrize(
    ("pages", "environ", "code"),
    [
        ({}, {"CAD_ML_API_URL": "http://127.0.0.1:9"}, 2),
        ({}, {"CAD_ML_API_URL": "", "PROMETHEUS_URL": "http://127.0.0.1:9"}, 2),
        ({"/health": {"status": "unhealthy"}}, {}, 3),
        ({"/health": {"status": "healthy", "services": {"redis": "down"}}}, {}, 3),
        ({"/health": (401, "no")}, {}, 3),
        ({"/health": HEALTHY}, {"PROMETHEUS_URL": "http://127.0.0.1:9"}, 4),
        ({"/health": HEALTHY, "/api/v1/query": (500, "no")}, {}, 4),
    ],
)
def test_the_first_failure_decides(check: Any, pages: dict[str, Any], environ: dict[str, str], code: int) -> None:
    """Connection before health before metrics, whatever fails after it."""
    with told_platform(vector=whole, pages=pages) as platform:
        assert check(platform, **environ)[0] == code


def test_a_prometheus_without_the_platform_fails(check: Any) -> None:
    """An empty Prometheus answers well and is of no use: metrics check failed."""
    with told_platform(pages={"/health": HEALTHY}) as platform:
        code, out = check(platform)
    assert code == 4
    assert "nothing scrapes it" in out


def test_a_series_without_its_label_breaks_the_contract(check: Any) -> None:
    """A missing label is a contract violation, and the line names metric and label."""

    def vector(query: str) -> list[Series]:
        return (
            [({"provider": "x", "code": "y"}, "1")]
            if query.endswith("(ocr_errors_total)") and "stage" in query
            else whole(query)
        )

    with told_platform(vector=vector, pages={"/health": HEALTHY}) as platform:
        code, out = check(platform)
    assert code == 5
    assert "ocr_errors_total has series without the label stage" in out


def test_an_unknown_code_is_a_gap_of_its_provider(check: Any) -> None:
    """A code that maps to none of the nine is listed by who said it."""

    def vector(query: str) -> list[Series]:
        return [({"provider": "deepseek", "code": "WEIRD"}, "1")] if ", code) (ocr" in query else whole(query)

    with told_platform(vector=vector, pages={"/health": HEALTHY}) as platform:
        code, out = check(platform, "--format", "json")
    gaps = [item for item in json.loads(out)["checks"] if item["result"] == "failed"]
    assert code == 6
    assert [(item["name"], item["text"]) for item in gaps] == [("deepseek", "maps to none of the nine: WEIRD")]


def test_junit_can_be_read_by_a_build_server(check: Any) -> None:
    """The XML parses, counts, and holds hostile text as text."""
    pages = {"/health": {"status": "<bad>\x1b[2J&"}}
    with told_platform(vector=whole, pages=pages) as platform:
        code, out = check(platform, "--format", "junit")
    suite = ElementTree.fromstring(out)
    assert (code, suite.get("failures")) == (3, "1")
    assert suite.find("testcase/failure") is not None


METRIC = ContractMetric("ocr_errors_total", "counter", ("provider", "code", "stage"), "errors", "handover")


@pytest.mark.parametrize(
    ("type_told", "strict", "result"),
    [
        ("counter", False, Result.PASSED),
        ("counter", True, Result.PASSED),
        ("", False, Result.NOTED),
        ("", True, Result.FAILED),
        (None, False, Result.NOTED),
        (None, True, Result.FAILED),
        ("gauge", False, Result.FAILED),
    ],
)
def test_absent_is_not_broken(type_told: str | None, strict: bool, result: Result) -> None:
    """A counter that was announced and never counted passes; what nobody announces fails in strict mode only."""
    assert contract_metric(METRIC, series={}, type_told=type_told, strict=strict).result is result


def test_half_a_histogram_is_broken() -> None:
    """Sum and count without buckets are no histogram."""
    metric = ContractMetric("x_seconds", "histogram", ("provider",), "seconds", "handover")
    labels = ((("provider", "a"),),)
    told = contract_metric(metric, series={"x_seconds_sum": labels, "x_seconds_count": labels}, type_told="", strict=False)
    assert (told.result, told.code) == (Result.FAILED, 5)
    assert "x_seconds_bucket" in told.text


def test_the_order_of_codes_decides() -> None:
    """Of several failures the first area in order is the exit code."""
    results = [CheckResult("x", "x", Result.FAILED, "", code) for code in (6, 4, 5)]
    assert exit_code(results) == 4
    assert exit_code(mapping(load_taxonomy(), {})) == 0
