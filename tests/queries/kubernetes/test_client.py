"""The Kubernetes client on the cluster in the process: one listing, a followed namespace, and each way of being refused."""

from __future__ import annotations

import asyncio
import errno
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from steerable_cluster import SteerableCluster

from console.demo.cluster import PodTimings
from queries.errors import AccessDenied, SourceError, Unreachable
from queries.http.endpoint import ClusterEndpoint
from queries.kubernetes.client import Kubernetes
from queries.model import workload
from queries.model.source import PollResult
from queries.model.workload import Cluster

NAMESPACE = "cad-ml-platform"
QUICK = PodTimings(schedule=(0.0, 0.01), start=(0.01, 0.02), ready=(0.01, 0.03), end=(0.01, 0.02))
Open = Callable[..., Kubernetes]


@pytest.fixture
def cluster() -> Iterator[SteerableCluster]:
    made = SteerableCluster(NAMESPACE, timings=QUICK, autoscaler_seconds=60.0, anonymous=False)
    made.seed()
    with made:
        yield made


@pytest.fixture
async def kube(cluster: SteerableCluster, tmp_path: Path) -> AsyncIterator[Open]:
    opened: list[Kubernetes] = []

    def start(*, token: str = "", read_only: bool = True, timeout: float = 3.0) -> Kubernetes:
        path = tmp_path / f"kubeconfig-{len(opened)}"
        cluster.kubeconfig(path, token=token)
        endpoint = ClusterEndpoint(NAMESPACE, kubeconfig=str(path), timeout_seconds=timeout)
        opened.append(Kubernetes(endpoint, read_only=read_only, backoff_cap_seconds=0.5))
        return opened[-1]

    yield start
    for each in opened:
        await each.close()


class Ear:
    """Listens to `follow` and waits for a reading that fits."""

    def __init__(self, kube: Kubernetes) -> None:
        self.readings: list[PollResult[Cluster]] = []
        self.at: list[float] = []
        self._news = asyncio.Event()
        self.task = asyncio.ensure_future(kube.follow(self._take))

    def _take(self, reading: PollResult[Cluster]) -> None:
        self.readings.append(reading)
        self.at.append(time.monotonic())
        self._news.set()

    async def hear(self, fits: Callable[[PollResult[Cluster]], object], *, seconds: float = 8.0) -> PollResult[Cluster]:
        async with asyncio.timeout(seconds):
            while True:
                for reading in reversed(self.readings):
                    if fits(reading):
                        return reading
                self._news.clear()
                await self._news.wait()

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


async def test_one_listing_gives_the_whole_namespace(kube: Open, cluster: SteerableCluster) -> None:
    """Workloads, revisions, pods, autoscaler, budget and events, each sorted by name, pods with their ReplicaSet."""
    found = await kube().cluster()
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
    found = await kube().cluster()
    assert len(found.pods) == len(cluster.objects("pods"))
    assert any(request.query.get("continue") for request in cluster.requests)


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


async def test_following_shows_changes_in_coalesced_readings(kube: Open, cluster: SteerableCluster) -> None:
    """A change is seen soon; a burst of a hundred becomes few readings, never closer than 100 ms."""
    ear = Ear(kube())
    await ear.hear(lambda item: item.value and item.value.workload("cad-ml-api"))
    heard = len(ear.readings)
    for number in range(100):
        cluster.patch("deployments", "cad-ml-api", {"metadata": {"labels": {"n": str(number)}}})
    await ear.hear(lambda item: item.value and ("n", "99") in item.value.workload("cad-ml-api").labels)
    assert len(ear.readings) - heard <= 15
    gaps = [later - sooner for sooner, later in zip(ear.at, ear.at[1:], strict=False)]
    assert min(gaps) >= 0.095
    await ear.stop()


