"""Rule groups as a plain rule file, for programs that cannot read manifests and stop at the first error of form."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator
from typing import Any

import msgspec

from queries.yaml import Path, YamlDocument

_ONLY_OF_THE_OPERATOR = frozenset({"partial_response_strategy"})
"""Fields of a group for Thanos, which Prometheus refuses in a file."""


class PlainRules(msgspec.Struct, frozen=True):
    """`text` is a rule file; `lines` has the manifest's line for each of its lines."""

    text: str
    lines: tuple[int, ...]

    def line(self, number: int) -> int:
        """The manifest's line for a line of the text, both counted from 1; 0 for none."""
        return self.lines[number - 1] if 0 < number <= len(self.lines) else 0


def write_plain(
    groups: Any, path: Path, document: YamlDocument, *, shift: Callable[[int], int], without: Collection[Path] = ()
) -> PlainRules:
    """Write one value per line. `path` leads to the groups in the document, `shift` converts its lines to those of the file;
    the values at the paths `without` are left out.
    """
    lines = [(text, shift(line)) for text, line in _Writer(document, without).write("groups", groups, path, 0)]
    return PlainRules("\n".join(text for text, _ in lines) + "\n", tuple(line for _, line in lines))


class _Writer(msgspec.Struct, frozen=True):
    document: YamlDocument
    without: Collection[Path]

    def write(self, key: str, value: Any, path: Path, depth: int) -> Iterator[tuple[str, int]]:
        """Write a key with its value; an entry of a list has a dash instead of a key."""
        begin = "  " * depth + (f"{json.dumps(key, ensure_ascii=False)}:" if key else "-")
        line = self.document.line(path)
        if isinstance(value, dict) and value:
            yield begin, line
            for name, item in value.items():
                at = (*path, name)
                if at not in self.without and name not in _ONLY_OF_THE_OPERATOR:
                    yield from self.write(name, item, at, depth + 1)
        elif isinstance(value, list) and value:
            yield begin, line
            for index, item in enumerate(value):
                yield from self.write("", item, (*path, index), depth + 1)
        else:
            yield f"{begin} {self._scalar(value, path)}", line

    def _scalar(self, value: Any, path: Path) -> str:
        if isinstance(value, str):
            return json.dumps(value, ensure_ascii=False)
        if isinstance(value, dict | list):
            return "{}" if isinstance(value, dict) else "[]"
        return "null" if value is None else self.document.text(path)
