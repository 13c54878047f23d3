"""Who the API server takes a client for, and which namespaces there are: what it does not say is unknown, not wrong."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from steerable_cluster import SteerableCluster

from queries.errors import SourceError
from queries.http.endpoint import ClusterIdentity
from queries.kubernetes.client import Kubernetes
from queries.kubernetes.consistent_read import ConsistentRead, late_fault, stale_error
from queries.kubernetes.identity import fetch_identity, find_absence, has_namespace, list_namespaces
from queries.kubernetes.server_search import search_servers
from queries.model.fault import Fault, FaultKind

NAMESPACE = "cad-ml-platform"
SELF = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
Open = Callable[..., Kubernetes]


def namespace(name: str, uid: str) -> dict[str, object]:
    return {"kind": "Namespace", "metadata": {"name": name, "uid": uid}}


async def test_cluster_namespace_and_user(kube: Open, cluster: SteerableCluster) -> None:
    """Both UIDs and the user with its groups, after impersonation; kept as last fetched."""
    cluster.serve_document("/api/v1/namespaces/kube-system", namespace("kube-system", "u1"))
    cluster.serve_document(f"/api/v1/namespaces/{NAMESPACE}", namespace(NAMESPACE, "u2"))
    cluster.serve_document(SELF, {"status": {"userInfo": {"username": "ann", "groups": ["a", "b"]}}})
    client = kube()
    found = await fetch_identity(client)
    assert found == client.known_identity == ClusterIdentity("u1", "u2", "ann", ("a", "b"))
    (review,) = [item for item in cluster.requests if item.path == SELF]
    assert json.loads(review.body) == {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}


@pytest.mark.parametrize("status", [403, 404])
async def test_what_the_server_does_not_reveal_stays_empty(kube: Open, cluster: SteerableCluster, status: int) -> None:
    """A refusal of each part, as with narrow rights or an older server; a document without the fields is none either."""
    for path in ("/namespaces/kube-system", f"/namespaces/{NAMESPACE}", "/selfsubjectreviews"):
        cluster.break_path(path, status)
    assert await fetch_identity(kube()) == ClusterIdentity()
    cluster.mend()
    for path in ("/api/v1/namespaces/kube-system", f"/api/v1/namespaces/{NAMESPACE}", SELF):
        cluster.serve_document(path, {})
    assert await fetch_identity(kube()) == ClusterIdentity()


@pytest.mark.parametrize("path", ["/namespaces/kube-system", f"/namespaces/{NAMESPACE}", "/selfsubjectreviews"])
async def test_a_failure_is_no_identity(kube: Open, cluster: SteerableCluster, path: str) -> None:
    """Nothing is claimed of a server that is broken."""
    cluster.break_path(path, 500)
    client = kube()
    with pytest.raises(SourceError):
        await fetch_identity(client)
    assert client.known_identity is None


async def test_the_namespaces(kube: Open, cluster: SteerableCluster) -> None:
    """Sorted; only metadata is fetched."""
    cluster.serve_document("/api/v1/namespaces", {"metadata": {}, "items": [namespace("b", "1"), namespace("a", "2")]})
    assert await list_namespaces(kube()) == ("a", "b")
    assert "as=PartialObjectMetadataList;" in cluster.requests[-1].headers["accept"]


async def test_a_namespace_that_is_not_there(kube: Open, cluster: SteerableCluster) -> None:
    """404 is no, a refusal and a failure say nothing; only a certain no is an error of the client's own namespace."""
    client = kube()
    assert (await has_namespace(client, NAMESPACE), await has_namespace(client, "gone")) == (True, False)
    assert await find_absence(client) is None
    for status in (403, 500):
        cluster.break_path(f"/namespaces/{NAMESPACE}", status)
        assert await has_namespace(client, NAMESPACE) is None and await find_absence(client) is None
    cluster.break_path(f"/namespaces/{NAMESPACE}", 404)
    absence = await find_absence(client)
    assert absence is not None and (absence.fault.what, absence.fault.status) == (f"there is no namespace {NAMESPACE}", 404)
    assert absence.fault.where == client.where and "--namespace" in absence.fault.hint


