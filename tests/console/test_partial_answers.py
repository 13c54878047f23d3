"""A partial answer is no proof of health, wherever the console reads a figure beside its polls."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
from page_server import Reply, serve
from screen_samples import settings, snapshot

from console.actions.action import Request
from console.actions.cluster_reader import LiveClusterReader
from console.actions.recovery import Trigger
from console.checklists.definition import Checklist
from console.checklists.evaluate import EvaluationInput, evaluate
from console.checklists.evidence_queries import fetch_evidence
from console.checklists.loader import ChecklistNames, Checklists, parse
from console.checklists.report import ReportSection
from console.checklists.result import ItemResult
from console.checklists.summary import build_summary
from console.cli.main import main
from console.handover.shift import Shift, fetch_budget
from console.incidents.correlation import correlate
from console.incidents.impact import measure
from console.monitor.state_store import StateStore
from console.runbooks.index import RunbookIndex
from console.runbooks.page import Runbook, RunbookStep
from console.runbooks.steps import StepContext, StepResult, evaluate_steps
from console.state.checklist_runs import ChecklistRuns
from console.state.place import Place
from queries.catalogue.loader import load_board
from queries.http.endpoint import Endpoint
from queries.model.verdict import Verdict
from queries.prometheus.client import Prometheus

SPECS = {spec.id: spec for spec in load_board("overview")}
NAMES = ChecklistNames(load_board("overview"))
MISSING = "store 10.0.0.2:10901 did not respond"
"""As Thanos Query says it: a warning that is not the PromQL engine's."""


class Server:
    """Gives every query the value 0.1, and every key of a joined one, with `warnings`; a number of samples is 8."""

    def __init__(self, *warnings: str) -> None:
        self.warnings = warnings

    def __call__(self, request: httpx.Request) -> httpx.Response:
        told = {name: values[0] for name, values in parse_qs((request.content or request.url.query).decode()).items()}
        keys = [part.split('"')[0] for part in told["query"].split('"__q__", "')[1:]]
        value = "8" if "count_over_time" in told["query"] else "0.1"
        labels: list[dict[str, str]] = [{"__q__": key} for key in keys] or [{}]
        if request.url.path.endswith("range"):
            start, end, step = (float(told[name]) for name in ("start", "end", "step"))
            times = [start + step * at for at in range(int((end - start) / step + 1e-6) + 1)]
            result: list[Any] = [{"metric": each, "values": [[at, "0.1"] for at in times]} for each in labels]
            data = {"resultType": "matrix", "result": result}
        else:
            data = {"resultType": "vector", "result": [{"metric": each, "value": [0, value]} for each in labels]}
        return httpx.Response(200, json={"status": "success", "data": data, "warnings": list(self.warnings)})


def prometheus(*warnings: str) -> Prometheus:
    return Prometheus(Endpoint("http://prom.test"), transport=httpx.MockTransport(Server(*warnings)))


@pytest.mark.parametrize(("warnings", "recovered"), [((), True), ((MISSING,), None)])
async def test_an_action_does_not_take_a_partial_value_for_recovery(warnings: tuple[str, ...], recovered: bool | None) -> None:
    """After a rollback a low number from half the storage is IN DOUBT: the journal gets no recovery from it."""
    source = prometheus(*warnings)
    specs = (replace(SPECS["error_ratio"], recorded=None, recorded_names=(), raw="x", template=""),)
    board = StateStore(settings(Path()), specs, runbooks=RunbookIndex(()))
    reader = LiveClusterReader(kubernetes=None, alertmanager=None, prometheus=source, specs=specs, state=board)
    trigger = Trigger(Request("rollback", "deployment/x", panel_id="error_ratio"), settings(Path()))
    probe = await trigger.probe(reader)
    await source.close()
    assert trigger.recovered(probe) is recovered
    assert (f"IN DOUBT (partial: {MISSING})" in probe.text) is (recovered is None)


async def step_result(*warnings: str) -> StepResult:
    source = prometheus(*warnings)
    context = StepContext(source.query, None, None, (), 0.0, Place("test", "n"))
    steps = (RunbookStep("Ratio", query="x", unit="percent", warn=1.0),)
    (result,) = [item async for item in evaluate_steps(Runbook("r", "r.md", "R", steps=steps), None, context)]
    await source.close()
    return result


