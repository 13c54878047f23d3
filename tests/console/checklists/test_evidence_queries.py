"""What a walk costs: one request for yesterday, and one for each item with evidence of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import parse_qs

import httpx
import pytest
from screen_samples import NOW, snapshot

from console.checklists import alert_history as windows
from console.checklists.definition import AlertsEvidence, Checklist
from console.checklists.evidence_queries import CollectedEvidence, fetch_evidence, window_start
from console.checklists.loader import ChecklistNames, Checklists, parse
from console.state.checklist_runs import ChecklistRun, ChecklistRuns, Signature
from queries.catalogue.loader import load_board
from queries.http.endpoint import Endpoint
from queries.model.alert import AlertRule
from queries.model.workload import BatchJob
from queries.prometheus.client import Prometheus
from queries.prometheus.query_batch import BATCH_LABEL

VOCABULARY = ChecklistNames(load_board("overview"))

RELABELLING = """
alerting: {alert_relabel_configs: [{source_labels: [severity], target_label: severity, regex: warning, replacement: page}]}
"""


class Server:
    """A Prometheus on the transport: gives an empty answer, or one series for a query that holds a word."""

    def __init__(self, *, refuse: str = "", result: Sequence[object] = ()) -> None:
        self.result = [*result]
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.refuse = refuse

    def __call__(self, request: httpx.Request) -> httpx.Response:
        form = parse_qs((request.content or request.url.query).decode())
        told = {name: values[0] for name, values in form.items()}
        self.asked.append((request.url.path.rpartition("/")[2], told))
        if self.refuse and self.refuse in told["query"]:
            return httpx.Response(400, json={"status": "error", "errorType": "bad_data", "error": "no"})
        if request.url.path.endswith("config"):
            return httpx.Response(200, json={"status": "success", "data": {"yaml": RELABELLING}})
        kind = "matrix" if request.url.path.endswith("range") else "vector"
        return httpx.Response(200, json={"status": "success", "data": {"resultType": kind, "result": self.result}})


class Cluster:
    async def cron_jobs(self) -> tuple[BatchJob, ...]:
        return (BatchJob("CronJob", "backup"),)

    async def jobs(self) -> tuple[BatchJob, ...]:
        return ()


RULE = AlertRule("X", "x", 0.0, (), (), "ok", "ok", interval_seconds=30.0)


async def collect(
    checklist: Checklist, server: Server, *, walks: ChecklistRuns | None = None, rules: tuple[AlertRule, ...] = (RULE,)
) -> CollectedEvidence:
    prometheus = Prometheus(Endpoint("http://prom.test"), transport=httpx.MockTransport(server), clock=lambda: NOW)
    shown = replace(snapshot(), rules=rules)
    try:
        return await fetch_evidence(
            checklist, shown, walks or ChecklistRuns(), prometheus=prometheus, kubernetes=Cluster(), clock=lambda: NOW
        )
    finally:
        await prometheus.close()


@pytest.mark.parametrize(
    ("name", "requests"),
    [("morning", ["query", "query_range"]), ("hourly", ["query"]), ("end-of-day", ["query_range", "query_range"])],
)
async def test_a_walk_adds_one_request_an_item_with_its_own_evidence(name: str, requests: list[str]) -> None:
    """All panels' yesterday is one request; alerts and KPIs are one each; the CronJob is asked of Kubernetes alone."""
    server = Server()
    checklist = Checklists.load("", VOCABULARY).get(name)
    assert checklist is not None
    answers = await collect(checklist, server)
    assert sorted(kind for kind, _ in server.asked) == requests
    assert set(answers.batch) == ({"backup"} if name == "end-of-day" else set())
    for kind, told in server.asked:
        if kind == "query":
            assert float(told["time"]) == NOW - 86_400.0


async def test_a_query_brings_yesterday_and_trend_with_it() -> None:
    """From the same time yesterday until now in 24 steps; a refused one is its item's fault and nobody else's."""
    text = (
        "title: x\nitems: [{id: a, query: a}, {id: b, query: b}]\n"
        "queries: {a: {title: A, expr: aaa, unit: count}, b: {title: B, expr: bbb, unit: count}}\n"
    )
    server = Server(refuse="bbb")
    answers = await collect(parse(text, name="x", path="x", vocabulary=VOCABULARY), server)
    _, told = server.asked[0]
    assert (float(told["start"]), float(told["end"]), float(told["step"])) == (NOW - 86_400, NOW, 3600.0)
    assert answers.series["a"].fault is None and answers.series["b"].fault is not None


