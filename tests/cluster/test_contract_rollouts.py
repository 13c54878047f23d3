"""The contract of rollouts: what the controllers make of a change, as kubectl and the console read it."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from cluster_fixture import JSON_PATCH, MERGE, STRATEGIC, Namespace, until

REVISION = "deployment.kubernetes.io/revision"
CAUSE = "kubernetes.io/change-cause"
OWN = {
    REVISION, "deployment.kubernetes.io/revision-history", "deployment.kubernetes.io/desired-replicas",
    "deployment.kubernetes.io/max-replicas", "kubectl.kubernetes.io/last-applied-configuration",
    "deprecated.deployment.rollback.to",
}  # fmt: skip


def new_image(tag: str) -> dict[str, Any]:
    container = {"name": "web", "image": f"registry.example.com/web:{tag}"}
    return {
        "metadata": {"annotations": {CAUSE: f"release {tag}"}},
        "spec": {"template": {"spec": {"containers": [container]}}},
    }


def undo(ns: Namespace, revision: int) -> None:
    """Rolls back; planned afresh where the controller was still writing the last status in between."""
    answer = until(lambda: found if (found := ask_to_undo(ns, revision)).status_code != 409 else None, "the undo to be taken")
    assert answer.status_code == 200, answer.text


def ask_to_undo(ns: Namespace, revision: int) -> httpx.Response:
    """The very patch that kubectl sends for `rollout undo --to-revision`, with the version that it was planned on."""
    present = ns.get(ns.deployments("web"))
    requested = next(item for item in ns.replica_sets() if item["metadata"]["annotations"][REVISION] == str(revision))
    template = requested["spec"]["template"]
    template["metadata"]["labels"].pop("pod-template-hash")
    template["metadata"]["creationTimestamp"] = None
    notes = {key: value for key, value in (present["metadata"].get("annotations") or {}).items() if key in OWN}
    notes |= {key: value for key, value in requested["metadata"]["annotations"].items() if key not in OWN}
    change = [
        {"op": "replace", "path": "/spec/template", "value": template},
        {"op": "replace", "path": "/metadata/annotations", "value": notes},
        {"op": "replace", "path": "/metadata/resourceVersion", "value": present["metadata"]["resourceVersion"]},
    ]
    return ns.patch(ns.deployments("web"), change, JSON_PATCH)


def test_a_deployment_gets_its_replica_set_and_its_pods(ns: Namespace) -> None:
    """A ReplicaSet with hash, owner, revision 1 and counts, and as many pods with the same labels."""
    made = ns.add()
    item = ns.rolled_out(revision=1)
    (replica_set,) = ns.replica_sets()
    meta = replica_set["metadata"]
    short = meta["labels"]["pod-template-hash"]
    assert meta["name"] == f"web-{short}"
    assert meta["ownerReferences"] == [
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "name": "web",
            "uid": made["metadata"]["uid"],
            "controller": True,
            "blockOwnerDeletion": True,
        }
    ]
    counts = {
        key: meta["annotations"][f"deployment.kubernetes.io/{key}"] for key in ("desired-replicas", "max-replicas", "revision")
    }
    assert counts == {"desired-replicas": "2", "max-replicas": "3", "revision": "1"}
    assert replica_set["spec"]["selector"]["matchLabels"] == {"app": "web", "pod-template-hash": short}
    pods = ns.pods()
    assert [pod["metadata"]["labels"] for pod in pods] == [{"app": "web", "pod-template-hash": short}] * 2
    assert all(pod["metadata"]["generateName"] == f"web-{short}-" for pod in pods)
    assert all(pod["status"]["phase"] == "Running" and pod["spec"]["nodeName"] for pod in pods)
    assert all(pod["status"]["containerStatuses"][0]["ready"] for pod in pods)
    expected = {"replicas": 2, "updatedReplicas": 2, "readyReplicas": 2, "availableReplicas": 2, "observedGeneration": 1}
    assert {key: item["status"][key] for key in expected} == expected
    assert "unavailableReplicas" not in item["status"]


def test_the_conditions_of_a_complete_rollout(ns: Namespace) -> None:
    """Available and Progressing are True, with the reasons and words that `rollout status` is judged by."""
    ns.add()
    ns.rolled_out(revision=1)
    until(lambda: ns.condition("Progressing").get("reason") == "NewReplicaSetAvailable", "the rollout to be called complete")
    available, progressing = ns.condition("Available"), ns.condition("Progressing")
    assert (available["status"], available["reason"]) == ("True", "MinimumReplicasAvailable")
    assert available["message"] == "Deployment has minimum availability."
    name = ns.replica_sets()[0]["metadata"]["name"]
    assert progressing["message"] == f'ReplicaSet "{name}" has successfully progressed.'
    assert set(progressing) == {"type", "status", "reason", "message", "lastUpdateTime", "lastTransitionTime"}


def test_the_answer_comes_before_the_controller(ns: Namespace) -> None:
    """Right after a change the generation is ahead of observedGeneration, then it is caught up with."""
    ns.add()
    ns.rolled_out(revision=1)
    answer = ns.patch(ns.deployments("web"), new_image("2"), STRATEGIC).json()
    assert answer["metadata"]["generation"] > answer["status"]["observedGeneration"]
    assert ns.rolled_out(revision=2)["status"]["observedGeneration"] == answer["metadata"]["generation"]


def test_a_new_template_makes_a_new_revision(ns: Namespace) -> None:
    """A second ReplicaSet gets revision 2 and the change-cause; the first keeps its own and has no pods left."""
    ns.add()
    ns.rolled_out(revision=1)
    ns.patch(ns.deployments("web"), new_image("2"), STRATEGIC)
    item = ns.rolled_out(revision=2)
    assert item["metadata"]["annotations"][REVISION] == "2"
    first, second = ns.replica_sets()
    assert [entry["metadata"]["annotations"].get(CAUSE) for entry in (first, second)] == [None, "release 2"]
    assert (first["spec"]["replicas"], second["spec"]["replicas"]) == (0, 2)
    assert {pod["spec"]["containers"][0]["image"] for pod in ns.pods()} == {"registry.example.com/web:2"}


def test_an_undo_uses_the_old_replica_set_under_a_new_number(ns: Namespace) -> None:
    """Rolling back to revision 1 makes it revision 3 and revision 1 disappears; no ReplicaSet is added."""
    ns.add()
    ns.rolled_out(revision=1)
    name = ns.replica_sets()[0]["metadata"]["name"]
    ns.patch(ns.deployments("web"), new_image("2"), STRATEGIC)
    ns.rolled_out(revision=2)
    undo(ns, 1)
    item = ns.rolled_out(revision=3)
    sets = ns.replica_sets()
    assert [entry["metadata"]["annotations"][REVISION] for entry in sets] == ["2", "3"]
    assert sets[1]["metadata"]["name"] == name
    assert sets[1]["metadata"]["annotations"]["deployment.kubernetes.io/revision-history"] == "1"
    assert item["spec"]["template"]["spec"]["containers"][0]["image"] == "registry.example.com/web:1"
    assert CAUSE not in item["metadata"]["annotations"]
    undo(ns, 2)
    item = ns.rolled_out(revision=4)
    assert item["metadata"]["annotations"][CAUSE] == "release 2"
    assert [entry["metadata"]["annotations"][REVISION] for entry in ns.replica_sets()] == ["3", "4"]


def test_a_restart_is_an_annotation_of_the_template(ns: Namespace) -> None:
    """`restartedAt` makes a new ReplicaSet with the same image and all pods new."""
    ns.add()
    ns.rolled_out(revision=1)
    before = {pod["metadata"]["uid"] for pod in ns.pods()}
    note = {"kubectl.kubernetes.io/restartedAt": "2026-01-01T09:00:00Z"}
    ns.patch(ns.deployments("web"), {"spec": {"template": {"metadata": {"annotations": note}}}}, STRATEGIC)
    ns.rolled_out(revision=2)
    pods = ns.pods()
    assert before.isdisjoint(pod["metadata"]["uid"] for pod in pods)
    assert all(pod["metadata"]["annotations"] == note for pod in pods)


def test_a_paused_deployment_waits(ns: Namespace) -> None:
    """While paused a new template makes no ReplicaSet, scaling works; resuming rolls it out."""
    ns.add()
    ns.rolled_out(revision=1)
    ns.patch(ns.deployments("web"), {"spec": {"paused": True}}, STRATEGIC)
    until(lambda: ns.condition("Progressing").get("reason") == "DeploymentPaused", "the pause to be noted")
    assert ns.condition("Progressing")["status"] == "Unknown"
    ns.patch(ns.deployments("web"), new_image("2"), STRATEGIC)
    ns.patch(ns.deployments("web", "scale"), {"spec": {"replicas": 3}})
    until(lambda: len(ns.pods()) == 3, "the third pod")
    assert len(ns.replica_sets()) == 1
    assert {pod["spec"]["containers"][0]["image"] for pod in ns.pods()} == {"registry.example.com/web:1"}
    answer = ns.patch(ns.deployments("web"), {"spec": {"paused": None}}, STRATEGIC)
    assert "paused" not in answer.json()["spec"]
    ns.rolled_out(revision=2)
    until(lambda: ns.condition("Progressing").get("reason") == "NewReplicaSetAvailable", "the rollout to be called complete")


def test_scaling_keeps_the_revision(ns: Namespace) -> None:
    """More and fewer replicas change the ReplicaSet's number and its annotations, not the revision."""
    ns.add()
    ns.rolled_out(revision=1)
    for requested, most in ((4, "5"), (1, "2"), (0, "0")):
        ns.patch(ns.deployments("web", "scale"), {"spec": {"replicas": requested}})
        item = ns.rolled_out(revision=1)
        assert item["status"].get("replicas", 0) == requested
        (replica_set,) = ns.replica_sets()
        assert replica_set["spec"]["replicas"] == requested
        if requested:
            assert replica_set["metadata"]["annotations"]["deployment.kubernetes.io/max-replicas"] == most


