"""The check of a dashboard's queries against what a server answers: names, labels, variables, conditions and refusals."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from fake_prometheus import FakePrometheus

from queries.errors import InvalidResponse
from queries.grafana.client import Grafana
from queries.grafana.dashboard_lint import ERROR, WARNING, DashboardFinding, Exported, lint_dashboards
from queries.grafana.model import read_dashboard
from queries.http.endpoint import Endpoint

EXPORTED = Exported(
    frozenset({"ocr_requests", "ocr_errors", "up"}), frozenset({"ocr_later", "ocr_seconds"}), frozenset({"provider", "job"})
)
LABELS = {("ocr_requests", "provider"), ("ocr_errors", "provider"), ("ocr_errors", "code"), ("up", "job")}
SOME = [({"provider": "paddle"}, "1")]


class Server(FakePrometheus):
    """Every metric's labels as LABELS has them, and the series that a test names."""

    def __init__(self, **series: Any) -> None:
        super().__init__()
        for name in sorted(EXPORTED.names):
            for label in ("provider", "code", "job", "zone", "prov", "cluster"):
                self.series[f'count({{__name__="{name}",{label}!=""}})'] = [({}, "1")] if (name, label) in LABELS else []
        self.series |= series


def dashboard(*queries: str, variables: list[dict[str, Any]] | None = None, **more: Any) -> Any:
    targets = [{"refId": chr(65 + at), "expr": query} for at, query in enumerate(queries)]
    return {"title": "D", "panels": [{"title": "P", "targets": targets}], "templating": {"list": variables or []}, **more}


async def lint(
    document: Any, *, exported: Exported = EXPORTED, refuses: tuple[str, ...] = (), **series: Any
) -> list[DashboardFinding]:
    server = Server(**series)
    server.refuses = dict.fromkeys(refuses, (422, "execution"))
    source = server.source()
    try:
        return list(await lint_dashboards([("board", read_dashboard(document))], source, exported))
    finally:
        await source.close()


def shown(findings: list[DashboardFinding]) -> list[tuple[str, str, str]]:
    return [(item.rule, item.severity, item.problem) for item in findings]


def exports(name: str) -> tuple[str, str, str]:
    return "unknown-metric", ERROR, f"no target exports {name}"


def lacks(label: str) -> tuple[str, str, str]:
    return "unknown-label", ERROR, f"no series of ocr_requests has the label {label}"


@pytest.mark.parametrize(
    ("query", "findings"),
    [
        ("gone", [exports("gone")]),
        ("gone + lost", [exports("gone"), exports("lost")]),
        ("gone or lost", [exports("gone or lost")]),
        ("gone or gone", [exports("gone")]),
        ("ocr_later", [("never-counted", WARNING, "ocr_later is exported, but has never been counted")]),
        ("ocr_later_total", [("never-counted", WARNING, "ocr_later_total is exported, but has never been counted")]),
        ("ocr_seconds_bucket", [("never-counted", WARNING, "ocr_seconds_bucket is exported, but has never been counted")]),
        ("gone or ocr_later", [("never-counted", WARNING, "gone or ocr_later is exported, but has never been counted")]),
        ("absent(gone)", []),
        ("ALERTS + ALERTS_FOR_STATE", []),
        ('ocr_requests{prov="a"}', [lacks("prov")]),
        ('ocr_requests{prov!="a"}', []),
        ('{__name__=~"ocr_requests|ocr_errors", code="a"}', []),
        ('{__name__=~"ocr_requests|ocr_errors", zone="a"}', [lacks("zone")]),
        ("sum by (prov, provider) (ocr_requests)", [lacks("prov")]),
        ("sum without (prov) (ocr_requests)", []),
        ('sum by (zone) (label_replace(ocr_requests, "zone", "$1", "provider", "(.*)"))', []),
        ('sum by (zone) (label_join(ocr_requests, "zone", "-", "provider"))', []),
        ('sum by (zone) (count_values("zone", ocr_requests))', []),
        ('sum by (cluster) (count_values("zone", ocr_requests))', [lacks("cluster")]),
        ('gone{prov="a"}', [exports("gone")]),
        ("sum by (prov) (gone)", [exports("gone")]),
        ("sum(rate(", [("not-promql", ERROR, None)]),
        ("up{job='$nope'}", [("unknown-variable", ERROR, "the dashboard has no variable $nope")]),
        ("up{a='$b', c='$d'}", [("unknown-variable", ERROR, "the dashboard has no variable $b, $d")]),
        ("", []),
    ],
)  # fmt: skip
async def test_each_fault_by_its_name(query: str, findings: list[tuple[str, str, str | None]]) -> None:
    """Names, labels and syntax, each with its severity and sentence; a sound query has none."""
    found = await lint(dashboard(query, "up"), **{query: SOME, "up": SOME})
    assert [(item.rule, item.severity) for item in found] == [(rule, severity) for rule, severity, _ in findings]
    assert [item.problem for item, (_, _, text) in zip(found, findings, strict=True) if text] == [
        text for *_, text in findings if text
    ]
    assert {(item.dashboard, item.place) for item in found} <= {("board", '"P" A')} and all(item.fix for item in found)


