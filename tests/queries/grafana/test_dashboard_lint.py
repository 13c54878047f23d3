"""Existing dashboards against a real Prometheus: each fault is found by its name, and a sound twin stays quiet."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from console.cli.main import main
from console.demo.stack import DemoStack
from queries.errors import SourceError
from queries.grafana.client import Grafana
from queries.http.endpoint import Endpoint, HttpConfig

pytestmark = pytest.mark.servers

OCR = "ocr_requests_total"
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


CLEAN = {"dashboards": 1, "queries": 0, "findings": [], "not_checked": []}
CLASS = 'sum by (class) (label_replace({}, "class", "{}", "provider", "{}"))'
GRAFANA = [
    # What a regular expression captured is no variable, and hides nothing.
    ("unknown-metric", [CLASS.format("ocr_request_total", "${1}xx", "(.).*")], [CLASS.format(OCR, "${1}xx", "(.).*")]),
    ("unknown-metric", [CLASS.format("ocr_request_total", "$1", "(.).*")], [CLASS.format(OCR, "$1", "(.).*")]),
    ("unknown-variable", [CLASS.format(OCR, "$begin", "(.).*")], [CLASS.format(OCR, "$begin", "(?P<begin>.).*")]),
    # A variable matches whatever is there, by whichever operator and in whichever form.
    ("unknown-label", [OCR + '{provder="$provider"}'], [OCR + '{provider="$provider"}']),
    ("unknown-label", [OCR + '{provder=~"$provider"}'], [OCR + '{provider=~"${provider:regex}"}']),
    ("unknown-metric", ['ocr_request_total{provider="$provider"}'], [OCR + '{provider=~"[[provider:pipe]]"}']),
    ("no-data", [OCR + '{provider="$provider",status="nope"}'], [OCR + '{provider="$provider",status="success"}']),
    ("no-data", [OCR + '{provider="no-$provider"}'], [OCR + '{provider!="$provider",status=~"$typed.*"}']),
    ("no-data", [OCR + '{status="$wrong"}'], [OCR + '{status="$status"}', OCR + '{status=~"$status"}']),
    ("unknown-metric", ["rate(ocr_request_total[$every])"], [f"rate({OCR}[$every])", f"rate({OCR}[$__interval])"]),
    ("unknown-label", [f"sum by ($nolabel) ({OCR})"], [f"sum by ($label) ({OCR})", "topk($count, ocr_circuit_state)"]),
    ("no-data", [OCR + '{status="nope"} @ $__to'], [OCR + " @ ${__to:date:seconds}", "time() - $__from / 1000"]),
    # The cluster where there is but one: the variable stays empty, and the dashboard works.
    ("unknown-label", [f"sum by (zon) ({OCR})"], [OCR + '{zone="$zone"}', f"sum by (zone, provider) ({OCR})"]),
    # Nothing is an answer where a query compares, `or` asks for one of several, and alerts may not fire.
    ("no-data", [OCR + '{status="nope"} < 0'], [OCR + " < 0", f"absent({OCR})", 'ALERTS{alertname="X"}']),
    ("unknown-metric", ["ocr_request_total or ocr_requests"], [f"ocr_request_total or {OCR}"]),
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
    assert lint(capsys, address, dashboard(tmp_path, good)) == (0, {**CLEAN, "queries": 1})


def variables() -> list[dict[str, Any]]:
    """One of every kind that Grafana has, saved as a shared export is: without a value."""
    ours = {"type": "query", "datasource": {"type": "prometheus"}, "current": {}}
    return [
        {"name": "ds", "type": "datasource", "query": "prometheus", "current": {}},
        {"name": "provider", **ours, "query": f"label_values({OCR}, provider)", "multi": True, "includeAll": True},
        {"name": "zone", **ours, "query": f"label_values({OCR}, zone)", "hide": 2},
        {"name": "status", "type": "custom", "query": "Good : success, Bad : error, nope", "current": {}},
        {"name": "wrong", "type": "custom", "query": "Good : sucess, nope", "current": {}},
        {"name": "every", "type": "interval", "query": "1m,10m,1d", "auto": True, "current": {}},
        {"name": "typed", "type": "textbox", "query": "", "current": {}},
        {"name": "count", "type": "custom", "query": "5,10", "current": {}},
        {"name": "label", "type": "constant", "query": "provider"},
        {"name": "nolabel", "type": "constant", "query": "providr"},
        {"name": "filters", "type": "adhoc", "datasource": {"type": "prometheus"}, "filters": []},
    ]


@pytest.mark.parametrize(("rule", "bad", "good"), GRAFANA, ids=[f"{rule}-{at}" for at, (rule, _, _) in enumerate(GRAFANA)])
def test_variables_hide_no_fault_and_make_none(
    address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], rule: str, bad: list[str], good: list[str]
) -> None:
    """Variables of every kind, without saved values: the trap gives exactly its finding, the twins give none."""
    templating = {"list": variables()}
    _, told = lint(capsys, address, dashboard(tmp_path, *bad, templating=templating))
    assert [(item["rule"], item["place"]) for item in told["findings"]] == [(rule, '"P" A')]
    code, told = lint(capsys, address, dashboard(tmp_path, *good, templating=templating))
    assert (code, told["findings"], told["not_checked"]) == (0, [], [])


@pytest.mark.parametrize(
    ("bad", "good"),
    [
        ("label_values(ocr_requests_total, providr)", "label_values(ocr_requests_total, provider)"),
        ("query_result(topk(5, ocr_request_total))", "query_result(topk(5, ocr_requests_total))"),
        ("metrics(no_such_.*)", "metrics(ocr_.*)"),
        ("label_names(ocr_request_total)", "label_names()"),
        ("label_names(ocr_request_total)", "label_names(ocr_requests_total)"),
        ('label_values({__name__="ocr_request_total",job=~"$job"}, instance)', 'label_values({job=~"$job"}, instance)'),
        ({"query": "ocr_request_total", "qryType": 4}, {"query": 'ocr_requests_total{job="$job"}', "qryType": 4}),
    ],
)
def test_every_function_of_a_variables_query(
    address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], bad: Any, good: Any
) -> None:
    """Each function of Grafana's, as a text and as an object: the trap is found, the twin is quiet."""
    source = {"type": "prometheus"}
    first = {"name": "job", "type": "query", "query": "label_values(up, job)", "datasource": source, "current": {}}
    for asked, count in ((bad, 1), (good, 0)):
        made = {"name": "v", "type": "query", "query": asked, "datasource": source, "current": {}, "regex": '/x="([^"]+)/'}
        _, told = lint(capsys, address, dashboard(tmp_path, "up", templating={"list": [first, made]}))
        assert [item["place"] for item in told["findings"]] == count * ["variable v"], told


