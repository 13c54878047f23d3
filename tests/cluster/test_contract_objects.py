"""The contract of single objects: their events in both APIs, metadata without values, claims, and what a page reads of them."""

from __future__ import annotations

import asyncio
import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cluster_fixture import Namespace, cron_job, deployment, until
from limits import extend

from console.objects.problems import list_problems
from console.objects.service import ObjectService
from queries.errors import NotConfigured
from queries.http.endpoint import ClusterEndpoint
from queries.kubernetes.client import Kubernetes
from queries.kubernetes.object_decode import decode_object_event
from queries.model.object_page import EventCount, Existence

NEWER = "events.k8s.io/v1"
RECORDINGS = Path(__file__).parents[1] / "queries" / "recordings"
METADATA = {"Accept": "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"}


def add_event(ns: Namespace, name: str, about: dict[str, Any], **fields: Any) -> None:
    involved = {"kind": "ConfigMap", "apiVersion": "v1", "namespace": ns.name, **about}
    body = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": name},
        "involvedObject": involved,
        "type": "Normal",
        **fields,
    }
    answer = ns.http.post(ns.path("events", group="v1"), json=body)
    assert answer.status_code == 201, answer.text


def test_both_event_apis_serve_the_same_objects(ns: Namespace) -> None:
    """What core/v1 has, events.k8s.io/v1 has under other names: decoded they are equal, so that nothing is counted twice."""
    about = {"name": "one", "uid": "u-1"}
    times = {"firstTimestamp": "2026-01-01T10:00:00Z", "lastTimestamp": "2026-01-01T10:05:00Z"}
    source = {"source": {"component": "tester"}}
    add_event(ns, "a", about, reason="Repeated", message="the same", count=7, **times, **source)
    similar = "(combined from similar events): the last of several"
    add_event(ns, "b", about, reason="Combined", message=similar, count=12, **times, **source)
    series = {"count": 5, "lastObservedTime": "2026-01-01T10:10:00.000000Z"}
    new_style = {
        "eventTime": "2026-01-01T10:00:00.000000Z",
        "reportingComponent": "x.io/y",
        "reportingInstance": "z",
        "action": "A",
    }
    add_event(ns, "c", about, reason="Series", message="again", series=series, **new_style)
    older = ns.get(ns.path("events", group="v1"), fieldSelector="involvedObject.kind=ConfigMap,involvedObject.name=one")[
        "items"
    ]
    newer = ns.get(ns.path("events", group=NEWER), fieldSelector="regarding.kind=ConfigMap,regarding.name=one")["items"]
    decoded = [decode_object_event(item) for item in older]
    assert decoded == [decode_object_event(item) for item in newer]
    told = {item.reason: (item.counted, item.count, item.message, item.last_at - item.first_at) for item in decoded}
    assert told == {
        "Repeated": (EventCount.REPEATED, 7, "the same", 300.0),
        "Combined": (EventCount.COMBINED, 12, "the last of several", 300.0),
        "Series": (EventCount.SERIES, 5, "again", 600.0),
    }
    assert {item.uid for item in decoded} == {"u-1"}
    other = ns.get(ns.path("events", group=NEWER), fieldSelector="regarding.name=two")["items"]
    assert other == []


def test_metadata_alone_has_no_value(ns: Namespace) -> None:
    """With the Accept header of PartialObjectMetadata a Secret comes without its data; a missing one is 404."""
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"}, "stringData": {"a": "hunter2"}}
    assert ns.http.post(ns.path("secrets", group="v1"), json=body).status_code == 201
    answer = ns.http.get(ns.path("secrets", "keys", group="v1"), headers=METADATA)
    assert answer.status_code == 200 and answer.json()["kind"] == "PartialObjectMetadata"
    assert answer.json()["metadata"]["name"] == "keys" and "data" not in answer.json() and "hunter2" not in answer.text
    assert ns.http.get(ns.path("secrets", "none", group="v1"), headers=METADATA).status_code == 404


async def no_metrics(query: str) -> Any:
    raise NotConfigured("Prometheus is not configured")


