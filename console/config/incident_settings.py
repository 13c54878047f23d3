"""What the configuration says of incidents: other response times, contacts, templates, and where updates are sent."""

from __future__ import annotations

from dataclasses import dataclass, field

from queries.http.endpoint import HttpConfig


@dataclass(frozen=True, slots=True)
class Contact:
    """One team and how to reach it; what is empty is not known."""

    team: str
    chat: str = ""
    email: str = ""
    pager: str = ""

    @property
    def ways(self) -> str:
        """Every way to reach the team that is known, the channel first."""
        return "  ".join(filter(None, (self.chat, self.email, self.pager)))


@dataclass(frozen=True, slots=True, repr=False)
class Channel:
    """Where updates can be sent. `kind` is slack, webhook or pagerduty; URL and routing key are secrets, given as such or as
    files that are read when something is sent. The representation shows neither.
    """

    name: str
    kind: str
    url: str = ""
    url_file: str = ""
    routing_key: str = ""
    routing_key_file: str = ""
    http: HttpConfig = field(default_factory=HttpConfig)
    timeout_seconds: float = 10.0

    def __repr__(self) -> str:
        return f"Channel({self.name!r}, {self.kind!r}, …)"


@dataclass(frozen=True, slots=True)
class IncidentSettings:
    """`changes` are severity, key and text of what differs from `console/incidents/response.yaml`; `contacts` replace the
    ones there, None leaves them. `templates_dir` is empty for the console's own.
    """

    changes: tuple[tuple[str, str, str], ...] = ()
    contacts: tuple[Contact, ...] | None = None
    templates_dir: str = ""
    channels: tuple[Channel, ...] = ()

    def channel(self, name: str) -> Channel | None:
        return next((item for item in self.channels if item.name == name), None)
