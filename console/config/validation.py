"""Checks a YAML document against kinds of values; `schema.py` has those of the config file, with their descriptions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

from queries.model.frozen import dataclass
from queries.yaml_document import Path, YamlDocument, format_path


class SchemaError(ValueError):
    """One value that does not fit the schema; `line` counts from 1."""

    def __init__(self, expected: str, *, key: str, line: int) -> None:
        super().__init__(expected)
        self.expected = expected
        self.key = key
        self.line = line


@dataclass(frozen=True, slots=True)
class Scalar:
    """A value without parts: what errors and the reference call it, and the test for it."""

    expected: str
    fits: Callable[[Any], bool]


@dataclass(frozen=True, slots=True)
class Fields:
    """A mapping with known keys."""

    keys: Mapping[str, Kind | Key]
    required: tuple[str, ...] = ()

    def settings(self) -> Iterator[tuple[str, Key]]:
        """The keys that fill a field of `Settings` by themselves."""
        for name, key in self.keys.items():
            if isinstance(key, Key) and key.setting:
                yield name, key


@dataclass(frozen=True, slots=True)
class MapOf:
    """A mapping whose keys are names: any text, or one of `names`."""

    each: Kind | Key
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list; if its items can be mappings, a single mapping is accepted as a list of one."""

    each: Kind

    @property
    def takes_mapping(self) -> bool:
        """Whether a single item is accepted without the list."""
        return isinstance(self.each, Fields) or (isinstance(self.each, OneOf) and isinstance(self.each.long, Fields))


@dataclass(frozen=True, slots=True)
class OneOf:
    """A scalar, or a mapping or list with more detail."""

    short: Scalar
    long: Fields | ListOf


Kind: TypeAlias = Scalar | Fields | MapOf | ListOf | OneOf


@dataclass(frozen=True, slots=True)
class Key:
    """A kind with its description, which the generated reference prints.

    `setting` is the field of `Settings` that the key's value fills, through `convert` where there is one; empty where the
    loader combines the value with something else. `convert` raises InvalidSetting for a value that cannot be used.
    """

    kind: Kind
    description: str
    setting: str = ""
    convert: Callable[[Any], Any] | None = None


def unwrap_kind(entry: Kind | Key) -> Kind:
    """The kind without its description."""
    return entry.kind if isinstance(entry, Key) else entry


def is_number(value: Any) -> bool:
    """Whether this is a finite number, and not a Boolean."""
    # Not math.isfinite: it overflows on an integer of four hundred digits.
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300


TEXT = Scalar("text", lambda value: isinstance(value, str) and value != "")
FLAG = Scalar("true or false", lambda value: isinstance(value, bool))
NUMBER = Scalar("a number", is_number)


_TYPE_NAMES: Mapping[type, str] = {
    dict: "a mapping", list: "a list", str: "text", bool: "true or false", type(None): "nothing"
}  # fmt: skip


def check_document(document: YamlDocument, kind: Kind) -> None:
    """Raises SchemaError for the first value that does not fit; an empty document fits."""
    for error in find_errors(document, kind):
        raise error


def find_errors(document: YamlDocument, kind: Kind) -> Iterator[SchemaError]:
    """Every invalid value, in document order; nothing for an empty document."""
    if document.value is not None:
        yield from _check(document, document.value, kind, ())


def _check(document: YamlDocument, value: Any, entry: Kind | Key, path: Path) -> Iterator[SchemaError]:
    match unwrap_kind(entry):
        case Scalar() as kind:
            if not kind.fits(value):
                yield _mismatch(document, kind.expected, value, path)
        case Fields() as kind:
            yield from _check_mapping(document, value, kind.keys, path)
            yield from _find_missing(document, value, kind, path)
        case MapOf() as kind:
            yield from _check_mapping(document, value, dict.fromkeys(kind.names, kind.each), path, other=kind.each)
        case ListOf() as kind if kind.takes_mapping and isinstance(value, dict):
            yield from _check(document, value, kind.each, path)
        case ListOf() as kind:
            if not isinstance(value, list):
                yield _mismatch(document, "a list", value, path)
                return
            for index, item in enumerate(value):
                yield from _check(document, item, kind.each, (*path, index))
        case OneOf() as kind:
            mapping = isinstance(kind.long, Fields) or kind.long.takes_mapping
            if (isinstance(value, dict) and mapping) or (isinstance(value, list) and isinstance(kind.long, ListOf)):
                yield from _check(document, value, kind.long, path)
            elif not kind.short.fits(value):
                alternative = "a mapping" if isinstance(kind.long, Fields) else "a list of them"
                yield _mismatch(document, f"{kind.short.expected} or {alternative}", value, path)


def _check_mapping(
    document: YamlDocument, value: Any, known: Mapping[str, Kind | Key], path: Path, *, other: Kind | Key | None = None
) -> Iterator[SchemaError]:
    """Checks each value by the kind of its key; without known keys, every key is of the kind `other`."""
    if not isinstance(value, dict):
        yield _mismatch(document, "a mapping", value, path)
        return
    for key in value:
        entry = known.get(key) if known else other
        if entry is not None:
            yield from _check(document, value[key], entry, (*path, key))
            continue
        import difflib  # noqa: PLC0415  # only after a mistake

        near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"expected one of {', '.join(known)}"
        line = document.line((*path, key))
        yield SchemaError(f"unknown key, {hint}", key=format_path((*path, key)), line=line)


def _find_missing(document: YamlDocument, value: Any, kind: Fields, path: Path) -> Iterator[SchemaError]:
    for key in kind.required:
        if isinstance(value, dict) and key not in value:
            yield SchemaError(f"expected the key {key!r} here", key=format_path(path), line=document.line(path))


def _mismatch(document: YamlDocument, expected: str, value: Any, path: Path) -> SchemaError:
    # Only the type is named: the value may be a password on the wrong line.
    number = "a number" if is_number(value) else "a number out of range"
    actual = _TYPE_NAMES.get(type(value), number if isinstance(value, int | float) else f"a {type(value).__name__}")
    difference = "" if actual == expected or expected.startswith(actual) else f", found {actual}"
    return SchemaError(f"expected {expected}{difference}", key=format_path(path), line=document.line(path))
