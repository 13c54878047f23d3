"""The namespace at a moment, from kube-state-metrics as it exports a real cluster's objects."""

from __future__ import annotations

import json
from typing import Any

from loopback import RECORDINGS

from console.alerts.recent_changes import recent_changes
from queries.model.cluster import describe_forbidden
from queries.model.pod import Pod
from queries.model.rollout import RolloutPhase, rollout_status
from queries.model.series import Sample
from queries.model.workload import Workload
from queries.prometheus.kube_state import ONE_IS_TRUE, build_cluster_query, read_cluster

NAMESPACE = "shop"


def series(text: str, prefix: str = "") -> list[Sample]:
    """Samples of the text format; `prefix` is what a scrape without `honor_labels` puts before a label that it has itself."""
    found = []
    for line in text.strip().splitlines():
        head, value = line.strip().rsplit(" ", 1)
        name, _, rest = head.partition("{")
        labels = dict(part.split("=", 1) for part in rest.removesuffix("}").split(",") if part)
        named = {
            f"{prefix}{key}" if key in ("namespace", "pod", "container") else key: text.strip('"')
            for key, text in labels.items()
        }
        found.append(Sample(tuple(sorted({"__name__": name, **named}.items())), float(value)))
    return found


ROLLING = """
kube_deployment_spec_replicas{namespace="shop",deployment="api"} 3
kube_deployment_status_replicas{namespace="shop",deployment="api"} 4
kube_deployment_status_replicas_ready{namespace="shop",deployment="api"} 2
kube_deployment_status_replicas_updated{namespace="shop",deployment="api"} 2
kube_deployment_status_replicas_available{namespace="shop",deployment="api"} 2
kube_deployment_metadata_generation{namespace="shop",deployment="api"} 7
kube_deployment_status_observed_generation{namespace="shop",deployment="api"} 7
kube_deployment_created{namespace="shop",deployment="api"} 1700000000
kube_deployment_spec_paused{namespace="shop",deployment="api"} 0
kube_replicaset_owner{namespace="shop",replicaset="api-2",owner_kind="Deployment",owner_name="api"} 1
kube_replicaset_created{namespace="shop",replicaset="api-2"} 1700000900
kube_replicaset_spec_replicas{namespace="shop",replicaset="api-2"} 2
kube_pod_info{namespace="shop",pod="api-2-x",uid="u1",node="n1",created_by_kind="ReplicaSet",created_by_name="api-2"} 1
kube_pod_created{namespace="shop",pod="api-2-x"} 1700000901
kube_pod_container_info{namespace="shop",pod="api-2-x",container="api",image="registry/api:1.9.0"} 1
kube_pod_status_phase{namespace="shop",pod="api-2-x",phase="Pending"} 1
kube_pod_container_status_waiting_reason{namespace="shop",pod="api-2-x",container="api",reason="CrashLoopBackOff"} 1
kube_pod_container_status_restarts_total{namespace="shop",pod="api-2-x",container="api"} 4
kube_pod_container_status_last_terminated_reason{namespace="shop",pod="api-2-x",container="api",reason="OOMKilled"} 1
kube_statefulset_replicas{namespace="shop",statefulset="db"} 1
kube_statefulset_status_replicas_ready{namespace="shop",statefulset="db"} 1
kube_daemonset_status_desired_number_scheduled{namespace="shop",daemonset="agent"} 5
kube_daemonset_status_number_ready{namespace="shop",daemonset="agent"} 5
"""


def test_a_rollout_in_progress() -> None:
    """Numbers, revision, pods with their reason, and whose pods they are."""
    cluster = read_cluster(series(ROLLING), NAMESPACE)
    assert cluster is not None
    api = cluster.workload("deployment/api")
    assert api is not None and (api.desired, api.ready, api.replicas, api.updated) == (3, 2, 4, 2)
    assert rollout_status(api).phase is RolloutPhase.WAITING
    assert [item.image for item in api.containers] == ["registry/api:1.9.0"]
    assert [(item.name, item.created_at) for item in cluster.revisions_of(api)] == [("api-2", 1_700_000_900.0)]
    (rollout,) = recent_changes(cluster, (), (), now=1_700_001_000.0)
    assert (rollout.at, rollout.text) == (1_700_000_900.0, "api ReplicaSet api-2 image api:1.9.0")
    (pod,) = cluster.pods_of(api)
    assert (pod.reason, pod.restarts, pod.last_exit, pod.ready, pod.node) == ("CrashLoopBackOff", 4, "OOMKilled", False, "n1")
    assert {(item.kind, item.name, item.ready) for item in cluster.workloads} == {
        ("Deployment", "api", 2),
        ("StatefulSet", "db", 1),
        ("DaemonSet", "agent", 5),
    }


