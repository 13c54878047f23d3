"""On a real API server the console's change and its printed kubectl line, run on a twin, end as the same object."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from action_bench import Facts, settings_for
from cluster_fixture import Namespace, cron_job, deployment, names

from console.actions.plan import CheckLevel, Outcome, Preview, Request, RunStep
from console.actions.runner import RunContext, run
from console.actions.writers.writer import Writer
from console.journal.sqlite import Journal
from queries.http.endpoint import ClusterEndpoint

pytestmark = [
    pytest.mark.control_plane,
    pytest.mark.skipif(
        "control-plane" not in names(),
        reason="kubectl sends no token over plain HTTP",
    ),
    pytest.mark.parametrize("target", ["control-plane"], indirect=True, scope="session"),
]
OURS, THEIRS = "ours", "theirs"
PLURALS = {"deployment": "deployments", "statefulset": "statefulsets", "daemonset": "daemonsets", "cronjob": "cronjobs"}


class Twins:
    """One workload that the console changes, and one that kubectl changes."""

    def __init__(self, ns: Namespace, folder: Path, kind: str) -> None:
        self.ns, self.kind = ns, kind
        self.kubeconfig = ns.kubeconfig(folder / "kubeconfig")
        endpoint = ClusterEndpoint(ns.name, kubeconfig=str(self.kubeconfig), timeout_seconds=10.0)
        self.settings = settings_for(folder, endpoint, namespace=ns.name, verify_timeout_seconds=60.0)
        self.reads, self.writer = Facts(endpoint), Writer(self.settings)
        self.journal = self.reads.journal = Journal.open(folder / "state" / "journal.sqlite3")
        self.previews: list[Preview] = []
        for name in (OURS, THEIRS):
            if kind == "cronjob":
                assert ns.http.post(self.path(), json=cron_job(name)).status_code == 201
                continue
            body = deployment(name, replicas=2)
            body["kind"] = {"deployment": "Deployment", "statefulset": "StatefulSet", "daemonset": "DaemonSet"}[kind]
            if kind == "statefulset":
                body["spec"]["serviceName"] = name
            elif kind == "daemonset":
                del body["spec"]["replicas"]
                body["spec"]["template"]["spec"]["tolerations"] = [{"operator": "Exists"}]
            answer = ns.http.post(self.path(), json=body)
            assert answer.status_code == 201, answer.text
            self.rolled_out(name)

    def path(self, name: str = "") -> str:
        return self.ns.path(PLURALS[self.kind], name, group="batch/v1" if self.kind == "cronjob" else "apps/v1")

    def read(self, name: str) -> dict[str, Any]:
        return self.ns.get(self.path(name))

    def rolled_out(self, name: str) -> None:
        """Waits for kubectl's own judgement."""
        self.kubectl("rollout", "status", f"{self.kind}/{name}", "--timeout=60s")

    def release(self) -> None:
        for name in (OURS, THEIRS):
            container = {"name": name, "image": "registry.example.com/web:2"}
            change = {"spec": {"template": {"spec": {"containers": [container]}}}}
            answer = self.ns.patch(self.path(name), change, "application/strategic-merge-patch+json")
            assert answer.status_code == 200, answer.text
            self.rolled_out(name)

    def pod_images(self) -> list[str]:
        """The tag of each pod that the console's workload has, whatever its state."""
        found = [
            item for item in self.ns.get(self.ns.path("pods", group="v1"))["items"] if item["metadata"]["name"].startswith(OURS)
        ]
        return sorted(item["spec"]["containers"][0]["image"].rpartition(":")[2] for item in found)

    def run_printed_line(self) -> None:
        """Runs the line of the last preview, as a person would paste it, on the twin."""
        line = self.previews[-1].plan.command.replace(f"{self.kind}/{OURS}", f"{self.kind}/{THEIRS}")
        self.run(shlex.split(line.replace(f" {OURS}=", f" {THEIRS}=")))  # the container of `set image`

    def kubectl(self, *arguments: str) -> None:
        self.run(["kubectl", "-n", self.ns.name, *arguments])

    def run(self, command: list[str]) -> None:
        # The line names the kubeconfig where the console was given one (test_place_on_every_cluster); here the shell does.
        shell = {**os.environ, "KUBECONFIG": str(self.kubeconfig)}
        done = subprocess.run(command, env=shell, check=False, capture_output=True, text=True, timeout=90)
        assert done.returncode == 0, done.stderr

    async def act(self, action: str, **parameters: str) -> RunStep:
        async def agree(preview: Preview) -> bool:
            self.previews.append(preview)
            return True

        steps = run(
            Request(action, f"{self.kind}/{OURS}", parameters),
            RunContext(self.settings, self.reads, self.writer, self.journal),
            agree,
        )
        return [step async for step in steps][-1]

    def compared(self, name: str) -> Any:
        """Everything of the object but its identity, its writers and its status."""
        found = self.read(name)
        meta = {key: found["metadata"].get(key) for key in ("labels", "annotations", "generation")}
        text = json.dumps({"metadata": meta, "spec": found["spec"]}).replace(f'"{name}"', '"twin"')
        return json.loads(re.sub(r'(restartedAt": )"[^"]*"', r'\1"then"', text))

    async def close(self) -> None:
        await self.reads.close()
        await self.writer.close()
        self.journal.close()


