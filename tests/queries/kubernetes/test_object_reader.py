"""Single objects are read on demand: where each is asked for, what a refusal means, and every page of a list."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from steerable_cluster import SteerableCluster

from console.demo.cluster.request import HttpRequest
from queries.errors import SourceError, TimedOut
from queries.kubernetes.client import Kubernetes
from queries.kubernetes.object_reader import OBJECT_KINDS, ObjectReader
from queries.kubernetes.watch import PAGE

NAMESPACE = "cad-ml-platform"
API = "cad-ml-api"
HERE = f"namespaces/{NAMESPACE}"
Open = Callable[..., Kubernetes]


def requests_of(cluster: SteerableCluster) -> list[tuple[str, dict[str, str]]]:
    """The path and query of every request, in order."""
    return [(item.path, dict(item.query)) for item in cluster.requests]


def page(*items: dict[str, Any], token: str = "") -> dict[str, Any]:
    return {"kind": "List", "apiVersion": "v1", "metadata": {"continue": token}, "items": list(items)}


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("deployment", f"/apis/apps/v1/{HERE}/deployments/x"),
        ("cronjob", f"/apis/batch/v1/{HERE}/cronjobs/x"),
        ("rollout", f"/apis/argoproj.io/v1alpha1/{HERE}/rollouts/x"),
        ("pod", f"/api/v1/{HERE}/pods/x"),
        ("poddisruptionbudget", f"/apis/policy/v1/{HERE}/poddisruptionbudgets/x"),
        ("node", "/api/v1/nodes/x"),
    ],
)
async def test_where_an_object_is_read(kube: Open, cluster: SteerableCluster, kind: str, path: str) -> None:
    """Each kind in its group, in the namespace or, for a node, in the cluster."""
    cluster.serve_document(path, {"kind": "X", "metadata": {"name": "x"}})
    assert await ObjectReader(kube()).read(kind, "x") == {"kind": "X", "metadata": {"name": "x"}}
    assert [item for item, _ in requests_of(cluster)] == [path]
    assert set(OBJECT_KINDS) >= {kind} and ObjectReader(kube()).namespace == NAMESPACE


async def test_whether_it_exists(kube: Open, cluster: SteerableCluster) -> None:
    """Only metadata is fetched; 404 is no, and any other failure is not."""
    reader = ObjectReader(kube())
    assert await reader.exists("deployment", API) is True
    assert await reader.exists("deployment", "gone") is False
    assert (
        all("as=PartialObjectMetadata;" in item.headers["accept"] for item in cluster.requests) and len(cluster.requests) == 2
    )
    cluster.deny("get", "deployments")
    with pytest.raises(SourceError) as refused:
        await reader.exists("deployment", API)
    assert refused.value.fault.status == 403


async def test_a_right_is_asked_for_once(kube: Open, cluster: SteerableCluster) -> None:
    """The answer of each kind is kept, a refusal as well."""
    cluster.deny("get", "secrets")
    reader = ObjectReader(kube())
    assert [await reader.may_get(kind) for kind in ("secret", "configmap", "secret", "configmap")] == [False, True, False, True]
    assert len(cluster.requests) == 2


def event(name: str, uid: str, at: str) -> dict[str, Any]:
    return {
        "metadata": {"name": name},
        "involvedObject": {"kind": "Deployment", "name": API, "uid": uid},
        "lastTimestamp": at,
        "reason": name,
    }


EVENTS = (
    event("old", "u1", "2026-01-01T01:00:00Z"),
    event("new", "u1", "2026-01-01T02:00:00Z"),
    event("earlier-object", "u0", "2026-01-01T03:00:00Z"),
    event("without", "", "2026-01-01T00:30:00Z"),
    event("kubelet", API, "2026-01-01T00:20:00Z"),
)


async def test_events_of_one_object(kube: Open, cluster: SteerableCluster) -> None:
    """The newest first; with its UID none about an earlier object of that name, but those that name no UID."""
    cluster.serve_document(f"/api/v1/{HERE}/events", page(*EVENTS))
    reader = ObjectReader(kube())
    assert [item.reason for item in await reader.events("deployment", API)] == [
        "earlier-object",
        "new",
        "old",
        "without",
        "kubelet",
    ]
    assert [item.reason for item in await reader.events("deployment", API, "u1")] == ["new", "old", "without"]
    assert requests_of(cluster)[0][1] == {
        "fieldSelector": f"involvedObject.kind=Deployment,involvedObject.name={API}",
        "limit": str(PAGE),
    }


async def test_events_of_a_node(kube: Open, cluster: SteerableCluster) -> None:
    """They are in the namespace `default`, and its kubelet writes its name as their UID."""
    cluster.serve_document("/api/v1/namespaces/default/events", page(*EVENTS))
    found = await ObjectReader(kube()).events("node", API, "u1")
    assert [item.reason for item in found] == ["new", "old", "without", "kubelet"]


@pytest.mark.parametrize("status", [403, 404])
async def test_the_newer_group_where_the_older_is_refused(kube: Open, cluster: SteerableCluster, status: int) -> None:
    """Both serve the same events; if neither may be read, the first refusal is the one that is reported."""
    old, new = f"/api/v1/{HERE}/events", f"/apis/events.k8s.io/v1/{HERE}/events"
    cluster.break_path(old, status, message="the first")
    cluster.serve_document(new, page(*EVENTS[:2]))
    reader = ObjectReader(kube())
    assert [item.reason for item in await reader.events("deployment", API)] == ["new", "old"]
    assert requests_of(cluster)[-1] == (
        new,
        {"fieldSelector": f"regarding.kind=Deployment,regarding.name={API}", "limit": str(PAGE)},
    )


async def test_events_that_cannot_be_read(kube: Open, cluster: SteerableCluster) -> None:
    """A failure that is no refusal is not tried elsewhere; of two refusals the first counts."""
    reader = ObjectReader(kube())
    cluster.break_path(f"/api/v1/{HERE}/events", 403, message="the first")
    cluster.break_path(f"/apis/events.k8s.io/v1/{HERE}/events", 500, message="the second")
    with pytest.raises(SourceError, match="the first") as refused:
        await reader.events("deployment", API)
    assert refused.value.fault.status == 403
    cluster.break_path(f"/api/v1/{HERE}/events", 500, message="broken")
    seen = len(cluster.requests)
    with pytest.raises(SourceError):
        await reader.events("deployment", API)
    assert {path for path, _ in requests_of(cluster)[seen:]} == {f"/api/v1/{HERE}/events"}


def job(name: str, *owners: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": {"name": name, "ownerReferences": list(owners)}}


async def test_the_pods_of_a_cron_job(kube: Open, cluster: SteerableCluster) -> None:
    """Those of all Jobs that it controls, by their names; with no such Job nothing more is asked."""
    mine, other = {"uid": "u", "controller": True}, {"uid": "v", "controller": True}
    jobs = [job("a", other, mine), job("b", mine), job("c", other), job("d", {"uid": "u"}), {"metadata": {"name": "e"}}]
    cluster.serve_document(f"/apis/batch/v1/{HERE}/jobs", page(*jobs))
    cluster.serve_document(f"/api/v1/{HERE}/pods", page({"metadata": {"name": "p"}}))
    reader = ObjectReader(kube())
    assert await reader.cron_job_pods({"metadata": {"uid": "u"}}) == [{"metadata": {"name": "p"}}]
    assert requests_of(cluster)[-1] == (f"/api/v1/{HERE}/pods", {"labelSelector": "job-name in (a,b)", "limit": str(PAGE)})
    seen = len(cluster.requests)
    assert await reader.cron_job_pods({"metadata": {"uid": "w"}}) == [] and len(cluster.requests) == seen + 1


async def test_claims_and_nodes(kube: Open, cluster: SteerableCluster) -> None:
    """Claims of the namespace, nodes of the cluster."""
    cluster.serve_document(f"/api/v1/{HERE}/persistentvolumeclaims", page({"metadata": {"name": "c"}}))
    cluster.serve_document("/api/v1/nodes", page({"metadata": {"name": "n"}}))
    reader = ObjectReader(kube())
    assert [item["metadata"]["name"] for item in (*await reader.claims(), *await reader.nodes())] == ["c", "n"]


async def test_pods_of_nodes_page_by_page(kube: Open, cluster: SteerableCluster) -> None:
    """Every page is read; pods that have ended are left out by the server, and those elsewhere on request."""
    pages = [
        page(
            {"metadata": {"name": "a", "namespace": "x"}, "spec": {"nodeName": "n1"}, "status": {"phase": "Running"}},
            token="more",
        ),
        page({"metadata": {"name": "b", "namespace": "y"}}),
        page(),
    ]
    cluster.on_request(lambda request: cluster.serve_document(request.path, pages.pop(0)))
    reader = ObjectReader(kube())
    found = await reader.node_pods(everywhere=True)
    assert [(item.namespace, item.name, item.node, item.phase) for item in found] == [
        ("x", "a", "n1", "Running"),
        ("y", "b", "", ""),
    ]
    ended = "status.phase!=Succeeded,status.phase!=Failed"
    assert requests_of(cluster) == [
        ("/api/v1/pods", {"fieldSelector": ended, "limit": str(PAGE)}),
        ("/api/v1/pods", {"fieldSelector": ended, "limit": str(PAGE), "continue": "more"}),
    ]
    assert await reader.node_pods(everywhere=False, node="n1") == ()
    assert requests_of(cluster)[-1] == (
        f"/api/v1/{HERE}/pods",
        {"fieldSelector": f"{ended},spec.nodeName=n1", "limit": str(PAGE)},
    )


def expire_pages(cluster: SteerableCluster, *, times: int) -> list[str]:
    """Returns the paths of the pages that expired: of the next ones that continue a list."""
    expired: list[str] = []

    def on_request(request: HttpRequest) -> None:
        if "continue" in dict(request.query) and len(expired) < times:
            expired.append(request.path)
            cluster.fail_next(410)

    cluster.on_request(on_request)
    return expired


@pytest.mark.parametrize("what", ["items", "config maps", "pods of nodes", "requests of nodes"])
async def test_a_list_that_expires_between_two_pages_is_read_again(
    kube: Open, cluster: SteerableCluster, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """From the start, with nothing twice; one that expires each time is an error that says so."""
    monkeypatch.setattr("queries.kubernetes.client.PAGE", 1)
    for name in ("one", "two", "three"):
        cluster.apply([{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}])
    kubernetes = kube()
    reads: dict[str, Callable[[], Awaitable[Any]]] = {
        "items": lambda: kubernetes.items(f"/api/v1/{HERE}/pods"),
        "config maps": kubernetes.config_maps,
        "pods of nodes": lambda: ObjectReader(kubernetes).node_pods(everywhere=False),
        "requests of nodes": kubernetes.node_requests,
    }
    whole = await reads[what]()
    expired = expire_pages(cluster, times=1)
    assert await reads[what]() == whole and len(expired) == 1
    expired = expire_pages(cluster, times=9)
    with pytest.raises(TimedOut, match="changes faster than it can be read"):
        await reads[what]()
    assert len(expired) == 3
