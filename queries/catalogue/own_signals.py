"""A team's own signals: new ones, and definitions that stand before the catalogue's; one that is wrong stops no other."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

import msgspec

from queries.catalogue.faults import Wrong, explain, read_document
from queries.catalogue.signals import TABLE_KEYS, Signal, SignalError, expand, load_signals, read_signal, referenced
from queries.text.suggestions import instead
from queries.yaml_nodes import NodeError, YamlDocument, dotted
from queries.yaml_nodes import Path as Part

_ID = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True, slots=True)
class OwnSignals:
    """The catalogue's signals with a team's. `names` are those that the team has a say in; `problems` has a sentence with
    file and line for everything that is wrong."""

    signals: Mapping[str, Signal]
    names: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


@lru_cache(maxsize=8)
def read_own_signals(files: tuple[str, ...]) -> OwnSignals:
    """Reads the files in their order, once for a process. Never raises for what is in them."""
    reading = _Reading(dict(load_signals()))
    for path in files:
        reading.file(path)
    reading.check()
    return OwnSignals(MappingProxyType(reading.found), tuple(reading.own), tuple(reading.problems))


@dataclass(slots=True)
class _Reading:
    found: dict[str, Signal]
    own: dict[str, tuple[str, YamlDocument]] = field(default_factory=dict)
    """Which file has the last word on a signal, and its lines."""
    problems: list[str] = field(default_factory=list)

    def file(self, path: str) -> None:
        try:
            document = read_document(Path(path), "signals", dict, "a mapping of signals by name")
        except NodeError as error:
            place = f"{path}:{error.line}" if error.line else path
            self.problems.append(f"{place}: {error.key}: {error}" if error.key else f"{place}: {error}")
            return
        for key in document.value:
            if key != "signals":
                self._problem(path, document, (key,), "unknown key, expected signals")
        for name, entry in document.value["signals"].items():
            try:
                self.found[name] = self._signal(name, entry)
                self.own[name] = (path, document)
            except Wrong as error:
                self._problem(path, document, ("signals", name, *error.part), str(error))

    def check(self) -> None:
        """Leave out what names a signal that does not exist, or is made of itself; and what is made of that, in turn."""
        left = True
        while left:
            left = False
            for name in tuple(self.own):
                try:
                    expand(f"${{{name}[5m]}}", signals=self.found)
                except SignalError as error:
                    path, document = self.own.pop(name)
                    part, told = self._unknown(name) or ((), str(error))
                    self._problem(path, document, ("signals", name, *part), told)
                    before = load_signals().get(name)
                    if before is None:
                        del self.found[name]
                    else:
                        self.found[name] = before
                    left = True

    def _unknown(self, name: str) -> tuple[Part, str] | None:
        for index, definition in enumerate(self.found[name].definitions):
            for other in referenced(definition.expression):
                if other not in self.found:
                    part: Part = ("definitions", index, "expr")
                    return part, f"no such signal {other!r}, {instead(other, sorted(self.found))}"
        return None

    def _signal(self, name: str, entry: object) -> Signal:
        if not _ID.fullmatch(name):
            raise Wrong((), "expected a name of small letters, digits and underscores")
        try:
            return read_signal(name, entry, self.found, where="")
        except msgspec.ValidationError as error:
            raise explain(str(error), entry, TABLE_KEYS) from None
        except SignalError as error:
            raise Wrong((), str(error).removeprefix(": ")) from None

    def _problem(self, path: str, document: YamlDocument, part: Part, text: str) -> None:
        self.problems.append(f"{path}:{document.line(part)}: {dotted(part)}: {text}")
