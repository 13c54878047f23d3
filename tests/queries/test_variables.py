"""Environment variables: empty is unset, for every one, because every one is read at one place."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import queries
from queries.text.variables import home_folder, read_env

ROOT = Path(queries.__file__).parents[1]
_READER = Path("queries/text/variables.py")
_READS = {"get", "pop", "setdefault", "__getitem__"}


def test_empty_is_unset() -> None:
    """What a manifest writes as `value: ""` changes nothing."""
    assert read_env({"A": ""}, "A") == read_env({}, "A") == ""
    assert read_env({"A": " x"}, "A") == " x"


def test_an_empty_home_is_the_account_s_own() -> None:
    """With HOME='' Python's own answer is the root folder, where no state belongs."""
    assert home_folder({"HOME": ""}) == home_folder({}) != ""
    assert home_folder({"HOME": "/somewhere"}) == "/somewhere"


def environment(node: ast.AST) -> bool:
    """`os.environ`, or any mapping that is called so."""
    return (isinstance(node, ast.Attribute) and node.attr in ("environ", "_environ")) or (
        isinstance(node, ast.Name) and node.id == "environ"
    )


def reads(tree: ast.AST) -> Iterator[int]:
    """The lines that look into an environment by themselves; handing all of it on is not that."""
    for node in ast.walk(tree):
        found = (
            (isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load) and environment(node.value))
            or (isinstance(node, ast.Attribute) and node.attr in _READS and environment(node.value))
            or (isinstance(node, ast.Attribute) and node.attr == "getenv")
            or (isinstance(node, ast.Compare) and any(environment(item) for item in node.comparators))
        )
        if found:
            yield node.lineno  # type: ignore[attr-defined]


@pytest.mark.parametrize("text", ["os.getenv('A')", "os.environ['A']", "environ.get('A')", "'A' in self._environ"])
def test_every_way_to_read_is_recognised(text: str) -> None:
    """The search below could not pass by being blind."""
    assert list(reads(ast.parse(text)))


def test_nobody_else_reads_a_variable() -> None:
    """A variable that is read elsewhere could be lifted, or set, by an empty value."""
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for package in ("console", "queries", "widgets")
        for path in sorted((ROOT / package).rglob("*.py"))
        if path.relative_to(ROOT) != _READER
        for line in reads(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert found == []
