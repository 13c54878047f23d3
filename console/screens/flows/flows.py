"""The flows of one application; imported after the first frame, with every detail screen and dialog."""

from __future__ import annotations

from typing import TYPE_CHECKING

from console.screens.flows.acknowledge import AcknowledgeFlow
from console.screens.flows.actions import ActionFlow
from console.screens.flows.batch import BatchFlow
from console.screens.flows.clipboard import ClipboardFlow
from console.screens.flows.drills import DrillFlow
from console.screens.flows.incident import IncidentFlow
from console.screens.flows.navigation import Navigation
from console.screens.flows.news import NewsFlow
from console.screens.flows.notifications import NotificationFlow
from console.screens.flows.past import PastFlow
from console.screens.flows.place import PlaceFlow
from console.screens.flows.silence import SilenceFlow
from console.screens.flows.views import ViewFlow

if TYPE_CHECKING:
    from console.screens.app import ConsoleApp
    from console.state.snapshot import Snapshot


class Flows:
    """Handles what screens request."""

    def __init__(self, app: ConsoleApp) -> None:
        self.navigation = Navigation(app)
        self.actions = ActionFlow(app)
        self.batches = BatchFlow(app)
        self.drills = DrillFlow(app)
        self.silences = SilenceFlow(app)
        self.views = ViewFlow(app)
        self.acknowledgements = AcknowledgeFlow(app)
        self.incidents = IncidentFlow(app)
        self.clipboard = ClipboardFlow(app)
        self.place = PlaceFlow(app)
        self.news = NewsFlow(app)
        self.notifications = NotificationFlow(app)
        self.past = PastFlow(app)

    def watch(self, before: Snapshot | None, after: Snapshot) -> None:
        """Report what another console did: took over an alert or a role, or left an action without an outcome."""
        if before is not None:
            self.acknowledgements.report_takeovers(before, after)
            self.incidents.report_takeovers(before, after)
            self.incidents.report_deadlines(before, after)
        self.actions.report_unfinished_elsewhere(after)
        self.actions.watch_previews(after)
        self.actions.take_over_guards(after)
        self.drills.close_abandoned(after)
        self.news.report(after)
        self.notifications.watch(after)
