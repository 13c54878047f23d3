"""A team's own signals: new ones, and definitions that precede the catalogue's; an invalid one does not affect others."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field
from functools import lru_cache
from types import MappingProxyType

import msgspec

from queries.catalogue.faults import EntryError, EntryFiles, explain_error
from queries.catalogue.signals import (
    TABLE_KEYS,
    Signal,
    SignalError,
    expand_signals,
    find_references,
    load_catalogue_signals,
    read_signal,
)
from queries.model.frozen import dataclass
from queries.text.suggestions import suggest_spelling
from queries.yaml import Path as Part
from queries.yaml import YamlDocument

_ID = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True, slots=True)
class OwnSignals:
    """The catalogue's signals with a team's. `names` are the signals that the team defines; `problems` has a sentence with file
    and line for every error."""

    signals: Mapping[str, Signal]
    names: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


@lru_cache(maxsize=8)
def read_own_signals(files: tuple[str, ...]) -> OwnSignals:
    """Read the files in order, cached per process. Never raises for their content."""
    reader = _Reader(dict(load_catalogue_signals()))
    for path in files:
        reader.file(path)
    reader.check()
    return OwnSignals(MappingProxyType(reader.signals), tuple(reader.own), tuple(reader.entries.problems))


@dataclass
class _Reader:
    signals: dict[str, Signal]
    own: dict[str, tuple[str, YamlDocument]] = field(default_factory=dict)
    """The file that defines a signal last, with its lines."""
    entries: EntryFiles = field(default_factory=lambda: EntryFiles("signals", "a mapping of signals by name"))

    def file(self, path: str) -> None:
        def take(name: str, entry: object, document: YamlDocument) -> None:
            self.signals[name] = self._signal(name, entry)
            self.own[name] = (path, document)

        self.entries.read(path, take)

    def check(self) -> None:
        """Remove signals that reference an unknown signal or themselves, and in turn those that reference removed ones."""
        removed = True
        while removed:
            removed = False
            for name in tuple(self.own):
                try:
                    expand_signals(f"${{{name}[5m]}}", signals=self.signals)
                except SignalError as error:
                    path, document = self.own.pop(name)
                    part, text = self._unknown(name) or ((), str(error))
                    self.entries.add(path, document, ("signals", name, *part), text)
                    before = load_catalogue_signals().get(name)
                    if before is None:
                        del self.signals[name]
                    else:
                        self.signals[name] = before
                    removed = True

    def _unknown(self, name: str) -> tuple[Part, str] | None:
        for index, definition in enumerate(self.signals[name].definitions):
            for other in find_references(definition.expression):
                if other not in self.signals:
                    part: Part = ("definitions", index, "expr")
                    return part, f"no such signal {other!r}, {suggest_spelling(other, sorted(self.signals))}"
        return None

    def _signal(self, name: str, entry: object) -> Signal:
        if not _ID.fullmatch(name):
            raise EntryError((), "expected a name of lower-case letters, digits and underscores")
        try:
            return read_signal(name, entry, self.signals, where="")
        except msgspec.ValidationError as error:
            raise explain_error(str(error), entry, TABLE_KEYS) from None
        except SignalError as error:
            raise EntryError((), str(error).removeprefix(": ")) from None
