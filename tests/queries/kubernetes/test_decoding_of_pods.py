"""Pods, templates, autoscalers and budgets as the API server sends them: every field, and what is not there."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from queries.kubernetes import objects as k8s
from queries.kubernetes.cluster_decode import build_last_write, decode_autoscaler, decode_budget, decode_event
from queries.kubernetes.metadata_decode import controller_uid, label_selector, name_owner, parse_number
from queries.kubernetes.pod_decode import build_usage, decode_log_pod, decode_pod
from queries.kubernetes.pod_template_decode import pod_requests
from queries.model.pod_log import LogPod, PodContainers
from queries.text.times import parse_rfc3339

MADE = "2026-01-01T01:00:00Z"
AT = parse_rfc3339(MADE)
LABELS = {"b": "2", "a": "1"}
PULL = {"state": {"waiting": {"reason": "ErrImagePull", "message": "m"}}}


def test_a_pod_as_its_logs_need_it() -> None:
    """Restarts and last ends of every kind of container, by name; the present end comes before the last one."""
    raw = {
        "metadata": {"name": "p", "uid": "u", "creationTimestamp": MADE, "labels": LABELS, "deletionTimestamp": MADE},
        "spec": {"containers": [{"name": "api"}, {"name": "proxy"}], "initContainers": [{"name": "init"}]},
        "status": {
            "phase": "Failed",
            "containerStatuses": [
                {"name": "api", "restartCount": 3, "state": {"terminated": {"reason": "Error", "exitCode": 2}},
                 "lastState": {"terminated": {"reason": "OOMKilled", "exitCode": 137}}},
                {"name": "proxy", "restartCount": None, "state": {"running": {}}, "lastState": {}},
            ],
            "initContainerStatuses": [{"name": "init", "lastState": {"terminated": {"exitCode": 1}}}],
            "ephemeralContainerStatuses": [{"name": "debug", "state": {"terminated": {"reason": "Completed"}}}],
        },
    }  # fmt: skip
    assert decode_log_pod(raw) == LogPod(
        "p", "u", AT, PodContainers(("api", "proxy", "init"), "api"), (("a", "1"), ("b", "2")),
        (("api", 3), ("proxy", 0), ("init", 0), ("debug", 0)),
        (("api", "Error, exit code 2"), ("init", "ended, exit code 1"), ("debug", "Completed, exit code 0")),
        ending=True, finished=True,
    )  # fmt: skip
    bare = decode_log_pod({})
    assert (bare.name, bare.uid, bare.created_at, bare.labels, bare.ending, bare.finished) == ("", "", 0.0, (), False, False)
    assert bare.containers == PodContainers((), "") and bare.restarts == bare.exits == ()
    assert (
        decode_log_pod({"status": {"phase": "Succeeded"}}).finished
        and not decode_log_pod({"status": {"phase": "Running"}}).finished
    )
    assert (decode_log_pod(raw).restarts_of("api"), decode_log_pod(raw).restarts_of("gone")) == (3, 0)
    assert (decode_log_pod(raw).exit_of("api"), decode_log_pod(raw).exit_of("gone")) == ("Error, exit code 2", "")


def test_a_pod_of_a_controller_and_one_of_nobody() -> None:
    """The controller's name and UID, not another owner's; images only of a pod that nobody controls."""
    owners = [
        {"kind": "Node", "name": "n", "uid": "x"},
        {"kind": "ReplicaSet", "name": "api-1", "uid": "y", "controller": True},
    ]
    meta = {"name": "p", "namespace": "ns", "uid": "u", "creationTimestamp": MADE, "labels": {"b": "2", "a": "1"}}
    spec = {"nodeName": "n1", "containers": [{"name": "a", "image": "i:1"}, {"name": "b", "image": "j:2"}]}
    owned = decode_pod({"metadata": {**meta, "ownerReferences": owners}, "spec": spec, "status": {"phase": "Running"}})
    assert (owned.owner_uid, owned.owner, owned.images) == ("y", "ReplicaSet/api-1", ())
    assert (owned.namespace, owned.name, owned.uid, owned.node, owned.created_at) == ("ns", "p", "u", "n1", AT)
    assert owned.labels == (("a", "1"), ("b", "2"))
    alone = decode_pod({"metadata": {**meta, "ownerReferences": owners[:1]}, "spec": spec})
    assert (alone.owner_uid, alone.owner, alone.images, alone.ready, alone.restarts) == ("", "", ("i:1", "j:2"), False, 0)
    assert decode_pod({"metadata": {"name": "p"}}).images == () and decode_pod({"metadata": {"name": "p"}}).node == ""


@pytest.mark.parametrize(
    ("status", "reason", "message"),
    [
        ({"reason": "Evicted", "message": "low on memory"}, "Evicted", "low on memory"),
        ({"reason": "Evicted"}, "Evicted", ""),
        ({"containerStatuses": [{"state": {"waiting": {"reason": "PodInitializing"}}}], "phase": "Running"}, "NotReady", ""),
        ({"containerStatuses": [{"state": {"waiting": {}}}, PULL]}, "ErrImagePull", "m"),
        ({"containerStatuses": [{}, {"state": {"terminated": {"reason": "Error", "message": "m"}}}]}, "Error", "m"),
        ({"containerStatuses": [{"state": {"terminated": {}}}]}, "", ""),
        ({"conditions": [{"type": "PodScheduled", "status": "False"}]}, "Unschedulable", ""),
        ({"conditions": [{"type": "PodScheduled", "status": "False", "reason": "R", "message": "0/3"}]}, "R", "0/3"),
        ({"conditions": [{"type": "PodScheduled", "status": "True"}], "phase": "Pending"}, "", ""),
    ],
)  # fmt: skip
def test_a_reason_has_its_message(status: dict[str, Any], reason: str, message: str) -> None:
    """Both from the same place; one that only waits for its first container has no reason of its own."""
    found = decode_pod({"metadata": {"name": "p"}, "status": status})
    assert (found.reason, found.message) == (reason, message)


def test_one_that_is_deleted_terminates() -> None:
    """Whatever else it says."""
    found = decode_pod({"metadata": {"name": "p", "deletionTimestamp": MADE}, "status": {"reason": "Evicted", "message": "m"}})
    assert (found.reason, found.message) == ("Terminating", "")


def ends(*containers: dict[str, Any], ready: str = "True") -> str:
    status = {"containerStatuses": list(containers), "conditions": [{"type": "Ready", "status": ready}], "phase": "Running"}
    return decode_pod({"metadata": {"name": "p"}, "status": status}).last_exit


def ended(at: str, code: int, reason: str | None = "Error") -> dict[str, Any]:
    return {"terminated": {"reason": reason, "exitCode": code, "finishedAt": at}}


def test_the_last_end_of_all_containers() -> None:
    """The latest, of the present and the last state; a completed one is none; a ready pod without restarts has none."""
    early, late = ended("2026-01-01T01:00:00Z", 1), ended("2026-01-01T02:00:00Z", 2, None)
    assert ends({"restartCount": 1, "lastState": late}, {"restartCount": 1, "lastState": early}) == "ended, exit code 2"
    assert ends({"restartCount": 1, "state": early, "lastState": ended(MADE, 0, "Completed")}) == "Error, exit code 1"
    assert (
        ends({"restartCount": 0, "lastState": early}) == ""
        and ends({"restartCount": 0, "lastState": early}, ready="False") != ""
    )
    assert ends({"restartCount": 1, "state": {"running": {}}}) == ""


def test_usage_is_the_sum_of_the_containers() -> None:
    """CPU in cores, memory in bytes."""
    raw = {
        "metadata": {"name": "p", "namespace": "ns"},
        "containers": [{"usage": {"cpu": "250m", "memory": "1Ki"}}, {"usage": {"cpu": "1", "memory": "2Ki"}}, {"usage": None}],
    }
    found = build_usage(msgspec.convert(raw, k8s.UsageObject))
    assert (found.namespace, found.name, found.cpu_cores, found.memory_bytes) == ("ns", "p", 1.25, 3072)


def container(cpu: str, **more: str) -> dict[str, Any]:
    return {"name": "c", "resources": {"requests": {"cpu": cpu}, "limits": {"cpu": "9"}}, **more}


SIDECAR = container("2", restartPolicy="Always")


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"containers": [container("1"), container("2")]}, {"cpu": 3.0}),
        ({"containers": [container("1")], "initContainers": [container("5"), container("4")]}, {"cpu": 5.0}),
        ({"containers": [container("1")], "initContainers": [SIDECAR, container("4")]}, {"cpu": 6.0}),
        ({"containers": [container("8")], "initContainers": [SIDECAR, container("4")]}, {"cpu": 10.0}),
        ({"containers": [container("1")], "overhead": {"cpu": "500m", "memory": "1Ki"}}, {"cpu": 1.5, "memory": 1024.0}),
        ({"containers": [container("1")], "resources": {"requests": {"cpu": "7"}}}, {"cpu": 7.0}),
        ({}, {}),
    ],
)  # fmt: skip
def test_what_a_pod_of_a_template_requests(spec: dict[str, Any], expected: dict[str, float]) -> None:
    """As the scheduler counts it, with sidecars, one greedy init container, the pod's own request and the overhead."""
    assert pod_requests({"spec": spec}) == expected


