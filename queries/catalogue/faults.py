"""What is wrong with a team's file: by key and line, and with what exists instead."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from queries.model.panel import Unit
from queries.text.suggestions import instead
from queries.yaml_nodes import NodeError, YamlDocument, load_with_lines
from queries.yaml_nodes import Path as Part

_LIMIT_BYTES = 1 << 20
_PLACE = re.compile(r" - at `\$\.?([^`]*)`")
_UNKNOWN = re.compile(r"unknown field `([^`]*)`")
_MISSING = re.compile(r"missing required field `([^`]*)`")
_ONE_OF: Mapping[str, Iterable[str]] = {"unit": Unit, "fold": ("max", "min", "sum")}


class Wrong(ValueError):
    """`part` is the key that is wrong, within the entry at hand; the message says what exists instead."""

    def __init__(self, part: Part, message: str) -> None:
        super().__init__(message)
        self.part = part


def read_document(path: Path, key: str, kind: type, words: str) -> YamlDocument:
    """A file that is a mapping, in which `key` holds a list or a mapping. Raises NodeError."""
    try:
        if path.stat().st_size > _LIMIT_BYTES:
            raise NodeError(f"larger than 1 MiB, expected {words}")
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise NodeError("expected text in UTF-8") from None
    except OSError as error:
        raise NodeError(f"cannot be read: {error.strerror}") from None
    document = load_with_lines(text)
    if not isinstance(document.value, dict) or not isinstance(document.value.get(key), kind):
        line = document.line((key,)) if document.value else 1
        raise NodeError(f"expected `{key}`, {words}", line=line)
    return document


def explain(message: str, entry: Any, keys: Mapping[str, tuple[str, ...]]) -> Wrong:
    """msgspec's message in the words of a config file. `keys` are the fields of each table, by the key that holds it."""
    place = _PLACE.search(message)
    part: Part = tuple(int(word) if word.isdigit() else word for word in re.findall(r"[^.\[\]]+", place[1])) if place else ()
    told = _PLACE.sub("", message)
    table = next((str(word) for word in reversed(part) if isinstance(word, str)), "")
    if unknown := _UNKNOWN.search(told):
        return Wrong((*part, unknown[1]), f"unknown key, {instead(unknown[1], keys[table])}")
    if missing := _MISSING.search(told):
        return Wrong(part, f"expected the key {missing[1]!r} here")
    if table in _ONE_OF and len(part) == 1:
        value = str(entry.get(table))
        return Wrong(part, f"no such {table} {value!r}, {instead(value, _ONE_OF[table])}")
    return Wrong(part, told[:1].lower() + told[1:])
