"""Boards of panels, read from the YAML files beside this module."""

from __future__ import annotations

from functools import cache
from importlib import resources

import msgspec

from queries.model.panel import Fold, PanelSpec, Threshold, Unit
from queries.yaml_text import loads

DEFAULT_NAMESPACE = "cad-ml-platform"


class CatalogueError(ValueError):
    """A board that does not fit; the message names file and place."""


class _Entry(msgspec.Struct, forbid_unknown_fields=True):
    id: str
    title: str
    unit: Unit
    fold: Fold = Fold.MAX
    source: str = "prometheus"
    recorded: str | None = None
    recorded_names: tuple[str, ...] = ()
    raw: str = ""
    raw_every_seconds: float = 0.0
    by: str = ""
    below: bool = False
    decimals: int = 2
    warn: float | None = None
    critical: float | None = None
    absent: str = ""
    alerts: tuple[str, ...] = ()
    runbook: str = ""


class _Board(msgspec.Struct, forbid_unknown_fields=True):
    panels: tuple[_Entry, ...]


@cache
def load_board(name: str, *, namespace: str = DEFAULT_NAMESPACE) -> tuple[PanelSpec, ...]:
    """The panels of one board in their order; `namespace` is the one that the console watches. Raises CatalogueError."""
    file = resources.files(__package__).joinpath(f"{name}.yaml")
    return parse_board(file.read_text(encoding="utf-8"), where=f"{name}.yaml", namespace=namespace)


def parse_board(text: str, *, where: str, namespace: str = DEFAULT_NAMESPACE) -> tuple[PanelSpec, ...]:
    """The panels of a board's text. Raises CatalogueError, and YamlError for what is no YAML."""
    try:
        board = msgspec.convert(loads(text, where=where), _Board)
    except msgspec.ValidationError as error:
        raise CatalogueError(f"{where}: {error}") from None
    seen: set[str] = set()
    for entry in board.panels:
        if entry.id in seen:
            raise CatalogueError(f"{where}: the panel {entry.id} is there twice")
        if entry.source == "prometheus" and not entry.raw:
            raise CatalogueError(f"{where}: the panel {entry.id} has no raw expression")
        seen.add(entry.id)
    return tuple(_spec(entry, namespace) for entry in board.panels)


def _spec(entry: _Entry, namespace: str) -> PanelSpec:
    def filled(text: str) -> str:
        return text.replace("$namespace", namespace).strip()

    return PanelSpec(
        id=entry.id,
        title=entry.title,
        unit=entry.unit,
        fold=entry.fold,
        source=entry.source,
        recorded=filled(entry.recorded) if entry.recorded else None,
        recorded_names=entry.recorded_names,
        raw=filled(entry.raw),
        raw_every_seconds=entry.raw_every_seconds,
        by=entry.by,
        below=entry.below,
        decimals=entry.decimals,
        absent=filled(entry.absent),
        alerts=entry.alerts,
        runbook=entry.runbook,
        threshold=Threshold(entry.warn, entry.critical),
    )
