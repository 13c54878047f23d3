"""What the preview of an action says about the pods that it creates, on a cluster in the process."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from action_bench import API, Bench, second_revision
from plain_cluster import PlainCluster, described

from console.actions import new_pods
from console.actions.new_pods import NewPods, check_new_pods
from console.actions.plan import CheckLevel, Preview
from console.demo.cluster.resource import NODES
from queries.errors import RequestRejected
from queries.kubernetes.pod_template_decode import pod_requests

TARGET = f"deployment/{API}"
MIB = 1 << 20


async def decline(preview: Preview) -> bool:
    return False


async def preview(bench: Bench, action: str, target: str = TARGET, **parameters: str) -> dict[str, tuple[CheckLevel, str]]:
    await bench.act(action, target, confirm=decline, **parameters)
    return {check.how: (check.level, check.text) for check in bench.previews[-1].checks}


def template(bench: Bench, **container: Any) -> None:
    """Changes the container of the Deployment without a rollout: it is paused first and resumed by the test."""
    change = {"spec": {"template": {"spec": {"containers": [{"name": API, **container}]}}}}
    bench.cluster.patch("deployments", API, change)


async def test_room_is_counted_on_the_nodes_that_accept_the_pod(bench: Bench) -> None:
    """Requests of all pods, taints, selectors and cordons count; what does not fit stays Pending."""
    assert (await preview(bench, "scale", replicas="5"))["requests"] == (
        CheckLevel.OK,
        "room for 2 new pods (0.25 CPU, 512 MiB each): 3 of 3 nodes fit, with room for 83",
    )
    for name in ("node-1", "node-2"):
        bench.cluster.patch("nodes", name, {"spec": {"taints": [{"key": "gpu", "value": "yes", "effect": "NoSchedule"}]}})
    bench.cluster.patch("nodes", "node-3", {"spec": {"unschedulable": True}})
    level, text = (await preview(bench, "scale", replicas="5"))["requests"]
    assert (level, text) == (
        CheckLevel.WARN,
        "no room for 2 new pods (0.25 CPU, 512 MiB each): 0 of 3 nodes fit, with room for 0; the rest stays Pending",
    )
    tolerations = [{"key": "gpu", "operator": "Equal", "value": "yes", "effect": "NoSchedule"}]
    bench.cluster.patch("deployments", API, {"spec": {"paused": True, "template": {"spec": {"tolerations": tolerations}}}})
    assert (await preview(bench, "scale", replicas="5"))["requests"][1].startswith("room for 2 new pods (0.25 CPU, 512 MiB")


async def test_a_rollout_adds_as_many_pods_as_its_surge(bench: Bench) -> None:
    """Recreate adds none: each new pod takes the place of an old one."""
    assert (await preview(bench, "restart"))["requests"][1].startswith("room for 1 new pod (0.25 CPU, 512 MiB each)")
    bench.cluster.patch("deployments", API, {"spec": {"strategy": {"type": "Recreate", "rollingUpdate": None}}})
    assert (await preview(bench, "restart"))["requests"] == (
        CheckLevel.OK,
        "each new pod replaces an old one and requests no more",
    )
    assert "requests" not in await preview(bench, "scale", replicas="2")  # creates no pod


async def test_a_quota_that_leaves_no_room_is_named_with_figures(bench: Bench) -> None:
    """Pods, requests and limits; one that covers only some pods was not checked."""
    hard = {"pods": "14", "requests.cpu": "3500m", "limits.memory": "64Gi"}
    used = {"pods": "13", "requests.cpu": "3250m", "limits.memory": "13Gi"}
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "team"}, "spec": {"hard": hard}}
    bench.cluster.apply([{**quota, "status": {"hard": hard, "used": used}}])
    assert (await preview(bench, "scale", replicas="4"))["quota"] == (CheckLevel.OK, "the ResourceQuotas leave room for it")
    await bench.act("scale", TARGET, confirm=decline, replicas="5")
    texts = [check.text for check in bench.previews[-1].checks if check.how == "quota"]
    assert texts == [
        "ResourceQuota team: pods 13 of 14 used, 2 more needed: pods are rejected",
        "ResourceQuota team: requests.cpu 3.25 CPU of 3.5 CPU used, 0.5 CPU more needed: pods are rejected",
    ]
    scoped = {**quota, "metadata": {"name": "best-effort"}, "spec": {"hard": {"pods": "1"}, "scopes": ["BestEffort"]}}
    bench.cluster.apply([scoped])
    level, text = (await preview(bench, "scale", replicas="4"))["new pods"]
    assert (level, text) == (CheckLevel.WARN, "not checked: ResourceQuota best-effort, which covers only some pods")


async def test_missing_references_of_the_target_revision_are_named(bench: Bench) -> None:
    """ConfigMaps and Secrets of containers, volumes and projections; optional ones may be missing."""
    bench.cluster.apply([{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "there"}, "data": {}}])
    env = [
        {"name": "A", "valueFrom": {"secretKeyRef": {"name": "there", "key": "a"}}},
        {"name": "B", "valueFrom": {"configMapKeyRef": {"name": "gone", "key": "b"}}},
        {"name": "C", "valueFrom": {"secretKeyRef": {"name": "may-be", "key": "c", "optional": True}}},
    ]
    volumes = [
        {"name": "v", "secret": {"secretName": "lost"}},
        {"name": "w", "projected": {"sources": [{"configMap": {"name": "none"}}]}},
    ]
    change = {"spec": {"paused": True, "template": {"spec": {"volumes": volumes}}}}
    bench.cluster.patch("deployments", API, change)
    template(bench, env=env)
    assert (await preview(bench, "resume"))["references"] == (
        CheckLevel.WARN,
        "missing: ConfigMap gone, ConfigMap none, Secret lost: pods that need it do not start",
    )
    assert all(request.method == "GET" for request in bench.cluster.requests if "/secrets/" in request.path)
    accepts = {request.headers["accept"] for request in bench.cluster.requests if "/secrets/" in request.path}
    assert accepts and all(accept.startswith("application/json;as=PartialObjectMetadata;") for accept in accepts)


async def test_an_image_that_never_ran_here_is_named(bench: Bench) -> None:
    """Neither a node reports to have it, nor did a pod of the template run; a revision that was ready is no news."""
    second_revision(bench.cluster)
    assert "images" not in await preview(bench, "rollback", revision="1")
    bench.cluster.patch("deployments", API, {"spec": {"paused": True}})
    template(bench, image="registry.example.com/cad-ml/api:2.0.0")
    level, text = (await preview(bench, "resume"))["images"]
    assert level is CheckLevel.WARN
    assert text == "no record that registry.example.com/cad-ml/api:2.0.0 ever ran here: the nodes have to pull it"


async def test_what_cannot_be_read_is_not_checked_and_never_ok(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one line, with the reason; a list that takes too long is not waited for."""
    env = [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "there", "key": "a"}}}]
    bench.cluster.patch("deployments", API, {"spec": {"paused": True}})
    template(bench, env=env, image="registry.example.com/cad-ml/api:2.0.0")
    for resource in ("nodes", "resourcequotas", "secrets"):
        bench.cluster.deny("*", resource)
    found = await preview(bench, "resume")
    assert found["new pods"] == (
        CheckLevel.WARN,
        "not checked: room on the nodes (you may not read them); ResourceQuotas (you may not read them); its Secrets (you may "
        "not read them); whether registry.example.com/cad-ml/api:2.0.0 ran here before (the images of the nodes: you may not "
        "read them)",
    )
    assert not {"requests", "quota", "references", "images"} & found.keys()
    bench.cluster.allow_all()
    monkeypatch.setattr(new_pods, "LIST_SECONDS", 0.0)
    assert "room on the nodes (the list takes longer than 0s)" in (await preview(bench, "resume"))["new pods"][1]


