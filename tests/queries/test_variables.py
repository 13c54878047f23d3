"""Environment variables: empty is unset, for every one, because every one is read at one place."""

from __future__ import annotations

import ast
import os
import pwd
from collections.abc import Iterator
from pathlib import Path

import pytest

import queries
from queries.text.variables import command_name, home_folder, moves_cursor, read_env, unset_if_empty

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


def test_an_empty_variable_is_unset_for_others_too() -> None:
    """Software that tests only its presence sees none; one with a value stays."""
    environ = {"NO_COLOR": "", "TERM": "xterm"}
    for name in ("NO_COLOR", "TERM", "GONE"):
        unset_if_empty(environ, name)
    assert environ == {"TERM": "xterm"}


@pytest.mark.parametrize(("term", "moves"), [("dumb", False), ("unknown", False), ("xterm", True), ("", True), (None, True)])
def test_a_terminal_that_cannot_move_its_cursor(term: str | None, moves: bool) -> None:
    """Two names say so; no name says nothing."""
    assert moves_cursor({} if term is None else {"TERM": term}) is moves


def test_an_account_without_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry without a folder, and an account that the database does not know, have the root folder."""
    entry = pwd.getpwuid(os.getuid())
    monkeypatch.setattr(pwd, "getpwuid", lambda uid: pwd.struct_passwd((*entry[:5], "", entry[6])))
    assert home_folder({}) == "/"

    def unknown(uid: int) -> object:
        raise KeyError(uid)

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    assert home_folder({}) == "/" and home_folder({"HOME": "/h"}) == "/h"


def test_how_a_person_calls_the_program(tmp_path: Path) -> None:
    """By its name if PATH has it as a program; else by the path of this call; as a module by its name."""
    folder = tmp_path / "bin"
    folder.mkdir()
    called, path = str(folder / "cad-console"), {"PATH": f"{tmp_path}{os.pathsep}{os.pathsep}{folder}"}
    assert command_name([called], path) == called
    (folder / "cad-console").write_text("")
    assert command_name([called], path) == called, "a file that cannot be run is no program"
    (folder / "cad-console").chmod(0o755)
    assert command_name([called, "x"], path) == "cad-console"
    assert command_name([called], {}) == called
    assert (
        command_name(["/x/__main__.py"], {}) == command_name([], {}) == command_name(["/x/my-cad-console"], {}) == "cad-console"
    )
    assert command_name(["/x/other"], {}, "other") == "/x/other"
