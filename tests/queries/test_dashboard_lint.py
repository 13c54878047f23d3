"""Existing dashboards against a real Prometheus: each fault is found by its name, and a sound twin stays quiet."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from console.cli import main
from console.demo.stack import DemoStack
from queries.endpoint import Endpoint, HttpConfig
from queries.errors import SourceError
from queries.grafana import Grafana

pytestmark = pytest.mark.servers

TWINS = [
    ("unknown-metric", "rate(ocr_request_total[5m])", "rate(ocr_requests_total[5m])"),
    ("unknown-label", 'ocr_requests_total{provder="paddle"}', 'ocr_requests_total{provider="paddle"}'),
    ("unknown-label", "sum by (prov) (ocr_requests_total)", "sum by (provider) (ocr_requests_total)"),
    (
        "unknown-label",
        "sum by (shape) (ocr_circuit_state)",
        'sum by (shape) (label_replace(ocr_circuit_state, "shape", "$1", "key", "(.+)"))',
    ),
    ("no-data", 'ocr_requests_total{status="nope"}', 'ocr_requests_total{status="success"}'),
    ("not-promql", "sum(rate(", "sum(up)"),
    ("unknown-variable", 'up{job="$nope"}', 'up{job="$job"}'),
    ("refused", "up * on (foo) ocr_requests_total", "up * on (job) group_right ocr_requests_total"),
]


@pytest.fixture(scope="module")
def address(calm_stack: DemoStack) -> Iterator[str]:
    calm_stack.settle()
    yield calm_stack.addresses.prometheus


def dashboard(folder: Path, *expressions: str, **more: Any) -> str:
    path = folder / "dashboard.json"
    variables = [{"name": "job", "type": "custom", "current": {"value": "cad-ml-platform"}}]
    targets = [{"refId": chr(65 + at), "expr": text} for at, text in enumerate(expressions)]
    told = {"title": "T", "templating": {"list": variables}, "panels": [{"title": "P", "targets": targets}], **more}
    path.write_text(json.dumps(told))
    return str(path)


def lint(capsys: pytest.CaptureFixture[str], address: str, *words: str) -> tuple[int, dict[str, Any]]:
    code = main(["dashboards", "lint", "--format", "json", "--prometheus-url", address, *words])
    return code, json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(("rule", "bad", "good"), TWINS, ids=[f"{rule}-{at}" for at, (rule, _, _) in enumerate(TWINS)])
def test_each_fault_and_its_sound_twin(
    address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], rule: str, bad: str, good: str
) -> None:
    """The faulty query gives exactly this finding, with its place and a way to mend it; the mended one gives none."""
    code, told = lint(capsys, address, dashboard(tmp_path, bad))
    (finding,) = told["findings"]
    assert finding["rule"] == rule and finding["place"] == '"P" A' and finding["problem"] and finding["mend"]
    assert code == (3 if finding["severity"] == "warning" else 1)
    assert lint(capsys, address, dashboard(tmp_path, good)) == (0, {"dashboards": 1, "queries": 1, "findings": []})


def test_the_exported_dashboards_are_clean(address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every query of the five key dashboards, with rules and without, returns data on the embedded stack."""
    for more in ([], ["--raw"]):
        assert main(["dashboards", "export", "--output", str(tmp_path / "out"), *more]) == 0
        capsys.readouterr()
        code, told = lint(capsys, address, *map(str, sorted((tmp_path / "out").iterdir())))
        assert (code, told["findings"]) == (0, [])
        assert told["dashboards"] == 5 and told["queries"] > 60


def test_a_variables_query_is_checked_too(address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A drop-down that asks for a label that nobody has stays empty: it is named."""
    variable = {"name": "v", "type": "query", "query": "label_values(ocr_requests_total, providr)"}
    code, told = lint(capsys, address, dashboard(tmp_path, "up", templating={"list": [variable]}))
    assert code == 1 and [item["place"] for item in told["findings"]] == ["variable v"]


def test_what_is_not_checked_is_said(address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A dashboard that asks only Loki is no clean one: it is a warning that nothing was checked."""
    panels = [{"targets": [{"refId": "A", "expr": "{}", "datasource": {"type": "loki"}}]}]
    code, told = lint(capsys, address, dashboard(tmp_path, panels=panels))
    assert (code, told["findings"][0]["rule"]) == (3, "no-queries")
    assert "loki" in told["findings"][0]["mend"]


@pytest.mark.parametrize(("text", "words"), [("{", "not JSON"), ("[]", "no Grafana dashboard"), (None, "No such file")])
def test_what_is_no_dashboard_is_an_error(
    address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str | None, words: str
) -> None:
    """A file that cannot be read is a finding, never skipped."""
    path = tmp_path / "x.json"
    if text is not None:
        path.write_text(text)
    code, told = lint(capsys, address, str(path))
    assert code == 1 and words in told["findings"][0]["problem"]


def test_what_cannot_be_judged_is_not_clean(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a Prometheus, or with a dead one, or with nothing named, the exit code is 2 and the reason is one line."""
    file = dashboard(tmp_path, "up")
    for words in (
        ["dashboards", "lint", file, "--config", "/dev/null"],
        ["dashboards", "lint", file, "--prometheus-url", "http://127.0.0.1:9"],
        ["dashboards", "lint"],
    ):
        assert main(words) == 2
        assert capsys.readouterr().err.count("\n") == 1


async def test_live_dashboards_are_read_from_grafana() -> None:
    """Every dashboard that the token may see, by title; a page that is no Grafana is said to be none."""
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers.get("authorization", ""))
        if request.url.path == "/api/search":
            return httpx.Response(200, json=[{"uid": "b", "title": "B"}, {"uid": "a", "title": "A"}])
        return httpx.Response(200, json={"dashboard": {"panels": [], "uid": request.url.path[-1]}, "meta": {}})

    endpoint = Endpoint("http://grafana", HttpConfig(credentials="secret"))
    grafana = Grafana(endpoint, transport=httpx.MockTransport(answer))
    found = await grafana.dashboards()
    assert [(title, model["uid"]) for title, model in found] == [("A", "a"), ("B", "b")]
    assert set(seen) == {"Bearer secret"}
    await grafana.close()
    other = Grafana(endpoint, transport=httpx.MockTransport(lambda _: httpx.Response(200, json=[{"name": "x"}])))
    with pytest.raises(SourceError, match="Grafana"):
        await other.dashboards()
    await other.close()
