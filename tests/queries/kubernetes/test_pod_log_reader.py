"""What the target of a log means: a pod, a workload by its selector, or a Job by its name; and what is asked for its end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from steerable_cluster import SteerableCluster

from queries.errors import RequestRejected, SourceError
from queries.kubernetes.client import Kubernetes
from queries.kubernetes.pod_log_reader import LOG_KINDS, PodLogReader
from queries.model.label_selector import Requirement
from queries.model.pod_log import LogRequest, LogTarget

NAMESPACE = "cad-ml-platform"
API = "cad-ml-api"
HERE = f"/api/v1/namespaces/{NAMESPACE}"
APPS = f"/apis/apps/v1/namespaces/{NAMESPACE}"
Open = Callable[..., Kubernetes]


def listed(*items: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": {}, "items": list(items)}


def pod(name: str, created: str = "2026-01-01T01:00:00Z", **status: Any) -> dict[str, Any]:
    meta = {"name": name, "uid": f"u-{name}", "creationTimestamp": created, "labels": {"b": "2", "a": "1"}}
    return {"metadata": meta, "spec": {"containers": [{"name": "api"}, {"name": "proxy"}]}, "status": status}


async def test_a_job_and_a_pod_are_not_read(kube: Open, cluster: SteerableCluster) -> None:
    """The Job controller's label finds a Job's pods; a pod that is named is that pod, whether or not it exists."""
    reader = PodLogReader(kube())
    assert await reader.find_target("job/nightly") == LogTarget("job/nightly", "job-name=nightly", (("job-name", "nightly"),))
    assert await reader.find_target("pod/p-1") == LogTarget("pod/p-1")
    assert cluster.requests == ()


async def test_a_workload_is_its_selector(kube: Open, cluster: SteerableCluster) -> None:
    """A list of one is asked for, which the console's role allows; labels and requirements come from it."""
    expressions = [{"key": "track", "operator": "NotIn", "values": ["canary"]}]
    selector = {"matchLabels": {"app": "db", "tier": "x"}, "matchExpressions": expressions}
    cluster.serve_document(f"{APPS}/statefulsets", listed({"metadata": {"name": "db"}, "spec": {"selector": selector}}))
    found = await PodLogReader(kube()).find_target("statefulset/db")
    assert found == LogTarget(
        "statefulset/db",
        "app=db,tier=x,track notin (canary)",
        (("app", "db"), ("tier", "x")),
        (Requirement("track", "NotIn", ("canary",)),),
    )
    (request,) = cluster.requests
    assert dict(request.query)["fieldSelector"] == "metadata.name=db"


async def test_a_bare_name_is_a_pod_first(kube: Open, cluster: SteerableCluster) -> None:
    """A pod of that name, else the first kind of workload that has one; kinds that may not be read are passed over."""
    reader = PodLogReader(kube())
    cluster.serve_document(f"{HERE}/pods/{API}", pod(API))
    assert await reader.find_target(API) == LogTarget(f"pod/{API}")
    cluster.deny("list", "deployments")
    workload = {"metadata": {"name": "agent"}, "spec": {"selector": {"matchLabels": {"app": "agent"}}}}
    cluster.serve_document(f"{APPS}/daemonsets", listed(workload))
    assert (await reader.find_target("agent")).name == "daemonset/agent"


async def test_what_does_not_exist(kube: Open, cluster: SteerableCluster) -> None:
    """404 with what was looked for: the named object, or a pod and every workload, with a hint at Jobs."""
    reader = PodLogReader(kube())
    with pytest.raises(RequestRejected) as refused:
        await reader.find_target("gone")
    fault = refused.value.fault
    assert (fault.what, fault.hint, fault.status) == (
        f"{NAMESPACE} has neither a pod nor a workload gone",
        "a job is job/NAME",
        404,
    )
    assert fault.where == reader.where != ""
    with pytest.raises(RequestRejected) as refused:
        await reader.find_target("deployment/gone")
    assert (refused.value.fault.what, refused.value.fault.hint, refused.value.fault.status) == (
        "there is no deployment/gone",
        "",
        404,
    )


