"""Boards of panels, read from the YAML files beside this module."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from importlib import resources

import msgspec

from queries.catalogue.signals import UNDECIDED, DefinitionChoice, Signal, SignalError, UnstatedState, expand
from queries.decoding import convert
from queries.model.dashboard import DASHBOARDS, Dashboard
from queries.model.panel import Aggregation, PanelSpec, Range, Threshold, Unit
from queries.model.series import quote
from queries.yaml_text import loads

DEFAULT_NAMESPACE = "cad-ml-platform"
PROVIDER = 'provider=~"$provider"'
"""How an expression of the catalogue says that it can be narrowed to one provider."""

_UNNARROWED = re.compile(r'\{provider=~"\$provider"\}|,\s*provider=~"\$provider"|provider=~"\$provider",\s*')


class CatalogueError(ValueError):
    """A board that does not fit; the message names file and place."""


class _Entry(msgspec.Struct, forbid_unknown_fields=True):
    id: str
    title: str
    unit: Unit
    fold: Aggregation = Aggregation.MAX
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
    range: tuple[float | None, float | None] | None = None
    """The least and the largest possible value, null for none, where that is other than what the unit allows."""


class _Board(msgspec.Struct, forbid_unknown_fields=True):
    panels: tuple[_Entry | str, ...]
    title: str = ""
    about: str = ""


@cache
def load_board(name: str, *, namespace: str = DEFAULT_NAMESPACE, provider: str = "") -> tuple[PanelSpec, ...]:
    """The panels of one board in their order; `namespace` is the one that the console watches. Raises CatalogueError."""
    return load_dashboard(name, namespace=namespace, provider=provider).panels


def load_dashboard(name: str, *, namespace: str = DEFAULT_NAMESPACE, provider: str = "") -> Dashboard:
    """One board with its title, its panels narrowed to one provider where one is named. Raises CatalogueError."""
    board = _read(name)
    panels = tuple(narrowed(filled(spec, namespace=namespace), provider) for spec in _specs(board, where=f"{name}.yaml"))
    return Dashboard(name, board.title, board.about, panels)


def load_dashboards() -> tuple[Dashboard, ...]:
    """The key dashboards as they are written: with $namespace and $provider."""
    return tuple(
        Dashboard(name, board.title, board.about, _specs(board, where=f"{name}.yaml"))
        for name, board in ((name, _read(name)) for name, _ in DASHBOARDS)
    )


def parse_board(
    text: str, *, where: str, namespace: str = DEFAULT_NAMESPACE, signals: Mapping[str, Signal] | None = None
) -> tuple[PanelSpec, ...]:
    """The panels of a board's text, for all providers. Raises CatalogueError, and YamlError for what is no YAML."""
    specs = _specs(_parse(text, where=where), where=where, signals=signals)
    return tuple(narrowed(filled(spec, namespace=namespace), "") for spec in specs)


def expand_spec(spec: PanelSpec, choice: DefinitionChoice, *, signals: Mapping[str, Signal] | None = None) -> PanelSpec:
    """The panel with the raw expression that the choice makes of it; where it makes none, `absent` says why."""
    if not spec.written:
        return spec  # no signal is in it
    try:
        raw = expand(spec.written, choice, signals=signals, where=f"the panel {spec.id}")
    except UnstatedState as error:
        return replace(spec, raw="", absent=str(error))
    return replace(spec, raw=_narrow(raw, spec.provider))


def expand_query(
    text: str, choice: DefinitionChoice = UNDECIDED, *, signals: Mapping[str, Signal] | None = None, where: str = ""
) -> str:
    """The PromQL of a text with ${signal[5m]}, for all providers. Raises as `expand`."""
    return _narrow(expand(text, choice, signals=signals, where=where), "")


def filled(spec: PanelSpec, *, namespace: str) -> PanelSpec:
    """The panel with a namespace in the place of $namespace."""

    def told(text: str) -> str:
        return text.replace("$namespace", namespace)

    recorded = told(spec.recorded) if spec.recorded is not None else None
    return replace(spec, recorded=recorded, raw=told(spec.raw), written=told(spec.written), absent=told(spec.absent))


def narrowed(spec: PanelSpec, provider: str) -> PanelSpec:
    """The panel for one provider, or for all where it is empty; one that cannot be narrowed says so in its scope.

    A recorded series that does not know providers cannot answer for one of them: then the raw expression does.
    """

    if provider:
        spec = following(spec)
    recorded = _narrow(spec.recorded, provider) if spec.recorded is not None else None
    raw = _narrow(spec.raw, provider)
    if not provider:
        return replace(spec, recorded=recorded, raw=raw)
    if not follows(spec):
        return replace(spec, scope="all providers")
    return replace(spec, recorded=recorded, raw=raw, provider=provider, absent=f"{spec.absent} (provider {provider})")


