"""Promote, abort or retry a Rollout: what the preview binds the patch to, what is sent, and when it is done."""

from __future__ import annotations

import asyncio
import copy
from typing import Any

import pytest
from plain_cluster import PlainCluster, described

from console.actions.argo_rollout import Abort, Promote, Retry, RolloutState
from console.actions.object_patch import ObjectFacts
from console.actions.plan import ActionRefused, CheckLevel, Request

STEPS = [{"setWeight": 20}, {"pause": {}}, {"setWeight": 60}, {"pause": {}}, {"setWeight": 100}]
ROLLOUT: dict[str, Any] = {
    "metadata": {"name": "cad-ml-api", "namespace": "cad", "uid": "u", "resourceVersion": "7", "generation": 2},
    "spec": {"replicas": 4, "strategy": {"canary": {"steps": STEPS}}, "template": {}},
    "status": {
        "stableRS": "old",
        "currentPodHash": "new",
        "currentStepIndex": 1,
        "controllerPause": True,
        "pauseConditions": [{"reason": "CanaryPauseStep", "startTime": "2026-11-29T10:00:00Z"}],
        "phase": "Paused",
    },
}


@pytest.mark.parametrize("full", ["", "yes"])
def test_a_promotion_is_of_the_pause_in_the_preview(full: str) -> None:
    """Once the Rollout waits at its next pause, the confirmed plan no longer holds, although the patch is the same."""
    later = copy.deepcopy(ROLLOUT)
    later["metadata"]["resourceVersion"] = "8"
    later["status"]["currentStepIndex"] = 3
    later["status"]["pauseConditions"][0]["startTime"] = "2026-11-29T10:05:00Z"
    touched = copy.deepcopy(ROLLOUT)
    touched["metadata"]["resourceVersion"] = "9"
    request = Request("promote", "rollout/cad-ml-api", {"full": full})
    confirmed, moved, same = (
        Promote().plan(request, ObjectFacts(found, ("kubectl",)), 0.0) for found in (ROLLOUT, later, touched)
    )
    assert isinstance(confirmed.body, dict) and isinstance(moved.body, dict)
    assert confirmed.body["status"] == moved.body["status"]
    assert confirmed.digest != moved.digest
    assert confirmed.digest == same.digest


def state(status: dict[str, Any] | None = None, **spec: Any) -> RolloutState:
    found = {**ROLLOUT, "spec": {**ROLLOUT["spec"], **spec}, "status": {**ROLLOUT["status"], **(status or {})}}
    return RolloutState(found)


PAUSED_AGAIN = {"currentStepIndex": 3, "pauseConditions": [{"startTime": "2026-11-29T10:05:00Z"}]}
GOING_ON = {"phase": "Progressing", "pauseConditions": None, "controllerPause": False, "currentStepIndex": 2}
PROMOTED = {**GOING_ON, "phase": "Healthy", "stableRS": "new", "currentStepIndex": 5}
ABORTED = {**GOING_ON, "abort": True, "abortedAt": "2026-11-29T10:01:00Z", "phase": "Degraded"}


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (0, "step 1 of 5 (setWeight 20)"),
        (1, "step 2 of 5 (pause)"),
        (4, "step 5 of 5 (setWeight 100)"),
        (5, "all 5 steps done"),
        (6, "all 5 steps done"),
    ],
)
def test_a_step_is_named_by_its_number_and_what_it_does(at: int, text: str) -> None:
    """The last one is a step still; after it all are done, and no index is further than that."""
    assert state().describe_step(at) == text
    assert state({"currentStepIndex": at}).step == min(at, 5)
    assert text in state({"currentStepIndex": at}).describe()
    bare = state(strategy={"canary": {}})
    assert (bare.describe_step(at), bare.step) == ("no steps", 0)
    assert state(strategy={"blueGreen": {}}).canary is None


