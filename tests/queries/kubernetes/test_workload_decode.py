"""Workloads as the API server sends them: defaults, runs and strategies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from queries.kubernetes import objects as k8s
from queries.kubernetes.workload_decode import build_cron_job, build_job, build_rollout, build_workload, decode_workload

RECORDINGS = Path(__file__).parents[1] / "recordings"


def test_a_bare_object_has_the_apis_defaults() -> None:
    """Absent fields mean what the API says they mean: one replica, not paused, revision 0."""
    found = decode_workload({"metadata": {"name": "x"}})
    assert (found.desired, found.paused, found.revision, found.containers, found.created_at) == (1, False, 0, (), 0.0)


def test_how_long_a_rollout_may_make_no_progress() -> None:
    """The workload's own deadline, of a Deployment and of an Argo Rollout; ten minutes where it sets none."""
    deadline = {"metadata": {"name": "x"}, "spec": {"progressDeadlineSeconds": 60}}
    rollout = msgspec.json.decode(msgspec.json.encode(deadline), type=k8s.RolloutObject)
    assert decode_workload(deadline).progress_deadline_seconds == build_rollout(rollout).progress_deadline_seconds == 60.0
    assert decode_workload({"metadata": {"name": "x"}}).progress_deadline_seconds == 600.0


def test_the_last_success_of_what_runs_by_the_clock() -> None:
    """A CronJob's last success is not when it was last scheduled; a Job that failed has none, and says why."""

    def read(raw: Any, kind: Any) -> Any:
        return msgspec.json.decode(msgspec.json.encode(raw), type=kind)

    meta = {"metadata": {"name": "backup", "creationTimestamp": "2026-01-01T00:00:00Z"}}
    status = {
        "lastScheduleTime": "2026-01-02T03:10:00Z",
        "lastSuccessfulTime": "2026-01-02T03:18:00Z",
        "active": [{"name": "x"}],
    }
    raw = {**meta, "spec": {"schedule": "10 3 * * *", "suspend": True}, "status": status}
    cron = build_cron_job(read(raw, k8s.CronJobObject)).batch
    assert cron.succeeded_at == 1_767_323_880.0, "not lastScheduleTime, which is eight minutes earlier"
    assert (cron.schedule, cron.suspended, cron.active, cron.failed) == ("10 3 * * *", True, 1, False)
    bare = build_cron_job(read(meta, k8s.CronJobObject)).batch
    assert (bare.succeeded_at, bare.suspended, bare.active) == (0.0, False, 0)
    done = {"status": {"startTime": "2026-01-02T03:10:00Z", "completionTime": "2026-01-02T03:18:00Z"}}
    assert build_job(read({**meta, **done}, k8s.JobObject)).batch.succeeded_at == 1_767_323_880.0
    condition = {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded"}
    failed = build_job(read({**meta, "status": {"conditions": [condition]}}, k8s.JobObject)).batch
    assert (failed.failed, failed.reason, failed.succeeded_at) == (True, "BackoffLimitExceeded", 0.0)


@pytest.mark.parametrize(
    ("kind", "percent", "pods", "unavailable"),
    [
        ("Deployment", "25%", 10, 2),
        ("StatefulSet", "25%", 10, 2),
        ("StatefulSet", "5%", 10, 1),
        ("DaemonSet", "25%", 10, 3),
        ("DaemonSet", "5%", 10, 1),
        ("DaemonSet", "50%", 10, 5),
    ],
)
def test_each_controller_rounds_its_percentage_its_own_way(kind: str, percent: str, pods: int, unavailable: int) -> None:
    """How many pods go down at the worst moment. Source: Kubernetes 1.36.3, the controllers' code."""
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": percent}}
    spec = {"replicas": pods, "strategy" if kind == "Deployment" else "updateStrategy": rolling}
    meta = {"name": "web", "namespace": "n", "uid": "u", "resourceVersion": "1"}
    found = decode_workload({"kind": kind, "metadata": meta, "spec": spec})
    assert found.strategy.unavailable(pods) == unavailable


def test_who_wrote_the_pod_template_last() -> None:
    """As 1.36 recorded `kubectl create`, `set image`, `rollout restart` and `scale`: the newest of those that own a part of the
    template; neither who scaled it nor the controller that writes its status.
    """
    recorded = json.loads((RECORDINGS / "kubernetes-1.36-kubectl-managers.json").read_text(encoding="utf-8"))
    found = decode_workload(recorded)
    assert found.written_by == "kubectl-rollout" and found.written_at > 1.7e9
    read = msgspec.json.decode(msgspec.json.encode(recorded), type=k8s.DeploymentObject)
    assert build_workload(read).written_by == "kubectl-rollout"
    del recorded["metadata"]["managedFields"]
    assert decode_workload(recorded).written_by == ""