async def test_a_node_that_reports_nothing_is_unknown(bench: Bench) -> None:
    """Not a node without room: where the others do not suffice, room was not checked."""

    def forget(names: tuple[str, ...]) -> None:
        for name in names:
            node = bench.cluster.store.copy(NODES, "", name)
            assert node is not None
            node["status"].pop("allocatable", None)
            bench.cluster.store.update(NODES, node)

    bench.cluster.call(lambda: forget(("node-1",)))
    assert (await preview(bench, "scale", replicas="5"))["requests"][0] is CheckLevel.OK
    bench.cluster.call(lambda: forget(("node-2", "node-3")))
    found = await preview(bench, "scale", replicas="5")
    assert found["new pods"][1] == "not checked: room on the nodes (3 of 3 do not report their capacity)"
    assert "requests" not in found


@pytest.mark.parametrize(
    ("spec", "cpu", "memory"),
    [
        ({}, 0.0, 0.0),
        ({"containers": [{"cpu": "250m", "memory": "512Mi"}, {"cpu": "1"}]}, 1.25, 512.0),
        ({"containers": [{"cpu": "1"}], "init": [{"cpu": "3"}, {"cpu": "2", "memory": "1Gi"}]}, 3.0, 1024.0),
        ({"containers": [{"cpu": "1"}], "init": [{"cpu": "1", "always": True}, {"cpu": "1500m"}]}, 2.5, 0.0),
        ({"containers": [{"cpu": "1"}], "overhead": {"cpu": "100m", "memory": "64Mi"}}, 1.1, 64.0),
        ({"containers": [{"cpu": "1"}], "pod": {"cpu": "4"}}, 4.0, 0.0),
    ],
)
def test_requests_are_summed_as_the_scheduler_does(spec: dict[str, Any], cpu: float, memory: float) -> None:
    """Containers and sidecars add up, an init container counts if it needs more, the pod's own figure replaces the sum."""

    def container(item: dict[str, Any]) -> dict[str, Any]:
        restart = {"restartPolicy": "Always"} if item.get("always") else {}
        return {**restart, "resources": {"requests": {key: item[key] for key in ("cpu", "memory") if key in item}}}

    raw: dict[str, Any] = {"containers": [container(item) for item in spec.get("containers", ())]}
    raw["initContainers"] = [container(item) for item in spec.get("init", ())]
    raw |= {"overhead": spec["overhead"]} if "overhead" in spec else {}
    raw |= {"resources": {"requests": spec["pod"]}} if "pod" in spec else {}
    found = pod_requests({"spec": raw})
    assert found.get("cpu", 0.0) == pytest.approx(cpu) and found.get("memory", 0.0) / MIB == pytest.approx(memory)


