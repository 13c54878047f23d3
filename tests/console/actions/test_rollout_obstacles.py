"""What stops a rollout, from conditions, pods and events as a cluster reports them."""

from __future__ import annotations

import math

import pytest

from console.actions.rollout_obstacles import add_events, find_obstacle
from queries.model.cluster import ClusterEvent
from queries.model.pod import Pod
from queries.model.workload import Condition, Workload

NO_ROOM = "0/3 nodes are available: 3 Insufficient cpu."


def workload(*conditions: Condition) -> Workload:
    return Workload("n", "web", "u", "1", 2, 2, 3, 4, 1, 3, 3, False, 2, 0.0, conditions=conditions)


def pod(
    name: str, reason: str = "", message: str = "", *, last_exit: str = "", restarts: int = 0, phase: str = "Pending"
) -> Pod:
    return Pod("n", name, name, phase, not reason, restarts, 0.0, reason, message=message, last_exit=last_exit)


def test_a_quota_is_named_by_the_condition() -> None:
    """Without a pod there is nothing else to look at: the controller's message is the server's own refusal."""
    quota = 'pods "web-7-x" is forbidden: exceeded quota: small, requested: pods=1, used: pods=3, limited: pods=3'
    found = find_obstacle(workload(Condition("ReplicaFailure", "True", "FailedCreate", quota)), ())
    assert found is not None and found.text == f"FailedCreate: {quota}" and found.certain_seconds > 3.0


@pytest.mark.parametrize(
    ("new", "text"),
    [
        (pod("a", "ImagePullBackOff", "Back-off pulling image"), "a: ImagePullBackOff (Back-off pulling image)"),
        (pod("a", "Init:ImagePullBackOff"), "a: Init:ImagePullBackOff"),
        (pod("a", "Unschedulable", NO_ROOM), f"a: Unschedulable ({NO_ROOM})"),
        (
            pod("a", "CrashLoopBackOff", "back-off 10s", last_exit="OOMKilled, exit code 137", restarts=2),
            "a: CrashLoopBackOff (back-off 10s; OOMKilled, exit code 137)",
        ),
    ],
)
def test_a_pod_that_cannot_run_is_named_with_the_message(new: Pod, text: str) -> None:
    """The pod, Kubernetes' reason, its message and the last exit; a pod that only starts slowly is no obstacle."""
    found = find_obstacle(workload(), (pod("z"), pod("b", "ContainerCreating"), new))
    assert found is not None and (found.text, found.pod) == (text, "a")
    assert find_obstacle(workload(), (pod("z"), pod("b", "ContainerCreating"))) is None


def test_a_failing_probe_is_known_from_its_event_alone() -> None:
    """A running pod that is not ready is an obstacle only where the kubelet reports a failed probe."""
    found = find_obstacle(workload(), (pod("a", "NotReady"),))
    assert found is not None and add_events(found, ()) is None
    failed = "Readiness probe failed: HTTP probe failed with statuscode: 500"
    told = add_events(found, (ClusterEvent("n", "Pod", "a", "Warning", "Unhealthy", failed, 9.0, 12),))
    assert told is not None and told.text == f"a is not ready; Unhealthy: {failed} (12 times)"


@pytest.mark.parametrize(
    "left",
    [
        pod("a", "Evicted", "The node was low on resource: memory.", phase="Failed"),
        pod("a", "Error", phase="Failed"),
        pod("a", "OOMKilled", phase="Succeeded"),
        pod("a", "Terminating", phase="Running"),
    ],
)
def test_a_pod_that_ended_stops_no_rollout(left: Pod) -> None:
    """Its controller has replaced it already, and its object may stay for weeks."""
    assert find_obstacle(workload(), (left,)) is None
    found = find_obstacle(workload(), (left, pod("b", "CrashLoopBackOff")))
    assert found is not None and found.pod == "b"


def test_a_failing_probe_alone_is_no_failure() -> None:
    """A probe fails while a model loads, for minutes: only the Deployment's progress deadline ends that."""
    found = find_obstacle(workload(), (pod("a", "NotReady", phase="Running"),))
    assert found is not None
    told = add_events(found, (ClusterEvent("n", "Pod", "a", "Warning", "Unhealthy", "Readiness probe failed", 9.0, 12),))
    assert told is not None and told.certain_seconds == math.inf


def test_the_last_two_warnings_follow_the_obstacle() -> None:
    """The newest first, each with how often it came if it came again; what the obstacle says already is not repeated, and an
    ordinary event is no warning.
    """
    found = find_obstacle(workload(), (pod("a", "CrashLoopBackOff", "back-off 10s"),))
    assert found is not None
    events = [
        ClusterEvent("n", "Pod", "a", kind, reason, message, at, count)
        for kind, reason, message, at, count in (
            ("Warning", "Failed", "oldest", 1.0, 2), ("Warning", "Failed", "older", 2.0, 1),
            ("Warning", "BackOff", "newest", 3.0, 2), ("Normal", "Pulled", "ordinary", 9.0, 5),
        )
    ]  # fmt: skip
    told = add_events(found, events)
    assert told is not None
    assert told.text == f"{found.text}; BackOff: newest (2 times); Failed: older"
    again = add_events(found, [*events, ClusterEvent("n", "Pod", "a", "Warning", "BackOff", "back-off 10s", 4.0, 7)])
    assert again is not None and again.text == f"{found.text}; BackOff: newest (2 times)"
