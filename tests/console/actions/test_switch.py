"""Switching a Service without a server: whose pods take over, and when they are its endpoints."""

from __future__ import annotations

from typing import Any

import pytest
from plain_cluster import PlainCluster, described, pod

from console.actions.object_patch import ObjectFacts
from console.actions.plan import ActionRefused, CheckLevel, Plan, Request
from console.actions.service import ServiceFacts, Switch
from queries.errors import RequestRejected
from queries.model.pod import Pod

REQUEST = Request("switch", "service/web", {"to": "deployment/green"})
BLUE, GREEN = {"app": "web", "track": "blue"}, {"app": "web", "track": "green"}


def deployment(name: str, labels: dict[str, str]) -> dict[str, Any]:
    return described(name, "Deployment", spec={"template": {"metadata": {"labels": labels}}})


def service(selector: dict[str, str], **annotations: str) -> dict[str, Any]:
    return described("web", "Service", meta={"annotations": annotations}, spec={"selector": selector})


def cluster(*pods: dict[str, Any], selector: dict[str, str] = BLUE, **objects: list[dict[str, Any]]) -> PlainCluster:
    both = [deployment("blue", {**BLUE, "v": "1"}), deployment("green", {**GREEN, "v": "2"})]
    return PlainCluster(**{"services": [service(selector)], "deployments": both, "pods": list(pods), **objects})


def labelled(name: str, labels: dict[str, str], **given: Any) -> dict[str, Any]:
    return pod(name, labels=labels, **given)


async def facts_of(found: PlainCluster) -> ServiceFacts:
    return await Switch().fetch_facts(REQUEST, found)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("others", "previous"),
    [
        ([], "blue"),
        ([deployment("same", BLUE)], ""),
        ([deployment("part", {"app": "web"})], "blue"),
        ([deployment("bare", {})], "blue"),
    ],
)
async def test_the_way_back_is_the_one_deployment_that_served(others: list[dict[str, Any]], previous: str) -> None:
    """Its pods have every label of the selector, exactly these or more; of two such nobody knows which one it was."""
    ours = [deployment("blue", BLUE), deployment("green", GREEN), *others]
    facts = await facts_of(cluster(labelled("g", GREEN), deployments=ours))
    assert facts.previous == previous
    undo = Switch().plan(REQUEST, facts, 0.0).undo
    assert (dict(undo.parameters) if undo else None) == ({"to": previous} if previous else None)
    more = [deployment("blue", {**BLUE, "v": "1"}), deployment("green", GREEN)]
    assert (await facts_of(cluster(labelled("g", GREEN), deployments=more))).previous == "blue"


@pytest.mark.parametrize(
    ("old", "new", "level", "text"),
    [
        ((2, 2), (2, 2), CheckLevel.OK, "2 ready pods take over from 2"),
        ((2, 2), (3, 3), CheckLevel.OK, "3 ready pods take over from 2"),
        ((1, 2), (1, 1), CheckLevel.OK, "1 ready pods take over from 1"),
        ((2, 2), (1, 1), CheckLevel.WARN, "1 ready pods take over from 2; 0 of the new ones are not ready"),
        ((2, 2), (2, 3), CheckLevel.WARN, "2 ready pods take over from 2; 1 of the new ones are not ready"),
        ((0, 0), (1, 2), CheckLevel.WARN, "1 ready pods take over from 0; 1 of the new ones are not ready"),
    ],
)
async def test_fewer_or_unready_pods_are_warned_of(
    old: tuple[int, int], new: tuple[int, int], level: CheckLevel, text: str
) -> None:
    """As many ready ones as now, all of them ready, are enough; each pair is ready and all. What is left of a pod that was
    evicted serves nobody.
    """
    pods = [labelled(f"b{at}", BLUE, ready=at < old[0]) for at in range(old[1])]
    pods += [labelled(f"g{at}", GREEN, ready=at < new[0]) for at in range(new[1])]
    pods += [labelled("dying", GREEN, deletionTimestamp="2026-01-01T00:00:00Z"), labelled("db", {"app": "db"})]
    pods += [labelled("evicted", labels, ready=False, phase="Failed") for labels in (BLUE, GREEN)]
    facts = await facts_of(cluster(*pods))
    plan = Switch().plan(REQUEST, facts, 0.0)
    (check,) = await Switch().own_checks(plan, facts, None)  # type: ignore[arg-type]
    assert (check.level, check.text) == (level, text)
    ready = next(item for item in plan.differences if item.name == "ready")
    assert (ready.before, ready.after) == (f"{old[0]} of {old[1]} pods", f"{new[0]} of {new[1]} pods")
    assert (plan.body["spec"], plan.digest) == ({"selector": GREEN}, Switch().plan(REQUEST, facts, 9.0).digest)


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (cluster(labelled("b", BLUE)), "app=web,track=green has 0 ready pods of 0"),
        (cluster(labelled("g", GREEN, ready=False)), "has 0 ready pods of 1: web would have no endpoints"),
        (cluster(labelled("g", GREEN), selector=GREEN), "web already selects app=web,track=green"),
        (cluster(selector={}), "has no selector"),
        (cluster(selector={**BLUE, "rollouts-pod-template-hash": "x"}), "Argo Rollouts manages"),
        (cluster(services=[service(BLUE, **{"argo-rollouts.argoproj.io/managed-by-rollouts": "r"})]), "Argo Rollouts manages"),
        (cluster(selector={**BLUE, "zone": "a"}), "lack the label zone"),
    ],
)
async def test_what_cannot_be_switched(found: PlainCluster, why: str) -> None:
    """Nothing ready to switch to, nothing to switch, or somebody else's selector."""
    with pytest.raises(ActionRefused, match=why):
        Switch().plan(REQUEST, await facts_of(found), 0.0)


