"""Every kind of workload, as the console lists and judges them, on the cluster in the process and on a real control plane."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from cluster_fixture import NEVER_READY, Namespace, Target, cron_job, deployment, until

from console.checks.workloads import assess_workloads
from queries.http.endpoint import ClusterEndpoint
from queries.kubernetes.client import Kubernetes
from queries.kubernetes.cluster_list import list_cluster
from queries.model.cluster import Cluster
from queries.model.verdict import Verdict


def _object(kind: str, name: str, *, version: str = "apps/v1", **spec: Any) -> dict[str, Any]:
    base = deployment(name, image=f"registry.example.com/{NEVER_READY}:1")
    del base["spec"]["replicas"]
    return {**base, "apiVersion": version, "kind": kind, "spec": {**base["spec"], **spec}}


def _post(ns: Namespace, plural: str, body: dict[str, Any]) -> None:
    answer = ns.http.post(ns.path(plural, group=body["apiVersion"]), json=body)
    assert answer.status_code == 201, answer.text


async def _list(ns: Namespace, folder: Path) -> Cluster:
    endpoint = ClusterEndpoint(ns.name, kubeconfig=str(ns.kubeconfig(folder / "kubeconfig")), timeout_seconds=10.0)
    client = Kubernetes(endpoint)
    try:
        return await list_cluster(client)
    finally:
        await client.close()


@contextlib.asynccontextmanager
async def _no_direct_way(_: Kubernetes) -> AsyncIterator[None]:
    yield None


async def test_a_command_lists_what_the_other_way_lists(ns: Namespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over the loop's own connections, page by page, never through urllib3; then through urllib3: the same cluster."""
    ns.add("web", replicas=3)
    for number in range(3):
        _post(ns, "daemonsets", _object("DaemonSet", f"agent-{number}"))
    await asyncio.to_thread(ns.quiet)
    monkeypatch.setattr("queries.kubernetes.watch.PAGE", 2)
    with monkeypatch.context() as patch:
        patch.setattr("queries.kubernetes.connection.Connection.manager", property(lambda _: pytest.fail("through urllib3")))
        direct = await _list(ns, tmp_path)
    monkeypatch.setattr("queries.kubernetes.cluster_list.open_direct", _no_direct_way)
    assert await _list(ns, tmp_path) == direct
    assert len(direct.workloads) == 4


@pytest.fixture
def rollouts(target: Target) -> Iterator[None]:
    if target.install_rollouts is None:
        pytest.skip("this target installs no definitions")
    target.install_rollouts(True)
    yield
    target.install_rollouts(False)


async def test_every_kind_of_workload_is_listed(ns: Namespace, tmp_path: Path) -> None:
    """Equal names of different kinds are different rows; a StatefulSet with 0 of 3 ready is critical; Argo's Rollouts, whose
    definition is absent, are no fault."""
    _post(ns, "statefulsets", _object("StatefulSet", "web", replicas=3, serviceName="web"))
    _post(ns, "daemonsets", _object("DaemonSet", "agent"))
    ns.add("web", replicas=1)
    job = cron_job()["spec"]["jobTemplate"]["spec"]
    _post(ns, "jobs", {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "load"}, "spec": job})
    _post(ns, "cronjobs", cron_job())
    container = {"name": "debug", "image": "registry.example.com/debug:1"}
    _post(ns, "pods", {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "debug"}, "spec": {"containers": [container]}})
    found = await _list(ns, tmp_path)
    targets = [item.target for item in found.workloads]
    assert targets == ["daemonset/agent", "cronjob/backup", "pod/debug", "job/load", "deployment/web", "statefulset/web"]
    assert found.faults == ()
    verdicts = {item.workload.target: item for item in assess_workloads(found, now=0.0)}
    assert verdicts["statefulset/web"].verdict is Verdict.CRITICAL
    assert verdicts["statefulset/web"].reason == "web: none of 3 pods is ready"
    assert found.workload("pod/debug").containers[0].image == container["image"]  # type: ignore[union-attr]


async def test_a_rollout_of_argo_is_listed_where_its_definition_is_installed(
    ns: Namespace, rollouts: None, tmp_path: Path
) -> None:
    """With Argo's phase and message as its status, and its revision from Argo's annotation; without a status it is unknown."""
    spec = {"replicas": 2, "strategy": {"canary": {}}}
    body = _object("Rollout", "shop", version="argoproj.io/v1alpha1", **spec)
    body["metadata"]["annotations"] = {"rollout.argoproj.io/revision": "7"}
    _post(ns, "rollouts", body)
    path = ns.path("rollouts", "shop", group="argoproj.io/v1alpha1")
    found = await _list(ns, tmp_path)
    (item,) = assess_workloads(found, now=0.0)
    assert (item.verdict, item.workload.revision, item.workload.short_kind) == (Verdict.CRITICAL, 7, "ro")
    counts = {"replicas": 2, "updatedReplicas": 2, "readyReplicas": 2, "availableReplicas": 2, "observedGeneration": "1"}
    status = {**counts, "phase": "Paused", "message": "CanaryPauseStep"}
    answer = ns.patch(f"{path}/status", {"status": status})
    assert answer.status_code == 200, answer.text
    (item,) = assess_workloads(await _list(ns, tmp_path), now=0.0)
    assert (item.verdict, item.reason) == (Verdict.WARN, "shop: Paused: CanaryPauseStep")


async def test_the_pods_of_a_controller_are_no_rows_of_their_own(ns: Namespace, tmp_path: Path) -> None:
    """Those of a StatefulSet, also beside a Deployment that selects them."""
    _post(ns, "statefulsets", _object("StatefulSet", "web", replicas=1, serviceName="web"))
    ns.add("web", replicas=0)
    until(lambda: ns.get(ns.path("pods", group="v1"))["items"], "the pod of the StatefulSet")
    found = await _list(ns, tmp_path)
    assert [(item.target, len(found.pods_of(item))) for item in found.workloads] == [
        ("deployment/web", 0),
        ("statefulset/web", 1),
    ]
    assert found.pods[0].owner == "StatefulSet/web"