async def test_a_consistent_read(kube: Open, cluster: SteerableCluster) -> None:
    """One object's metadata, past the cache; the cache is asked only where that read fails."""
    read = ConsistentRead(kube())
    seconds, fault = await read.ping()
    assert fault is None and seconds >= 0.0
    (request,) = cluster.requests
    assert request.path.endswith("/deployments") and dict(request.query) == {"limit": "1"}
    assert await read.cache_answers()
    assert dict(cluster.requests[-1].query) == {"limit": "1", "resourceVersion": "0"}


@pytest.mark.parametrize(("status", "kind"), [(500, FaultKind.STALE), (403, FaultKind.DENIED), (504, FaultKind.STALE)])
async def test_a_dead_store_behind_a_cache_that_answers(
    kube: Open, cluster: SteerableCluster, status: int, kind: FaultKind
) -> None:
    """Only a failure of the server makes its cache doubtful; a refusal is a refusal. What comes next is read anew."""
    read = ConsistentRead(kube())

    def fail(request: object) -> None:
        cluster.mend()
        if "resourceVersion" not in request.query:  # type: ignore[attr-defined]
            cluster.break_path("/deployments", status)

    cluster.on_request(fail)
    _, fault = await read.ping()
    assert fault is not None and fault.kind is kind
    assert len(cluster.requests) == (2 if kind is FaultKind.STALE else 1)
    cluster.on_request(None)
    cluster.mend()
    assert (await read.ping())[1] is None
    read.cancel()


async def test_a_cache_that_does_not_answer_either(kube: Open, cluster: SteerableCluster) -> None:
    """Then the failure itself is reported."""
    cluster.break_path("/deployments", 500)
    _, fault = await ConsistentRead(kube()).ping()
    assert fault is not None and fault.kind is FaultKind.UNREACHABLE and fault.status == 500


async def test_what_is_late(kube: Open) -> None:
    """A request without an answer names the server and how long; an old answer says what failed."""
    client = kube()
    fault = late_fault(client, 7.0)
    assert (fault.kind, fault.what, fault.where) == (FaultKind.TIMED_OUT, "no complete answer for 7s", client.where)
    stale = stale_error(Fault(FaultKind.UNREACHABLE, "etcd is gone", "http://a", status=500)).fault
    assert stale.kind is FaultKind.STALE and "a consistent read failed (etcd is gone)" in stale.what
    assert (stale.where, stale.status) == ("http://a", 500)


def service(name: str, space: str, port: int) -> dict[str, object]:
    return {"metadata": {"name": name, "namespace": space}, "spec": {"ports": [{"port": port}], "clusterIP": "10.0.0.1"}}


async def test_servers_of_all_namespaces(kube: Open, cluster: SteerableCluster) -> None:
    """From one list; without the right to see Ingresses the names inside the cluster remain."""
    cluster.serve_document("/api/v1/services", {"metadata": {}, "items": [service("prometheus", "m", 9090)]})
    cluster.break_path("/ingresses", 403)
    (found,) = await search_servers(kube())
    assert (found.kind, found.urls, found.origin) == ("prometheus", ("http://prometheus.m.svc:9090",), "service m/prometheus")


async def test_servers_of_the_usual_namespaces(kube: Open, cluster: SteerableCluster) -> None:
    """Without the right to list all, its own and the usual ones are asked; one that is refused hides no other."""
    cluster.break_path("/api/v1/services", 403)
    cluster.serve_document(
        f"/api/v1/namespaces/{NAMESPACE}/services", {"metadata": {}, "items": [service("prometheus", NAMESPACE, 9090)]}
    )
    cluster.break_path("/namespaces/monitoring/services", 403)
    assert [item.namespace for item in await search_servers(kube())] == [NAMESPACE]
    asked = {item.path for item in cluster.requests}
    assert {f"/api/v1/namespaces/{NAMESPACE}/services", "/api/v1/namespaces/monitoring/services"} <= asked


async def test_no_list_at_all(kube: Open, cluster: SteerableCluster) -> None:
    """The first refusal is the reason; a failure is not tried in every namespace."""
    cluster.break_path("/services", 403)
    with pytest.raises(SourceError) as refused:
        await search_servers(kube())
    assert refused.value.fault.status == 403
    cluster.break_path("/services", 500)
    seen = len(cluster.requests)
    with pytest.raises(SourceError):
        await search_servers(kube())
    assert {item.path for item in cluster.requests[seen:]} == {"/api/v1/services"}