@pytest.mark.parametrize(
    ("observed", "phase"),
    [
        ("1", "Progressing"),
        ("2", "Paused"),
        ("3", "Paused"),
        ("", "Paused"),
        ("6b7f", "Paused"),
        (2, "Paused"),
        (1, "Progressing"),
    ],
)
def test_a_phase_counts_once_the_last_change_is_observed(observed: object, phase: str) -> None:
    """Its own generation is observed; an old controller's hash says nothing."""
    assert state({"observedGeneration": observed}).phase()[0] == phase
    ending = state({"pauseConditions": None}).phase()
    assert ending == ("Progressing", "its controller has not ended the pause yet")
    assert state({"pauseConditions": None, "controllerPause": False, "message": "wait"}).phase() == ("Paused", "wait")


def done(
    action: Promote | Abort | Retry, *looks: dict[str, Any], start: dict[str, Any] | None = None, **given: str
) -> list[bool | None]:
    """What the verification reports at each look, until it ends."""
    request = Request(action.name, "rollout/cad-ml-api", given)
    facts = ObjectFacts(dict(state(start).raw), ("kubectl",))
    plan = action.plan(request, facts, 0.0)
    cluster: Any = PlainCluster(rollouts=[dict(state(looks[0]).raw)])

    async def watch() -> list[bool | None]:
        found: list[bool | None] = []
        left = list(looks)
        async for item in action.verify(plan, cluster):
            found.append(item.done)
            if item.done is None and len(left) == 1:
                break
            left.pop(0)
            if left:
                cluster.objects["rollouts"] = [dict(state(left[0]).raw)]
        return found

    return asyncio.run(watch())


def test_a_promotion_is_done_at_the_next_pause_or_at_the_end() -> None:
    """The pause that it ends is none; Healthy counts once the new revision is the stable one; Degraded never does."""
    assert done(Promote(), {}, GOING_ON, PAUSED_AGAIN) == [None, None, True]
    assert done(Promote(), GOING_ON, {**GOING_ON, "phase": "Healthy"}, PROMOTED) == [None, None, True]
    assert done(Promote(), GOING_ON, {**GOING_ON, "phase": "Degraded"}) == [None, False]
    assert done(Promote(), {**PROMOTED, "stableRS": "", "currentPodHash": ""}) == [None]


@pytest.mark.parametrize(("available", "end"), [(3, None), (4, True), (5, True)])
def test_an_abort_is_done_when_the_stable_pods_serve_again(available: int, end: bool | None) -> None:
    """As many as are wanted; before the controller saw it, and while it is not degraded, it is not done."""
    back = {**ABORTED, "availableReplicas": available}
    assert done(Abort(), {"abort": True, "availableReplicas": 4}, back) == [None, end]
    assert done(Abort(), {**back, "abortedAt": None}) == [None]
    assert done(Abort(), {**back, "phase": "Progressing"}) == [None]
    assert done(Abort(), PROMOTED) == [False]


def test_a_retry_is_done_at_a_pause_or_promoted() -> None:
    """What the aborted update left in the status says nothing yet."""
    left = {**ABORTED, "abort": False}
    assert done(Retry(), left, {**GOING_ON}, PAUSED_AGAIN, start=ABORTED) == [None, None, True]
    assert done(Retry(), {**PROMOTED}, start=ABORTED) == [True]
    assert done(Retry(), {**GOING_ON, "phase": "Healthy"}, start=ABORTED) == [None]
    assert done(Retry(), {**GOING_ON, "phase": "Degraded"}, start=ABORTED) == [False]


INCONCLUSIVE = {"canary": {"currentStepAnalysisRunStatus": {"status": "Inconclusive"}}}


