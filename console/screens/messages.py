"""What a screen requests of the application; one class for each request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.message import Message

if TYPE_CHECKING:
    from console.actions.plan import Request
    from queries.model.alert import TrackedAlert
    from queries.model.silence import Silence


@dataclass
class RenderRequested(Message):
    """A screen came into view and has to be drawn."""


@dataclass
class ActionRequested(Message):
    """Run an action through its stages; the flow asks for required parameters that are missing."""

    request: Request


@dataclass
class AcknowledgeRequested(Message):
    """Acknowledge an alert, or release it."""

    fingerprint: str


@dataclass
class CopyRequested(Message):
    """Copy a text to where a person can paste it; `label` says what it is."""

    text: str
    label: str


# Opening a screen


@dataclass
class OpenRequested(Message):
    """The base of the requests that open a screen; `Navigation` handles them all."""


@dataclass
class OpenPanelRequested(OpenRequested):
    panel_id: str


@dataclass
class OpenDashboardPanelRequested(OpenRequested):
    panel_id: str


@dataclass
class OpenAlertRequested(OpenRequested):
    fingerprint: str


@dataclass
class OpenRunbookRequested(OpenRequested):
    """`fingerprint` is the alert for which the runbook is opened; empty for none."""

    runbook_id: str
    fingerprint: str = ""


@dataclass
class OpenIncidentRequested(OpenRequested):
    incident_id: str


@dataclass
class OpenLogsRequested(OpenRequested):
    pod: str


@dataclass
class OpenExploreRequested(OpenRequested):
    query: str = ""


@dataclass
class OpenHandoverRequested(OpenRequested):
    pass


@dataclass
class OpenScreenRequested(OpenRequested):
    """Go to a screen of the registry, by its name."""

    name: str


# Silences


@dataclass
class SilenceRequested(Message):
    """The base of the requests that open the silence form."""


@dataclass
class NewSilenceRequested(SilenceRequested):
    matchers: str = ""


@dataclass
class SilenceAlertRequested(SilenceRequested):
    alert: TrackedAlert


@dataclass
class EditSilenceRequested(SilenceRequested):
    silence: Silence


# Incidents


@dataclass
class DeclareIncidentRequested(Message):
    """Declare an incident, from this alert if there is one."""

    fingerprint: str = ""


@dataclass
class IncidentRequested(Message):
    """The base of the requests that change an incident or report about it."""

    incident_id: str


@dataclass
class AddNoteRequested(IncidentRequested):
    text: str


@dataclass
class CompleteStepRequested(IncidentRequested):
    """Mark a step as done, or as not done."""


@dataclass
class AssignRoleRequested(IncidentRequested):
    pass


@dataclass
class ChangeSeverityRequested(IncidentRequested):
    pass


@dataclass
class WriteUpdateRequested(IncidentRequested):
    pass


@dataclass
class DeliverUpdateRequested(IncidentRequested):
    """Send the last update, or send it again."""


@dataclass
class MarkUpdateSentRequested(IncidentRequested):
    """Record that a person published the last update."""


@dataclass
class ShowChangesRequested(IncidentRequested):
    """Show what changed in the hour before the first alert."""


@dataclass
class WriteReviewRequested(IncidentRequested):
    pass


@dataclass
class CloseIncidentRequested(IncidentRequested):
    """Close the incident, or reopen it."""