async def test_a_runbook_step_with_a_partial_value_is_in_doubt() -> None:
    """With the server's sentence; a PromQL warning puts it in doubt too."""
    assert (await step_result()).verdict is Verdict.OK
    found = await step_result(MISSING)
    assert found.verdict is Verdict.IN_DOUBT and MISSING in found.text
    found = await step_result('PromQL warning: bucket label "le" is missing (1:1)')
    assert found.verdict is Verdict.IN_DOUBT and "bucket label" in found.text


async def test_the_impact_of_an_incident_is_not_known_from_a_partial_answer() -> None:
    """Every figure is unknown and says why; complete answers give each."""
    now = time.time()
    for warnings in ((), (MISSING,)):
        source = prometheus(*warnings)
        found = await measure(source, replace(SPECS["error_ratio"], recorded=None), detected_at=now - 600, end=now)
        await source.close()
        for name in ("requests", "failed", "slow_percent", "outside_seconds"):
            assert (getattr(found, name) is None) is bool(warnings), name
            assert (MISSING in found.reason(name)) is bool(warnings), name


async def results(checklist: Checklist, *warnings: str) -> tuple[dict[str, ItemResult], tuple[ReportSection, ...]]:
    source, now = prometheus(*warnings), time.time()
    evidence = await fetch_evidence(
        checklist, snapshot(), ChecklistRuns(), prometheus=source, kubernetes=None, clock=lambda: now
    )
    await source.close()
    facts = EvaluationInput(snapshot(), evidence, now)
    found = evaluate(checklist, facts)
    return {each.item.id: each for each in found}, build_summary(checklist, found, facts)


async def test_a_checklist_does_not_take_a_partial_answer_for_health() -> None:
    """Its own query is IN DOUBT, yesterday and what fired are not known, a KPI and the error budget are in doubt."""
    text = (
        "title: x\nitems: [{id: a, query: a}, {id: b, panel: error_ratio}]\n"
        "queries: {a: {title: A, expr: aaa, unit: count, warn: 5}}\n"
    )
    mine = parse(text, name="x", path="x", vocabulary=NAMES)
    complete, _ = await results(mine)
    assert complete["a"].verdict is Verdict.OK and len(complete["a"].trend) == 25
    partial, _ = await results(mine, MISSING)
    assert (partial["a"].verdict, partial["a"].trend) == (Verdict.IN_DOUBT, ())
    assert MISSING in partial["a"].reason and partial["a"].before == "not known"
    assert partial["b"].before == f"not known: partial: {MISSING}" != complete["b"].before

    day = Checklists.load("", NAMES).get("end-of-day")
    assert day is not None
    found, sections = await results(day, MISSING)
    kpis = next(each for each in found.values() if "objective" in each.value_text)
    assert {detail.verdict for detail in kpis.details} == {Verdict.IN_DOUBT}
    assert all(MISSING in detail.text for detail in kpis.details)
    budget = next(each for each in sections if each.title == "Error budget spent today")
    assert not budget.known
    alerts = next(each for each in sections if each.title == "Alerts of the day")
    assert not alerts.known


async def test_a_handover_and_what_changed_say_that_an_answer_was_partial() -> None:
    """The budget of the shift is unknown; the changes before an incident are those found, with the server's sentence."""
    source, now = prometheus(MISSING), time.time()
    budget = replace(next(iter(snapshot().panels)), spec=SPECS["error_budget"], query="x")
    shown = replace(snapshot(), panels=(budget,))
    reading = await fetch_budget(shown, Shift(now - 3600.0), prometheus=source, now=now)
    changes = await correlate(shown, at=now, prometheus=source, config_maps=None)
    await source.close()
    assert reading.value is None and reading.fault is not None and MISSING in reading.fault.what
    assert sum(f"IN DOUBT: partial: {MISSING}" in fault for fault in changes.faults) == 6


@pytest.mark.parametrize("partial", [True, False])
def test_a_contract_calls_nothing_missing_that_a_partial_answer_lacks(
    partial: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An empty answer with a store's warning: the contract is not known, with the server's sentence. Without one, the
    platform has no series."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("PROMETHEUS_URL", "CAD_ML_API_URL", "CAD_CONSOLE_CONFIG", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    body = {"status": "success", "data": {"resultType": "vector", "result": []}, "warnings": [MISSING] if partial else []}
    metadata = Reply(json.dumps({"status": "success", "data": {}}).encode())
    answer = Reply(json.dumps(body).encode())
    with serve(lambda request: metadata if "metadata" in request.path else answer) as url:
        code = main(["contract", "--prometheus-url", url])
    told = capsys.readouterr().out
    assert (MISSING in told, "has no series of the platform" in told) == (partial, not partial), told
    assert code != 0
