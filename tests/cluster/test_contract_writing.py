"""The contract of writing: each kind of patch, preconditions, dry runs, scale, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cluster_fixture import JSON_PATCH, MERGE, STRATEGIC, Namespace, deployment


def containers(answer: Any) -> dict[str, dict[str, Any]]:
    return {item["name"]: item for item in answer.json()["spec"]["template"]["spec"]["containers"]}


def env(container: dict[str, Any]) -> dict[str, str]:
    return {item["name"]: item.get("value", "") for item in container.get("env") or ()}


@pytest.fixture(autouse=True)
def web(ns: Namespace) -> dict[str, Any]:
    """A paused Deployment: nothing but the requests of the case changes it."""
    return ns.add(replicas=0, paused=True)


def settled(ns: Namespace) -> dict[str, Any]:
    """The Deployment once its controller has taken note of it, so that its version stands still."""
    ns.rolled_out()
    return ns.get(ns.deployments("web"))


def test_defaults_are_filled_in(web: dict[str, Any]) -> None:
    """A created Deployment comes back with the defaults, generation 1 and an empty status."""
    spec, pod = web["spec"], web["spec"]["template"]["spec"]
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"}}
    assert (spec["revisionHistoryLimit"], spec["progressDeadlineSeconds"]) == (10, 600)
    assert (pod["restartPolicy"], pod["dnsPolicy"], pod["schedulerName"]) == ("Always", "ClusterFirst", "default-scheduler")
    assert pod["containers"][0]["imagePullPolicy"] == "IfNotPresent"
    assert pod["containers"][0]["terminationMessagePath"] == "/dev/termination-log"
    assert (web["metadata"]["generation"], web["status"]) == (1, {})
    assert web["metadata"]["uid"]


def test_a_merge_patch_replaces_lists_and_removes_with_null(ns: Namespace) -> None:
    """RFC 7386: objects are merged, null removes a key, a list is replaced whole."""
    change = {
        "metadata": {"labels": {"extra": "yes", "app": None}},
        "spec": {"template": {"spec": {"containers": [{"name": "other", "image": "registry.example.com/other:1"}]}}},
    }
    answer = ns.patch(ns.deployments("web"), change)
    assert answer.status_code == 200
    assert answer.json()["metadata"]["labels"] == {"extra": "yes"}
    assert list(containers(answer)) == ["other"]


def test_a_strategic_patch_finds_containers_and_variables_by_name(ns: Namespace) -> None:
    """Containers and their environment are merged by name; what is not named stays."""
    change = {"name": "web", "env": [{"name": "MODE", "value": "slow"}, {"name": "NEW", "value": "1"}]}
    answer = ns.patch(ns.deployments("web"), {"spec": {"template": {"spec": {"containers": [change]}}}}, STRATEGIC)
    container = containers(answer)["web"]
    assert env(container) == {"LOG_LEVEL": "INFO", "MODE": "slow", "NEW": "1"}
    assert container["image"] == "registry.example.com/web:1"


def test_a_strategic_patch_deletes_and_replaces_by_directive(ns: Namespace) -> None:
    """`$patch: delete` takes one entry out of a list, `$patch: replace` takes the list as it is given."""
    drop = [{"name": "MODE", "$patch": "delete"}]
    change = {"spec": {"template": {"spec": {"containers": [{"name": "web", "env": drop}]}}}}
    assert env(containers(ns.patch(ns.deployments("web"), change, STRATEGIC))["web"]) == {"LOG_LEVEL": "INFO"}
    only = [{"$patch": "replace"}, {"name": "ONLY", "value": "1"}]
    change = {"spec": {"template": {"spec": {"containers": [{"name": "web", "env": only}]}}}}
    assert env(containers(ns.patch(ns.deployments("web"), change, STRATEGIC))["web"]) == {"ONLY": "1"}


def test_a_strategic_patch_merges_ports_and_volumes(ns: Namespace) -> None:
    """Ports are merged by their number, volumes and mounts by their name and path; new entries come first."""
    first = {
        "containers": [
            {"name": "web", "ports": [{"containerPort": 80}], "volumeMounts": [{"name": "tmp", "mountPath": "/scratch"}]}
        ],
        "volumes": [{"name": "tmp", "emptyDir": {}}],
    }
    ns.patch(ns.deployments("web"), {"spec": {"template": {"spec": first}}}, STRATEGIC)
    second = {"containers": [{"name": "web", "ports": [{"containerPort": 80, "name": "http"}, {"containerPort": 81}]}]}
    container = containers(ns.patch(ns.deployments("web"), {"spec": {"template": {"spec": second}}}, STRATEGIC))["web"]
    ports = [(item["containerPort"], item.get("name", ""), item["protocol"]) for item in container["ports"]]
    assert sorted(ports) == [(80, "http", "TCP"), (81, "", "TCP")]
    assert container["volumeMounts"] == [{"name": "tmp", "mountPath": "/scratch"}]


def test_a_mistyped_container_is_added(ns: Namespace) -> None:
    """The trap of strategic patches: an unknown container name is a new container, in front of the others."""
    change = {"spec": {"template": {"spec": {"containers": [{"name": "wbe", "image": "registry.example.com/web:2"}]}}}}
    answer = ns.patch(ns.deployments("web"), change, STRATEGIC, dryRun="All")
    assert (answer.status_code, list(containers(answer))) == (200, ["wbe", "web"])


def test_a_strategic_patch_without_its_merge_key(ns: Namespace) -> None:
    """An entry that lacks the key by which it would be found is the server's own error."""
    change = {"spec": {"template": {"spec": {"containers": [{"image": "x"}]}}}}
    answer = ns.patch(ns.deployments("web"), change, STRATEGIC)
    assert answer.status_code == 500
    assert answer.json()["message"] == "map: map[image:x] does not contain declared merge key: name"