@pytest.mark.parametrize(
    ("start", "spec", "full", "status", "after"),
    [
        ({}, {}, "", {"pauseConditions": None}, "step 3 of 5 (setWeight 60)"),
        ({"currentStepIndex": 4}, {}, "", {"pauseConditions": None}, "all 5 steps done"),
        ({"currentStepIndex": 5}, {}, "", {"pauseConditions": None}, "all 5 steps done"),
        (INCONCLUSIVE, {}, "", {"pauseConditions": None, "controllerPause": False, "currentStepIndex": 2},
         "step 3 of 5 (setWeight 60)"),
        ({**INCONCLUSIVE, "controllerPause": False}, {}, "", {"pauseConditions": None}, "step 3 of 5 (setWeight 60)"),
        ({"canary": {"currentStepAnalysisRunStatus": {"status": "Running"}}}, {}, "", {"pauseConditions": None},
         "step 3 of 5 (setWeight 60)"),
        (INCONCLUSIVE, {"strategy": {"canary": {}}}, "", {"pauseConditions": None}, "no steps"),
        (GOING_ON, {}, "", {"pauseConditions": None, "currentStepIndex": 3}, "step 4 of 5 (pause)"),
        (GOING_ON, {}, "YES", {"promoteFull": True}, "all 5 steps done"),
        (GOING_ON, {}, "true", {"promoteFull": True}, "all 5 steps done"),
        (GOING_ON, {"strategy": {"blueGreen": {}}}, "", None, ""),
        (GOING_ON, {"strategy": {"canary": {}}}, "", None, ""),
        (GOING_ON, {"strategy": {"blueGreen": {}}}, "yes", {"promoteFull": True}, "no steps"),
    ],
)  # fmt: skip
def test_a_promotion_sends_what_the_plugin_sends(
    start: dict[str, Any], spec: dict[str, Any], full: str, status: dict[str, Any] | None, after: str
) -> None:
    """A pause is ended, an inconclusive analysis skipped, a running step too; there is nothing to do without either."""
    facts = ObjectFacts(dict(state(start, **spec).raw), ("kubectl",))
    request = Request("promote", "rollout/cad-ml-api", {"full": full} if full else {})
    if status is None:
        with pytest.raises(ActionRefused, match="is not paused and has no step to skip"):
            Promote().plan(request, facts, 0.0)
        return
    plan = Promote().plan(request, facts, 0.0)
    assert (plan.body["status"], plan.differences[1].after) == (status, after)
    assert bool(plan.undo) is (not full and after not in ("all 5 steps done", "no steps"))
    assert plan.notes == (
        *(("skips all remaining steps, pauses and analyses",) if full else ()),
        f"with Argo's plugin: kubectl argo rollouts promote cad-ml-api{' --full' if full else ''}",
    )


@pytest.mark.parametrize(
    ("action", "start", "spec", "why"),
    [
        (Promote(), PROMOTED, {}, "is already promoted"),
        (Promote(), ABORTED, {}, "is aborted: use retry first"),
        (Promote(), {}, {"paused": True}, "is paused in its spec"),
        (Abort(), ABORTED, {}, "is already aborted"),
        (Abort(), PROMOTED, {}, "has no update in progress"),
        (Abort(), {"stableRS": ""}, {}, "has no stable revision"),
        (Retry(), {}, {}, "is not aborted"),
    ],
)
def test_what_a_rollout_is_not_in_the_state_for(
    action: Promote | Abort | Retry, start: dict[str, Any], spec: dict[str, Any], why: str
) -> None:
    with pytest.raises(ActionRefused, match=why):
        action.plan(Request(action.name, "rollout/cad-ml-api"), ObjectFacts(dict(state(start, **spec).raw), ("kubectl",)), 0.0)


