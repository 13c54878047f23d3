"""The Kubernetes client on the cluster in the process: what it lets pass, and what it costs."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from limits import extend
from steerable_cluster import SteerableCluster

from queries.errors import AccessDenied, SourceError, TimedOut
from queries.kubernetes.client import Kubernetes
from queries.kubernetes.cluster_list import list_cluster
from queries.kubernetes.pod_log_reader import PodLogReader
from queries.kubernetes.watch import PAGE
from queries.model.pod_log import LogRequest

NAMESPACE = "cad-ml-platform"
Open = Callable[..., Kubernetes]


async def test_the_gate_lets_only_looks_pass(kube: Open, cluster: SteerableCluster) -> None:
    """A reading client raises before anything leaves; GETs, access reviews and dry runs of everything pass."""
    client = kube()
    path = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/cad-ml-api"
    merge = {"Content-Type": "application/merge-patch+json"}
    await client.get_raw(path)
    seen = len(cluster.requests)
    for method, query in (("PATCH", ()), ("DELETE", ()), ("POST", ()), ("PUT", (("dryRun", "Some"),)),
                          ("PATCH", (("dryRun", "All"), ("dryRun", "")))):  # fmt: skip
        with pytest.raises(PermissionError, match="read-only"):
            await client.call(method, path, query, {}, merge)
    assert len(cluster.requests) == seen
    await client.call("PATCH", path, [("dryRun", "All")], {"spec": {"replicas": 9}}, merge)
    assert await client.may("patch", "deployments", name="cad-ml-api") == (True, "")
    assert cluster.deployment("cad-ml-api").desired == 3
    writer = kube(read_only=False)
    await writer.call("PATCH", path, (), {"spec": {"replicas": 4}}, merge)
    assert cluster.deployment("cad-ml-api").desired == 4


async def test_a_forbidden_request_names_the_missing_right(kube: Open, cluster: SteerableCluster) -> None:
    """The hint is the verb and the resource that the server refused, not "read access" for a patch."""
    cluster.deny("patch", "deployments")
    client = kube(read_only=False)
    with pytest.raises(AccessDenied) as refused:
        await client.call("PATCH", f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/cad-ml-api", (), {},
                          {"Content-Type": "application/merge-patch+json"})  # fmt: skip
    assert refused.value.fault.hint == "ask for permission to patch deployments.apps"


async def test_logs_and_usage(kube: Open, cluster: SteerableCluster) -> None:
    """The end of a pod's log as text; usage in cores and bytes; no metrics API is 404, not a failure of the cluster."""
    client = kube()
    pod = (await list_cluster(client)).pods[0].name
    assert len((await PodLogReader(client).read_end(LogRequest(pod), lines=3)).splitlines()) <= 3
    used = await client.usage()
    assert used
    assert all(item.cpu_cores > 0 and item.memory_bytes > 1 << 20 for item in used)
    cluster.serve_metrics(False)
    with pytest.raises(SourceError) as told:
        await client.usage()
    assert told.value.fault.status == 404


async def test_names_cannot_leave_their_path(kube: Open, cluster: SteerableCluster) -> None:
    """A name with slashes stays one segment: it is not found, and nothing else is asked for."""
    with pytest.raises(SourceError) as told:
        await kube().deployment("../../../../version")
    assert told.value.fault.status == 404


def test_constructing_costs_nothing_and_a_hung_request_does_not_hold_up_the_exit(tmp_path: Path) -> None:
    """Neither kubernetes nor urllib3 is imported before the first request; a process with a hung one ends at once."""
    code = """
import asyncio, socket, sys, time
from queries.http.endpoint import ClusterEndpoint
from queries.kubernetes.client import Kubernetes
from queries.kubernetes.cluster_list import list_cluster
hole = socket.create_server(("127.0.0.1", 0))
path = sys.argv[1]
server = f"http://127.0.0.1:{hole.getsockname()[1]}"
open(path, "w").write(
    '{"current-context": "x", "contexts": [{"name": "x", "context": {"cluster": "x"}}],'
    ' "clusters": [{"name": "x", "cluster": {"server": "%s"}}]}' % server)
client = Kubernetes(ClusterEndpoint("ns", kubeconfig=path, timeout_seconds=30.0))
assert not {"kubernetes", "urllib3", "requests"} & set(sys.modules)
async def main():
    try:
        await asyncio.wait_for(list_cluster(client), 1.0)
    except TimeoutError:
        print("left")
asyncio.run(main())
# Only the generic client: no API class and no model was loaded on the way.
assert not [name for name in sys.modules if name.startswith(("kubernetes.client.api.", "kubernetes.client.models."))]
"""
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "kubeconfig")],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert (done.stdout, done.returncode) == ("left\n", 0), done.stderr
    assert time.monotonic() - began < extend(10.0)


HERE = f"/api/v1/namespaces/{NAMESPACE}"
APPS = f"/apis/apps/v1/namespaces/{NAMESPACE}"


