"""Ending a pod, without a server: what is known of its controller, its budgets and what takes its place."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plain_cluster import PlainCluster, described, pod

from console.actions.plan import ActionRefused, CheckLevel, Plan, Request
from console.actions.pod import DeletePod, Evict, PodFacts
from queries.errors import RequestRejected, SourceError, Unreachable

EVICT, DELETE = Request("evict", "pod/web-1"), Request("delete-pod", "pod/web-1")
SELECTOR = {"matchLabels": {"app": "web"}}


def replica_set(replicas: int | None = 3, **parts: Any) -> dict[str, Any]:
    spec = {"selector": SELECTOR, **({} if replicas is None else {"replicas": replicas})}
    return described("web", "ReplicaSet", spec=spec, **parts)


def budget(name: str, allowed: int = 1, app: str = "web") -> dict[str, Any]:
    spec = {"minAvailable": 1, "selector": {"matchLabels": {"app": app}}}
    return described(name, "PodDisruptionBudget", spec=spec, status={"disruptionsAllowed": allowed})


def cluster(*pods: dict[str, Any], owner: dict[str, Any] | None = None, **objects: list[dict[str, Any]]) -> PlainCluster:
    owners = [replica_set() if owner is None else owner]
    return PlainCluster(pods=list(pods or (pod("web-1", owner="web"),)), replicasets=owners, **objects)


async def facts_of(found: PlainCluster) -> PodFacts:
    return await Evict().fetch_facts(EVICT, found)  # type: ignore[arg-type]


async def planned(found: PlainCluster) -> Plan:
    return Evict().plan(EVICT, await facts_of(found), 0.0)


async def verification_steps(plan: Plan, *looks: PlainCluster) -> list[tuple[str, bool | None]]:
    """What the verification says, one look after the other; the last one stays."""
    left = list(looks)
    now: Any = left[0]
    reports = []
    verification = Evict().verify(plan, now)
    async for item in verification:
        reports.append((item.text, item.done))
        if len(left) > 1:
            left.pop(0)
            now.objects, now.broken = left[0].objects, left[0].broken
        assert len(reports) < 10, "it never ends"
    return reports


@pytest.mark.parametrize("allowed", [0, 1, 2])
@pytest.mark.parametrize("ready", [True, False])
async def test_a_budget_forbids_only_what_it_does_not_allow_of_a_ready_pod(allowed: int, ready: bool) -> None:
    """None left blocks a ready pod and warns of one that is not ready, which the budget may let go. Another app's is none."""
    found = cluster(
        pod("web-1", owner="web", ready=ready), poddisruptionbudgets=[budget("own", allowed), budget("other", 0, "x")]
    )
    (check,) = Evict().check_budgets(await facts_of(found))
    level = CheckLevel.OK if allowed else CheckLevel.BLOCK if ready else CheckLevel.WARN
    assert (check.level, check.text.startswith("PodDisruptionBudget own (at least 1 available) allows ")) == (level, True)
    (asked,) = DeletePod().check_budgets(await facts_of(found))
    assert (asked.level, asked.word) == (CheckLevel.ASK, "delete")
    assert f"ignores PodDisruptionBudget own, which allows {allowed} now;" in asked.text


async def test_no_budget_and_two_budgets_and_unread_budgets() -> None:
    """None says nothing, two are rejected by the server whatever they allow, and unread ones are not called absent."""
    none, two = await facts_of(cluster()), await facts_of(cluster(poddisruptionbudgets=[budget("a"), budget("b")]))
    assert Evict().check_budgets(none) == ()
    (both,) = Evict().check_budgets(two)
    assert (both.level, both.text.endswith("covers: a, b")) == (CheckLevel.BLOCK, True)
    assert "PodDisruptionBudget a, which allows 1 now, PodDisruptionBudget b" in DeletePod().check_budgets(two)[0].text
    assert "ignores any PodDisruptionBudget;" in DeletePod().check_budgets(none)[0].text
    hidden = cluster()
    hidden.broken["poddisruptionbudgets"] = RequestRejected("forbidden", status=403)
    unread = await facts_of(hidden)
    assert [item.level for item in Evict().check_budgets(unread)] == [CheckLevel.WARN]
    assert "PodDisruptionBudgets, which you may not read" in DeletePod().check_budgets(unread)[0].text


