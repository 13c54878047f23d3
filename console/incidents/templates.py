"""Texts for people outside, filled from live data: the files in `templates/`, or a team's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from string import Template

from console.incidents.response_timers import update_due_at
from console.incidents.severity_policy import SeverityPolicy
from console.state.incident import Incident, Role, Source
from console.state.public_status import Phase, phase
from console.state.snapshot import Snapshot
from queries.model.alert import AlertState
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
    "since": "when it began, UTC",
    "now": "the time of this update, UTC",
    "duration": "how long it lasts, or lasted",
    "impact": "a sentence on the requests that fail, as is seen now",
    "alerts": "its alerts, and which of them still fire",
    "panels": "its panels with verdict and value",
    "last": "what was done last",
    "commander": "who leads",
    "next_update": "when the next update is due, UTC",
    "environment": "production, staging, …",
}
"""What a template may use, and what it means."""
UNKNOWN = "not known"


class TemplateError(ValueError):
    """A template that cannot be used; the message says which file, which line, and what there is instead."""


@dataclass(frozen=True, slots=True)
class Wording:
    """One text: for whom (`status-page`), in which phase (None: in every one), and where it stands."""

    audience: str
    phase: Phase | None
    text: str
    place: str


class Templates:
    """The texts by audience; one that is made for a phase comes before one for every phase."""

    def __init__(self, wordings: tuple[Wording, ...]) -> None:
        self._wordings = wordings

    @classmethod
    def load(cls, folder: str = "") -> Templates:
        """From a team's folder where one is given, else the console's own. Raises TemplateError."""
        return cls(tuple(_checked(name, text) for name, text in _files(folder)))

    @property
    def audiences(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(item.audience for item in self._wordings))

    def fill(self, audience: str, facts: Mapping[str, str], when: Phase) -> str:
        """Raises TemplateError where nobody wrote a text for this audience and phase."""
        own = [item for item in self._wordings if item.audience == audience and item.phase in (when, None)]
        if not own:
            raise TemplateError(f"there is no text {audience}.{when}.txt and no {audience}.txt")
        best = min(own, key=lambda item: item.phase is None)
        return Template(best.text).substitute(facts).strip()


def facts_of(incident: Incident, snapshot: Snapshot | None, response: SeverityPolicy, *, now: float) -> dict[str, str]:
    """Every variable; what cannot be told now says so. `now` is Unix seconds."""
    due = update_due_at(incident, response)
    end = incident.resolved_at or incident.closed_at or now
    done = [entry for entry in incident.entries if entry.source is Source.CONSOLE]
    return {
        "title": visible(incident.title),
        "severity": incident.severity.value,
        "phase": phase(incident).value,
        "number": str(incident.number),
        "since": _clock(incident.began_at),
        "now": _clock(now),
        "duration": format_span(end - incident.began_at),
        "impact": impact_sentence(snapshot),
        "alerts": _alerts(incident, snapshot),
        "panels": _panels(incident, snapshot),
        "last": visible(done[-1].text) if done else "nothing was done from a console yet",
        "commander": visible(incident.person(Role.COMMANDER)) or "nobody yet",
        # The update that is being written moves the next one.
        "next_update": _clock(now + response.update_every_seconds) if due is not None else "-",
        "environment": visible(incident.environment or UNKNOWN),
    }


def impact_sentence(snapshot: Snapshot | None) -> str:
    """From the error ratio as it is now; never that all is well where nobody knows."""
    panel = snapshot.panel("error_ratio") if snapshot else None
    if panel is None or panel.value is None or not panel.verdict.known:
        return "How many requests are affected is not known."
    told = format_figure(panel.value, panel.spec.unit, 1)
    if panel.verdict is Verdict.OK:
        return f"Requests succeed: {told} fail."
    return f"About {told} of all requests fail."


def _alerts(incident: Incident, snapshot: Snapshot | None) -> str:
    if not incident.alerts:
        return "none linked"
    known = {item.alert.fingerprint: item.alert for item in snapshot.alerts} if snapshot and snapshot.alerts_known else None
    told = []
    for item in incident.alerts:
        state = (
            UNKNOWN
            if known is None
            else known[item.fingerprint].suppressed_as or _STATES.get(known[item.fingerprint].state, "pending")
            if item.fingerprint in known
            else "ended"
        )
        told.append(f"{visible(item.name)} {state}")
    return ", ".join(told)


_STATES = {AlertState.ACTIVE: "fires", AlertState.UNDELIVERED: "fires"}


def _panels(incident: Incident, snapshot: Snapshot | None) -> str:
    found = [state for identity in incident.panels if snapshot and (state := snapshot.panel(identity))]
    told = (
        f"{item.spec.title} {item.verdict.word} {format_figure(item.value, item.spec.unit, item.spec.decimals)}"
        for item in found
    )
    return ", ".join(told) or UNKNOWN


def _clock(at: float) -> str:
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


def _checked(place: str, text: str) -> Wording:
    audience, _, told = Path(place).name.removesuffix(".txt").partition(".")
    if told and told not in tuple(Phase):
        raise TemplateError(f"{place}: there is no phase {told!r}, but {', '.join(Phase)}")
    for match in Template.pattern.finditer(text):
        name = match["named"] or match["braced"]
        line = text.count("\n", 0, match.start()) + 1
        if match["invalid"] is not None:
            raise TemplateError(f"{place}:{line}: a lone $; write $$ for one, or $name")
        if name and name not in VARIABLES:
            raise TemplateError(f"{place}:{line}: nothing is called ${name}; there are {', '.join(VARIABLES)}")
    return Wording(audience, Phase(told) if told else None, text, place)