def _narrow(text: str, provider: str) -> str:
    return text.replace(PROVIDER, f"provider={quote(provider)}") if provider else _UNNARROWED.sub("", text)


def following(spec: PanelSpec) -> PanelSpec:
    """The panel without a recorded expression that, other than the raw one, knows no providers."""
    if spec.recorded is not None and PROVIDER not in spec.recorded and PROVIDER in spec.raw:
        return replace(spec, recorded=None, recorded_names=())
    return spec


def follows(spec: PanelSpec) -> bool:
    """Whether the panel, as it is written, can be narrowed to a provider."""
    return PROVIDER in spec.raw or PROVIDER in (spec.recorded or "")


@cache
def _read(name: str) -> _Board:
    text = resources.files(__package__).joinpath(f"{name}.yaml").read_text(encoding="utf-8")
    return _parse(text, where=f"{name}.yaml")


def _parse(text: str, *, where: str) -> _Board:
    try:
        board = convert(loads(text, where=where), _Board)
    except msgspec.ValidationError as error:
        raise CatalogueError(f"{where}: {error}") from None
    seen: set[str] = set()
    for entry in board.panels:
        name = entry.rpartition("/")[2] if isinstance(entry, str) else entry.id
        if name in seen:
            raise CatalogueError(f"{where}: the panel {name} is there twice")
        if not isinstance(entry, str) and entry.source == "prometheus" and not entry.raw:
            raise CatalogueError(f"{where}: the panel {name} has no raw expression")
        if not isinstance(entry, str) and entry.range:
            try:
                Range.read(entry.range)
            except ValueError as error:
                raise CatalogueError(f"{where}: the panel {name}: {error}") from None
        if not isinstance(entry, str) and (wrong := Threshold(entry.warn, entry.critical).order_error(below=entry.below)):
            from queries.yaml_nodes import load_with_lines  # noqa: PLC0415  # only where something is wrong

            line = load_with_lines(text).line(("panels", board.panels.index(entry), "critical"))
            raise CatalogueError(f"{where}:{line}: the panel {name}: {wrong}")
        seen.add(name)
    return board


def _specs(board: _Board, *, where: str, signals: Mapping[str, Signal] | None = None) -> tuple[PanelSpec, ...]:
    """The panels for any namespace and provider; `BOARD/ID` stands for that board's own panel."""
    return tuple(
        _shared(entry, where=where) if isinstance(entry, str) else _spec(entry, where=where, signals=signals)
        for entry in board.panels
    )


def _shared(name: str, *, where: str) -> PanelSpec:
    board, _, identity = name.partition("/")
    if board not in ("overview", *(known for known, _ in DASHBOARDS)):
        raise CatalogueError(f"{where}: {name}: there is no board {board!r}, expected BOARD/PANEL")
    for entry in _read(board).panels:
        if not isinstance(entry, str) and entry.id == identity:
            return _spec(entry, where=f"{board}.yaml")
    raise CatalogueError(f"{where}: {name}: {board}.yaml has no panel {identity!r} of its own")


def _spec(entry: _Entry, *, where: str, signals: Mapping[str, Signal] | None = None) -> PanelSpec:
    """The panel as it is asked where nothing is decided: every definition of every signal."""
    written = entry.raw.strip()
    try:
        raw = expand(written, UNDECIDED, signals=signals, where=f"{where}: the panel {entry.id}")
    except SignalError as error:
        raise CatalogueError(str(error)) from None
    return PanelSpec(
        id=entry.id,
        title=entry.title,
        unit=entry.unit,
        fold=entry.fold,
        source=entry.source,
        recorded=entry.recorded.strip() if entry.recorded else None,
        recorded_names=entry.recorded_names,
        raw=raw,
        written=written if raw != written else "",
        raw_every_seconds=entry.raw_every_seconds,
        by=entry.by,
        below=entry.below,
        decimals=entry.decimals,
        absent=entry.absent.strip(),
        alerts=entry.alerts,
        runbook=entry.runbook,
        threshold=Threshold(entry.warn, entry.critical),
        range=Range.read(entry.range) if entry.range else None,
    )


ENTRY_KEYS = _Entry.__struct_fields__
"""What an entry of a board may say."""


def read_panel(entry: object, *, where: str, signals: Mapping[str, Signal] | None = None) -> PanelSpec:
    """One entry of a board by itself, as it is written. Raises msgspec.ValidationError, whose message names the key, and
    CatalogueError.
    """
    return _spec(convert(entry, _Entry), where=where, signals=signals)


def read_shared(name: str, *, where: str) -> PanelSpec:
    """A panel of a board of the catalogue, by `BOARD/ID`. Raises CatalogueError."""
    return _shared(name, where=where)
