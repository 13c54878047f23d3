"""One Prometheus: what is asked at which moment, what follows a refusal, and what it says of itself."""

from __future__ import annotations

import json
import time
from email.utils import formatdate
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
from fake_prometheus import NOW, FakePrometheus

from queries.errors import RequestRejected, SourceError
from queries.http.endpoint import Endpoint
from queries.model.fault import FaultKind
from queries.model.panel import PanelSpec, Unit
from queries.model.rule import Rule, RuleGroup, RuleKind, RuleMatch
from queries.prometheus.client import Prometheus
from queries.prometheus.history import Window
from queries.promql.our_rules import our_recordings

SPEC = PanelSpec("p", "P", Unit.COUNT, raw="raw", recorded="rec", recorded_names=("rec",))


class Server:
    """Answers by path; `asked` has method, path and parameters of each request."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        self.now = NOW

    def __call__(self, request: httpx.Request) -> httpx.Response:
        raw = request.content.decode() if request.method == "POST" else request.url.query.decode()
        path = request.url.path.removeprefix("/api/v1/")
        self.asked.append((request.method, path, {name: values[-1] for name, values in parse_qs(raw).items()}))
        answer = self.answers.get(path.replace("/", "_"), (404, "404 page not found"))
        answer = answer(request) if callable(answer) else answer
        status, body = answer if isinstance(answer, tuple) else (200, {"status": "success", "data": answer})
        return httpx.Response(status, text=body) if isinstance(body, str) else httpx.Response(status, json=body)

    def source(self) -> Prometheus:
        return Prometheus(Endpoint("http://prometheus"), transport=httpx.MockTransport(self), clock=lambda: self.now)


def vector(*values: float, **labels: str) -> dict[str, Any]:
    return {"resultType": "vector", "result": [{"metric": labels, "value": [NOW, str(value)]} for value in values]}


def matrix(*series: tuple[dict[str, str], float]) -> dict[str, Any]:
    return {"resultType": "matrix", "result": [{"metric": labels, "values": [[NOW, str(value)]]} for labels, value in series]}


async def test_a_query_at_a_moment() -> None:
    """Without a time it is evaluated now; a client of a past moment asks for that one, unless a time is given."""
    server = Server(query=vector(1.0))
    source = server.source()
    noted: list[tuple[str, float]] = []
    source.note_query = lambda text, step: noted.append((text, step))
    past = source.as_of(lambda: 1000.25)
    await source.query("up")
    await past.query("up")
    await past.query("up", at=7.0)
    assert [params.get("time") for _, _, params in server.asked] == [None, "1000.250", "7.000"]
    assert noted == [("up", 0.0)] * 3 and past.where == source.where == "http://prometheus"
    await past.close()
    assert (await source.query("up")).samples, "closing the past leaves the connections"
    await source.close()


async def test_a_range() -> None:
    """Start, end and step to the millisecond, and the step is noted."""
    server = Server(query_range=matrix(({}, 1.0)))
    source = server.source()
    noted: list[tuple[str, float]] = []
    source.note_query = lambda text, step: noted.append((text, step))
    assert (await source.query_range("up", start=1.0, end=2.5, step_seconds=0.5)).series
    ((_, path, params),) = server.asked
    assert path == "query_range" and (params["start"], params["end"], params["step"]) == ("1.000", "2.500", "0.500")
    assert noted == [("up", 0.5)]
    await source.close()


async def test_a_long_query_is_a_form_until_a_proxy_refuses_forms() -> None:
    """405 means a proxy that lets only GETs pass: from then on every query is a URL; any other refusal is the server's."""
    server = Server(query=lambda request: (405, "x") if request.method == "POST" else vector(1.0))
    source = server.source()
    long = " + ".join(["up"] * 1000)
    assert (await source.query(long)).samples and (await source.query(long)).samples and (await source.query("up")).samples
    assert [method for method, _, _ in server.asked] == ["POST", "GET", "GET", "GET"]
    await source.close()
    bad = Server(query=(400, {"status": "error", "errorType": "bad_data", "error": "why"}))
    source = bad.source()
    with pytest.raises(RequestRejected):
        await source.query(long)
    assert [method for method, _, _ in bad.asked] == ["POST"]
    await source.close()


@pytest.mark.parametrize(
    ("answer", "said"), [({"storageRetention": "15d or 10GiB"}, "15d or 10GiB"), ({"storageRetention": "15d"}, "15d"), ({}, "")]
)
async def test_how_long_it_keeps_samples(answer: dict[str, str], said: str) -> None:
    """In its own words; nothing where it does not say."""
    source = Server(status_runtimeinfo=answer).source()
    assert await source.retention() == said
    await source.close()