def test_an_overhead_is_no_limit() -> None:
    """It is added to a limit; a pod without one has none, so that a quota which requires one rejects it."""
    container = {"resources": {"limits": {"cpu": "1"}}}
    template = {"spec": {"containers": [container], "overhead": {"cpu": "250m", "memory": "64Mi"}}}
    assert pod_requests(template, "limits") == {"cpu": 1.25}
    assert pod_requests(template) == {"cpu": 0.25, "memory": 64.0 * MIB}


def node(name: str = "node-1", *, cpu: str = "2", memory: str = "4Gi", **parts: Any) -> dict[str, Any]:
    status = {"allocatable": {"cpu": cpu, "memory": memory, "pods": "10"}, **parts.pop("status", {})}
    return described(name, "Node", meta={"labels": {"zone": "a"}}, status=status, **parts)


def of(cpu: str = "1", count: int = 2, **spec: Any) -> NewPods:
    container = {"name": "one", "image": "one:1", "resources": {"requests": {"cpu": cpu}}}
    return NewPods({"spec": {"containers": [container], **spec}}, count, known=({"spec": {"containers": [container]}},))


async def texts(cluster: PlainCluster, new: NewPods, how: str = "requests") -> list[tuple[CheckLevel, str]]:
    found = await check_new_pods(cluster, new)  # type: ignore[arg-type]
    return [(item.level, item.text) for item in found if item.how == how]


def empty(*nodes: dict[str, Any], **objects: list[dict[str, Any]]) -> PlainCluster:
    return PlainCluster(**{"nodes": list(nodes), "resourcequotas": [], **objects})


@pytest.mark.parametrize(
    ("cpu", "count", "fits"), [("1", 2, True), ("1", 3, False), ("1", 1, True), ("0.5", 4, True), ("501m", 4, False)]
)
async def test_as_many_pods_as_there_is_room_for_fit(cpu: str, count: int, fits: bool) -> None:
    """Exactly full is room; floating point takes none of it. Two nodes add up, and each by what is used on it."""
    ((level, text),) = await texts(empty(node()), of(cpu, count))
    assert (level is CheckLevel.OK, text.startswith("room for ")) == (fits, fits)
    ((_, both),) = await texts(empty(node(), node("node-2")), of(cpu, 2 * count))
    assert both.startswith("room for ") is fits
    assert await texts(empty(node()), of(cpu, 0)) == []


