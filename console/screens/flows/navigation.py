"""Opens screens, help and the command line."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from console.screens import messages
from console.screens.alert_detail import AlertDetailScreen
from console.screens.base import ConsoleScreen
from console.screens.command_line import CommandLine
from console.screens.commands import run_command
from console.screens.completion import Completion
from console.screens.dashboards import DashboardPanelScreen
from console.screens.document import DescriptionScreen, YamlScreen
from console.screens.explore import ExploreScreen
from console.screens.handover import HandoverScreen
from console.screens.help import HelpScreen
from console.screens.incident import IncidentScreen
from console.screens.log_file import LogFileScreen
from console.screens.log_patterns import LogPatternsScreen
from console.screens.logs import LogsScreen
from console.screens.nodes import NodesScreen
from console.screens.panel_detail import PanelDetailScreen
from console.screens.presence import PresenceScreen
from console.screens.registry import MODES
from console.screens.revision_diff import RevisionDiffScreen
from console.screens.runbook import RunbookScreen
from console.screens.services import ServicesScreen
from console.screens.workload import WorkloadScreen
from queries.text.suggestions import nearest_names

if TYPE_CHECKING:
    from console.screens.app import ConsoleApp


class Navigation:
    """A detail opens on top of the current screen; escape returns there."""

    def __init__(self, app: ConsoleApp) -> None:
        self.app = app

    def open(self, request: messages.OpenRequested) -> None:
        if isinstance(request, messages.OpenScreenRequested):
            if request.name in MODES:
                self.app.go(request.name)
                if request.filtering:
                    self.app.call_later(self._filter)
            else:
                self.app.show_notice(f"there is no screen {request.name}", warning=True)
        elif isinstance(request, messages.OpenHandoverRequested):
            self._open_once(HandoverScreen, request)
        elif isinstance(request, messages.OpenPresenceRequested):
            self._open_once(PresenceScreen, request)
        elif isinstance(request, messages.OpenPanelRequested) and self._lacks(request.panel_id):
            name = f"looking for the panel {request.panel_id}"
            self.app.run_worker(partial(self._open_board_panel, request.panel_id), name, "panel", exclusive=True)
        else:
            self._push(_DETAILS[type(request)](request), request)

    def _lacks(self, panel_id: str) -> bool:
        """Whether the panel is not polled all the time: only a dashboard may have it."""
        return self.app.session is not None and all(spec.id != panel_id for spec in self.app.session.specs)

    async def _open_board_panel(self, panel_id: str) -> None:
        if self.app.session is None:
            return
        found = await self.app.session.dashboards.read_panels()
        if panel_id in found:
            self.open(messages.OpenDashboardPanelRequested(panel_id, found[panel_id][0]))
            return
        known = [*(spec.id for spec in self.app.session.specs), *found]
        near = nearest_names(panel_id, known, most=1)
        hint = f", did you mean {near[0]}?" if near else ""
        self.app.show_notice(f"there is no panel {panel_id}{hint}", warning=True)

    async def _filter(self) -> None:
        await self.app.screen.run_action("filter")

    def _open_once(self, screen: type[ConsoleScreen], request: messages.OpenRequested) -> None:
        if not isinstance(self.app.screen, screen):
            self._push(screen(), request)

    def _push(self, screen: ConsoleScreen, request: messages.OpenRequested) -> None:
        screen.opened_by = request
        self.app.push_screen(screen)

    def show_help(self) -> None:
        if isinstance(self.app.screen, ConsoleScreen) and not isinstance(self.app.screen, HelpScreen):
            self.app.push_screen(HelpScreen(self.app.screen))

    def show_command_line(self) -> None:
        if isinstance(self.app.screen, ConsoleScreen):
            completion = Completion(self.app.context, self.app.history.texts, dict(self.app.settings.aliases))
            self.app.push_screen(CommandLine(completion), self._run_typed)

    def _run_typed(self, text: str | None) -> None:
        if text and run_command(self.app, text):
            self.app.history.add(text)
            self.app.post_message(messages.ChoicesChanged())


_DETAILS: dict[type[messages.OpenRequested], Callable[[Any], ConsoleScreen]] = {
    messages.OpenPanelRequested: lambda request: PanelDetailScreen(request.panel_id),
    messages.OpenDashboardPanelRequested: lambda request: DashboardPanelScreen(request.panel_id, request.board),
    messages.OpenAlertRequested: lambda request: AlertDetailScreen(request.fingerprint),
    messages.OpenRunbookRequested: lambda request: RunbookScreen(request.runbook_id, fingerprint=request.fingerprint),
    messages.OpenIncidentRequested: lambda request: IncidentScreen(request.incident_id),
    messages.OpenLogsRequested: lambda request: LogsScreen(request.target, previous=request.previous, at=request.at),
    messages.OpenLogFileRequested: lambda request: LogFileScreen(request.path),
    messages.OpenLogPatternsRequested: lambda request: LogPatternsScreen(request.target, request.moment),
    messages.OpenWorkloadRequested: lambda request: WorkloadScreen(request.target),
    messages.OpenYamlRequested: lambda request: YamlScreen(request.target),
    messages.OpenDescriptionRequested: lambda request: DescriptionScreen(request.target),
    messages.OpenRevisionDiffRequested: RevisionDiffScreen,
    messages.OpenNodesRequested: lambda _: NodesScreen(),
    messages.OpenServicesRequested: lambda _: ServicesScreen(),
    messages.OpenExploreRequested: lambda request: ExploreScreen(request.query),
}
"""The screen that each request opens."""
