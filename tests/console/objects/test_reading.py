"""One workload and the nodes are read in parts: what is refused is named, what is missing is found, the rest lives."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from action_bench import API, NAMESPACE
from steerable_cluster import SteerableCluster

from console.objects.dependencies import apply_messages, find_missing_by_message
from console.objects.nodes import NodesReading, decode_volume_use, evaluate_volume, list_node_problems
from console.objects.problems import find_overall_verdict, list_problems
from console.objects.reading import WorkloadReading
from console.objects.service import ObjectService
from console.state.place import Place
from queries.errors import RequestRejected
from queries.http.clock_skew import ServerClock
from queries.http.endpoint import ClusterEndpoint
from queries.kubernetes.client import Kubernetes
from queries.model.object_page import Existence
from queries.model.series import Sample
from queries.model.verdict import Verdict
from queries.prometheus.responses import InstantResult

TARGET = f"deployment/{API}"
Objects = Callable[..., ObjectService]


async def read(service: ObjectService, target: str = TARGET) -> WorkloadReading:
    return [item async for item in service.workload(target)][-1]


async def read_nodes(service: ObjectService) -> NodesReading:
    return [item async for item in service.nodes()][-1]


def change_template(cluster: SteerableCluster, **container: Any) -> None:
    template = {"spec": {"containers": [{"name": API, **container}]}}
    cluster.patch("deployments", API, {"spec": {"template": template}})


async def until(read: Callable[[], Any], *, seconds: float = 5.0) -> Any:
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        if found := await read():
            return found
        await asyncio.sleep(0.05)
    raise AssertionError("it did not happen")


async def test_a_healthy_workload_is_ok_only_when_everything_was_read(cluster: SteerableCluster, objects: Objects) -> None:
    """While parts are pending the verdict is not ok; when all are read there is no problem, and it is."""
    seen = [item async for item in objects().workload(TARGET)]
    assert seen[0].pending_parts() and find_overall_verdict(list_problems(seen[0], now=time.time()), seen[0]) is Verdict.NO_DATA
    last = seen[-1]
    assert not last.pending_parts() and not last.unread_parts()
    assert list_problems(last, now=time.time()) == () and find_overall_verdict((), last) is Verdict.OK
    current = last.current_revision()
    assert current is not None and len(last.pods_of(current)) == 3
    assert [item.name for item, _ in last.autoscaler.value or ()] == [API] and len(last.budgets.value or ()) == 1


@pytest.mark.parametrize("resource", ["pods", "replicasets", "events", "horizontalpodautoscalers", "poddisruptionbudgets"])
async def test_a_refused_part_is_named_and_the_rest_lives(cluster: SteerableCluster, objects: Objects, resource: str) -> None:
    """A part that is forbidden becomes a sentence with the missing right, the verdict is not ok, every other part is read."""
    cluster.deny("list", resource)
    found = await read(objects())
    (unread,) = found.unread_parts()
    assert resource in unread[1] and "list" in unread[1]
    assert find_overall_verdict(list_problems(found, now=time.time()), found) is Verdict.NO_DATA
    assert found.dependencies.value == () and found.workload.ready == 3


async def test_events_come_from_the_newer_api_where_the_older_is_refused(cluster: SteerableCluster, objects: Objects) -> None:
    """Both serve the same objects: the second is asked only where the first is forbidden, and nothing is counted twice."""
    both = await read(objects())
    granted = [
        {"rules": [{"apiGroups": [group], "resources": [name], "verbs": ["get", "list"]}]}
        for group, name in (("apps", "deployments"), ("events.k8s.io", "events"))
    ]
    newer = await read(objects(cluster.admit("newer", granted)))
    assert newer.events.value and newer.pods.error
    own = [item for item in both.events.value or () if item.kind == "Deployment"]
    assert list(newer.events.value) == own
    asked = [item.path for item in cluster.requests if item.path.startswith("/apis/events.k8s.io")]
    assert len(asked) == 1


async def test_what_is_missing_is_found_by_name(cluster: SteerableCluster, objects: Objects) -> None:
    """A ConfigMap and a Secret that do not exist are critical, an optional one is not, and no value is ever fetched."""
    env = [
        {"name": "A", "valueFrom": {"configMapKeyRef": {"name": "circuit-breaker-config", "key": "failure_threshold"}}},
        {"name": "B", "valueFrom": {"configMapKeyRef": {"name": "gone", "key": "a"}}},
        {"name": "C", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "a"}}},
        {"name": "D", "valueFrom": {"secretKeyRef": {"name": "extra", "key": "a", "optional": True}}},
    ]
    change_template(cluster, env=env)
    found = await read(objects())
    told = {item.name: item.existence for item in found.dependencies.value or ()}
    missing = Existence.MISSING
    assert told == {"circuit-breaker-config": Existence.PRESENT, "gone": missing, "keys": missing, "extra": missing}
    critical = [item.text for item in list_problems(found, now=time.time()) if item.verdict is Verdict.CRITICAL]
    assert any("ConfigMap gone (environment of cad-ml-api) does not exist" in text for text in critical)
    assert any("Secret keys" in text for text in critical) and not any("extra" in text for text in critical)
    sent = [item for item in cluster.requests if "/secrets/" in item.path or "/configmaps/" in item.path]
    assert len(sent) == 4 and all("as=PartialObjectMetadata;" in item.headers["accept"] for item in sent)


async def test_without_the_right_a_dependency_is_not_known(cluster: SteerableCluster, objects: Objects) -> None:
    """Who may not get Secrets sends no request for one: its existence is unknown, unless a pod reports it as missing."""
    change_template(cluster, env=[{"name": "C", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "a"}}}])
    cluster.deny("get", "secrets")
    service = objects()
    (item,) = (await read(service)).dependencies.value or ()
    assert item.existence is Existence.UNKNOWN and "no permission to get secrets" in item.text
    assert not [sent for sent in cluster.requests if "/secrets/" in sent.path]
    reported = find_missing_by_message([("pod api-1", 'secret "keys" not found'), ("pod api-1", "back-off restarting")])
    (item,) = apply_messages((item,), reported)
    assert item.existence is Existence.MISSING and "api-1" in item.text


async def test_pods_are_grouped_by_what_is_wrong(cluster: SteerableCluster, objects: Objects) -> None:
    """The pods that cannot start are one problem with the reason, the worst first, and their events are read."""
    cluster.break_image("broken")
    change_template(cluster, image="registry.example.com/api:broken")
    service = objects()

    async def failing() -> WorkloadReading | None:
        found = await read(service)
        return found if any(pod.reason == "ImagePullBackOff" for pod in found.pods.value or ()) else None

    found = await until(failing)
    first = list_problems(found, now=time.time())[0]
    assert first.verdict is Verdict.CRITICAL and "ImagePullBackOff" in first.text and first.subject.startswith("pod/")
    assert found.event_pods and any(item.kind == "Pod" and item.warning for item in found.events.value or ())
    new, old = (found.revisions.value or ())[:2]
    assert {pod.ready for pod in found.pods_of(new)} == {False} and {pod.ready for pod in found.pods_of(old)} == {True}


async def test_events_of_an_earlier_object_are_not_this_one(cluster: SteerableCluster, objects: Objects) -> None:
    """An object made again under the same name does not inherit the events of the one before."""
    service = objects()
    before = (await read(service)).events.value or ()
    (old,) = [item for item in cluster.objects("deployments") if item["metadata"]["name"] == API]
    cluster.delete("deployments", API)
    cluster.apply([{key: old[key] for key in ("apiVersion", "kind", "spec")} | {"metadata": {"name": API}}])
    after = (await read(service)).events.value or ()
    assert before and {item.uid for item in after if item.kind == "Deployment"}.isdisjoint(item.uid for item in before)


async def test_a_workload_that_is_gone_is_an_error(objects: Objects) -> None:
    """Its page says so; no part is made up."""
    with pytest.raises(RequestRejected, match="not found"):
        await read(objects(), "deployment/none")


async def test_every_kind_of_workload_has_a_page(cluster: SteerableCluster, objects: Objects) -> None:
    """A CronJob and a pod open too: their conditions, pods and events are read, and nothing is asked that they do not have."""
    service = objects()
    job = await read(service, "cronjob/nightly-backup")
    assert job.workload.batch is not None and job.revisions.value == () and not job.unread_parts()
    name = cluster.objects("pods")[0]["metadata"]["name"]
    pod = await read(service, f"pod/{name}")
    assert [item.name for item in pod.pods.value or ()] == [name] and not pod.unread_parts()


async def test_nodes_show_what_is_reserved_and_what_is_wrong(cluster: SteerableCluster, objects: Objects) -> None:
    """Requests are summed by node over every namespace; a silent, cordoned or pressed node says so, the worst first."""
    from console.demo.cluster.resource import NODES

    def break_nodes() -> None:
        for name, change in (("node-1", "Unknown"), ("node-2", "")):
            item = cluster.store.copy(NODES, "", name)
            assert item is not None
            if change:
                item["status"]["conditions"][-1].update(status=change, reason="NodeStatusUnknown", message="Kubelet stopped")
            else:
                item["spec"]["unschedulable"] = True
                item["status"]["conditions"][0].update(status="True", reason="KubeletHasInsufficientMemory")
            cluster.store.update(NODES, item)

    cluster.call(break_nodes)
    found = await read_nodes(objects())
    nodes = found.nodes.value or ()
    assert [item.name for item in nodes] == ["node-1", "node-2", "node-3"]
    assert "no longer reports" in list_node_problems(nodes[0])[0].text
    assert {"cordoned", "short of memory"} <= {
        word for word in ("cordoned", "short of memory") for item in list_node_problems(nodes[1]) if word in item.text
    }
    assert list_node_problems(nodes[2]) == ()
    pods = [pod for pods in found.pods_by_node.values() for pod in pods]
    assert found.everywhere and len(pods) == len(cluster.objects("pods"))
    assert sum(pod.requests.cpu for pod in pods) == 0.25 * len(pods)


async def test_nodes_live_with_rights_to_one_namespace(cluster: SteerableCluster, objects: Objects) -> None:
    """Forbidden nodes are named; pods and claims of the namespace are still there, and known to be of it alone."""
    rules = [{"apiGroups": [""], "resources": ["pods", "persistentvolumeclaims"], "verbs": ["list"]}]
    service = objects(cluster.admit("one", [{"rules": rules}]))
    found = await read_nodes(service)
    assert not found.everywhere and len(found.pods.value or ()) == len(cluster.objects("pods"))
    assert (
        'cannot list resource "nodes"' in found.nodes.error
        and found.claims.value
        and found.use.error == "Prometheus is not configured"
    )


async def test_a_pod_without_a_node_has_the_schedulers_sentence(cluster: SteerableCluster, objects: Objects) -> None:
    """The message of the condition PodScheduled is shown as it is."""
    from console.demo.cluster.resource import PODS

    sentence = "0/3 nodes are available: 3 Insufficient cpu."

    def hold() -> str:
        item = cluster.store.copy(PODS, NAMESPACE, cluster.store.items(PODS, NAMESPACE)[0]["metadata"]["name"])
        assert item is not None
        item["spec"].pop("nodeName", None)
        condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": sentence}
        item["status"] = {"phase": "Pending", "conditions": [condition]}
        cluster.store.update(PODS, item)
        return str(item["metadata"]["name"])

    name = cluster.call(hold)
    (pod,) = (await read_nodes(objects())).unscheduled
    assert (pod.name, pod.unscheduled) == (name, f"Unschedulable: {sentence}")


async def test_volumes_are_as_full_as_the_kubelet_says(objects: Objects) -> None:
    """By kubelet_volume_stats_*: the fuller of bytes and inodes decides; a claim in no metric is not known, never ok."""
    labels = (("namespace", NAMESPACE), ("persistentvolumeclaim", "models"))
    recorded = {"used_bytes": 19.0e9, "capacity_bytes": 20.0e9, "inodes_used": 10.0, "inodes": 1000.0}

    async def evaluate(query: str) -> InstantResult:
        assert f'namespace="{NAMESPACE}"' in query
        return InstantResult(
            tuple(Sample((("__name__", f"kubelet_volume_stats_{name}"), *labels), value) for name, value in recorded.items())
        )

    found = await read_nodes(objects(evaluate=evaluate))
    use = (found.use.value or {})["models"]
    free = [Sample((("__name__", "kubelet_volume_stats_available_bytes"), *labels), at) for at in (8.0e9, 2.0e9)]
    size = Sample((("__name__", "kubelet_volume_stats_capacity_bytes"), *labels), 20.0e9)
    assert decode_volume_use([*free, size])["models"].used_ratio == pytest.approx(0.9)  # the fuller of two series
    assert use.used_ratio == pytest.approx(0.95) and evaluate_volume(use) is Verdict.CRITICAL
    assert evaluate_volume((found.use.value or {}).get("other")) is Verdict.NO_DATA


async def test_an_answer_that_never_comes_leaves_the_other_parts(cluster: SteerableCluster, objects: Objects) -> None:
    """An API server that fails one request costs one part."""
    seen: list[WorkloadReading] = []
    async for item in objects().workload(TARGET):
        if not seen:
            cluster.fail_next(503, times=1)
        seen.append(item)
    assert len(seen[-1].unread_parts()) == 1 and seen[-1].workload.name == API


async def test_a_stateful_set_is_current_since_its_revision_unless_that_came_back(
    cluster: SteerableCluster, objects: Objects
) -> None:
    """Its only revisions are 1 and 2: the creation of 2 is when it was rolled out. 1 again is 3, created before: unknown."""
    container = {"name": "store", "image": "registry.example.com/store:1"}
    template = {"metadata": {"labels": {"app": "store"}}, "spec": {"containers": [container]}}
    spec = {"replicas": 1, "selector": {"matchLabels": {"app": "store"}}, "serviceName": "store", "template": template}
    cluster.apply([{"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "store"}, "spec": spec}])

    async def rolled_out(number: int) -> WorkloadReading:
        async def complete() -> WorkloadReading | None:
            page = await read(objects(), "statefulset/store")
            current = page.current_revision()
            done = current is not None and current.number == number and page.workload.updated == page.workload.ready == 1
            return page if done else None

        found: WorkloadReading = await until(complete)
        return found

    await rolled_out(1)
    for tag, number in (("2", 2), ("1", 3)):
        change = {"spec": {"template": {"spec": {"containers": [{**container, "image": f"registry.example.com/store:{tag}"}]}}}}
        cluster.patch("statefulsets", "store", change)
        page = await rolled_out(number)
        current = page.current_revision()
        assert current is not None
        assert page.current_since() == (current.since if number == 2 else 0.0)
        assert current.since > 0.0


async def test_a_run_is_missed_by_the_clock_of_the_cluster(objects: Objects, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its controller starts the runs: here its clock is 26 h ahead, so that a daily run was due that this machine awaits."""

    def on_response(clock: ServerClock, headers: object, **times: float) -> None:
        clock.ahead_seconds = 26 * 3600.0

    monkeypatch.setattr(ServerClock, "on_response", on_response)
    page = await read(objects(), "cronjob/nightly-backup")
    ours = replace(page, ahead_seconds=0.0)
    theirs, awaited = (" ".join(item.text for item in list_problems(each, now=time.time())) for each in (page, ours))
    # Of the newest run at 03:10 it is one or two, by the time of day.
    assert "missed" in theirs and "missed" not in awaited


