"""The same actions through the same runner on the cluster in the process and, where there is one, on a real control plane."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from action_bench import records_of
from cluster_fixture import STRATEGIC, Namespace, deployment, until
from cluster_hands import TARGET, Hands
from guard_bench import BRIEF, Signals, guards_of

from console.actions.plan import CheckLevel, Outcome
from console.config.services import Token
from console.journal.payloads import create_event
from console.runbooks.page import Runbook, RunbookStep
from console.runbooks.steps import StepContext, evaluate_steps
from console.runbooks.suggested_actions import suggest_action
from console.state.place import Place
from console.state.revisions import observe_rollouts
from queries.errors import RequestRejected
from queries.kubernetes.cluster_list import list_cluster
from queries.kubernetes.cluster_watch import ClusterWatch
from queries.model.action import ActionCall
from queries.model.cluster import Cluster
from queries.model.source import PollResult
from queries.prometheus.responses import InstantResult
from queries.text.secrets import SecretText


@pytest.fixture
async def hands(ns: Namespace, tmp_path: Path) -> AsyncIterator[Hands]:
    made = Hands(ns, tmp_path)
    yield made
    await made.close()


async def test_every_action_on_a_deployment_is_done(ns: Namespace, hands: Hands) -> None:
    """Scale, a release, rollback, restart, pause, what a pause refuses, resume: each verified on the cluster itself."""
    ns.add(replicas=2)
    ns.rolled_out()
    assert (await hands.act("scale", replicas="3")).outcome is Outcome.DONE
    assert ns.get(ns.deployments("web"))["spec"]["replicas"] == 3
    release = {"spec": {"template": {"spec": {"containers": [{"name": "web", "image": "registry.example.com/web:2"}]}}}}
    assert ns.patch(ns.deployments("web"), release, "application/strategic-merge-patch+json").status_code == 200
    await asyncio.to_thread(ns.rolled_out, revision=2)
    done = await hands.act("rollback")
    assert done.outcome is Outcome.DONE, done.text
    changes = {item.name: (item.before, item.after) for item in hands.previews[-1].plan.differences}
    assert changes["image"] == ("registry.example.com/web:2", "registry.example.com/web:1")
    assert set(changes) == {"revision", "image", "replicas"}
    found = ns.get(ns.deployments("web"))
    assert found["spec"]["template"]["spec"]["containers"][0]["image"] == "registry.example.com/web:1"
    assert found["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "3"
    before = {item["metadata"]["uid"] for item in ns.pods()}
    assert (await hands.act("restart")).outcome is Outcome.DONE
    assert not before & {item["metadata"]["uid"] for item in ns.pods()}
    assert (await hands.act("pause")).outcome is Outcome.DONE
    assert (await hands.act("restart")).outcome is Outcome.REFUSED
    assert (await hands.act("resume")).outcome is Outcome.DONE


async def test_a_paused_deployment_is_scaled(ns: Namespace, hands: Hands) -> None:
    """A changed template waits behind the pause: a scale up or down is done once the Deployment has that number of pods, all of
    the old template, and it proves no revision ready.
    """
    ns.add(replicas=1)
    ns.rolled_out()
    assert (await hands.act("pause")).outcome is Outcome.DONE
    release = {"spec": {"template": {"spec": {"containers": [{"name": "web", "image": "registry.example.com/web:2"}]}}}}
    assert ns.patch(ns.deployments("web"), release, STRATEGIC).status_code == 200
    for replicas in (3, 2):
        end = await hands.act("scale", replicas=str(replicas))
        assert end.outcome is Outcome.DONE, end.text
        assert f"{replicas} of {replicas} pods available; its rollout is paused" in end.text
        status = ns.get(ns.deployments("web"))["status"]
        assert (status["replicas"], status["availableReplicas"], status.get("updatedReplicas", 0)) == (replicas, replicas, 0)
        assert not hands.journal.events()[-1].data["revisions"].get("goal")


@pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet"])
async def test_every_action_on_a_set_is_done(ns: Namespace, hands: Hands, kind: str) -> None:
    """A release, rollback, restart, and scale where the kind has it, each verified: the template of before is in every pod."""
    plural, target = f"{kind.lower()}s", f"{kind.lower()}/web"
    body = deployment("web", replicas=2)
    body["kind"] = kind
    body["spec"]["template"]["spec"]["tolerations"] = [{"operator": "Exists"}]
    if kind == "StatefulSet":
        body["spec"]["serviceName"] = "web"
    else:
        del body["spec"]["replicas"]
    assert ns.http.post(ns.path(plural), json=body).status_code == 201

    def tags() -> set[str]:
        pods = ns.pods()
        ready = all(item["status"].get("phase") == "Running" for item in pods)
        return {item["spec"]["containers"][0]["image"].rpartition(":")[2] for item in pods} if ready else set()

    def settled() -> bool:
        """Its status has every pod too: a later write of the controller would be a conflict with the first action."""
        found = ns.get(ns.path(plural, "web"))["status"]
        ready = found.get("numberAvailable" if kind == "DaemonSet" else "availableReplicas")
        return tags() == {"1"} and ready == len(ns.pods())

    await asyncio.to_thread(until, settled, "the first release")
    assert (await hands.act("image", target=target, wait=False, image=":2")).outcome is Outcome.DONE
    assert await asyncio.to_thread(tags) == {"2"}
    end = await hands.act("rollback", target=target, wait=False)
    assert end.outcome is Outcome.DONE, end.text
    assert await asyncio.to_thread(tags) == {"1"}
    before = {item["metadata"]["uid"] for item in ns.pods()}
    end = await hands.act("restart", target=target, wait=False)
    assert end.outcome is Outcome.DONE, end.text
    assert not before & {item["metadata"]["uid"] for item in ns.pods()}
    if kind == "StatefulSet":
        end = await hands.act("scale", target=target, wait=False, replicas="3")
        assert end.outcome is Outcome.DONE, end.text
        assert sorted(item["metadata"]["name"] for item in ns.pods()) == ["web-0", "web-1", "web-2"]


async def test_limits_that_the_server_spells_in_another_way_are_confirmed(ns: Namespace, hands: Hands) -> None:
    """0.7 CPU is stored as 700m, and 0.35Gi as 375809638400m: the same amounts, so the change is in place."""
    ns.add(replicas=1)
    ns.rolled_out()
    done = await hands.act("limits", cpu="0.7", memory="0.35Gi")
    assert done.outcome is Outcome.DONE, done.text
    again = await hands.act("limits", cpu="0.7", memory="0.35Gi")
    assert again.outcome is Outcome.REFUSED and "nothing to do" in again.text, again.text


async def test_a_stale_resource_version_is_409_on_every_kind_of_patch(ns: Namespace, hands: Hands) -> None:
    """Merge patch on the Scale and on the Deployment, and a JSON patch that replaces it: the precondition holds."""
    stale = ns.add(replicas=1)["metadata"]["resourceVersion"]
    await asyncio.to_thread(ns.rolled_out)
    merge, old = "application/merge-patch+json", {"metadata": {"resourceVersion": stale}}
    jsonpatch = [
        {"op": "replace", "path": "/metadata/resourceVersion", "value": stale},
        {"op": "replace", "path": "/spec/paused", "value": True},
    ]
    cases = [
        ({**old, "spec": {"replicas": 4}}, "scale", merge),
        ({**old, "spec": {"paused": True}}, "", merge),
        (jsonpatch, "", "application/json-patch+json"),
    ]
    for body, subresource, content_type in cases:
        if isinstance(body, list):
            body[1]["op"] = "add"
        with pytest.raises(RequestRejected) as output:
            await hands.writer.patch("deployments", "web", body, subresource=subresource, content_type=content_type)
        assert output.value.fault.status == 409
    found = ns.get(ns.deployments("web"))["spec"]
    assert (found["replicas"], found.get("paused")) == (1, None)


async def test_following_sees_a_rollout(ns: Namespace, hands: Hands) -> None:
    """The watched namespace comes to what the server says: three ready pods, and their end after the deletion."""
    readings: list[PollResult[Cluster]] = []
    task = asyncio.ensure_future(ClusterWatch(hands.reads).follow(readings.append))

    async def until(count: int) -> None:
        async with asyncio.timeout(30.0):
            while True:
                last = readings[-1].value if readings else None
                if last is not None and sum(pod.ready for pod in last.pods) == count == len(last.pods):
                    return
                await asyncio.sleep(0.05)

    await until(0)
    ns.add(replicas=3)
    await until(3)
    assert readings[-1].value is not None
    ns.patch(ns.deployments("web"), {"spec": {"replicas": 0}})
    await until(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_deployment_without_a_replica_set(ns: Namespace, hands: Hands) -> None:
    """Made paused it has no revision: every runbook step is answered, a rollback is refused, resuming says what it begins."""
    ns.add("web", paused=True)
    found = await list_cluster(hands.reads)
    (workload,) = found.workloads
    assert found.revisions_of(workload) == () and workload.revision == 0

    async def ask(query: str) -> InstantResult:
        return InstantResult(())

    lookups = ("rollout-history", "pods", "events", "top-pods")
    steps = tuple(RunbookStep(item, lookup=item, target=TARGET) for item in lookups)
    sight = StepContext(ask, hands.reads, found, (), 0.0, Place("test", ns.name))
    results = [item async for item in evaluate_steps(Runbook("r", "r.md", "R", steps=steps), None, sight)]
    assert len(results) == len(lookups)
    assert "web has no revision yet: it has no ReplicaSet" in results[0].text

    assert suggest_action(ActionCall("rollback", TARGET), found, place=Place("test", ns.name)) is None
    refused = await hands.act("rollback")
    assert refused.outcome is Outcome.REFUSED and "is paused" in refused.text
    resumed = await hands.act("resume")
    assert resumed.outcome is Outcome.DONE, resumed.text
    assert hands.previews[-1].plan.notes == ("rolls out its first revision, 2 pods: it has no ReplicaSet yet",)


async def test_an_hpa_takes_a_scale_back_and_is_named(ns: Namespace, hands: Hands) -> None:
    """8 replicas over an HPA's maximum of 4: every pod was there, then the cluster's own autoscaler set 4 again."""
    ns.add(replicas=2)
    ns.rolled_out()
    cpu = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}
    scaler = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web-scaler"},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            "minReplicas": 1,
            "maxReplicas": 4,
            "metrics": [{"type": "Resource", "resource": cpu}],
        },
    }
    answer = ns.http.post(ns.path("horizontalpodautoscalers", group="autoscaling/v2"), json=scaler)
    assert answer.status_code == 201, answer.text
    hands.settings = replace(hands.settings, settle=(("hpa", 20.0),))
    end = await hands.act("scale", replicas="8")
    assert end.outcome is Outcome.UNDONE, end.text
    assert end.text.startswith("undone by HPA web-scaler")
    assert ns.get(ns.deployments("web"))["spec"]["replicas"] == 4


async def test_a_gitops_controller_takes_a_rollback_back_and_is_named(ns: Namespace, hands: Hands) -> None:
    """A writer that carries Argo CD's label and field manager reapplies its template once the rollback is done."""
    release = {"spec": {"template": {"spec": {"containers": [{"name": "web", "image": "registry.example.com/web:2"}]}}}}
    tracking = {"argocd.argoproj.io/tracking-id": f"shop:apps/Deployment:{ns.name}/web"}
    ns.add(replicas=2)
    ns.patch(ns.deployments("web"), {"metadata": {"annotations": tracking}})
    ns.rolled_out()
    ns.patch(ns.deployments("web"), release, STRATEGIC, fieldManager="argocd-controller")
    await asyncio.to_thread(ns.rolled_out, revision=2)

    def reapply() -> None:
        ns.rolled_out(revision=3)
        ns.patch(ns.deployments("web"), release, STRATEGIC, fieldManager="argocd-controller")

    hands.settings = replace(hands.settings, settle=(("argocd", 20.0),))
    writing = asyncio.ensure_future(asyncio.to_thread(reapply))
    end = await hands.act("rollback")
    await writing
    assert end.outcome is Outcome.UNDONE, end.text
    assert end.text.startswith("undone by Argo CD application shop")


