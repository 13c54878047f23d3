"""Each kind of workload as the API server sends it, whole: every field in its place, and no field of another kind."""

from __future__ import annotations

from typing import Any

import pytest

from queries.kubernetes.workload_decode import build_lone_pod, decode_workload
from queries.model.label_selector import Requirement
from queries.model.pod import Pod
from queries.model.workload import BatchJob, Condition, Container, RequestsAndLimits, UpdateStrategy, Workload
from queries.text.times import parse_rfc3339

MADE, RESTARTED, WRITTEN, LATER = (f"2026-01-01T0{hour}:00:00Z" for hour in (1, 2, 3, 4))


def at(text: str) -> float:
    return parse_rfc3339(text)


def meta(**more: Any) -> dict[str, Any]:
    by_template = {"f:spec": {"f:template": {"f:spec": {}}}}
    managed = [
        {"manager": "kubectl-set", "time": WRITTEN, "fieldsV1": by_template},
        {"manager": "older", "time": MADE, "fieldsV1": by_template},
        {"manager": "kube-controller-manager", "time": LATER, "fieldsV1": {"f:status": {}}},
        {"manager": "scaler", "time": LATER, "fieldsV1": {"f:spec": {"f:replicas": {}}}},
    ]
    return {
        "namespace": "shop",
        "name": "api",
        "uid": "u",
        "resourceVersion": "77",
        "generation": 5,
        "creationTimestamp": MADE,
        "labels": {"b": "2", "a": "1"},
        "managedFields": managed,
        **more,
    }


TEMPLATE = {
    "metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": RESTARTED}},
    "spec": {
        "containers": [{"name": "api", "image": "i:1", "resources": {"requests": {"cpu": "1"}, "limits": {"memory": "1Ki"}}}]
    },
}
CONTAINERS = (Container("api", "i:1", resources=RequestsAndLimits(1.0, 0.0, 1024.0, 1024.0)),)
SELECTOR = {"matchLabels": {"app": "api", "a": "b"}, "matchExpressions": [{"key": "t", "operator": "In", "values": ["x", "y"]}]}
PROGRESSING = {"type": "Progressing", "status": "True", "reason": "R", "message": "m", "lastUpdateTime": LATER}
COMMON: dict[str, Any] = {
    "namespace": "shop", "name": "api", "uid": "u", "resource_version": "77", "generation": 5, "created_at": at(MADE),
    "labels": (("a", "1"), ("b", "2")), "containers": CONTAINERS, "written_by": "kubectl-set", "written_at": at(WRITTEN),
}  # fmt: skip
SELECTED: dict[str, Any] = {
    "selector": (("a", "b"), ("app", "api")), "requirements": (Requirement("t", "In", ("x", "y")),),
    "restarted_at": at(RESTARTED),
    "conditions": (Condition("Progressing", "True", "R", "m", at(LATER)),),
}  # fmt: skip


def test_a_deployment() -> None:
    """Counts, revision, cause and the limits of its strategy."""
    notes = {"deployment.kubernetes.io/revision": "9", "kubernetes.io/change-cause": "a fix"}
    raw = {
        "kind": "Deployment",
        "metadata": meta(annotations=notes),
        "spec": {
            "replicas": 4, "paused": True, "selector": SELECTOR, "template": TEMPLATE,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": "10%"}},
        },
        "status": {
            "observedGeneration": 4, "replicas": 6, "updatedReplicas": 3, "readyReplicas": 2, "availableReplicas": 1,
            "conditions": [PROGRESSING],
        },
    }  # fmt: skip
    expected = Workload(
        **COMMON, **SELECTED, observed_generation=4, desired=4, replicas=6, updated=3, ready=2, available=1,
        paused=True, revision=9,
        change_cause="a fix", strategy=UpdateStrategy("RollingUpdate", 1, "10%"),
    )  # fmt: skip
    assert decode_workload(raw) == expected
    assert decode_workload({**raw, "kind": None}) == expected
    none = decode_workload({"metadata": {"name": "x"}, "spec": {"replicas": 0, "strategy": {"type": "Recreate"}}})
    assert (none.desired, none.strategy) == (0, UpdateStrategy("Recreate"))
    rolling = {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 0}}
    assert decode_workload({"metadata": {"name": "x"}, "spec": {"strategy": rolling}}).strategy == UpdateStrategy(
        "RollingUpdate", 0, 0
    )


