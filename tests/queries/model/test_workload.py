"""How a workload replaces its pods, and when its rollout is done."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from queries.model.rollout import RolloutPhase, rollout_status
from queries.model.workload import Condition, UpdateStrategy, Workload, rolled_out_at


def _workload(*conditions: Condition) -> Workload:
    return Workload(
        namespace="n", name="api", uid="u", resource_version="1", generation=1, observed_generation=1, desired=1, replicas=1,
        updated=1, ready=1, available=1, paused=False, revision=3, created_at=10.0, conditions=conditions,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("strategy", "desired", "surge", "unavailable", "pace"),
    [
        (UpdateStrategy(), 3, 1, 0, "one at a time"),
        (UpdateStrategy(), 8, 2, 2, "up to 4 at a time"),
        (UpdateStrategy(max_surge=0, max_unavailable="50%"), 3, 0, 1, "one at a time"),
        (UpdateStrategy(max_surge=0, max_unavailable="10%"), 3, 0, 1, "one at a time"),
        (UpdateStrategy(max_surge=0, max_unavailable=9), 3, 0, 3, "all at once"),
        (UpdateStrategy("Recreate"), 3, 0, 3, "all at once"),
        (UpdateStrategy(max_surge=0, max_unavailable="10%", rounds_up=True), 15, 0, 2, "up to 2 at a time"),
        (UpdateStrategy(max_surge=0, max_unavailable="10%"), 15, 0, 1, "one at a time"),
    ],
)
def test_how_many_pods_a_rollout_takes_away(
    strategy: UpdateStrategy, desired: int, surge: int, unavailable: int, pace: str
) -> None:
    """As the controllers count: a surge rounds up; what may be missing rounds up for a DaemonSet, else down; never both 0."""
    assert (strategy.surge(desired), strategy.unavailable(desired)) == (surge, unavailable)
    assert strategy.replaced_at_once(desired) == pace


def _stateful_set(strategy: UpdateStrategy, **facts: Any) -> Workload:
    return replace(_workload(), kind="StatefulSet", strategy=strategy, **facts)


@pytest.mark.parametrize(
    ("workload", "phase", "words"),
    [
        (_stateful_set(UpdateStrategy(), generation=2), RolloutPhase.WAITING, "observe the new spec"),
        (_stateful_set(UpdateStrategy(), desired=3, ready=2), RolloutPhase.WAITING, "2 of 3 pods ready"),
        (_stateful_set(UpdateStrategy(), update_revision="b", current_revision="a"), RolloutPhase.WAITING, "1 of 1 new pods"),
        (_stateful_set(UpdateStrategy(partition=1), desired=3, ready=3, updated=1), RolloutPhase.WAITING, "1 of 2 new pods"),
        (_stateful_set(UpdateStrategy(partition=2), desired=3, ready=3, updated=1), RolloutPhase.DONE, "above its partition"),
        (_stateful_set(UpdateStrategy(), update_revision="a", current_revision="a"), RolloutPhase.DONE, "1 of 1 ready"),
        (
            _stateful_set(UpdateStrategy(), update_revision="a", current_revision="a", updated=0),
            RolloutPhase.WAITING,
            "0 of 1 new pods",
        ),
        (_stateful_set(UpdateStrategy(), desired=1, replicas=3, ready=3), RolloutPhase.WAITING, "2 surplus pods"),
        (replace(_workload(), kind="DaemonSet", desired=2), RolloutPhase.WAITING, "1 of 2 new pods created"),
    ],
)
def test_a_rollout_is_done_when_kubectl_calls_it_done(workload: Workload, phase: RolloutPhase, words: str) -> None:
    """The tests of `kubectl rollout status` for StatefulSets and DaemonSets, in their order."""
    status = rollout_status(workload)
    assert status.phase is phase and words in status.sentence


@pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet"])
def test_on_delete_is_neither_rolled_out_nor_failed(kind: str) -> None:
    """Of both kinds: the pods that keep the old template are counted, and once none does it is rolled out."""
    workload = replace(_workload(), kind=kind, strategy=UpdateStrategy("OnDelete"), desired=3, replicas=3, ready=3, available=3)
    status = rollout_status(workload)
    assert status.phase is RolloutPhase.ON_DELETE
    assert status.sentence == "api: 2 of 3 pods keep the old template until someone deletes them (strategy OnDelete)"
    assert rollout_status(replace(workload, updated=3)).phase is RolloutPhase.DONE
    assert rollout_status(replace(workload, ready=2, available=2)).phase is RolloutPhase.WAITING


@pytest.mark.parametrize(
    ("phase", "observed", "expected"),
    [
        ("Healthy", 1, RolloutPhase.DONE),
        ("Healthy", 0, RolloutPhase.WAITING),
        ("Degraded", 1, RolloutPhase.FAILED),
        ("Paused", 1, RolloutPhase.WAITING),
        ("", 1, RolloutPhase.WAITING),
    ],
)
def test_argo_itself_says_how_a_rollout_stands(phase: str, observed: int, expected: RolloutPhase) -> None:
    """Its phase decides, because its steps and analyses may hold a rollout whose pods are ready; without one it is unknown."""
    rollout = replace(_workload(), kind="Rollout", phase=phase, message="CanaryPauseStep", observed_generation=observed)
    assert rollout_status(rollout).phase is expected


@pytest.mark.parametrize(
    ("restarted", "written", "expected"),
    [(0.0, 900.0, 10.0), (800.0, 860.0, 800.0), (800.0, 860.1, 0.0), (800.0, 0.0, 800.0), (0.0, 0.0, 10.0)],
)
@pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet"])
def test_when_a_workload_without_a_condition_was_rolled_out(
    kind: str, restarted: float, written: float, expected: float
) -> None:
    """Its last restart, unless its template was written more than a minute later; never restarted nor changed, its creation."""
    found = replace(_workload(), kind=kind, restarted_at=restarted, written_at=written)
    assert rolled_out_at(found, ()) == expected
    assert rolled_out_at(replace(found, generation=2), ()) == (expected if restarted else 0.0)