def test_old_revisions_are_forgotten(ns: Namespace) -> None:
    """`revisionHistoryLimit` keeps that many old ReplicaSets."""
    ns.add(replicas=1, revisionHistoryLimit=1)
    ns.rolled_out(revision=1)
    for number in (2, 3):
        ns.patch(ns.deployments("web"), new_image(str(number)), STRATEGIC)
        ns.rolled_out(revision=number)
    until(lambda: len(ns.replica_sets()) == 2, "the oldest ReplicaSet to go")
    assert [item["metadata"]["annotations"][REVISION] for item in ns.replica_sets()] == ["2", "3"]


def test_the_rollout_keeps_its_promises_on_the_way(ns: Namespace) -> None:
    """At no moment are there more pods than maxSurge allows or fewer available than maxUnavailable allows."""
    ns.add(replicas=4, strategy={"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 1}})
    ns.rolled_out(revision=1)
    ns.patch(ns.deployments("web"), new_image("2"), STRATEGIC)
    seen: list[tuple[int, int]] = []

    def look() -> bool:
        item = ns.get(ns.deployments("web"))
        status = item["status"]
        seen.append((sum(entry["spec"]["replicas"] for entry in ns.replica_sets()), status.get("availableReplicas", 0)))
        return bool(
            status.get("observedGeneration") == item["metadata"]["generation"]
            and status.get("updatedReplicas") == status.get("replicas") == status.get("availableReplicas") == 4
        )

    until(look, "the rollout")
    assert max(total for total, _ in seen) <= 5
    assert min(available for _, available in seen) >= 3


def test_a_rollout_that_does_not_get_ahead(ns: Namespace) -> None:
    """Pods that never become ready leave the old ones running, and after the deadline Progressing is False."""
    if not ns.target.makes_users:
        pytest.skip("needs a node of ours that lets the image fail")
    ns.add(progressDeadlineSeconds=2)
    ns.rolled_out(revision=1)
    ns.patch(ns.deployments("web"), new_image("broken"), STRATEGIC)
    until(lambda: ns.condition("Progressing").get("reason") == "ProgressDeadlineExceeded", "the deadline")
    condition = ns.condition("Progressing")
    assert condition["status"] == "False"
    assert condition["message"].endswith("has timed out progressing.")
    assert ns.get(ns.deployments("web"))["status"]["availableReplicas"] == 2
    undo(ns, 1)
    ns.rolled_out(revision=3)


def test_the_controllers_tell_what_they_do(ns: Namespace) -> None:
    """Events about the Deployment and its ReplicaSet, which can be selected by what they are about."""
    ns.add()
    ns.rolled_out(revision=1)
    path = ns.path("events", group="v1")
    output = ns.get(path, fieldSelector="involvedObject.kind=Deployment,involvedObject.name=web")["items"]
    name = ns.replica_sets()[0]["metadata"]["name"]
    assert [(item["reason"], item["type"], item["message"]) for item in output] == [
        ("ScalingReplicaSet", "Normal", f"Scaled up replica set {name} from 0 to 2")
    ]
    assert {"firstTimestamp", "lastTimestamp", "count", "involvedObject", "source"} <= set(output[0])
    made = ns.get(path, fieldSelector="reason=SuccessfulCreate")["items"]
    assert {item["message"] for item in made} == {f"Created pod: {pod['metadata']['name']}" for pod in ns.pods()}


def test_a_deleted_pod_is_replaced(ns: Namespace) -> None:
    """Deleting a pod answers with the pod, and the ReplicaSet makes another one."""
    ns.add(replicas=1)
    ns.rolled_out(revision=1)
    (pod,) = ns.pods()
    answer = ns.http.delete(ns.path("pods", pod["metadata"]["name"], group="v1"))
    assert answer.status_code == 200
    assert answer.json()["kind"] == "Pod"
    until(lambda: [item for item in ns.pods() if item["metadata"]["uid"] != pod["metadata"]["uid"]], "another pod")
    ns.rolled_out(revision=1)


def autoscaler(ns: Namespace, least: int, most: int) -> dict[str, Any]:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    cpu = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}
    body = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web"},
        "spec": {
            "scaleTargetRef": target,
            "minReplicas": least,
            "maxReplicas": most,
            "metrics": [{"type": "Resource", "resource": cpu}],
        },
    }
    answer = ns.http.post(ns.path("horizontalpodautoscalers", group="autoscaling/v2"), json=body)
    return {"code": answer.status_code, **answer.json()}


