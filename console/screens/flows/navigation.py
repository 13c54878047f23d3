"""Opens screens, help and the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from console.screens import messages
from console.screens.alert_detail import AlertDetailScreen
from console.screens.base import ConsoleScreen
from console.screens.command_line import CommandLine
from console.screens.commands import list_entries, run_command
from console.screens.dashboards import DashboardPanelScreen
from console.screens.explore import ExploreScreen
from console.screens.handover import HandoverScreen
from console.screens.help import HelpScreen
from console.screens.incident import IncidentScreen
from console.screens.logs import LogsScreen
from console.screens.panel_detail import PanelDetailScreen
from console.screens.registry import MODES
from console.screens.runbook import RunbookScreen

if TYPE_CHECKING:
    from console.screens.app import ConsoleApp


class Navigation:
    """A detail opens on top of the current screen; escape returns there."""

    def __init__(self, app: ConsoleApp) -> None:
        self.app = app

    def open(self, request: messages.OpenRequested) -> None:
        match request:
            case messages.OpenScreenRequested(name):
                if name in MODES:
                    self.app.go(name)
                else:
                    self.app.show_notice(f"there is no screen {name}", warning=True)
            case messages.OpenPanelRequested(panel_id):
                self.app.push_screen(PanelDetailScreen(panel_id))
            case messages.OpenDashboardPanelRequested(panel_id):
                self.app.push_screen(DashboardPanelScreen(panel_id))
            case messages.OpenAlertRequested(fingerprint):
                self.app.push_screen(AlertDetailScreen(fingerprint))
            case messages.OpenRunbookRequested(runbook_id, fingerprint):
                self.app.push_screen(RunbookScreen(runbook_id, fingerprint=fingerprint))
            case messages.OpenIncidentRequested(incident_id):
                self.app.push_screen(IncidentScreen(incident_id))
            case messages.OpenLogsRequested(pod):
                self.app.push_screen(LogsScreen(pod))
            case messages.OpenExploreRequested(query):
                self.app.push_screen(ExploreScreen(query))
            case messages.OpenHandoverRequested():
                self.app.push_screen(HandoverScreen())
            case _:
                raise TypeError(f"no screen for {type(request).__name__}")

    def show_help(self) -> None:
        if isinstance(self.app.screen, ConsoleScreen) and not isinstance(self.app.screen, HelpScreen):
            self.app.push_screen(HelpScreen(self.app.screen))

    def show_command_line(self) -> None:
        if isinstance(self.app.screen, ConsoleScreen):
            self.app.push_screen(
                CommandLine(list_entries(self.app)), lambda text: run_command(self.app, text) if text else None
            )
