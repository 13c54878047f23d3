"""How far a rollout is, what its strategy allows, and when it last progressed: each value exactly on its line."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from queries.kubernetes.workload_decode import decode_workload
from queries.model.chart import ChartData, ChartSeries, Drawing, chart_trend
from queries.model.panel import PanelSpec, PanelState, Threshold, Unit, is_crossed
from queries.model.rollout import RolloutPhase, describe_on_delete, rollout_status
from queries.model.verdict import Verdict
from queries.model.workload import (
    BatchJob,
    Condition,
    Container,
    RequestsAndLimits,
    Revision,
    UpdateStrategy,
    Workload,
    names_workload,
    parse_kind,
    rolled_out_at,
    sum_resources,
)

BARE = decode_workload({"kind": "Deployment", "metadata": {"name": "api"}, "spec": {"replicas": 3}})
DONE = {"desired": 3, "replicas": 3, "updated": 3, "available": 3, "ready": 3, "generation": 5, "observed_generation": 5}


def workload(kind: str = "Deployment", **changes: Any) -> Workload:
    return replace(BARE, kind=kind, **{**DONE, "update_revision": "b", "current_revision": "b", **changes})


LATE = Condition("Progressing", "False", "ProgressDeadlineExceeded")
ON_DELETE = UpdateStrategy("OnDelete")


@pytest.mark.parametrize(
    ("found", "phase", "sentence"),
    [
        (workload(), RolloutPhase.DONE, "rolled out, 3 of 3 available"),
        (workload(generation=6), RolloutPhase.WAITING, "waiting for the controller to observe the new spec"),
        (workload(generation=6, conditions=(LATE,)), RolloutPhase.WAITING,
         "waiting for the controller to observe the new spec"),
        (workload(generation=4), RolloutPhase.DONE, "rolled out, 3 of 3 available"),
        (workload(conditions=(LATE,)), RolloutPhase.FAILED, "exceeded its progress deadline"),
        (workload(conditions=(replace(LATE, type="X"),)), RolloutPhase.DONE, "rolled out, 3 of 3 available"),
        (workload(conditions=(replace(LATE, reason="X"),)), RolloutPhase.DONE, "rolled out, 3 of 3 available"),
        (workload(updated=2), RolloutPhase.WAITING, "2 of 3 new pods created"),
        (workload(replicas=4), RolloutPhase.WAITING, "1 old pods pending termination"),
        (workload(available=2), RolloutPhase.WAITING, "2 of 3 new pods available"),
        (workload(desired=0, updated=0, replicas=0, available=0), RolloutPhase.DONE, "rolled out, 0 of 0 available"),
        (workload("DaemonSet", updated=1, strategy=ON_DELETE), RolloutPhase.ON_DELETE,
         "2 of 3 pods keep the old template until someone deletes them (strategy OnDelete)"),
        (workload("DaemonSet", updated=1, available=2, strategy=ON_DELETE), RolloutPhase.WAITING, "2 of 3 pods available"),
        (workload("DaemonSet", strategy=ON_DELETE), RolloutPhase.DONE, "rolled out, 3 of 3 available"),
        (workload("StatefulSet"), RolloutPhase.DONE, "rolled out, 3 of 3 ready"),
        (workload("StatefulSet", generation=6), RolloutPhase.WAITING, "waiting for the controller to observe the new spec"),
        (workload("StatefulSet", ready=2), RolloutPhase.WAITING, "2 of 3 pods ready"),
        (workload("StatefulSet", replicas=5), RolloutPhase.WAITING, "2 surplus pods pending termination"),
        (workload("StatefulSet", strategy=ON_DELETE, updated=2), RolloutPhase.ON_DELETE,
         "1 of 3 pods keep the old template until someone deletes them (strategy OnDelete)"),
        (workload("StatefulSet", strategy=ON_DELETE), RolloutPhase.DONE, "every pod has the new template (strategy OnDelete)"),
        (workload("StatefulSet", updated=2), RolloutPhase.WAITING, "2 of 3 new pods"),
        (workload("StatefulSet", updated=0, strategy=UpdateStrategy(partition=2)), RolloutPhase.WAITING,
         "0 of 1 new pods above the partition"),
        (workload("StatefulSet", updated=1, strategy=UpdateStrategy(partition=2)), RolloutPhase.DONE,
         "rolled out above its partition, 1 new pods"),
        (workload("StatefulSet", update_revision="c"), RolloutPhase.WAITING, "3 of 3 new pods ready"),
        (workload("Rollout", phase="Healthy"), RolloutPhase.DONE, "rolled out, 3 of 3 available"),
        (workload("Rollout", phase="Healthy", generation=6), RolloutPhase.WAITING,
         "waiting for the controller to observe the new spec"),
        (workload("Rollout", phase="Degraded", message="aborted"), RolloutPhase.FAILED, "Degraded: aborted"),
        (workload("Rollout", phase="Paused"), RolloutPhase.WAITING, "Paused"),
        (workload("Rollout", phase="", message="m"), RolloutPhase.WAITING, "no phase reported yet: m"),
    ],
)  # fmt: skip
def test_how_far_a_rollout_is(found: Workload, phase: RolloutPhase, sentence: str) -> None:
    """The checks of kubectl's `rollout status`, in its order, and two more."""
    status = rollout_status(found)
    assert (status.phase, status.sentence) == (phase, f"api: {sentence}")