def _release(ns: Namespace, version: str) -> None:
    change = {"spec": {"template": {"spec": {"containers": [{"name": "web", "image": f"registry.example.com/web:{version}"}]}}}}
    assert ns.patch(ns.deployments("web"), change, STRATEGIC).status_code == 200


async def _journal_what_is_seen(hands: Hands) -> None:
    """As a console that is open does with every new reading of the cluster."""
    for subject, payload in observe_rollouts(await list_cluster(hands.reads), records_of(hands.journal)):
        event = create_event(payload, at=time.time(), subject=subject, author="watcher", environment="test")
        hands.journal.append_once(event)


async def test_a_second_rollback_does_not_bring_the_bad_release_back(ns: Namespace, hands: Hands) -> None:
    """1 became 3, the bad release is 2: refused with what each revision is; named, it asks; by kubectl it is recognised too."""
    ns.add(replicas=2)
    ns.rolled_out()
    await _journal_what_is_seen(hands)
    _release(ns, "2")
    await asyncio.to_thread(ns.rolled_out, revision=2)
    assert (await hands.act("rollback")).outcome is Outcome.DONE
    assert hands.previews[-1].second_words == ()
    end = await hands.act("rollback")
    assert end.outcome is Outcome.REFUSED
    assert "2 was rolled back from at " in end.text
    assert (await hands.act("rollback", revision="2")).outcome is Outcome.DONE
    assert hands.previews[-1].second_words == ("2",)
    _release(ns, "1")  # back again, without the console
    await asyncio.to_thread(ns.rolled_out, revision=5)
    end = await hands.act("rollback")
    assert end.outcome is Outcome.REFUSED
    assert "4 was rolled back from: revision 5 restored an older template" in end.text


