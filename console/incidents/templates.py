"""Update texts for the public and for the team, filled from live data: the files in `templates/`, or a team's own."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from string import Template
from types import MappingProxyType

from console.incidents.observations import find_linked
from console.incidents.response_timers import update_due_at
from console.incidents.severity_policy import SeverityPolicy
from console.journal.payloads import LinkedAlert, Role, Source
from console.state.incident import Incident
from console.state.public_status import PublicStatus, public_status
from console.state.snapshot import ALERTMANAGER, Snapshot
from queries.model.alert import AlertState
from queries.model.frozen import dataclass
from queries.model.series import label
from queries.model.text import visible
from queries.model.verdict import Verdict
from queries.text.durations import format_span
from queries.text.numbers import format_figure
from queries.text.times import format_time

STATUS_PAGE, CHAT = "status-page", "chat"
VARIABLES = {
    "title": "the incident's title",
    "severity": "P1 to P4",
    "phase": "investigating, identified, monitoring or resolved",
    "number": "the incident's number",
    "since": "when the incident began, UTC",
    "now": "the time of this update, UTC",
    "duration": "how long it has lasted, or lasted",
    "impact": "one sentence on the requests that fail now",
    "service": "the public name of what is affected, from `incidents.services` in the config",
    "noticed": "what users notice: requests that fail, are slow or wait",
    "alerts": "its alerts and the state of each",
    "panels": "its panels, each with verdict and value",
    "last": "the last action from a console",
    "commander": "the incident commander",
    "next_update": "when the next update is due, UTC",
    "environment": "production, staging, …",
}
"""The variables that a template may use, and what each means."""
UNKNOWN = "not known"


class TemplateError(ValueError):
    """An unusable template; the message says which file and line, and what to use instead."""


@dataclass(frozen=True, slots=True)
class UpdateTemplate:
    """One template: its audience (`status-page`), its status (None: any), and the file that holds it."""

    audience: str
    status: PublicStatus | None
    text: str
    file: str


class Templates:
    """The templates by audience; one for a status takes precedence over one for any status."""

    def __init__(self, templates: tuple[UpdateTemplate, ...]) -> None:
        self._templates = templates

    @classmethod
    def load(cls, folder: str = "") -> Templates:
        """From a team's folder where it has one, else the shipped ones. Raises TemplateError."""
        return cls(tuple(_parse(name, text) for name, text in _files(folder)))

    @property
    def audiences(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(item.audience for item in self._templates))

    def fill(self, audience: str, variables: Mapping[str, str], status: PublicStatus) -> str:
        """Raises TemplateError where there is no template for this audience and status."""
        own = [item for item in self._templates if item.audience == audience and item.status in (status, None)]
        if not own:
            raise TemplateError(f"there is no template {audience}.{status}.txt and no {audience}.txt")
        best = min(own, key=lambda item: item.status is None)
        return Template(best.text).substitute(variables).strip()


def template_variables(
    incident: Incident,
    snapshot: Snapshot | None,
    policy: SeverityPolicy,
    *,
    now: float,
    services: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, str]:
    """The value of every variable; an unknown one says so. `now` is Unix seconds, `services` the outside name by component."""
    due = update_due_at(incident, policy)
    end = incident.resolved_at or incident.closed_at or now
    done = [entry for entry in incident.entries if entry.source is Source.CONSOLE]
    return {
        "title": visible(incident.title),
        "severity": incident.severity.value,
        "phase": public_status(incident).value,
        "number": str(incident.number),
        "since": _utc_minute(incident.began_at),
        "now": _utc_minute(now),
        "duration": format_span(end - incident.began_at),
        "impact": impact_sentence(snapshot),
        "service": name_service(incident, services),
        "noticed": describe_symptoms(snapshot),
        "alerts": _alerts(incident, snapshot),
        "panels": _panels(incident, snapshot),
        "last": visible(done[-1].text) if done else "no action from a console yet",
        "commander": visible(incident.person(Role.COMMANDER)) or "nobody yet",
        # This update moves the next one.
        "next_update": _utc_minute(now + policy.update_every_seconds) if due is not None else "-",
        "environment": visible(incident.environment or UNKNOWN),
    }