def test_a_json_patch_walks_escaped_paths(ns: Namespace) -> None:
    """RFC 6902 with RFC 6901: `~1` is a slash, `-` the end of a list, operations work in order."""
    change = [
        {"op": "add", "path": "/metadata/annotations", "value": {}},
        {"op": "add", "path": "/metadata/annotations/example.com~1note", "value": "a"},
        {"op": "test", "path": "/metadata/annotations/example.com~1note", "value": "a"},
        {"op": "add", "path": "/spec/template/spec/containers/0/env/-", "value": {"name": "LAST", "value": "1"}},
        {"op": "remove", "path": "/spec/template/spec/containers/0/env/0"},
        {"op": "replace", "path": "/spec/replicas", "value": 0},
    ]
    answer = ns.patch(ns.deployments("web"), change, JSON_PATCH)
    assert answer.status_code == 200, answer.text
    assert answer.json()["metadata"]["annotations"]["example.com/note"] == "a"
    assert [item["name"] for item in containers(answer)["web"]["env"]] == ["MODE", "LAST"]


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "test", "path": "/spec/replicas", "value": 77},
        {"op": "replace", "path": "/spec/nope/x", "value": 1},
        {"op": "remove", "path": "/spec/nope"},
        {"op": "nope", "path": "/spec/replicas"},
    ],
)
def test_a_json_patch_that_does_not_apply_is_an_opaque_422(ns: Namespace, operation: dict[str, Any]) -> None:
    """A failed `test`, a missing path and an unknown operation all get the same 422, without a cause."""
    answer = ns.patch(ns.deployments("web"), [operation], JSON_PATCH)
    assert (answer.status_code, answer.json()["reason"], answer.json()["details"]) == (422, "Invalid", {})
    assert answer.json()["message"] == "the server rejected our request due to an error in our request"


@pytest.mark.parametrize(("kind", "text"), [(MERGE, "{nope"), (STRATEGIC, "{nope"), (JSON_PATCH, '{"op": "add"}')])
def test_a_patch_that_cannot_be_decoded(ns: Namespace, kind: str, text: str) -> None:
    """Text that is no patch of its kind answers 400."""
    answer = ns.http.patch(ns.deployments("web"), content=text, headers={"Content-Type": kind})
    assert (answer.status_code, answer.json()["reason"]) == (400, "BadRequest")


def test_content_types_that_nobody_reads(ns: Namespace) -> None:
    """A PATCH without a patch type and a POST of plain text answer 415."""
    for answer in (
        ns.http.patch(ns.deployments("web"), content="{}", headers={"Content-Type": "application/json"}),
        ns.http.post(ns.deployments(), content="{}", headers={"Content-Type": "text/plain"}),
    ):
        assert (answer.status_code, answer.json()["reason"]) == (415, "UnsupportedMediaType")