def endpoints(*uids: str, **unready: bool) -> list[dict[str, Any]]:
    """One slice with these pods, and those that are not ready."""
    entries = [{"targetRef": {"uid": f"uid-{uid}"}} for uid in uids]
    entries += [{"targetRef": {"uid": f"uid-{uid}"}, "conditions": {"ready": ready}} for uid, ready in unready.items()]
    return [described("s", "EndpointSlice", meta={"labels": {"kubernetes.io/service-name": "web"}}, endpoints=entries)]


@pytest.mark.parametrize(
    ("slices", "text", "done"),
    [
        (endpoints("g0", "g1"), "2 of 2 ready pods of app=web,track=green are its endpoints", True),
        (endpoints("g0"), "1 of 2 ready pods of app=web,track=green are its endpoints", None),
        (endpoints("g0", "g1", "b0"), "are its endpoints, and 1 other", None),
        (endpoints("g0", "g1", "b0", "b1"), "are its endpoints, and 2 others", None),
        (endpoints("g0", "g1", b0=False), "2 of 2 ready pods of app=web,track=green are its endpoints", True),
        (endpoints("g0", g1=True), "2 of 2 ready pods of app=web,track=green are its endpoints", True),
        (endpoints("g0", "g1", "g2"), "2 of 2 ready pods of app=web,track=green are its endpoints", None),
        ([*endpoints("g0"), *endpoints("g1")], "2 of 2 ready pods of app=web,track=green are its endpoints", True),
        ([], "0 of 2 ready pods of app=web,track=green are its endpoints", None),
    ],
)
async def test_it_is_done_when_the_endpoints_are_the_new_ready_pods(
    slices: list[dict[str, Any]], text: str, done: bool | None
) -> None:
    """All of them and no other, in however many slices; an endpoint that is not ready gets no traffic."""
    pods = [labelled(f"g{at}", GREEN, ready=at < 2) for at in range(3)]
    found: Any = cluster(*pods, selector=GREEN, endpointslices=slices)
    reports = Switch().verify(plan_to_green(), found)
    first = await anext(reports)
    await reports.aclose()
    assert (first.text, first.done) == (f"service/web: {text}" if text[0].isdigit() else first.text, done)
    assert first.text.endswith(text)


async def test_what_ends_the_wait_otherwise() -> None:
    """A selector that somebody set again, endpoints that may not be read, and no ready pod at all."""
    gone: Any = cluster(labelled("g", GREEN))
    (report,) = [item async for item in Switch().verify(plan_to_green(), gone)]
    assert (report.done, report.text, bool(report.undone_by)) == (False, "service/web selects other pods again", True)
    hidden: Any = cluster(labelled("g", GREEN), selector=GREEN)
    hidden.broken["endpointslices"] = RequestRejected("forbidden", status=403)
    (report,) = [item async for item in Switch().verify(plan_to_green(), hidden)]
    assert report.done is True and "not checked: its endpoints" in report.text
    empty: Any = cluster(selector=GREEN)
    first = await anext(Switch().verify(plan_to_green(), empty))
    assert (first.done, first.text) == (None, "service/web: 0 of 0 ready pods of app=web,track=green are its endpoints")


def plan_to_green() -> Plan:
    new = (Pod("n", "g", "g", "Running", True, 0, 0.0),)
    facts = ServiceFacts(ObjectFacts(service(BLUE), ("kubectl",)), GREEN, (), new)
    return Switch().plan(REQUEST, facts, 0.0)
