"""YAML becomes values through the safe C loader, or an error that names file and line."""

from __future__ import annotations

import contextlib

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from queries.yaml import SafeLoader, YamlError, load_documents, load_with_lines, load_yaml


def test_values() -> None:
    """Plain YAML, by the C loader."""
    assert load_yaml("a: [1, x, null]", where="f") == {"a": [1, "x", None]}
    assert SafeLoader is yaml.CSafeLoader


@pytest.mark.parametrize("text", ["=", "<<"])
def test_what_go_leaves_plain_is_text(text: str) -> None:
    """Prometheus and kubectl write `=` and `<<` without quotes, and read them as text, alone, in a list and as a key."""
    written = f"a: {text}\nb: [{text}, {text}]\n"
    assert load_yaml(written, where="f") == {"a": text, "b": [text, text]}
    assert load_with_lines(written).value == load_documents(written)[0].value == {"a": text, "b": [text, text]}
    assert load_yaml("=: 1\n", where="f") == load_documents("=: 1\n")[0].value == {"=": 1}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: 1\nb: ]\nc: 2", 2),
        ("a: 1\n\tb: 2", 2),
        ("a: !!python/object/apply:os.system ['x']", 1),
        ("a: *gone", 1),
        ("a: \x00", 1),
    ],
)
def test_errors_name_the_line(text: str, line: int) -> None:
    """Broken text, tabs, unsafe tags, dangling aliases and control characters: all with their line."""
    with pytest.raises(YamlError) as caught:
        load_yaml(text, where="x.yaml")
    assert caught.value.line == line and str(caught.value).startswith(f"x.yaml:{line}: ")


@pytest.mark.parametrize("text", ["when: 2026-13-45", "[" * 20_000])
def test_what_the_constructor_cannot_do(text: str) -> None:
    """A date that is none and a nest without end are errors, not crashes."""
    with pytest.raises(YamlError):
        load_yaml(text, where="x.yaml")


@given(st.text(max_size=80))
def test_any_text(text: str) -> None:
    """No text raises anything but YamlError."""
    with contextlib.suppress(YamlError):
        load_yaml(text, where="x")