def test_a_stale_version_is_a_conflict_in_every_form(ns: Namespace) -> None:
    """An old resourceVersion in a merge patch, a strategic patch, a JSON patch, a PUT or a Scale answers 409."""
    before = settled(ns)
    stale = {"metadata": {"resourceVersion": "1"}, "spec": {"minReadySeconds": 1}}
    replace = [
        {"op": "replace", "path": "/metadata/resourceVersion", "value": "1"},
        {"op": "add", "path": "/spec/minReadySeconds", "value": 1},
    ]
    path = ns.deployments("web")
    answers = [
        ns.patch(path, stale),
        ns.patch(path, stale, STRATEGIC),
        ns.patch(path, replace, JSON_PATCH),
        ns.http.put(path, json={**before, "metadata": {**before["metadata"], "resourceVersion": "1"}}),
        ns.patch(ns.deployments("web", "scale"), {"metadata": {"resourceVersion": "1"}, "spec": {"replicas": 1}}),
    ]
    for answer in answers:
        assert answer.status_code == 409, answer.text
        status = answer.json()
        assert (status["reason"], status["details"]["name"]) == ("Conflict", "web")
        assert (
            "the object has been modified; please apply your changes to the latest version and try again" in status["message"]
        )
    assert ns.get(path)["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]


def test_the_present_version_is_accepted(ns: Namespace) -> None:
    """`replace /metadata/resourceVersion` with the present version lets the rest of the JSON patch through."""
    version = settled(ns)["metadata"]["resourceVersion"]
    change = [
        {"op": "replace", "path": "/metadata/resourceVersion", "value": version},
        {"op": "add", "path": "/spec/minReadySeconds", "value": 1},
    ]
    answer = ns.patch(ns.deployments("web"), change, JSON_PATCH)
    assert answer.status_code == 200
    assert answer.json()["spec"]["minReadySeconds"] == 1
    assert answer.json()["metadata"]["resourceVersion"] != version


def test_generation_counts_the_spec_only(ns: Namespace) -> None:
    """A changed spec raises the generation, changed metadata does not, and no change makes no new version."""
    before = settled(ns)["metadata"]
    noted = ns.patch(ns.deployments("web"), {"metadata": {"labels": {"x": "y"}}}).json()["metadata"]
    assert noted["generation"] == before["generation"]
    again = ns.patch(ns.deployments("web"), {"metadata": {"labels": {"x": "y"}}}).json()["metadata"]
    assert again["resourceVersion"] == noted["resourceVersion"]
    changed = ns.patch(ns.deployments("web"), {"spec": {"minReadySeconds": 1}}).json()["metadata"]
    assert changed["generation"] == before["generation"] + 1


def test_a_dry_run_answers_as_if_and_keeps_nothing(ns: Namespace) -> None:
    """`dryRun=All` shows the patched, defaulted object with its next generation; the stored one stays as it was."""
    before = settled(ns)
    answer = ns.patch(ns.deployments("web"), {"spec": {"replicas": 4}}, STRATEGIC, dryRun="All")
    assert (answer.status_code, answer.json()["spec"]["replicas"]) == (200, 4)
    assert answer.json()["metadata"]["generation"] == before["metadata"]["generation"] + 1
    assert answer.json()["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]
    scaled = ns.patch(ns.deployments("web", "scale"), {"spec": {"replicas": 4}}, dryRun="All")
    assert (scaled.status_code, scaled.json()["spec"]) == (200, {"replicas": 4})
    created = ns.http.post(ns.deployments(), json=deployment("other"), params={"dryRun": "All"})
    assert created.status_code == 201
    assert ns.http.get(ns.deployments("other")).status_code == 404
    assert ns.http.request("DELETE", ns.deployments("web"), params={"dryRun": "All"}).status_code == 200
    assert ns.get(ns.deployments("web"))["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]


def test_a_dry_run_of_an_unknown_kind(ns: Namespace) -> None:
    """Any other value than All answers 422 for the options, not for the object."""
    answer = ns.patch(ns.deployments("web"), {}, dryRun="Some")
    assert answer.status_code == 422
    assert answer.json()["details"]["causes"][0]["field"] == "dryRun"


def with_containers(*expected: dict[str, str]) -> dict[str, Any]:
    return {"spec": {"template": {"spec": {"containers": list(expected)}}}}


def rolling(**expected: str | int) -> dict[str, Any]:
    return {"spec": {"strategy": {"rollingUpdate": expected}}}


CONTAINERS = "spec.template.spec.containers"
LABELS = "spec.template.metadata.labels"
OTHER = {"matchLabels": {"app": "x"}}
A = {"name": "a", "image": "x"}
REFUSED: dict[str, tuple[Any, str, str, str]] = {
    "negative": ({"spec": {"replicas": -1}}, MERGE, "FieldValueInvalid", "spec.replicas"),
    "selector": ({"spec": {"selector": OTHER}}, MERGE, "FieldValueInvalid", "spec.selector"),
    "labels": ({"spec": {"template": {"metadata": {"labels": {"app": "x"}}}}}, MERGE, "FieldValueInvalid", LABELS),
    "image": (with_containers({"name": "web", "image": ""}), STRATEGIC, "FieldValueRequired", f"{CONTAINERS}[0].image"),
    "name": (with_containers({"name": "W_b", "image": "x"}), STRATEGIC, "FieldValueInvalid", f"{CONTAINERS}[0].name"),
    "none": (with_containers(), MERGE, "FieldValueRequired", CONTAINERS),
    "surge": (rolling(maxSurge="many"), MERGE, "FieldValueInvalid", "spec.strategy.rollingUpdate.maxSurge"),
    "unavailable": (rolling(maxUnavailable=-1), MERGE, "FieldValueInvalid", "spec.strategy.rollingUpdate.maxUnavailable"),
    "twice": (with_containers(A, A), MERGE, "FieldValueDuplicate", f"{CONTAINERS}[1].name"),
}


@pytest.mark.parametrize("dry", [False, True], ids=["for real", "dry"])
@pytest.mark.parametrize(("change", "kind", "reason", "field"), REFUSED.values(), ids=REFUSED)
def test_what_makes_no_sense_is_a_422_with_causes(
    ns: Namespace, change: Any, kind: str, reason: str, field: str, dry: bool
) -> None:
    """Validation answers 422 and names each field with its reason, for real and in a dry run alike."""
    answer = ns.patch(ns.deployments("web"), change, kind, **({"dryRun": "All"} if dry else {}))
    assert answer.status_code == 422, answer.text
    status = answer.json()
    assert (status["reason"], status["code"]) == ("Invalid", 422)
    assert {key: status["details"][key] for key in ("name", "group", "kind")} == {
        "name": "web",
        "group": "apps",
        "kind": "Deployment",
    }
    assert (reason, field) in [(cause["reason"], cause["field"]) for cause in status["details"]["causes"]]
    assert status["message"].startswith('Deployment.apps "web" is invalid: ')
    for cause in status["details"]["causes"]:
        assert f"{cause['field']}: {cause['message']}" in status["message"]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"spec": {"replicas": "three"}}, "unrecognized type: int32"),
        ({"spec": {"template": {"spec": {"containers": [{"name": "web", "image": 1}]}}}}, "cannot convert int64 to string"),
    ],
)
def test_a_value_of_the_wrong_type(ns: Namespace, change: Any, why: str) -> None:
    """A strategic patch with a value of the wrong type answers 422 with the field `patch` and Go's words."""
    answer = ns.patch(ns.deployments("web"), change, STRATEGIC)
    assert answer.status_code == 422
    cause = answer.json()["details"]["causes"][0]
    assert (cause["reason"], cause["field"]) == ("FieldValueInvalid", "patch")
    assert cause["message"].endswith(why)


