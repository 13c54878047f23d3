"""One listing of the cluster in the process, and each way in which it fails."""

from __future__ import annotations

import asyncio
import errno
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from limits import extend
from steerable_cluster import SteerableCluster

from queries.errors import AccessDenied, RequestRejected, SourceError, Unreachable
from queries.http.endpoint import ClusterEndpoint
from queries.kubernetes.api import Query
from queries.kubernetes.client import Kubernetes
from queries.kubernetes.cluster_list import list_cluster
from queries.kubernetes.direct_read import DirectReader, NotReadDirectly

Open = Callable[..., Kubernetes]


async def test_one_listing_gives_the_whole_namespace(kube: Open, cluster: SteerableCluster) -> None:
    """Workloads, revisions, pods, autoscaler, budget and events, each sorted by name, pods with their ReplicaSet."""
    found = await list_cluster(kube())
    api = found.workload("cad-ml-api")
    assert api is not None
    assert (api.desired, api.ready, api.revision) == (3, 3, 1)
    assert api.containers[0].image == cluster.deployment("cad-ml-api").image
    assert [item.number for item in found.revisions_of(api)] == [1]
    pods = found.pods_of(api)
    assert {item.owner_uid for item in pods} == {item_uid(cluster, "cad-ml-api")}
    assert all(item.ready and not item.reason for item in pods)
    assert (found.autoscalers[0].minimum, found.autoscalers[0].maximum) == (3, 20)
    assert found.budgets[0].minimum == "at least 2 available"
    for group in (found.workloads, found.pods, found.revisions, found.events):
        assert [item.name for item in group] == sorted(item.name for item in group)


def item_uid(cluster: SteerableCluster, name: str) -> str:
    (found,) = [item for item in cluster.objects("replicasets") if item["metadata"]["labels"]["app"] == name]
    return str(found["metadata"]["uid"])


async def test_lists_come_in_pages(kube: Open, cluster: SteerableCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """With two a page everything is still there, once."""
    monkeypatch.setattr("queries.kubernetes.watch.PAGE", 2)
    found = await list_cluster(kube())
    assert len(found.pods) == len(cluster.objects("pods"))
    assert any(request.query.get("continue") for request in cluster.requests)


async def test_a_whole_namespace_is_read_directly(
    kube: Open, cluster: SteerableCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without urllib3 and with it the same cluster, by the same requests."""
    monkeypatch.setattr("queries.kubernetes.connection.Connection.manager", property(lambda _: pytest.fail("through urllib3")))
    direct = await list_cluster(kube())
    asked = [(request.path, dict(request.query)) for request in cluster.requests]
    monkeypatch.undo()
    monkeypatch.setattr("queries.kubernetes.cluster_list.open_direct", _nothing)
    assert await list_cluster(kube()) == direct
    again = [(request.path, dict(request.query)) for request in cluster.requests[len(asked) :]]
    assert sorted(map(str, again)) == sorted(map(str, asked))


@asynccontextmanager
async def _nothing(_: Kubernetes) -> AsyncIterator[None]:
    yield None


FAILURES = {"broken": NotReadDirectly("ReadError"), "expired": RequestRejected("expired", status=410)}


@pytest.mark.parametrize("error", FAILURES.values(), ids=FAILURES)
async def test_what_cannot_be_read_directly_is_asked_again(
    kube: Open, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """A connection that broke, and a list that expired between two pages: here it is a success the second time."""
    get = DirectReader.get
    failed: list[str] = []

    async def fail(self: DirectReader, path: str, query: Query = ()) -> bytes:
        if path.endswith("/pods"):
            failed.append(path)
            raise error
        return await get(self, path, query)

    monkeypatch.setattr(DirectReader, "get", fail)
    found = await list_cluster(kube())
    assert len(failed) == 1 and found.pods and not found.faults


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (errno.ECONNREFUSED, "the API server refuses connections"),
        (errno.ECONNRESET, "the connection to the API server broke"),
        (errno.EHOSTUNREACH, "there is no route to the host"),
        (errno.ENETUNREACH, "the network is unreachable"),
        (errno.EMFILE, "this process has too many files open"),
    ],
    ids=lambda value: errno.errorcode[value] if isinstance(value, int) else "",
)
async def test_a_connection_that_does_not_come_about_says_why(
    kube: Open, monkeypatch: pytest.MonkeyPatch, code: int, words: str
) -> None:
    """urllib3 raises one error for all of them; the console does not call a reset or a missing route a refusal."""

    def fail(*_: object, **__: object) -> socket.socket:
        raise OSError(code, "as the kernel says it")

    async def fail_directly(*_: object) -> socket.socket:
        return fail()

    monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", fail_directly)
    monkeypatch.setattr("urllib3.util.connection.create_connection", fail)
    with pytest.raises(Unreachable, match=words):
        await list_cluster(kube())


async def test_a_token_without_rights_and_a_false_one_are_told_apart(kube: Open, cluster: SteerableCluster) -> None:
    """403 names what is missing, 401 says to log in again; both are Denied."""
    with pytest.raises(AccessDenied, match="forbidden") as told:
        await list_cluster(kube(token=cluster.powerless_token))
    assert told.value.fault.status == 403
    with pytest.raises(AccessDenied, match="log in again") as told:
        await list_cluster(kube(token="false"))
    assert told.value.fault.status == 401


async def test_a_slow_server_times_out(kube: Open, cluster: SteerableCluster) -> None:
    """The endpoint's time-out ends a request that is not answered."""
    client = kube(timeout=0.4)
    await list_cluster(client)
    cluster.delay(3.0)
    began = time.monotonic()
    with pytest.raises(SourceError, match=r"within 400ms"):
        await list_cluster(client)
    assert time.monotonic() - began < extend(2.0)
    cluster.delay(0.0)


async def test_a_dead_context_is_named(tmp_path: Path) -> None:
    """A context whose cluster is gone: refused connections, with what to look at."""
    path = tmp_path / "kubeconfig"
    path.write_text(
        '{"current-context": "x", "contexts": [{"name": "x", "context": {"cluster": "x"}}],'
        ' "clusters": [{"name": "x", "cluster": {"server": "http://127.0.0.1:9"}}]}'
    )
    client = Kubernetes(ClusterEndpoint("ns", kubeconfig=str(path), timeout_seconds=1.0))
    with pytest.raises(Unreachable, match="does this context's cluster still exist"):
        await list_cluster(client)
    await client.close()
