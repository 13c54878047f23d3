"""A team's own boards: files in the format of those beside this module, in which one wrong panel stops no other."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from queries.catalogue.faults import Wrong, explain, read_document
from queries.catalogue.loader import (
    DEFAULT_NAMESPACE,
    ENTRY_KEYS,
    CatalogueError,
    filled,
    load_board,
    narrowed,
    read_panel,
    read_shared,
)
from queries.catalogue.own_signals import read_own_signals
from queries.catalogue.signals import Signal, referenced
from queries.model.dashboard import DASHBOARDS, Dashboard
from queries.model.panel import PanelSpec, Unit
from queries.text.suggestions import instead
from queries.yaml_nodes import NodeError, YamlDocument, dotted

FILE = "file"
"""The source of a panel whose definition is wrong: nobody is asked for it."""
_ID = re.compile(r"[a-z][a-z0-9_]*")
_BOARDS = ("overview", *dict(DASHBOARDS))
_BOARD_KEYS = ("title", "about", "panels")


@dataclass(frozen=True, slots=True)
class OwnBoard:
    """One file. Without a title its panels belong to the overview."""

    name: str
    path: str
    title: str = ""
    about: str = ""
    panels: tuple[PanelSpec, ...] = ()


@dataclass(frozen=True, slots=True)
class OwnBoards:
    """`problems` has a sentence with file and line for everything that is wrong. `unreadable`: of some files it is not known
    which panels they would define."""

    files: tuple[OwnBoard, ...] = ()
    problems: tuple[str, ...] = ()
    unreadable: bool = False

    @property
    def panels(self) -> tuple[PanelSpec, ...]:
        """Every panel that a team defines, each once."""
        return tuple({spec.id: spec for file in self.files for spec in file.panels if spec.place}.values())

    def overview(self, *, namespace: str) -> tuple[PanelSpec, ...]:
        """What comes to the overview behind our panels, the broken ones too."""
        found = {spec.id: spec for file in self.files if not file.title for spec in file.panels}
        return tuple(_ready(spec, namespace, "") for spec in found.values())

    def boards(self) -> tuple[tuple[str, str], ...]:
        """Name and title of every board of its own."""
        return tuple((file.name, file.title) for file in self.files if file.title)

    def dashboard(self, name: str, *, namespace: str, provider: str = "") -> Dashboard | None:
        """One board; what is broken on it is left out, `problems` has it."""
        file = next((item for item in self.files if item.title and item.name == name), None)
        if file is None:
            return None
        panels = tuple(_ready(spec, namespace, provider) for spec in file.panels if not spec.broken)
        return Dashboard(file.name, file.title, file.about, panels)


@lru_cache(maxsize=8)
def read_own_boards(files: tuple[str, ...], signals: tuple[str, ...] = ()) -> OwnBoards:
    """Reads the files in their order, once for a process; `signals` are a team's files of signals. Never raises."""
    reading = _Reading(read_own_signals(signals).signals)
    for path in files:
        reading.file(path)
    return OwnBoards(tuple(reading.done()), tuple(reading.problems), reading.unreadable)


