"""The flows of one application; imported after the first frame, with every detail screen and dialog."""

from __future__ import annotations

from typing import TYPE_CHECKING

from console.screens.flows.acknowledge import AcknowledgeFlow
from console.screens.flows.actions import ActionFlow
from console.screens.flows.clipboard import ClipboardFlow
from console.screens.flows.incident import IncidentFlow
from console.screens.flows.navigation import Navigation
from console.screens.flows.silence import SilenceFlow

if TYPE_CHECKING:
    from console.screens.app import ConsoleApp
    from console.state.snapshot import Snapshot


class Flows:
    """Handles what screens request."""

    def __init__(self, app: ConsoleApp) -> None:
        self.navigation = Navigation(app)
        self.actions = ActionFlow(app)
        self.silences = SilenceFlow(app)
        self.acknowledgements = AcknowledgeFlow(app)
        self.incidents = IncidentFlow(app)
        self.clipboard = ClipboardFlow(app)

    def watch(self, before: Snapshot | None, after: Snapshot) -> None:
        """Report what another console did: took over an alert or a role, or left an action without an outcome."""
        if before is not None:
            self.acknowledgements.report_takeovers(before, after)
            self.incidents.report_takeovers(before, after)
        self.actions.report_unfinished_elsewhere(after)
