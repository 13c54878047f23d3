"""YAML with the line and the text of every value, and each error where it stands."""

from __future__ import annotations

import pytest

from queries.yaml import NodeError, YamlError, format_path, load_documents, load_with_lines, load_yaml

TEXT = """\
a: 1
b:
  - x
  - y: 1.10
    z: yes
c: {d: , e: "on"}
"""


def test_every_value_has_its_line_and_its_text() -> None:
    """A missing value has the line of what is around it; the text is as written, empty for nothing."""
    found = load_with_lines(TEXT)
    assert found.value == {"a": 1, "b": ["x", {"y": 1.1, "z": True}], "c": {"d": None, "e": "on"}}
    lines = {
        ("a",): 1,
        ("b",): 2,
        ("b", 0): 3,
        ("b", 1): 4,
        ("b", 1, "z"): 5,
        ("c", "e"): 6,
        ("b", 1, "q", 3): 4,
        ("q",): 1,
        (): 1,
    }
    assert {path: found.line(path) for path in lines} == lines
    texts = {("b", 1, "y"): "1.10", ("b", 1, "z"): "yes", ("c", "d"): "", ("c", "e"): "on", ("q",): ""}
    assert {path: found.text(path) for path in texts} == texts
    assert load_with_lines("").value is None and load_with_lines("").line(("a",)) == 1


def test_a_path_as_people_write_it() -> None:
    """Keys with dots between, indexes in brackets."""
    assert format_path(("environments", "staging", 0, "x")) == "environments.staging[0].x"
    assert format_path((0, "x")) == "[0].x" and format_path(()) == ""


@pytest.mark.parametrize(
    ("text", "message", "line", "key"),
    [
        ("a: 1\na: 2\n", "duplicate key", 2, "a"),
        ("b:\n  c: 1\n  c: 2\n", "duplicate key", 3, "b.c"),
        ("a: 1\n3: x\n", "expected a text key (quote it)", 2, ""),
        ("b:\n  [x]: y\n", "expected a text key (quote it)", 2, "b"),
        ("a: &x [1]\nb: *x\n", "aliases (*name) are not allowed, write the value out", 2, "b"),
        ("a: &x 1\nb: [*x]\n", "aliases (*name) are not allowed, write the value out", 2, "b[0]"),
        ("a: 1\nb: !!int x\n", "does not match its tag", 2, "b"),
        ("a: 2026-02-30\n", "does not match its tag", 1, "a"),
        ("a: 1\nb: [\n", "not YAML: ", 3, ""),
        ("a: 1\nb: \x07\n", "not YAML: it holds characters that are not allowed in text", 2, ""),
        ("[" * 3000, "", 0, ""),
    ],
)
def test_what_is_wrong_has_its_place(text: str, message: str, line: int, key: str) -> None:
    """The line and the key of a repeated key, an alias, another tag, broken text; nothing quotes a value."""
    with pytest.raises(NodeError) as refused:
        load_with_lines(text)
    assert str(refused.value).startswith(message) and (not line or refused.value.line == line) and refused.value.key == key


def test_two_documents_are_not_one() -> None:
    """Where one is expected a second is an error; where several are, each is read with its own lines."""
    with pytest.raises(NodeError, match="not YAML"):
        load_with_lines("a: 1\n---\nb: 2\n")
    one, two, three = load_documents("a: 1\n---\nb: 2\n---\n")
    assert (one.value, one.line(("a",)), two.value, two.line(("b",)), three.value) == ({"a": 1}, 1, {"b": 2}, 3, None)
    assert load_documents("") == ()


MERGED = """\
base: &base {a: 1, b: 2}
more: &more {b: 3, c: 4}
one:
  <<: *base
  b: own
two:
  <<: [*more, *base]
  d: 5
three: *base
"""


def test_aliases_and_merges_as_go_expands_them() -> None:
    """A key written out overrides a merged one, the first merged one the later; an alias has the line of its use."""
    (found,) = load_documents(MERGED)
    assert found.value["one"] == {"a": 1, "b": "own"} and found.value["two"] == {"b": 3, "c": 4, "a": 1, "d": 5}
    assert found.value["three"] == {"a": 1, "b": 2}
    lines = {("base", "a"): 1, ("one", "a"): 4, ("one", "b"): 5, ("two", "c"): 7, ("three",): 9, ("three", "b"): 9}
    assert {path: found.line(path) for path in lines} == lines


@pytest.mark.parametrize(
    ("text", "message", "line"),
    [
        ("a: &x\n  b: *x\n", "this alias is inside the value that it names", 2),
        ("a: &x {<<: 3}\n", "expected a mapping to merge", 1),
        ("a: &x\n  <<: *x\n", "expected a mapping to merge", 2),
        ("a:\n  b: 1\n  <<: [{c: 1}, x]\n", "expected a mapping to merge", 3),
    ],
)
def test_what_cannot_be_expanded(text: str, message: str, line: int) -> None:
    """A value within itself, and a merge of what is no mapping, with the line of the alias."""
    with pytest.raises(NodeError, match=message) as refused:
        load_documents(text)
    assert refused.value.line == line


def test_aliases_to_aliases_end() -> None:
    """Nine lists of nine would be millions of values: the limit is an error with a line, and no memory."""
    lines = ["a0: &a0 [x]"] + [f"a{at}: &a{at} [{', '.join([f'*a{at - 1}'] * 9)}]" for at in range(1, 9)]
    with pytest.raises(NodeError, match="aliases expand this document beyond its limit") as refused:
        load_documents("\n".join(lines))
    assert refused.value.line > 1


@pytest.mark.parametrize(
    ("text", "problem", "line"),
    [
        ("a: [1, 2\nb: 3", "while parsing a flow sequence", 2),
        ("é: \x07", "not allowed", 1),
        ("a: 1\né: é\nb: \x07", "not allowed", 3),
        ("a: !!bool x", "", None),
    ],
)
def test_a_plain_error_says_what_and_where(text: str, problem: str, line: int | None) -> None:
    """The context and the problem in one sentence; the line counts letters, not bytes; without a mark there is no line."""
    with pytest.raises(YamlError) as refused:
        load_yaml(text, where="x.yaml")
    assert problem in refused.value.problem and refused.value.line == line and refused.value.where == "x.yaml"
    assert refused.value.problem and "\n" not in refused.value.problem
    assert str(refused.value) == f"x.yaml{f':{line}' if line else ''}: {refused.value.problem}"
