"""Errors in a team's file: by key and line, with what exists instead."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from queries.model.panel import Unit
from queries.text.suggestions import suggest_spelling
from queries.yaml import NodeError, YamlDocument, load_with_lines
from queries.yaml import Path as Part

_LIMIT_BYTES = 1 << 20
_PLACE = re.compile(r" - at `\$\.?([^`]*)`")
_UNKNOWN = re.compile(r"unknown field `([^`]*)`")
_MISSING = re.compile(r"missing required field `([^`]*)`")
_ONE_OF: Mapping[str, Iterable[str]] = {"unit": Unit, "fold": ("max", "min", "sum")}


class EntryError(ValueError):
    """An invalid entry; `part` is the wrong key in it, the message states what exists instead."""

    def __init__(self, part: Part, message: str) -> None:
        super().__init__(message)
        self.part = part


def read_document(path: Path, key: str, kind: type, expected: str) -> YamlDocument:
    """Read a file that is a mapping in which `key` holds a `kind`, a list or a mapping. Raises NodeError."""
    try:
        if path.stat().st_size > _LIMIT_BYTES:
            raise NodeError(f"larger than 1 MiB, expected {expected}")
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise NodeError("expected text in UTF-8") from None
    except OSError as error:
        raise NodeError(f"cannot be read: {error.strerror}") from None
    document = load_with_lines(text)
    if not isinstance(document.value, dict) or not isinstance(document.value.get(key), kind):
        line = document.line((key,)) if document.value else 1
        raise NodeError(f"expected `{key}`, {expected}", line=line)
    return document


def explain_error(message: str, entry: Any, keys: Mapping[str, tuple[str, ...]]) -> EntryError:
    """Translate msgspec's message to the words of a config file. `keys` are the fields of each mapping, by its key."""
    place = _PLACE.search(message)
    part: Part = tuple(int(word) if word.isdigit() else word for word in re.findall(r"[^.\[\]]+", place[1])) if place else ()
    text = _PLACE.sub("", message)
    table = next((str(word) for word in reversed(part) if isinstance(word, str)), "")
    if unknown := _UNKNOWN.search(text):
        return EntryError((*part, unknown[1]), f"unknown key, {suggest_spelling(unknown[1], keys[table])}")
    if missing := _MISSING.search(text):
        return EntryError(part, f"expected the key {missing[1]!r} here")
    if table in _ONE_OF and len(part) == 1:
        value = str(entry.get(table))
        return EntryError(part, f"no such {table} {value!r}, {suggest_spelling(value, _ONE_OF[table])}")
    return EntryError(part, text[:1].lower() + text[1:])
