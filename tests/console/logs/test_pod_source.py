"""The logs of pods on the cluster in the process.

The bytes of a log come from a kubelet, which no control plane here has: the embedded cluster's is simulated, after the facts of
the kubelet's source and recorded answers (whole seconds of `sinceTime`, nine decimals, the end with the container).
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from steerable_cluster import SteerableCluster

from console.demo.cluster import PodTimings
from console.logs.merged_log import MergedLog
from console.logs.pod_source import PodLogSource
from console.logs.query import ALL, LogQuery
from queries.errors import SourceError
from queries.http.endpoint import ClusterEndpoint
from queries.kubernetes.client import Kubernetes

NAMESPACE = "cad-ml-platform"
QUICK = PodTimings(schedule=(0.0, 0.01), start=(0.01, 0.02), ready=(0.01, 0.03), end=(0.01, 0.02))
RENDER = "deployment/cad-render"


@pytest.fixture
def cluster() -> Iterator[SteerableCluster]:
    made = SteerableCluster(NAMESPACE, timings=QUICK, autoscaler_seconds=60.0)
    made.use(lines=lambda pod, container, after, until: [])
    made.seed()
    with made:
        yield made


class Reader:
    """Reads logs of the cluster; `log` has what came."""

    def __init__(self, kubernetes: Kubernetes) -> None:
        self.kubernetes = kubernetes
        self.log = MergedLog()
        self.source: PodLogSource | None = None
        self.task: asyncio.Task[None] | None = None

    def open(self, target: str, **options: object) -> None:
        self.source = PodLogSource(self.kubernetes, LogQuery(target, **options), list_seconds=0.1)  # type: ignore[arg-type]
        self.task = asyncio.ensure_future(self.source.read(self.log))

    async def read(self, target: str, **options: object) -> list[str]:
        """To the end."""
        self.open(target, **options)
        assert self.task is not None
        async with asyncio.timeout(10):
            await self.task
        return self.texts

    @property
    def texts(self) -> list[str]:
        self.log.merge_pending()
        return [line.text for line in self.log.window(0, self.log.count())]

    async def until(self, met: Callable[[], object]) -> None:
        ends = time.monotonic() + 10
        while not met():
            assert time.monotonic() < ends, (self.texts, self.log.status)
            await asyncio.sleep(0.01)

    async def stop(self) -> None:
        if self.task is not None:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)


@pytest.fixture
async def reader(cluster: SteerableCluster, tmp_path: Path) -> AsyncIterator[Reader]:
    cluster.kubeconfig(tmp_path / "kubeconfig")
    kubernetes = Kubernetes(ClusterEndpoint(NAMESPACE, kubeconfig=str(tmp_path / "kubeconfig"), timeout_seconds=3.0))
    made = Reader(kubernetes)
    yield made
    await made.stop()
    await kubernetes.close()


def pods(cluster: SteerableCluster, app: str = "cad-render") -> list[str]:
    found = [item for item in cluster.objects("pods") if item["metadata"]["labels"]["app"] == app]
    return [item["metadata"]["name"] for item in sorted(found, key=lambda item: item["metadata"]["name"])]


def list_log_queries(cluster: SteerableCluster) -> list[dict[str, str]]:
    return [dict(item.query) for item in cluster.requests if item.path.endswith("/log")]


def at(seconds: float) -> int:
    """That long ago, in nanoseconds."""
    return int((time.time() - seconds) * 1e9)


async def test_all_pods_of_a_workload_by_time(reader: Reader, cluster: SteerableCluster) -> None:
    """Lines of all pods stand in the order of their times, each with its pod; the range goes to every pod."""
    one, two = pods(cluster)
    cluster.write_log(one, "cad-render", [b"first"], at_ns=at(30))
    cluster.write_log(two, "cad-render", [b"second", b""], at_ns=at(20))
    cluster.write_log(one, "cad-render", [b"third"], at_ns=at(10))
    assert await reader.read(RENDER) == ["first", "second", "", "third"]
    assert [line.source for line in reader.log.window(0, 9)] == [one, two, two, one]
    assert reader.log.status.total == 2 and not reader.log.status.failed
    assert await Reader(reader.kubernetes).read(RENDER, since_seconds=15) == ["third"]
    assert await Reader(reader.kubernetes).read("cad-render", tail_lines=1) == ["", "third"]
    assert await Reader(reader.kubernetes).read(one, tail_lines=1) == ["third"]
    assert {item["timestamps"] for item in list_log_queries(cluster)} == {"true"}


def add_proxy(cluster: SteerableCluster) -> None:
    notes = {"kubectl.kubernetes.io/default-container": "proxy"}
    template = {"metadata": {"annotations": notes}, "spec": {"containers": [{"name": "proxy", "image": "proxy:1"}]}}
    cluster.patch("deployments", "cad-render", {"spec": {"template": template}})


async def test_the_default_container_or_all(reader: Reader, cluster: SteerableCluster) -> None:
    """kubectl's default container; with ALL each container of each pod, named with it."""
    add_proxy(cluster)

    def replaced() -> bool:
        found = [item for item in cluster.objects("pods") if item["metadata"]["labels"]["app"] == "cad-render"]
        return len(found) == 2 and all(
            len(item["spec"]["containers"]) == 2 and "Running" in str(item["status"]) for item in found
        )

    await reader.until(replaced)
    for pod in pods(cluster):
        cluster.write_log(pod, "cad-render", [b"served"])
        cluster.write_log(pod, "proxy", [b"proxied"])
    assert await reader.read(RENDER) == ["proxied", "proxied"]
    everything = Reader(reader.kubernetes)
    assert sorted(await everything.read(RENDER, container=ALL)) == ["proxied", "proxied", "served", "served"]
    sources = {line.source for line in everything.log.window(0, 9)}
    assert sources == {f"{pod}/{name}" for pod in pods(cluster) for name in ("cad-render", "proxy")}
    wrong = Reader(reader.kubernetes)
    assert await wrong.read(RENDER, container="nope") == []
    assert len(wrong.log.status.failed) == 2 and "container nope is not valid for pod" in wrong.log.status.failed[0]


