"""Events, revisions, claims, conditions and nodes are read as the API server sends them."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from loopback import RECORDINGS

from queries.kubernetes import objects as k8s
from queries.kubernetes.object_decode import (
    build_node_pod,
    decode_claim,
    decode_conditions,
    decode_controller_revision,
    decode_node,
    decode_object_event,
    decode_replica_set,
    sort_events,
)
from queries.model.object_page import EventCount, NodePod, ObjectEvent, Resources
from queries.model.workload import Condition
from queries.text.times import parse_rfc3339

FIRST, LAST, LATER, MADE = (f"2026-01-01T0{hour}:00:00Z" for hour in (1, 2, 3, 4))
CREATED = {"creationTimestamp": MADE}


def seconds(text: str) -> float:
    return parse_rfc3339(text)


@pytest.mark.parametrize("group", ["core/v1", "events.k8s.io/v1"])
def test_both_groups_serve_the_same_event(group: str) -> None:
    """As Kubernetes 1.36 sent one event in both: every field is found under either name."""
    recorded = json.loads((RECORDINGS / "kubernetes-1.36-event.json").read_text())[group]
    at = seconds("2026-11-29T16:19:27Z")
    assert decode_object_event(recorded) == ObjectEvent(
        "Deployment", "web", "Normal", "ScalingReplicaSet", "Scaled up replica set web-984bdc9dd from 2 to 3", 1,
        EventCount.ONCE, at, at, "a0fcdbf1-4fff-409b-a9af-38b42fa80a44",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("raw", "count", "counted"),
    [
        ({}, 1, EventCount.ONCE),
        ({"count": 0}, 1, EventCount.ONCE),
        ({"count": 1}, 1, EventCount.ONCE),
        ({"count": 2}, 2, EventCount.REPEATED),
        ({"deprecatedCount": 3}, 3, EventCount.REPEATED),
        ({"series": {"count": 7}}, 7, EventCount.SERIES),
        ({"series": {"count": 7}, "count": 9}, 9, EventCount.SERIES),
        ({"series": {"lastObservedTime": LAST}}, 1, EventCount.SERIES),
        ({"message": "(combined from similar events): a", "count": 12}, 12, EventCount.COMBINED),
        ({"note": "(combined from similar events): a"}, 1, EventCount.COMBINED),
    ],
)
def test_what_the_count_counts(raw: dict[str, Any], count: int, counted: EventCount) -> None:
    """Once, repeated, a series whose count is a lower bound, or similar messages; the remark of the latter is no message."""
    found = decode_object_event(raw)
    assert (found.count, found.counted) == (count, counted)
    assert found.message == ("a" if counted is EventCount.COMBINED else "")


@pytest.mark.parametrize(
    ("raw", "first", "last"),
    [
        ({"firstTimestamp": FIRST, "lastTimestamp": LAST, "eventTime": LATER, "metadata": CREATED}, FIRST, LAST),
        ({"deprecatedFirstTimestamp": FIRST, "deprecatedLastTimestamp": LAST, "eventTime": LATER}, FIRST, LAST),
        ({"eventTime": LATER, "metadata": CREATED}, LATER, LATER),
        ({"eventTime": None, "metadata": CREATED}, MADE, MADE),
        ({"eventTime": FIRST, "series": {"lastObservedTime": LAST}, "lastTimestamp": LATER}, FIRST, LAST),
    ],
)  # fmt: skip
def test_when_it_was(raw: dict[str, Any], first: str, last: str) -> None:
    """The first and the last time, from whichever field has it; a series' last observation comes before all others."""
    found = decode_object_event(raw)
    assert (found.first_at, found.last_at) == (seconds(first), seconds(last))


def test_an_event_without_anything() -> None:
    """Nothing in it is nothing in the model, and no error."""
    empty = ObjectEvent("", "", "", "", "", 1, EventCount.ONCE, 0.0, 0.0, "")
    assert decode_object_event({}) == empty and not empty.warning
    assert decode_object_event({"metadata": None, "involvedObject": None, "series": None, "type": "Warning"}).warning


def test_events_are_sorted() -> None:
    """The newest first; of the same moment by kind, name, reason and message."""

    def event(kind: str = "Pod", name: str = "a", reason: str = "r", message: str = "m", at: float = 1.0) -> ObjectEvent:
        return ObjectEvent(kind, name, "", reason, message, last_at=at)

    ordered = (
        event(at=2.0), event("Job"), event(), event(message="n"), event(reason="s"), event(name="b")
    )  # fmt: skip
    assert sort_events(reversed(ordered)) == ordered


