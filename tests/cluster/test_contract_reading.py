"""The contract of reading: objects, lists, pages, selectors, discovery, and the errors of each."""

from __future__ import annotations

import base64
import json

import pytest
from cluster_fixture import Namespace, Target


def test_a_list_is_paged_as_of_one_version(ns: Namespace) -> None:
    """`limit` and `continue` walk over all objects of the version at which the list began, and of no later one."""
    for number in range(5):
        ns.add_map(f"m{number}")
    query = {"limit": 2, "fieldSelector": f"metadata.namespace={ns.name}"}
    first = ns.get(ns.maps(), limit=2)
    own = [item["metadata"]["name"] for item in first["items"]]
    assert first["metadata"]["remainingItemCount"] >= 3
    ns.add_map("zz-later")
    seen, page = own, first
    while page["metadata"].get("continue"):
        page = ns.get(ns.maps(), **{"limit": 2, "continue": page["metadata"]["continue"]})
        seen += [item["metadata"]["name"] for item in page["items"]]
    assert [name for name in seen if name.startswith("m")] == [f"m{number}" for number in range(5)]
    assert "zz-later" not in seen
    assert len(ns.get(ns.maps(), **query)["items"]) == 2


def test_a_list_names_its_kind_and_its_items_do_not(ns: Namespace) -> None:
    """A list has kind, apiVersion and resourceVersion; its items carry neither kind nor apiVersion."""
    ns.add_map("one")
    listed = ns.get(ns.maps())
    assert (listed["kind"], listed["apiVersion"]) == ("ConfigMapList", "v1")
    assert listed["metadata"]["resourceVersion"].isdigit()
    assert not any("kind" in item or "apiVersion" in item for item in listed["items"])


def test_a_forgotten_continue_token_is_a_real_410(ns: Namespace) -> None:
    """A page that continues from a forgotten version answers HTTP 410 with reason Expired."""
    for number in range(3):
        ns.add_map(f"m{number}")
    token = ns.get(ns.maps(), limit=1)["metadata"]["continue"]
    output = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    old = base64.urlsafe_b64encode(json.dumps({**output, "rv": 1}).encode()).decode().rstrip("=")
    answer = ns.http.get(ns.maps(), params={"limit": 1, "continue": old})
    assert (answer.status_code, answer.json()["reason"], answer.json()["code"]) == (410, "Expired", 410)


def test_a_list_of_a_forgotten_version_is_a_real_410(ns: Namespace) -> None:
    """`resourceVersionMatch=Exact` with a forgotten version answers HTTP 410 with reason Expired."""
    ns.add_map("one")
    answer = ns.http.get(ns.maps(), params={"resourceVersion": "1", "resourceVersionMatch": "Exact"})
    assert (answer.status_code, answer.json()["reason"]) == (410, "Expired")


def test_a_version_of_the_future_is_a_timeout(ns: Namespace) -> None:
    """A list that is not older than a version nobody has reached answers 504 with cause ResourceVersionTooLarge."""
    answer = ns.http.get(ns.maps(), params={"resourceVersion": "99999999"})
    assert answer.status_code == 504
    assert answer.json()["reason"] == "Timeout"
    assert answer.json()["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"


@pytest.mark.parametrize("token", ["not base64!", base64.urlsafe_b64encode(b"{}").decode()])
def test_a_made_up_continue_token_is_a_bad_request(ns: Namespace, token: str) -> None:
    """A continue token that the server never gave out answers 400."""
    answer = ns.http.get(ns.maps(), params={"continue": token})
    assert (answer.status_code, answer.json()["reason"]) == (400, "BadRequest")


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("tier=front", ["a"]),
        ("tier==front", ["a"]),
        ("tier!=front", ["b", "c"]),
        ("tier in (front,back)", ["a", "b"]),
        ("tier notin (front)", ["b", "c"]),
        ("tier", ["a", "b"]),
        ("!tier", ["c"]),
        ("tier,env=x", ["a"]),
    ],
)
def test_label_selectors(ns: Namespace, selector: str, expected: list[str]) -> None:
    """Every form of a label selector chooses the same objects on all servers."""
    for name, labels in {"a": {"tier": "front", "env": "x"}, "b": {"tier": "back"}, "c": {"env": "x"}}.items():
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": labels}}
        assert ns.http.post(ns.maps(), json=body).status_code == 201
    names = [item["metadata"]["name"] for item in ns.get(ns.maps(), labelSelector=selector)["items"]]
    assert [name for name in names if len(name) == 1] == expected


@pytest.mark.parametrize("query", [{"labelSelector": "a in ("}, {"fieldSelector": "spec.x=1"}, {"fieldSelector": "nonsense"}])
def test_selectors_that_cannot_be_read(ns: Namespace, query: dict[str, str]) -> None:
    """A selector that cannot be parsed, or over a field that cannot be selected by, answers 400."""
    answer = ns.http.get(ns.deployments(), params=query)
    assert (answer.status_code, answer.json()["reason"]) == (400, "BadRequest")