def impact_sentence(snapshot: Snapshot | None) -> str:
    """From the present error ratio; never that requests succeed where that is unknown."""
    panel = snapshot.panel("error_ratio") if snapshot else None
    if panel is None or panel.value is None or not panel.verdict.known:
        return "It is not known how many requests are affected."
    ratio = format_figure(panel.value, panel.spec.unit, 1)
    if panel.verdict is Verdict.OK:
        return f"Requests succeed: {ratio} fail."
    return f"About {ratio} of all requests fail."


def name_service(incident: Incident, services: Mapping[str, str]) -> str:
    """The public names of the components of its alerts; the platform for those without one."""
    components = (label(item.labels, "component") for item in incident.alerts)
    names = dict.fromkeys(name for component in components if (name := {**_SERVICES, **services}.get(component)))
    return " and ".join(map(visible, names)) or _PLATFORM


def describe_symptoms(snapshot: Snapshot | None) -> str:
    """What users notice, according to the panels that show it; it never says that all is well where that is unknown."""
    sentences = [impact_sentence(snapshot)]
    for panel_id, sentence in _NOTICED.items():
        panel = snapshot.panel(panel_id) if snapshot else None
        if panel is not None and panel.value is not None and panel.verdict in (Verdict.WARN, Verdict.CRITICAL):
            sentences.append(sentence.format(format_figure(panel.value, panel.spec.unit, 1)))
    return " ".join(sentences)


_PLATFORM = "the CAD ML platform"
_SERVICES = {"ocr": "text recognition (OCR)", "vision": "drawing analysis (Vision)"}
"""The components that have a public name; users know every other one only as the platform."""
_NOTICED = {
    "p95_latency": "Responses are slow: one request in twenty takes longer than {}.",
    "queue_depth": "New jobs wait longer than usual before they start.",
}


def _alerts(incident: Incident, snapshot: Snapshot | None) -> str:
    states = (f"{visible(item.name)} {_alert_state(item, snapshot)}" for item in incident.alerts)
    return ", ".join(states) or "none linked"


def _alert_state(item: LinkedAlert, snapshot: Snapshot | None) -> str:
    """`firing`, `resolved` where that is proven, `not known` where the list is old."""
    if snapshot is None or not snapshot.alerts_known or (snapshot.alerts_from == ALERTMANAGER and snapshot.alerts_caveat):
        return UNKNOWN
    tracked, ended = find_linked(item, snapshot)
    if tracked is None:
        return "resolved" if ended else UNKNOWN
    return tracked.alert.suppressed_as or _STATES.get(tracked.alert.state, "pending")


_STATES = {AlertState.ACTIVE: "firing", AlertState.UNDELIVERED: "firing"}


def _panels(incident: Incident, snapshot: Snapshot | None) -> str:
    panels = [state for identity in incident.panels if snapshot and (state := snapshot.panel(identity))]
    texts = (
        f"{item.spec.title} {item.verdict.word} {format_figure(item.value, item.spec.unit, item.spec.decimals)}"
        for item in panels
    )
    return ", ".join(texts) or UNKNOWN


def _utc_minute(at: float) -> str:
    return format_time(at, "%H:%M UTC")


def _files(folder: str) -> tuple[tuple[str, str], ...]:
    own = resources.files(__package__).joinpath("templates")
    places = [Path(folder)] if folder else [own]
    try:
        found = tuple(
            (str(file) if folder else file.name, file.read_text(encoding="utf-8"))
            for place in places
            for file in sorted(place.iterdir(), key=lambda item: item.name)
            if file.name.endswith(".txt")
        )
    except (OSError, UnicodeDecodeError) as error:
        raise TemplateError(f"the templates in {folder} cannot be read: {error}") from None
    if not found:
        raise TemplateError(f"there is no template (NAME.txt or NAME.PHASE.txt) in {folder}")
    return found


def _parse(file: str, text: str) -> UpdateTemplate:
    audience, _, status = Path(file).name.removesuffix(".txt").partition(".")
    if status and status not in tuple(PublicStatus):
        raise TemplateError(f"{file}: unknown status {status!r}; known: {', '.join(PublicStatus)}")
    for match in Template.pattern.finditer(text):
        name = match["named"] or match["braced"]
        line = text.count("\n", 0, match.start()) + 1
        if match["invalid"] is not None:
            raise TemplateError(f"{file}:{line}: a lone $; write $$ for a dollar sign, or $name")
        if name and name not in VARIABLES:
            raise TemplateError(f"{file}:{line}: unknown variable ${name}; known: {', '.join(VARIABLES)}")
    return UpdateTemplate(audience, PublicStatus(status) if status else None, text, file)