def test_a_stateful_set() -> None:
    """It has no revision number; its strategy stands elsewhere, with its partition and its own defaults."""
    raw = {
        "kind": "StatefulSet",
        "metadata": meta(),
        "spec": {"replicas": 4, "selector": SELECTOR, "template": TEMPLATE,
        "updateStrategy": {"rollingUpdate": {"partition": 2}}},
        "status": {
            "observedGeneration": 5, "replicas": 4, "updatedReplicas": 3, "readyReplicas": 2, "availableReplicas": 1,
            "conditions": [PROGRESSING], "updateRevision": "new", "currentRevision": "old",
        },
    }  # fmt: skip
    assert decode_workload(raw) == Workload(
        **COMMON, **SELECTED, kind="StatefulSet", observed_generation=5, desired=4, replicas=4, updated=3, ready=2, available=1,
        paused=False, revision=0, strategy=UpdateStrategy("RollingUpdate", 0, 1, 2), update_revision="new",
        current_revision="old",
    )  # fmt: skip


def test_a_daemon_set() -> None:
    """Its pods are those of nodes: what is scheduled, not what a spec asks for; percentages round up."""
    raw = {
        "kind": "DaemonSet",
        "metadata": meta(),
        "spec": {"selector": SELECTOR, "template": TEMPLATE, "updateStrategy": {"type": "OnDelete"}},
        "status": {
            "observedGeneration": 5, "desiredNumberScheduled": 7, "updatedNumberScheduled": 6, "numberReady": 5,
            "numberAvailable": 4,
            "conditions": [PROGRESSING],
        },
    }  # fmt: skip
    assert decode_workload(raw) == Workload(
        **COMMON, **SELECTED, kind="DaemonSet", observed_generation=5, desired=7, replicas=6, updated=6, ready=5, available=4,
        paused=False, revision=0, strategy=UpdateStrategy("OnDelete", 0, 1, rounds_up=True),
    )  # fmt: skip


@pytest.mark.parametrize(("observed", "generation"), [("5", 5), (4, 4), ("6f7d", 5), ("", 0), (None, 0)])
def test_a_rollout_of_argo(observed: Any, generation: int) -> None:
    """Argo's phase and message; versions before 1.0 wrote a hash as the observed generation, which says nothing."""
    raw = {
        "kind": "Rollout",
        "metadata": meta(annotations={"rollout.argoproj.io/revision": "3", "deployment.kubernetes.io/revision": "8"}),
        "spec": {"replicas": 4, "paused": True, "selector": SELECTOR, "template": TEMPLATE},
        "status": {
            "observedGeneration": observed, "replicas": 5, "updatedReplicas": 3, "readyReplicas": 2, "availableReplicas": 1,
            "conditions": [PROGRESSING], "phase": "Paused", "message": "CanaryPauseStep",
        },
    }  # fmt: skip
    assert decode_workload(raw) == Workload(
        **COMMON, **SELECTED, kind="Rollout", observed_generation=generation, desired=4, replicas=5, updated=3,
        ready=2, available=1,
        paused=True, revision=3, phase="Paused", message="CanaryPauseStep",
    )  # fmt: skip


def test_a_cron_job() -> None:
    """Its schedule, deadline and policy, what runs, and its last runs; its template is its Jobs'."""
    raw = {
        "kind": "CronJob",
        "metadata": meta(managedFields=[
            {"manager": "helm", "time": WRITTEN, "fieldsV1": {"f:spec": {"f:jobTemplate": {"f:spec": {}}}}},
            {"manager": "scheduler", "time": LATER, "fieldsV1": {"f:status": {}}},
        ]),
        "spec": {
            "schedule": "10 3 * * *", "timeZone": "Europe/Berlin", "startingDeadlineSeconds": 0, "concurrencyPolicy": "Forbid",
            "suspend": True, "jobTemplate": {"spec": {"template": TEMPLATE}},
        },
        "status": {"active": [{"name": "x"}, {"name": "y"}], "lastScheduleTime": WRITTEN, "lastSuccessfulTime": RESTARTED},
    }  # fmt: skip
    batch = BatchJob(
        "CronJob", "api", "10 3 * * *", "Europe/Berlin", 0, forbids_overlap=True, suspended=True, active=2, created_at=at(MADE),
        succeeded_at=at(RESTARTED), started_at=at(WRITTEN),
    )  # fmt: skip
    found = decode_workload(raw)
    assert found == Workload(
        **{**COMMON, "written_by": "helm"}, kind="CronJob", observed_generation=0, desired=2, replicas=2, updated=0, ready=0,
        available=0, paused=False, revision=0, batch=batch, managed_by="Helm release",
    )  # fmt: skip
    other = decode_workload(
        {"kind": "CronJob", "metadata": {"name": "x"}, "spec": {"schedule": "@daily", "concurrencyPolicy": "Allow"}}
    )
    assert other.batch is not None and (other.batch.forbids_overlap, other.batch.starting_deadline_seconds) == (False, None)


