"""Cordon and uncordon without a server: where new pods can still go, and what still keeps them away."""

from __future__ import annotations

from typing import Any

import pytest
from plain_cluster import PlainCluster, described, pod

from console.actions.node import Cordon, Uncordon, is_schedulable
from console.actions.plan import ActionRefused, CheckLevel, Plan, PreflightCheck, Request
from queries.errors import RequestRejected

CORDONED = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}


def node(name: str, *taints: dict[str, str], ready: str = "True", cordoned: bool = False) -> dict[str, Any]:
    conditions = [{"type": "MemoryPressure", "status": "False"}, {"type": "Ready", "status": ready}]
    spec = {**({"taints": list(taints)} if taints else {}), **({"unschedulable": True} if cordoned else {})}
    return described(name, "Node", meta={"namespace": ""}, spec=spec, status={"conditions": conditions})


async def look(action: Cordon | Uncordon, found: PlainCluster) -> tuple[Plan, PreflightCheck]:
    request = Request(action.name, "node/a")
    facts = await action.fetch_facts(request, found)  # type: ignore[arg-type]
    plan = action.plan(request, facts, 0.0)
    (check,) = await action.own_checks(plan, facts, found)  # type: ignore[arg-type]
    return plan, check


@pytest.mark.parametrize(
    ("made", "takes"),
    [
        (node("b"), True),
        (node("b", cordoned=True), False),
        (node("b", ready="False"), False),
        (node("b", ready="Unknown"), False),
        (node("b", {"key": "gpu", "effect": "NoSchedule"}), False),
        (node("b", {"key": "gpu", "effect": "NoExecute"}), False),
        (node("b", {"key": "gpu", "effect": "PreferNoSchedule"}), True),
        (node("b", CORDONED), True),
        (node("b", {"key": "gpu", "effect": "PreferNoSchedule"}, {"key": "x", "effect": "NoExecute"}), False),
        (described("b", "Node"), False),
    ],
)
async def test_a_node_takes_pods_if_nothing_keeps_them_away(made: dict[str, Any], takes: bool) -> None:
    """Ready, not cordoned, no taint that blocks: each alone decides, and so does the preview of the last other node. One that
    says nothing of itself is not known to be ready.
    """
    assert is_schedulable(made) is takes
    _, check = await look(Cordon(), PlainCluster(nodes=[node("a"), made, node("c", cordoned=True)]))
    count = (
        "1 of 2 other nodes take new pods" if takes else "0 of 2 other nodes take new pods: no pod can be scheduled any more"
    )
    assert (check.level, check.text) == (CheckLevel.OK if takes else CheckLevel.WARN, count)


async def test_a_cordon_says_what_stays_and_an_uncordon_only_what_keeps_pods_away() -> None:
    """The notes are those of a cordon; its undo is the other one; the taint of the cordon itself is none that stays."""
    gpu, batch = {"key": "gpu", "effect": "NoSchedule"}, {"key": "batch", "effect": "NoExecute"}
    pods = [pod("x"), pod("y")]
    plan, _ = await look(Cordon(), PlainCluster(nodes=[node("a"), node("b")], pods=pods))
    assert plan.notes == ("pods that run on it stay", "a DaemonSet still places its pods on it")
    assert (plan.body["spec"], plan.command) == ({"unschedulable": True}, "kubectl cordon a")
    assert plan.undo is not None and (plan.undo.action, plan.undo.target) == ("uncordon", "node/a")
    assert [(item.before, item.after) for item in plan.differences] == [
        ("schedulable", "cordoned"), ("2 of this namespace", "2 of this namespace"),
    ]  # fmt: skip
    back, free = await look(Uncordon(), PlainCluster(nodes=[node("a", CORDONED, cordoned=True)]))
    assert (back.notes, back.body["spec"], back.command) == ((), {"unschedulable": None}, "kubectl uncordon a")
    assert (free.level, free.text) == (CheckLevel.OK, "no taint keeps pods away from it")
    _, kept = await look(Uncordon(), PlainCluster(nodes=[node("a", CORDONED, gpu, batch, cordoned=True)]))
    assert (kept.level, kept.text) == (CheckLevel.WARN, "its taints still keep pods away: gpu, batch")
    for action, cordoned, state in ((Cordon(), True, "cordoned"), (Uncordon(), False, "schedulable")):
        with pytest.raises(ActionRefused, match=f"a is already {state}"):
            await look(action, PlainCluster(nodes=[node("a", cordoned=cordoned)]))


async def test_what_may_not_be_listed_is_unknown() -> None:
    """Neither are there no pods on it, nor no other nodes: a cordon without either list says so for each."""
    found = PlainCluster(nodes=[node("a")])
    found.broken["pods"] = RequestRejected("forbidden", status=403)
    plan, check = await look(Cordon(), found)
    assert plan.differences[1].after == "unknown"
    assert (check.level, check.text) == (CheckLevel.WARN, "0 of 0 other nodes take new pods: no pod can be scheduled any more")
    read = found.read
    found.broken = {"nodes": RequestRejected("forbidden", status=403)}

    async def read_one(resource: str, name: str) -> dict[str, Any]:
        found.broken, kept = {}, found.broken
        try:
            return await read(resource, name)
        finally:
            found.broken = kept

    found.read = read_one  # type: ignore[method-assign]
    _, check = await look(Cordon(), found)
    assert (check.level, check.text) == (CheckLevel.WARN, "not checked: the other nodes (you may not list nodes)")
