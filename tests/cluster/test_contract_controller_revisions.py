"""The contract of StatefulSets and DaemonSets: what their controllers make of a change, and how they number revisions."""

from __future__ import annotations

from typing import Any

from cluster_fixture import MERGE, STRATEGIC, Namespace, deployment, until

HASH = "controller-revision-hash"


def _add(ns: Namespace, kind: str, plural: str, **spec: Any) -> None:
    body = deployment("web")
    body["kind"] = kind
    del body["spec"]["replicas"]
    body["spec"] |= spec
    body["spec"]["template"]["spec"]["tolerations"] = [{"operator": "Exists"}]
    answer = ns.http.post(ns.path(plural), json=body)
    assert answer.status_code == 201, answer.text


def _stateful_set(ns: Namespace, **spec: Any) -> None:
    _add(ns, "StatefulSet", "statefulsets", serviceName="web", **spec)
    _settled(ns, replicas=spec["replicas"])


def _settled(ns: Namespace, *, replicas: int) -> dict[str, Any]:
    def done() -> dict[str, Any] | None:
        item = ns.get(ns.path("statefulsets", "web"))
        status = item["status"]
        seen = status.get("observedGeneration") == item["metadata"]["generation"]
        counts = [status.get(key, 0) for key in ("replicas", "readyReplicas", "updatedReplicas")]
        complete = status.get("currentRevision") == status.get("updateRevision")
        return item if seen and complete and counts == [replicas] * 3 else None

    return until(done, "the StatefulSet to be rolled out", seconds=40.0)


def _image(ns: Namespace, plural: str, tag: str) -> None:
    container = {"name": "web", "image": f"registry.example.com/web:{tag}"}
    change = {"spec": {"template": {"spec": {"containers": [container]}}}}
    assert ns.patch(ns.path(plural, "web"), change, STRATEGIC).status_code == 200


def _revisions(ns: Namespace) -> dict[int, str]:
    """The image of each revision, by its number."""
    found = ns.get(ns.path("controllerrevisions"))["items"]
    return {
        item["revision"]: item["data"]["spec"]["template"]["spec"]["containers"][0]["image"].rpartition(":")[2]
        for item in found
    }


def test_the_pods_of_a_stateful_set_have_names_and_labels_of_their_own(ns: Namespace) -> None:
    """Numbered from zero, with the revision, their own name and their number as labels; its first revision is 1."""
    _stateful_set(ns, replicas=3)
    item = ns.get(ns.path("statefulsets", "web"))
    pods = {pod["metadata"]["name"]: pod["metadata"]["labels"] for pod in ns.pods()}
    assert sorted(pods) == ["web-0", "web-1", "web-2"]
    for number, (name, labels) in enumerate(sorted(pods.items())):
        assert labels[HASH] == item["status"]["updateRevision"]
        assert labels["statefulset.kubernetes.io/pod-name"] == name
        assert labels["apps.kubernetes.io/pod-index"] == str(number)
    assert _revisions(ns) == {1: "1"}
    (revision,) = ns.get(ns.path("controllerrevisions"))["items"]
    assert revision["metadata"]["name"] == item["status"]["updateRevision"]
    assert revision["data"]["spec"]["template"]["$patch"] == "replace"
    (owner,) = revision["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"], owner["controller"]) == ("StatefulSet", item["metadata"]["uid"], True)


