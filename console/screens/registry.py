"""The one table of screens: name, key, title and class. Keys, commands and the application derive from it."""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from console.screens.base import ConsoleScreen


class ScreenInfo(NamedTuple):
    """A screen that a key opens; `create` imports its module on first use."""

    name: str
    key: str
    title: str
    description: str
    module: str
    class_name: str

    def create(self) -> ConsoleScreen:
        screen: ConsoleScreen = getattr(import_module(f"console.screens.{self.module}"), self.class_name)()
        return screen


SCREENS = (
    ScreenInfo("overview", "1", "Overview", "what is wrong, since when, what changed", "overview", "OverviewScreen"),
    ScreenInfo("alerts", "2", "Alerts", "every alert, filtered and sorted", "alerts", "AlertsScreen"),
    ScreenInfo("workloads", "3", "Workloads", "every workload, its pods and revisions", "workloads", "WorkloadsScreen"),
    ScreenInfo("silences", "4", "Silences", "who silenced what, until when", "silences", "SilencesScreen"),
    ScreenInfo("runbooks", "5", "Runbooks", "what to do, by name", "runbooks", "RunbooksScreen"),
    ScreenInfo("journal", "6", "Journal", "what was done, and how it ended", "journal", "JournalScreen"),
    ScreenInfo("sources", "7", "Sources", "the state of each source, and what to try", "sources", "SourcesScreen"),
    ScreenInfo("checklist", "8", "Checklists", "what is due, open and past runs", "checklist", "ChecklistScreen"),
    ScreenInfo("incident", "9", "Incidents", "open incidents, their timers and timeline", "incidents", "IncidentsScreen"),
    ScreenInfo(
        "dashboards", "0", "Dashboards", "the five key dashboards, by provider and time range", "dashboards", "DashboardsScreen"
    ),
    ScreenInfo(
        "platform", "f2", "Platform", "the platform's own status: readiness, services, breakers, models", "platform",
        "PlatformScreen",
    ),
)  # fmt: skip

_PAUSE_SECONDS = 0.02
MODES: dict[str, Callable[[], ConsoleScreen]] = {screen.name: screen.create for screen in SCREENS}


def preload() -> None:
    """Import every screen and everything a key can open from one; may be called in a thread."""
    from queries.concurrency import CPU_LOCK  # noqa: PLC0415  # not before the first frame

    screens = (f"console.screens.{name}" for name in (*(screen.module for screen in SCREENS), "flows.flows"))
    for module in (*screens, "widgets.plot", "uuid"):
        with CPU_LOCK:
            import_module(module)
        # A lock is not handed on in turn: without a pause the first values would wait for all of these.
        time.sleep(_PAUSE_SECONDS)