async def test_a_followed_log_continues_where_its_connection_broke(reader: Reader, cluster: SteerableCluster) -> None:
    """Cut in the middle of a second again and again: no line twice, none missing, and no doubt where none is."""
    (pod, _) = pods(cluster)
    reader.open(f"pod/{pod}", follow=True)
    await reader.until(lambda: cluster.followed_logs == 1)
    expected: list[str] = []

    async def arrived() -> None:
        await reader.until(lambda: len(reader.texts) == len(expected))

    for number in range(3):
        lines = [f"line {number}.{each}" for each in range(5)] + ["same", "same"]
        cluster.write_log(pod, "cad-render", [line.encode() for line in lines])
        expected += lines
        await arrived()
        cluster.write_log(pod, "cad-render", [b"while nobody reads"] if cluster.drop_logs() else [])
        expected.append("while nobody reads")
        await arrived()
    assert reader.texts == expected
    assert not reader.log.status.incomplete


async def test_a_gap_is_said(reader: Reader, cluster: SteerableCluster) -> None:
    """The log was rotated away while nobody read: what follows comes with the sentence that lines may be missing."""
    (pod, _) = pods(cluster)
    cluster.write_log(pod, "cad-render", [b"before"], at_ns=at(5))
    reader.open(f"pod/{pod}", follow=True)
    await reader.until(lambda: reader.texts == ["before"])
    cluster.rotate_logs()
    cluster.drop_logs()
    cluster.write_log(pod, "cad-render", [b"after"])
    await reader.until(lambda: "after" in reader.texts)
    before, notice, after = reader.texts
    assert (before, after) == ("before", "after")
    assert notice.startswith(f"lines of {pod} after ") and "may be missing" in notice
    await reader.until(lambda: reader.log.status.incomplete)


