"""Which screen stands behind which name; each is imported when it is first wanted."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from console.screens.base import ConsoleScreen

_CLASSES = {
    "overview": ("overview", "OverviewScreen"),
    "alerts": ("alerts", "AlertsScreen"),
    "workloads": ("workloads", "WorkloadsScreen"),
    "silences": ("silences", "SilencesScreen"),
    "runbooks": ("runbooks", "RunbooksScreen"),
    "journal": ("journal", "JournalScreen"),
    "sources": ("sources", "SourcesScreen"),
    "checklist": ("checklist", "ChecklistScreen"),
    "incident": ("incidents", "IncidentsScreen"),
    "dashboards": ("dashboards", "DashboardsScreen"),
    "platform": ("platform", "PlatformScreen"),
}


def _maker(module: str, name: str) -> Callable[[], ConsoleScreen]:
    def make() -> ConsoleScreen:
        screen: ConsoleScreen = getattr(import_module(f"console.screens.{module}"), name)()
        return screen

    return make


MODES: dict[str, Callable[[], ConsoleScreen]] = {name: _maker(*where) for name, where in _CLASSES.items()}


def preload() -> None:
    """Import every screen and what a key can open from it; may be called in a thread."""
    from queries.offload import TURN  # noqa: PLC0415  # not before the first frame

    for module in (*(module for module, _ in _CLASSES.values()), "flows.actions"):
        with TURN:
            import_module(f"console.screens.{module}")
