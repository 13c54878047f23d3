"""The model of a namespace from the lists of its kinds: which failures leave the rest of use, and which events stay."""

from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest

from queries.http.clock_skew import ServerClock
from queries.kubernetes.cluster_builder import EVENTS_KEPT, ClusterBuilder, is_tolerated, nothing_is_visible
from queries.kubernetes.revision_decode import decode_revision
from queries.kubernetes.watch import CONTROLLERS, KINDS, PODS, Kind
from queries.model.cluster import ClusterEvent
from queries.model.fault import Fault, FaultKind

BY_NAME = {kind.name: kind for kind in KINDS}


def fault(status: int | None) -> Fault:
    return Fault(FaultKind.DENIED, "no", status=status)


@pytest.mark.parametrize(
    ("name", "tolerated"),
    [
        ("deployments", {403}),
        ("pods", {403}),
        ("replicasets", {403}),
        ("horizontalpodautoscalers", {403, 404}),
        ("events", {403, 404}),
        ("statefulsets", {403, 404, 500, None}),
        ("rollouts", {403, 404, 500, None}),
    ],
)
def test_which_kind_may_fail_without_the_others(name: str, tolerated: set[int | None]) -> None:
    """Any may be forbidden; an optional one may be lacking, and one that is apart may fail in any way."""
    assert {status for status in (403, 404, 500, None) if is_tolerated(BY_NAME[name], fault(status))} == tolerated


def test_nothing_is_visible_only_if_every_kind_of_workload_is_forbidden() -> None:
    """One that may be listed, or that failed otherwise, is enough; a custom resource does not count."""
    kinds = [kind for kind in (*CONTROLLERS, PODS) if not kind.custom]
    every = dict.fromkeys(kinds, fault(403))
    assert len(kinds) > 4 and nothing_is_visible(every)
    for kind in kinds:
        assert not nothing_is_visible({item: why for item, why in every.items() if item is not kind}), kind.name
        assert not nothing_is_visible({**every, kind: fault(500)}), kind.name
    assert not nothing_is_visible({})


def event(number: int) -> ClusterEvent:
    """The later its number, the later it happened; the names are in another order."""
    return ClusterEvent("n", "Pod", f"p{number * 7919 % 10007:05d}", "Normal", "Pulled", "", float(number), 1)


def builder(*served: str, clock: ServerClock | None = None) -> ClusterBuilder:
    clock = clock or ServerClock()
    api = SimpleNamespace(served={kind.prefix: served for kind in KINDS if kind.custom}, clock=clock)
    kubernetes: Any = SimpleNamespace(namespace="n", api=api)
    return ClusterBuilder(kubernetes)


def lists(**given: tuple[Any, ...]) -> dict[str, tuple[Any, ...]]:
    return {**dict.fromkeys(BY_NAME, ()), **given}


@pytest.mark.parametrize("count", [EVENTS_KEPT - 1, EVENTS_KEPT, EVENTS_KEPT + 2])
def test_the_newest_five_hundred_events_are_kept(count: int) -> None:
    """By the time at which they happened, in the order of their names; the same list gives the same events."""
    events, made = tuple(event(number) for number in range(count)), builder()
    found = made.build(lists(events=events), {}).events
    assert len(found) == min(count, 500) and {item.name for item in found} == {item.name for item in events[-500:]}
    assert all(one.name < other.name for one, other in pairwise(found))
    assert made.build(lists(events=events, pods=()), {}).events is found


def test_a_kind_that_failed_is_named_with_its_reason() -> None:
    """And since when; optional ones are not, and one of which there is an old list is not called forbidden."""
    failed: dict[Kind, tuple[Fault, float]] = {
        BY_NAME["deployments"]: (fault(403), 1.0),
        BY_NAME["statefulsets"]: (fault(500), 2.0),
        BY_NAME["events"]: (fault(403), 3.0),
    }
    found = builder().build(lists(), failed).faults
    assert [(item.plural, item.forbidden, item.since) for item in found] == [
        ("deployments", True, 1.0),
        ("statefulsets", False, 2.0),
    ]
    kept = builder().build(lists(), failed, {BY_NAME["deployments"]}).faults
    assert [item.forbidden for item in kept] == [False, False]


def test_an_unchanged_namespace_is_the_very_same_model() -> None:
    """What was derived from it is kept by identity; a change gives another one."""
    made = builder()
    first = made.build(lists(), {})
    assert made.build(lists(), {}) is first
    other = made.build(lists(events=(event(1),)), {})
    assert other is not first and made.build(lists(events=other.events), {}) is other


def test_the_clock_of_the_server_comes_with_its_objects() -> None:
    """Their times are by it. It is no news while it differs by what a delay explains."""
    clock = ServerClock()
    made = builder(clock=clock)
    before = made.build(lists(), {})
    clock.ahead_seconds = 29.0
    assert made.build(lists(), {}) is before and before.ahead_seconds == 0.0
    clock.ahead_seconds = 600.0
    skewed = made.build(lists(), {})
    assert skewed.ahead_seconds == 600.0
    clock.ahead_seconds = 595.0
    assert made.build(lists(), {}) is skewed


def replica_set(labels: dict[str, str], annotations: dict[str, str], image: str = "a:1", **notes: str) -> dict[str, Any]:
    template = {
        "metadata": {"labels": labels, "annotations": annotations},
        "spec": {"containers": [{"name": "c", "image": image}]},
    }
    owner = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "u", "controller": True}
    metadata = {"name": "web-1", "uid": "r", "annotations": notes, "ownerReferences": [owner]}
    return {"metadata": metadata, "spec": {"template": template}, "status": {"replicas": 3, "readyReplicas": 2}}


def test_a_template_is_the_same_but_for_its_hash_and_a_restart() -> None:
    """Another image, label or annotation makes another template."""
    restarted = "kubectl.kubernetes.io/restartedAt"
    plain = decode_revision(replica_set({"app": "web", "pod-template-hash": "1"}, {"x": "y", restarted: "2026"}))
    same = (
        replica_set({"app": "web", "pod-template-hash": "2"}, {"x": "y", restarted: "2027"}),
        replica_set({"app": "web"}, {"x": "y"}),
    )
    others = (
        replica_set({"app": "web"}, {"x": "y"}, image="a:2"),
        replica_set({"app": "api"}, {"x": "y"}),
        replica_set({"app": "web"}, {"x": "z"}),
        replica_set({}, {"x": "y"}),
        replica_set({"app": "web"}, {}),
    )
    assert {decode_revision(item).template for item in same} == {plain.template}
    assert len({plain.template, *(decode_revision(item).template for item in others)}) == 6


def test_a_revision_has_its_number_owner_and_history() -> None:
    """A Deployment's number, or that of a Rollout; what is no number in its history is left out."""
    number, history = "deployment.kubernetes.io/revision", "deployment.kubernetes.io/revision-history"
    found = decode_revision(replica_set({}, {}, **{number: "7", history: "2,x,5,", "kubernetes.io/change-cause": "ci"}))
    assert (found.number, found.history, found.change_cause) == (7, (2, 5), "ci")
    assert (found.name, found.owner, found.owner_uid, found.replicas, found.ready) == ("web-1", "Deployment/web", "u", 3, 2)
    argo = "rollout.argoproj.io/revision"
    assert decode_revision(replica_set({}, {}, **{argo: "4"})).number == 4
    assert decode_revision(replica_set({}, {}, **{number: "7", argo: "4"})).number == 7
    assert decode_revision({"metadata": {"name": "bare"}}).history == ()