@pytest.mark.parametrize(
    ("found", "moved"),
    [
        ({}, False), ({"currentStepIndex": 2}, True), (PAUSED_AGAIN, True), ({"promoteFull": True}, True), (PROMOTED, True),
        ({"pauseConditions": None}, True), ({"phase": "Healthy"}, False),
    ],
)  # fmt: skip
def test_a_promotion_took_effect_if_the_rollout_moved(found: dict[str, Any], moved: bool) -> None:
    """Another step, another pause, or the end of it: a lost answer is looked up by these."""
    plan = Promote().plan(Request("promote", "rollout/cad-ml-api"), ObjectFacts(dict(state().raw), ("kubectl",)), 0.0)
    assert Promote().is_in_place(plan, state(found).raw) is moved
    assert Abort().is_in_place(plan, state(ABORTED).raw) and not Retry().is_in_place(plan, state(ABORTED).raw)


@pytest.mark.parametrize(
    ("strategy", "updated", "new"),
    [
        ({"canary": {"steps": STEPS}}, 1, (3, True)),
        ({"canary": {"steps": STEPS, "trafficRouting": {"x": {}}}}, 1, (3, False)),
        ({"blueGreen": {}}, 0, (4, False)),
        ({"canary": {"steps": STEPS}}, 4, (0, True)),
        ({"canary": {"steps": STEPS}}, 5, (0, True)),
    ],
)
async def test_what_the_new_pods_need(strategy: dict[str, Any], updated: int, new: tuple[int, bool]) -> None:
    """Those that are not there yet; a canary pod takes the place of a stable one unless traffic is routed."""
    container = {"name": "api", "image": "api:2", "resources": {"requests": {"cpu": "1"}}}
    template = {"spec": {"containers": [container, {"name": "side", "image": "side:1"}]}}
    made = state({"updatedReplicas": updated}, strategy=strategy, template=template)
    node = described(
        "node-1", "Node", status={"allocatable": {"cpu": "2", "pods": "110"}, "images": [{"names": ["api:2", "side:1"]}]}
    )
    cluster: Any = PlainCluster(nodes=[node], resourcequotas=[])
    facts = ObjectFacts(dict(made.raw), ("kubectl",))
    plan = Promote().plan(Request("promote", "rollout/cad-ml-api", {"full": "yes"}), facts, 0.0)
    images = [(item.before, item.after) for item in plan.differences if item.name == "image"]
    assert images == [("api:2", "api:2"), ("side:1", "side:1")]
    checks = await Promote().own_checks(plan, facts, cluster)
    count, replaces = new
    expected = {
        (0, True): [], (3, True): ["each new pod replaces an old one and requests no more"],
        (3, False): ["no room for 3 new pods (1 CPU each): 1 of 1 nodes fit, with room for 2; the rest stays Pending"],
        (4, False): ["no room for 4 new pods (1 CPU each): 1 of 1 nodes fit, with room for 2; the rest stays Pending"],
    }[count, replaces]  # fmt: skip
    assert [item.text for item in checks if item.how == "requests"] == expected
    assert (checks[0].how, checks[0].level) == ("phase", CheckLevel.OK)
    assert [item.how for item in await Abort().own_checks(plan, facts, cluster)] == ["phase"]
    bare = ObjectFacts(dict(state({"phase": "Degraded"}).raw), ("kubectl",))
    assert [(item.how, item.level) for item in await Promote().own_checks(plan, bare, cluster)] == [
        ("phase", CheckLevel.WARN), ("new pods", CheckLevel.WARN),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("observed", "generation", "phase"),
    [
        ("2", 2, "Paused"),
        ("3", 2, "Paused"),
        ("1", 2, "Progressing"),
        ("", 2, "Paused"),
        ("x", 2, "Paused"),
        (1, None, "Paused"),
    ],
)
def test_a_phase_of_before_the_last_change_does_not_count(observed: object, generation: int | None, phase: str) -> None:
    """Until the controller has observed exactly that generation; where either is not known the phase stands as it is."""
    metadata = {name: value for name, value in ROLLOUT["metadata"].items() if name != "generation"}
    if generation is not None:
        metadata["generation"] = generation
    found = {**ROLLOUT, "metadata": metadata, "status": {**ROLLOUT["status"], "observedGeneration": observed}}
    assert RolloutState(found).phase()[0] == phase
