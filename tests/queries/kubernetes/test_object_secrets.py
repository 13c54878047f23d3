"""No secret is left in a raw object, wherever it stands; everything else stays as it was."""

from __future__ import annotations

import json
from typing import Any

import pytest

from queries.kubernetes.object_secrets import LAST_APPLIED, redact_object, redact_tree

SECRET = "hunter2"


def test_a_secrets_data_is_a_length() -> None:
    """Both kinds of data, each value by its length with thousands apart; names and the rest of the object stay."""
    raw = {"kind": "Secret", "type": "Opaque", "data": {"a": "x" * 1234, "b": "y"}, "stringData": {"c": "zz"}}
    assert redact_object(raw) == {
        "kind": "Secret",
        "type": "Opaque",
        "data": {"a": "(hidden, 1,234 characters encoded)", "b": "(hidden, 1 characters encoded)"},
        "stringData": {"c": "(hidden, 2 characters encoded)"},
    }
    assert redact_object({"kind": "Secret", "data": None}) == {"kind": "Secret", "data": None}


def test_a_config_maps_values_by_their_names() -> None:
    """A password in one is hidden, a level is not; an absent table stays absent."""
    shown = redact_object({"kind": "ConfigMap", "data": {"db_password": SECRET, "level": "info", "n": 3}})
    assert SECRET not in str(shown) and (shown["data"]["level"], shown["data"]["n"]) == ("info", "3")
    assert redact_object({"kind": "ConfigMap", "data": None})["data"] is None
    assert redact_object({"kind": "Pod", "data": {"db_password": "x"}})["data"] == {"db_password": "x"}


def test_different_secrets_look_different() -> None:
    """A change of a secret is visible without the secret."""
    one, other = (redact_tree({"name": "API_TOKEN", "value": value}) for value in ("first-one", "other-one"))
    assert one != other and redact_tree({"name": "API_TOKEN", "value": "first-one"}) == one


@pytest.mark.parametrize("name", ["Authorization", "X-AUTHORIZATION", "Cookie", "Set-Cookie", "API_TOKEN"])
def test_a_named_value(name: str) -> None:
    """An entry of an environment or a header, by its name; what stands beside the value stays."""
    shown = redact_tree([{"name": name, "value": f"Basic {SECRET}", "optional": True}])
    assert SECRET not in str(shown) and shown[0]["optional"] is True and shown[0]["name"] == name


@pytest.mark.parametrize(
    "kept", [{"name": "LEVEL", "value": "info"}, {"name": 7, "value": "x"}, {"name": "API_TOKEN", "value": 7}]
)
def test_any_other_value_stays(kept: dict[str, Any]) -> None:
    """A harmless name, and what is no pair of texts."""
    assert redact_tree(kept) == kept


def test_an_argument_after_its_option() -> None:
    """Only the text after a secret's option is hidden, in every place of the list."""
    shown = redact_tree(["--db-password", SECRET, "--level", "info", "--token", "s3cr3t"])
    assert shown[0::2] == ["--db-password", "--level", "--token"] and shown[3] == "info"
    assert SECRET not in shown and "s3cr3t" not in shown
    assert redact_tree(["run", "--level", "info"]) == ["run", "--level", "info"]
    assert redact_tree(["--token", 7, {"a": 1}]) == ["--token", 7, {"a": 1}] and redact_tree([7, "x"]) == [7, "x"]
    assert redact_tree(None) is None and redact_tree(3.5) == 3.5


def test_a_copy_of_the_object_is_redacted_as_the_object() -> None:
    """kubectl's and any other tool's copy: the secret is gone, the rest can be compared, and its keys are in order."""
    copy = {"spec": {"b": 1, "a": "ä", "args": ["--token", SECRET]}}
    for key in (LAST_APPLIED, "kapp.k14s.io/original"):
        shown = redact_object({"metadata": {"annotations": {key: json.dumps(copy)}}})["metadata"]["annotations"][key]
        assert SECRET not in shown and shown.startswith('{"spec":{"a":"ä","args":["--token",')
    sound = '{"b": 1,  "a": 2}'
    shown = redact_object({"metadata": {"annotations": {LAST_APPLIED: sound, "other": sound}}})["metadata"]["annotations"]
    assert shown == {LAST_APPLIED: '{"a":2,"b":1}', "other": sound}


def test_a_copy_that_cannot_be_read_is_hidden() -> None:
    """kubectl's is a length; of another tool's the text is judged by its form and its name."""
    broken = "{broken " + "x" * 1000 + SECRET
    shown = redact_object({"metadata": {"annotations": {LAST_APPLIED: broken, "api-token": broken, "note": "{plain"}}})
    assert shown["metadata"]["annotations"][LAST_APPLIED] == "(hidden, 1,015 characters)"
    assert SECRET not in str(shown) and shown["metadata"]["annotations"]["note"] == "{plain"


@pytest.mark.parametrize("annotations", [None, "text", ["a"]])
def test_annotations_of_another_shape(annotations: Any) -> None:
    """What is no mapping is shown as any other value."""
    assert redact_object({"metadata": {"annotations": annotations}}) == {"metadata": {"annotations": annotations}}


def test_an_annotation_by_its_name() -> None:
    """A token in an annotation is hidden; numbers become texts, as Kubernetes has only texts there."""
    shown = redact_object({"metadata": {"annotations": {"vault.example.com/db-token": SECRET, "level": 3}}})
    assert SECRET not in str(shown) and shown["metadata"]["annotations"]["level"] == "3"
