"""An alert, as Alertmanager and Prometheus know it together."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from queries.model.series import Labels, label
from queries.model.severity import BUILT_IN, Grade
from queries.model.severity import Priority as Priority  # noqa: PLC0414  # an alert's own word


class AlertState(StrEnum):
    ACTIVE = "active"
    SUPPRESSED = "suppressed"
    """Silenced or inhibited: Alertmanager knows it and notifies nobody."""
    PENDING = "pending"
    """The expression holds in Prometheus, its `for` has not passed yet."""
    UNDELIVERED = "undelivered"
    """Firing in Prometheus, unknown to any Alertmanager that answers: nobody was notified."""


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert instance.

    `fingerprint` is Alertmanager's; for a pending alert it is `pending:` and a digest of its labels.
    Times are Unix seconds; `starts_at` of a pending alert is its `activeAt`. `value` is the expression's live value from
    Prometheus, None where Prometheus does not list the alert. `silenced_by` and `inhibited_by` hold ids and fingerprints.
    """

    fingerprint: str
    state: AlertState
    labels: Labels
    annotations: Labels = ()
    starts_at: float = 0.0
    updated_at: float = 0.0
    receivers: tuple[str, ...] = ()
    silenced_by: tuple[str, ...] = ()
    inhibited_by: tuple[str, ...] = ()
    muted_by: tuple[str, ...] = ()
    generator_url: str = ""
    value: float | None = None
    grade: Grade | None = None
    """Where the configuration reads the labels otherwise than the built-in words do."""

    @property
    def name(self) -> str:
        return label(self.labels, "alertname")

    @property
    def severity(self) -> str:
        """`critical`, `warning`, `info`, or whatever the rule says; empty where it says nothing."""
        return label(self.labels, "severity")

    @property
    def component(self) -> str:
        return label(self.labels, "component") or label(self.labels, "team")

    @property
    def suppressed_as(self) -> str:
        """`silenced` by a person, `inhibited` by another alert, `muted` by the clock; empty where it notifies."""
        if self.state is not AlertState.SUPPRESSED:
            return ""
        if not self.silenced_by and (self.inhibited_by or self.muted_by):
            return "inhibited" if self.inhibited_by else "muted"
        return "silenced"

    @property
    def priority(self) -> Priority:
        return (self.grade or BUILT_IN.grade(self.labels)).priority

    @property
    def severity_known(self) -> bool:
        """False where no label says how urgent it is in a word that is understood; then it counts as P2."""
        return (self.grade or BUILT_IN.grade(self.labels)).known

    @property
    def severity_text(self) -> str:
        """The severity where there is room: the rule's own word, and that it is unknown where it is."""
        if self.severity_known:
            return self.severity or "-"
        return f"severity unknown: {self.severity or 'none given'}"

    @property
    def listed_by(self) -> str:
        """`alertmanager`, or `prometheus` where that one has it alone: its fingerprint says so."""
        return "prometheus" if ":" in self.fingerprint else "alertmanager"

    @property
    def firing(self) -> bool:
        return self.state is not AlertState.PENDING


@dataclass(frozen=True, slots=True)
class RunbookMatch:
    """Which runbook serves an alert, and how it was found: `alertname`, `annotation`, `component` or `triage`.

    `url` is the remote address where the alert names one; it is shown and copied, never opened.
    """

    id: str
    path: str
    matched_by: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One action that fits: its name, its target (`deployment/cad-ml-api`), its parameters and the equal command."""

    action: str
    target: str
    sentence: str
    command: str
    parameters: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Why an alert is not, or not known to be, about the place that this console acts in, and a command that looks there."""

    reason: str
    command: str

    def sentence(self) -> str:
        return f"this alert is about another place, so only a silence is offered: {self.reason}"


@dataclass(frozen=True, slots=True)
class TrackedAlert:
    """An alert with what the console adds: its owner, its runbook and the actions that fit; of one that is of `elsewhere`
    none but a silence does.
    """

    alert: Alert
    owner: str = ""
    runbook: RunbookMatch | None = None
    suggestions: tuple[Suggestion, ...] = ()
    elsewhere: Elsewhere | None = None


@dataclass(frozen=True, slots=True)
class AlertRule:
    """One alerting rule as Prometheus evaluates it. `for_seconds` is the rule's `for`, `health` is ok, err or unknown.

    `interval_seconds` is how often its group is evaluated, 0 where the server does not say.
    """

    name: str
    expression: str
    for_seconds: float
    labels: Labels
    annotations: Labels
    state: str
    health: str
    last_error: str = ""
    group: str = ""
    interval_seconds: float = 0.0