def job(*conditions: dict[str, Any], **status: Any) -> Workload:
    owner = [{"kind": "CronJob", "name": "nightly", "uid": "x", "controller": True}]
    raw = {
        "kind": "Job",
        "metadata": meta(ownerReferences=owner),
        "spec": {"suspend": True, "completions": 3, "template": TEMPLATE},
        "status": {"conditions": list(conditions), **status},
    }
    return decode_workload(raw)


FAILED = {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "too often"}
TIMES = {"startTime": RESTARTED, "completionTime": WRITTEN}


def test_a_job() -> None:
    """One that runs, with how many of its completions succeeded, and which CronJob it is of."""
    found = job(active=2, ready=1, succeeded=1, **TIMES)
    batch = BatchJob(
        "Job", "api", suspended=True, active=2, created_at=at(MADE), succeeded_at=at(WRITTEN), started_at=at(RESTARTED),
        completions=3, succeeded=1,
    )  # fmt: skip
    assert found == Workload(
        **COMMON, kind="Job", observed_generation=0, desired=2, replicas=2, updated=0, ready=1, available=1, paused=False,
        revision=0, batch=batch, owner="CronJob/nightly",
    )  # fmt: skip
    bare = decode_workload({"kind": "Job", "metadata": {"name": "x"}}).batch
    assert bare == BatchJob("Job", "x")


@pytest.mark.parametrize(
    ("conditions", "finished", "failed", "reason", "message"),
    [
        ([FAILED], True, True, "BackoffLimitExceeded", "too often"),
        ([{**FAILED, "reason": None}], True, True, "too often", ""),
        ([{**FAILED, "message": None}], True, True, "BackoffLimitExceeded", ""),
        ([{**FAILED, "status": "False"}], False, False, "", ""),
        ([{"type": "Complete", "status": "True"}], True, False, "", ""),
        ([{"type": "Complete", "status": "False"}], False, False, "", ""),
        ([{"type": "Suspended", "status": "True"}, FAILED], True, True, "BackoffLimitExceeded", "too often"),
    ],
)
def test_how_a_job_ended(conditions: list[dict[str, Any]], finished: bool, failed: bool, reason: str, message: str) -> None:
    """By its conditions that are true; a failed one has no success, whatever time stands there."""
    batch = job(*conditions, **TIMES).batch
    assert batch is not None
    assert (batch.finished, batch.failed, batch.reason, batch.message) == (finished, failed, reason, message)
    assert batch.succeeded_at == (0.0 if failed else at(WRITTEN))


@pytest.mark.parametrize(
    ("phase", "reason", "ready", "desired"),
    [
        ("Running", "", True, 1),
        ("Running", "", False, 1),
        ("Succeeded", "", False, 0),
        ("Running", "Terminating", True, 0),
        ("Failed", "Evicted", False, 1),
    ],
)
def test_a_pod_of_nobody(phase: str, reason: str, ready: bool, desired: int) -> None:
    """It is meant to be ready until it has succeeded or is deleted; its reason comes before its phase."""
    pod = Pod("shop", "p", "u", phase, ready, 2, 7.0, reason, "n", (("a", "b"),), message="m", images=("i:1", "j:2"))
    assert build_lone_pod(pod, "Foo/x") == Workload(
        "shop", "p", "u", "", 0, 0, desired, 1, 1, int(ready), int(ready), False, 0, 7.0, labels=(("a", "b"),),
        containers=(Container("", "i:1"), Container("", "j:2")), kind="Pod", phase=reason or phase, message="m", owner="Foo/x",
    )  # fmt: skip
    raw = {"kind": "Pod", "metadata": {"name": "p"}, "status": {"phase": "Running"}}
    assert (decode_workload(raw).kind, decode_workload(raw).phase, decode_workload(raw).owner) == ("Pod", "NotReady", "")