def listed(*items: dict[str, Any], token: str = "") -> dict[str, Any]:
    return {"metadata": {"continue": token}, "items": list(items)}


def owned(name: str, uid: str, *, controller: bool = True) -> dict[str, Any]:
    return {"metadata": {"name": name, "ownerReferences": [{"uid": uid, "controller": controller}]}}


def names(items: list[dict[str, Any]]) -> list[str]:
    return [item["metadata"]["name"] for item in items]


async def test_a_list_is_read_page_by_page(kube: Open, cluster: SteerableCluster) -> None:
    """Every page in the server's order; the selection goes with each, the place where it goes on with all but the first."""
    pages = [listed({"metadata": {"name": "b"}}, token="t1"), {"metadata": {}, "items": None}]
    cluster.on_request(lambda request: cluster.serve_document(request.path, pages.pop(0)))
    assert names(await kube().list_objects("configmaps", labels="a=b", fields="c=d")) == ["b"]
    expected = {"labelSelector": "a=b", "fieldSelector": "c=d", "limit": str(PAGE)}
    assert [dict(item.query) for item in cluster.requests] == [expected, {**expected, "continue": "t1"}]


@pytest.mark.parametrize(
    ("read", "path", "query"),
    [
        (lambda client: client.autoscalers(), "/horizontalpodautoscalers", {}),
        (lambda client: client.budgets(), "/poddisruptionbudgets", {}),
        (lambda client: client.events("x"), "/events", {"fieldSelector": "involvedObject.name=x"}),
        (lambda client: client.pods({"spec": {"selector": {"matchLabels": {"a": "b"}}}}), "/pods", {"labelSelector": "a=b"}),
        (lambda client: client.pods({}), "/pods", {}),
        (lambda client: client.list_objects("nodes"), "/nodes", {}),
    ],
)
async def test_what_a_list_asks_for(
    kube: Open, cluster: SteerableCluster, read: Callable[[Kubernetes], Awaitable[Any]], path: str, query: dict[str, str]
) -> None:
    """Each kind at its path, with its selector if it has one."""
    await read(kube())
    (request,) = cluster.requests
    assert request.path.endswith(path) and dict(request.query) == {**query, "limit": str(PAGE)}
    assert (f"/namespaces/{NAMESPACE}/" in request.path) is (path != "/nodes")


@pytest.mark.parametrize(
    ("resource", "read"), [("replicasets", "replica_sets"), ("controllerrevisions", "controller_revisions")]
)
async def test_only_what_a_workload_controls(kube: Open, cluster: SteerableCluster, resource: str, read: str) -> None:
    """Of all that its selector finds, what it controls: not what another one controls, and not what it merely owns."""
    found = [
        owned("b", "u"),
        owned("other", "v"),
        owned("a", "u"),
        owned("owned", "u", controller=False),
        {"metadata": {"name": "none"}},
    ]
    cluster.serve_document(f"{APPS}/{resource}", listed(*found))
    workload = {"metadata": {"uid": "u"}, "spec": {"selector": {"matchLabels": {"a": "b"}}}}
    assert names(await getattr(kube(), read)(workload)) == ["b", "a"]
    assert dict(cluster.requests[-1].query)["labelSelector"] == "a=b"
    await getattr(kube(), read)({"metadata": {"uid": "u"}})
    assert "labelSelector" not in cluster.requests[-1].query


async def test_one_object_and_whether_there_is_one(kube: Open, cluster: SteerableCluster) -> None:
    """404 is no, of any other failure nothing is known; the server is asked for metadata only."""
    client = kube()
    assert (await client.workload("deployments", "cad-ml-api"))["metadata"]["name"] == "cad-ml-api"
    assert (await client.read("deployments", "cad-ml-api"))["metadata"]["name"] == "cad-ml-api"
    assert (await client.exists("deployments", "cad-ml-api"), await client.exists("deployments", "gone")) == (True, False)
    assert "as=PartialObjectMetadata;" in cluster.requests[-1].headers["accept"]
    cluster.deny("get", "deployments")
    with pytest.raises(SourceError) as refused:
        await client.exists("deployments", "cad-ml-api")
    assert refused.value.fault.status == 403


async def test_whether_the_namespace_has_a_pod(kube: Open, cluster: SteerableCluster) -> None:
    """The pod, or the ReplicaSet of a pod that is gone; a name without a dash has no ReplicaSet."""
    client = kube()
    pod = (await list_cluster(client)).pods[0].name
    assert await client.has_pod(pod) and await client.has_pod(f"{pod.rpartition('-')[0]}-gone")
    assert not await client.has_pod("cad-ml-gone-1") and not await client.has_pod("gone")
    cluster.deny("get", "pods")
    with pytest.raises(SourceError) as refused:
        await client.has_pod(pod)
    assert refused.value.fault.status == 403