def test_an_autoscaler_reverts_a_manual_scale(ns: Namespace) -> None:
    """More than the maximum becomes the maximum, fewer than the minimum the minimum; zero switches it off."""
    ns.add()
    ns.rolled_out(revision=1)
    made = autoscaler(ns, 2, 4)
    assert (made["code"], made["status"]) == (201, {"desiredReplicas": 0, "currentMetrics": None})
    for requested, kept in ((8, 4), (1, 2)):
        ns.patch(ns.deployments("web", "scale"), {"spec": {"replicas": requested}})
        until(lambda kept=kept: ns.get(ns.deployments("web"))["spec"]["replicas"] == kept, f"{requested} to become {kept}")  # type: ignore[misc]
        ns.rolled_out()
    ns.patch(ns.deployments("web", "scale"), {"spec": {"replicas": 0}})
    path = ns.path("horizontalpodautoscalers", "web", group="autoscaling/v2")

    def disabled() -> bool:
        conditions = ns.get(path)["status"].get("conditions", [])
        return any((item["type"], item["reason"]) == ("ScalingActive", "ScalingDisabled") for item in conditions)

    until(disabled, "the autoscaler to be off")
    assert ns.get(ns.deployments("web"))["spec"].get("replicas") == 0


def test_an_autoscaler_that_makes_no_sense(ns: Namespace) -> None:
    """A maximum below the minimum answers 422."""
    refused = autoscaler(ns, 30, 20)
    assert (refused["code"], refused["details"]["causes"][0]["field"]) == (422, "spec.maxReplicas")