@pytest.mark.parametrize(
    ("desired", "updated", "words"), [(1, 0, "1 of 1 pod keeps"), (2, 1, "1 of 2 pods keep"), (2, 5, "every pod")]
)
def test_one_pod_or_several(desired: int, updated: int, words: str) -> None:
    """The only pod keeps it, one of two keep it; more updated than desired is all of them."""
    text = describe_on_delete(workload(desired=desired, updated=updated))
    assert words in text and ("deletes it " in text) is (desired == 1)


@pytest.mark.parametrize(
    ("strategy", "desired", "surge", "unavailable", "words"),
    [
        (UpdateStrategy(), 4, 1, 1, "up to 2 at a time"),
        (UpdateStrategy(), 5, 2, 1, "up to 3 at a time"),
        (UpdateStrategy(), 1, 1, 0, "one at a time"),
        (UpdateStrategy(), 2, 1, 0, "one at a time"),
        (UpdateStrategy(rounds_up=True), 5, 2, 2, "up to 4 at a time"),
        (UpdateStrategy(max_surge=0, max_unavailable=0), 3, 0, 1, "one at a time"),
        (UpdateStrategy(max_surge=0, max_unavailable="10%"), 3, 0, 1, "one at a time"),
        (UpdateStrategy(max_surge=0, max_unavailable=0), 0, 0, 0, "one at a time"),
        (UpdateStrategy(max_surge=1, max_unavailable=0), 3, 1, 0, "one at a time"),
        (UpdateStrategy(max_surge=-5, max_unavailable=9), 3, 0, 3, "all at once"),
        (UpdateStrategy(max_surge="100%", max_unavailable=0), 3, 3, 0, "all at once"),
        (UpdateStrategy(max_surge="odd", max_unavailable="٣%"), 3, 0, 1, "one at a time"),
        (UpdateStrategy("Recreate"), 3, 0, 3, "all at once"),
        (UpdateStrategy("OnDelete"), 3, 0, 0, "as someone deletes them"),
    ],
)
def test_what_a_strategy_allows(strategy: UpdateStrategy, desired: int, surge: int, unavailable: int, words: str) -> None:
    """Percentages round as each controller rounds them, and with nothing allowed one pod goes all the same."""
    assert (strategy.surge(desired), strategy.unavailable(desired)) == (surge, unavailable)
    assert strategy.replaced_at_once(desired) == words


def test_the_resources_of_a_pod() -> None:
    """The sum of all that run together; a limit only if each has one; what ends before them is not added."""

    def container(*figures: float, first: bool = False) -> Container:
        return Container("c", "i", resources=RequestsAndLimits(*figures), starts_first=first)

    both = [container(1.0, 2.0, 10.0, 20.0), container(0.5, 0.5, 5.0, 5.0), container(9.0, 9.0, 9.0, 9.0, first=True)]
    assert sum_resources(both) == RequestsAndLimits(1.5, 2.5, 15.0, 25.0)
    assert sum_resources([*both, container(1.0, 0.0, 1.0, 1.0)]) == RequestsAndLimits(2.5, 0.0, 16.0, 26.0)
    assert sum_resources([*both, container(1.0, 1.0, 1.0, 0.0)]) == RequestsAndLimits(2.5, 3.5, 16.0, 0.0)
    assert sum_resources(both[2:]) == sum_resources([]) == RequestsAndLimits()


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("sts", "StatefulSet"),
        ("StatefulSets", "StatefulSet"),
        ("DEPLOY", "Deployment"),
        ("po", "Pod"),
        ("pods", "Pod"),
        ("x", ""),
    ],
)
def test_a_kind_by_its_words(word: str, kind: str) -> None:
    """Name, short name and plural, in any case."""
    assert parse_kind(word) == kind


