"""What Textual imports and no frame needs: stand-ins have its place, and whatever is done with them the real thing does."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from terminal import PROGRAM, Terminal

from widgets.later import USED_LATER

BOUND = """
import json, sys
from queries.model.later import LaterModule, LaterName
from widgets.later import USED_LATER, import_textual
import_textual()
absent = [name for name in USED_LATER if name not in sys.modules]
bound = [
    (module.__file__, name, repr(value).rpartition(".")[0] if isinstance(value, LaterName) else "")
    for module in filter(None, list(sys.modules.values()))
    for name, value in list(vars(module).items())
    if isinstance(value, (LaterModule, LaterName)) and module.__name__ != "__main__"
]
print(json.dumps([absent, bound, sys.modules["textual.app"].uuid.uuid4().version, "uuid" in sys.modules]))
"""


@pytest.fixture(scope="module")
def found() -> list[object]:
    """In a process that only imported Textual: what is not there, and each (file, name, module of the name) with a stand-in."""
    done = subprocess.run([sys.executable, "-c", BOUND], capture_output=True, text=True, check=True, timeout=60)
    answer: list[object] = json.loads(done.stdout)
    return answer


def test_textual_is_there_without_them(found: list[object]) -> None:
    """None of the modules was imported with the application; the first use of one imports it."""
    absent, _, version, there = found
    assert absent == list(USED_LATER)
    assert (version, there) == (4, True)


def test_every_stand_in_is_only_called(found: list[object]) -> None:
    """In the files that hold one, its name is called, asked for an attribute, or written in an annotation, which nobody reads:
    never compared, nor a base class, but for Textual's choice of a theme. The real module has each name.
    """
    bound = found[1]
    assert isinstance(bound, list)
    assert len(bound) > len(USED_LATER)
    odd = []
    for file, name, module in bound:
        if module:
            assert hasattr(import_module(module), name), f"{module}.{name}"
        odd += [f"{Path(file).name}: {use}" for use in uses(Path(file), name)]
    assert odd == ["theme.py: class ThemeProvider(Provider)"]


def uses(file: Path, name: str) -> list[str]:
    """The uses of a name in the file of a module other than a call, an attribute, an import and an annotation."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    plain: set[ast.expr] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            plain.add(node.func)
        elif isinstance(node, ast.Attribute):
            plain.add(node.value)
        elif isinstance(node, (ast.AnnAssign, ast.arg)) and node.annotation is not None:
            plain |= {item for item in ast.walk(node.annotation) if isinstance(item, ast.expr)}
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.returns is not None:
            plain |= {item for item in ast.walk(node.returns) if isinstance(item, ast.expr)}
    return [
        _describe(tree, node) for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id == name and node not in plain
    ]


def _describe(tree: ast.Module, found: ast.Name) -> str:
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and found in node.bases:
            return f"class {node.name}({found.id})"
    return f"{found.id} in line {found.lineno}"


@pytest.mark.servers
def test_the_palette_and_a_notice_work_in_the_program(tmp_path: Path) -> None:
    """With the installed program, whose first frame had neither: ctrl+p opens the palette, which finds and runs a command."""
    environ = {
        "PATH": os.environ["PATH"],
        "LANG": "C.UTF-8",
        "HOME": str(tmp_path),
        "KUBECONFIG": str(tmp_path / "none"),
        "PROMETHEUS_URL": "http://127.0.0.1:9",
    }
    with Terminal([PROGRAM], env=environ, columns=120, rows=40) as terminal:
        terminal.wait_for("no answer yet")
        terminal.send("\x10")
        terminal.wait_for("Search for commands")
        terminal.send("silences")
        terminal.wait_for("who silenced what")
        terminal.send("\r")
        terminal.wait_for("Silences")
        terminal.send("\x11")
        assert terminal.wait_exit() == 0
