"""A followed namespace on the cluster in the process: changes, faults, and kinds that are refused."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from limits import extend
from steerable_cluster import SteerableCluster

from queries.errors import RequestRejected
from queries.http.endpoint import ClusterEndpoint
from queries.kubernetes.client import Kubernetes
from queries.kubernetes.cluster_index import ClusterIndex
from queries.kubernetes.cluster_list import list_cluster
from queries.kubernetes.cluster_watch import ClusterWatch
from queries.model.cluster import Cluster
from queries.model.source import PollResult

Open = Callable[..., Kubernetes]


class Ear:
    """Listens to `follow` and waits for a reading that fits."""

    def __init__(self, kube: Kubernetes, **options: float) -> None:
        self.readings: list[PollResult[Cluster]] = []
        self.at: list[float] = []
        self._news = asyncio.Event()
        self.task = asyncio.ensure_future(ClusterWatch(kube, backoff_cap_seconds=0.5, **options).follow(self._take))

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
    walk = ClusterIndex.update

    def seen(*given: Any) -> None:
        walked.append(threading.current_thread())
        walk(*given)

    monkeypatch.setattr(ClusterIndex, "update", seen)
    ear = Ear(kube())
    reading = await ear.hear(lambda item: item.value and item.value.workload("cad-ml-api"))
    assert reading.value is not None
    api = reading.value.workload("cad-ml-api")
    assert api is not None and len(reading.value.pods_of(api)) == 3
    assert walked and threading.main_thread() not in walked
    await ear.stop()


async def test_a_quiet_cluster_stays_the_same_object(kube: Open, cluster: SteerableCluster) -> None:
    """A ping without a change brings the very cluster of before, so that nothing that was derived from it is derived again."""
    ear = Ear(kube())
    first = await ear.hear(lambda item: item.value and item.value.workload("cad-ml-api"))
    count = len(ear.readings)
    again = await ear.hear(lambda item: len(ear.readings) > count + 1 and item.value is not None, seconds=extend(30.0))
    assert first.value is not None and again.value is not None
    assert [item.value for item in ear.readings[-2:]] == [again.value, again.value]
    assert ear.readings[-1].value is ear.readings[-2].value
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


async def test_optional_kinds_may_be_forbidden(kube: Open, cluster: SteerableCluster) -> None:
    """Without the right to events, HPAs and PDBs the rest is there, with a warning each; the one listing too."""
    for kind in ("events", "horizontalpodautoscalers", "poddisruptionbudgets"):
        cluster.deny("list", kind)
    client = kube()
    found = await list_cluster(client)
    assert (found.events, found.autoscalers, found.budgets) == ((), (), ())
    ear = Ear(client)
    reading = await ear.hear(lambda item: item.value)
    assert sorted(text.split(":")[0] for text in reading.warnings) == [
        "no events", "no horizontalpodautoscalers", "no poddisruptionbudgets",
    ]  # fmt: skip
    await ear.stop()


WORKLOADS = ("deployments", "statefulsets", "daemonsets", "jobs", "cronjobs")


def stateful_set(name: str = "store") -> dict[str, Any]:
    """Three desired pods, which its controller creates one after another."""
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": name, "image": f"r/{name}:1"}]}}
    spec = {"replicas": 3, "selector": {"matchLabels": {"app": name}}, "serviceName": name, "template": template}
    return {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": name}, "spec": spec}


def count_requests(cluster: SteerableCluster, plural: str, *, watch: bool = False) -> int:
    """How many lists, or watches, of this kind were asked for, without the pulse."""
    found = [item for item in cluster.requests if item.path.endswith(f"/{plural}") and item.query.get("limit") != "1"]
    return sum((item.query.get("watch") == "true") is watch for item in found)


async def test_every_kind_costs_one_list_and_one_watch(kube: Open, cluster: SteerableCluster) -> None:
    """At rest nothing more is asked than the pulse; where no Rollouts are defined, that is not asked at every pulse."""
    cluster.apply([stateful_set()])
    client = kube()
    ear = Ear(client)
    found = await ear.hear(lambda item: item.value and item.value.workload("statefulset/store"))
    assert found.value.workload("sts/store").desired == 3 and found.warnings == ()
    await asyncio.sleep(0.3)
    assert {(count_requests(cluster, kind), count_requests(cluster, kind, watch=True)) for kind in WORKLOADS} == {(1, 1)}
    assert count_requests(cluster, "rollouts") == 0
    discovery = "/apis/argoproj.io/v1alpha1"
    assert len([item for item in cluster.requests if item.path == discovery]) == 1
    before = len(cluster.requests)
    cluster.patch("statefulsets", "store", {"spec": {"replicas": 2}})
    await ear.hear(lambda item: item.value and item.value.workload("sts/store").desired == 2)
    await list_cluster(client)
    assert len([item for item in cluster.requests if item.path == discovery]) == 1
    one_listing = len([item for item in cluster.requests[before:] if item.query.get("limit") == "500"])
    assert one_listing == 10
    await ear.stop()


async def test_rollouts_of_argo_are_watched_where_they_are_defined(kube: Open, cluster: SteerableCluster) -> None:
    """Found by one discovery; what another tool serves under the same group is no Rollout."""
    cluster.install_rollouts()
    body = {**stateful_set("shop"), "apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout"}
    cluster.apply([{**body, "status": {"phase": "Degraded", "message": "bad image", "observedGeneration": "1"}}])
    ear = Ear(kube())
    found = await ear.hear(lambda item: item.value and item.value.workload("ro/shop"))
    assert (found.value.workload("ro/shop").phase, count_requests(cluster, "rollouts")) == ("Degraded", 1)
    await ear.stop()


async def test_kinds_that_may_not_be_listed_are_named_and_the_rest_lives(kube: Open, cluster: SteerableCluster) -> None:
    """Also Deployments themselves: the pulse then reads another kind; a missing right is not asked for again at every pulse;
    what the forbidden kinds control is listed pod by pod."""
    cluster.install_rollouts()
    cluster.apply([stateful_set()])
    for kind in ("deployments", "rollouts"):
        cluster.deny("list", kind)
    client = kube()
    once = await list_cluster(client)
    ear = Ear(client, ping_seconds=0.2)
    found = await ear.hear(lambda item: item.value)
    for value in (once, found.value):
        assert [(item.plural, item.forbidden) for item in value.faults] == [("deployments", True), ("rollouts", True)]
        assert value.workload("sts/store").desired == 3
        pods = [item for item in value.workloads if item.kind == "Pod"]
        others = [pod for pod in value.pods if not pod.owner.startswith("StatefulSet/")]
        assert len(pods) == len(others) > 0
        assert all(item.owner.startswith("Deployment/") for item in pods)
    assert found.warnings == ("not visible: list deployments, rollouts is forbidden",)
    await asyncio.sleep(0.7)
    pulse = [item.path.rpartition("/")[2] for item in cluster.requests if item.query.get("limit") == "1"]
    assert len(pulse) > 1 and set(pulse) == {"replicasets"}
    assert ear.readings[-1].fault is None
    assert count_requests(cluster, "rollouts") == 2, "one listing and one watcher"
    await ear.stop()


async def test_a_kind_whose_watch_fails_is_a_fault_of_its_own(kube: Open, cluster: SteerableCluster) -> None:
    """Its last known objects stay and are marked with the time since when; everything else goes on; and it recovers."""
    cluster.apply([stateful_set()])
    ear = Ear(kube())
    await ear.hear(lambda item: item.value and item.value.workload("sts/store").ready == 3)
    cluster.break_path("/statefulsets")
    cluster.drop_watches()
    found = await ear.hear(lambda item: item.value and item.value.faults)
    (fault,) = found.value.faults
    assert (fault.plural, fault.forbidden) == ("statefulsets", False)
    assert 0.0 <= time.time() - fault.since < 8.0
    store = found.value.workload("sts/store")
    assert store.ready == 3 and found.value.is_stale(store)
    assert not found.value.is_stale(found.value.workload("cad-ml-api"))
    assert [text for text in found.warnings if text.startswith("statefulsets are STALE: ")]
    cluster.patch("deployments", "cad-ml-api", {"spec": {"replicas": 4}})
    await ear.hear(lambda item: item.value and item.value.workload("cad-ml-api").desired == 4)
    cluster.mend()
    heard = len(ear.readings)
    await ear.hear(lambda item: item.value and not item.value.faults and ear.readings.index(item) >= heard)
    await ear.stop()


async def test_a_kind_that_may_be_listed_but_not_watched_is_stale(kube: Open, cluster: SteerableCluster) -> None:
    """What was listed once does not change any more: it is never shown as the present state. Also a Deployment."""
    cluster.apply([stateful_set()])
    for kind in ("statefulsets", "deployments"):
        cluster.deny("watch", kind)
    ear = Ear(kube())
    found = await ear.hear(lambda item: item.value and len(item.value.faults) == 2)
    assert [(item.plural, item.forbidden) for item in found.value.faults] == [("deployments", False), ("statefulsets", False)]
    assert all("cannot watch" in item.what or "denied" in item.what for item in found.value.faults)
    assert found.value.is_stale(found.value.workload("sts/store")) and found.value.is_stale(found.value.workload("cad-ml-api"))
    assert not [item for item in found.value.workloads if item.kind == "Pod"]
    await ear.stop()


async def test_a_namespace_that_does_not_exist_is_named(cluster: SteerableCluster, tmp_path: Path) -> None:
    """It lists like an empty one, without an error: asked for once, it is a fault for a command and for the console."""
    cluster.kubeconfig(tmp_path / "kubeconfig")
    client = Kubernetes(ClusterEndpoint("nowhere", kubeconfig=str(tmp_path / "kubeconfig"), timeout_seconds=3.0))
    with pytest.raises(RequestRejected) as refused:
        await list_cluster(client)
    assert refused.value.fault.what == "there is no namespace nowhere"
    ear = Ear(client)
    assert (await ear.hear(lambda reading: reading.fault)).fault == refused.value.fault
    await ear.stop()
    await client.close()


@pytest.mark.parametrize("cancelled", [True, False])
async def test_closing_ends_every_watch_at_once(cancelled: bool, kube: Open, cluster: SteerableCluster) -> None:
    """After close no thread of ours is left waiting in a watch, whether or not the follower was cancelled before."""
    others = set(threading.enumerate())
    client = kube()
    ear = Ear(client)
    await ear.hear(lambda item: item.value)
    watching = [thread for thread in threading.enumerate() if thread not in others and thread.name.startswith("watch-")]
    assert len(watching) > 1
    began = time.monotonic()
    if cancelled:
        await ear.stop()
    await client.close()
    for thread in watching:
        await asyncio.to_thread(thread.join, 2.0)
    assert not [thread.name for thread in watching if thread.is_alive()]
    assert time.monotonic() - began < extend(1.5)
    await ear.stop()