async def test_a_page_reads_a_workload_of_this_cluster(ns: Namespace, tmp_path: Path) -> None:
    """Two revisions of a Deployment with a missing ConfigMap and a pending claim: parts, dependencies, diff and YAML."""
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    body = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"}, "spec": claim}
    assert ns.http.post(ns.path("persistentvolumeclaims", group="v1"), json=body).status_code == 201
    ns.add("web")
    ns.rolled_out("web", revision=1)
    container = {
        "name": "web",
        "image": "registry.example.com/web:2",
        "env": [
            {"name": "API_TOKEN", "value": "hunter2"},
            {"name": "A", "valueFrom": {"configMapKeyRef": {"name": "gone", "key": "a"}}},
        ],
    }
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]
    template = {"spec": {"containers": [container], "volumes": volumes}}
    assert ns.patch(ns.deployments("web"), {"spec": {"template": template}}).status_code == 200
    ns.rolled_out("web", revision=2)
    # A pod that is ending still counts as a pod of the old revision.
    until(lambda: len(ns.get(ns.path("pods", group="v1"))["items"]) == 2, "the end of the old pods")
    client = Kubernetes(ClusterEndpoint(ns.name, kubeconfig=str(ns.kubeconfig(tmp_path / "kubeconfig")), timeout_seconds=10.0))
    service = ObjectService(lambda: client, no_metrics, clock=time.time)
    page = [item async for item in service.workload("deployment/web")][-1]
    assert page.unread_parts() == ()
    found = {(item.kind, item.name): (item.existence, item.text) for item in page.dependencies.value or ()}
    assert found["ConfigMap", "gone"] == (Existence.MISSING, "does not exist")
    assert found["PersistentVolumeClaim", "data"] == (Existence.PRESENT, "Pending")
    assert any(item.kind == "Deployment" and item.reason == "ScalingReplicaSet" for item in page.events.value or ())
    after, before = page.revisions.value or ()
    assert len(page.pods_of(after)) == 2 and page.pods_of(before) == ()
    lines = await service.diff(before, after)
    changed = [line for line in lines if line.startswith(("+", "-"))]
    assert any("registry.example.com/web:1" in line for line in changed) and not any("hunter2" in line for line in lines)
    yaml = "\n".join(await service.yaml("deployment/web"))
    assert "managedFields" not in yaml and "hunter2" not in yaml and "kind: Deployment" in yaml
    nodes = [item async for item in service.nodes()][-1]
    assert nodes.nodes.value and any(pod.namespace == ns.name for pods in nodes.pods_by_node.values() for pod in pods)
    assert [(item.name, item.phase) for item in nodes.claims.value or ()] == [("data", "Pending")]
    await client.close()


async def test_controller_revisions_name_their_pods(ns: Namespace, tmp_path: Path) -> None:
    """The pods of a StatefulSet and a DaemonSet are those of the revision whose label they carry."""
    client = Kubernetes(ClusterEndpoint(ns.name, kubeconfig=str(ns.kubeconfig(tmp_path / "kubeconfig")), timeout_seconds=10.0))
    service = ObjectService(lambda: client, no_metrics, clock=time.time)
    for kind, plural in (("StatefulSet", "statefulsets"), ("DaemonSet", "daemonsets")):
        body = deployment(kind.lower(), replicas=1)
        body["kind"] = kind
        if kind == "StatefulSet":
            body["spec"]["serviceName"] = "db"
        else:
            del body["spec"]["replicas"]
            body["spec"]["template"]["spec"]["tolerations"] = [{"operator": "Exists"}]
        assert ns.http.post(ns.path(plural), json=body).status_code == 201
        until(lambda kind=kind: ns.pods(kind.lower()), f"a pod of the {kind}")
        page = [item async for item in service.workload(f"{kind.lower()}/{kind.lower()}")][-1]
        (revision,) = page.revisions.value or ()
        assert page.current_revision() == revision and revision.number == 1
        assert len(page.pods_of(revision)) == len(page.pods.value or ()) > 0
    await client.close()


