"""The requests of screens to the application; one class for each request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.message import Message

from queries.model.frozen import dataclass

if TYPE_CHECKING:
    from console.actions.plan import Request
    from queries.model.alert import TrackedAlert
    from queries.model.object_page import TemplateRevision
    from queries.model.silence import Silence


class RenderRequested(Message):
    """A screen came into view and has to be drawn; several that wait are one."""

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, RenderRequested)


class ChoicesChanged(Message):
    """A person chose something that outlasts the console: how charts open, a command, a view."""


@dataclass
class ActionRequested(Message):
    """Run an action through its stages; the flow asks for required parameters that are missing."""

    request: Request


@dataclass
class BatchRequested(Message):
    """Run the same action on several targets, with one preview."""

    requests: tuple[Request, ...]


@dataclass
class AcknowledgeRequested(Message):
    """Acknowledge an alert, or release it."""

    fingerprint: str


@dataclass
class HandOverRequested(Message):
    """Hand an alert to somebody, or back to who had it before."""

    fingerprint: str


@dataclass
class CopyRequested(Message):
    """Copy a text to where a person can paste it; `label` says what it is."""

    text: str
    label: str


class ChooseViewRequested(Message):
    """List the saved views of lists."""


# Opening a screen


class OpenRequested(Message):
    """The base of the requests that open a screen; `Navigation` handles them all."""


@dataclass
class OpenPanelRequested(OpenRequested):
    panel_id: str


@dataclass
class OpenDashboardPanelRequested(OpenRequested):
    """`board` is the dashboard that has the panel; empty for the last one that was visible."""

    panel_id: str
    board: str = ""


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
    """`target` is a pod's name, a workload (`deployment/NAME`) for the logs of all its pods, or a query of Loki's.

    `at`, Unix seconds, is the time to show, which only Loki can; None for the end of the log.
    """

    target: str
    previous: bool = False
    at: float | None = None


@dataclass
class OpenLogFileRequested(OpenRequested):
    """A file of log lines on this machine."""

    path: str


@dataclass
class OpenLogPatternsRequested(OpenRequested):
    """What is new in the log of a target after a moment, Unix seconds."""

    target: str
    moment: float


@dataclass
class OpenObjectRequested(OpenRequested):
    """The base of the requests that show one Kubernetes object; `target` is `KIND/NAME`."""

    target: str


class OpenWorkloadRequested(OpenObjectRequested):
    """The page of `deployment/NAME`, `statefulset/NAME` or `daemonset/NAME`."""


class OpenYamlRequested(OpenObjectRequested):
    """The YAML of any object that `queries.kubernetes.object_reader` reads: `pod/NAME`."""


class OpenDescriptionRequested(OpenObjectRequested):
    """The description of a workload, a pod or a node."""


@dataclass
class OpenRevisionDiffRequested(OpenObjectRequested):
    """The differences of two revisions of `target`, by name, out of all of them."""

    revisions: tuple[TemplateRevision, ...]
    before: str
    after: str


class OpenNodesRequested(OpenRequested):
    pass


class OpenServicesRequested(OpenRequested):
    """Show the services outside the cluster."""


@dataclass
class OpenExploreRequested(OpenRequested):
    query: str = ""


class OpenHandoverRequested(OpenRequested):
    pass


class OpenPresenceRequested(OpenRequested):
    """Show who else is on."""


@dataclass
class OpenScreenRequested(OpenRequested):
    """Go to a screen of the registry, by its name; with `filtering` to the field of its filter."""

    name: str
    filtering: bool = False


# Drills


@dataclass
class DrillRequested(Message):
    """Run a drill of the catalogue, by its name; the flow asks for its target."""

    name: str


class StopDrillRequested(Message):
    """Roll back the fault of the running drill."""


@dataclass
class OpenDrillReportRequested(Message):
    """Show the report of a drill that ended, by its number."""

    number: int


# Silences


class SilenceRequested(Message):
    """The base of the requests that open the silence form."""


@dataclass
class NewSilenceRequested(SilenceRequested):
    matchers: str = ""


@dataclass
class SilenceAlertRequested(SilenceRequested):
    alert: TrackedAlert


@dataclass
class SilenceAlertsRequested(SilenceRequested):
    """A silence for each of these alerts."""

    alerts: tuple[TrackedAlert, ...]


@dataclass
class EditSilenceRequested(SilenceRequested):
    silence: Silence


# Incidents


@dataclass
class DeclareIncidentRequested(Message):
    """Declare an incident, from this alert if there is one; `alert` is it as it was last listed, also if it is resolved."""

    fingerprint: str = ""
    alert: TrackedAlert | None = None


@dataclass
class IncidentRequested(Message):
    """The base of the requests that change an incident or report about it."""

    incident_id: str


@dataclass
class AddNoteRequested(IncidentRequested):
    text: str


class CompleteStepRequested(IncidentRequested):
    """Mark a step as done, or as not done."""


class AssignRoleRequested(IncidentRequested):
    pass


class ChangeSeverityRequested(IncidentRequested):
    pass


class WriteUpdateRequested(IncidentRequested):
    pass


class DeliverUpdateRequested(IncidentRequested):
    """Send the last update, or send it again."""


class MarkUpdateSentRequested(IncidentRequested):
    """Record that a person published the last update."""


class ShowChangesRequested(IncidentRequested):
    """Show what changed in the hour before the first alert."""


class FollowUpRequested(IncidentRequested):
    """Add something to do after the incident, or mark it as done."""


class WriteReviewRequested(IncidentRequested):
    pass


class WriteBundleRequested(IncidentRequested):
    """Write everything about it into one file."""


class CloseIncidentRequested(IncidentRequested):
    """Close the incident, or reopen it."""
