"""Everything known at one moment, for the screens and for `status`."""

from __future__ import annotations

from collections import Counter
from dataclasses import field

from console.checks.platform_lines import PlatformVerdict, evaluate_platform
from console.checks.workloads import WorkloadVerdict, assess_workloads
from console.journal.event import Event
from console.journal.presence import Presence
from console.journal.unfinished import Unfinished
from console.state.as_of import AsOf
from console.state.guards import GuardRecord
from console.state.journal_state import JournalState
from queries.model.alert import Alert, AlertRule, AlertState, TrackedAlert
from queries.model.change import Change
from queries.model.cluster import Cluster
from queries.model.dashboard import DashboardState
from queries.model.fault import Fault, FaultKind
from queries.model.frozen import dataclass
from queries.model.identity_cache import IdentityCache
from queries.model.panel import PanelState
from queries.model.platform import PlatformHealth
from queries.model.severity import BUILT_IN, Priority, Severities
from queries.model.silence import Silence
from queries.model.source import Health, SourceState
from queries.model.verdict import Verdict
from queries.text.durations import format_span

PROMETHEUS, ALERTMANAGER = "prometheus", "alertmanager"
HAS_NO_RULES = (FaultKind.MALFORMED, FaultKind.REJECTED)
"""What a server without a rules API returns: something else evaluates the rules, unless it has listed some before."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One consistent view; `taken_at` is Unix seconds.

    `alerts` are sorted by priority, worst first, then by age, oldest first. `alerts_known` is False while neither Alertmanager
    nor Prometheus has listed the alerts: an empty tuple then means 'not known', never 'none'. `alerts_age_seconds` is the age
    of the list. `cluster` is the last good state, None before the first. `changes` are newest first. `ledger` is the state of
    the journal.
    """

    environment: str
    namespace: str
    protected: bool
    read_only: bool
    user: str
    taken_at: float
    sources: tuple[SourceState, ...] = ()
    panels: tuple[PanelState, ...] = ()
    alerts: tuple[TrackedAlert, ...] = ()
    alerts_known: bool = False
    alerts_age_seconds: float | None = None
    alerts_from: str = ""
    """The source of the list: `alertmanager`, or `prometheus` if Alertmanager has never answered; empty without a list."""
    alerts_partial: str = ""
    """Prometheus' message about alerts missing from its list; empty if the list is complete or comes from Alertmanager."""
    severities: Severities = BUILT_IN
    rules: tuple[AlertRule, ...] = ()
    rules_requested: bool = False
    """Whether Prometheus' rules were requested, and the request has ended."""
    rules_fault: Fault | None = None
    """Why the last request for the rules failed."""
    rules_partial: str = ""
    """Prometheus' message about rules missing from its last answer; empty if all are listed."""
    silences: tuple[Silence, ...] = ()
    cluster: Cluster | None = None
    platform: PlatformHealth | None = None
    changes: tuple[Change, ...] = ()
    unfinished: tuple[Unfinished, ...] = ()
    """Actions without an outcome, except those that a console on this machine is running."""
    ledger: JournalState = field(default_factory=JournalState)
    unguarded: tuple[GuardRecord, ...] = ()
    """Changes whose guard nothing runs any more."""
    open_ends: tuple[Alert, ...] = ()
    """Alerts that may fire although Alertmanager does not list them: the rules have not shown yet that they are over, or list
    them as firing.
    """
    heartbeat_alert: str = ""
    """The alert that always fires; it is not among `alerts`."""
    delivery_doubt: str = ""
    """Why the absence of alerts proves nothing, in one sentence; empty if it proves something."""
    dashboard: DashboardState | None = None
    """The open dashboard; None without one."""
    verdicts: tuple[WorkloadVerdict, ...] | None = None
    """The verdicts on `workloads`, if whoever built the snapshot has them."""
    presence: Presence = field(default_factory=Presence)
    """Which other consoles are on."""
    news: tuple[Event, ...] = ()
    """What other consoles did since this one is on, oldest first; only the newest."""
    as_of: AsOf | None = None
    """The past moment that it shows, which is then also `taken_at`; None for now."""

    @property
    def workloads(self) -> tuple[WorkloadVerdict, ...]:
        """The verdict on each workload, the worst first; empty before the cluster's first answer."""
        if self.verdicts is not None or self.cluster is None:
            return self.verdicts or ()
        return assess_workloads(self.cluster, now=self.taken_at)

    @property
    def platform_verdict(self) -> PlatformVerdict | None:
        """The verdict on the platform's own health report; None before its first answer."""
        return evaluate_platform(self.platform) if self.platform is not None else None

    def panel(self, panel_id: str) -> PanelState | None:
        return next((item for item in self.panels if item.spec.id == panel_id), None)

    def source(self, name: str) -> SourceState | None:
        return next((item for item in self.sources if item.name == name), None)

    def alert(self, fingerprint: str) -> TrackedAlert | None:
        return _by_fingerprint(self.alerts).get(fingerprint)

    def delivered(self, name: str) -> int:
        """How many alerts with this name Alertmanager lists."""
        return sum(item.alert.name == name and item.alert.listed_by == ALERTMANAGER for item in self.alerts)

    def firing(self, priority: Priority) -> int:
        """How many alerts of this priority are active (neither suppressed nor pending)."""
        counts = tally(self.alerts)
        return sum(counts[state, priority] for state in (AlertState.ACTIVE, AlertState.UNDELIVERED))

    @property
    def active(self) -> tuple[TrackedAlert, ...]:
        """The alerts that fire and are not silenced."""
        return active(self.alerts)

    def count(self, state: AlertState) -> int:
        """How many alerts are in this state."""
        return sum(number for (found, _), number in tally(self.alerts).items() if found is state)

    @property
    def suppressed(self) -> Counter[str]:
        """How many alerts notify nobody: silenced, inhibited, or muted by a time interval."""
        return count_suppressed(self.alerts)

    @property
    def answered(self) -> bool:
        """Whether any source answers now."""
        return any(item.health.answers for item in self.sources)

    @property
    def critical(self) -> bool:
        """Whether a panel is critical, an alert that is P1 or of unknown severity is active, or the platform reports that it is
        not serving."""
        return (
            self.firing(Priority.P1) > 0
            or (self.platform_verdict is not None and self.platform_verdict.verdict is Verdict.CRITICAL)
            or any(not item.alert.severity_known for item in self.active)
            or any(item.verdict is Verdict.CRITICAL for item in self.panels)
        )

    @property
    def in_doubt(self) -> tuple[PanelState, ...]:
        """The panels whose value is in doubt."""
        return tuple(item for item in self.panels if item.verdict is Verdict.IN_DOUBT)

    @property
    def alerts_caveat(self) -> str:
        """Why the list of alerts is not Alertmanager's present one, in one sentence; empty if it is, or without a list."""
        if self.as_of is not None:
            return self.as_of.caveat
        manager = self.source(ALERTMANAGER)
        if manager is None or manager.health is Health.NOT_CONFIGURED:
            why = "Alertmanager is not configured"
        else:
            reason = f": {manager.fault.sentence()}" if manager.fault else ""
            why = f"Alertmanager {manager.health.value.upper()}{reason}"
        if self.alerts_from == PROMETHEUS:
            missing = f"; others may fire, the list is partial: {self.alerts_partial}" if self.alerts_partial else ""
            whose = "Prometheus lists these alerts, not Alertmanager"
            return f"{whose}: whether they are silenced or notified is not known ({why}){missing}"
        if (
            self.alerts_from != ALERTMANAGER
            or manager is None
            or manager.health
            not in (
                Health.DOWN,
                Health.DENIED,
                Health.STALE,
            )
        ):
            return ""
        age = format_span(self.alerts_age_seconds or 0.0)
        whose = f"these alerts are Alertmanager's list of {age} ago{self._added}"
        return f"{whose}: whether they still fire, are silenced or notified is not known ({why})"

    @property
    def ends_caveat(self) -> str:
        """Why an alert that is no longer listed may still fire, in one sentence; empty if it has ended.

        Alertmanager drops an alert that nobody sends any more, some minutes after an outage of Prometheus began. Where
        Prometheus is not configured, Alertmanager's word counts.
        """
        state = self.source(PROMETHEUS)
        if state is None or state.health is Health.NOT_CONFIGURED or self.as_of is not None:
            return ""
        fault = state.fault
        if state.paused:
            why = "is not polled now"
        elif not state.health.serves and state.health is not Health.WAITING:
            why = state.health.value.upper()
        elif not self.rules_requested:
            why = "has not responded yet"
        elif self.rules_fault is None or (self.rules_fault.kind in HAS_NO_RULES and not self.rules):
            return f"an alert that is not listed may still be firing: {self.rules_partial}" if self.rules_partial else ""
        else:
            fault = self.rules_fault
            why = "did not return its rules" if state.health.serves else Health.DOWN.value.upper()
        reason = f": {fault.sentence()}" if fault and not state.paused else ""
        return f"an alert that is not listed may still be firing: rule evaluation is not confirmed (Prometheus {why}{reason})"

    @property
    def _added(self) -> str:
        """The alerts that Prometheus adds to the last list of an Alertmanager that no longer responds."""
        prometheus = self.source(PROMETHEUS)
        if prometheus is None or prometheus.health in (Health.NOT_CONFIGURED, Health.WAITING):
            return ""
        if prometheus.health in (Health.DOWN, Health.DENIED):
            return f", and Prometheus, {prometheus.health.value.upper()}, adds nothing newer"
        return " and what only Prometheus has"