async def test_a_restarted_container_is_read_to_its_end(reader: Reader, cluster: SteerableCluster) -> None:
    """What it wrote before the restart while the connection was broken comes from the previous log; the exit is named."""
    (pod, _) = pods(cluster)
    cluster.write_log(pod, "cad-render", [b"one"])
    reader.open(f"pod/{pod}", follow=True)
    await reader.until(lambda: reader.texts == ["one"])
    cluster.drop_logs()
    cluster.write_log(pod, "cad-render", [b"out of memory"])
    cluster.restart_container(pod, "cad-render", reason="OOMKilled", exit_code=137)
    cluster.write_log(pod, "cad-render", [b"starting"])
    await reader.until(lambda: "starting" in reader.texts)
    how = "restarted after OOMKilled, exit code 137 (restart 1)"
    assert reader.texts == ["one", "out of memory", f"container cad-render of {pod} {how}", "starting"]
    assert not reader.log.status.incomplete
    assert await Reader(reader.kubernetes).read(pod, previous=True, follow=True) == ["one", "out of memory"]


@pytest.mark.parametrize("target", [RENDER, "pod"])
async def test_a_followed_log_survives_the_replacement_of_a_pod(reader: Reader, cluster: SteerableCluster, target: str) -> None:
    """The lines of the new pod follow, and the notice names both."""
    (old, other) = pods(cluster)
    reader.open(f"pod/{old}" if target == "pod" else target, follow=True)
    await reader.until(lambda: cluster.followed_logs == (1 if target == "pod" else 2))
    cluster.write_log(old, "cad-render", [b"the last words"])
    await reader.until(lambda: "the last words" in reader.texts)
    cluster.delete("pods", old)
    await reader.until(lambda: any("ended, replaced" in line for line in reader.texts))
    (new,) = {*pods(cluster)} - {old, other}
    assert f"pod {old} ended, replaced by {new}" in reader.texts
    await reader.until(lambda: cluster.deployment("cad-render").settled)
    cluster.write_log(new, "cad-render", [b"the first words"])
    await reader.until(lambda: "the first words" in reader.texts)
    assert reader.log.window(reader.log.count() - 1, reader.log.count())[0].source == new


class FullLog(MergedLog):
    """Its notices wait until it is `emptied`, as they do while too many lines are pending."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting, self.emptied = threading.Event(), threading.Event()
        self.stuck = False

    def remark(self, at_ns: int, text: str) -> None:
        self.waiting.set()
        self.stuck = not self.emptied.wait(5.0) or self.stuck
        super().remark(at_ns, text)


async def test_a_pod_is_replaced_while_the_log_is_full(reader: Reader, cluster: SteerableCluster) -> None:
    """The notice waits for room without the event loop, which is what makes room in `cad-console logs --follow`."""
    log = reader.log = FullLog()
    reader.open(RENDER, follow=True)
    await reader.until(lambda: cluster.followed_logs == 2)
    (old, _) = pods(cluster)
    cluster.delete("pods", old)
    await reader.until(log.waiting.is_set)
    log.emptied.set()
    await reader.until(lambda: any(f"pod {old} ended" in line for line in reader.texts))
    assert not log.stuck


async def test_a_waiting_container_is_read_once_it_starts(reader: Reader, cluster: SteerableCluster) -> None:
    """The kubelet's own sentence stands there meanwhile; without following, it is the reason that there is no log."""
    cluster.break_image("registry/cad-render:2")
    cluster.patch("deployments", "cad-render", {"spec": {"template": {"spec": {"containers": [
        {"name": "cad-render", "image": "registry/cad-render:2"}]}}}})  # fmt: skip

    def waiting() -> list[str]:
        return [item["metadata"]["name"] for item in cluster.objects("pods") if "ImagePullBackOff" in str(item["status"])]

    await reader.until(waiting)
    (pod, *_) = waiting()
    await reader.read(f"pod/{pod}")
    sentence = "is waiting to start: trying and failing to pull image"
    assert sentence in reader.log.status.failed[0]
    following = Reader(reader.kubernetes)
    following.open(f"pod/{pod}", follow=True)
    await following.until(lambda: any(sentence in line for line in following.log.status.waiting))
    cluster.fix_images()
    cluster.write_log(pod, "cad-render", [b"at last"])
    await following.until(lambda: following.texts == ["at last"])
    await following.until(lambda: not following.log.status.waiting)
    await following.stop()


