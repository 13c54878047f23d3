"""The contract of what the shared journal relies on: selected ConfigMaps, and writes that name the version they follow."""

from __future__ import annotations

from cluster_fixture import JSON_PATCH, MERGE, Namespace

METADATA = {"Accept": "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"}


def test_a_merge_patch_adds_keys_where_nothing_moved(ns: Namespace) -> None:
    """With the present version the keys are added to those that are there; with an older one it is 409, and nothing changes."""
    first = ns.add_map("one", a="1")
    version = first["metadata"]["resourceVersion"]
    answer = ns.patch(ns.maps("one"), {"metadata": {"resourceVersion": version}, "data": {"b": "2"}}, MERGE)
    assert answer.status_code == 200
    assert answer.json()["data"] == {"a": "1", "b": "2"}
    late = ns.patch(ns.maps("one"), {"metadata": {"resourceVersion": version}, "data": {"c": "3"}}, MERGE)
    assert (late.status_code, late.json()["reason"]) == (409, "Conflict")
    assert ns.get(ns.maps("one"))["data"] == {"a": "1", "b": "2"}


def test_a_replaced_key_need_not_be_there(ns: Namespace) -> None:
    """`replace` of a JSON patch adds it, against RFC 6902; `remove` and `test` of such a key are 422, and nothing changes."""
    ns.add_map("one", mode="safe")
    added = ns.patch(ns.maps("one"), [{"op": "replace", "path": "/data/mdoe", "value": "fast"}], JSON_PATCH)
    assert (added.status_code, added.json()["data"]) == (200, {"mode": "safe", "mdoe": "fast"})
    for operation in ({"op": "remove", "path": "/data/none"}, {"op": "test", "path": "/data/none", "value": "safe"}):
        assert ns.patch(ns.maps("one"), [operation], JSON_PATCH).status_code == 422
    assert ns.get(ns.maps("one"))["data"] == {"mode": "safe", "mdoe": "fast"}


def test_the_same_name_is_made_once(ns: Namespace) -> None:
    """Of two that make it the second is told 409, AlreadyExists."""
    ns.add_map("one")
    again = ns.http.post(ns.maps(), json={"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one"}})
    assert (again.status_code, again.json()["reason"]) == (409, "AlreadyExists")


def test_a_delete_names_the_version(ns: Namespace) -> None:
    """A precondition that does not hold is 409 and deletes nothing; one that holds deletes."""
    item = ns.add_map("one")
    stale = {"preconditions": {"resourceVersion": "1"}}
    refused = ns.http.request("DELETE", ns.maps("one"), json=stale)
    assert (refused.status_code, refused.json()["reason"]) == (409, "Conflict")
    fresh = {"preconditions": {"resourceVersion": item["metadata"]["resourceVersion"]}}
    assert ns.http.request("DELETE", ns.maps("one"), json=fresh).status_code == 200
    assert ns.http.get(ns.maps("one")).status_code == 404


def test_selected_by_a_label_and_by_its_absence(ns: Namespace) -> None:
    """`a/b=c` and `a/b!=c` part the ConfigMaps in two; what has no such label belongs to the second."""
    ns.add_map("plain")
    meta = {"name": "segment", "labels": {"cad-console/journal": "segment"}}
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta}
    assert ns.http.post(ns.maps(), json=body).status_code == 201

    def names(selector: str) -> set[str]:
        return {item["metadata"]["name"] for item in ns.get(ns.maps(), labelSelector=selector)["items"]}

    assert names("cad-console/journal=segment") == {"segment"}
    assert "plain" in names("cad-console/journal!=segment")
    assert "segment" not in names("cad-console/journal!=segment")


def test_a_list_of_metadata_has_the_versions(ns: Namespace) -> None:
    """Whether the server gives metadata alone or the whole, each item has its name and its version."""
    item = ns.add_map("one", a="1")
    answer = ns.http.get(ns.maps(), headers=METADATA, params={"labelSelector": "name=one"})
    assert answer.status_code == 200
    (found,) = answer.json()["items"]
    assert found["metadata"]["name"] == "one"
    assert found["metadata"]["resourceVersion"] == item["metadata"]["resourceVersion"]


def test_a_config_map_has_a_megabyte_at_most(ns: Namespace) -> None:
    """One that is larger is 422, made or patched; what was there stays."""
    large = {"a": "x" * (600 << 10), "b": "y" * (600 << 10)}
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one"}, "data": large}
    assert ns.http.post(ns.maps(), json=body).status_code == 422
    ns.add_map("one", a=large["a"])
    assert ns.patch(ns.maps("one"), {"data": {"b": large["b"]}}, MERGE).status_code == 422
    assert set(ns.get(ns.maps("one"))["data"]) == {"a"}
