"""The code uses the field's words: no public name twice, and no word that tests/words/banned.txt replaces."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("console", "widgets", "queries")

PROTOCOL = {
    "add": "every verb of the command line has `add` and `run`",
    "run": "every verb of the command line has `add` and `run`",
    "main": "the entry point of a program",
    "as_text": "the formats of a report",
    "as_json": "the formats of a report",
    "as_markdown": "the formats of a report",
    "exit_code": "what a report means for a shell",
}
"""Names that several modules share because they mean the same there, and why."""

MANUAL = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])


@cache
def banned(kind: str) -> dict[str, str]:
    """The words of one kind, each with what to write instead."""
    lines = (ROOT / "tests" / "words" / "banned.txt").read_text(encoding="utf-8").splitlines()
    rows = [re.split(r"\s{2,}", line.strip()) for line in lines if line.strip() and not line.startswith("#")]
    return {word: better for found, word, better in rows if found == kind}


def modules() -> list[str]:
    """The path of every module of the three packages."""
    return sorted(str(path.relative_to(ROOT)) for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


@cache
def trees() -> dict[str, ast.Module]:
    """The syntax tree of every module by its path."""
    return {path: ast.parse((ROOT / path).read_text(encoding="utf-8")) for path in modules()}


def area_of(path: str) -> str:
    """The package of a module, two levels deep: `console/actions`, `queries/errors.py`."""
    return "/".join(path.split("/")[:2])


def areas() -> list[str]:
    """Every package with modules, in order."""
    return sorted({area_of(path) for path in modules()})


def public_names(tree: ast.Module) -> Iterator[str]:
    """The public functions and classes at the top of a module."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            yield node.name


def identifiers(tree: ast.AST) -> set[str]:
    """Every name that a module defines: functions, classes, parameters, variables and attributes."""
    found: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
                found.add(node.name)
            case ast.arg():
                found.add(node.arg)
            case ast.Name(ctx=ast.Store()):
                found.add(node.id)
            case ast.Attribute(ctx=ast.Store()):
                found.add(node.attr)
    return found


def parts(name: str) -> list[str]:
    """The words of a snake_case or CamelCase name in lower case."""
    return [part.lower() for part in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)]


def rejected(tree: ast.Module) -> Iterator[str]:
    """Each identifier of a module that contains a banned word, with a better one."""
    for name in sorted(identifiers(tree)):
        for part in parts(name):
            if part in banned("name"):
                yield f"{name}: write {banned('name')[part]}"
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = parts(node.name)[:1]
            if first and first[0] in banned("function"):
                yield f"{node.name}(): write {banned('function')[first[0]]}"


def test_no_public_name_twice() -> None:
    """A public class or function has a name of its own, unless all that share it mean the same."""
    places = defaultdict(list)
    for path, tree in trees().items():
        for name in public_names(tree):
            places[name].append(path)
    assert len(places) > 1000
    assert {name: found for name, found in places.items() if len(found) > 1 and name not in PROTOCOL} == {}


def test_the_shared_names_are_shared() -> None:
    """A name in the list of shared ones is in more than one module, and so still needs its place there."""
    names = [name for tree in trees().values() for name in set(public_names(tree))]
    assert [name for name in PROTOCOL if names.count(name) < 2] == []


@pytest.mark.parametrize("area", areas())
def test_no_banned_identifier(area: str) -> None:
    """No identifier of a package contains a word for which the field has a better one."""
    found = [f"{path}: {item}" for path, tree in trees().items() if area_of(path) == area for item in rejected(tree)]
    assert found == []


@pytest.mark.parametrize("area", areas())
def test_public_functions_have_docstrings(area: str) -> None:
    """Every public function says what it does, unless its name is one that modules share."""
    missing = [
        f"{path}: {node.name}"
        for path, tree in trees().items()
        if area_of(path) == area
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and not node.name.startswith("_")
        and node.name not in PROTOCOL
        and not ast.get_docstring(node)
    ]
    assert missing == []


@pytest.mark.parametrize(
    "path",
    MANUAL,
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_no_banned_phrase(path: Path) -> None:
    """The manual, and with it every help text, tooltip and description, has no phrase that a native SRE stops at."""
    text = re.sub(r"\s+", " ", path.read_text(encoding="utf-8"))
    assert text and banned("phrase")
    assert [
        f"{word}: write {banned('phrase')[word]}"
        for word in banned("phrase")
        if re.search(rf"\b{re.escape(word)}\b", text, re.I)
    ] == []


def test_banned_words_are_found() -> None:
    """A parameter, a field, a class, a variable and a participle as a function are each reported."""
    code = (
        "class NightDesk:\n    def told(self, wanted): self.trouble = said = wanted\ndef judged_all(): pass\ndef joiner(): pass"
    )
    found = [line.split(":")[0] for line in rejected(ast.parse(code))]
    assert found == ["NightDesk", "NightDesk", "judged_all", "said", "told", "trouble", "wanted", "judged_all()"]