async def test_a_release_that_never_became_ready_is_passed_over(ns: Namespace, hands: Hands) -> None:
    """Its deadline passed without one ready pod, which a console saw; two releases later the cluster has no trace of that."""
    ns.add(replicas=2, progressDeadlineSeconds=2)
    ns.rolled_out()
    await _journal_what_is_seen(hands)
    _release(ns, "broken2")
    until(lambda: ns.condition("Progressing").get("reason") == "ProgressDeadlineExceeded", "the deadline")
    await _journal_what_is_seen(hands)
    _release(ns, "3")
    await asyncio.to_thread(ns.rolled_out, revision=3)
    end = await hands.act("rollback")
    assert end.outcome is Outcome.DONE, end.text
    plan = hands.previews[-1].plan
    assert plan.differences[0].after.startswith("1 (")
    assert any(note.startswith("skips 2, which never became ready, as seen at ") for note in plan.notes)
    await hands.act("rollback", revision="2")
    (check,) = [item for item in hands.previews[-1].checks if item.level is CheckLevel.ASK]
    assert check.text.startswith("revision 2 never became ready")


async def test_a_guarded_release_is_rolled_back_and_a_good_one_kept(ns: Namespace, hands: Hands) -> None:
    """The image whose signals get worse is rolled back by the guard through the same writer, to the template of before; one
    whose signals stay as they were is kept.
    """
    ns.add(replicas=1)
    await asyncio.to_thread(ns.rolled_out)
    before = ns.get(ns.deployments("web"))["spec"]["template"]
    signals = Signals(hands.journal)
    signals.on_read = lambda count: signals.values.update(error_ratio=8.0 if count > 2 else 0.3)
    end = await hands.act("image", guard=BRIEF, source=signals, image=":2")
    assert end.outcome is Outcome.ROLLED_BACK, end.text
    assert ns.get(ns.deployments("web"))["spec"]["template"] == before
    end = await hands.act("image", guard=BRIEF, source=Signals(hands.journal), image=":3")
    assert end.outcome is Outcome.DONE, end.text
    assert ns.get(ns.deployments("web"))["spec"]["template"]["spec"]["containers"][0]["image"] == "registry.example.com/web:3"
    assert [item.result for item in guards_of(hands.journal).ended] == ["rolled back", "kept"]