def test_its_limits_are_counted_alike() -> None:
    """The sum of all containers' limits, not of their requests."""
    assert pod_requests({"spec": {"containers": [container("1"), container("2")]}}, "limits") == {"cpu": 18.0}
    assert pod_requests({}) == {}


def test_an_autoscaler() -> None:
    """Target, limits and numbers; who asks for it by KEDA; and whether it would like more than it may."""
    limited = {"type": "ScalingLimited", "status": "True", "reason": "TooManyReplicas"}
    raw = {
        "metadata": {"name": "h", "namespace": "ns", "labels": {"scaledobject.keda.sh/name": "so"}},
        "spec": {"scaleTargetRef": {"kind": "Deployment", "name": "api"}, "minReplicas": 2, "maxReplicas": 9},
        "status": {"currentReplicas": 9, "desiredReplicas": 9, "conditions": [limited]},
    }
    found = decode_autoscaler(raw)
    assert (found.namespace, found.name, found.target_kind, found.target_name) == ("ns", "h", "Deployment", "api")
    assert (found.minimum, found.maximum, found.current, found.desired, found.scaled_object, found.limited) == (
        2,
        9,
        9,
        9,
        "so",
        True,
    )
    for change in ({"status": "False"}, {"reason": "TooFewReplicas"}, {"type": "AbleToScale"}):
        assert not decode_autoscaler({**raw, "status": {"conditions": [{**limited, **change}]}}).limited
    bare = decode_autoscaler({"metadata": {"name": "h"}, "spec": {"maxReplicas": 3}})
    assert (bare.minimum, bare.maximum, bare.current, bare.desired, bare.scaled_object, bare.limited) == (1, 3, 0, 0, "", False)
    assert decode_autoscaler({"metadata": {"name": "h"}, "spec": {"minReplicas": 0, "maxReplicas": 3}}).minimum == 0