async def test_the_preview_counts_the_other_ready_pods() -> None:
    """Those of the same controller, without the pod itself; of a bare pod there are none, and nothing recreates it."""
    others = (
        pod("web-2", owner="web"),
        pod("web-3", owner="web", ready=False),
        pod("web-4", owner="web"),
        pod("db-1", owner="db"),
    )
    plan = await planned(cluster(pod("web-1", owner="web"), *others))
    shown = {item.name: item.after for item in plan.differences}
    assert (shown["others ready"], shown["pod"]) == ("2", "evicted; ReplicaSet web recreates it")
    bare = await planned(cluster(pod("web-1"), *others))
    shown = {item.name: item.after for item in bare.differences}
    assert "others ready" not in shown and shown["pod"] == "evicted; nothing recreates it"
    assert plan.digest != bare.digest
    for meta, why in (
        ({"annotations": {"kubernetes.io/config.mirror": "x"}}, "static pod: only the kubelet of node-1"),
        ({"deletionTimestamp": "2026-01-01T00:00:00Z"}, "is already terminating"),
    ):
        with pytest.raises(ActionRefused, match=why):
            await planned(cluster(pod("web-1", **meta)))
    command = Evict().command(await facts_of(cluster()))
    assert "/api/v1/namespaces/n/pods/web-1/eviction" in command and '"name":"web-1"' in command
    assert DeletePod().command(await facts_of(cluster())) == "kubectl -n n delete pod/web-1"


@pytest.mark.parametrize(
    ("error", "read"), [(RequestRejected("no", status=404), True), (RequestRejected("no", status=403), True),
                        (RequestRejected("no", status=500), False), (Unreachable("gone"), False)],
)  # fmt: skip
async def test_a_controller_that_may_not_be_read_stops_nothing(error: SourceError, read: bool) -> None:
    """Gone or forbidden leaves the pod's siblings by their owner alone; a server in trouble is an error."""
    found = cluster(pod("web-1", owner="web"), pod("web-2", owner="web"), pod("db-1", owner="db"))
    found.broken["replicasets"] = error
    if not read:
        with pytest.raises(type(error)):
            await facts_of(found)
        return
    assert [item.name for item in (await facts_of(found)).siblings] == ["web-1", "web-2"]
    plan = await planned(cluster())
    gone = cluster(pod("other", owner="db"))
    gone.broken["replicasets"] = error
    (end,) = await verification_steps(plan, gone) if error.fault.status == 404 else [("", True)]
    assert end == (("pod/web-1 is gone, and so is ReplicaSet web", True) if error.fault.status == 404 else ("", True))


async def test_a_pod_is_looked_at_until_another_has_taken_its_place() -> None:
    """Terminating, gone, its replacement not ready, then ready; the pods of before and those of others replace nothing."""
    plan = await planned(cluster(pod("web-1", owner="web"), pod("web-2", owner="web")))
    left = pod("web-2", owner="web")
    starting = pod("web-9", owner="web", ready=False, reason="ImagePullBackOff")
    looks = [
        cluster(left, pod("web-1", owner="web")),
        cluster(left),
        cluster(left, pod("db-9", owner="db")),
        cluster(left, pod("web-8", owner="web", deletionTimestamp="2026-01-01T00:00:00Z")),
        cluster(left, starting),
        cluster(left, pod("web-9", owner="web")),
    ]
    waiting = ("pod/web-1 is gone; waiting for ReplicaSet web to recreate it", None)
    assert await verification_steps(plan, *looks) == [
        ("pod/web-1 is terminating", None), waiting, waiting, waiting,
        ("pod/web-1 is gone; its replacement web-9 is not ready: ImagePullBackOff: why", None),
        ("pod/web-1 is gone; web-9 on node-1 replaces it: ready", True),
    ]  # fmt: skip


