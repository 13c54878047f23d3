"""The tests can fail: none passes on an empty collection, and none depends on how a class keeps its state."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest
from assertions import empty_passes, private_members

TESTS = Path(__file__).parent
EXAMPLES = Path(__file__).name
"""Its programs are what the check has to find."""
FOREIGN = {
    ("support/idle.py", "concurrent.futures.thread._threads_queues"): "which threads are those of executors",
    ("support/painting.py", "app._notifications"): "what the notifications say",
}
"""Private members of Python and Textual, by file, and what no public member tells."""


@cache
def trees() -> dict[str, ast.Module]:
    """The syntax tree of each file, by its path; parsed when a test asks, as it takes two seconds."""
    return {path.relative_to(TESTS).as_posix(): ast.parse(path.read_text(encoding="utf-8")) for path in TESTS.rglob("*.py")}


def test_no_test_passes_on_an_empty_collection() -> None:
    """A loop, `all` or `not any` proves nothing about no items: each test asserts that there was something."""
    assert trees() and {name: found for name, tree in trees().items() if (found := empty_passes(tree))} == {}


@pytest.mark.parametrize(
    ("body", "empty"),
    [
        ("for item in load(): assert item", True),
        ("assert not any(item.broken for item in load())", True),
        ("assert not [item for item in load() if item.broken]", True),
        ("assert {item.name for item in load()} <= known", True),
        ("items = load()\n for item in items: assert item\n assert len(items) == 2", False),
        ("assert load() and all(item.whole for item in load())", False),
        ("for item in (1, 2): assert load(item)", False),
        ("with pytest.raises(ValueError): load()", False),
        ("for item in load():\n  with pytest.raises(ValueError): item()", True),
        ("prepare()", False),
    ],
)
def test_what_passes_on_an_empty_collection_is_found(body: str, empty: bool) -> None:
    """Loops and comprehensions over calls count, literals with items and other assertions beside them do not."""
    assert empty_passes(ast.parse(f"def test_it():\n {body}")) == (["test_it"] if empty else [])


def test_no_test_reaches_into_private_members() -> None:
    """A test reads state through the public surface; where it cannot, the surface lacks something. Those of other projects that
    have no public way are listed above, and each is still in use.
    """
    reached = {(name, member) for name, tree in trees().items() if name != EXAMPLES for member in private_members(tree)}
    assert reached == set(FOREIGN)


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("panel._rows", 1),
        ("Panel()._rows", 1),
        ("from queries.panel import _rows", 1),
        ("import queries._panel", 1),
        ("monkeypatch.setattr(panel, '_rows', [])", 1),
        ("monkeypatch.setattr('queries.panel._rows', [])", 1),
        ("mock.patch.object(panel, '_rows')", 1),
        ("getattr(panel, '_rows')", 1),
        ("run('import panel; panel._rows')", 1),
        ("self._rows, super()._rows, cls._rows", 0),
        ("setattr(self, '_rows', [])", 0),
        ("panel.__doc__, os._exit(1), pair._replace(a=1)", 0),
        ("panel.rows, getattr(panel, 'rows'), get('_rows')", 0),
    ],
)
def test_a_private_member_is_found_however_it_is_reached(code: str, found: int) -> None:
    """Read, imported, or named as text."""
    assert len(private_members(ast.parse(code))) == found
