"""What is there after a patch whose answer was lost, and which names a target may have, without a server."""

from __future__ import annotations

from typing import Any

import pytest
from plain_cluster import PlainCluster, PlainWriter, described

from console.actions.expire import Expire
from console.actions.node import Cordon
from console.actions.object_patch import parse_name, read_if_allowed
from console.actions.plan import ActionRefused, Plan, Request
from console.actions.pod import Evict
from queries.errors import RequestRejected, SourceError, Unreachable


async def planned(cluster: PlainCluster) -> Plan:
    request = Request("cordon", "node/a")
    facts = await Cordon().fetch_facts(request, cluster)  # type: ignore[arg-type]
    return Cordon().plan(request, facts, 0.0)


async def test_a_lost_answer_is_found_out_by_the_version() -> None:
    """In place, not yet there, or refused for good because the object has another version and lacks the change."""
    node = described("a", "Node", meta={"namespace": ""}, spec={})
    cluster = PlainCluster(nodes=[node])
    plan = await planned(cluster)

    async def look() -> tuple[bool, str, bool]:
        found = await Cordon().check_applied(plan, cluster)  # type: ignore[arg-type]
        return found.plan is not None, found.text, found.final

    assert await look() == (False, "node/a is unchanged", False)
    cluster.objects["nodes"] = [described("a", "Node", meta={"namespace": "", "resourceVersion": "6"}, spec={})]
    text = "node/a was modified meanwhile and lacks the change: rejected as a conflict, or reverted at once"
    assert await look() == (False, text, True)
    cluster.objects["nodes"] = [
        described("a", "Node", meta={"namespace": "", "resourceVersion": "7"}, spec={"unschedulable": True})
    ]
    assert await look() == (True, "", False)


async def test_a_field_that_somebody_set_back_is_a_revert() -> None:
    """With nobody named where the server does not say who; as long as it is in place nothing is said."""
    cluster = PlainCluster(nodes=[described("a", "Node", meta={"namespace": ""}, spec={})])
    plan = await planned(cluster)
    writer: Any = PlainWriter(cluster)
    assert await Cordon().execute(plan, writer) == "" and writer.sent == [("nodes/a", plan.body)]
    reader: Any = cluster
    assert await Cordon().check_undone(plan, reader) is None
    cluster.objects["nodes"][0]["spec"] = {}
    undone = await Cordon().check_undone(plan, reader)
    assert undone is not None and (undone.text, undone.done) == ("node/a is schedulable again", False)


async def test_what_cannot_come_back_is_never_looked_for() -> None:
    """A pod that has ended and a silence that has expired: nothing is asked of any server."""
    cluster: Any = PlainCluster()
    plan = Plan(Request("x", "x/y"), "x", "x/y", (), (), "", "y", {})
    for action in (Evict(), Expire()):
        assert await action.check_undone(plan, cluster) is None
    assert cluster.asked == []


@pytest.mark.parametrize(
    ("error", "allowed"),
    [
        (None, True),
        (RequestRejected("no", status=403), False),
        (RequestRejected("no", status=404), False),
        (RequestRejected("no", status=500), None),
        (Unreachable("no connection"), None),
    ],
)
async def test_what_this_identity_may_not_read_is_unknown(error: SourceError | None, allowed: bool | None) -> None:
    """Neither is what the server does not have; an empty list is an answer, and any other failure is one."""

    async def call() -> list[str]:
        if error is not None:
            raise error
        return []

    if allowed is None:
        with pytest.raises(type(error)):  # type: ignore[arg-type]
            await read_if_allowed(call())
        return
    assert await read_if_allowed(call()) == ([] if allowed else None)


@pytest.mark.parametrize(
    ("target", "name"),
    [
        ("node/a", "a"), ("nodes/a", "a"), ("no/a", "a"), ("NODE/a.b-c", "a.b-c"), ("node/", None), ("node", None), ("a", None),
        ("pod/a", None), ("node/a/b", None), ("node/A b", None), ("/a", None),
    ],
)  # fmt: skip
def test_a_target_is_a_kind_and_a_name(target: str, name: str | None) -> None:
    """In the singular, the plural or kubectl's short form, in any case; what is none is quoted."""
    if name is None:
        with pytest.raises(ActionRefused, match="is not node/NAME"):
            parse_name(Request("cordon", target), "node")
    else:
        assert parse_name(Request("cordon", target), "node") == name