async def test_what_fired_is_told_with_the_labels_that_alertmanager_gets() -> None:
    """The server's relabelling is asked for once something fired."""
    checklist = Checklists.load("", VOCABULARY).get("morning")
    assert checklist is not None
    metric = {"alertname": "X", "severity": "warning", BATCH_LABEL: windows.FIRED}
    server = Server(result=[{"metric": metric, "values": [[NOW, "2"]]}])
    (reading,) = (await collect(checklist, server)).alerts.values()
    assert reading.value is not None
    assert [item.labels for item in reading.value.histories] == [(("alertname", "X"), ("severity", "page"))]


@pytest.mark.parametrize("intervals", [(30.0, 300.0), (300.0, 30.0)])
async def test_an_alert_of_the_rarer_of_two_rules_of_one_name_does_not_flap(intervals: tuple[float, float]) -> None:
    """Each evaluation of a rule that is evaluated every five minutes would be a time of its own by the other one's interval."""
    checklist = Checklists.load("", VOCABULARY).get("morning")
    assert checklist is not None
    metric = {"alertname": "X", "severity": "warning", BATCH_LABEL: windows.FIRED}
    server = Server(result=[{"metric": metric, "values": [[NOW - 300.0 * back, "1"] for back in range(9, -1, -1)]}])
    rules = tuple(replace(RULE, interval_seconds=seconds) for seconds in intervals)
    (reading,) = (await collect(checklist, server, rules=rules)).alerts.values()
    assert reading.value is not None
    assert [(item.times, item.flapping) for item in reading.value.histories] == [(1, False)]


async def test_sources_that_are_not_there_are_faults_of_their_items() -> None:
    """Without Prometheus and Kubernetes everything is answered by why not; nothing is raised."""
    checklist = Checklists.load("", VOCABULARY).get("end-of-day")
    assert checklist is not None
    answers = await fetch_evidence(checklist, snapshot(), ChecklistRuns(), prometheus=None, kubernetes=None, clock=lambda: NOW)
    readings = [*answers.alerts.values(), *answers.figures.values(), *answers.batch.values()]
    assert len(readings) == 3 and all(item.fault and "not configured" in item.fault.what for item in readings)


def test_what_fired_during_a_run_belongs_to_the_next_one() -> None:
    """Somebody answered at 9:01 what had fired, and signed at 9:25: what came and went in between, nobody has seen. Of two
    signed runs the one that began last counts.
    """
    wanted = AlertsEvidence(("morning",), otherwise_seconds=3600.0)

    def run(started: float, signed: float) -> ChecklistRun:
        return ChecklistRun("w", "morning", NOW - started, "ann", signatures=(Signature("Ann", "ann", NOW - signed),))

    assert window_start(wanted, ChecklistRuns((("morning", (run(9000.0, 7500.0),)),)), NOW) == NOW - 9000
    assert window_start(wanted, ChecklistRuns((("morning", (run(9000.0, 60.0), run(8000.0, 7500.0))),)), NOW) == NOW - 8000
    slow = run(7000.0, 7500.0)  # another console's clock signed before it began
    assert window_start(wanted, ChecklistRuns((("morning", (slow,)),)), NOW) == NOW - 7500


def test_alerts_count_since_the_last_signed_run_of_the_named_lists() -> None:
    """The window begins with the newest signed run of them; without one, or with only one from the future, it is as long as the
    file says. One from the future, written by a clock that was wrong, does not hide the one before it.
    """
    wanted = AlertsEvidence(("morning", "end-of-day"), otherwise_seconds=3600.0, at_most_seconds=40_000.0)

    def walks(name: str, at: float) -> ChecklistRuns:
        return ChecklistRuns(((name, (ChecklistRun("w", name, at, "ann", signatures=(Signature("Ann", "ann", at),)),)),))

    assert window_start(wanted, walks("end-of-day", NOW - 9000), NOW) == NOW - 9000
    assert window_start(wanted, walks("hourly", NOW - 9000), NOW) == NOW - 3600
    assert window_start(wanted, walks("morning", NOW + 9000), NOW) == NOW - 3600
    both = ChecklistRuns((*walks("morning", NOW + 9000).by_checklist, *walks("end-of-day", NOW - 9000).by_checklist))
    assert window_start(wanted, both, NOW) == NOW - 9000
    assert window_start(wanted, walks("morning", NOW - 90_000), NOW) == NOW - 40_000
    assert window_start(wanted, walks("morning", NOW - 1), NOW) == NOW - 60
    assert window_start(AlertsEvidence(), ChecklistRuns(), NOW) == NOW // 86_400 * 86_400