def test_which_targets_are_workloads() -> None:
    """A pod's name does not last, a silence is none; the short name and plural come with the kind."""
    assert [names_workload(item) for item in ("deployment/a", "cronjob/a", "pod/a", "silence/s", "Deployment/a")] == [
        True, True, False, False, False
    ]  # fmt: skip
    found = workload("StatefulSet")
    assert (found.target, found.short_kind, found.plural, found.serves) == ("statefulset/api", "sts", "statefulsets", True)
    assert not workload("Job").serves and not workload().selects((("a", "b"),))
    assert workload(selector=(("a", "b"),)).selects((("a", "b"), ("c", "d"))) and not workload(selector=(("a", "b"),)).selects(
        ()
    )


def revision(number: int, at: float) -> Revision:
    return Revision(number, f"r{number}", "u", at, 1)


def progressing(at: float, reason: str = "NewReplicaSetAvailable") -> Condition:
    return Condition("Progressing", "True", reason, updated_at=at)


@pytest.mark.parametrize(
    ("found", "revisions", "at"),
    [
        (workload(created_at=7.0), (), 7.0),
        (workload(created_at=7.0, revision=2), (revision(1, 10.0), revision(2, 20.0)), 20.0),
        (workload(revision=2, conditions=(progressing(30.0),)), (revision(2, 20.0),), 30.0),
        (workload(revision=2, conditions=(progressing(30.0, "DeploymentPaused"),)), (revision(2, 20.0),), 20.0),
        (workload(revision=2, conditions=(progressing(30.0, "DeploymentResumed"),)), (revision(2, 20.0),), 20.0),
        (workload(conditions=(replace(progressing(30.0), type="Available"),), created_at=7.0), (), 7.0),
        (workload("StatefulSet", restarted_at=50.0, written_at=110.0), (), 50.0),
        (workload("StatefulSet", restarted_at=50.0, written_at=110.1), (), 0.0),
        (workload("DaemonSet", restarted_at=0.0, created_at=7.0, generation=1), (), 7.0),
        (workload("DaemonSet", restarted_at=0.0, created_at=7.0, generation=2), (), 0.0),
        (workload("Job", batch=BatchJob("j", "Job", started_at=42.0)), (), 42.0),
    ],
)
def test_when_a_rollout_last_progressed(found: Workload, revisions: tuple[Revision, ...], at: float) -> None:
    """By the condition, else by what was created; a write a minute after a restart is no restart any more."""
    assert rolled_out_at(found, revisions) == at


def test_a_panels_trend_as_a_chart() -> None:
    """Over the trend's window, else from its first point to its last; without points the message stands there."""
    spec = PanelSpec("x", "Errors", Unit.PERCENT, lower_is_worse=True)
    points = ((10.0, 1.0), (70.0, 2.0))
    state = PanelState(
        spec, Verdict.OK, Threshold(90.0, 70.0), 2.0, trend=points, trend_window=(0.0, 120.0), trend_sampled=True
    )
    lines = (("warn", 90.0), ("critical", 70.0))
    assert chart_trend(state, "none") == ChartData(
        0.0, 120.0, (ChartSeries("Errors", points),), lines, Unit.PERCENT, step_seconds=2.0, lower_is_worse=True,
        note="peaks not kept",
    )  # fmt: skip
    shorter = chart_trend(replace(state, trend_window=(0.0, 0.0), trend_sampled=False), "none")
    assert (shorter.start, shorter.end, shorter.step_seconds, shorter.message, shorter.note) == (10.0, 70.0, 1.0, "", "")
    gone = chart_trend(replace(state, trend=(), trend_window=(0.0, 0.0)), "none")
    assert (gone.start, gone.end, gone.series, gone.message) == (0.0, 0.0, (), "none")
    assert [kind.dots for kind in Drawing] == [(2, 4), (1, 2), (1, 3)]


def test_the_worst_threshold_that_a_value_crosses() -> None:
    """The highest of those below it, or where lower is worse the lowest of those above; none is empty."""
    high = ChartData(0.0, 1.0, thresholds=(("warn", 5.0), ("critical", 9.0)))
    assert [high.beyond(value) for value in (4.9, 5.0, 5.1, 9.0, 9.1)] == [
        "",
        *beyond(high, 5.0),
        "warn",
        *beyond(high, 9.0),
        "critical",
    ]
    low = replace(high, lower_is_worse=True, thresholds=(("warn", 9.0), ("critical", 5.0)))
    assert (low.beyond(9.1), low.beyond(8.9), low.beyond(4.9)) == ("", "warn", "critical")


def beyond(chart: ChartData, value: float) -> list[str]:
    """What a value exactly on a line crosses, by the panel's own rule."""
    crossed = [name for name, limit in chart.thresholds if is_crossed(value, limit, lower_is_worse=False)]
    return [crossed[-1] if crossed else ""]
