"""Errors in a team's file: by key and line, with what exists instead."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from queries.model.panel import Unit
from queries.text.suggestions import suggest_spelling
from queries.yaml import NodeError, YamlDocument, format_path, load_with_lines
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


class EntryFiles:
    """Reads files that hold named entries below `key`; an invalid one is a problem and does not affect others.

    `problems` has a sentence with file and line for every error.
    """

    def __init__(self, key: str, expected: str) -> None:
        self._key = key
        self._expected = expected
        self.problems: list[str] = []

    def read(self, path: str, take: Callable[[str, Any, YamlDocument], None]) -> None:
        """Give `take` the name and the value of every entry, with the file's lines. It may raise EntryError."""
        try:
            document = read_document(Path(path), self._key, dict, self._expected)
        except NodeError as error:
            place = f"{path}:{error.line}" if error.line else path
            self.problems.append(f"{place}: {error.key}: {error}" if error.key else f"{place}: {error}")
            return
        for key in document.value:
            if key != self._key:
                self.add(path, document, (key,), f"unknown key, expected {self._key}")
        for name, entry in document.value[self._key].items():
            try:
                take(name, entry, document)
            except EntryError as error:
                self.add(path, document, (self._key, name, *error.part), str(error))

    def add(self, path: str, document: YamlDocument, part: Part, text: str) -> None:
        """A problem of this part of the file."""
        self.problems.append(f"{path}:{document.line(part)}: {format_path(part)}: {text}")


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