async def test_a_token_is_rotated_in_a_secret_and_not_in_an_immutable_one(ns: Namespace, hands: Hands, tmp_path: Path) -> None:
    """The key has the new token, its neighbour is untouched, and the workload is restarted; a version that
    somebody else changed is 409 without a token in its text, and an immutable Secret is refused before anything is written.
    """

    def encode(text: str) -> str:
        return base64.b64encode(text.encode()).decode()

    data = {"token": encode("old-canary-93bf2c51"), "other": "eA=="}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "render"}, "data": data}
    made = ns.http.post(ns.path("secrets", group="v1"), json=secret)
    assert made.status_code == 201, made.text
    ns.add(replicas=1)
    await asyncio.to_thread(ns.rolled_out)
    prove = ("/bin/sh", "-c", "read token; cat >> seen; echo $token >> seen")
    token = Token(
        "render", (("smoke", prove), ("withdraw", prove)), str(tmp_path), secrets=("render/token",), restart=(TARGET,)
    )
    hands.configure(tokens=(token,))
    end = await hands.act("rotate-token", target="token/render")
    assert end.outcome is Outcome.DONE, end.text
    new, old, proved = (tmp_path / "seen").read_text().split()
    found = ns.get(ns.path("secrets", "render", group="v1"))
    assert found["data"] == {"token": encode(new), "other": "eA=="} and new == proved
    assert (old, len(new)) == ("old-canary-93bf2c51", 64)
    assert ns.get(ns.deployments("web"))["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "2"

    with pytest.raises(RequestRejected) as raised:
        version = made.json()["metadata"]["resourceVersion"]
        await hands.writer.write_secret("render", "token", SecretText("other-canary-4410"), version=version)
    assert raised.value.fault.status == 409
    assert "canary" not in str(raised.value) and encode("other-canary-4410") not in str(raised.value)

    assert ns.patch(ns.path("secrets", "render", group="v1"), {"immutable": True}).status_code == 200
    end = await hands.act("rotate-token", target="token/render")
    assert end.outcome is Outcome.REFUSED, end.text
    assert (
        "the server rejects a change of render/token" in end.text and "field is immutable when `immutable` is set" in end.text
    )
    for field, change in (("immutable", {"immutable": False}), ("data", {"data": {"token": "eA=="}})):
        (cause,) = ns.patch(ns.path("secrets", "render", group="v1"), change).json()["details"]["causes"]
        assert (cause["reason"], cause["field"]) == ("FieldValueForbidden", field)
    assert ns.get(ns.path("secrets", "render", group="v1"))["data"] == found["data"]