async def test_what_has_no_logs(kube: Open, cluster: SteerableCluster) -> None:
    """Another kind is refused with those that have logs; a workload without a selector selects no pods."""
    reader = PodLogReader(kube())
    with pytest.raises(RequestRejected) as refused:
        await reader.find_target("configmap/x")
    assert refused.value.fault.what == "configmap/x has no logs of its own"
    assert refused.value.fault.hint == f"expected one of pod/NAME, {', '.join(f'{kind}/NAME' for kind in LOG_KINDS)}, job/NAME"
    assert cluster.requests == () and {"deployment", "statefulset", "daemonset"} <= set(LOG_KINDS) and "job" not in LOG_KINDS
    cluster.serve_document(f"{APPS}/deployments", listed({"metadata": {"name": "x"}, "spec": {}}))
    with pytest.raises(RequestRejected, match="deployment/x selects no pods"):
        await reader.find_target("deployment/x")


async def test_a_failure_is_not_an_absence(kube: Open, cluster: SteerableCluster) -> None:
    """A refusal of a named kind, a failure of any kind, and a pod that may not be read are reported as they are."""
    reader = PodLogReader(kube())
    cluster.deny("list", "deployments")
    with pytest.raises(SourceError) as refused:
        await reader.find_target(f"deployment/{API}")
    assert refused.value.fault.status == 403
    cluster.break_path("/statefulsets", 500)
    with pytest.raises(SourceError) as refused:
        await reader.find_target(API)
    assert refused.value.fault.status == 500
    cluster.deny("get", "pods")
    for wanted in (reader.find_target(API), reader.list_pods(LogTarget("pod/p")), reader.list_containers("p")):
        with pytest.raises(SourceError) as refused:
            await wanted
        assert refused.value.fault.status == 403


async def test_the_pods_of_a_target(kube: Open, cluster: SteerableCluster) -> None:
    """The oldest first, of the same age by name; a pod that is gone is none."""
    reader = PodLogReader(kube())
    late = "2026-01-01T02:00:00Z"
    cluster.serve_document(f"{HERE}/pods", listed(pod("a", late), pod("c"), pod("b")))
    found = await reader.list_pods(LogTarget("deployment/x", "app=x"))
    assert [item.name for item in found] == ["b", "c", "a"]
    assert dict(cluster.requests[-1].query)["labelSelector"] == "app=x"
    assert await reader.list_pods(LogTarget("pod/gone")) == ()
    cluster.serve_document(f"{HERE}/pods/a", pod("a"))
    assert [item.name for item in await reader.list_pods(LogTarget("pod/a"))] == ["a"]
    assert (await reader.list_containers("a")).names == ("api", "proxy")


async def test_a_pod_as_it_is_now(kube: Open, cluster: SteerableCluster) -> None:
    """None once it is gone; a refusal is no absence."""
    client = kube()
    reader = PodLogReader(client)
    assert await client.run(reader.read_pod, "gone") is None
    cluster.serve_document(f"{HERE}/pods/a", pod("a", phase="Failed"))
    found = await client.run(reader.read_pod, "a")
    assert found is not None and (found.name, found.finished) == ("a", True)
    cluster.deny("get", "pods")
    with pytest.raises(SourceError) as refused:
        await client.run(reader.read_pod, "b")
    assert refused.value.fault.status == 403


@pytest.mark.parametrize(
    ("request_", "query"),
    [
        (LogRequest("p"), {"tailLines": "7"}),
        (LogRequest("p", "proxy", previous=True), {"tailLines": "7", "container": "proxy", "previous": "true"}),
        (LogRequest("p", since_seconds=0), {"tailLines": "7", "sinceSeconds": "0"}),
    ],
)
async def test_the_end_of_a_log(kube: Open, cluster: SteerableCluster, request_: LogRequest, query: dict[str, str]) -> None:
    """Only what was chosen is asked for, and never more than a mebibyte; bytes that are no UTF-8 are replaced."""
    cluster.serve_document(f"{HERE}/pods/p/log", "x")
    assert await PodLogReader(kube()).read_end(request_, lines=7) == '"x"'
    assert dict(cluster.requests[-1].query) == {**query, "limitBytes": "1048576"}