@pytest.mark.parametrize(
    ("query", "series", "empty"),
    [
        ("ocr_requests", {}, True),
        ("ocr_requests > 5", {"count(ocr_requests{})": SOME}, False),
        ("ocr_requests > 5", {}, True),
        ("ocr_requests > bool 5", {"count(ocr_requests{})": SOME}, True),
        ("ocr_requests unless ocr_errors", {"count(ocr_requests{})": SOME, "count(ocr_errors{})": SOME}, False),
        ("ocr_requests unless ocr_errors", {"count(ocr_requests{})": SOME}, True),
        ("rate(ocr_requests[5m]) > 0", {"count(present_over_time(ocr_requests{}[300s]))": SOME}, False),
        ("rate(ocr_requests[500ms]) > 0", {"count(present_over_time(ocr_requests{}[1s]))": SOME}, False),
        ("absent(ocr_requests)", {"count(ocr_requests{})": SOME}, False),
        ('ALERTS{alertname="X"}', {}, False),
        ("ocr_requests + ocr_errors", {"count(ocr_requests{})": SOME, "count(ocr_errors{})": SOME}, True),
    ],
)
async def test_an_empty_answer(query: str, series: dict[str, Any], empty: bool) -> None:
    """Nothing is an answer for a condition on series that exist, and for alerts; otherwise the matchers are suspect."""
    text = "metrics and labels exist, the query returns nothing now"
    assert shown(await lint(dashboard(query), **series)) == ([("no-data", WARNING, text)] if empty else [])


async def test_a_query_that_the_server_refuses() -> None:
    """The server's own sentence, beside what was found already."""
    (found,) = await lint(dashboard("up * on (job) ocr_requests"), refuses=("up * on (job) ocr_requests",))
    assert (found.rule, found.severity) == (
        "refused",
        ERROR,
    ) and found.problem == "1:3: cannot evaluate up * on (job) ocr_requests at http://prometheus"
    query = 'up{zone="a"}'
    assert [item.rule for item in await lint(dashboard(query), refuses=(query,))] == ["unknown-label", "refused"]


async def test_a_dashboard_without_queries() -> None:
    """With what it has instead; an empty one can be skipped."""
    (found,) = await lint({"panels": []})
    assert (found.rule, found.severity, found.place, found.fix) == ("no-queries", WARNING, "dashboard", "it can be skipped")
    loki = {"type": "loki"}
    (found,) = await lint({"panels": [{"targets": [{"expr": "x", "datasource": loki}, {"expr": "y", "datasource": loki}]}]})
    assert found.fix == "its other queries (2 of loki) are not checked"