async def test_a_pod_of_the_same_name_is_another_one() -> None:
    """A StatefulSet's next pod has the name of the one before: by its UID it is the replacement."""
    plan = await planned(cluster())
    assert await verification_steps(plan, cluster(pod("web-1", owner="web", uid="new"))) == [
        ("pod/web-1 is gone; web-1 on node-1 replaces it: ready", True)
    ]
    ended = pod("web-9", owner="web", ready=False, phase="Succeeded")
    assert (await verification_steps(plan, cluster(ended)))[0][0].endswith("replaces it: succeeded")
    applied: Any = cluster(pod("web-1", owner="web", uid="new"))
    assert (await Evict().check_applied(plan, applied)).plan is not None
    applied = cluster(pod("web-1", owner="web", deletionTimestamp="2026-01-01T00:00:00Z"))
    assert (await Evict().check_applied(plan, applied)).plan is not None
    still: Any = cluster()
    assert (await Evict().check_applied(plan, still)).text == "pod/web-1 is not terminating"
    bare = await planned(cluster(pod("web-1")))
    assert await verification_steps(bare, cluster(pod("web-1")), cluster(pod("web-2"))) == [
        ("pod/web-1 is terminating", None), ("pod/web-1 is gone", True),
    ]  # fmt: skip


@given(desired=st.none() | st.integers(0, 4), living=st.integers(0, 4), ended=st.integers(0, 2))
async def test_a_controller_that_has_enough_pods_recreates_none(desired: int | None, living: int, ended: int) -> None:
    """As many as it wants, or more, ends the wait; ended and ending ones do not count; without a number it wants one."""
    kept = [pod(f"k{at}", owner="web") for at in range(living)]
    dead = [pod(f"d{at}", owner="web", phase=phase) for at, phase in zip(range(ended), ("Failed", "Succeeded"), strict=False)]
    dead += [pod("dying", owner="web", deletionTimestamp="2026-01-01T00:00:00Z")]
    plan = await planned(cluster(pod("web-1", owner="web"), *kept, *dead))
    wants = 1 if desired is None else desired
    enough = living >= wants
    looks = [cluster(*kept, *dead, owner=replica_set(desired))]
    if not enough:
        looks.append(cluster(*kept, *dead, pod("web-9", owner="web")))
    first, *_ = await verification_steps(plan, *looks)
    text = f"ReplicaSet web still has {living} of {wants} pods" if enough else "waiting for ReplicaSet web to recreate it"
    assert first == (f"pod/web-1 is gone; {text}", True if enough else None)


@pytest.mark.parametrize(
    ("kind", "parts", "done"),
    [
        ("Job", {"status": {"conditions": [{"type": "Complete", "status": "True"}]}}, True),
        ("Job", {"status": {"conditions": [{"type": "Failed", "status": "True"}]}}, True),
        ("Job", {"status": {"conditions": [{"type": "Complete", "status": "False"}]}}, None),
        ("Job", {"status": {"conditions": [{"type": "Suspended", "status": "True"}]}}, None),
        ("Job", {}, None),
        ("DaemonSet", {"status": {"desiredNumberScheduled": 0}}, True),
        ("DaemonSet", {"status": {"desiredNumberScheduled": 1}, "spec": {"replicas": 0}}, None),
        ("StatefulSet", {"spec": {"replicas": 0}}, True),
    ],
)
async def test_how_many_pods_each_kind_keeps(kind: str, parts: dict[str, Any], done: bool | None) -> None:
    """A Job that has ended keeps none, one that runs says no number; a DaemonSet keeps as many as it schedules."""
    plan = await planned(cluster(pod("web-1", owner="web")))
    look = cluster(pod("db-1", owner="db"), owner=described("web", kind, **parts))
    found = await verification_steps(plan, look, cluster(pod("web-9", owner="web")))
    assert found[0][1] is done


async def test_a_controller_of_an_unknown_kind_is_not_read() -> None:
    """Its pods are known by their owner; how many it wants is not."""
    odd = pod("web-1", owner="web")
    odd["metadata"]["ownerReferences"][0]["kind"] = "Database"
    found = cluster(odd, pod("web-2", owner="web"))
    facts = await facts_of(found)
    assert ("replicasets", "web") not in found.asked and len(facts.siblings) == 2
    plan = Evict().plan(EVICT, facts, 0.0)
    left = cluster(pod("web-2", owner="web"))
    assert (await verification_steps(plan, left, cluster(pod("web-9", owner="web"))))[0] == (
        "pod/web-1 is gone; waiting for Database web to recreate it", None,
    )  # fmt: skip
