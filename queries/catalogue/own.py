"""A team's own boards: files in the format of ours, in which an invalid panel does not affect others."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from queries.catalogue.faults import EntryError, explain_error, read_document
from queries.catalogue.loader import (
    DEFAULT_NAMESPACE,
    ENTRY_KEYS,
    CatalogueError,
    fill_namespace,
    limit_to_provider,
    load_board,
    read_panel,
    read_shared,
)
from queries.catalogue.own_signals import read_own_signals
from queries.catalogue.signals import Signal, find_references
from queries.model.dashboard import DASHBOARDS, Dashboard
from queries.model.frozen import dataclass
from queries.model.panel import PanelSpec, Unit
from queries.text.suggestions import suggest_spelling
from queries.yaml import NodeError, YamlDocument, format_path

FILE = "file"
"""The source of a panel with an invalid definition, which is never queried."""
_ID = re.compile(r"[a-z][a-z0-9_]*")
_BOARDS = ("overview", *dict(DASHBOARDS))
_BOARD_KEYS = ("title", "about", "panels")
_SOURCES = ("prometheus", "loki")


@dataclass(frozen=True, slots=True)
class OwnBoard:
    """One file; without a title its panels belong to the overview."""

    name: str
    path: str
    title: str = ""
    about: str = ""
    panels: tuple[PanelSpec, ...] = ()


@dataclass(frozen=True, slots=True)
class OwnBoards:
    """A team's boards; `problems` has a sentence with file and line for every error. `unreadable`: the panels of some files
    are unknown."""

    files: tuple[OwnBoard, ...] = ()
    problems: tuple[str, ...] = ()
    unreadable: bool = False

    @property
    def panels(self) -> tuple[PanelSpec, ...]:
        """Every panel that the team defines, each once."""
        return tuple({spec.id: spec for file in self.files for spec in file.panels if spec.place}.values())

    def overview(self, *, namespace: str) -> tuple[PanelSpec, ...]:
        """The panels for the overview after ours, including invalid ones."""
        specs = {spec.id: spec for file in self.files if not file.title for spec in file.panels}
        return tuple(_prepare(spec, namespace, "") for spec in specs.values())

    def boards(self) -> tuple[tuple[str, str], ...]:
        """Name and title of every board with a title."""
        return tuple((file.name, file.title) for file in self.files if file.title)

    def dashboard(self, name: str, *, namespace: str, provider: str = "") -> Dashboard | None:
        """One board without its invalid panels, which are in `problems`."""
        file = next((item for item in self.files if item.title and item.name == name), None)
        if file is None:
            return None
        panels = tuple(_prepare(spec, namespace, provider) for spec in file.panels if not spec.broken)
        return Dashboard(file.name, file.title, file.about, panels)


@lru_cache(maxsize=8)
def read_own_boards(files: tuple[str, ...], signals: tuple[str, ...] = ()) -> OwnBoards:
    """Read the files in order, cached per process; `signals` are a team's files of signals. Never raises."""
    reader = _Reader(read_own_signals(signals).signals)
    for path in files:
        reader.file(path)
    return OwnBoards(tuple(reader.resolve_shared()), tuple(reader.problems), reader.unreadable)


