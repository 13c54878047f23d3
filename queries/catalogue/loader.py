"""Boards of panels, from the YAML files beside this module."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path

import msgspec

from queries.catalogue.heat_maps import load_heat_maps
from queries.catalogue.signals import UNDECIDED, DefinitionChoice, Signal, SignalError, UnstatedState, expand_signals
from queries.decoding import convert
from queries.model.dashboard import DASHBOARDS, Dashboard
from queries.model.later import lazy_pattern
from queries.model.panel import Aggregation, PanelSpec, Range, Threshold, Unit
from queries.model.series import quote
from queries.shipped import load_shipped
from queries.text.suggestions import suggest_spelling

DEFAULT_NAMESPACE = "cad-ml-platform"
PROVIDER = 'provider=~"$provider"'
"""The matcher by which an expression of the catalogue can be limited to one provider."""

_NO_PROVIDER = lazy_pattern(r'\{provider=~"\$provider"\}|,\s*provider=~"\$provider"|provider=~"\$provider",\s*')


class CatalogueError(ValueError):
    """An invalid board; the message names file and place."""


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
    """The lower and upper end of the possible values, null for none, if different from the unit's."""
    heat_map: str = ""
    """The name of one of heat_maps.yaml; empty for none."""


class _Board(msgspec.Struct, forbid_unknown_fields=True):
    panels: tuple[_Entry | str, ...]
    title: str = ""
    about: str = ""


@cache
def load_board(name: str, *, namespace: str = DEFAULT_NAMESPACE, provider: str = "") -> tuple[PanelSpec, ...]:
    """The panels of one board in order; `namespace` is the one that the console watches. Raises CatalogueError."""
    return load_dashboard(name, namespace=namespace, provider=provider).panels


def load_dashboard(name: str, *, namespace: str = DEFAULT_NAMESPACE, provider: str = "") -> Dashboard:
    """One board with its title; `provider` limits its panels, empty for all. Raises CatalogueError."""
    board = _read(name)
    panels = tuple(
        limit_to_provider(fill_namespace(spec, namespace=namespace), provider) for spec in _specs(board, where=f"{name}.yaml")
    )
    return Dashboard(name, board.title, board.about, panels)


def load_dashboards() -> tuple[Dashboard, ...]:
    """The key dashboards as written, with $namespace and $provider."""
    return tuple(
        Dashboard(name, board.title, board.about, _specs(board, where=f"{name}.yaml"))
        for name, board in ((name, _read(name)) for name, _ in DASHBOARDS)
    )


def parse_board(
    text: str, *, where: str, namespace: str = DEFAULT_NAMESPACE, signals: Mapping[str, Signal] | None = None
) -> tuple[PanelSpec, ...]:
    """The panels of a board's text, for all providers. Raises CatalogueError, and YamlError for text that is not YAML."""
    specs = _specs(_parse(text, where=where), where=where, signals=signals)
    return tuple(limit_to_provider(fill_namespace(spec, namespace=namespace), "") for spec in specs)


def expand_spec(spec: PanelSpec, choice: DefinitionChoice, *, signals: Mapping[str, Signal] | None = None) -> PanelSpec:
    """The panel with its raw expression expanded by the choice; if that fails, `no_data_reason` explains it."""
    if not spec.template:
        return spec  # it references no signal
    try:
        raw = expand_signals(spec.template, choice, signals=signals, where=f"the panel {spec.id}")
    except UnstatedState as error:
        return replace(spec, raw="", no_data_reason=str(error))
    return replace(spec, raw=_limit(raw, spec.provider))


def expand_query(
    text: str, choice: DefinitionChoice = UNDECIDED, *, signals: Mapping[str, Signal] | None = None, where: str = ""
) -> str:
    """Expand ${signal[5m]} in a text to PromQL, for all providers. Raises as `expand_signals`."""
    return _limit(expand_signals(text, choice, signals=signals, where=where), "")


def fill_namespace(spec: PanelSpec, *, namespace: str) -> PanelSpec:
    """The panel with $namespace replaced."""

    def fill(text: str) -> str:
        return text.replace("$namespace", namespace)

    recorded = fill(spec.recorded) if spec.recorded is not None else None
    return replace(
        spec, recorded=recorded, raw=fill(spec.raw), template=fill(spec.template), no_data_reason=fill(spec.no_data_reason)
    )


def limit_to_provider(spec: PanelSpec, provider: str) -> PanelSpec:
    """The panel for one provider, empty for all; a panel that cannot be limited states that in its scope.

    A recorded series without the label cannot be limited either: then the raw expression is used.
    """
    if provider:
        spec = drop_unlimited_record(spec)
    recorded = _limit(spec.recorded, provider) if spec.recorded is not None else None
    raw = _limit(spec.raw, provider)
    if not provider:
        return replace(spec, recorded=recorded, raw=raw)
    if not has_provider(spec):
        return replace(spec, scope="all providers")
    return replace(
        spec, recorded=recorded, raw=raw, provider=provider, no_data_reason=f"{spec.no_data_reason} (provider {provider})"
    )


