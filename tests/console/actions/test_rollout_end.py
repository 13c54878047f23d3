"""When the rollout of a StatefulSet or DaemonSet ends its action, and with what sentence."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any

import pytest
from action_bench import API, Bench, outcome
from plain_cluster import PlainCluster, described, pod

from console.actions.action import ClusterReader, Progress
from console.actions.deployment_action import DeploymentAction
from console.actions.plan import Outcome, Plan, Request
from console.actions.restart import RESTARTED_AT, Restart
from console.actions.scale import Scale
from queries.errors import RequestRejected
from queries.model.alert import Alert, AlertState

RESTARTED = {"template": {"metadata": {"annotations": {RESTARTED_AT: "2026-01-01T00:00:00Z"}}}}
STATUS: dict[str, dict[str, Any]] = {
    "DaemonSet": {"desiredNumberScheduled": 3, "updatedNumberScheduled": 0, "numberReady": 2, "numberAvailable": 2},
    "StatefulSet": {"replicas": 3, "readyReplicas": 2, "updatedReplicas": 0, "updateRevision": "b", "currentRevision": "a"},
}


class Recorded:
    """Answers every read of the workload with the next of its objects."""

    def __init__(self, *objects: dict[str, Any]) -> None:
        self.left = list(objects)

    async def workload(self, resource: str, name: str) -> dict[str, Any]:
        return self.left.pop(0) if len(self.left) > 1 else self.left[0]

    async def pods(self, workload: dict[str, Any]) -> list[dict[str, Any]]:
        return []

    replica_sets = pods


def found(kind: str, observed: int = 2, desired: int = 3, strategy: str = "OnDelete", **status: Any) -> dict[str, Any]:
    meta = {"name": "web", "namespace": "n", "uid": "u", "resourceVersion": "5", "generation": 2}
    spec = {"replicas": desired, "selector": {"matchLabels": {"a": "b"}}, "updateStrategy": {"type": strategy}, **RESTARTED}
    told = {**STATUS[kind], "observedGeneration": observed, **status}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": meta, "spec": spec, "status": told}


def planned(action: str, kind: str, body: object, **parameters: str) -> Plan:
    return Plan(Request(action, f"{kind.lower()}/web", parameters), "", f"{kind.lower()}/web", (), (), "", "web", body)


async def reports(action: DeploymentAction, plan: Plan, reader: Any) -> list[Progress]:
    """Every report up to the end, which has to come: the objects that are read do not change any more."""
    found: list[Progress] = []
    async for item in action.verify(plan, reader):
        found.append(item)
        assert len(found) < 20, "it never ends"
    return found


@pytest.mark.parametrize("kind", ["DaemonSet", "StatefulSet"])
async def test_a_template_with_on_delete_ends_once_it_is_observed(kind: str) -> None:
    """Neither rolled out nor failed, whatever state the pods are in: the sentence counts those that keep the old template."""
    plan = planned("restart", kind, {"spec": RESTARTED})
    waits, end = await reports(Restart(), plan, Recorded(found(kind, observed=1), found(kind)))
    assert waits.done is None and "observe the new spec" in waits.text
    text = "web: 3 of 3 pods keep the old template until someone deletes them (strategy OnDelete)"
    assert end == Progress(f"the template changed; {text}", done=True, expects_recovery=False)


async def test_a_stateful_set_is_scaled_down_once_its_surplus_pods_ended() -> None:
    """Pods beyond the desired ones are ended one by one, and until the last has ended the action waits."""
    status: dict[str, Any] = {"readyReplicas": 3, "updatedReplicas": 3, "updateRevision": "a"}
    surplus = found("StatefulSet", desired=1, strategy="RollingUpdate", **status)
    gone: dict[str, Any] = {"replicas": 1, "readyReplicas": 1, "updatedReplicas": 1, "updateRevision": "a"}
    reader = Recorded(surplus, found("StatefulSet", desired=1, strategy="RollingUpdate", **gone))
    waits, end = await reports(Scale(), planned("scale", "StatefulSet", {}, replicas="1"), reader)
    assert (waits.done, waits.text) == (None, "web: 2 surplus pods pending termination")
    assert end.done is True


async def test_no_alert_is_waited_for_where_no_pod_changed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The alert behind the request cannot end before someone deletes the pods, so the action does not fail for it."""

    async def verify(self: DeploymentAction, plan: Plan, reader: ClusterReader) -> AsyncGenerator[Progress, None]:
        yield Progress("the template changed; nothing else", done=True, expects_recovery=False)

    monkeypatch.setattr(DeploymentAction, "verify", verify)
    firing = Alert("fp", AlertState.ACTIVE, (("alertname", "HighErrorRate"),))
    bench.facts.alerts_now = (firing,)
    told = replace(bench.settings, verify_timeout_seconds=0.5)
    steps = await bench.act("restart", f"deployment/{API}", settings=told, request={"fingerprint": firing.fingerprint})
    result, text = outcome(steps)
    assert (result, text.endswith("the template changed; nothing else")) == (Outcome.DONE, True), text


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.at = 1000.0

    def monotonic(self) -> float:
        return self.at