def variable(name: str, query: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": "query", "query": query, **more}


ZONE = variable("zone", "label_values(up, zone)")
USES_ZONE = 'up{zone="$zone"}'


async def test_a_variable_without_a_value_that_nothing_uses() -> None:
    """It is seen in the dashboard, so it is named, unless it is hidden; a label that exists is no fault."""
    (found,) = await lint(dashboard("up", variables=[ZONE]), up=SOME, **{"group by (zone) (up)": [({}, "1")]})
    assert (found.rule, found.place, found.problem) == ("unknown-label", "variable zone", "no series of up has the label zone")
    nothing = {"up": SOME, 'group by (job) (up{job="x"})': []}
    (found,) = await lint(dashboard("up", variables=[variable("v", 'label_values(up{job="x"}, job)')]), **nothing)
    assert (found.rule, found.severity, found.place) == ("no-data", WARNING, "variable v")
    assert (found.problem, found.fix) == ("no series has a value for $v: it stays empty", "check its matchers")
    hidden = variable("v", 'label_values(up{job="x"}, job)', hide=2)
    assert await lint(dashboard("up", variables=[hidden]), **nothing) == []
    sound = variable("job", "label_values(up, job)")
    assert await lint(dashboard("up", variables=[sound]), up=SOME, **{"group by (job) (up)": [({"job": "a"}, "1")]}) == []


@pytest.mark.parametrize(("count", "words"), [(1, "1 query returns nothing"), (2, "2 queries return nothing")])
async def test_queries_that_are_empty_for_want_of_a_variable(count: int, words: str) -> None:
    """One finding for the variable instead of one for each query."""
    variables = [variable("v", 'label_values(up{job="x"}, job)')]
    queries = [f'ocr_requests{{provider="$v"}} + {at}' for at in range(count)]
    found = await lint(dashboard(*queries, variables=variables))
    assert shown(found) == [("no-data", WARNING, f"no series has a value for $v: {words}")] and found[0].place == "variable v"


async def test_a_label_that_only_some_servers_have() -> None:
    """`zone` where there is but one: the variable stays empty, the dashboard works, and nothing is wrong."""
    answers = {"group by (zone) (up)": [({}, "1")], 'up{zone=~""}': SOME, 'up{zone=""}': SOME, "sum by (zone) (up)": SOME}
    assert await lint(dashboard(USES_ZONE, "sum by (zone) (up)", variables=[ZONE]), **answers) == []


async def test_a_variable_by_names_labels_and_functions() -> None:
    """`metrics()` needs a metric of that name, `label_values(label)` any series with the label, `query_result()` an answer."""
    names = [variable("a", "metrics(gone.*)"), variable("b", "metrics(ocr.*)")]
    (found,) = await lint(dashboard("up", variables=names), up=SOME)
    assert (found.rule, found.place, found.problem) == ("unknown-metric", "variable a", "no metric's name matches gone.*")
    labels = [variable("a", "label_values(gone)"), variable("b", "label_values(job)")]
    found_ = await lint(dashboard("up", variables=labels), up=SOME)
    assert [(item.place, item.rule) for item in found_] == [("variable a", "no-data")]
    results = [variable("a", "query_result(ocr_requests)"), variable("b", "query_result(ocr_errors)")]
    found_ = await lint(dashboard("up", variables=results), up=SOME, ocr_errors=SOME)
    assert [(item.place, item.rule) for item in found_] == [("variable a", "no-data")]


async def test_what_is_announced() -> None:
    """A family's name, or any of its series' names."""
    names = ("ocr_later", "ocr_seconds_sum", "ocr_seconds_count", "ocr_seconds_x", "up")
    assert [EXPORTED.never_counted(name) for name in names] == [
        True, True, True, False, False
    ]  # fmt: skip
    assert EXPORTED.any_like("ocr_.*") and not EXPORTED.any_like("ocr")


def grafana(listed: Any, **boards: Any) -> tuple[Grafana, list[httpx.Request]]:
    sent: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        if request.url.path == "/api/search":
            return httpx.Response(200, json=listed)
        return httpx.Response(200, json=boards[request.url.path.rpartition("/")[2]])

    return Grafana(Endpoint("http://grafana"), transport=httpx.MockTransport(answer)), sent


async def test_the_dashboards_of_a_grafana() -> None:
    """Every dashboard with its title, sorted; folders are not asked for, and a secret's place is the URL's."""
    client, sent = grafana(
        [{"uid": "b", "title": "Zeta"}, {"uid": "a"}], a={"dashboard": {"x": 1}}, b={"dashboard": {"y": 2}, "meta": {}}
    )
    assert await client.dashboards() == (("Zeta", {"y": 2}), ("a", {"x": 1}))
    assert dict(sent[0].url.params) == {"type": "dash-db", "limit": "5000"}
    assert [request.url.path for request in sent[1:]] == ["/api/dashboards/uid/b", "/api/dashboards/uid/a"]
    await client.close()


@pytest.mark.parametrize(("listed", "words"), [([{"title": "x"}], "no uid"), ([{"uid": "a"}], "no dashboard"), ({}, None)])
async def test_what_is_no_grafana(listed: Any, words: str | None) -> None:
    """An entry without a uid, an answer without a dashboard, or another document: malformed, with the address."""
    client, _ = grafana(listed, a={"meta": {}})
    with pytest.raises(InvalidResponse, match=words) as refused:
        await client.dashboards()
    assert refused.value.fault.where == "http://grafana"
    await client.close()
