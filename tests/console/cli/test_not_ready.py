"""A platform whose /ready answers 503 is ok nowhere, whatever word /health says; what it says is told in every report."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import served_platform as served
from told_platform import Series, told_platform

from console.cli.main import main

OPEN = served.HEALTH | {
    "resilience": {"status": "degraded", "circuit_breakers": {"vision": {"state": "open", "failure_count": 5, "threshold": 5}}},
    "config": {"ml": {"readiness": {"degraded_reasons": ["v16_models_missing"], "secret": "s3cr3t"}}},
}
FINE = {"/health": (200, served.HEALTH), "/ready": (200, served.READY)}
NOT_READY = {"/health": (200, served.HEALTH), "/ready": (503, served.NOT_READY)}
DEGRADED = {"/health": (200, OPEN), "/ready": (200, served.READY)}
WORD_ONLY = {"/health": (200, {"status": "healthy"})}

Run = Callable[..., tuple[int, str]]


def some(query: str) -> list[Series]:
    """A Prometheus that has something of the platform."""
    if '"names"' in query:
        return [({"__q__": "names", "__name__": "ocr_requests_total"}, "1")]
    return [({"__q__": "queue_depth"}, "1")] if "queue_depth" in query else []


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    def call(pages: dict[str, Any], *words: str) -> tuple[int, str]:
        for name in ("KUBECONFIG", "CAD_CONSOLE_CONFIG", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "REDIS_URL"):
            monkeypatch.delenv(name, raising=False)
        # The API has its /metrics behind a redirect; the rest of the servers is one.
        with (
            told_platform(vector=some, pages={"/api/v1/targets": TARGETS, "/api/v2/status": ALONE}) as rest,
            serve(pages) as platform,
        ):
            for name, value in {**rest.environ(str(tmp_path)), "CAD_ML_API_URL": platform.url}.items():
                monkeypatch.setenv(name, value)
            code = main(list(words))
        out = capsys.readouterr().out
        assert "s3cr3t" not in out
        return code, out

    return call


TARGETS = {"status": "success", "data": {"activeTargets": [{"labels": {"job": "cad-ml-platform"}, "health": "up"}]}}
ALONE = {"cluster": {"status": "disabled"}}


def serve(pages: dict[str, Any]) -> Any:
    return served.serve_platform(pages=pages, metrics="# TYPE ocr_requests_total counter\n")


@pytest.mark.parametrize(
    ("pages", "strict", "code", "result", "line"),
    [
        (FINE, False, 0, "passed", "ready: ready"),
        (FINE, False, 0, "passed", "service ml: is up"),
        (FINE, False, 0, "passed", "circuit breakers: 1 healthy"),
        (NOT_READY, False, 3, "failed", "ready: 503 not ready"),
        (NOT_READY, False, 3, "failed", "ready models_loaded: not_ready: ocr_paddle:missing"),
        (DEGRADED, False, 0, "noted", "breaker vision: open, failures 5 of 5"),
        (DEGRADED, False, 0, "noted", "degraded: v16_models_missing"),
        (DEGRADED, True, 3, "failed", "degraded: v16_models_missing"),
        (FINE | {"/ready": (401, {})}, False, 3, "failed", "ready: 401 "),
        (FINE | {"/ready": (404, {})}, False, 0, "skipped", "ready: not in this build (404)"),
        (WORD_ONLY, False, 0, "noted", "status: /health reports healthy, which some builds always do"),
        (FINE | {"/api/v1/providers/health": (200, served.PROVIDERS)}, False, 0, "noted", "ocr/deepseek_hf: not ready"),
    ],
)
def test_the_self_check(run: Run, pages: dict[str, Any], strict: bool, code: int, result: str, line: str) -> None:
    """503 fails with 3, as does a /ready that cannot be read; what is degraded is noted, and fails in strict mode; the word of
    /health passes nothing."""
    found, out = run(pages, "check", "--format", "json", *(["--strict"] if strict else []))
    output = [
        (item["result"], f"{item['name']}: {item['text']}") for item in json.loads(out)["checks"] if item["area"] == "health"
    ]
    assert found == code
    assert any(kind == result and text.startswith(line) for kind, text in output), output
    assert not any(kind == "passed" and text.startswith("status") for kind, text in output)


@pytest.mark.parametrize(
    ("pages", "state", "verdict", "critical"),
    [
        (FINE, "up", "ok", False),
        (NOT_READY, "not ready", "critical", True),
        (DEGRADED, "degraded", "warn", False),
        (WORD_ONLY, "degraded", "no_data", False),
        (FINE | {"/ready": (401, {})}, "degraded", "no_data", False),
        (FINE | {"/health": (200, served.HEALTH | {"services": {"redis": "down"}})}, "degraded", "critical", True),
    ],
)
def test_status(run: Run, pages: dict[str, Any], state: str, verdict: str, critical: bool) -> None:
    """The source's word, the verdict and the exit code agree; a platform that does not serve is critical."""
    code, out = run(pages, "status", "--format", "json")
    output = json.loads(out)
    assert (output["sources"]["platform"]["state"], output["platform"]["verdict"], code == 1) == (state, verdict, critical)