async def test_a_stateful_set_is_done_when_its_pods_are(ns: Namespace, tmp_path: Path) -> None:
    """Rolled back in mid-rollout, when both revisions are one at once, and scaled down: done is said when the pods are so.

    The pods themselves decide: none of the release that was left runs, and none is surplus.
    """
    twins = await asyncio.to_thread(Twins, ns, tmp_path, "statefulset")
    path = ns.path("statefulsets", OURS)
    slow = {"spec": {"replicas": 3, "minReadySeconds": 3}}
    assert (await asyncio.to_thread(ns.patch, path, slow, "application/merge-patch+json")).status_code == 200
    await asyncio.to_thread(twins.rolled_out, OURS)
    release = {"spec": {"template": {"spec": {"containers": [{"name": OURS, "image": "registry.example.com/web:2"}]}}}}
    assert (await asyncio.to_thread(ns.patch, path, release, "application/strategic-merge-patch+json")).status_code == 200
    while "2" not in (images := await asyncio.to_thread(twins.pod_images)) or len(images) < 3:  # noqa: ASYNC110  # a cluster has no event here
        await asyncio.sleep(0.1)
    assert images.count("2") < 3  # in mid-rollout
    done = await twins.act("rollback", revision="1")
    assert (done.outcome, await asyncio.to_thread(twins.pod_images)) == (Outcome.DONE, ["1", "1", "1"]), done.text
    done = await twins.act("scale", replicas="1")
    assert (done.outcome, await asyncio.to_thread(twins.pod_images)) == (Outcome.DONE, ["1"]), done.text
    await twins.close()


@pytest.fixture(params=list(PLURALS))
async def twins(ns: Namespace, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Twins]:
    made = await asyncio.to_thread(Twins, ns, tmp_path, request.param)
    yield made
    await made.close()


async def test_a_change_ends_as_kubectls(twins: Twins) -> None:
    """Every action of a kind is done by kubectl's own tests, and the printed line makes the twin an equal object."""
    kind = twins.kind
    if kind != "cronjob":
        await asyncio.to_thread(twins.release)
    actions = {
        "deployment": ("rollback", "image", "restart", "scale", "pause", "resume"),
        "statefulset": ("rollback", "image", "restart", "scale"),
        "daemonset": ("rollback", "image", "restart"),
        "cronjob": ("suspend", "unsuspend"),
    }
    parameters = {"scale": {"replicas": "3"}, "image": {"image": ":3"}}
    for action in actions[kind]:
        if kind == "deployment":  # its controller still writes the status, and a change since the preview is a conflict
            await asyncio.to_thread(twins.ns.quiet, OURS)
        done = await twins.act(action, **parameters.get(action, {}))
        assert done.outcome is Outcome.DONE, done.text
        await asyncio.to_thread(twins.run_printed_line)
        if action != "pause" and kind != "cronjob":
            await asyncio.to_thread(twins.rolled_out, THEIRS)
        assert twins.compared(OURS) == twins.compared(THEIRS), action
    if kind == "cronjob":
        return
    undone = twins.previews[0]
    assert {check.how: check.level for check in undone.checks}["revisions"] is CheckLevel.ASK
    assert undone.plan.command.endswith(f"rollout undo {kind}/{OURS} --to-revision=1")
    images = [item for item in undone.plan.differences if item.name == "image"]
    assert [(item.before[-1], item.after[-1]) for item in images] == [("2", "1")]
    if kind == "deployment":
        return
    again = await twins.act("pause")
    assert again.outcome is Outcome.REFUSED and "is for a Deployment" in again.text