def test_unknown_fields_are_dropped_in_silence(ns: Namespace) -> None:
    """A mistyped field of the spec is answered with 200 and is not kept: the trap that comparing the answer finds."""
    answer = ns.patch(ns.deployments("web"), {"spec": {"replicaz": 3}})
    assert answer.status_code == 200
    assert "replicaz" not in answer.json()["spec"]


def test_scale_reads_and_writes_the_number(ns: Namespace) -> None:
    """Scale shows the replicas and the selector as text; PATCH and PUT change the Deployment; negative is 422."""
    path = ns.deployments("web", "scale")
    scale = ns.get(path)
    assert (scale["kind"], scale["apiVersion"], scale["status"]["selector"]) == ("Scale", "autoscaling/v1", "app=web")
    assert scale["spec"] == {}
    assert ns.patch(path, {"spec": {"replicas": 2}}).json()["spec"] == {"replicas": 2}
    assert ns.get(ns.deployments("web"))["spec"]["replicas"] == 2
    fresh = ns.get(path)
    fresh["spec"] = {"replicas": 1}
    fresh["metadata"].pop("resourceVersion")
    answer = ns.http.put(path, json=fresh)
    assert (answer.status_code, answer.json()["spec"]) == (200, {"replicas": 1})
    refused = ns.patch(path, {"spec": {"replicas": -1}})
    assert refused.status_code == 422
    assert (
        refused.json()["message"]
        == 'Scale.autoscaling "web" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0'
    )