class Stuck(PlainCluster):
    """A StatefulSet that waits, with the pods of its new revision."""

    def __init__(self, *pods: dict[str, Any]) -> None:
        super().__init__(statefulsets=[found("StatefulSet", strategy="RollingUpdate")], pods=list(pods), events=[])

    @property
    def looks(self) -> int:
        return self.asked.count(("pods", ""))


def new_pod(name: str = "web-2", reason: str = "ImagePullBackOff", revision: str = "b") -> dict[str, Any]:
    return pod(name, ready=False, reason=reason, labels={"controller-revision-hash": revision})


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr("console.actions.deployment_action.time", made)
    return made


PLAN = planned("restart", "StatefulSet", {"spec": RESTARTED})


@pytest.mark.parametrize(("reason", "seconds"), [("ImagePullBackOff", 3.0), ("CrashLoopBackOff", 20.0)])
async def test_an_obstacle_that_lasts_is_a_failure(clock: Clock, reason: str, seconds: float) -> None:
    """A hair before its time it waits, exactly then it fails, with the cluster's message; an old pod's trouble is none."""
    cluster = Stuck(new_pod(reason=reason), new_pod("web-1", "ErrImageNeverPull", revision="a"))
    text = f"web: 2 of 3 pods ready; web-2: {reason} (why)"
    reports = Restart().verify(PLAN, cluster)  # type: ignore[arg-type]
    start = clock.at
    for at, done in ((0.0, None), (seconds - 0.001, None), (seconds, False)):
        clock.at = start + at
        item = await anext(reports)
        assert (item.text, item.done) == (text, done), at
    assert [item async for item in reports] == []


async def test_an_obstacle_is_read_again_every_two_seconds(clock: Clock) -> None:
    """Not before, exactly then; in between the last one stands."""
    cluster = Stuck(new_pod(reason="CrashLoopBackOff"))
    reports = Restart().verify(PLAN, cluster)  # type: ignore[arg-type]
    looks = []
    for at in (0.0, 1.999, 2.0, 3.9):
        clock.at = 1000.0 + at
        await anext(reports)
        looks.append(cluster.looks)
        if at == 2.0:
            cluster.objects["pods"] = []
    assert looks == [1, 1, 2, 2]
    clock.at = 1004.0
    assert (await anext(reports)).text == "web: 2 of 3 pods ready"


async def test_progress_begins_the_time_of_an_obstacle_anew(clock: Clock) -> None:
    """One more pod has been updated, or another reason: nothing lasts since before."""
    cluster = Stuck(new_pod())
    reports = Restart().verify(PLAN, cluster)  # type: ignore[arg-type]
    await anext(reports)
    clock.at += 2.5
    cluster.objects["statefulsets"] = [found("StatefulSet", strategy="RollingUpdate", updatedReplicas=1)]
    assert (await anext(reports)).done is None
    clock.at += 2.9
    assert (await anext(reports)).done is None
    clock.at += 0.1
    assert (await anext(reports)).done is False


@pytest.mark.parametrize(("status", "fails"), [(403, False), (404, False), (500, True)])
@pytest.mark.parametrize("resource", ["pods", "events"])
async def test_pods_and_events_that_may_not_be_read_stop_nothing(clock: Clock, resource: str, status: int, fails: bool) -> None:
    """Then only the rollout's own status is known; a server in trouble is an error."""
    cluster = Stuck(new_pod())
    cluster.broken[resource] = RequestRejected("no", status=status)
    reports = Restart().verify(PLAN, cluster)  # type: ignore[arg-type]
    if fails:
        with pytest.raises(RequestRejected):
            await anext(reports)
    else:
        assert (await anext(reports)).text == "web: 2 of 3 pods ready"


def deployment(*, updated: int = 1, exceeded: bool = False) -> dict[str, Any]:
    told = found("StatefulSet")
    reason = "ProgressDeadlineExceeded" if exceeded else "ReplicaSetUpdated"
    status = {"observedGeneration": 2, "replicas": 1, "updatedReplicas": updated, "readyReplicas": 1, "availableReplicas": 1,
              "conditions": [{"type": "Progressing", "status": "True", "reason": reason}]}  # fmt: skip
    return {**told, "kind": "Deployment", "spec": {"replicas": 1, "selector": {}, **RESTARTED}, "status": status}


def replica_set(number: int, replicas: int) -> dict[str, Any]:
    notes = {"deployment.kubernetes.io/revision": str(number)}
    return described(f"rs-{number}", meta={"annotations": notes}, spec={"template": {}}, status={"replicas": replicas})