def replica_set(labels: dict[str, str] | None, **annotations: str) -> dict[str, Any]:
    meta = {"name": "api-1", "uid": "u", "creationTimestamp": FIRST, "labels": labels, "annotations": annotations}
    return {"metadata": meta, "spec": {"template": {"spec": {"containers": [{"name": "api"}]}}}}


def test_a_replica_set_is_a_revision() -> None:
    """Its number, cause, history and template, and the label by which its pods name it; an Argo Rollout's is another."""
    notes = {
        "deployment.kubernetes.io/revision": "3",
        "deployment.kubernetes.io/revision-history": "1,2",
        "kubernetes.io/change-cause": "a fix",
    }
    found = decode_replica_set(replica_set({"pod-template-hash": "h1", "app": "api"}, **notes))
    assert (found.number, found.name, found.since, found.change_cause) == (3, "api-1", seconds(FIRST), "a fix")
    assert (found.pods_label, found.pods_value, found.history) == ("pod-template-hash", "h1", (1, 2))
    assert found.template == {"spec": {"containers": [{"name": "api"}]}} and len(found.fingerprint) == 16
    argo = decode_replica_set(replica_set({"rollouts-pod-template-hash": "h2"}))
    assert (argo.pods_label, argo.pods_value, argo.number) == ("rollouts-pod-template-hash", "h2", 0)
    bare = decode_replica_set({**replica_set(None), "spec": None})
    assert (bare.pods_label, bare.pods_value, bare.template) == ("pod-template-hash", "", {})


def test_a_controller_revision_is_one() -> None:
    """A StatefulSet's pods have its name as the label's value, a DaemonSet's its hash; `$patch` is no part of the template."""
    raw = {
        "metadata": {
            "name": "db-7",
            "creationTimestamp": FIRST,
            "labels": {"controller-revision-hash": "h7"},
            "annotations": {"kubernetes.io/change-cause": "a fix"},
        },
        "revision": 7,
        "data": {"spec": {"template": {"$patch": "replace", "spec": {"containers": []}}}},
    }
    found = decode_controller_revision(raw, "StatefulSet")
    assert (found.number, found.name, found.since, found.change_cause) == (7, "db-7", seconds(FIRST), "a fix")
    assert (found.pods_label, found.pods_value) == ("controller-revision-hash", "db-7")
    assert found.template == {"spec": {"containers": []}} and (found.fingerprint, found.history) == ("", ())
    assert decode_controller_revision(raw, "DaemonSet").pods_value == "h7"
    bare = decode_controller_revision({"metadata": {"name": "x"}}, "DaemonSet")
    assert (bare.number, bare.since, bare.change_cause, bare.template, bare.pods_value) == (0, 0.0, "", {}, "")


def test_conditions() -> None:
    """Both, with their last update, else their last transition; what is no condition is none."""
    entries = [
        {
            "type": "Ready",
            "status": "False",
            "reason": "R",
            "message": "m",
            "lastUpdateTime": LAST,
            "lastTransitionTime": FIRST,
        },
        {"type": "Other", "status": None, "lastTransitionTime": FIRST, "lastHeartbeatTime": LATER},
        "x",
    ]
    assert decode_conditions({"status": {"conditions": entries}}) == (
        Condition("Ready", "False", "R", "m", seconds(LAST)), Condition("Other", "", "", "", seconds(FIRST))
    )  # fmt: skip
    assert decode_conditions({}) == decode_conditions({"status": {"conditions": None}}) == ()


def test_a_claim() -> None:
    """A bound one with its capacity; an unbound one has none yet."""
    raw = {
        "metadata": {"name": "data", "creationTimestamp": FIRST},
        "spec": {"storageClassName": "fast"},
        "status": {"phase": "Bound", "capacity": {"storage": "10Gi"}},
    }
    found = decode_claim(raw)
    assert (found.name, found.phase, found.capacity, found.storage_class, found.created_at) == (
        "data", "Bound", "10Gi", "fast", seconds(FIRST)
    )  # fmt: skip
    bare = decode_claim({"metadata": {"name": "data"}, "status": {"phase": "Pending", "capacity": None}})
    assert (bare.phase, bare.capacity, bare.storage_class, bare.created_at) == ("Pending", "", "", 0.0)


