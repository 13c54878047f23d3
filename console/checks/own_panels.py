"""The panels and boards of this console: those that ship with it, then a team's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from console.checks.panels import effective_threshold
from console.config.settings import Settings
from queries.model.dashboard import DASHBOARDS, Dashboard
from queries.model.panel import PanelSpec
from queries.text.suggestions import suggest_spelling

if TYPE_CHECKING:
    from queries.catalogue.own import OwnBoards
    from queries.catalogue.own_signals import OwnSignals
    from queries.catalogue.signals import Signal

# Boards and a team's own files are read by modules that are imported only where somebody asks for them.


class RunbookNames(Protocol):
    """The ids of the existing runbooks."""

    @property
    def ids(self) -> Sequence[str]: ...

    def get(self, name: str) -> object | None: ...


def load_own_boards(settings: Settings) -> OwnBoards:
    """The panels and boards of the config file's `panels`."""
    from queries.catalogue.own import read_own_boards

    return read_own_boards(settings.own.panels, settings.own.signals)


def load_own_signals(settings: Settings) -> OwnSignals:
    """The catalogue's signals with those of the config file's `signals`."""
    from queries.catalogue.own_signals import read_own_signals

    return read_own_signals(settings.own.signals)


def load_configured_signals(settings: Settings) -> Mapping[str, Signal] | None:
    """The catalogue's signals with a team's; None if the team has none of its own."""
    return load_own_signals(settings).signals if settings.own.signals else None


def load_overview(settings: Settings) -> tuple[PanelSpec, ...]:
    """The overview's panels in their order: ours, then a team's."""
    from queries.catalogue.loader import load_board

    ours = load_board("overview", namespace=settings.namespace)
    if not settings.own.panels:
        return ours
    known = {spec.id for spec in ours}
    own = load_own_boards(settings).overview(namespace=settings.namespace)
    return (*ours, *(spec for spec in own if spec.id not in known))


def list_boards(settings: Settings) -> tuple[tuple[str, str], ...]:
    """Name and title of every dashboard."""
    return (*DASHBOARDS, *load_own_boards(settings).boards()) if settings.own.panels else DASHBOARDS


def open_board(settings: Settings, name: str, *, namespace: str, provider: str = "") -> Dashboard:
    """One dashboard by name. Raises CatalogueError and KeyError."""
    from queries.catalogue.loader import load_dashboard

    own = load_own_boards(settings).dashboard(name, namespace=namespace, provider=provider) if settings.own.panels else None
    return own or load_dashboard(name, namespace=namespace, provider=provider)


def list_board_panels(settings: Settings) -> dict[str, tuple[str, str]]:
    """Board and title of every panel that only dashboards have, by its id; the first board of several that have it."""
    shown = {spec.id for spec in load_overview(settings)}
    found: dict[str, tuple[str, str]] = {}
    for name, _ in list_boards(settings):
        for spec in open_board(settings, name, namespace=settings.namespace).panels:
            if spec.id not in shown:
                found.setdefault(spec.id, (name, spec.title))
    return found


def find_board_panel(settings: Settings, name: str) -> PanelSpec | None:
    """The first panel of a dashboard with this id or title in lower case, with the thresholds of the config file."""
    for board, _ in list_boards(settings):
        for spec in open_board(settings, board, namespace=settings.namespace).panels:
            if name in (spec.id.casefold(), spec.title.casefold()):
                return replace(spec, threshold=effective_threshold(spec, settings.threshold(spec.id)))
    return None


def load_board_panels(settings: Settings) -> tuple[PanelSpec, ...]:
    """The panels that are only on a team's own boards, with the thresholds of the config file.

    They are polled only while visible, or for a checklist.
    """
    if not settings.own.panels:
        return ()
    shown = {spec.id for spec in load_overview(settings)}
    own = load_own_boards(settings)
    boards = [own.dashboard(name, namespace=settings.namespace) for name, _ in own.boards()]
    hidden = {spec.id: spec for board in boards if board for spec in board.panels if spec.id not in shown}
    return tuple(replace(spec, threshold=effective_threshold(spec, settings.threshold(spec.id))) for spec in hidden.values())


def find_problems(settings: Settings, runbooks: RunbookNames) -> tuple[str, ...]:
    """A sentence with file and line for every error in a team's signals, calls, drills and panels; the valid ones are used.

    Without any runbooks, none is reported as missing.
    """
    problems = list(load_own_signals(settings).problems) if settings.own.signals else []
    if settings.own.admin_calls:
        from queries.platform.admin_calls import read_admin_calls

        problems += read_admin_calls(settings.own.admin_calls).problems
    if settings.own.drills:
        from queries.catalogue.drills import read_drills

        problems += read_drills(settings.own.drills).problems
    if not settings.own.panels:
        return tuple(problems)
    own = load_own_boards(settings)
    problems += own.problems
    for spec in own.panels:
        if spec.runbook and runbooks.ids and runbooks.get(spec.runbook) is None:
            hint = suggest_spelling(spec.runbook, runbooks.ids)
            problems.append(f"{spec.place}: panel {spec.id}: no such runbook {spec.runbook!r}, {hint}")
    return tuple(problems)