def test_a_put_replaces_what_it_may(ns: Namespace) -> None:
    """A PUT takes labels and spec, ignores status, and is refused under another name or for another uid."""
    item = settled(ns)
    item["metadata"]["labels"] = {"only": "this"}
    item["status"] = {"replicas": 99}
    answer = ns.http.put(ns.deployments("web"), json=item)
    assert answer.status_code == 200, answer.text
    assert answer.json()["metadata"]["labels"] == {"only": "this"}
    assert answer.json()["status"].get("replicas", 0) != 99
    body = deployment("other")
    assert ns.http.put(ns.deployments("web"), json=body).status_code == 400
    uid = {**deployment(paused=True), "metadata": {"name": "web", "uid": "another"}}
    assert ns.http.put(ns.deployments("web"), json=uid).status_code == 409
    assert ns.http.put(ns.deployments("nope"), json=deployment("nope")).status_code == 404


def test_creating_what_cannot_be(ns: Namespace) -> None:
    """Twice is 409 AlreadyExists; a bad name, no name and no spec are 422; another namespace and no JSON are 400."""
    post = ns.http.post
    twice = post(ns.deployments(), json=deployment())
    assert (twice.status_code, twice.json()["reason"]) == (409, "AlreadyExists")
    assert twice.json()["message"] == 'deployments.apps "web" already exists'
    bad = deployment()
    bad["metadata"] = {"name": "Bad_Name"}
    assert post(ns.deployments(), json=bad).json()["details"]["causes"][0]["field"] == "metadata.name"
    bad["metadata"] = {}
    assert post(ns.deployments(), json=bad).status_code == 422
    empty = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "q"}, "spec": {}}
    fields = [cause["field"] for cause in post(ns.deployments(), json=empty).json()["details"]["causes"]]
    assert fields == ["spec.selector", "spec.template.metadata.labels", "spec.template.spec.containers"]
    elsewhere = deployment("z")
    elsewhere["metadata"]["namespace"] = "other"
    assert post(ns.deployments(), json=elsewhere).status_code == 400
    assert post(ns.deployments(), content="{nope", headers={"Content-Type": "application/json"}).status_code == 400
    stray = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}}
    answer = post("/api/v1/namespaces/no-such-namespace/configmaps", json=stray)
    assert (answer.status_code, answer.json()["details"]["kind"]) == (404, "namespaces")


def test_deleting(ns: Namespace) -> None:
    """A deleted Deployment answers with Success and its uid, and takes its ReplicaSets along; a second time is 404."""
    uid = ns.get(ns.deployments("web"))["metadata"]["uid"]
    answer = ns.http.delete(ns.deployments("web"))
    assert answer.status_code == 200
    assert answer.json()["status"] == "Success"
    assert answer.json()["details"] == {"name": "web", "group": "apps", "kind": "deployments", "uid": uid}
    assert ns.http.delete(ns.deployments("web")).status_code == 404


def test_a_precondition_of_a_deletion(ns: Namespace) -> None:
    """A DELETE for another uid answers 409 and deletes nothing."""
    body = json.dumps({"preconditions": {"uid": "another"}})
    answer = ns.http.request("DELETE", ns.deployments("web"), content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 409
    assert ns.http.get(ns.deployments("web")).status_code == 200
