"""The witness of a drill gives a number only for what it saw."""

from __future__ import annotations

from dataclasses import replace

import pytest
from drill_bench import TARGET, fire
from guard_bench import panel_state

from console.checks.panels import evaluate_panel
from console.checks.workloads import WorkloadVerdict
from console.drills.witness import DrillWitness, list_signs
from console.state.drills import GOALS, MET, MISSED, NOT_OBSERVED
from console.state.snapshot import Snapshot
from queries.catalogue.drills import read_drills
from queries.model.alert import AlertState, Elsewhere, TrackedAlert
from queries.model.panel import Aggregation, Origin, PanelSpec, Threshold, Unit
from queries.model.panel_result import PanelResult
from queries.model.series import Sample
from queries.model.source import Health, SourceState
from queries.model.verdict import Verdict
from queries.model.workload import Workload

DRILL = read_drills().drills["scale-to-zero"]


def shown(*alerts: TrackedAlert, verdict: Verdict = Verdict.OK, ready: int = 3, health: Health = Health.UP) -> Snapshot:
    workload = Workload("cad-ml-platform", "cad-ml-api", "u1", "1", 1, 1, 3, 3, 3, ready, ready, False, 1, 0.0)
    return Snapshot(
        "test", "cad-ml-platform", False, False, "ann", 0.0,
        sources=(SourceState("alertmanager", health), SourceState("kubernetes", Health.UP)),
        alerts=alerts, alerts_known=True, alerts_from="alertmanager",
        verdicts=(WorkloadVerdict(workload, verdict, "none of 3 pods is ready"),),
    )  # fmt: skip


def watch(*seen: tuple[float, Snapshot], before: Snapshot | None = None) -> DrillWitness:
    witness = DrillWitness(DRILL, TARGET, GOALS, before or shown())
    for at, snapshot in seen:
        witness.observe(snapshot, at, may_recover=False)
    return witness


def result(witness: DrillWitness, what: str) -> tuple[float | None, str, str]:
    (found,) = [item for item in witness.finish("the drill ended") if item.what == what]
    return found.seconds, found.result, found.source


@pytest.mark.parametrize(
    "snapshot",
    [
        shown(fire(state=AlertState.PENDING)),
        shown(fire(state=AlertState.SUPPRESSED)),
        shown(fire(target="deployment/other")),
        shown(replace(fire(), elsewhere=Elsewhere("another cluster", "kubectl"))),
        shown(verdict=Verdict.WARN, ready=2),
    ],
    ids=["pending", "silenced", "another workload", "another place", "only WARN"],
)
def test_what_tells_nobody_of_the_target_detects_nothing(snapshot: Snapshot) -> None:
    """A pending or silenced alert, one about something else, and a workload that is only WARN are no detection."""
    witness = watch((1.0, snapshot), (130.0, snapshot))
    assert result(witness, "detect")[:2] == (None, MISSED)
    assert result(witness, "acknowledge")[:2] == (None, NOT_OBSERVED)


def test_a_silenced_alert_is_named_where_nothing_else_detected_it() -> None:
    """The report says why the goal was missed."""
    assert (
        "HighErrorRate fires, but is silenced" in result(watch((130.0, shown(fire(state=AlertState.SUPPRESSED)))), "detect")[2]
    )


def test_an_alert_of_before_the_fault_detects_nothing() -> None:
    """It would have fired anyway."""
    assert result(watch((5.0, shown(fire())), before=shown(fire())), "detect")[0] is None


def test_the_first_sign_counts_with_its_source() -> None:
    """The critical workload is seen at 7 s, the alert at 40 s."""
    witness = watch((7.0, shown(verdict=Verdict.CRITICAL, ready=0)), (40.0, shown(fire())))
    assert result(witness, "detect") == (7.0, MET, "the workload is CRIT: none of 3 pods is ready (Kubernetes)")
    assert result(watch((121.0, shown(fire()))), "detect")[:2] == (121.0, MISSED)


def test_what_is_not_known_is_neither_met_nor_missed() -> None:
    """Without Alertmanager's answers the time is not observed, however long that lasts; a number after a gap names the gap."""
    down = shown(health=Health.DOWN)
    seconds, verdict, why = result(watch((100.0, down), (200.0, down)), "detect")
    assert (seconds, verdict) == (None, NOT_OBSERVED) and why == "Alertmanager does not answer, for 3m20s"
    assert "no answers for 1m40s before" in result(watch((100.0, down), (101.0, shown(fire()))), "detect")[2]


def test_a_drill_that_ends_before_the_goal_missed_nothing() -> None:
    """60 s without an alert are no missed goal of two minutes."""
    assert result(watch((60.0, shown())), "detect") == (None, NOT_OBSERVED, "the drill ended")


def test_a_panel_with_a_series_for_each_workload_names_its_target() -> None:
    """Only if its own series is beyond the threshold."""
    for own, expected in ((95.0, True), (10.0, False)):
        panel = panel_state("memory", None, samples={"cad-ml-api": own, "other": 99.0})
        signs = list(list_signs(replace(shown(), panels=(panel,)), DRILL, TARGET))
        assert bool(signs) is expected


@pytest.mark.parametrize(("own", "lower_is_worse", "sign"), [(50.0, True, False), (49.0, True, True), (50.0, False, True)])
def test_a_series_at_the_limit_is_a_sign_only_if_its_panel_says_so(own: float, lower_is_worse: bool, sign: bool) -> None:
    """Another workload makes the panel critical; the target's own series names it only where it crosses the limit itself."""
    spec = PanelSpec(
        "health", "Health", Unit.PERCENT, Aggregation.MIN if lower_is_worse else Aggregation.MAX,
        raw="up", group_by="deployment", lower_is_worse=lower_is_worse, threshold=Threshold(critical=50.0),
    )  # fmt: skip
    name = TARGET.partition("/")[2]
    samples = (Sample((("deployment", name),), own), Sample((("deployment", "other"),), 10.0 if lower_is_worse else 90.0))
    answer = PanelResult("health", Origin.RAW, "up", samples)
    state = evaluate_panel(spec, Threshold(), answer, taken_at=0.0, now=0.0, stale_after=1.0)
    assert state.verdict is Verdict.CRITICAL
    signs = [item.text for item in list_signs(replace(shown(), panels=(state,)), DRILL, TARGET)]
    assert signs == (["panel Health is CRIT for it (raw expression)"] if sign else [])