def _limit(text: str, provider: str) -> str:
    return text.replace(PROVIDER, f"provider={quote(provider)}") if provider else _NO_PROVIDER.sub("", text)


def drop_unlimited_record(spec: PanelSpec) -> PanelSpec:
    """The panel without its recorded expression if only the raw one can be limited to a provider."""
    if spec.recorded is not None and PROVIDER not in spec.recorded and PROVIDER in spec.raw:
        return replace(spec, recorded=None, recorded_names=())
    return spec


def has_provider(spec: PanelSpec) -> bool:
    """Whether the panel, as written, can be limited to a provider."""
    return PROVIDER in spec.raw or PROVIDER in (spec.recorded or "")


@cache
def _read(name: str) -> _Board:
    path = Path(__file__).with_name(f"{name}.yaml")
    return _check(load_shipped(path), path.read_text(encoding="utf-8"), where=path.name)


def _parse(text: str, *, where: str) -> _Board:
    from queries.yaml import load_yaml  # noqa: PLC0415  # only for a team's own

    return _check(load_yaml(text, where=where), text, where=where)


def _check(value: object, text: str, *, where: str) -> _Board:
    try:
        board = convert(value, _Board)
    except msgspec.ValidationError as error:
        raise CatalogueError(f"{where}: {error}") from None
    seen: set[str] = set()
    for entry in board.panels:
        name = entry.rpartition("/")[2] if isinstance(entry, str) else entry.id
        if name in seen:
            raise CatalogueError(f"{where}: duplicate panel {name}")
        if not isinstance(entry, str) and entry.source != "kubernetes" and not entry.raw:
            raise CatalogueError(f"{where}: the panel {name} has no raw expression")
        if not isinstance(entry, str) and entry.range:
            try:
                Range.read(entry.range)
            except ValueError as error:
                raise CatalogueError(f"{where}: the panel {name}: {error}") from None
        if not isinstance(entry, str) and (
            problem := Threshold(entry.warn, entry.critical).order_error(lower_is_worse=entry.below)
        ):
            from queries.yaml import load_with_lines  # noqa: PLC0415  # only for an error

            line = load_with_lines(text).line(("panels", board.panels.index(entry), "critical"))
            raise CatalogueError(f"{where}:{line}: the panel {name}: {problem}")
        seen.add(name)
    return board


def _specs(board: _Board, *, where: str, signals: Mapping[str, Signal] | None = None) -> tuple[PanelSpec, ...]:
    """The panels for any namespace and provider; `BOARD/ID` refers to that board's panel."""
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
    """The panel before any choice: with every definition of every signal."""
    written = raw = entry.raw.strip()
    try:
        if entry.source == "prometheus":
            raw = expand_signals(written, UNDECIDED, signals=signals, where=f"{where}: the panel {entry.id}")
    except SignalError as error:
        raise CatalogueError(str(error)) from None
    heat_maps = load_heat_maps() if entry.heat_map else {}
    if entry.heat_map and entry.heat_map not in heat_maps:
        raise CatalogueError(f"{where}: the panel {entry.id}: heat_map: {suggest_spelling(entry.heat_map, heat_maps)}")
    return PanelSpec(
        id=entry.id,
        title=entry.title,
        unit=entry.unit,
        aggregation=entry.fold,
        source=entry.source,
        recorded=entry.recorded.strip() if entry.recorded else None,
        recorded_names=entry.recorded_names,
        raw=raw,
        template=written if raw != written else "",
        raw_every_seconds=entry.raw_every_seconds,
        group_by=entry.by,
        lower_is_worse=entry.below,
        decimals=entry.decimals,
        no_data_reason=entry.absent.strip(),
        alerts=entry.alerts,
        runbook=entry.runbook,
        threshold=Threshold(entry.warn, entry.critical),
        range=Range.read(entry.range) if entry.range else None,
        heat_map=heat_maps.get(entry.heat_map),
    )


ENTRY_KEYS = _Entry.__struct_fields__
"""The keys of an entry of a board."""


def read_panel(entry: object, *, where: str, signals: Mapping[str, Signal] | None = None) -> PanelSpec:
    """Read one entry of a board. Raises msgspec.ValidationError, whose message names the key, and CatalogueError."""
    return _spec(convert(entry, _Entry), where=where, signals=signals)


def read_shared(name: str, *, where: str) -> PanelSpec:
    """A panel of the catalogue by `BOARD/ID`. Raises CatalogueError."""
    return _shared(name, where=where)