@dataclass
class _Reader:
    signals: Mapping[str, Signal]
    problems: list[str] = field(default_factory=list)
    unreadable: bool = False
    _boards: list[OwnBoard] = field(default_factory=list)
    _shared: list[tuple[int, int, str, str]] = field(default_factory=list)
    """References to panels of other boards: file index, panel index, reference, and file with line."""
    _seen: dict[str, str] = field(default_factory=lambda: {spec.id: "a panel of the console" for spec in _shipped()})
    _names: dict[str, str] = field(default_factory=lambda: dict.fromkeys(_BOARDS, "a board of the console"))

    def file(self, path: str) -> None:
        try:
            document = read_document(Path(path), "panels", list, "a list of panels")
        except NodeError as error:
            place = f"{path}:{error.line}" if error.line else path
            self._problem(place, f"{error.key}: {error}" if error.key else str(error))
            self.unreadable = True
            return
        table, name = document.value, Path(path).stem
        if name in self._names:
            self._problem(path, f"{name} is {self._names[name]} already: rename the file")
            self.unreadable = True
            return
        self._names[name] = f"the board of {path}"
        for key in table:
            if key not in _BOARD_KEYS:
                self._problem(f"{path}:{document.line((key,))}", f"{key}: unknown key, {suggest_spelling(key, _BOARD_KEYS)}")
        panels: list[PanelSpec] = []
        for index, entry in enumerate(table["panels"]):
            if isinstance(entry, str):
                self._shared.append((len(self._boards), len(panels), entry, f"{path}:{document.line(('panels', index))}"))
                panels.append(PanelSpec(entry, entry, Unit.COUNT))
            else:
                panels.append(self._panel(document, index, path))
        title, about = (self._text(document, key, path) for key in ("title", "about"))
        self._boards.append(OwnBoard(name, path, title, about, tuple(panels)))

    def resolve_shared(self) -> Iterator[OwnBoard]:
        """The boards with references to panels of other boards resolved."""
        own = {(board.name, spec.id): spec for board in self._boards for spec in board.panels if spec.place}
        missing: set[tuple[int, int]] = set()
        found: dict[tuple[int, int], PanelSpec] = {}
        for file, at, words, place in self._shared:
            board, _, identity = words.partition("/")
            spec = own.get((board, identity))
            try:
                found[file, at] = spec or read_shared(words, where=place)
            except CatalogueError as error:
                known = [f"{name}/{panel}" for name, panel in own] + [f"overview/{item.id}" for item in load_board("overview")]
                self._problem(place, f"{str(error).removeprefix(f'{place}: ')}; {suggest_spelling(words, known)}")
                missing.add((file, at))
        for number, own_board in enumerate(self._boards):
            whole = (found.get((number, at), spec) for at, spec in enumerate(own_board.panels) if (number, at) not in missing)
            yield replace(own_board, panels=tuple(whole))

    def _problem(self, place: str, text: str) -> str:
        sentence = f"{place}: {text}"
        self.problems.append(sentence)
        return sentence

    def _text(self, document: YamlDocument, key: str, path: str) -> str:
        value = document.value.get(key, "")
        if isinstance(value, str):
            return value.strip()
        self._problem(f"{path}:{document.line((key,))}", f"{key}: expected text")
        return ""

    def _panel(self, document: YamlDocument, index: int, path: str) -> PanelSpec:
        entry = document.value["panels"][index]
        at = ("panels", index)
        try:
            spec = _spec(entry, self.signals)
            if spec.id in self._seen:
                raise EntryError(("id",), f"{spec.id} is {self._seen[spec.id]} already")
        except EntryError as error:
            line = document.line((*at, *error.part))
            text = self._problem(f"{path}:{line}", f"{format_path((*at, *error.part))}: {error}")
            # A row of the screen has no room for the folder, which the notice and `doctor` show.
            text = text.removeprefix(f"{Path(path).parent}/")
            title = entry.get("title") if isinstance(entry, dict) else None
            name = entry.get("id") if isinstance(entry, dict) else None
            usable = isinstance(name, str) and _ID.fullmatch(name) and name not in self._seen
            identity = name if isinstance(name, str) and usable else f"{Path(path).stem}_{index}"
            self._seen[identity] = f"the panel of {path}:{line}"
            shown = title if isinstance(title, str) and title else identity
            return PanelSpec(identity, shown, Unit.COUNT, source=FILE, place=f"{Path(path).name}:{line}", broken=text)
        place = f"{Path(path).name}:{document.line(at)}"
        self._seen[spec.id] = f"the panel of {path}:{document.line(at)}"
        return replace(spec, place=place)


def _spec(entry: Any, signals: Mapping[str, Signal]) -> PanelSpec:
    """Raises EntryError."""
    if not isinstance(entry, dict):
        raise EntryError((), "expected a panel, or BOARD/PANEL for a panel of another board")
    for key in ("raw", "recorded"):
        for name in find_references(str(entry.get(key, ""))):
            if entry.get("source") == "loki":
                raise EntryError((key,), "expected LogQL: a signal is PromQL")
            if name not in signals:
                raise EntryError((key,), f"no such signal {name!r}, {suggest_spelling(name, sorted(signals))}")
    try:
        spec = read_panel(entry, where="", signals=signals)
    except msgspec.ValidationError as error:
        raise explain_error(str(error), entry, {"": ENTRY_KEYS}) from None
    except CatalogueError as error:
        raise EntryError(("raw",), str(error).partition(f"the panel {entry.get('id')}: ")[2]) from None
    except ValueError as error:
        raise EntryError(("range",), str(error)) from None
    for part, text in _find_errors(spec):
        raise EntryError(part, text)
    return spec


def _find_errors(spec: PanelSpec) -> Iterator[tuple[tuple[str, ...], str]]:
    """Errors of a team's panel, beyond the checks for the catalogue."""
    if not _ID.fullmatch(spec.id):
        yield ("id",), "expected lower-case letters, digits and underscores"
    if spec.source not in _SOURCES:
        yield ("source",), f"expected one of {', '.join(_SOURCES)}, or no source"
    if spec.source == "loki":
        for key, given in (("recorded", spec.recorded), ("heat_map", spec.heat_map)):
            if given:
                yield (key,), "expected no such key with source: loki"
    if not spec.raw:
        yield (), "expected the key 'raw' with its expression"
    for key, value in (("warn", spec.threshold.warn), ("critical", spec.threshold.critical)):
        if value is not None and not math.isfinite(value):
            yield (key,), "expected a finite number"
    if not 0 <= spec.decimals <= 6:
        yield ("decimals",), "expected a number of decimals from 0 to 6"
    if problem := spec.threshold.order_error(lower_is_worse=spec.lower_is_worse):
        yield ("critical",), problem


def _prepare(spec: PanelSpec, namespace: str, provider: str) -> PanelSpec:
    return limit_to_provider(fill_namespace(spec, namespace=namespace), provider)


def _shipped() -> Iterator[PanelSpec]:
    for name in _BOARDS:
        yield from load_board(name, namespace=DEFAULT_NAMESPACE)