TAINT = {"key": "gpu", "value": "yes", "effect": "NoSchedule"}


@pytest.mark.parametrize(
    ("toleration", "tolerates"),
    [
        (None, False),
        ({"key": "gpu", "operator": "Equal", "value": "yes", "effect": "NoSchedule"}, True),
        ({"key": "gpu", "value": "yes"}, True),
        ({"key": "gpu", "value": "yes", "effect": ""}, True),
        ({"key": "gpu", "value": "no"}, False),
        ({"key": "other", "value": "yes"}, False),
        ({"key": "gpu", "value": "yes", "effect": "NoExecute"}, False),
        ({"key": "gpu", "operator": "Exists"}, True),
        ({"operator": "Exists"}, True),
        ({"key": "", "operator": "Exists"}, True),
        ({"key": "other", "operator": "Exists"}, False),
        ({"operator": "Exists", "effect": "NoExecute"}, False),
        ({"key": "gpu", "operator": "Gt", "value": "yes"}, False),
    ],
)
async def test_a_taint_needs_a_toleration_of_its_own(toleration: dict[str, str] | None, tolerates: bool) -> None:
    """Key, value and effect as the scheduler compares them; of two taints each needs one, and a mild one needs none."""
    spec = {"tolerations": [toleration] if toleration else []}
    mild = {"key": "old", "effect": "PreferNoSchedule"}
    one = empty(node(spec={"taints": [TAINT, mild]}))
    ((_, text),) = await texts(one, of(**spec))
    assert (": 1 of 1 nodes fit" in text) is tolerates
    two = empty(node(spec={"taints": [TAINT, {"key": "batch", "effect": "NoExecute"}]}))
    ((_, text),) = await texts(two, of(**spec))
    every = tolerates and toleration is not None and toleration.get("key", "") == "" and not toleration.get("effect")
    assert (": 1 of 1 nodes fit" in text) is bool(every)


@pytest.mark.parametrize(
    ("parts", "spec", "fits"),
    [
        ({}, {}, True),
        ({"spec": {"unschedulable": True}}, {}, False),
        ({"status": {"conditions": [{"type": "Ready", "status": "False"}]}}, {}, False),
        (
            {"status": {"conditions": [{"type": "Ready", "status": "True"}, {"type": "DiskPressure", "status": "False"}]}},
            {},
            True,
        ),
        ({}, {"nodeSelector": {"zone": "a"}}, True),
        ({}, {"nodeSelector": {"zone": "b"}}, False),
        ({}, {"nodeSelector": {"zone": "a", "disk": "ssd"}}, False),
    ],
)
async def test_only_nodes_that_the_scheduler_would_take_count(parts: dict[str, Any], spec: dict[str, Any], fits: bool) -> None:
    ((_, text),) = await texts(empty(node(**parts)), of(**spec))
    assert (": 1 of 1 nodes fit" in text) is fits
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"x": 1}}}
    ((_, text),) = await texts(empty(node()), of(affinity=affinity))
    assert text.endswith("; its node affinity was not evaluated")


async def test_pods_that_replace_others_of_the_same_size_set_what_they_request() -> None:
    """They need no more of a quota than the pods before: that is not the same as a request that they lack."""
    quota = described("team", "ResourceQuota", spec={"hard": {"requests.cpu": "4"}}, status={"used": {"requests.cpu": "4"}})
    new = of("500m", 2)
    ((level, text),) = await texts(empty(node(), resourcequotas=[quota]), replace(new, replaced=new.template), "quota")
    assert (level, text) == (CheckLevel.OK, "the ResourceQuotas leave room for it")
    unset = replace(of("0", 2), replaced=new.template)
    ((level, text),) = await texts(empty(node(), resourcequotas=[quota]), unset, "quota")
    assert level is CheckLevel.WARN and "requests.cpu, which the pods do not set" in text


