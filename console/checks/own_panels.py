"""The panels and boards of this console: those that ship with it, and behind them a team's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from console.checks.panels import effective
from console.config.settings import Settings
from queries.catalogue.loader import load_board, load_dashboard
from queries.catalogue.own import OwnBoards, read_own_boards
from queries.catalogue.own_signals import OwnSignals, read_own_signals
from queries.catalogue.signals import Signal
from queries.model.dashboard import DASHBOARDS, Dashboard
from queries.model.panel import PanelSpec
from queries.text.suggestions import instead


class RunbookNames(Protocol):
    """Which runbooks there are."""

    @property
    def ids(self) -> Sequence[str]: ...

    def get(self, name: str) -> object | None: ...


def own_boards(settings: Settings) -> OwnBoards:
    """What the config file's `panels` brought."""
    return read_own_boards(settings.own.panels, settings.own.signals)


def own_signals(settings: Settings) -> OwnSignals:
    """The catalogue's signals with what the config file's `signals` brought."""
    return read_own_signals(settings.own.signals)


def known_signals(settings: Settings) -> Mapping[str, Signal] | None:
    """The catalogue's signals with a team's; None where the team has none of its own."""
    return own_signals(settings).signals if settings.own.signals else None


def overview_panels(settings: Settings) -> tuple[PanelSpec, ...]:
    """The overview's panels in their order: ours, then a team's."""
    ours = load_board("overview", namespace=settings.namespace)
    if not settings.own.panels:
        return ours
    known = {spec.id for spec in ours}
    more = own_boards(settings).overview(namespace=settings.namespace)
    return (*ours, *(spec for spec in more if spec.id not in known))


def board_titles(settings: Settings) -> tuple[tuple[str, str], ...]:
    """Name and title of every dashboard."""
    return (*DASHBOARDS, *own_boards(settings).boards()) if settings.own.panels else DASHBOARDS


def open_board(settings: Settings, name: str, *, namespace: str, provider: str = "") -> Dashboard:
    """One dashboard by its name. Raises CatalogueError and KeyError."""
    own = own_boards(settings).dashboard(name, namespace=namespace, provider=provider) if settings.own.panels else None
    return own or load_dashboard(name, namespace=namespace, provider=provider)


def board_panels(settings: Settings) -> tuple[PanelSpec, ...]:
    """The panels that stand on a team's own boards alone, with the thresholds of the config file: what they show is asked
    for only while somebody looks, or a checklist wants it."""
    if not settings.own.panels:
        return ()
    shown = {spec.id for spec in overview_panels(settings)}
    own = own_boards(settings)
    boards = [own.dashboard(name, namespace=settings.namespace) for name, _ in own.boards()]
    found = {spec.id: spec for board in boards if board for spec in board.panels if spec.id not in shown}
    return tuple(replace(spec, threshold=effective(spec, settings.threshold(spec.id))) for spec in found.values())


def panel_problems(settings: Settings, runbooks: RunbookNames) -> tuple[str, ...]:
    """A sentence with file and line for everything that is wrong with a team's signals and panels; the others live.
    Where there are no runbooks at all, none is missed.
    """
    found = list(own_signals(settings).problems) if settings.own.signals else []
    if not settings.own.panels:
        return tuple(found)
    own = own_boards(settings)
    found += own.problems
    for spec in own.panels:
        if spec.runbook and runbooks.ids and runbooks.get(spec.runbook) is None:
            found.append(
                f"{spec.place}: panel {spec.id}: no such runbook {spec.runbook!r}, {instead(spec.runbook, runbooks.ids)}"
            )
    return tuple(found)
