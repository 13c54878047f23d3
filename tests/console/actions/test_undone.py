"""A change that somebody undoes after it was done: named in the preview, watched for, and called undone by whom."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from action_bench import API, NAMESPACE, QUICK, Bench, Facts, outcome, second_revision, settings_for
from steerable_cluster import SteerableCluster

from console.actions import runner
from console.actions.deployment_state import fetch_deployment_state
from console.actions.plan import Outcome, Preview, Request, RunStep, Stage
from console.actions.reconcilers import REPLICAS, TEMPLATE, reconcilers
from console.actions.writers.writer import Writer
from console.journal.event import Event
from console.journal.sqlite import Journal
from console.state.incident import Step as IncidentStep
from console.state.incident_projection import IncidentsProjection
from queries.http.endpoint import ClusterEndpoint

TARGET = f"deployment/{API}"
SETTLE = (("hpa", 4.0), ("argocd", 4.0), ("flux", 4.0), ("helm", 0.0))


@asynccontextmanager
async def site(folder: Path, *, autoscaler_seconds: float = 60.0) -> AsyncIterator[Bench]:
    made = SteerableCluster(NAMESPACE, timings=QUICK, autoscaler_seconds=autoscaler_seconds)
    made.seed()
    with made:
        made.kubeconfig(folder / "kubeconfig")
        endpoint = ClusterEndpoint(NAMESPACE, kubeconfig=str(folder / "kubeconfig"), timeout_seconds=10.0)
        facts, settings = Facts(endpoint), settings_for(folder, endpoint, settle=SETTLE)
        with Journal.open(settings.paths.journal_file) as journal:
            yield Bench(made, settings, facts, journal)
        await facts.close()


async def reapply(cluster: SteerableCluster, image: str, *, manager: str, after_seconds: float) -> None:
    """Stands in for a GitOps controller: once the image differs, it sets its own again, under its own field manager."""
    async with asyncio.timeout(30.0):
        while cluster.deployment(API).image == image:  # noqa: ASYNC110 - the cluster has no event for it
            await asyncio.sleep(0.05)
    await asyncio.sleep(after_seconds)
    change = {"spec": {"template": {"spec": {"containers": [{"name": API, "image": image}]}}}}
    await asyncio.to_thread(cluster.patch, "deployments", API, change, manager=manager)


async def test_an_hpa_that_takes_a_scale_back_is_named(tmp_path: Path) -> None:
    """All pods were ready when the HPA set its maximum again: named in preview, outcome and journal."""
    async with site(tmp_path, autoscaler_seconds=0.8) as bench:
        steps = await bench.act("scale", TARGET, replicas="25")
        result, text = outcome(steps)
        assert result is Outcome.UNDONE, text
        assert text.startswith("undone by HPA cad-ml-api")
        assert "was scaled back to 20" in text
        watched = [check.text for check in bench.previews[0].checks if "watched for 4s" in check.text]
        own_way = "instead: kubectl -n cad-ml-platform edit hpa/cad-ml-api"
        assert watched == [f"HPA cad-ml-api also sets this: watched for 4s after it is done; {own_way}"]
        assert bench.journal is not None
        end = bench.journal.events()[-1]
        assert (end.data["outcome"], end.data["text"]) == ("undone", text)


async def test_a_scale_that_an_hpa_leaves_alone_is_done_after_its_settle_time(tmp_path: Path) -> None:
    """Within the HPA's range nothing undoes it: done, with how long that was watched, and what was said meanwhile."""
    async with site(tmp_path, autoscaler_seconds=0.3) as bench:
        steps = await bench.act("scale", TARGET, settings=replace(bench.settings, settle=(("hpa", 2.0),)), replicas="4")
        result, text = outcome(steps)
        assert result is Outcome.DONE, text
        assert text.endswith("HPA cad-ml-api did not revert it within 2s")
        said = [step.text for step in steps if step.stage is Stage.VERIFY]
        assert "watching whether HPA cad-ml-api reverts it: 2s of 2s left; safe to leave" in said


MANAGERS = [
    ({"annotations": {"argocd.argoproj.io/tracking-id": f"shop:apps/Deployment:{NAMESPACE}/{API}"}}, "argocd-controller",
     "Argo CD application shop"),
    ({"labels": {"argocd.argoproj.io/instance": "shop"}}, "argocd-controller", "Argo CD application shop"),
    ({"labels": {"kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"}},
     "kustomize-controller", "Flux Kustomization flux-system/apps"),
    ({"labels": {"helm.toolkit.fluxcd.io/name": "cad", "helm.toolkit.fluxcd.io/namespace": "cad-ml-platform"}},
     "helm-controller", "Flux HelmRelease cad-ml-platform/cad"),
]  # fmt: skip


@pytest.mark.parametrize(("meta", "manager", "name"), MANAGERS)
async def test_a_gitops_controller_that_takes_a_rollback_back_is_named(
    meta: dict[str, Any], manager: str, name: str, tmp_path: Path
) -> None:
    """A writer with the controller's labels and field manager sets its image again after the rollout was done."""
    async with site(tmp_path) as bench:
        bench.cluster.patch("deployments", API, {"metadata": meta})
        second_revision(bench.cluster)
        bad = bench.cluster.deployment(API).image

        async def undo(step: RunStep) -> None:
            if step.text.startswith("watching whether"):
                await reapply(bench.cluster, bad, manager=manager, after_seconds=0.0)

        steps = await bench.act("rollback", TARGET, meanwhile=undo)
        result, text = outcome(steps)
        assert result is Outcome.UNDONE, text
        assert text.startswith(f"undone by {name} ")
        assert any(check.text.startswith(f"{name} also sets this: watched for 4s") for check in bench.previews[0].checks)


