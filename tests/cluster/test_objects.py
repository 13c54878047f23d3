"""Jobs, evictions, nodes, Services and Rollouts: the console's change beside kubectl's, on every cluster."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from action_bench import Facts, settings_for
from cluster_fixture import MERGE, Namespace, cron_job, until

from console.actions.plan import Outcome, Preview, Request, RunStep
from console.actions.runner import RunContext, run
from console.actions.writers.writer import Writer
from console.journal.sqlite import Journal
from queries.http.endpoint import ClusterEndpoint

OURS, THEIRS = "ours", "theirs"
ROLLOUTS = "/apis/argoproj.io/v1alpha1/namespaces/{}/rollouts"


class Console:
    """The console's own clients on one namespace, and kubectl beside them."""

    def __init__(self, ns: Namespace, folder: Path) -> None:
        self.ns = ns
        self.kubeconfig = ns.kubeconfig(folder / "kubeconfig")
        endpoint = ClusterEndpoint(ns.name, kubeconfig=str(self.kubeconfig), timeout_seconds=10.0)
        self.settings = settings_for(folder, endpoint, namespace=ns.name, verify_timeout_seconds=30.0)
        self.reads, self.writer = Facts(endpoint), Writer(self.settings)
        self.journal = self.reads.journal = Journal.open(folder / "state" / "journal.sqlite3")
        self.previews: list[Preview] = []

    @property
    def has_kubectl(self) -> bool:
        """kubectl sends no token over plain HTTP, which the cluster in the process requires."""
        return self.ns.target.name != "in-process"

    async def act(self, action: str, target: str, **parameters: str) -> RunStep:
        async def agree(preview: Preview) -> bool:
            self.previews.append(preview)
            return True

        steps = run(
            Request(action, target, parameters), RunContext(self.settings, self.reads, self.writer, self.journal), agree
        )
        return [step async for step in steps][-1]

    async def run_printed_line(self, *, ours: str = OURS, theirs: str = THEIRS) -> None:
        """Runs the line of the last preview on the twin, as a person would paste it."""
        line = self.previews[-1].plan.command.replace(ours, theirs)
        shell = {**os.environ, "KUBECONFIG": str(self.kubeconfig)}
        done = await asyncio.to_thread(
            subprocess.run, ["bash", "-c", line], env=shell, check=False, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, (line, done.stderr)

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = self.ns.http.post(path, json=body)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    async def close(self) -> None:
        await self.reads.close()
        await self.writer.close()
        self.journal.close()


@pytest.fixture
async def console(ns: Namespace, tmp_path: Path) -> AsyncIterator[Console]:
    made = Console(ns, tmp_path)
    yield made
    await made.close()


def bare(item: dict[str, Any], name: str) -> Any:
    """An object without what makes it this one: name, UIDs, versions, writers and times."""
    meta = {key: item["metadata"].get(key) for key in ("labels", "annotations", "ownerReferences", "generation", "finalizers")}
    text = json.dumps({"metadata": meta, "spec": item.get("spec"), "status": item.get("status")})
    for uid in [item["metadata"]["uid"], *(owner["uid"] for owner in item["metadata"].get("ownerReferences") or ())]:
        text = text.replace(uid, "uid")
    return json.loads(text.replace(f'"{name}', '"twin'))


async def test_a_job_is_the_one_that_kubectl_creates(console: Console) -> None:
    """Run now: labels, annotations, owner and spec are equal apart from the name; the outcome is the Job's own."""
    ns, path = console.ns, console.ns.path("cronjobs", group="batch/v1")
    for name in (OURS, THEIRS):
        body = cron_job(name)
        template = body["spec"]["jobTemplate"]
        template["metadata"] = {"labels": {"tier": "night"}, "annotations": {"owner": "data"}}
        template["spec"] |= {"backoffLimit": 0, "ttlSecondsAfterFinished": 600}
        template["spec"]["template"]["spec"] |= {"restartPolicy": "Never", "terminationGracePeriodSeconds": 5}
        template["spec"]["template"]["spec"]["containers"][0]["name"] = "backup"
        console.post(path, body)
    end = await console.act("run-now", f"cronjob/{OURS}")
    assert end.outcome is Outcome.DONE, end.text
    assert f"job/{OURS}-manual-1 completed" in end.text and "1 pod succeeded" in end.text
    jobs = ns.path("jobs", group="batch/v1")
    found = ns.get(f"{jobs}/{OURS}-manual-1")
    assert found["metadata"]["annotations"]["cronjob.kubernetes.io/instantiate"] == "manual"
    (owner,) = found["metadata"]["ownerReferences"]
    assert owner == {"apiVersion": "batch/v1", "kind": "CronJob", "name": OURS, "uid": owner["uid"], "controller": True}
    if console.has_kubectl:
        await console.run_printed_line()
        until(lambda: ns.get(f"{jobs}/{THEIRS}-manual-1")["status"].get("succeeded"), "kubectl's Job to complete")
        twins = [{**ns.get(f"{jobs}/{name}-manual-1"), "status": {}} for name in (OURS, THEIRS)]
        assert bare(twins[0], OURS) == bare(twins[1], THEIRS)
    failing = {"spec": {"jobTemplate": {"spec": {"template": {"spec": {
        "containers": [{"name": "backup", "image": "registry.example.com/failing:1"}]}}}}}}  # fmt: skip
    assert ns.patch(f"{path}/{OURS}", failing).status_code == 200
    end = await console.act("run-now", f"cronjob/{OURS}")
    assert end.outcome is Outcome.FAILED and "BackoffLimitExceeded: Job has reached the specified backoff limit" in end.text


def budget(console: Console, name: str, minimum: int) -> None:
    spec = {"minAvailable": minimum, "selector": {"matchLabels": {"app": "web"}}}
    body = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": name}, "spec": spec}
    path = console.ns.path("poddisruptionbudgets", group="policy/v1")
    console.post(path, body)
    until(lambda: "disruptionsAllowed" in (console.ns.get(f"{path}/{name}").get("status") or {}), "the budget to be counted")


def evict(console: Console, name: str) -> httpx.Response:
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
    return console.ns.http.post(console.ns.path("pods", name, "eviction", group="v1"), json=body)


async def test_an_eviction_asks_the_budget_and_a_deletion_does_not(console: Console) -> None:
    """One is allowed and replaced; the next is refused in the server's words; two budgets are a 500."""
    ns = console.ns
    ns.add(replicas=3)
    ns.rolled_out()
    budget(console, "web", 2)

    def names() -> list[str]:
        return [item["metadata"]["name"] for item in ns.pods()]

    end = await console.act("evict", f"pod/{names()[0]}")
    assert end.outcome is Outcome.DONE, end.text
    assert "replaces it: ready" in end.text
    if console.has_kubectl:
        gone, other = console.previews[-1].plan.subject.removeprefix("pod/"), names()[0]
        until(
            lambda: ns.get(f"{ns.path('poddisruptionbudgets', group='policy/v1')}/web")["status"]["disruptionsAllowed"], "room"
        )
        await console.run_printed_line(ours=gone, theirs=other)
        until(lambda: other not in names() and len(names()) == 3, "kubectl's pod to be replaced")
    ns.rolled_out()
    strict = {"spec": {"minAvailable": 3}}
    assert ns.patch(ns.path("poddisruptionbudgets", "web", group="policy/v1"), strict).status_code == 200
    words = "The disruption budget web needs 3 healthy pods and has 3 currently"
    refusal = {"reason": "DisruptionBudget", "message": words}
    until(lambda: evict_dry(console, names()[0]).json().get("details", {}).get("causes") == [refusal], "the budget to refuse")
    assert evict_dry(console, names()[0]).status_code == 429
    end = await console.act("evict", f"pod/{names()[0]}")
    assert end.outcome is Outcome.REFUSED and words in end.text
    budget(console, "other", 1)
    answer = evict(console, names()[0])
    assert (answer.status_code, answer.json()["message"][:42]) == (500, "This pod has more than one PodDisruptionBu")
    end = await console.act("evict", f"pod/{names()[0]}")
    assert end.outcome is Outcome.REFUSED and "This pod has more than one PodDisruptionBudget" in end.text
    end = await console.act("delete-pod", f"pod/{names()[0]}")
    assert end.outcome is Outcome.DONE and "replaces it: ready" in end.text, end.text
    assert console.previews[-1].second_words == ("delete",)


def evict_dry(console: Console, name: str) -> httpx.Response:
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
    return console.ns.http.post(console.ns.path("pods", name, "eviction", group="v1"), json=body, params={"dryRun": "All"})


async def test_a_dry_deletion_deletes_nothing(console: Console) -> None:
    """Although the server ignores the query of a DELETE with a body; without dryRun in the body it deletes."""
    ns, spec = (
        console.ns,
        {"terminationGracePeriodSeconds": 0, "containers": [{"name": "a", "image": "registry.example.com/a:1"}]},
    )
    made = console.post(
        ns.path("pods", group="v1"), {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "one"}, "spec": spec}
    )
    options = {"preconditions": {"uid": made["metadata"]["uid"]}}
    await console.writer.delete("pods", "one", options, dry_run=True)
    assert "deletionTimestamp" not in ns.get(ns.path("pods", "one", group="v1"))["metadata"]
    if console.has_kubectl:
        body = {"apiVersion": "v1", "kind": "DeleteOptions", **options}
        path = f"{ns.path('pods', 'one', group='v1')}?dryRun=All"
        assert ns.http.request("DELETE", path, json=body).status_code == 200
        until(lambda: ns.http.get(ns.path("pods", "one", group="v1")).status_code == 404, "the pod to be gone")