async def test_bodies_as_they_were_sent() -> None:
    """Rules and metadata, for a bundle that stores them."""
    server = Server(rules={"groups": []}, metadata={"up": []})
    source = server.source()
    assert json.loads(await source.raw_rules()) == {"status": "success", "data": {"groups": []}}
    assert json.loads(await source.raw_metadata("up")) == {"status": "success", "data": {"up": []}}
    assert server.asked[-1][2] == {"metric": "up"}
    await source.close()


async def test_rules_are_fetched_once_a_minute_where_nobody_else_does() -> None:
    """At once, and a minute after that; a failure is no error of the refresh; a poller that fetches them is enough."""
    server = Server(rules=(500, "broken"))
    source = server.source()

    async def fetched() -> int:
        server.asked.clear()
        await source.refresh_rules()
        return len([path for _, path, _ in server.asked if path == "rules"])

    assert await fetched() >= 1
    server.now += 59.9
    assert await fetched() == 0
    server.now += 0.1
    assert await fetched() >= 1
    source.rules_expected = True
    server.now += 60.0
    assert await fetched() == 0
    await source.close()


async def test_a_text_with_signals() -> None:
    """It is expanded by this server's definitions; an unknown signal is refused with this server's address."""
    source = Server().source()
    assert "ocr_requests_total" in source.expand("sum(${ocr_requests[5m]})") and source.expand("up") == "up"
    with pytest.raises(RequestRejected) as refused:
        source.expand("${nope[5m]}")
    assert refused.value.fault.where == "http://prometheus" and "nope" in refused.value.fault.what
    await source.close()


async def test_a_text_without_witnesses_asks_nothing() -> None:
    """No second count, no request."""
    server = Server(query=vector())
    source = server.source()
    assert await source.contradictions("up") == () and server.asked == []
    assert await source.contradictions("${ocr_failures[5m]}", at=7.0) == ()
    ((_, path, params),) = server.asked
    assert path == "query" and params["time"] == "7.000" and source.pairs(SPEC) == ()
    await source.close()


async def test_one_panel_in_one_request() -> None:
    """Its samples, or the fault of its own expression; what is partial says so."""
    fake = FakePrometheus()
    fake.series = {"mine": [({"a": "b"}, "3")]}
    fake.refuses = {"bad": (422, "execution")}
    source = fake.source()
    found = await source.panel(SPEC, "mine")
    assert (found.id, found.query, [item.value for item in found.samples], found.fault) == ("p", "mine", [3.0], None)
    refused = await source.panel(SPEC, "bad")
    assert refused.fault is not None and refused.fault.kind is FaultKind.REJECTED and refused.samples == ()
    fake.extra = {"warnings": ["store gone"]}
    assert (await source.panel(SPEC, "mine")).partial == "store gone"
    await source.close()


async def test_the_series_of_a_panel() -> None:
    """From the recorded series, without its name; from the raw expression where it has none; a failure is data, and the note
    says what is missing from a partial answer.
    """
    server = Server(query_range=matrix(({"__name__": "rec", "a": "b"}, 2.0)))
    source = server.source()
    found = await source.history(SPEC, start=NOW - 60.0, end=NOW, step_seconds=15.0)
    assert [(item.labels, item.points) for item in found.series] == [((("a", "b"),), ((NOW, 2.0),))]
    assert (found.id, found.start, found.end, found.step_seconds) == ("p", NOW - 60.0, NOW, 15.0)
    assert found.fault is None and found.note == "" and [params["query"] for _, _, params in server.asked] == ["rec"]
    server.answers["query_range"] = lambda request: matrix() if b"=rec" in request.url.query else matrix(({}, 3.0))
    server.asked.clear()
    raw = await source.history(SPEC, start=NOW - 60.0, end=NOW, step_seconds=15.0)
    assert [item.points for item in raw.series] == [((NOW, 3.0),)]
    assert [params["query"] for _, _, params in server.asked] == ["rec", "raw"]
    server.answers["query_range"] = (200, {"status": "success", "data": matrix(({}, 2.0)), "warnings": ["store gone"]})
    assert (await source.history(SPEC, start=NOW - 60.0, end=NOW, step_seconds=15.0)).note == "IN DOUBT: partial: store gone"
    server.answers["query_range"] = (500, "broken")
    failed = await source.history(SPEC, start=NOW - 60.0, end=NOW, step_seconds=15.0)
    assert failed.fault is not None and failed.series == ()
    await source.close()


async def test_a_panel_without_a_heat_map() -> None:
    """It has none, and nothing is asked."""
    server = Server()
    source = server.source()
    found = await source.heat_history(SPEC, Window(0.0, 60.0, 15.0))
    assert found.fault is not None and found.fault.what == "P has no heat map" and server.asked == []
    await source.close()


