"""The contract of watching: from a version on, filtered, bookmarked, timed, and told when it is too late."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from cluster_fixture import Namespace
from limits import extend


def watched(ns: Namespace, path: str, **query: Any) -> list[dict[str, Any]]:
    """All events of a watch that ends by its time-out."""
    answer = ns.http.get(path, params={"watch": "1", "timeoutSeconds": "1", **query})
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines()]


def no_progress(ns: Namespace) -> bool:
    """Whether the storage behind the server is too old to tell how far a watch has come."""
    query = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan", "allowWatchBookmarks": "true"}
    return "RequestWatchProgress is disabled" in json.dumps(watched(ns, ns.maps(), **query))


def test_a_watch_tells_what_came_after_its_version(ns: Namespace) -> None:
    """ADDED, MODIFIED and DELETED come in order with growing versions, each object with its kind."""
    ns.add_map("before")
    version = ns.get(ns.maps())["metadata"]["resourceVersion"]
    ns.add_map("one")
    ns.patch(ns.maps("one"), {"data": {"a": "b"}})
    ns.http.delete(ns.maps("one"))
    events = [
        event for event in watched(ns, ns.maps(), resourceVersion=version) if event["object"]["metadata"]["name"] == "one"
    ]
    assert [event["type"] for event in events] == ["ADDED", "MODIFIED", "DELETED"]
    versions = [int(event["object"]["metadata"]["resourceVersion"]) for event in events]
    assert versions == sorted(set(versions))
    assert versions[0] > int(version)
    assert {(event["object"]["kind"], event["object"]["apiVersion"]) for event in events} == {("ConfigMap", "v1")}


def test_a_watch_from_any_version_begins_with_what_is_there(ns: Namespace) -> None:
    """`resourceVersion=0` first gives every object as ADDED."""
    ns.add_map("one")
    events = watched(ns, ns.maps(), resourceVersion="0")
    assert ("ADDED", "one") in [(event["type"], event["object"]["metadata"]["name"]) for event in events]


def test_a_selection_is_left_and_entered(ns: Namespace) -> None:
    """For a watch with a selector an object that stops matching is DELETED, and ADDED when it matches again."""
    ns.add_map("one")
    version = ns.get(ns.maps())["metadata"]["resourceVersion"]
    ns.patch(ns.maps("one"), {"metadata": {"labels": {"name": "other"}}})
    ns.patch(ns.maps("one"), {"metadata": {"labels": {"name": "one"}}})
    events = watched(ns, ns.maps(), resourceVersion=version, labelSelector="name=one")
    assert [event["type"] for event in events] == ["DELETED", "ADDED"]


def test_events_arrive_while_the_watch_is_open(ns: Namespace) -> None:
    """A change reaches an open watch at once, and the watch ends when its time is up."""
    version = ns.get(ns.maps())["metadata"]["resourceVersion"]
    began = time.monotonic()
    query = {"watch": "1", "timeoutSeconds": "3", "resourceVersion": version, "fieldSelector": "metadata.name=live"}
    with ns.http.stream("GET", ns.maps(), params=query) as answer:
        lines = answer.iter_lines()
        ns.add_map("live")
        assert json.loads(next(lines))["type"] == "ADDED"
        assert time.monotonic() - began < extend(2)
        assert list(lines) == []
    assert 2.5 < time.monotonic() - began < extend(6)


def test_a_version_that_is_too_old_is_an_error_event(ns: Namespace) -> None:
    """A watch from a forgotten version answers HTTP 200 and one ERROR event with a Status of code 410, then ends."""
    ns.add_map("one")
    events = watched(ns, ns.maps(), resourceVersion="1", timeoutSeconds="10")
    assert [event["type"] for event in events] == ["ERROR"]
    status = events[0]["object"]
    assert (status["kind"], status["code"], status["reason"]) == ("Status", 410, "Expired")
    assert status["message"].startswith("too old resource version: 1 (")


def test_a_version_that_is_no_number(ns: Namespace) -> None:
    """A watch from nonsense is refused before it begins."""
    answer = ns.http.get(ns.maps(), params={"watch": "1", "resourceVersion": "abc"})
    assert answer.status_code == 500
    assert 'parsing "abc": invalid syntax' in answer.json()["message"]


def test_the_list_can_come_through_the_watch(ns: Namespace) -> None:
    """`sendInitialEvents` gives all objects and then a bookmark that says that this was all."""
    ns.add_map("one")
    query = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan", "allowWatchBookmarks": "true"}
    version = ns.get(ns.maps(), resourceVersion="0")["metadata"]["resourceVersion"]
    events = watched(ns, ns.maps(), resourceVersion=version, timeoutSeconds="3", **query)
    if ns.target.name != "in-process" and no_progress(ns):
        pytest.skip("this target's etcd is older than 3.4.25 and has no watch progress")
    kinds = [event["type"] for event in events]
    assert "ADDED" in kinds
    mark = events[kinds.index("BOOKMARK")]["object"]
    assert mark["kind"] == "ConfigMap"
    assert mark["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    assert int(mark["metadata"]["resourceVersion"]) >= int(version)


def test_a_bookmark_comes_before_the_time_is_up(ns: Namespace) -> None:
    """Who allows bookmarks gets one shortly before the end; its object holds a kind and a version, nothing else."""
    version = ns.add_map("one")["metadata"]["resourceVersion"]
    ns.add_map("two")
    with ThreadPoolExecutor() as pool:
        silently = pool.submit(watched, ns, ns.maps(), resourceVersion=version, timeoutSeconds="4")
        events = watched(ns, ns.maps(), resourceVersion=version, timeoutSeconds="4", allowWatchBookmarks="true")
    marks = [event["object"] for event in events if event["type"] == "BOOKMARK"]
    if not marks and ns.target.name != "in-process" and no_progress(ns):
        pytest.skip("this target's etcd is older than 3.4.25 and has no watch progress")
    assert marks
    assert marks[-1]["kind"] == "ConfigMap"
    assert int(marks[-1]["metadata"]["resourceVersion"]) > int(version)
    assert "name" not in marks[-1]["metadata"]
    assert not [event for event in silently.result() if event["type"] == "BOOKMARK"]