async def test_a_node_ends_as_kubectls(console: Console) -> None:
    """Cordon and uncordon: the same spec, and the preview counts the other nodes."""
    ours, theirs = (f"{name}-{console.ns.name}" for name in (OURS, THEIRS))
    for name in (ours, theirs):
        console.post("/api/v1/nodes", {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}})
    for action, cordoned in (("cordon", True), ("uncordon", None)):
        end = await console.act(action, f"node/{ours}")
        assert end.outcome is Outcome.DONE, end.text
        assert console.ns.get(f"/api/v1/nodes/{ours}")["spec"].get("unschedulable") is cordoned
        if console.has_kubectl:
            await console.run_printed_line(ours=ours, theirs=theirs)
            twins = [{**console.ns.get(f"/api/v1/nodes/{name}"), "status": {}} for name in (ours, theirs)]
            assert bare(twins[0], ours) == bare(twins[1], theirs)
    (nodes,) = [check.text for check in console.previews[0].checks if check.how == "nodes"]
    assert "other nodes take new pods" in nodes
    for name in (ours, theirs):
        console.ns.http.delete(f"/api/v1/nodes/{name}")


async def test_a_service_is_switched_to_pods_that_are_ready(console: Console) -> None:
    """Its endpoints become the other Deployment's; one without ready pods is refused."""
    ns = console.ns
    for colour, replicas in (("blue", 1), ("green", 2), ("grey", 0)):
        body_labels = {"app": "shop", "colour": colour}
        template = {
            "metadata": {"labels": body_labels},
            "spec": {
                "containers": [{"name": "web", "image": "registry.example.com/web:1"}],
                "terminationGracePeriodSeconds": 0,
            },
        }
        ns.add(colour, replicas=replicas, selector={"matchLabels": body_labels}, template=template)
        ns.rolled_out(colour) if replicas else None
    for name in (OURS, THEIRS):
        spec = {"selector": {"app": "shop", "colour": "blue"}, "ports": [{"port": 80}]}
        console.post(
            ns.path("services", group="v1"), {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}
        )
    end = await console.act("switch", f"service/{OURS}", to="grey")
    assert end.outcome is Outcome.REFUSED and "app=shop,colour=grey has 0 ready pods of 0" in end.text
    end = await console.act("switch", f"service/{OURS}", to="green")
    assert end.outcome is Outcome.DONE, end.text
    assert "2 of 2 ready pods of app=shop,colour=green are its endpoints" in end.text
    shown = {item.name: (item.before, item.after) for item in console.previews[-1].plan.differences}
    assert shown["ready"] == ("1 of 1 pods", "2 of 2 pods")
    selector = ns.get(ns.path("services", OURS, group="v1"))["spec"]["selector"]
    assert selector == {"app": "shop", "colour": "green"}
    if console.has_kubectl:
        await console.run_printed_line()
        assert ns.get(ns.path("services", THEIRS, group="v1"))["spec"]["selector"] == selector