@pytest.mark.parametrize(("used", "exceeded"), [("2", False), ("2.0001", True), ("3", True)])
async def test_a_quota_may_be_used_up_exactly(used: str, exceeded: bool) -> None:
    """Of pods, requests and limits alike: what is used and what is needed together are at most what it allows."""
    hard, taken = {"requests.cpu": "4", "pods": "9"}, {"requests.cpu": used, "pods": "1"}
    quota = described("team", "ResourceQuota", spec={"hard": hard}, status={"hard": hard, "used": taken})
    ((level, text),) = await texts(empty(node(cpu="8"), resourcequotas=[quota]), of("1", 2), "quota")
    assert (level, "requests.cpu" in text) == (CheckLevel.WARN if exceeded else CheckLevel.OK, exceeded)
    memory = described("m", "ResourceQuota", spec={"hard": {"limits.memory": "1Gi"}})
    ((_, text),) = await texts(empty(node(), resourcequotas=[memory]), of(), "quota")
    assert text.endswith("it limits limits.memory, which the pods do not set: rejected unless a LimitRange sets it")


@pytest.mark.parametrize(("count", "more"), [(1, ""), (4, ""), (5, " and 1 more"), (7, " and 3 more")])
async def test_four_missing_references_are_named(count: int, more: str) -> None:
    """Exactly four need no count of the rest; what exists is not among them."""
    refers = [{"configMapRef": {"name": f"c{at}"}} for at in range(count)] + [{"secretRef": {"name": "there"}}]
    containers = [{"name": "one", "image": "one:1", "envFrom": refers}]
    new = NewPods({"spec": {"containers": containers}}, 1, known=({"spec": {"containers": containers}},))
    cluster = empty(node(), secrets=[described("there")], configmaps=[])
    ((_, text),) = await texts(cluster, new, "references")
    listed = ", ".join(f"ConfigMap c{at}" for at in range(min(count, 4)))
    assert text == f"missing: {listed}{more}: pods that need it do not start"


POD = {"spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": "500m"}}}]}}


async def weighed(cluster: PlainCluster, new: NewPods) -> list[tuple[CheckLevel, str]]:
    return [(item.level, item.text) for item in await check_new_pods(cluster, new)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("status", "why"), [(403, "you may not read them"), (404, "the server does not serve them"), (500, None), (None, None)]
)
async def test_what_cannot_be_listed_is_not_checked(status: int | None, why: str | None) -> None:
    """Neither room nor quotas are called ok; an API server that fails is an error of the preview."""
    cluster = PlainCluster(nodes=[], resourcequotas=[])
    cluster.broken["resourcequotas"] = RequestRejected("no", status=status)
    if why is None:
        with pytest.raises(RequestRejected):
            await weighed(cluster, NewPods(POD, 1))
        return
    found = await weighed(cluster, NewPods(POD, 1))
    (unread,) = [text for level, text in found if text.startswith("not checked: ")]
    assert f"ResourceQuotas ({why})" in unread and "quota" not in " ".join(text for _, text in found if text is not unread)


async def test_a_quota_of_some_pods_alone_is_not_weighed() -> None:
    """By its scopes, in both spellings: it is named as not checked, and the one beside it decides for itself."""
    hard = {"hard": {"requests.cpu": "1"}}
    whole = described("all", spec=hard, status={**hard, "used": {"requests.cpu": "600m"}})
    scoped = described("best", spec={**hard, "scopes": ["BestEffort"]})
    selected = described("high", spec={**hard, "scopeSelector": {"matchExpressions": []}})
    found = await weighed(PlainCluster(nodes=[], resourcequotas=[scoped, whole, selected]), NewPods(POD, 1))
    texts = [text for _, text in found]
    assert "ResourceQuota all: requests.cpu 0.6 CPU of 1 CPU used, 0.5 CPU more needed: pods are rejected" in texts
    (unread,) = [text for text in texts if text.startswith("not checked: ")]
    for name in ("best", "high"):
        assert f"ResourceQuota {name}, which covers only some pods" in unread
    assert "the ResourceQuotas leave room for it" not in texts
    room = await weighed(PlainCluster(nodes=[], resourcequotas=[described("all", spec=hard)]), NewPods(POD, 1))
    assert (CheckLevel.OK, "the ResourceQuotas leave room for it") in room
