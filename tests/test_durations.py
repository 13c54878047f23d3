"""Every duration that a person reads is written in Prometheus' syntax, by the one formatter of `queries/text/durations.py`."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
FORMATTER = "queries/text/durations.py"
SPACED = re.compile(r" (?:ms|s|min|h|d|secs?|mins?|seconds?)\b")
"""A unit after a placeholder: `{x:.0f} s`."""
JOINED = re.compile(r"(?:ms|s|m|min|h|d)\b(?!\])")
"""A unit glued to a placeholder that formats a number; `{x:.0f}s]` is the window of a query."""
LITERAL = re.compile(r"\d (?:ms|s|min|h|d)\b(?!/)")
VALUES = {
    "console/incidents/postmortem.py": "slower than 2 s",
    "console/demo/logs.py": "no answer in 8.0 s",
    "console/demo/loki.py": "rest's'",
}
"""A panel's threshold, written as panels write values; a line that the demo's platform logs; a limit as Loki writes it."""


def inline_units(tree: ast.Module) -> Iterator[str]:
    """Each f-string that puts a unit of time behind a number, and each text with one that is not a docstring."""
    remarks = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            for value, after in zip(node.values, node.values[1:], strict=False):
                if not (isinstance(value, ast.FormattedValue) and isinstance(after, ast.Constant)):
                    continue
                following = str(after.value)
                if SPACED.match(following) or (value.format_spec is not None and JOINED.match(following)):
                    yield f"{value.lineno}: {ast.unparse(value.value)}{following[:20]!r}"
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in remarks:
            yield from (f"{node.lineno}: {node.value[: found.end()][-30:]}" for found in LITERAL.finditer(node.value))


def test_durations_are_written_by_the_one_formatter() -> None:
    """No module writes a duration by hand: `41 s` in one sentence and `41s` in the next is two grammars."""
    paths = sorted(path for package in ("console", "widgets", "queries") for path in (ROOT / package).rglob("*.py"))
    assert len(paths) > 300
    found = [
        f"{name}:{item}"
        for path in paths
        if (name := str(path.relative_to(ROOT))) != FORMATTER
        for item in inline_units(ast.parse(path.read_text(encoding="utf-8")))
        if not item.endswith(VALUES.get(name, "\0"))
    ]
    assert found == []


def test_units_in_sentences_are_found() -> None:
    """A spaced unit, a glued one behind a formatted number and a literal are reported; a window, a plural and `/s` are not."""
    code = """
f"done in {x:.0f} s"
f"timeout {y} ms, then"
f"({z:g}s)"
"within 15 s, then"
f"rate({metric}[{window:.0f}s])"
f"{kind}s"
"212 /s, 3d"
"""
    assert [item.split(":")[0] for item in inline_units(ast.parse(f"a = [{','.join(code.split(chr(10))[1:-1])}]"))] == ["1"] * 4