@pytest.mark.parametrize(
    ("verb", "sentence"), [("pods/log", "ask for permission to get pods/log"), ("pods", "ask for permission to list pods")]
)
async def test_a_missing_right_is_named(reader: Reader, cluster: SteerableCluster, verb: str, sentence: str) -> None:
    """Without pods/log each log says which permission is missing; without pods the whole does."""
    cluster.deny("*", verb)
    if verb == "pods":
        with pytest.raises(SourceError, match=sentence):
            await reader.read(RENDER)
    else:
        assert await reader.read(RENDER, follow=True) == []
        assert len(reader.log.status.failed) == 2 and sentence in reader.log.status.failed[0]


@pytest.mark.parametrize("status", [429, 500])
async def test_a_busy_server_is_asked_again(reader: Reader, cluster: SteerableCluster, status: int) -> None:
    """The reason stands there until it answers; no line is missing after it."""
    (pod, _) = pods(cluster)
    cluster.write_log(pod, "cad-render", [b"one"])
    reader.open(f"pod/{pod}", follow=True)
    await reader.until(lambda: reader.texts == ["one"])
    cluster.fail_next(status, message="the node is busy")
    cluster.write_log(pod, "cad-render", [b"two"] if cluster.drop_logs() else [])
    await reader.until(lambda: any("the node is busy" in line for line in reader.log.status.waiting))
    await reader.until(lambda: reader.texts == ["one", "two"])
    await reader.until(lambda: not reader.log.status.waiting)


async def test_a_name_that_means_nothing(reader: Reader, cluster: SteerableCluster) -> None:
    """It says what was looked for, and which kinds there are."""
    with pytest.raises(SourceError, match="neither a pod nor a workload nope"):
        await reader.read("nope")
    with pytest.raises(SourceError, match="expected one of pod/NAME, deployment/NAME"):
        await reader.read("service/nope")
    with pytest.raises(SourceError, match="there is no statefulset/nope"):
        await reader.read("statefulset/nope")
    with pytest.raises(SourceError, match="job/nope has no pods"):
        await reader.read("job/nope")


async def test_twenty_pods_at_once(reader: Reader, cluster: SteerableCluster) -> None:
    """Every line of twenty followed logs arrives, once, in each log's own order; a ring that is too small counts the rest."""
    cluster.patch("deployments", "cad-render", {"spec": {"replicas": 20}})
    await reader.until(lambda: cluster.deployment("cad-render").ready == 20)
    names, each = pods(cluster), 500
    reader.log = MergedLog(max_lines=6_000)
    reader.open(RENDER, follow=True)
    await reader.until(lambda: cluster.followed_logs == 20)
    for first in range(0, each, 100):
        for name in names:
            cluster.write_log(name, "cad-render", [f"{name} {number}".encode() for number in range(first, first + 100)])
    await reader.until(lambda: (reader.log.merge_pending(), reader.log.received)[1] == 20 * each)
    assert (reader.log.dropped, reader.log.count()) == (20 * each - 6_000, 6_000)
    by_pod: dict[str, list[str]] = {}
    for line in reader.log.window(0, 6_000):
        by_pod.setdefault(line.source, []).append(line.text)
    assert set(by_pod) == set(names)
    assert all(lines == [f"{name} {number}" for number in range(each - len(lines), each)] for name, lines in by_pod.items())
