"""The lines between two pod templates: images first, then variables, then every other field; of many the first twelve."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from console.actions.pod_template_diff import container_names, diff_templates, without_hash


def template(*containers: dict[str, Any], labels: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"labels": labels or {}}, "spec": {"containers": list(containers), **spec}}


def container(name: str, image: str = "x:1", **env: str) -> dict[str, Any]:
    return {"name": name, "image": image, "env": [{"name": key, "value": value} for key, value in env.items()]}


def lines(before: dict[str, Any], after: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(item.name, item.before, item.after) for item in diff_templates(before, after)]


def test_one_container_needs_no_name_and_two_do() -> None:
    """The images stand there even if they are equal; a container on one side only has none on the other."""
    one, other = container("a", A="1", B="2"), container("a", "x:2", A="1", B="3", C="4")
    assert lines(template(one), template(other)) == [("image", "x:1", "x:2"), ("env B", "2", "3"), ("env C", "-", "4")]
    side = container("side", "s:1", D="5")
    assert lines(template(one, side), template(other)) == [
        ("image a", "x:1", "x:2"), ("image side", "s:1", "-"), ("env B (a)", "2", "3"), ("env C (a)", "-", "4"),
        ("env D (side)", "5", "-"), ("spec.containers[side].name", "side", "-"),
    ]  # fmt: skip
    assert lines(template(one), template(one)) == [("image", "x:1", "x:1")]


@example(changed=12, same=1)
@example(changed=13, same=1)
@given(changed=st.integers(0, 30), same=st.integers(0, 5))
def test_twelve_other_fields_are_shown_and_the_rest_counted(changed: int, same: int) -> None:
    """By their path, in its order; exactly twelve need no further line."""
    fields = {f"f{number:02}": number for number in range(changed)}
    equal = {f"e{number}": number for number in range(same)}
    found = lines(template(**fields, **equal), template(**dict.fromkeys(fields, "new"), **equal))
    expected = [(f"spec.f{number:02}", str(number), "new") for number in range(changed)]
    more = [("and more", "", f"{changed - 12} other fields")] if changed > 12 else []
    assert found == [*expected[:12], *more]


@pytest.mark.parametrize(
    ("before", "after", "line"),
    [
        ({"restartPolicy": "Always"}, {}, ("spec.restartPolicy", "Always", "-")),
        ({"volumes": [{"name": "v", "emptyDir": {"medium": ""}}]},
         {"volumes": [{"name": "v", "emptyDir": {"medium": "Memory"}}]},
         ("spec.volumes[v].emptyDir.medium", "", "Memory")),
        ({"a": [1, 2]}, {"a": [1, 3]}, ("spec.a[1]", "2", "3")),
        ({"a": None}, {"a": 0}, ("spec.a", "", "0")),
    ],
)  # fmt: skip
def test_a_field_is_named_by_its_path(before: dict[str, Any], after: dict[str, Any], line: tuple[str, str, str]) -> None:
    """A list's element by its name, or its place; nothing is not the same as an empty text."""
    assert lines(template(**before), template(**after)) == [line]


def test_what_a_controller_adds_is_no_difference() -> None:
    """A ReplicaSet's hash and the time that the server fills in; a secret's value is hidden in a line that is one."""
    own = template(container("a"), labels={"app": "x"})
    theirs = template(container("a"), labels={"app": "x", "pod-template-hash": "77"})
    theirs["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z"
    assert lines(own, theirs) == [("image", "x:1", "x:1")]
    assert without_hash(theirs)["metadata"]["labels"] == {"app": "x"}
    assert "labels" not in without_hash(template(labels={"pod-template-hash": "77"}))["metadata"]
    found = lines(template(apiToken="old-secret-1"), template(apiToken="old-secret-2"))
    assert len(found) == 1 and "old-secret" not in repr(found) and found[0][1] != found[0][2]
    first = template(container("b"), container("a"), initContainers=[{"name": "0"}])
    assert container_names(first) == ("0", "a", "b") and container_names({}) == ()