def test_a_budget_counts_what_it_protects(ns: Namespace) -> None:
    """A PodDisruptionBudget says how many pods it expects and how many may be evicted now."""
    ns.add(replicas=3)
    ns.rolled_out(revision=1)
    body = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "web"},
        "spec": {"minAvailable": 2, "selector": {"matchLabels": {"app": "web"}}},
    }
    assert ns.http.post(ns.path("poddisruptionbudgets", group="policy/v1"), json=body).status_code == 201
    path = ns.path("poddisruptionbudgets", "web", group="policy/v1")
    until(lambda: ns.get(path)["status"].get("disruptionsAllowed") == 1, "one eviction to be allowed")
    status = ns.get(path)["status"]
    expected = {"currentHealthy": 3, "desiredHealthy": 2, "expectedPods": 3, "disruptionsAllowed": 1, "observedGeneration": 1}
    assert {key: status[key] for key in expected} == expected
    assert (status["conditions"][0]["type"], status["conditions"][0]["reason"]) == ("DisruptionAllowed", "SufficientPods")


def test_the_status_is_written_through_its_own_door(ns: Namespace) -> None:
    """A PATCH of the Deployment ignores `status`; one of `/status` ignores everything else."""
    ns.add(replicas=0, paused=True)
    ns.rolled_out()
    ns.patch(ns.deployments("web"), {"status": {"replicas": 9}}, MERGE)
    assert ns.get(ns.deployments("web"))["status"].get("replicas", 0) == 0
    answer = ns.patch(ns.deployments("web", "status"), {"spec": {"replicas": 5}}, MERGE, dryRun="All")
    assert (answer.status_code, answer.json()["spec"]["replicas"]) == (200, 0)


def test_the_log_of_a_pod(ns: Namespace) -> None:
    """Log lines are plain text, cut to `tailLines`; an unknown container answers 400, an unknown pod 404."""
    assert ns.http.get(ns.path("pods", "nope", "log", group="v1")).status_code == 404
    ns.add(replicas=1)
    ns.rolled_out(revision=1)
    path = ns.path("pods", ns.pods()[0]["metadata"]["name"], "log", group="v1")
    answer = ns.http.get(path, params={"container": "nope"})
    assert (answer.status_code, answer.json()["reason"]) == (400, "BadRequest")
    assert f"container nope is not valid for pod {ns.pods()[0]['metadata']['name']}" in answer.json()["message"]
    if not ns.target.has_kubelet:
        pytest.skip("logs come from a kubelet, and the fake one writes none")
    answer = ns.http.get(path, params={"tailLines": 2})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    assert len(answer.text.splitlines()) <= 2
