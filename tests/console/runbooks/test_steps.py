"""Steps of a runbook and charts: error codes that mean the same are one row and one line."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest
from screen_samples import cluster

from console.runbooks.page import Runbook, RunbookStep, read_page
from console.runbooks.steps import StepContext, evaluate_steps
from console.screens.time_range import build_chart
from console.state import place
from console.state.place import Place
from queries.catalogue.loader import expand_query
from queries.errors import RequestRejected
from queries.model.alert import Alert, AlertState
from queries.model.identity_cache import IdentityCache
from queries.model.panel import Range
from queries.model.panel_result import PanelHistory
from queries.model.pod import Pod
from queries.model.pod_log import LogRequest, PodContainers
from queries.model.series import Sample, Series
from queries.model.verdict import Verdict
from queries.prometheus.responses import InstantResult

SAID = (("TIMEOUT", 3.0), ("timeout", 2.0), ("PARSE_FAILED", 4.0))


async def test_a_step_adds_up_the_spellings_of_a_code() -> None:
    """No spelling alone is over the limit, the code is; a label `code` of another metric is left as it is."""

    async def query(query: str) -> InstantResult:
        return InstantResult(tuple(Sample((("code", code),), value) for code, value in SAID))

    steps = tuple(
        RunbookStep("Which?", query=f"sum by (code) (rate({metric}[5m]))", warn=5.0)
        for metric in ("ocr_errors_total", "http_requests_total")
    )
    sight = StepContext(query, None, None, (), 0.0, Place("test", "n"))
    ours, other = [item async for item in evaluate_steps(Runbook("r", "r.md", "R", steps=steps), None, sight)]
    assert (ours.verdict, ours.value_text) == (Verdict.WARN, "5")
    assert ours.text.splitlines() == ['{code="PROVIDER_TIMEOUT (TIMEOUT, timeout)"} 5', '{code="PARSE_FAILED"} 4']
    assert (other.verdict, len(other.text.splitlines())) == (Verdict.OK, 3)


async def test_a_step_with_a_signal_is_asked_and_shown_as_promql() -> None:
    """What the server is asked is what the step shows and copies; what no server can be asked is the step's text."""
    asked: list[str] = []

    async def ask(query: str) -> InstantResult:
        asked.append(query)
        return InstantResult((Sample((), 1.0),))

    def expand(text: str) -> str:
        if "circuits" in text:
            raise RequestRejected("the help text does not say which number means open", where="http://prom")
        return expand_query(text)

    steps = (
        RunbookStep("Rate", query="old", template="${ocr_requests[5m]}"),
        RunbookStep("Open?", query="x", template="${circuits}"),
    )
    sight = StepContext(ask, None, None, (), 0.0, Place("test", "n"), expand=expand)
    rate, circuits = [item async for item in evaluate_steps(Runbook("r", "r.md", "R", steps=steps), None, sight)]
    assert asked == [rate.query] and rate.query.startswith("(") and "$" not in rate.query
    assert circuits.verdict is Verdict.NO_DATA and "which number means open" in circuits.text


def test_a_chart_has_a_line_for_each_of_the_nine() -> None:
    """Lines by code are added up before the first few are chosen; by another label nothing is."""
    tracks = tuple(Series((("code", code),), ((60.0, value),)) for code, value in SAID)
    history = PanelHistory("codes", 0.0, 60.0, 15.0, series=tracks)
    lines = build_chart(history, group_by="code", unit=None, thresholds=()).series
    assert [(item.name, item.points) for item in lines] == [
        ("PROVIDER_TIMEOUT (TIMEOUT, timeout)", ((60.0, 5.0),)),
        ("PARSE_FAILED", ((60.0, 4.0),)),
    ]
    assert len(build_chart(history, group_by="", unit=None, thresholds=()).series) == 3


async def test_a_deployment_without_a_replica_set_is_a_sentence() -> None:
    """A new one, a paused one, or one whose controller does not run has no revision: the step says so, the others go on."""
    shown = cluster()
    bare = replace(shown, workloads=(replace(shown.workloads[0], revision=0), shown.workloads[1]), revisions=())
    steps = tuple(
        RunbookStep(target or "all", lookup="rollout-history", target=target) for target in ("deployment/cad-ml-api", "")
    )

    async def query(query: str) -> InstantResult:
        return InstantResult(())

    class Reads:
        """Nothing is asked of it: the cluster is known."""

    sight = StepContext(query, Reads(), bare, (), 0.0, Place("test", "n"))  # type: ignore[arg-type]
    one, every = [item async for item in evaluate_steps(Runbook("r", "r.md", "R", steps=steps), None, sight)]
    assert one.text == "cad-ml-api has no revision yet: it has no ReplicaSet (new, paused, or its controller is not running)"
    assert every.text == "no revision has been rolled out"


