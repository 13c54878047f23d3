"""Guards of a Rollout's promotion and of a blue/green switch, on every cluster: rolled back by the same writer, or kept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from cluster_fixture import MERGE, Namespace
from cluster_hands import Hands
from guard_bench import BRIEF, Signals, guards_of

from console.actions.plan import Outcome, RunStep

ROLLOUTS = "/apis/argoproj.io/v1alpha1/namespaces/{}/rollouts"
STEPS = [{"setWeight": 20}, {"pause": {}}, {"setWeight": 60}, {"pause": {}}]


@pytest.fixture
async def hands(ns: Namespace, tmp_path: Path) -> AsyncIterator[Hands]:
    made = Hands(ns, tmp_path)
    yield made
    await made.close()


def worsen_once_watching(signals: Signals) -> Callable[[RunStep], None]:
    def meanwhile(step: RunStep) -> None:
        if step.guard is not None:
            signals.values["error_ratio"] = 8.0

    return meanwhile


def add_colour(ns: Namespace, colour: str) -> None:
    labels = {"app": "shop", "colour": colour}
    containers = [{"name": "web", "image": "registry.example.com/web:1"}]
    template = {"metadata": {"labels": labels}, "spec": {"containers": containers, "terminationGracePeriodSeconds": 0}}
    ns.add(colour, replicas=1, selector={"matchLabels": labels}, template=template)
    ns.rolled_out(colour)


async def test_a_switch_is_rolled_back_or_kept(ns: Namespace, hands: Hands) -> None:
    """Blue to green with worse signals: the Service selects blue again; with signals as before it stays at green."""
    for colour in ("blue", "green"):
        await asyncio.to_thread(add_colour, ns, colour)
    blue, green = ({"app": "shop", "colour": colour} for colour in ("blue", "green"))
    path = ns.path("services", group="v1")
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "shop"}}
    assert ns.http.post(path, json={**service, "spec": {"selector": blue, "ports": [{"port": 80}]}}).status_code == 201
    signals = Signals(hands.journal)
    end = await hands.act(
        "switch", target="service/shop", wait=False, guard=BRIEF, source=signals, meanwhile=worsen_once_watching(signals),
        to="green",
    )  # fmt: skip
    assert end.outcome is Outcome.ROLLED_BACK, end.text
    assert ns.get(f"{path}/shop")["spec"]["selector"] == blue
    assert any("unless you stop it: switch service/shop --to blue" in note for note in hands.previews[0].plan.notes)
    end = await hands.act("switch", target="service/shop", wait=False, guard=BRIEF, source=Signals(hands.journal), to="green")
    assert end.outcome is Outcome.DONE, end.text
    assert ns.get(f"{path}/shop")["spec"]["selector"] == green
    assert [item.result for item in guards_of(hands.journal).ended] == ["rolled back", "kept"]


@asynccontextmanager
async def controlled_rollout(ns: Namespace, path: str) -> AsyncIterator[None]:
    """A Rollout at its first pause, and what Argo's controller does when somebody writes its status."""

    def set_status(status: dict[str, Any]) -> None:
        answer = ns.patch(f"{path}/web/status", {"status": status}, MERGE)
        assert answer.status_code == 200, answer.text

    pause = {"reason": "CanaryPauseStep", "startTime": "2026-01-01T00:00:00Z"}
    later = {**pause, "startTime": "2026-01-01T00:05:00Z"}
    spec = {"replicas": 2, "strategy": {"canary": {"steps": STEPS}},
            "template": {"spec": {"containers": [{"name": "web", "image": "registry.example.com/web:2"}]}}}  # fmt: skip
    kind = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "metadata": {"name": "web"}}
    assert ns.http.post(path, json={**kind, "spec": spec}).status_code == 201
    counts = {"availableReplicas": 2, "updatedReplicas": 1, "observedGeneration": "1", "stableRS": "a", "currentPodHash": "b"}
    paused = {"phase": "Paused", "message": "CanaryPauseStep", "controllerPause": True}
    set_status({**counts, **paused, "currentStepIndex": 1, "pauseConditions": [pause]})

    async def reconcile() -> None:
        while True:
            status = (await asyncio.to_thread(ns.get, f"{path}/web"))["status"]
            if status.get("abort") and not status.get("abortedAt"):
                ended = {"phase": "Degraded", "message": "RolloutAborted: aborted", "abortedAt": "2026-01-01T00:06:00Z"}
                await asyncio.to_thread(set_status, {**ended, "controllerPause": None, "pauseConditions": None})
            elif not status.get("pauseConditions") and not status.get("abort"):
                await asyncio.to_thread(set_status, {**paused, "currentStepIndex": 3, "pauseConditions": [later]})
            await asyncio.sleep(0.05)

    task = asyncio.create_task(reconcile())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize("worse", [True, False])
async def test_a_promotion_is_aborted_or_kept(ns: Namespace, hands: Hands, worse: bool) -> None:
    """Past the first pause of a canary: with worse signals the update is aborted, with signals as before it goes on."""
    if ns.target.install_rollouts is None:
        pytest.skip("definitions cannot be installed on this cluster")
    ns.target.install_rollouts(True)
    path, signals = ROLLOUTS.format(ns.name), Signals(hands.journal)
    try:
        async with controlled_rollout(ns, path):
            meanwhile = worsen_once_watching(signals) if worse else lambda step: None
            end = await hands.act(
                "promote", target="rollout/web", wait=False, guard=BRIEF, source=signals, meanwhile=meanwhile
            )  # fmt: skip
            status = ns.get(f"{path}/web")["status"]
    finally:
        ns.target.install_rollouts(False)
    assert end.outcome is (Outcome.ROLLED_BACK if worse else Outcome.DONE), end.text
    assert (bool(status.get("abort")), status["currentStepIndex"]) == (worse, 3)
    assert [item.result for item in guards_of(hands.journal).ended] == ["rolled back" if worse else "kept"]