def test_what_is_left_out_has_the_servers_defaults(ns: Namespace) -> None:
    """Of both kinds, as kubectl and the console read them."""
    _stateful_set(ns, replicas=1)
    _add(ns, "DaemonSet", "daemonsets")
    spec = ns.get(ns.path("statefulsets", "web"))["spec"]
    assert spec["podManagementPolicy"] == "OrderedReady" and spec["revisionHistoryLimit"] == 10
    assert spec["updateStrategy"] == {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}
    assert spec["persistentVolumeClaimRetentionPolicy"] == {"whenDeleted": "Retain", "whenScaled": "Retain"}
    spec = ns.get(ns.path("daemonsets", "web"))["spec"]
    assert spec["updateStrategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}
    assert spec["revisionHistoryLimit"] == 10


def test_a_template_that_comes_back_gets_the_next_number(ns: Namespace) -> None:
    """1 and 2, then the first one again: no third object, but the first under the number 3; every pod is replaced each time."""
    _stateful_set(ns, replicas=2)
    first = {pod["metadata"]["uid"] for pod in ns.pods()}
    _image(ns, "statefulsets", "2")
    _settled(ns, replicas=2)
    assert _revisions(ns) == {1: "1", 2: "2"}
    assert not first & {pod["metadata"]["uid"] for pod in ns.pods()}
    _image(ns, "statefulsets", "1")
    item = _settled(ns, replicas=2)
    assert _revisions(ns) == {2: "2", 3: "1"}
    newest = next(item for item in ns.get(ns.path("controllerrevisions"))["items"] if item["revision"] == 3)
    assert newest["metadata"]["name"] == item["status"]["updateRevision"]


def test_a_partition_keeps_the_first_pods_at_the_old_revision(ns: Namespace) -> None:
    """With a partition of 2 only the last of three pods is replaced, and both revisions are in the status."""
    _stateful_set(ns, replicas=3, updateStrategy={"type": "RollingUpdate", "rollingUpdate": {"partition": 2}})
    _image(ns, "statefulsets", "2")

    def tags() -> list[str]:
        pods = sorted(ns.pods(), key=lambda pod: str(pod["metadata"]["name"]))
        return [pod["spec"]["containers"][0]["image"].rpartition(":")[2] for pod in pods]

    until(lambda: tags() == ["1", "1", "2"], "the last pod to be replaced")

    def counted() -> bool:
        status = ns.get(ns.path("statefulsets", "web"))["status"]
        differs = status["currentRevision"] != status["updateRevision"]
        return differs and (status.get("updatedReplicas"), status.get("currentReplicas")) == (1, 2)

    until(counted, "one new and two old pods in the status")


def test_a_stateful_set_is_scaled_by_its_scale_from_the_last_pod_on(ns: Namespace) -> None:
    """The same subresource as a Deployment's; what is left is the first pod, and not a new one."""
    _stateful_set(ns, replicas=3)
    first = next(pod["metadata"]["uid"] for pod in ns.pods() if pod["metadata"]["name"] == "web-0")
    answer = ns.patch(ns.path("statefulsets", "web", "scale"), {"spec": {"replicas": 1}}, MERGE)
    assert (answer.status_code, answer.json()["kind"], answer.json()["spec"]) == (200, "Scale", {"replicas": 1})
    _settled(ns, replicas=1)
    until(lambda: [pod["metadata"]["uid"] for pod in ns.pods()] == [first], "the other pods to be gone")


def test_a_deleted_pod_of_a_stateful_set_comes_back_under_its_name(ns: Namespace) -> None:
    """Another object, the same name."""
    _stateful_set(ns, replicas=2)
    before = {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in ns.pods()}
    assert ns.http.delete(ns.path("pods", "web-0", group="v1")).status_code == 200

    def is_back() -> bool:
        now = {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in ns.pods()}
        return now.keys() == before.keys() and now["web-0"] != before["web-0"] and now["web-1"] == before["web-1"]

    until(is_back, "web-0 to be created again")


def test_a_daemon_set_has_one_pod_on_each_node_and_replaces_all_of_them(ns: Namespace) -> None:
    """Its counts are those of the nodes; after an update every node has a pod of the newest revision, also a cordoned one."""
    nodes = {item["metadata"]["name"] for item in ns.get("/api/v1/nodes")["items"]}
    _add(ns, "DaemonSet", "daemonsets")

    def rolled_out(tag: str) -> bool:
        item = ns.get(ns.path("daemonsets", "web"))
        status = item["status"]
        keys = ("desiredNumberScheduled", "currentNumberScheduled", "numberReady", "numberAvailable", "updatedNumberScheduled")
        counts = [status.get(key, 0) for key in keys]
        seen = status.get("observedGeneration") == item["metadata"]["generation"]
        tags = [pod["spec"]["containers"][0]["image"].rpartition(":")[2] for pod in ns.pods()]
        return seen and counts == [len(nodes)] * 5 and tags == [tag] * len(nodes)

    until(lambda: rolled_out("1"), "a pod on each node")
    assert {pod["spec"]["nodeName"] for pod in ns.pods()} == nodes
    before = {pod["metadata"]["uid"] for pod in ns.pods()}
    _image(ns, "daemonsets", "2")
    until(lambda: rolled_out("2"), "every pod to be replaced", seconds=40.0)
    assert not before & {pod["metadata"]["uid"] for pod in ns.pods()}
    assert _revisions(ns) == {1: "1", 2: "2"}
    newest = max(ns.get(ns.path("controllerrevisions"))["items"], key=lambda item: int(item["revision"]))
    assert {pod["metadata"]["labels"][HASH] for pod in ns.pods()} == {newest["metadata"]["labels"][HASH]}


def test_what_a_set_controls_goes_with_it(ns: Namespace) -> None:
    """Pods and revisions of both kinds are deleted with their owner."""
    _stateful_set(ns, replicas=1)
    assert ns.http.delete(ns.path("statefulsets", "web")).status_code == 200
    until(
        lambda: not ns.get(ns.path("pods", group="v1"))["items"] and not ns.get(ns.path("controllerrevisions"))["items"],
        "pods and revisions to be gone",
        seconds=40.0,
    )
