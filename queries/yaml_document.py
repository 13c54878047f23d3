"""What a YAML text was read into, and what can be wrong with it; without PyYAML, which takes longer to import than to use."""

from __future__ import annotations

from typing import Any, TypeAlias

from queries.model.frozen import dataclass

Path: TypeAlias = tuple[str | int, ...]
"""The keys and indexes that lead to a value."""


class YamlError(ValueError):
    """Text that is not YAML; `line` counts from 1, None if the parser did not report it."""

    def __init__(self, problem: str, *, where: str, line: int | None) -> None:
        self.problem = problem
        self.where = where
        self.line = line
        place = f"{where}:{line}" if line is not None else where
        super().__init__(f"{place}: {problem}")


class NodeError(ValueError):
    """YAML of the wrong shape; `line` counts from 1, `key` is a dotted path; the message quotes no value."""

    def __init__(self, message: str, *, line: int = 0, key: str = "") -> None:
        super().__init__(message)
        self.line = line
        self.key = key


@dataclass(frozen=True, slots=True)
class YamlDocument:
    """One document: plain values (dicts with text keys, lists, scalars), their lines and the text of scalars by path."""

    value: Any
    lines: dict[Path, int]
    texts: dict[Path, str]

    def line(self, path: Path) -> int:
        """The line of a value, or of the nearest value around it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def text(self, path: Path) -> str:
        """A scalar as Go's YAML decodes it into a string: as written (`1.10`, `yes`), empty for null or a missing value."""
        return self.texts.get(path, "")


def format_path(path: Path) -> str:
    """`("environments", "staging", 0)` as `environments.staging[0]`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else (f".{part}" if text else part)
    return text