@pytest.fixture
def rollouts(ns: Namespace) -> Iterator[str]:
    """The path of Rollouts on a cluster that has their definition; nothing reconciles them but the test."""
    if ns.target.install_rollouts is None:
        pytest.skip("definitions cannot be installed on this cluster")
    ns.target.install_rollouts(True)
    yield ROLLOUTS.format(ns.name)
    ns.target.install_rollouts(False)


def as_controller(console: Console, path: str, name: str, status: dict[str, Any]) -> None:
    answer = console.ns.patch(f"{path}/{name}/status", {"status": status}, MERGE)
    assert answer.status_code == 200, answer.text


async def test_a_rollout_ends_as_kubectls_patch(console: Console, rollouts: str) -> None:
    """Promote, abort and retry write the plugin's fields of the status; the controller's phase decides the outcome."""
    steps = [{"setWeight": 20}, {"pause": {}}, {"setWeight": 60}, {"pause": {}}]
    containers = [{"name": "web", "image": "registry.example.com/web:2"}]
    spec = {"replicas": 2, "strategy": {"canary": {"steps": steps}}, "template": {"spec": {"containers": containers}}}
    paused = {
        "phase": "Paused", "message": "CanaryPauseStep", "stableRS": "aaa", "currentPodHash": "bbb", "controllerPause": True,
        "currentStepIndex": 1, "pauseConditions": [{"reason": "CanaryPauseStep", "startTime": "2026-01-01T00:00:00Z"}],
        "availableReplicas": 2, "updatedReplicas": 1, "observedGeneration": "1",
    }  # fmt: skip
    for name in (OURS, THEIRS):
        console.post(
            rollouts, {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "metadata": {"name": name}, "spec": spec}
        )
        as_controller(console, rollouts, name, paused)
    again = {
        **paused,
        "currentStepIndex": 3,
        "pauseConditions": [{"reason": "CanaryPauseStep", "startTime": "2026-01-01T00:05:00Z"}],
    }
    aborted = {"phase": "Degraded", "message": "RolloutAborted: Rollout aborted update", "abortedAt": "2026-01-01T00:06:00Z",
               "controllerPause": None, "pauseConditions": None}  # fmt: skip
    started = {"phase": "Paused", "message": "CanaryPauseStep", "abortedAt": None, "controllerPause": True, **{
        key: again[key] for key in ("pauseConditions", "currentStepIndex")}}  # fmt: skip
    for action, reaction, words in (
        ("promote", again, "is Paused, step 4 of 4 (pause): CanaryPauseStep; 2 of 2 pods available"),
        ("abort", aborted, "RolloutAborted: Rollout aborted update; 2 of 2 pods available"),
        ("retry", started, "is Paused, step 4 of 4 (pause)"),
    ):
        acting = asyncio.ensure_future(console.act(action, f"rollout/{OURS}"))
        before = console.ns.get(f"{rollouts}/{OURS}")["metadata"]["resourceVersion"]
        await asyncio.to_thread(
            until, lambda b=before: console.ns.get(f"{rollouts}/{OURS}")["metadata"]["resourceVersion"] != b, action
        )
        if console.has_kubectl:
            await console.run_printed_line()
            twins = [console.ns.get(f"{rollouts}/{name}") for name in (OURS, THEIRS)]
            assert bare(twins[0], OURS) == bare(twins[1], THEIRS), action
        for name in (OURS, THEIRS):
            as_controller(console, rollouts, name, reaction)
        end = await acting
        assert end.outcome is Outcome.DONE, end.text
        assert words in end.text
    assert "is not aborted" in (await console.act("retry", f"rollout/{OURS}")).text
