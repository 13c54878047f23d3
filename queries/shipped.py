"""What is computed once on this machine and kept in the user's cache: values of the console's own YAML by the text's hash.

Parsing all of it takes 60 ms of every command. A value depends on its text alone, so it cannot become wrong. A cache file that
is missing, damaged or not the user's own counts as empty; where none can be written, everything is computed each time.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from queries.text.variables import home_folder, read_env
from queries.yaml_document import YamlDocument

CACHE_NAME = "parsed-1.msgpack"
_MOST_BYTES = 8 << 20
_MOST_VALUES = 400
_DIGEST_BYTES = 16
_FILE: msgspec.msgpack.Decoder[dict[bytes, bytes]] = msgspec.msgpack.Decoder(dict[bytes, bytes])


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
    """The file and what comes new into it. Its first bytes are the hash of the rest."""

    def __init__(self) -> None:
        self._values: dict[bytes, bytes] | None = None
        self._new: dict[bytes, bytes] = {}
        self._used: set[bytes] = set()

    def get(self, key: bytes) -> bytes | None:
        if self._values is None:
            self._values = _read(_path())
        self._used.add(key)
        return self._values.get(key) or self._new.get(key)

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
        values = {**_read(path), **self._new}  # another console may have written meanwhile
        if len(values) > _MOST_VALUES:
            values = {key: value for key, value in values.items() if key in self._used}
        self._new.clear()
        content = msgspec.msgpack.encode(values)
        with suppress(OSError):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            number, new = tempfile.mkstemp(prefix=f".{CACHE_NAME}-", dir=path.parent)
            try:
                with os.fdopen(number, "wb") as file:
                    file.write(_digest(content) + content)
                Path(new).replace(path)
            except OSError:
                Path(new).unlink(missing_ok=True)


def _path() -> Path:
    """`$XDG_CACHE_HOME/cad-console/`; a relative XDG_CACHE_HOME is ignored, as the specification requires."""
    given = read_env(os.environ, "XDG_CACHE_HOME")
    base = Path(given) if given.startswith("/") else Path(home_folder(os.environ)) / ".cache"
    return base / "cad-console" / CACHE_NAME


def _read(path: Path) -> dict[bytes, bytes]:
    """The values of the file; none if it is missing, damaged, or can be changed by others."""
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            if status.st_uid != os.getuid() or status.st_mode & 0o022 or status.st_size > _MOST_BYTES:
                return {}
            content = file.read()
        if content[:_DIGEST_BYTES] != _digest(content[_DIGEST_BYTES:]):
            return {}
        return _FILE.decode(content[_DIGEST_BYTES:])
    except (OSError, ValueError, msgspec.MsgspecError):
        return {}


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=_DIGEST_BYTES).digest()


_cache = ResultCache()
