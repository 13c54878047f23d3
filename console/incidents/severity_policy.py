"""How people respond to an incident of each severity: response times, escalation and contacts, as data."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from console.config.errors import ConfigError
from console.config.settings import Contact, IncidentSettings
from queries.model.frozen import dataclass
from queries.model.severity import Priority
from queries.text.durations import YEAR_SECONDS, parse_duration
from queries.text.times import InvalidTime

TIMES = ("response", "acknowledge", "assess", "update_every", "mitigate", "stability", "review", "escalate_after")
"""The keys of a severity that are durations."""
TEXTS = ("meaning", "escalation", "escalate_by")
KEYS = (*TIMES, *TEXTS)


@dataclass(frozen=True, slots=True)
class SeverityPolicy:
    """The response times of one severity; `escalate_after_seconds` 0 means at once. `escalate_by` is pager, email, ticket or
    chat.
    """

    meaning: str
    response_seconds: float
    acknowledge_seconds: float
    assess_seconds: float
    update_every_seconds: float
    mitigate_seconds: float
    stability_seconds: float
    review_seconds: float
    escalation: str
    escalate_by: str
    escalate_after_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class SeverityPolicies:
    severities: Mapping[Priority, SeverityPolicy]
    contacts: tuple[Contact, ...]

    def for_severity(self, level: Priority) -> SeverityPolicy:
        return self.severities[level]

    def contact(self, team: str) -> Contact | None:
        """The contact of a team that a runbook names: `platform`, `devops`, `security`."""
        return next((item for item in self.contacts if item.team.casefold() == team.casefold()), None)

    def escalation_contacts(self, level: Priority) -> tuple[tuple[str, str], ...]:
        """Team and address of everybody to escalate to, in the way that this severity asks for."""
        way = self.for_severity(level).escalate_by
        addresses = ((item.team, getattr(item, way, "")) for item in self.contacts)
        return tuple((team, address) for team, address in addresses if address)


def load_severity_policies(given: IncidentSettings | None = None) -> SeverityPolicies:
    """The built-in policies with the configured changes. Raises ConfigError for an invalid duration."""
    own = given or IncidentSettings()
    severities: dict[str, dict[str, Any]] = {level: dict(values) for level, values in _defaults()["severities"].items()}
    for level, key, value in own.changes:
        severities[level][key] = value
    contacts = own.contacts
    if contacts is None:
        contacts = tuple(Contact(**item) for item in _defaults()["contacts"])
    return SeverityPolicies(
        MappingProxyType({Priority(level): _severity(level, values) for level, values in severities.items()}), contacts
    )


def _severity(level: str, values: Mapping[str, Any]) -> SeverityPolicy:
    fields: dict[str, Any] = {key: str(values[key]) for key in TEXTS}
    for key in TIMES:
        try:
            fields[f"{key}_seconds"] = parse_duration(str(values[key]), least=1.0, most=YEAR_SECONDS) if key in values else 0.0
        except InvalidTime as error:
            raise ConfigError(source=f"incidents.severities.{level}.{key}", expected=str(error)) from None
    return SeverityPolicy(**fields)


@cache
def _defaults() -> Mapping[str, Any]:
    from queries.shipped import load_shipped  # noqa: PLC0415  # not before the first frame

    defaults = load_shipped(Path(__file__).with_name("response.yaml"))
    assert isinstance(defaults, dict)  # noqa: S101 - our own file
    return defaults
