"""The packages stand in layers, whatever an import is for."""

from __future__ import annotations

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
