"""What is computed once on this machine and kept in the user's cache: values of the console's own YAML by the text's hash.

Parsing all of it takes 60 ms of every command. A value depends on its text alone, so it cannot become wrong. A cache file that
is missing, damaged or not the user's own counts as empty; where none can be written, everything is computed each time.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from queries.text.variables import home_folder, read_env
from queries.yaml_document import YamlDocument

CACHE_NAME = "parsed-2"
_FORMER_NAME = "parsed-1.msgpack"
"""Removed with the first new value: its values were read all together, however few a command needed."""
_MOST_BYTES = 8 << 20
_MOST_VALUES = 400
_DIGEST_BYTES = 16
_LENGTH_BYTES = 4
_FIRST_BYTES = 16 << 10
"""Read at once: the index of three hundred values."""
_INDEX: msgspec.msgpack.Decoder[dict[bytes, tuple[int, int, bytes]]] = msgspec.msgpack.Decoder(
    dict[bytes, tuple[int, int, bytes]]
)


def load_shipped(path: Path, *, where: str = "") -> Any:
    """The value of one of the console's own YAML files; `where` names it in errors. Raises YamlError."""
    name = where or path.name

    def parse(text: str) -> object:
        from queries.yaml import load_yaml  # noqa: PLC0415  # not while the cache has it

        return load_yaml(text, where=name)

    return parse_shipped(path.read_text(encoding="utf-8"), parse)


def parse_shipped_document(text: str) -> YamlDocument:
    """One of the console's own YAML texts with the lines of its values. Raises NodeError."""
    value, lines = parse_shipped(text, _parse_lines, kind="document")
    return YamlDocument(value, {tuple(path): line for path, line in lines}, {})


def _parse_lines(text: str) -> object:
    from queries.yaml import load_with_lines  # noqa: PLC0415  # as above

    document = load_with_lines(text)
    return [document.value, [[list(path), line] for path, line in document.lines.items()]]


def parse_shipped(text: str, parse: Callable[[str], Any], *, kind: str = "") -> Any:
    """What `parse` returns for a text of the console's own; `kind` tells its parsers apart. Raises what `parse` raises."""
    key = hashlib.blake2b(text.encode(), digest_size=_DIGEST_BYTES, person=kind.encode()[:16]).digest()
    kept = _cache.get(key)
    if kept is not None:
        return msgspec.msgpack.decode(kept)
    value = parse(text)
    _cache.add(key, value)
    return value


def recall(kind: str, facts: str, build: Callable[[], Any]) -> Any:
    """What `build` returned for the same facts before, else what it returns now: lists, texts and numbers only."""
    return parse_shipped(facts, lambda _: build(), kind=kind)


def save_parsed() -> None:
    """Write what was parsed since the start; raises nothing."""
    _cache.save()


class ResultCache:
    """The file and what comes new into it. Of the file only the index is read, and each value when it is asked for."""

    def __init__(self) -> None:
        self._file: _CacheFile | None = None
        self._new: dict[bytes, bytes] = {}
        self._used: set[bytes] = set()

    def get(self, key: bytes) -> bytes | None:
        if self._file is None:
            self._file = _CacheFile(_path())
        self._used.add(key)
        return self._new.get(key) or self._file.get(key)

    def add(self, key: bytes, value: object) -> None:
        try:
            encoded = msgspec.msgpack.encode(value)
            same = msgspec.msgpack.decode(encoded) == value
        except (TypeError, ValueError, OverflowError, RecursionError):
            return
        if same:
            self._new[key] = encoded

    def save(self) -> None:
        if not self._new:
            return
        import tempfile  # noqa: PLC0415  # only where something is new

        path = _path()
        written = _CacheFile(path)  # another console may have written meanwhile
        values = {**written.values(), **self._new}
        written.close()
        if len(values) > _MOST_VALUES:
            values = {key: value for key, value in values.items() if key in self._used}
        self._new.clear()
        with suppress(OSError):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            number, new = tempfile.mkstemp(prefix=f".{CACHE_NAME}-", dir=path.parent)
            try:
                with os.fdopen(number, "wb") as file:
                    file.write(_encode(values))
                Path(new).replace(path)
            except OSError:
                Path(new).unlink(missing_ok=True)
            path.with_name(_FORMER_NAME).unlink(missing_ok=True)


class _CacheFile:
    """A file that is open: the hash of its index, the index' length, the index, the values. It stays as it was opened while
    another console replaces it. A file that is missing, damaged, or can be changed by others has no values.
    """

    def __init__(self, path: Path) -> None:
        self._number = -1
        self._index: dict[bytes, tuple[int, int, bytes]] = {}
        """Where each value begins after the index, its length and its hash."""
        self._start = 0
        with suppress(OSError, ValueError, msgspec.MsgspecError):
            self._number = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            status = os.fstat(self._number)
            if status.st_uid == os.getuid() and not status.st_mode & 0o022 and status.st_size <= _MOST_BYTES:
                self._read_index()

    def _read_index(self) -> None:
        begin = _DIGEST_BYTES + _LENGTH_BYTES
        first = os.pread(self._number, _FIRST_BYTES, 0)
        self._start = begin + int.from_bytes(first[_DIGEST_BYTES:begin], "big")
        if self._start > _FIRST_BYTES:
            first += os.pread(self._number, min(self._start, _MOST_BYTES) - _FIRST_BYTES, _FIRST_BYTES)
        index = first[begin : self._start]
        if first[:_DIGEST_BYTES] == _digest(index):
            self._index = _INDEX.decode(index)

    def get(self, key: bytes) -> bytes | None:
        """None for a value that is missing or damaged."""
        at, length, digest = self._index.get(key, (0, 0, b""))
        try:
            value = os.pread(self._number, length, self._start + at) if length else b""
        except OSError:
            return None
        return value if value and _digest(value) == digest else None

    def values(self) -> dict[bytes, bytes]:
        """All that are not damaged."""
        return {key: value for key in self._index if (value := self.get(key)) is not None}

    def close(self) -> None:
        if self._number >= 0:
            os.close(self._number)
        self._number, self._index = -1, {}


def _encode(values: Mapping[bytes, bytes]) -> bytes:
    """The content of a file with these values."""
    places, at = {}, 0
    for key, value in values.items():
        places[key] = (at, len(value), _digest(value))
        at += len(value)
    index = msgspec.msgpack.encode(places)
    return b"".join((_digest(index), len(index).to_bytes(_LENGTH_BYTES, "big"), index, *values.values()))


def _path() -> Path:
    """`$XDG_CACHE_HOME/cad-console/`; a relative XDG_CACHE_HOME is ignored, as the specification requires."""
    given = read_env(os.environ, "XDG_CACHE_HOME")
    base = Path(given) if given.startswith("/") else Path(home_folder(os.environ)) / ".cache"
    return base / "cad-console" / CACHE_NAME


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=_DIGEST_BYTES).digest()


_cache = ResultCache()