async def test_somebody_who_changes_it_during_the_rollout_is_named(tmp_path: Path) -> None:
    """Without any controller: the field manager is the name that the server keeps."""
    async with site(tmp_path) as bench:
        second_revision(bench.cluster)
        bad = bench.cluster.deployment(API).image
        bench.cluster.break_image(":1.8.2")  # so that the rollout is still under way
        writing = asyncio.ensure_future(reapply(bench.cluster, bad, manager="kubectl-set", after_seconds=0.5))
        steps = await bench.act("rollback", TARGET)
        await writing
        result, text = outcome(steps)
        assert (result, text) == (Outcome.UNDONE, f"undone by kubectl-set: pod template of {TARGET} changed by someone else")


async def test_helm_is_named_and_not_waited_for(tmp_path: Path) -> None:
    """Helm alone sets nothing again by itself: the preview says what will, and the run ends with the rollout."""
    async with site(tmp_path) as bench:
        bench.cluster.patch(
            "deployments", API, {"metadata": {"annotations": {"meta.helm.sh/release-name": "cad"},
                                              "labels": {"app.kubernetes.io/managed-by": "Helm"}}}
        )  # fmt: skip
        second_revision(bench.cluster)
        result, text = outcome(await bench.act("rollback", TARGET))
        assert (result, "revert it" in text) == (Outcome.DONE, False)
        checks = [check.text for check in bench.previews[0].checks]
        words = "Helm release cad also sets this: its next run sets it again; instead: helm rollback cad"
        assert words in checks


async def test_what_names_a_controller(tmp_path: Path) -> None:
    """`app.kubernetes.io/instance` is Argo CD's only where Argo CD writes; KEDA's HPA names its ScaledObject; an HPA never
    sets a template.
    """
    async with site(tmp_path) as bench:
        bench.cluster.patch("deployments", API, {"metadata": {"labels": {"app.kubernetes.io/instance": "shop"}}})
        keda = {"metadata": {"labels": {"scaledobject.keda.sh/name": "api-queue"}}}
        bench.cluster.patch("horizontalpodautoscalers", API, keda)
        facts = await fetch_deployment_state(Request("scale", TARGET), bench.facts)
        assert [item.name for item in reconcilers(facts, REPLICAS)] == ["HPA cad-ml-api of KEDA ScaledObject api-queue"]
        assert reconcilers(facts, TEMPLATE) == ()
        spec = {"spec": {"progressDeadlineSeconds": 601}}
        bench.cluster.patch("deployments", API, spec, manager="argocd-controller")
        facts = await fetch_deployment_state(Request("scale", TARGET), bench.facts)
        assert [item.name for item in reconcilers(facts, TEMPLATE)] == ["Argo CD application shop"]


async def test_leaving_while_it_settles_is_journalled_as_such(tmp_path: Path) -> None:
    """The rollout is done, nobody watches any more whether the HPA leaves it so: unknown, and exactly that is written."""
    async with site(tmp_path) as bench:
        writer = Writer(bench.settings)
        steps = runner.run(
            Request("scale", TARGET, {"replicas": "4"}),
            runner.RunContext(replace(bench.settings, settle=(("hpa", 45.0),)), bench.facts, writer, bench.journal),
            _yes,
        )
        async with aclosing(steps):
            async for step in steps:
                if step.text.startswith("watching whether"):
                    break
        await writer.close()
        assert bench.journal is not None
        end = bench.journal.events()[-1].data
        assert end["outcome"] == "unknown"
        assert "rolled out, 4 of 4 available" in end["text"]
        assert "s before it was clear whether HPA cad-ml-api reverts it" in end["text"]


async def test_a_server_that_is_gone_while_it_settles_leaves_it_unknown(tmp_path: Path) -> None:
    """What cannot be seen is not called kept."""
    async with site(tmp_path) as bench:
        writer = Writer(bench.settings)
        steps = runner.run(
            Request("scale", TARGET, {"replicas": "4"}),
            runner.RunContext(replace(bench.settings, settle=(("hpa", 2.0),)), bench.facts, writer, bench.journal),
            _yes,
        )
        found = []
        async with aclosing(steps):
            async for step in steps:
                found.append(step)
                if step.text.startswith("watching whether") and "cannot see" not in step.text:
                    await asyncio.to_thread(bench.cluster.stop)
        await writer.close()
        result, text = outcome(found)
        assert result is Outcome.UNKNOWN
        assert "could not check whether HPA cad-ml-api reverted it" in text


async def test_an_undone_rollback_mitigates_nothing() -> None:
    """An incident's timeline tells by whom it was undone, and the step Mitigate stays open."""
    told = IncidentsProjection()
    state = told.apply(told.initial(), Event(1.0, "incident.declared", "i1", "ann", data={"title": "x", "severity": "P1"}))
    data = {"action": "rollback", "title": "Roll back deployment/web", "target": "deployment/web", "outcome": "undone",
            "text": "undone by Argo CD application shop within 8s"}  # fmt: skip
    state = told.apply(state, Event(2.0, "action.outcome", "r1", "ann", data=json.loads(json.dumps(data))))
    (incident,) = state.all
    assert IncidentStep.MITIGATE not in incident.completions
    assert incident.entries[-1].text == "Roll back deployment/web: undone by Argo CD application shop within 8s"


async def _yes(_: Preview) -> bool:
    return True
