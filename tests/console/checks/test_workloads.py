"""The verdict on what runs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from console.checks.workloads import evaluate_workloads
from queries.model.panel import PanelSpec, PanelState, Threshold, Unit
from queries.model.verdict import Verdict
from queries.model.workload import Cluster, Condition, Pod, Revision, Workload

SPEC = PanelSpec("workloads", "Workloads", Unit.COUNT, source="kubernetes")
NOW = 1_800_000_000.0
API = Workload(
    namespace="n", name="cad-ml-api", uid="u", resource_version="1", generation=1, observed_generation=1, desired=3, replicas=3,
    updated=3, ready=3, available=3, paused=False, revision=2, created_at=NOW - 9e5, selector=(("app", "cad-ml-api"),),
)  # fmt: skip
POD = Pod("n", "cad-ml-api-1", "p1", "Running", True, 0, NOW - 100, labels=(("app", "cad-ml-api"),))


def state_of(*workloads: Workload, now: float = NOW, **more: object) -> PanelState:
    cluster = Cluster("n", workloads, (Revision(2, "r", "u", NOW - 300, 3),), **more)  # type: ignore[arg-type]
    return evaluate_workloads(SPEC, Threshold(), cluster, taken_at=NOW, now=now, stale_after=30.0)


@pytest.mark.parametrize(
    ("change", "verdict", "words"),
    [
        ({}, Verdict.OK, "all desired pods are ready"),
        ({"ready": 0}, Verdict.CRITICAL, "none of 3 pods is ready"),
        ({"ready": 0, "desired": 0}, Verdict.OK, "all desired"),
        ({"ready": 2}, Verdict.WARN, "2 of 3 pods ready"),
        ({"updated": 1}, Verdict.WARN, "1 of 3 new pods created"),
        ({"conditions": (Condition("Progressing", "False", "ProgressDeadlineExceeded"),)}, Verdict.CRITICAL, "rollout failed"),
    ],
)
def test_one_workload_decides(change: dict[str, object], verdict: Verdict, words: str) -> None:
    """Nothing ready or a failed rollout is critical; missing pods and a running rollout warn."""
    told = state_of(replace(API, **change), replace(API, name="other", uid="v"))  # type: ignore[arg-type]
    assert told.verdict is verdict
    assert words in told.reason


def test_the_note_names_the_worst() -> None:
    """Ready of wanted, then the worst workload with its revision and the moment of its rollout."""
    assert state_of(replace(API, ready=2)).note == f"2/3 ready  cad-ml-api 2/3 · rev 2 rolled out {'07:55'}"


def test_recent_restarts_warn() -> None:
    """A pod that crashes, or whose restarts were seen to grow, is not fine although it is ready."""
    assert state_of(API, pods=(replace(POD, reason="CrashLoopBackOff"),)).verdict is Verdict.WARN
    cluster = Cluster("n", (API,), (), (replace(POD, restarts=4),))
    seen = evaluate_workloads(
        SPEC, Threshold(), cluster, taken_at=NOW, now=NOW, stale_after=30.0, restarted_at={"p1": NOW - 60}
    )
    assert seen.verdict is Verdict.WARN
    assert state_of(API, pods=(replace(POD, restarts=4),)).verdict is Verdict.OK


def test_what_is_not_known_is_not_fine() -> None:
    """No cluster, an empty namespace and an old answer are no_data, no_data and stale."""
    nothing = evaluate_workloads(
        SPEC, Threshold(), None, taken_at=0, now=NOW, stale_after=30, unanswered="Kubernetes is not configured"
    )
    assert (nothing.verdict, nothing.value, nothing.reason) == (Verdict.NO_DATA, None, "Kubernetes is not configured")
    assert state_of().verdict is Verdict.NO_DATA
    assert state_of(API, now=NOW + 31).verdict is Verdict.STALE