def volume(cluster_name: str, node: str, **values: float) -> list[Sample]:
    """What one kubelet reports of the claim `models`."""
    place = (("cluster", cluster_name), ("namespace", NAMESPACE), ("node", node), ("persistentvolumeclaim", "models"))
    return [Sample((("__name__", f"kubelet_volume_stats_{name}"), *place), value) for name, value in values.items()]


async def test_a_full_volume_is_not_hidden_by_a_larger_one_of_its_name() -> None:
    """Figures of two kubelets are not mixed: 95 of 100 is not 95 of the 500 that another one has."""
    full, large = (
        volume("here", "a", used_bytes=95.0, capacity_bytes=100.0), volume("here", "b", used_bytes=10.0, capacity_bytes=500.0)
    )  # fmt: skip
    for order in ([*full, *large], [*large, *full]):
        assert decode_volume_use(order)["models"].used_ratio == pytest.approx(0.95)


async def test_volumes_are_those_of_this_cluster(cluster: SteerableCluster, tmp_path: Path) -> None:
    """A Prometheus with two clusters: the figures of this one; if nobody said which that is, none, with both names."""
    ours = volume("here", "a", used_bytes=10.0, capacity_bytes=100.0)
    theirs = volume("there", "a", used_bytes=99.0, capacity_bytes=100.0)

    async def evaluate(query: str) -> InstantResult:
        return InstantResult((*ours, *theirs))

    path = tmp_path / "kubeconfig"
    cluster.kubeconfig(path)
    client = Kubernetes(ClusterEndpoint(NAMESPACE, kubeconfig=str(path), timeout_seconds=5.0))
    try:
        for place, shown in ((Place("test", NAMESPACE, cluster="here"), 0.1), (Place("test", NAMESPACE), None)):
            found = await read_nodes(ObjectService(lambda: client, evaluate, select_own=place.select_own, clock=time.time))
            use = (found.use.value or {}).get("models")
            assert (use.used_ratio if use else None) == (pytest.approx(shown) if shown else None)
            assert ('cluster="here" or cluster="there"' in found.use.error) is (shown is None)
    finally:
        await client.close()