async def test_pods_are_found_before_a_screen_asks(
    kube: Open, cluster: SteerableCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The walk over all pods for those of a workload happens in a thread, never in the one that draws."""
    walked: list[threading.Thread] = []
    walk = workload._group_pods

    def seen(of: Cluster) -> object:
        walked.append(threading.current_thread())
        return walk(of)

    monkeypatch.setattr(workload._pods_by_selector, "_derive", seen)
    ear = Ear(kube())
    reading = await ear.hear(lambda item: item.value and item.value.workload("cad-ml-api"))
    assert reading.value is not None
    api = reading.value.workload("cad-ml-api")
    assert api is not None and len(reading.value.pods_of(api)) == 3
    assert walked and threading.main_thread() not in walked
    await ear.stop()


async def test_a_deleted_object_goes(kube: Open, cluster: SteerableCluster) -> None:
    """DELETED takes it out of the next reading."""
    ear = Ear(kube())
    await ear.hear(lambda item: item.value and item.value.workload("cad-render"))
    cluster.delete("deployments", "cad-render")
    await ear.hear(lambda item: item.value and not item.value.workload("cad-render"))
    await ear.stop()


async def test_cut_watches_resume_without_listing_again(kube: Open, cluster: SteerableCluster) -> None:
    """After every watch was cut the changes still come, and no list was asked for again."""
    ear = Ear(kube())
    await ear.hear(lambda item: item.value)
    cluster.drop_watches()
    cluster.patch("deployments", "cad-ml-api", {"spec": {"replicas": 4}})
    await ear.hear(lambda item: item.value and item.value.workload("cad-ml-api").desired == 4)
    lists = [item for item in cluster.requests if item.path.endswith("/deployments") and "limit" in item.query]
    assert len([item for item in lists if item.query["limit"] == "500"]) == 1
    await ear.stop()


async def test_a_forgotten_history_is_listed_again(kube: Open, cluster: SteerableCluster) -> None:
    """410 on resuming: it lists again and goes on, without a fault on the screen for longer than that."""
    ear = Ear(kube())
    await ear.hear(lambda item: item.value)
    cluster.patch("deployments", "cad-ml-api", {"spec": {"replicas": 4}})
    cluster.forget_history()
    cluster.drop_watches()
    cluster.patch("deployments", "cad-ml-api", {"spec": {"replicas": 5}})
    await ear.hear(lambda item: item.value and item.value.workload("cad-ml-api").desired == 5)
    await ear.stop()


async def test_a_dead_server_is_a_fault_and_comes_back_by_itself(kube: Open, cluster: SteerableCluster) -> None:
    """Stopped: readings with a fault. Started again on its port: values again, without a restart."""
    ear = Ear(kube())
    await ear.hear(lambda item: item.value)
    port = int(cluster.url.rpartition(":")[2])
    cluster.stop()
    lost = await ear.hear(lambda item: item.fault)
    assert lost.value is None
    assert "refuses connections" in lost.fault.what or "broke" in lost.fault.what
    heard = len(ear.readings)
    cluster.start(port)
    await ear.hear(lambda item: item.value and ear.readings.index(item) >= heard)
    await ear.stop()


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

    monkeypatch.setattr("urllib3.util.connection.create_connection", fail)
    with pytest.raises(Unreachable, match=words):
        await kube().cluster()


async def test_optional_kinds_may_be_forbidden(kube: Open, cluster: SteerableCluster) -> None:
    """Without the right to events, HPAs and PDBs the rest is there, with a warning each; the one listing too."""
    for kind in ("events", "horizontalpodautoscalers", "poddisruptionbudgets"):
        cluster.deny("list", kind)
    client = kube()
    found = await client.cluster()
    assert (found.events, found.autoscalers, found.budgets) == ((), (), ())
    ear = Ear(client)
    reading = await ear.hear(lambda item: item.value)
    assert sorted(text.split(":")[0] for text in reading.warnings) == [
        "no events", "no horizontalpodautoscalers", "no poddisruptionbudgets",
    ]  # fmt: skip
    await ear.stop()


async def test_a_token_without_rights_and_a_false_one_are_told_apart(kube: Open, cluster: SteerableCluster) -> None:
    """403 names what is missing, 401 says to log in again; both are Denied."""
    with pytest.raises(AccessDenied, match="forbidden") as told:
        await kube(token=cluster.powerless_token).cluster()
    assert told.value.fault.status == 403
    with pytest.raises(AccessDenied, match="log in again") as told:
        await kube(token="false").cluster()
    assert told.value.fault.status == 401


async def test_a_slow_server_times_out(kube: Open, cluster: SteerableCluster) -> None:
    """The endpoint's time-out ends a request that is not answered."""
    client = kube(timeout=0.4)
    await client.cluster()
    cluster.delay(3.0)
    began = time.monotonic()
    with pytest.raises(SourceError, match=r"within 0.4 s"):
        await client.cluster()
    assert time.monotonic() - began < 2.0
    cluster.delay(0.0)


async def test_logs_and_usage(kube: Open, cluster: SteerableCluster) -> None:
    """The end of a pod's log as text; usage in cores and bytes; no metrics API is 404, not a failure of the cluster."""
    client = kube()
    pod = (await client.cluster()).pods[0].name
    assert len((await client.logs(pod, lines=3)).splitlines()) <= 3
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


async def test_closing_ends_every_watch_at_once(kube: Open, cluster: SteerableCluster) -> None:
    """After close no thread of ours is left waiting in a watch."""
    client = kube()
    ear = Ear(client)
    await ear.hear(lambda item: item.value)
    began = time.monotonic()
    await ear.stop()
    await client.close()
    for watcher in client._watchers:
        await asyncio.to_thread(watcher.join, 2.0)
        assert not watcher._thread.is_alive(), watcher.kind.name
    assert time.monotonic() - began < 1.5


def test_constructing_costs_nothing_and_a_hung_request_does_not_hold_up_the_exit(tmp_path: Path) -> None:
    """Neither kubernetes nor urllib3 is imported before the first request; a process with a hung one ends at once."""
    code = """
import asyncio, socket, sys, time
from queries.http.endpoint import ClusterEndpoint
from queries.kubernetes.client import Kubernetes
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
        await asyncio.wait_for(client.cluster(), 1.0)
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
    assert time.monotonic() - began < 10.0


async def test_a_dead_context_is_named(tmp_path: Path) -> None:
    """A context whose cluster is gone: refused connections, with what to look at."""
    path = tmp_path / "kubeconfig"
    path.write_text(
        '{"current-context": "x", "contexts": [{"name": "x", "context": {"cluster": "x"}}],'
        ' "clusters": [{"name": "x", "cluster": {"server": "http://127.0.0.1:9"}}]}'
    )
    client = Kubernetes(ClusterEndpoint("ns", kubeconfig=str(path), timeout_seconds=1.0))
    with pytest.raises(Unreachable, match="does this context's cluster still exist"):
        await client.cluster()
    await client.close()