def test_a_field_selector_chooses_by_name(ns: Namespace) -> None:
    """`metadata.name` can be selected by in every kind."""
    ns.add_map("one")
    ns.add_map("two")
    listed = ns.get(ns.maps(), fieldSelector="metadata.name=two")["items"]
    assert [item["metadata"]["name"] for item in listed] == ["two"]


def test_an_unknown_object_is_named_in_the_404(ns: Namespace) -> None:
    """A missing object answers 404 with a Status that names it and its resource."""
    answer = ns.http.get(ns.deployments("nope"))
    assert answer.status_code == 404
    assert answer.json() == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": 'deployments.apps "nope" not found',
        "reason": "NotFound",
        "details": {"name": "nope", "group": "apps", "kind": "deployments"},
        "code": 404,
    }


def test_an_unknown_kind_is_a_status_and_an_unknown_group_plain_text(target: Target) -> None:
    """A kind that a served group lacks answers a Status; a group nobody serves answers plain text."""
    kind = target.http.get("/apis/apps/v1/namespaces/x/nopes")
    assert (kind.status_code, kind.json()["message"]) == (404, "the server could not find the requested resource")
    group = target.http.get("/apis/nope.example.com/v1/nopes")
    assert (group.status_code, group.text.strip()) == (404, "404 page not found")
    assert group.headers["content-type"].startswith("text/plain")


def test_discovery_lists_what_the_console_uses(target: Target) -> None:
    """Version, groups and kinds are found where kubectl looks for them."""
    assert target.http.get("/version").json()["major"] == "1"
    assert "v1" in target.http.get("/api").json()["versions"]
    groups = {item["name"] for item in target.http.get("/apis").json()["groups"]}
    assert {"apps", "autoscaling", "policy", "batch", "authorization.k8s.io"} <= groups
    rows = {item["name"]: item for item in target.http.get("/apis/apps/v1").json()["resources"]}
    assert rows["deployments"]["kind"] == "Deployment"
    assert rows["deployments"]["shortNames"] == ["deploy"]
    assert rows["deployments/scale"]["group"] == "autoscaling"
    assert {"get", "list", "patch", "update", "watch"} <= set(rows["deployments"]["verbs"])


def test_the_wrong_token_nobody_and_the_powerless(ns: Namespace) -> None:
    """A forged token is 401; no token and no rights are 403 with the user, the verb and the resource in words."""
    if not ns.target.makes_users:
        pytest.skip("this target has no users of ours")
    with ns.target.client("forged") as http:
        answer = http.get(ns.deployments())
        assert (answer.status_code, answer.json()["reason"], answer.json()["message"]) == (401, "Unauthorized", "Unauthorized")
    with ns.target.client("nobody") as http:
        answer = http.get(ns.deployments())
        assert answer.status_code == 403
        assert answer.json()["message"] == (
            'deployments.apps is forbidden: User "system:anonymous" cannot list resource "deployments" '
            f'in API group "apps" in the namespace "{ns.name}"'
        )
        assert answer.json()["details"] == {"group": "apps", "kind": "deployments"}
    with ns.target.client("powerless") as http:
        answer = http.patch(
            ns.deployments("web", "scale"), content="{}", headers={"Content-Type": "application/merge-patch+json"}
        )
        assert (answer.status_code, answer.json()["reason"]) == (403, "Forbidden")
        assert 'cannot patch resource "deployments/scale" in API group "apps"' in answer.json()["message"]


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_a_tokens_scheme_has_any_case(ns: Namespace, scheme: str) -> None:
    """The client of a pod writes it in lower case."""
    token = ns.http.headers.get("Authorization", "").partition(" ")[2]
    assert ns.http.get(ns.deployments(), headers={"Authorization": f"{scheme} {token}"}).status_code == 200
    assert ns.http.get(ns.deployments(), headers={"Authorization": f"{scheme} forged"}).status_code == 401


def test_who_may_what(ns: Namespace) -> None:
    """A SelfSubjectAccessReview answers 201 with `allowed`, also to somebody without any rights."""
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    queries = {"namespace": ns.name, "verb": "patch", "group": "apps", "resource": "deployments", "subresource": "scale"}
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": queries},
    }
    answer = ns.http.post(path, json=body)
    assert (answer.status_code, answer.json()["status"]["allowed"]) == (201, True)
    assert answer.json()["spec"]["resourceAttributes"] == queries
    assert ns.http.post(path, json={**body, "spec": {}}).status_code == 422
    if ns.target.makes_users:
        with ns.target.client("powerless") as http:
            answer = http.post(path, json=body)
            assert (answer.status_code, answer.json()["status"]["allowed"]) == (201, False)


@pytest.mark.parametrize(("method", "path"), [("PUT", ""), ("POST", "/web"), ("PATCH", "")])
def test_a_method_that_does_not_fit_the_path(ns: Namespace, method: str, path: str) -> None:
    """A verb that the path does not offer answers 405 with a Status."""
    answer = ns.http.request(method, ns.deployments() + path, json={})
    assert (answer.status_code, answer.json()["reason"]) == (405, "MethodNotAllowed")
