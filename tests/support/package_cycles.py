"""Which packages import each other in a circle; lazy imports and those for types alone count like any other.

`python tests/support/package_cycles.py` prints each circle and ends with their number.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOTS = ("console", "widgets", "queries")


def packages(folder: Path) -> dict[str, set[str]]:
    """Every package or module one level below the roots, with those that it imports: `console.actions`, `queries.errors`."""
    files = {_module(path.relative_to(folder)): path for root in ROOTS for path in (folder / root).rglob("*.py")}
    graph: dict[str, set[str]] = {}
    for name, path in files.items():
        own = _package(name)
        imported = {_package(item) for item in _imports(path) if item in files}
        graph.setdefault(own, set()).update(imported - {own, *ROOTS})
    return graph


def cycles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """One circle after the other; each is broken at its last import to find the next."""
    left = {name: set(imported) for name, imported in graph.items()}
    found: list[list[str]] = []
    while True:
        try:
            TopologicalSorter(left).prepare()
        except CycleError as error:
            circle = list(reversed(error.args[1]))  # each imports the next; the first is the last again
            found.append(circle)
            left[circle[0]].discard(circle[1])
        else:
            return found


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (item.name for item in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{item.name}" for item in node.names)


def _module(path: Path) -> str:
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


def _package(module: str) -> str:
    return ".".join(module.split(".")[:2])


if __name__ == "__main__":
    circles = cycles(packages(Path(__file__).parents[2]))
    for item in circles:
        print(" → ".join(item))
    print(len(circles))
    sys.exit(bool(circles))