@pytest.mark.parametrize(
    ("alerts", "said"),
    [
        (
            vector(1.0),
            "rules are not visible here: it stores alerts that fire; set `ruler` beside the `url` of this Prometheus",
        ),
        (vector(), ""),
    ],
)
async def test_why_no_rules_are_listed(alerts: dict[str, Any], said: str) -> None:
    """A server that stores alerts evaluates none itself; with a ruler of its own there is nothing to explain."""
    server = Server(query=alerts, status_buildinfo={"version": "3.16.0"})
    source = server.source()
    assert await source.explain_missing_rules() == said
    await source.close()
    server = Server()
    ruled = Prometheus(
        Endpoint("http://a", ruler=Endpoint("http://b")), transport=httpx.MockTransport(server), clock=lambda: NOW
    )
    assert await ruled.explain_missing_rules() == "" and server.asked == []
    await ruled.close()


async def test_rules_that_cannot_be_read_are_a_reason() -> None:
    """The error is raised, and every recorded series is unverified because of it."""
    source = Server(rules=(500, "broken")).source()
    with pytest.raises(SourceError):
        await source.rules()
    assert source.recorded_rules == frozenset()
    await source.close()


@pytest.mark.parametrize("ahead", [3600.0, -3600.0, 0.0])
async def test_the_rules_tell_how_far_the_clock_of_their_server_is_ahead(ahead: float) -> None:
    """That of the ruler, whose times they have, and not that of the Prometheus beside it; a few seconds are none."""

    def answer(request: httpx.Request) -> httpx.Response:
        at = time.time() + (ahead if request.url.host == "ruler" else 86_400.0)
        data = {"status": "success", "data": {"groups": []}}
        return httpx.Response(200, json=data, headers={"Date": formatdate(at, usegmt=True)})

    source = Prometheus(Endpoint("http://p", ruler=Endpoint("http://ruler")), transport=httpx.MockTransport(answer))
    rules = await source.rules()
    assert rules.ahead_seconds == pytest.approx(ahead, abs=10.0) and (ahead or rules.ahead_seconds == 0.0)
    await source.close()


async def test_a_clock_that_differs_does_not_make_every_answer_another() -> None:
    """The difference is measured anew each time, to a second or so, and around the least that counts; a real change is told."""
    ahead = [3.0, 36.0, 27.0, 34.0, 3597.0, 3602.0, 3600.0]

    def answer(request: httpx.Request) -> httpx.Response:
        if not request.url.path.endswith("/rules"):
            return httpx.Response(404)
        date = formatdate(time.time() + ahead.pop(), usegmt=True)
        return httpx.Response(200, json={"status": "success", "data": {"groups": []}}, headers={"Date": date})

    source = Prometheus(Endpoint("http://p", ruler=Endpoint("http://ruler")), transport=httpx.MockTransport(answer))
    found = [await source.rules() for _ in range(7)]
    assert found[0] == found[1] == found[2] and found[3] == found[4] == found[5]
    assert [item.ahead_seconds for item in found] == [
        pytest.approx(about, abs=10.0) for about in (3600.0, 3600.0, 3600.0, 34.0, 34.0, 34.0, 0.0)
    ]
    assert found[-1].ahead_seconds == 0.0
    await source.close()


@pytest.mark.parametrize(("length", "method"), [(1499, "GET"), (1500, "GET"), (1501, "POST")])
async def test_a_query_of_more_than_1500_characters_is_a_form(length: int, method: str) -> None:
    """Up to there it fits the URL that any proxy takes."""
    server = Server(query=vector(1.0))
    source = server.source()
    assert (await source.query("up" + " " * (length - 2))).samples
    assert [item[0] for item in server.asked] == [method]
    await source.close()


@pytest.mark.parametrize("ahead", [3600.0, -3600.0])
async def test_a_rule_is_late_by_the_clock_of_its_server(ahead: float) -> None:
    """Whose times the rules have: this machine's clock would call every rule late, or none."""

    def answer(request: httpx.Request) -> httpx.Response:
        data = {"status": "success", "data": {"groups": []}}
        return httpx.Response(200, json=data, headers={"Date": formatdate(time.time() + ahead, usegmt=True)})

    source = Prometheus(Endpoint("http://p"), transport=httpx.MockTransport(answer), clock=time.time)
    await source.rules()
    rules = tuple(Rule(RuleKind.RECORD, name, expression, health="ok") for name, expression in our_recordings().items())
    for age, match in ((5.0, RuleMatch.SAME), (1800.0, RuleMatch.LATE)):
        group = RuleGroup("g", "g.yaml", rules, 30.0, time.time() + ahead - age, 0.01)
        assert {item.match for item in (await source.match_rules([group])).values()} == {match}
    await source.close()
