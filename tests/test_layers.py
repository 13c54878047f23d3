"""The packages stand in layers, whatever an import is for."""

from __future__ import annotations

import re
from pathlib import Path

from package_cycles import cycles, packages

ROOT = Path(__file__).parents[1]


def test_no_packages_import_each_other_in_a_circle() -> None:
    """Lazy and type-only imports included, there is no circle among the packages of console, widgets and queries."""
    graph = packages(ROOT)
    assert len(graph) > 30
    assert graph["console.cli"] >= {"console.screens", "console.demo"}, "lazy imports count"
    assert cycles(graph) == []


def test_a_circle_is_found(tmp_path: Path) -> None:
    """An import inside a function or for types alone closes a circle like any other."""
    lazy = "def run():\n    from console.b import x\n"
    typed = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from console import a\n"
    for name, text in (("a/__init__", ""), ("a/one", lazy), ("b/__init__", typed)):
        path = tmp_path / "console" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (found,) = cycles(packages(tmp_path))
    assert set(found) == {"console.a", "console.b"}


def test_an_import_within_a_function_says_why() -> None:
    """Each has its reason behind it; where a whole file imports like that, pyproject.toml says why."""
    suppressed = [
        (path.relative_to(ROOT).as_posix(), line.strip())
        for root in ("console", "widgets", "queries", "docs", "deploy")
        for path in sorted((ROOT / root).rglob("*.py"))
        for line in path.read_text(encoding="utf-8").splitlines()
        if re.search(r"import .*noqa: PLC0415", line)
    ]
    assert len(suppressed) > 100
    assert [place for place in suppressed if not re.search(r"PLC0415 +(# |- )\w", place[1])] == []