async def test_a_deadline_counts_once_it_is_seen_eight_times(clock: Clock) -> None:
    """The status still has the one of the rollout before: seven times it waits, and a rollout that goes on begins anew."""
    plan = planned("restart", "Deployment", {"spec": RESTARTED})
    cluster = PlainCluster(deployments=[deployment(exceeded=True)], pods=[], replicasets=[])
    ends = [item.done async for item in Restart().verify(plan, cluster)]  # type: ignore[arg-type]
    assert ends == [None] * 7 + [False]
    moving: Any = PlainCluster(deployments=[deployment(exceeded=True)], pods=[], replicasets=[])
    reports = Restart().verify(plan, moving)
    for _ in range(7):
        assert (await anext(reports)).done is None
    moving.objects["deployments"] = [deployment()]
    assert [(item.text, item.done) async for item in reports] == [("web: rolled out, 1 of 1 available", True)]


async def test_a_restart_waits_for_every_older_pod(clock: Clock) -> None:
    """Those of all older ReplicaSets count together; a scale does not wait for them."""
    plan = planned("restart", "Deployment", {"spec": RESTARTED})
    cluster: Any = PlainCluster(
        deployments=[deployment()], replicasets=[replica_set(3, 1), replica_set(1, 1), replica_set(2, 2)]
    )
    reports = Restart().verify(plan, cluster)
    assert (await anext(reports)).text == "web: 3 old pods terminating"
    cluster.objects["replicasets"] = [replica_set(3, 1), replica_set(1, 1), replica_set(2, 0)]
    assert (await anext(reports)).text == "web: 1 old pods terminating"
    cluster.objects["replicasets"] = [replica_set(3, 1), replica_set(2, 0)]
    assert [(item.text, item.done) async for item in reports] == [("web: rolled out, 1 of 1 available", True)]
    cluster.objects["replicasets"] = [replica_set(3, 1), replica_set(1, 1)]
    scaled = planned("scale", "Deployment", {"spec": {"replicas": 1}}, replicas="1")
    assert [item.done async for item in Scale().verify(scaled, cluster)] == [True]


async def test_what_a_write_without_an_answer_did_is_read_from_version_and_generation(clock: Clock) -> None:
    """In place, unchanged so far, rejected for good, or changed by somebody else: each by what stands there."""
    plan = replace(planned("restart", "StatefulSet", {"spec": RESTARTED}), resource_version="5", generation=2)
    there = found("StatefulSet")
    lacks = {**there, "spec": {**there["spec"], "template": {}}}

    async def look(item: dict[str, Any], **meta: Any) -> tuple[bool, str, bool, bool]:
        cluster: Any = PlainCluster(statefulsets=[{**item, "metadata": {**item["metadata"], **meta}}])
        got = await Restart().check_applied(plan, cluster)
        return got.plan is not None, got.text.partition("statefulset/web ")[2][:12], got.final, got.unchanged

    assert await look(there, resourceVersion="9", generation=3) == (True, "", False, False)
    assert await look(lacks) == (False, "is unchanged", False, False)
    assert await look(lacks, resourceVersion="6") == (False, "has its old ", True, True)
    assert await look(lacks, resourceVersion="6", generation=3) == (False, "was modified", True, False)


def paused(replicas: int, available: int, *, desired: int = 8, updated: int = 0, observed: int = 2) -> dict[str, Any]:
    """A Deployment whose rollout is paused: its changed template has no ReplicaSet, or only some pods."""
    counts = {"replicas": replicas, "readyReplicas": available, "availableReplicas": available, "updatedReplicas": updated}
    late = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}
    item = found("StatefulSet", observed=observed, desired=desired)
    spec = {**item["spec"], "paused": True}
    status = {"observedGeneration": observed, **counts, "conditions": [late]}
    return {**item, "kind": "Deployment", "spec": spec, "status": status}


async def test_a_paused_deployment_is_scaled_once_it_has_the_pods() -> None:
    """Its rollout does not go on, so the template of the pods decides nothing: as a real controller scales it."""
    reader = Recorded(paused(3, 3, observed=1), paused(8, 5, updated=2), paused(8, 8, updated=2))
    waits, starts, end = await reports(Scale(), planned("scale", "Deployment", {}, replicas="8"), reader)
    assert (waits.done, "observe the new spec" in waits.text) == (None, True)
    assert (starts.done, starts.text) == (None, "web: 5 of 8 pods available; its rollout is paused")
    assert (end.done, end.text) == (True, "web: 8 of 8 pods available; its rollout is paused")
    fewer = Recorded(paused(8, 8, desired=3), paused(3, 3, desired=3))
    less, end = await reports(Scale(), planned("scale", "Deployment", {}, replicas="3"), fewer)
    assert (less.done, "5 surplus pods" in less.text, end.done) == (None, True, True)