@dataclass(slots=True)
class _Reading:
    signals: Mapping[str, Signal]
    problems: list[str] = field(default_factory=list)
    unreadable: bool = False
    _boards: list[OwnBoard] = field(default_factory=list)
    _shared: list[tuple[int, int, str, str]] = field(default_factory=list)
    """What stands for another board's panel: the file, the place in it, the words, and where they stand."""
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
            self._problem(path, f"{name} is {self._names[name]} already: call the file otherwise")
            self.unreadable = True
            return
        self._names[name] = f"the board of {path}"
        for key in table:
            if key not in _BOARD_KEYS:
                self._problem(f"{path}:{document.line((key,))}", f"{key}: unknown key, {instead(key, _BOARD_KEYS)}")
        panels: list[PanelSpec] = []
        for index, entry in enumerate(table["panels"]):
            if isinstance(entry, str):
                self._shared.append((len(self._boards), len(panels), entry, f"{path}:{document.line(('panels', index))}"))
                panels.append(PanelSpec(entry, entry, Unit.COUNT))
            else:
                panels.append(self._panel(document, index, path))
        title, about = (self._text(document, key, path) for key in ("title", "about"))
        self._boards.append(OwnBoard(name, path, title, about, tuple(panels)))

    def done(self) -> Iterator[OwnBoard]:
        """The boards, with the panels of other boards in the place of their names."""
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
                self._problem(place, f"{str(error).removeprefix(f'{place}: ')}; {instead(words, known)}")
                missing.add((file, at))
        for number, made in enumerate(self._boards):
            whole = (found.get((number, at), spec) for at, spec in enumerate(made.panels) if (number, at) not in missing)
            yield replace(made, panels=tuple(whole))

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
                raise Wrong(("id",), f"{spec.id} is {self._seen[spec.id]} already")
        except Wrong as error:
            line = document.line((*at, *error.part))
            told = self._problem(f"{path}:{line}", f"{dotted((*at, *error.part))}: {error}")
            # In a row of the screen there is no room for the folder, which the notice and the doctor name.
            told = told.removeprefix(f"{Path(path).parent}/")
            title = entry.get("title") if isinstance(entry, dict) else None
            name = entry.get("id") if isinstance(entry, dict) else None
            usable = isinstance(name, str) and _ID.fullmatch(name) and name not in self._seen
            identity = name if isinstance(name, str) and usable else f"{Path(path).stem}_{index}"
            self._seen[identity] = f"the panel of {path}:{line}"
            shown = title if isinstance(title, str) and title else identity
            return PanelSpec(identity, shown, Unit.COUNT, source=FILE, place=f"{Path(path).name}:{line}", broken=told)
        place = f"{Path(path).name}:{document.line(at)}"
        self._seen[spec.id] = f"the panel of {path}:{document.line(at)}"
        return replace(spec, place=place)


def _spec(entry: Any, signals: Mapping[str, Signal]) -> PanelSpec:
    """Raises Wrong."""
    if not isinstance(entry, dict):
        raise Wrong((), "expected a panel, or BOARD/PANEL for one of another board")
    for key in ("raw", "recorded"):
        for name in referenced(str(entry.get(key, ""))):
            if name not in signals:
                raise Wrong((key,), f"no such signal {name!r}, {instead(name, sorted(signals))}")
    try:
        spec = read_panel(entry, where="", signals=signals)
    except msgspec.ValidationError as error:
        raise explain(str(error), entry, {"": ENTRY_KEYS}) from None
    except CatalogueError as error:
        raise Wrong(("raw",), str(error).partition(f"the panel {entry.get('id')}: ")[2]) from None
    except ValueError as error:
        raise Wrong(("range",), str(error)) from None
    for part, told in _faults(spec):
        raise Wrong(part, told)
    return spec


def _faults(spec: PanelSpec) -> Iterator[tuple[tuple[str, ...], str]]:
    """What a board of the catalogue may say, and a file of somebody else's may not."""
    if not _ID.fullmatch(spec.id):
        yield ("id",), "expected small letters, digits and underscores"
    if spec.source != "prometheus":
        yield ("source",), "expected prometheus, or no source at all"
    if not spec.raw:
        yield (), "expected the key 'raw' with its expression"
    for key, value in (("warn", spec.threshold.warn), ("critical", spec.threshold.critical)):
        if value is not None and not math.isfinite(value):
            yield (key,), "expected a finite number"
    if not 0 <= spec.decimals <= 6:
        yield ("decimals",), "expected a number of decimals from 0 to 6"
    if wrong := spec.threshold.order_error(below=spec.below):
        yield ("critical",), wrong


def _ready(spec: PanelSpec, namespace: str, provider: str) -> PanelSpec:
    return narrowed(filled(spec, namespace=namespace), provider)


def _shipped() -> Iterator[PanelSpec]:
    for name in _BOARDS:
        yield from load_board(name, namespace=DEFAULT_NAMESPACE)