def test_status_in_json_has_what_the_platform_says(run: Run) -> None:
    """Checks, breakers, reasons, models, providers, vector versions and faiss, and which pages this build does not have."""
    pages = NOT_READY | {"/health/extended": (200, served.EXTENDED)}
    output = json.loads(run(pages, "status", "--format", "json")[1])["platform"]
    assert output["ready"] is False
    assert output["checks"][0] == {
        "name": "models_loaded",
        "status": "not_ready",
        "detail": "ocr_paddle:missing",
        "degraded": False,
    }
    assert output["breakers"] == [{"name": "vision", "state": "closed", "failures": 1, "threshold": 5}]
    assert (output["models"], output["vectors"]) == (
        {"ocr_paddle": "loaded"},
        {"total": 1500, "versions": {"v3": 300, "v4": 1200}},
    )
    assert output["faiss"]["enabled"] == "yes"
    assert output["unread"] == [{"path": "/api/v1/providers/health", "error": None, "absent": True}]


def test_status_and_doctor_in_words(run: Run) -> None:
    """The source is NOT READY with what is missing; each line has its verdict; doctor does not exit with 0."""
    for verb in ("status", "doctor"):
        code, out = run(NOT_READY, verb)
        assert code == 1
        assert "NOT READY" in out or "not ready" in out
        assert [line.split() for line in out.splitlines() if "models_loaded" in line and "Readiness" in line] == [
            ["CRIT", "Readiness", "models_loaded", "not_ready:", "ocr_paddle:missing"]
        ]


@pytest.mark.parametrize("name", ["morning", "hourly"])
@pytest.mark.parametrize(
    ("pages", "verdict", "output"),
    [
        (FINE, "ok", "the platform reports ready, 3 services are healthy, resilience is healthy"),
        (NOT_READY, "critical", "/ready: 503 not ready; models_loaded: not_ready: ocr_paddle:missing"),
        (DEGRADED, "warn", "degraded: v16_models_missing; resilience: degraded; vision: open, failures 5 of 5"),
        (WORD_ONLY, "no_data", "/health reports healthy, which some builds always do: nothing else is known"),
        ({}, "no_data", "404 nothing at this path"),
    ],
)
def test_the_checklists_ask_it(run: Run, name: str, pages: dict[str, Any], verdict: str, output: str) -> None:
    """The item is ok only where the platform says more than a constant word."""
    code, out = run(pages, "checklist", name, "--format", "json")
    (item,) = [each for each in json.loads(out)["items"] if each["id"] == "platform"]
    assert (item["verdict"], output in item["reason"]) == (verdict, True), item
    assert code != 0 or verdict == "ok"
