"""An alert, merged from what Alertmanager and Prometheus know."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from queries.model.action import ActionCall
from queries.model.frozen import dataclass
from queries.model.series import Labels, label
from queries.model.severity import BUILT_IN, Grade
from queries.model.severity import Priority as Priority  # noqa: PLC0414  # an alert's own word

PENDING_PREFIX = "pending:"
"""With it begins the fingerprint of a pending alert."""


class AlertState(StrEnum):
    ACTIVE = "active"
    SUPPRESSED = "suppressed"
    """Silenced, inhibited or muted: Alertmanager knows it and notifies nobody."""
    PENDING = "pending"
    """The expression is true in Prometheus, its `for` has not elapsed yet."""
    UNDELIVERED = "undelivered"
    """Firing in Prometheus, unknown to every Alertmanager that answers: nobody was notified."""


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert instance.

    `fingerprint` is Alertmanager's; for a pending alert it is `pending:` and a digest of its labels.
    Times are Unix seconds; `starts_at` of a pending alert is its `activeAt`. `value` is the expression's live value from
    Prometheus, None if Prometheus does not list the alert. `silenced_by` and `inhibited_by` hold ids and fingerprints.
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
    value: float | None = None
    grade: Grade | None = None
    """Set if the configuration grades the labels differently from the built-in words."""
    sent_labels: Labels = ()
    """The labels that Prometheus sends, if it adds some (`external_labels`) or rewrites them; else empty."""

    @property
    def labels_to_deliver(self) -> Labels:
        """With these Alertmanager gets an alert that Prometheus lists."""
        return self.sent_labels or self.labels

    @property
    def name(self) -> str:
        return label(self.labels, "alertname")

    @property
    def severity(self) -> str:
        """`critical`, `warning`, `info` or another word of the rule; empty without the label."""
        return label(self.labels, "severity")

    @property
    def component(self) -> str:
        return label(self.labels, "component") or label(self.labels, "team")

    @property
    def suppressed_as(self) -> str:
        """`silenced` by a person, `inhibited` by another alert, `muted` by a time interval; empty if it notifies."""
        if self.state is not AlertState.SUPPRESSED:
            return ""
        if not self.silenced_by and (self.inhibited_by or self.muted_by):
            return "inhibited" if self.inhibited_by else "muted"
        return "silenced"

    def is_suppressed_without(self, silence: str) -> bool:
        """Whether something else than this silence suppresses it too."""
        return bool(self.inhibited_by or self.muted_by or set(self.silenced_by) - {silence})

    @property
    def priority(self) -> Priority:
        return (self.grade or BUILT_IN.grade(self.labels)).priority

    @property
    def severity_known(self) -> bool:
        """False if no label grades it in a known word; then it counts as P2."""
        return (self.grade or BUILT_IN.grade(self.labels)).known

    @property
    def severity_text(self) -> str:
        """The severity for wide places: the rule's own word, with a remark if it is unknown."""
        if self.severity_known:
            return self.severity or "-"
        return f"severity unknown: {self.severity or 'none given'}"

    @property
    def listed_by(self) -> str:
        """`alertmanager`, or `prometheus` if only Prometheus lists it; the fingerprint tells."""
        return "prometheus" if ":" in self.fingerprint else "alertmanager"

    @property
    def firing(self) -> bool:
        return self.state is not AlertState.PENDING


@dataclass(frozen=True, slots=True)
class RunbookMatch:
    """The runbook for an alert, and what matched it: `alertname`, `annotation`, `component` or `triage`.

    `url` is the remote address that the alert names; it is shown and copied, never opened.
    """

    id: str
    path: str
    matched_by: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class Suggestion(ActionCall):
    """One action that fits an alert, as a sentence and as the equivalent command."""

    sentence: str = ""
    command: str = ""


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Why an alert does not, or may not, concern the place that this console acts on, and a command to inspect that place."""

    reason: str
    command: str

    def sentence(self) -> str:
        return f"this alert is about another place, so only a silence is offered: {self.reason}"


@dataclass(frozen=True, slots=True)
class TrackedAlert:
    """An alert with what the console adds: owner, runbook and fitting actions; for one `elsewhere` only a silence fits."""

    alert: Alert
    owner: str = ""
    runbook: RunbookMatch | None = None
    suggestions: tuple[Suggestion, ...] = ()
    elsewhere: Elsewhere | None = None


@dataclass(frozen=True, slots=True)
class AlertRule:
    """One alerting rule as Prometheus evaluates it. `for_seconds` is the rule's `for`, `health` is ok, err or unknown.

    `interval_seconds` is the evaluation interval of its group, 0 if the server does not report it.
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


def find_rule(labels: Labels, rules: Iterable[AlertRule]) -> AlertRule | None:
    """The rule of the alert's name; of several, the one whose own labels the alert has, and of these the one with most labels.
    None if it has those of none, or if rules that differ have equally many.
    """
    named = [item for item in rules if item.name == label(labels, "alertname")]
    fitting = [item for item in named if all(label(labels, name) == value for name, value in item.labels if "{{" not in value)]
    most = max((len(item.labels) for item in fitting), default=0)
    best = [item for item in fitting if len(item.labels) == most]
    if not best:
        return named[0] if len(named) == 1 else None
    same = all((item.expression, item.for_seconds) == (best[0].expression, best[0].for_seconds) for item in best)
    return best[0] if same else None


def evaluation_error(rules: Iterable[AlertRule]) -> str:
    """Why the first of these rules that was not evaluated says nothing, after `Prometheus`; empty if all were evaluated."""
    for rule in rules:
        if rule.health == "unknown":
            return f"has not evaluated the rule {rule.name} yet"
        if rule.health != "ok":
            return f"cannot evaluate the rule {rule.name}: {rule.last_error or f'its health is {rule.health}'}"
    return ""


def labels_agree(sent: Labels, listed: Labels) -> bool:
    """Whether the alert listed with these labels can be the one that was sent with those: none of them differs.

    Relabelling on the way may have added some or dropped some.
    """
    known = dict(listed)
    return all(known.get(name, value) == value for name, value in sent)