@pytest.mark.parametrize(
    ("spec", "minimum"),
    [
        ({"minAvailable": 0}, "at least 0 available"),
        ({"minAvailable": "50%", "maxUnavailable": 1}, "at least 50% available"),
        ({"maxUnavailable": 0}, "at most 0 unavailable"),
        ({}, ""),
    ],
)
def test_a_budget(spec: dict[str, Any], minimum: str) -> None:
    """What it demands in words, also of none at all, and how many it allows now."""
    raw = {"metadata": {"name": "b", "namespace": "ns"}, "spec": spec, "status": {"disruptionsAllowed": 2}}
    found = decode_budget(raw)
    assert (found.namespace, found.name, found.minimum, found.allowed, found.everything) == ("ns", "b", minimum, 2, False)
    assert decode_budget({"metadata": {"name": "b"}}).allowed == 0


@pytest.mark.parametrize(
    ("raw", "hour", "count"),
    [
        ({"series": {"lastObservedTime": "2026-01-01T02:00:00Z", "count": 5}, "lastTimestamp": MADE, "count": 2}, 2, 5),
        ({"lastTimestamp": "2026-01-01T03:00:00Z", "eventTime": MADE, "count": 2}, 3, 2),
        ({"eventTime": "2026-01-01T04:00:00Z", "firstTimestamp": MADE}, 4, 1),
        ({"firstTimestamp": "2026-01-01T05:00:00Z", "metadata": {"creationTimestamp": MADE}}, 5, 1),
        ({"metadata": {"creationTimestamp": "2026-01-01T06:00:00Z", "namespace": "ns"}}, 6, 1),
    ],
)
def test_when_an_event_was_last_seen(raw: dict[str, Any], hour: int, count: int) -> None:
    """From the first of its times that it has; the count of a series or its own, the larger."""
    found = decode_event({"metadata": {"name": "e"}, **raw})
    assert (found.at, found.count) == (parse_rfc3339(f"2026-01-01T0{hour}:00:00Z"), count)
    assert (found.kind, found.name, found.type, found.reason, found.message) == ("", "", "", "", "")


def test_who_wrote_last() -> None:
    """The manager with the latest time, of several; one without a time does not count as the latest."""
    managed = [
        {"manager": "a", "time": "2026-01-01T02:00:00Z"},
        {"manager": "b", "time": "2026-01-01T03:00:00Z"},
        {"manager": "c"},
    ]
    raw = {"metadata": {"name": "x", "creationTimestamp": MADE, "managedFields": managed}}
    found = build_last_write(msgspec.convert(raw, k8s.TouchedObject))
    assert (found.name, found.manager, found.at) == ("x", "b", parse_rfc3339("2026-01-01T03:00:00Z"))


def test_selectors_owners_and_numbers() -> None:
    """A requirement that only asks for a label is that label; what is no number is 0; no owner is no name."""
    both = {"matchExpressions": [{"key": "a", "operator": "Exists"}, {"key": "b", "operator": "DoesNotExist"}]}
    assert label_selector({"spec": {"selector": both}}) == "a,!b" and label_selector({}) == label_selector({"spec": None}) == ""
    owners = [{"uid": "x"}, {"uid": "y", "controller": True}]
    assert controller_uid({"metadata": {"ownerReferences": owners}}) == "y" and controller_uid({}) == ""
    assert [parse_number(text) for text in ("12", "0", "", None, "x", "-1", "٣")] == [12, 0, 0, 0, 0, 0, 0]
    assert name_owner(k8s.Owner()) == "" and name_owner(k8s.Owner(kind="Job", name="j")) == "Job/j"
