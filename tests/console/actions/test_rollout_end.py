"""When the rollout of a StatefulSet or DaemonSet ends its action, and with what sentence."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any

import pytest
from action_bench import API, Bench, outcome

from console.actions.action import ClusterReader, Progress
from console.actions.deployment_action import DeploymentAction
from console.actions.plan import Outcome, Plan, Request
from console.actions.restart import RESTARTED_AT, Restart
from console.actions.scale import Scale
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


def found(kind: str, observed: int = 2, desired: int = 3, strategy: str = "OnDelete", **status: Any) -> dict[str, Any]:
    meta = {"name": "web", "namespace": "n", "uid": "u", "resourceVersion": "5", "generation": 2}
    spec = {"replicas": desired, "selector": {"matchLabels": {"a": "b"}}, "updateStrategy": {"type": strategy}, **RESTARTED}
    told = {**STATUS[kind], "observedGeneration": observed, **status}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": meta, "spec": spec, "status": told}


def planned(action: str, kind: str, body: object, **parameters: str) -> Plan:
    return Plan(Request(action, f"{kind.lower()}/web", parameters), "", f"{kind.lower()}/web", (), (), "", "web", body)


async def reports(action: DeploymentAction, plan: Plan, reader: Any) -> list[Progress]:
    return [item async for item in action.verify(plan, reader)]


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
