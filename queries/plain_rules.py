"""Rule groups of a manifest written out as a plain rule file, for programs that read no manifests."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from queries.yaml_nodes import Lined, Path

_ONLY_OF_THE_OPERATOR = frozenset({"partial_response_strategy"})
"""Fields of a group that Thanos reads, and Prometheus refuses in a file."""


@dataclass(frozen=True, slots=True)
class PlainRules:
    """`text` is a rule file; `lines` are, for each of its lines, the line of the manifest that it came from."""

    text: str
    lines: tuple[int, ...]

    def line(self, number: int) -> int:
        """The manifest's line for one of the text, both counted from 1; 0 for none."""
        return self.lines[number - 1] if 0 < number <= len(self.lines) else 0


def write_plain(groups: Any, path: Path, document: Lined, *, shift: Callable[[int], int]) -> PlainRules:
    """One value a line. `path` is where the groups stand in the document, `shift` makes its lines those of the file."""
    if isinstance(groups, list):
        groups = [_of_prometheus(group) for group in groups]
    lines = [(text, shift(line)) for text, line in _written("groups", groups, path, document, 0)]
    return PlainRules("\n".join(text for text, _ in lines) + "\n", tuple(line for _, line in lines))


def _of_prometheus(group: Any) -> Any:
    if not isinstance(group, dict):
        return group
    return {key: value for key, value in group.items() if key not in _ONLY_OF_THE_OPERATOR}


def _written(key: str, value: Any, path: Path, document: Lined, depth: int) -> Iterator[tuple[str, int]]:
    """A key with its value; an entry of a list has no key, and stands behind a dash."""
    begin = "  " * depth + (f"{json.dumps(key, ensure_ascii=False)}:" if key else "-")
    line = document.line(path)
    if isinstance(value, dict) and value:
        yield begin, line
        for name, item in value.items():
            yield from _written(name, item, (*path, name), document, depth + 1)
    elif isinstance(value, list) and value:
        yield begin, line
        for index, item in enumerate(value):
            yield from _written("", item, (*path, index), document, depth + 1)
    else:
        yield f"{begin} {_scalar(value, path, document)}", line


def _scalar(value: Any, path: Path, document: Lined) -> str:
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, dict | list):
        return "{}" if isinstance(value, dict) else "[]"
    return "null" if value is None else document.text(path)