def _index(alerts: tuple[TrackedAlert, ...]) -> dict[str, TrackedAlert]:
    return {item.alert.fingerprint: item for item in reversed(alerts)}


_by_fingerprint: IdentityCache[tuple[TrackedAlert, ...], dict[str, TrackedAlert]] = IdentityCache(_index)


def _counted(alerts: tuple[TrackedAlert, ...]) -> Counter[tuple[AlertState, Priority]]:
    return Counter((item.alert.state, item.alert.priority) for item in alerts)


tally: IdentityCache[tuple[TrackedAlert, ...], Counter[tuple[AlertState, Priority]]] = IdentityCache(_counted)
"""The number of alerts by state and priority; counted once a list."""


def _count_suppressed(alerts: tuple[TrackedAlert, ...]) -> Counter[str]:
    words = (item.alert.suppressed_as for item in alerts)
    return Counter(word for word in words if word)


count_suppressed: IdentityCache[tuple[TrackedAlert, ...], Counter[str]] = IdentityCache(_count_suppressed)


def is_active(tracked: TrackedAlert) -> bool:
    """Whether the alert fires and is not silenced."""
    return tracked.alert.state in (AlertState.ACTIVE, AlertState.UNDELIVERED)


def _of_active(alerts: tuple[TrackedAlert, ...]) -> tuple[TrackedAlert, ...]:
    return tuple(filter(is_active, alerts))


active: IdentityCache[tuple[TrackedAlert, ...], tuple[TrackedAlert, ...]] = IdentityCache(_of_active)
