"""From what the API server sends to the few fields of the model."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from queries.kubernetes import decode as decode
from queries.kubernetes import objects as k8s
from queries.text.numbers import parse_quantity


def pod(**status: Any) -> Any:
    raw = {"metadata": {"name": "p", "namespace": "n", "uid": "u"}, "status": {"phase": "Running", **status}}
    return decode.build_pod(msgspec.convert(raw, k8s.PodObject))


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ({"conditions": [{"type": "Ready", "status": "True"}]}, ""),
        ({"conditions": [{"type": "Ready", "status": "False"}]}, "NotReady"),
        ({"containerStatuses": [{"state": {"waiting": {"reason": "CrashLoopBackOff"}}}]}, "CrashLoopBackOff"),
        ({"initContainerStatuses": [{"state": {"waiting": {"reason": "ImagePullBackOff"}}}]}, "Init:ImagePullBackOff"),
        ({"containerStatuses": [{"state": {"terminated": {"reason": "OOMKilled"}}}]}, "OOMKilled"),
        ({"phase": "Succeeded", "containerStatuses": [{"state": {"terminated": {"reason": "Completed"}}}]}, ""),
        ({"phase": "Failed", "reason": "Evicted"}, "Evicted"),
        (
            {"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]},
            "Unschedulable",
        ),
    ],
)
def test_why_a_pod_is_not_well(status: dict[str, Any], reason: str) -> None:
    """Kubernetes' own word for it, from wherever it stands; nothing while it is well."""
    assert pod(**status).reason == reason


def test_environment_is_shown_by_name_and_references_by_what_they_are() -> None:
    """Literals as they are, references as `<kind name/key>`: the value behind a reference was never read."""
    template = {
        "spec": {
            "initContainers": [{"name": "init", "image": "i:1"}],
            "containers": [
                {
                    "name": "main",
                    "image": "m:1",
                    "envFrom": [{"prefix": "A_", "secretRef": {"name": "all"}}, {"configMapRef": {"name": "map"}}],
                    "env": [
                        {"name": "PLAIN", "value": "1"},
                        {"name": "EMPTY"},
                        {"name": "S", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}},
                        {"name": "C", "valueFrom": {"configMapKeyRef": {"name": "cfg", "key": "k"}}},
                        {"name": "F", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
                        {"name": "R", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
                        {"name": "N", "valueFrom": {"somethingNew": {}}},
                    ],
                }
            ],
        }
    }
    main, init = decode.decode_containers(template)
    assert (main.name, init.name) == ("main", "init")
    assert main.env == (
        ("A_*", "<secret all>"),
        ("*", "<configmap map>"),
        ("PLAIN", "1"),
        ("EMPTY", ""),
        ("S", "<secret db/password>"),
        ("C", "<configmap cfg/k>"),
        ("F", "<field status.podIP>"),
        ("R", "<resource limits.cpu>"),
        ("N", "<unknown source>"),
    )


def test_a_bare_object_has_the_apis_defaults() -> None:
    """Absent fields mean what the API says they mean: one replica, not paused, revision 0."""
    found = decode.decode_workload({"metadata": {"name": "x"}})
    assert (found.desired, found.paused, found.revision, found.containers, found.created_at) == (1, False, 0, (), 0.0)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("250m", 0.25), ("1", 1.0), ("1500000n", 0.0015), ("64Mi", 64 * 2**20), ("1G", 1e9), ("1e3", 1000.0),
        ("2E", 2e18), ("0", 0.0), ("", 0.0), ("cats", 0.0),
    ],
)  # fmt: skip
def test_quantities(text: str, number: float) -> None:
    """Kubernetes' suffixes, its exponents, and 0 for what is none."""
    assert parse_quantity(text) == pytest.approx(number)


@given(st.text(max_size=30))
def test_no_text_breaks_a_number_or_a_time(text: str) -> None:
    """Whatever stands where a quantity, a time or a revision should: a number comes out."""
    assert isinstance(parse_quantity(text), float)
    assert isinstance(decode.parse_timestamp(text), float)
    decode.decode_workload({"metadata": {"name": "x", "annotations": {decode.REVISION: text}}})


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
    cron = decode.build_cron_job(read(raw, k8s.CronJobObject))
    assert cron.succeeded_at == 1_767_323_880.0, "not lastScheduleTime, which is eight minutes earlier"
    assert (cron.schedule, cron.suspended, cron.active, cron.failed) == ("10 3 * * *", True, 1, False)
    bare = decode.build_cron_job(read(meta, k8s.CronJobObject))
    assert (bare.succeeded_at, bare.suspended, bare.active) == (0.0, False, 0)
    done = {"status": {"startTime": "2026-01-02T03:10:00Z", "completionTime": "2026-01-02T03:18:00Z"}}
    assert decode.build_job(read({**meta, **done}, k8s.JobObject)).succeeded_at == 1_767_323_880.0
    condition = {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded"}
    failed = decode.build_job(read({**meta, "status": {"conditions": [condition]}}, k8s.JobObject))
    assert (failed.failed, failed.reason, failed.succeeded_at) == (True, "BackoffLimitExceeded", 0.0)