def test_a_shared_export_names_its_sources_in_its_inputs(
    address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Queries of a log source are left alone, however it is named, and counted; those of Prometheus are checked."""
    inputs = [
        {"name": "DS_LOKI", "type": "datasource", "pluginId": "loki"},
        {"name": "DS_PROM", "type": "datasource", "pluginId": "prometheus"},
        {"name": "VAR_STATUS", "type": "constant", "value": "success"},
    ]
    logs, odd = '{app="x"} |= "error"', 'sum(rate({app="x"} | json [5m]))'
    constant = {"name": "status", "type": "constant", "query": "${VAR_STATUS}"}
    for metric, rules in (("ocr_request_total", ["unknown-metric"]), (OCR, [])):
        asked = [("${DS_LOKI}", logs), ("Loki", odd), ({"uid": "P8E80F9AEF21F6940"}, odd)]
        asked += [(source, f'{metric}{{status="$status"}}') for source in ("${DS_PROM}", {"uid": "${DS_PROM}"}, "Prometheus")]
        panels = [
            {"title": f"{at}", "datasource": source, "targets": [{"refId": "A", "expr": text}]}
            for at, (source, text) in enumerate(asked)
        ]
        more = {"__inputs": inputs, "panels": panels, "templating": {"list": [constant]}}
        _, told = lint(capsys, address, dashboard(tmp_path, **more))
        assert [item["rule"] for item in told["findings"]] == 3 * rules
        assert told["queries"] == 3 and sum(item["queries"] for item in told["not_checked"]) == 3


def test_a_variable_without_a_value_is_blamed_once(address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A drop-down that stays empty is one finding, not one for each query that returns nothing because of it."""
    asked = {
        "gone": (f"label_values({OCR}, providr)", "unknown-label"),
        "never": (f'label_values({OCR}{{status="x"}}, status)', "no-data"),
    }
    for name, (query, rule) in asked.items():
        variable = {"name": name, "type": "query", "query": query, "current": {}}
        texts = [f'{OCR}{{provider="${name}"}}', f'rate({OCR}{{status=~"${name}"}}[5m])', f"sum({OCR})"]
        _, told = lint(capsys, address, dashboard(tmp_path, *texts, templating={"list": [variable]}))
        assert [(item["rule"], item["place"]) for item in told["findings"]] == [(rule, f"variable {name}")]


def test_a_variable_without_a_value_harms_nobody_where_its_label_is_nowhere(
    address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The cluster where there is but one: every query works without it. Another query's own fault is not laid at its door."""
    variable = {"name": "zone", "type": "query", "query": f"label_values({OCR}, zone)", "current": {}}
    good = [f'{OCR}{{zone="$zone"}}', f"sum by (zone, provider) (rate({OCR}[5m]))"]
    code, told = lint(capsys, address, dashboard(tmp_path, *good, templating={"list": [variable]}))
    assert (code, told["findings"]) == (0, [])
    _, told = lint(capsys, address, dashboard(tmp_path, f'{OCR}{{zone="$zone",status="x"}}', templating={"list": [variable]}))
    assert [(item["rule"], item["place"]) for item in told["findings"]] == [("no-data", '"P" A')]


def test_what_only_a_person_can_fill_in_is_said(address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A metric's name that is chosen on the screen: nothing is claimed of the query, and the report says so."""
    variable = {"name": "metric", "type": "query", "query": "metrics(ocr_.*)", "current": {}}
    path = dashboard(tmp_path, "rate($metric[5m])", 'ocr_requests_total{provider="x$metric"}', templating={"list": [variable]})
    code, told = lint(capsys, address, path)
    assert (code, told["not_checked"][0]["queries"]) == (3, 1) and "$metric" in told["not_checked"][0]["why"]
    assert [item["rule"] for item in told["findings"]] == ["no-data"]
    assert main(["dashboards", "lint", "--prometheus-url", address, path]) == 3
    assert "1 query was not checked: no value is known for $metric" in capsys.readouterr().out


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


@pytest.mark.parametrize(("text", "words"), [("{", "not JSON"), ("[]", "not a Grafana dashboard"), (None, "No such file")])
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