def test_a_scrape_that_renames_labels_gives_the_same() -> None:
    """Without `honor_labels` the object's own labels are `exported_namespace` and `exported_pod`."""
    renamed = [
        Sample(tuple(sorted((*item.labels, ("namespace", "monitoring"), ("pod", "kube-state-metrics-0")))), item.value)
        for item in series(ROLLING, "exported_")
    ]
    assert read_cluster(renamed, NAMESPACE) == read_cluster(series(ROLLING), NAMESPACE)
    assert "exported_namespace" in build_cluster_query(NAMESPACE)


def test_two_instances_of_kube_state_metrics_are_one_cluster() -> None:
    """As while one replaces the other, or where two run: no restart counts twice, whichever of them says less yet."""
    second = [
        Sample(
            tuple(sorted((*item.labels, ("instance", "b")))),
            item.value - 1.0 if "restarts" in item.label("__name__") else item.value,
        )
        for item in series(ROLLING)
    ]
    for samples in ([*series(ROLLING), *second], [*second, *series(ROLLING)]):
        assert read_cluster(samples, NAMESPACE) == read_cluster(series(ROLLING), NAMESPACE)


def test_nothing_is_known_without_series() -> None:
    """No series is not a namespace without workloads; a workload without its ready pods is left out."""
    assert read_cluster([], NAMESPACE) is None
    half = read_cluster(series('kube_deployment_spec_replicas{namespace="shop",deployment="api"} 3'), NAMESPACE)
    assert half is not None and not half.workloads


def describe(item: Workload) -> dict[str, Any]:
    """As the recording has what the Kubernetes API said of the same objects."""
    names = (
        "target", "desired", "ready", "replicas", "updated", "available", "generation", "observed_generation", "paused",
        "created_at", "current_revision", "update_revision",
    )  # fmt: skip
    conditions = sorted([each.type, each.status, each.reason] for each in item.conditions)
    containers = [[each.name, each.image] for each in item.containers]
    return {**{name: getattr(item, name) for name in names}, "containers": containers, "conditions": conditions}


def describe_pod(pod: Pod) -> dict[str, Any]:
    names = ("name", "uid", "phase", "ready", "restarts", "created_at", "reason", "node", "owner")
    return {name: getattr(pod, name) for name in names}


def test_what_kube_state_metrics_itself_exports() -> None:
    """Recorded of version 2.20 beside a real control plane: workloads, pods and revisions as the Kubernetes API gives them, but
    the containers of workloads of which no pod has started. One Deployment is in its second revision, one is paused, one cannot
    start; the others are a StatefulSet and a DaemonSet.
    """
    recorded = json.loads((RECORDINGS / "kube-state-metrics-2.20.json").read_text(encoding="utf-8"))
    samples = [
        Sample(tuple(sorted({"__name__": name, **labels}.items())), value)
        for name, labels, value in recorded["samples"]
        if name not in ONE_IS_TRUE or value == 1  # as the query selects them
    ]
    cluster = read_cluster(samples, recorded["namespace"])
    assert cluster is not None
    found = {item.target: describe(item) for item in cluster.workloads}
    expected = {item["target"]: item for item in recorded["workloads"]}
    not_started = [target for target, item in found.items() if not item["containers"]]
    assert sorted(not_started) == ["daemonset/agent", "deployment/stuck"]
    for target in not_started:
        assert expected[target].pop("containers") and not found[target].pop("containers")
    assert found == expected and len(found) == 5
    assert [describe_pod(pod) for pod in cluster.pods] == sorted(recorded["pods"], key=lambda pod: str(pod["name"]))
    names = ("name", "owner", "replicas", "ready", "created_at")
    revisions = [{name: getattr(item, name) for name in names} for item in cluster.revisions]
    assert revisions == sorted(recorded["revisions"], key=lambda item: str(item["name"]))


def test_a_kind_without_series_is_not_known() -> None:
    """Deployments alone, as `--resources=deployments` exports them: whether there were others is not known, and is said so."""
    alone = "\n".join(line for line in ROLLING.splitlines() if line.startswith("kube_deployment"))
    found = read_cluster(series(alone), NAMESPACE)
    assert found is not None and [item.name for item in found.workloads] == ["api"]
    assert describe_forbidden(found.faults) == "not visible: no series of statefulsets, daemonsets, pods"
    whole = read_cluster(series(ROLLING), NAMESPACE)
    assert whole is not None and whole.faults == ()


def test_a_workload_needs_its_desired_and_its_ready_pods() -> None:
    """Both are enough, whatever else nobody exports."""
    cluster = read_cluster(
        series(
            'kube_deployment_spec_replicas{namespace="shop",deployment="api"} 3\n'
            'kube_deployment_status_replicas_ready{namespace="shop",deployment="api"} 2'
        ),
        NAMESPACE,
    )
    assert cluster is not None
    assert [(item.name, item.desired, item.ready) for item in cluster.workloads] == [("api", 3, 2)]