@pytest.mark.parametrize(
    ("labels", "walks"),
    [({"pod": "cad-ml-api-x"}, 1), ({"namespace": "n", "pod": "cad-ml-api-x"}, 1), ({"deployment": "cad-ml-api"}, 0)],
)
async def test_the_pods_are_walked_once_and_not_on_the_loop(
    monkeypatch: pytest.MonkeyPatch, labels: dict[str, str], walks: int
) -> None:
    """Thousands of pods are gone through for an alert that names one, once for all steps, in another thread than the loop's."""
    shown = replace(cluster(), pods=tuple(replace(cluster().pods[0], name=f"p{number}") for number in range(1000)))
    alert = Alert("a", AlertState.ACTIVE, tuple(sorted({"alertname": "A", **labels}.items())))
    found: list[threading.Thread] = []

    real = place.pod_owners
    walk = IdentityCache(lambda given: found.append(threading.current_thread()) or real(given))
    monkeypatch.setattr("console.runbooks.steps.owners_of", walk)
    monkeypatch.setattr("console.runbooks.suggested_actions.pod_owners", walk)
    steps = tuple(RunbookStep(name, lookup=name) for name in ("pods", "events", "rollout-history"))

    async def query(query: str) -> InstantResult:
        return InstantResult(())

    class Reads:
        """Nothing is asked of it: the cluster is known."""

    sight = StepContext(query, Reads(), shown, (), 0.0, Place("test", "n"))  # type: ignore[arg-type]
    results = [item async for item in evaluate_steps(Runbook("r", "r.md", "R", steps=steps), alert, sight)]
    assert len(results) == 3
    assert len(found) == walks
    assert threading.main_thread() not in found


@pytest.mark.parametrize(
    ("unit", "allowed", "value", "verdict"),
    [
        ("percent", None, 170.0, Verdict.IN_DOUBT),
        ("percent", Range(0.0), 170.0, Verdict.WARN),
        ("percent", Range(high=100.0), -400.0, Verdict.OK),
        ("seconds", None, -1.0, Verdict.IN_DOUBT),
        ("count", None, -12.0, Verdict.OK),
    ],
)
async def test_a_step_believes_what_its_unit_or_its_range_allows(
    unit: str, allowed: Range | None, value: float, verdict: Verdict
) -> None:
    """A share over 100 % is in doubt where the page does not say that there may be more; a number without a unit may fall."""

    async def ask(query: str) -> InstantResult:
        return InstantResult((Sample((), value),))

    step = RunbookStep("It", query="x", unit=unit, warn=100.0, range=allowed)
    sight = StepContext(ask, None, None, (), 0.0, Place("test", "n"))
    (result,) = [item async for item in evaluate_steps(Runbook("r", "r.md", "R", steps=(step,)), None, sight)]
    assert result.verdict is verdict
    assert ("is not possible" in result.text) is (verdict is Verdict.IN_DOUBT)


def test_a_page_says_what_its_steps_can_be(tmp_path: Path) -> None:
    """`range: [null, 100]` in a step; anything else is refused with the line."""
    page = "---\ntitle: T\nsteps:\n  - title: Left\n    query: up\n    unit: percent\n    range: {}\n---\nBody\n"
    file = tmp_path / "t.md"
    file.write_text(page.format("[null, 100]"))
    assert read_page(file, root=tmp_path).steps[0].range == Range(high=100.0)
    file.write_text(page.format("[100, 0]"))
    assert "the lower end of the range below its upper end" in read_page(file, root=tmp_path).broken


class Logs:
    """A cluster that is known, and the log of one pod."""

    def __init__(self) -> None:
        self.read: list[str] = []

    async def list_containers(self, pod: str) -> PodContainers:
        self.read.append(pod)
        return PodContainers(("api",), "api")

    async def read_end(self, request: LogRequest, *, lines: int) -> str:
        return "boom"


async def test_a_step_looks_at_the_pods_that_run_now(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a workload with evicted pods of last week the log is that of a pod that is there, and the list begins with what
    should be ready and is not.
    """
    (sample, *_) = cluster().pods
    old = replace(sample, name="a-old", uid="o", phase="Failed", ready=False, reason="Evicted", restarts=9)
    done = replace(sample, name="b-done", uid="d", phase="Succeeded", ready=False, reason="")
    new = replace(sample, name="c-new", uid="n", phase="Running", ready=False, reason="CrashLoopBackOff", restarts=2)
    well = replace(sample, name="d-well", uid="w", phase="Running", ready=True, reason="", restarts=0)
    logs = Logs()
    monkeypatch.setattr("queries.kubernetes.pod_log_reader.PodLogReader", lambda kubernetes: logs)
    steps = tuple(RunbookStep(name, lookup=name, target="deployment/cad-ml-api") for name in ("pods", "logs"))

    async def query(query: str) -> InstantResult:
        return InstantResult(())

    async def look(*pods: Pod) -> list[str]:
        sight = StepContext(query, logs, replace(cluster(), pods=pods), (), 0.0, Place("test", "n"))  # type: ignore[arg-type]
        return [item.text async for item in evaluate_steps(Runbook("r", "r.md", "R", steps=steps), None, sight)]

    listed, log = await look(old, done, new, well)
    assert [line.split()[:3] for line in listed.splitlines()] == [
        ["c-new", "NOT", "READY"], ["a-old", "ended", "Evicted"],
        ["d-well", "ready", "Running"], ["b-done", "ended", "Succeeded"],
    ]  # fmt: skip
    assert log.startswith("last log lines of c-new:")
    assert (await look(old, well))[1].startswith("last log lines of d-well:")
    assert (await look(old))[1].startswith("last log lines of a-old:")
    steps = (RunbookStep("logs", lookup="logs"),)
    assert (await look(old, well))[0].startswith("last log lines of a-old:"), "of no workload: a Job's pod may have failed"
    assert logs.read == ["c-new", "d-well", "a-old", "a-old"]
