"""The three kinds of patch as pure functions, on the standards' own examples and on hostile input."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.demo.cluster import strategic_patch
from console.demo.cluster.api_errors import ApiError
from console.demo.cluster.patch import JSON, MERGE, STRATEGIC, apply_json_patch, apply_merge_patch, apply_patch

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)
OBJECTS = st.dictionaries(st.text(max_size=5), PLAIN, max_size=4)


@pytest.mark.parametrize(
    ("target", "change", "expected"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_the_examples_of_rfc_7386(target: Any, change: Any, expected: Any) -> None:
    """Every row of the standard's table of examples comes out as it says."""
    assert apply_merge_patch(target, change) == expected


@given(OBJECTS, OBJECTS)
def test_a_merge_patch_is_idempotent_and_leaves_its_target_alone(target: dict[str, Any], change: dict[str, Any]) -> None:
    """Applying the same merge patch twice changes nothing more, and never the argument."""
    before = copy.deepcopy(target)
    once = apply_merge_patch(target, change)
    assert apply_merge_patch(once, change) == once
    assert target == before


@pytest.mark.parametrize(
    ("document", "operations", "expected"),
    [
        ({"a": [1, 2]}, [{"op": "add", "path": "/a/1", "value": 9}], {"a": [1, 9, 2]}),
        ({"a": 1}, [{"op": "move", "from": "/a", "path": "/b"}], {"b": 1}),
        ({"a": {"x": 1}}, [{"op": "copy", "from": "/a", "path": "/b"}], {"a": {"x": 1}, "b": {"x": 1}}),
        ({"a/b": 1, "m~n": 2}, [{"op": "test", "path": "/a~1b", "value": 1}, {"op": "remove", "path": "/m~0n"}], {"a/b": 1}),
        ({"": 1}, [{"op": "replace", "path": "/", "value": 2}], {"": 2}),
        ({"a": 1}, [{"op": "replace", "path": "", "value": {"b": 2}}], {"b": 2}),
    ],
)
def test_json_patch_operations(document: Any, operations: Any, expected: Any) -> None:
    """Each operation and each escape of a pointer does what RFC 6902 and RFC 6901 say."""
    assert apply_json_patch(document, operations) == expected


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "add", "path": "/a/5", "value": 1},
        {"op": "add", "path": "/a/01x", "value": 1},
        {"op": "add", "path": "a", "value": 1},
        {"op": "add", "path": "/b/c", "value": 1},
        {"op": "add", "path": "/b"},
        {"op": "test", "path": "/n", "value": True},
        {"op": "remove", "path": "/a/-"},
        {"path": "/a"},
        "remove",
    ],
)
def test_json_patch_refuses(operation: Any) -> None:
    """An operation that does not fit its document is the opaque 422; 1 is not true."""
    with pytest.raises(ApiError) as refused:
        apply_json_patch({"a": [1, 2], "n": 1}, [operation])
    assert refused.value.code == 422


@given(
    OBJECTS,
    st.sampled_from([JSON, MERGE, STRATEGIC]),
    PLAIN | st.lists(st.fixed_dictionaries({"op": st.text(), "path": st.text()})),
)
def test_whatever_is_sent_is_an_answer_or_a_failure(target: dict[str, Any], kind: str, change: Any) -> None:
    """Any JSON as any kind of patch gives an object or a Failure, and the target stays as it was."""
    before = copy.deepcopy(target)
    try:
        assert isinstance(apply_patch(target, change, kind), dict)
    except ApiError as failed:
        assert failed.code in (400, 422, 500)
    assert target == before


def test_a_strategic_patch_keeps_the_order_that_it_is_given() -> None:
    """`$setElementOrder` sorts a merged list, what it does not name comes last."""
    target = {"env": [{"name": "A"}, {"name": "B"}, {"name": "C"}]}
    change = {"$setElementOrder/env": [{"name": "C"}, {"name": "A"}], "env": [{"name": "A", "value": "1"}]}
    assert strategic_patch.apply_strategic(target, change) == {
        "env": [{"name": "C"}, {"name": "A", "value": "1"}, {"name": "B"}]
    }


def test_a_strategic_patch_unites_and_takes_from_plain_lists() -> None:
    """Finalizers are united, and `$deleteFromPrimitiveList` takes single values away."""
    target = {"finalizers": ["a", "b"]}
    assert strategic_patch.apply_strategic(target, {"finalizers": ["b", "c"]}) == {"finalizers": ["a", "b", "c"]}
    assert strategic_patch.apply_strategic(target, {"$deleteFromPrimitiveList/finalizers": ["a"]}) == {"finalizers": ["b"]}


def test_a_strategic_patch_replaces_objects_and_retains_keys() -> None:
    """`$patch: replace` puts an object in the place of another, `$retainKeys` drops what is not named."""
    target = {"labels": {"a": "1", "b": "2"}, "strategy": {"type": "RollingUpdate", "rollingUpdate": {}}}
    change = {"labels": {"$patch": "replace", "c": "3"}, "strategy": {"$retainKeys": ["type"], "type": "Recreate"}}
    assert strategic_patch.apply_strategic(target, change) == {"labels": {"c": "3"}, "strategy": {"type": "Recreate"}}


def test_ports_of_a_service_have_another_key() -> None:
    """A Service's ports are found by `port`, a container's by `containerPort`."""
    target = {"ports": [{"port": 80, "name": "http"}]}
    assert strategic_patch.apply_strategic(target, {"ports": [{"port": 80, "targetPort": 8000}]}) == {
        "ports": [{"port": 80, "name": "http", "targetPort": 8000}]
    }