NODE = {
    "metadata": {
        "name": "n1",
        "uid": "u",
        "creationTimestamp": FIRST,
        "labels": {"node-role.kubernetes.io/worker": "", "node-role.kubernetes.io/control-plane": "", "zone": "a"},
    },
    "spec": {
        "unschedulable": True,
        "taints": [{"key": "gpu", "value": "yes", "effect": "NoSchedule"}, {"key": "spot", "effect": "NoExecute"}],
    },
    "status": {
        "conditions": [
            {"type": "MemoryPressure", "status": "False"},
            {"type": "DiskPressure", "status": "True"},
            {"type": "NetworkUnavailable", "status": "Unknown"},
            {"type": "Ready", "status": "True"},
        ],
        "allocatable": {"cpu": "3920m", "memory": "15Gi", "pods": "110"},
        "nodeInfo": {"kubeletVersion": "v1.36.1"},
    },
}


def test_a_node() -> None:
    """Readiness, pressures, taints, roles and what it can give; a condition that is not known is no good sign."""
    node = decode_node(NODE)
    assert (node.name, node.uid, node.ready, node.cordoned, node.version) == ("n1", "u", "True", True, "v1.36.1")
    assert node.taints == ("gpu=yes:NoSchedule", "spot:NoExecute") and node.roles == ("control-plane", "worker")
    assert node.allocatable == Resources(3.92, 15.0 * 2**30, 110.0) and node.created_at == seconds(FIRST)
    assert [item.type for item in node.pressures] == ["DiskPressure", "NetworkUnavailable"] and len(node.conditions) == 4
    bare = decode_node({"metadata": {"name": "n2"}, "status": {"nodeInfo": None}})
    assert (bare.ready, bare.cordoned, bare.taints, bare.roles, bare.version) == ("", False, (), (), "")
    assert bare.allocatable == Resources() and bare.pressures == ()
    assert decode_node({**NODE, "spec": {"taints": [{}]}}).taints == (":",)


def node_pod(spec: dict[str, Any] | None, **status: Any) -> NodePod:
    raw = {"metadata": {"name": "p", "namespace": "ns", "creationTimestamp": FIRST}, "spec": spec, "status": status or None}
    return build_node_pod(msgspec.convert(raw, k8s.ScheduledPodObject))


def requests(cpu: str, memory: str = "0") -> dict[str, Any]:
    return {"resources": {"requests": {"cpu": cpu, "memory": memory}}}


SIDECAR = {"restartPolicy": "Always"}


@pytest.mark.parametrize(
    ("spec", "cpu", "memory"),
    [
        ({"containers": [requests("1", "1Ki"), requests("500m", "2Ki"), {}, {"resources": {}}]}, 1.5, 3072.0),
        ({"containers": [requests("1")], "initContainers": [requests("3"), requests("2")]}, 3.0, 0.0),
        ({"containers": [requests("4")], "initContainers": [requests("3")]}, 4.0, 0.0),
        ({"containers": [requests("1")], "initContainers": [{**requests("2"), **SIDECAR}, requests("3")]}, 5.0, 0.0),
        ({"containers": [requests("1")], "initContainers": [requests("3"), {**requests("2"), **SIDECAR}]}, 3.0, 0.0),
        ({"containers": [requests("9")], "initContainers": [{**requests(cpu), **SIDECAR} for cpu in "24"]}, 15.0, 0.0),
        ({"containers": [requests("1")], "overhead": {"cpu": "250m", "memory": "1Ki"}}, 1.25, 1024.0),
        ({"containers": [requests("1", "5")], "resources": {"requests": {"cpu": "7"}}, "overhead": {"cpu": "1"}}, 8.0, 5.0),
        ({"containers": [requests("1", "5")], "resources": {}}, 1.0, 5.0),
        ({}, 0.0, 0.0),
    ],
)  # fmt: skip
def test_what_the_scheduler_reserves(spec: dict[str, Any], cpu: float, memory: float) -> None:
    """Containers and sidecars, or an init container with the sidecars before it, or the pod's own; and the overhead."""
    assert node_pod(spec).requests == Resources(cpu, memory)


def test_a_pod_that_waits_for_a_node() -> None:
    """Why the scheduler has not placed it, in its words; nothing for one that has a node."""
    waits = [
        {"type": "Ready", "status": "False", "reason": "X"},
        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes are available"},
    ]
    found = node_pod({}, phase="Pending", conditions=waits)
    assert found == NodePod("ns", "p", "", "Pending", Resources(), seconds(FIRST), "Unschedulable: 0/3 nodes are available")
    assert node_pod({"nodeName": "n1"}, phase="Running", conditions=waits).unscheduled == ""
    assert node_pod({"nodeName": "n1"}, phase="Running").node == "n1"
    assert node_pod({}, phase="Pending", conditions=[{**waits[1], "status": "True"}]).unscheduled == ""
    assert node_pod({}, phase="Pending", conditions=[{**waits[1], "message": None}]).unscheduled == "Unschedulable"