def _with_every_kind(ns: Namespace) -> None:
    """A StatefulSet with claims and a password, a DaemonSet, a Job that failed, and a CronJob of which one run is active."""
    for kind, plural in (("StatefulSet", "statefulsets"), ("DaemonSet", "daemonsets")):
        body = deployment(kind.lower(), replicas=2)
        pod = body["spec"]["template"]["spec"]
        pod["containers"][0]["env"].append({"name": "DB_PASSWORD", "value": "hunter2"})
        pod["tolerations"] = [{"operator": "Exists"}]
        body["kind"] = kind
        if kind == "StatefulSet":
            claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
            body["spec"] |= {"serviceName": "db", "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": claim}]}
        else:
            del body["spec"]["replicas"]
        assert ns.http.post(ns.path(plural), json=body).status_code == 201
    batch = "batch/v1"
    assert ns.http.post(ns.path("cronjobs", group=batch), json=cron_job("nightly")).status_code == 201
    owner = ns.get(ns.path("cronjobs", "nightly", group=batch))
    reference = {"apiVersion": batch, "kind": "CronJob", "name": "nightly", "uid": owner["metadata"]["uid"], "controller": True}
    for name, image in (("broken", "registry.example.com/failing:1"), ("nightly-1", "registry.example.com/web:1")):
        spec = cron_job(name)["spec"]["jobTemplate"]["spec"]
        restart = "Never" if name == "broken" else "OnFailure"
        spec["template"]["spec"] |= {"containers": [{"name": "run", "image": image}], "restartPolicy": restart}
        meta = {"name": name, "ownerReferences": [reference] if name == "nightly-1" else []}
        body = {"apiVersion": batch, "kind": "Job", "metadata": meta, "spec": {**spec, "backoffLimit": 0}}
        assert ns.http.post(ns.path("jobs", group=batch), json=body).status_code == 201
    active = [{"apiVersion": batch, "kind": "Job", "name": "nightly-1", "namespace": ns.name}]
    path = ns.path("cronjobs", "nightly", "status", group=batch)
    assert ns.patch(path, {"status": {"active": active}}).status_code == 200

    def is_settled() -> bool:
        found = ns.get(ns.path("statefulsets", "statefulset"))["status"].get("availableReplicas") == 2
        failed = ns.get(ns.path("jobs", "broken", group=batch))["status"].get("failed")
        running = ns.get(ns.path("jobs", "nightly-1", group=batch))["status"].get("ready")
        return bool(found and failed and running and ns.pods("daemonset"))

    until(is_settled, "every kind to be settled")


@pytest.mark.control_plane
async def test_every_kind_has_a_page_and_kubectls_yaml(ns: Namespace, tmp_path: Path) -> None:
    """On a real control plane no part of a page is unread, the failed Job is a problem and the active run of a CronJob is none,
    the description tells the pods, and the YAML is `kubectl get -o yaml` line by line, apart from the password.
    """
    if ns.target.name == "in-process":
        pytest.skip("every Job ends at once there")
    _with_every_kind(ns)
    kubeconfig = ns.kubeconfig(tmp_path / "kubeconfig")
    client = Kubernetes(ClusterEndpoint(ns.name, kubeconfig=str(kubeconfig), timeout_seconds=10.0))
    service = ObjectService(lambda: client, no_metrics, clock=time.time)
    problems: dict[str, list[str]] = {}
    for target in ("statefulset/statefulset", "daemonset/daemonset", "job/broken", "job/nightly-1", "cronjob/nightly"):
        page = [item async for item in service.workload(target)][-1]
        pods = 2 if target == "statefulset/statefulset" else 1
        assert page.unread_parts() == () and len(page.pods.value or ()) == pods, target
        problems[target] = [item.text for item in list_problems(page, now=time.time())]
        described = "\n".join(line.text for line in await service.describe(target))
        assert "hunter2" not in described and all(pod.name in described for pod in page.pods.value or ()), target
        words = ["kubectl", f"--kubeconfig={kubeconfig}", "-n", ns.name, "get", target, "-o", "yaml"]
        theirs = (await asyncio.to_thread(subprocess.check_output, words, text=True, timeout=60)).splitlines()
        ours = await service.yaml(target)
        assert [line for line in ours if "(hidden" not in line] == [line for line in theirs if "hunter2" not in line]
    assert [target for target, found in problems.items() if found] == ["job/broken"]
    assert "BackoffLimitExceeded" in problems["job/broken"][0]
    claims = [item async for item in service.workload("statefulset/statefulset")][-1].dependencies.value or ()
    assert {item.name for item in claims if item.existence is Existence.PRESENT} >= {"data-statefulset-0", "data-statefulset-1"}
    await client.close()


ROLLOUT = "argoproj.io/v1alpha1"
STABLE, CANARY = "57c98d8d67", "78847b9bf6"