async def test_whether_something_may_be_done(kube: Open, cluster: SteerableCluster) -> None:
    """The review names the namespace, except for nodes, and only the attributes that are set; the reason is the server's."""
    client = kube()
    cluster.deny("patch", "deployments/scale")
    allowed, _ = await client.may("patch", "deployments", subresource="scale", name="cad-ml-api")
    assert not allowed and await client.may("list", "nodes") == (True, "")
    sent = [json.loads(item.body)["spec"]["resourceAttributes"] for item in cluster.requests]
    assert sent == [
        {
            "namespace": NAMESPACE,
            "verb": "patch",
            "group": "apps",
            "resource": "deployments",
            "subresource": "scale",
            "name": "cad-ml-api",
        },
        {"verb": "list", "resource": "nodes"},
    ]  # fmt: skip


async def test_what_the_pods_of_a_node_request(kube: Open, cluster: SteerableCluster) -> None:
    """The sum over all pages for each node, with the number of pods; a pod without a node counts nowhere."""

    def pod(node: str, cpu: str) -> dict[str, Any]:
        return {
            "metadata": {"name": "p"},
            "spec": {"nodeName": node, "containers": [{"resources": {"requests": {"cpu": cpu}}}]},
        }

    pages = [
        listed(pod("n1", "1"), pod("n2", "2"), pod("", "9"), {"metadata": {"name": "x"}}, token="t"),
        listed(pod("n1", "500m")),
    ]
    cluster.on_request(lambda request: cluster.serve_document(request.path, pages.pop(0)))
    assert await kube().node_requests() == {"n1": {"cpu": 1.5, "pods": 2.0}, "n2": {"cpu": 2.0, "pods": 1.0}}
    assert {item.path for item in cluster.requests} == {"/api/v1/pods"}
    first, second = (dict(item.query) for item in cluster.requests)
    assert first == {"fieldSelector": "status.phase!=Succeeded,status.phase!=Failed", "limit": str(PAGE)}
    assert second == {**first, "continue": "t"}


async def test_jobs_and_cron_jobs_by_their_names(kube: Open, cluster: SteerableCluster) -> None:
    """Sorted, each kind from its own list."""
    cluster.serve_document(
        f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs", listed(*({"metadata": {"name": name}} for name in "ba"))
    )
    cluster.serve_document(
        f"/apis/batch/v1/namespaces/{NAMESPACE}/cronjobs", listed({"metadata": {"name": "c"}, "spec": {"schedule": "@daily"}})
    )
    client = kube()
    assert [item.name for item in await client.jobs()] == ["a", "b"]
    assert [item.name for item in await client.cron_jobs()] == ["c"]


async def test_the_last_write_of_each_config_map(kube: Open, cluster: SteerableCluster) -> None:
    """Only metadata is fetched; of two managers the one that wrote last counts, without any the creation."""
    one, two = ({"manager": name, "time": f"2026-01-01T0{at}:00:00Z"} for name, at in (("helm", 2), ("kubectl", 1)))
    items = [
        {"metadata": {"name": "a", "creationTimestamp": "2026-01-01T00:00:00Z", "managedFields": [one, two]}},
        {"metadata": {"name": "b", "creationTimestamp": "2026-01-01T00:00:00Z"}},
    ]
    cluster.serve_document(f"{HERE}/configmaps", listed(*items))
    assert [(item.name, item.at, item.manager) for item in await kube().config_maps()] == [
        ("a", 1_767_232_800.0, "helm"), ("b", 1_767_225_600.0, "")
    ]  # fmt: skip
    assert "as=PartialObjectMetadataList;" in cluster.requests[-1].headers["accept"]


async def test_config_maps_are_read_page_by_page(kube: Open, cluster: SteerableCluster) -> None:
    """A write to a ConfigMap beyond the first page counts too; the selection goes with each page."""
    pages = [listed({"metadata": {"name": "a"}}, token="t1"), listed({"metadata": {"name": "b"}})]
    cluster.on_request(lambda request: cluster.serve_document(request.path, pages.pop(0)))
    assert [item.name for item in await kube().config_maps()] == ["a", "b"]
    first, second = (dict(item.query) for item in cluster.requests)
    assert first["limit"] == str(PAGE) and "labelSelector" in first and second == {**first, "continue": "t1"}


async def test_a_call_that_hangs_ends(cluster: SteerableCluster, kube: Open) -> None:
    """Whatever blocks, the limit is four times the timeout and fifteen seconds; what `close` stops is stopped."""
    client = kube(timeout=-3.72)  # four times that leaves 0.12 of the 15 seconds
    with pytest.raises(TimedOut, match="did not answer within 120ms"):
        await client.run(time.sleep, 1.0)
    stopped: list[str] = []
    client.closers |= {lambda: stopped.append("a"), lambda: stopped.append("b")}
    await client.close()
    assert sorted(stopped) == ["a", "b"]