@pytest.fixture
def paused_rollout(ns: Namespace) -> Iterator[None]:
    """As Argo Rollouts 1.8.3 left a canary at its first pause: the recorded object, and its two ReplicaSets with their pods."""
    if ns.target.install_rollouts is None:
        pytest.skip("definitions cannot be installed on this cluster")
    recorded = json.loads((RECORDINGS / "argo-rollouts-1.8-rollout.json").read_text(encoding="utf-8"))["paused"]
    ns.target.install_rollouts(True)
    meta = {"name": "shop", "labels": recorded["metadata"]["labels"], "annotations": recorded["metadata"]["annotations"]}
    path = ns.path("rollouts", group=ROLLOUT)
    body = {"apiVersion": ROLLOUT, "kind": "Rollout", "metadata": meta, "spec": recorded["spec"]}
    assert ns.http.post(path, json=body).status_code == 201
    status = {**recorded["status"], "observedGeneration": "1"}
    assert ns.patch(f"{path}/shop/status", {"status": status}).status_code == 200
    uid = ns.get(f"{path}/shop")["metadata"]["uid"]
    for number, (digest, count) in enumerate(((STABLE, 3), (CANARY, 1)), 1):
        _add_replica_set(ns, uid, digest, number, count)
    until(
        lambda: len(ns.pods("shop")) == 4 and all(item["status"].get("phase") == "Running" for item in ns.pods("shop")), "pods"
    )
    yield
    ns.target.install_rollouts(False)


def _add_replica_set(ns: Namespace, rollout: str, digest: str, number: int, count: int) -> None:
    """A ReplicaSet of the Rollout; its controller makes the pods, and where there is none, this does."""
    labels = {"app": "shop", "rollouts-pod-template-hash": digest}
    container = {"name": "shop", "image": f"registry.example.com/web:{number}"}
    owner = {"apiVersion": ROLLOUT, "kind": "Rollout", "name": "shop", "uid": rollout, "controller": True}
    meta = {
        "name": f"shop-{digest}", "labels": labels, "ownerReferences": [owner],
        "annotations": {"rollout.argoproj.io/revision": str(number)},
    }  # fmt: skip
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container], "terminationGracePeriodSeconds": 0}}
    spec = {"replicas": count, "selector": {"matchLabels": labels}, "template": template}
    answer = ns.http.post(
        ns.path("replicasets"), json={"kind": "ReplicaSet", "apiVersion": "apps/v1", "metadata": meta, "spec": spec}
    )
    assert answer.status_code == 201, answer.text
    if ns.target.name != "in-process":
        return
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": f"shop-{digest}", "uid": answer.json()["metadata"]["uid"]}
    for at in range(count):
        pod_meta = {"name": f"shop-{digest}-{at}", "labels": labels, "ownerReferences": [{**owner, "controller": True}]}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": pod_meta, "spec": template["spec"]}
        assert ns.http.post(ns.path("pods", group="v1"), json=pod).status_code == 201


async def test_a_rollout_of_argo_has_a_page(ns: Namespace, paused_rollout: None, tmp_path: Path) -> None:
    """At its pause: Argo's own words are what is wrong, each of its revisions has its pods and can be compared, and the YAML is
    that of the server.
    """
    kubeconfig = ns.kubeconfig(tmp_path / "kubeconfig")
    client = Kubernetes(ClusterEndpoint(ns.name, kubeconfig=str(kubeconfig), timeout_seconds=10.0))
    service = ObjectService(lambda: client, no_metrics, clock=time.time)
    deadline = time.monotonic() + extend(20.0)
    while True:  # the pods of a cluster become ready when it is their turn
        page = [item async for item in service.workload("rollout/shop")][-1]
        found = [item.text for item in list_problems(page, now=time.time())]
        if not any("NotReady" in text for text in found) or time.monotonic() > deadline:
            break
        await asyncio.sleep(0.1)
    assert page.unread_parts() == ()
    assert found == ["Paused: CanaryPauseStep"]
    newest, stable = page.revisions.value or ()
    assert [(item.number, len(page.pods_of(item))) for item in (newest, stable)] == [(2, 1), (1, 3)]
    assert page.current_revision() == newest
    difference = "\n".join(await service.diff(stable, newest))
    assert "registry.example.com/web:1" in difference and "registry.example.com/web:2" in difference
    described = "\n".join(line.text for line in await service.describe("rollout/shop"))
    assert "CanaryPauseStep" in described and all(pod.name in described for pod in page.pods.value or ())
    yaml = "\n".join(await service.yaml("rollout/shop"))
    assert f"stableRS: {STABLE}" in yaml and "setWeight: 25" in yaml
    await client.close()
