"""Everything known at one moment, as the screens draw it and as `status` prints it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from console.checks.platform_lines import PlatformVerdict, evaluate_platform
from console.journal.unfinished import Unfinished
from console.state.journal_state import JournalState
from queries.model.alert import AlertRule, AlertState, TrackedAlert
from queries.model.dashboard import DashboardState
from queries.model.identity_cache import IdentityCache
from queries.model.panel import PanelState
from queries.model.platform import PlatformHealth
from queries.model.severity import BUILT_IN, Priority, Severities
from queries.model.silence import Silence
from queries.model.source import Health, SourceState
from queries.model.verdict import Verdict
from queries.model.workload import Change, Cluster
from queries.text.durations import format_span

PROMETHEUS, ALERTMANAGER = "prometheus", "alertmanager"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One consistent view; `taken_at` is Unix seconds.

    `alerts` are sorted: worst priority first, then oldest. `alerts_known` is False while neither Alertmanager nor
    Prometheus could say which alerts there are: then an empty tuple means 'not known', never 'none'. `alerts_age_seconds`
    is the age of that answer. `cluster` is the last good one, None where there never was one. `changes` are newest first.
    `ledger` is what the journal adds up to.
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
    """Who lists them: `alertmanager`; `prometheus` where that one never answered; empty where nobody did."""
    severities: Severities = BUILT_IN
    rules: tuple[AlertRule, ...] = ()
    silences: tuple[Silence, ...] = ()
    cluster: Cluster | None = None
    platform: PlatformHealth | None = None
    changes: tuple[Change, ...] = ()
    unfinished: tuple[Unfinished, ...] = ()
    """Actions without an outcome, but for those that a console on this machine is at."""
    ledger: JournalState = field(default_factory=JournalState)
    heartbeat_alert: str = ""
    """The alert that always fires; `alerts` leave it out."""
    delivery_doubt: str = ""
    """Why the absence of alerts proves nothing, in one sentence; empty where it does."""
    dashboard: DashboardState | None = None
    """The dashboard that is looked at; None while none is."""

    @property
    def platform_verdict(self) -> PlatformVerdict | None:
        """What the platform says of itself, judged; None where it never answered."""
        return evaluate_platform(self.platform) if self.platform is not None else None

    def panel(self, panel_id: str) -> PanelState | None:
        return next((item for item in self.panels if item.spec.id == panel_id), None)

    def source(self, name: str) -> SourceState | None:
        return next((item for item in self.sources if item.name == name), None)

    def alert(self, fingerprint: str) -> TrackedAlert | None:
        return next((item for item in self.alerts if item.alert.fingerprint == fingerprint), None)

    def firing(self, priority: Priority) -> int:
        """How many alerts of this priority are active (neither suppressed nor pending)."""
        counts = tally(self.alerts)
        return sum(counts[state, priority] for state in (AlertState.ACTIVE, AlertState.UNDELIVERED))

    @property
    def active(self) -> tuple[TrackedAlert, ...]:
        """The alerts that fire and that nobody silenced."""
        return active(self.alerts)

    def count(self, state: AlertState) -> int:
        """How many alerts are in this state."""
        return sum(number for (found, _), number in tally(self.alerts).items() if found is state)

    @property
    def answered(self) -> bool:
        """Whether any source gives good answers now."""
        return any(item.health.answers for item in self.sources)

    @property
    def critical(self) -> bool:
        """Whether a panel is critical, an alert is active that is P1 or of a severity that nobody knows, or the platform says
        that it does not serve."""
        return (
            self.firing(Priority.P1) > 0
            or (self.platform_verdict is not None and self.platform_verdict.verdict is Verdict.CRITICAL)
            or any(not item.alert.severity_known for item in self.active)
            or any(item.verdict is Verdict.CRITICAL for item in self.panels)
        )

    @property
    def in_doubt(self) -> tuple[PanelState, ...]:
        """The panels whose value cannot be believed."""
        return tuple(item for item in self.panels if item.verdict is Verdict.IN_DOUBT)

    @property
    def alerts_caveat(self) -> str:
        """Why the list is not Alertmanager's of now, in one sentence; empty where it is, or where there is none."""
        manager = self.source(ALERTMANAGER)
        if manager is None or manager.health is Health.NOT_CONFIGURED:
            why = "Alertmanager is not configured"
        else:
            reason = f": {manager.fault.sentence()}" if manager.fault else ""
            why = f"Alertmanager {manager.health.value.upper()}{reason}"
        if self.alerts_from == PROMETHEUS:
            return (
                f"Prometheus lists these alerts, not Alertmanager: whether they are silenced or notified is not known ({why})"
            )
        if self.alerts_from != ALERTMANAGER or manager is None or manager.health not in (Health.DOWN, Health.DENIED):
            return ""
        age = format_span(self.alerts_age_seconds or 0.0)
        whose = f"these alerts are Alertmanager's list of {age} ago{self._added}"
        return f"{whose}: whether they still fire, are silenced or notified is not known ({why})"

    @property
    def _added(self) -> str:
        """What Prometheus adds to the last list of an Alertmanager that does not answer any more."""
        prometheus = self.source(PROMETHEUS)
        if prometheus is None or prometheus.health in (Health.NOT_CONFIGURED, Health.WAITING):
            return ""
        if prometheus.health in (Health.DOWN, Health.DENIED):
            return f", and Prometheus, {prometheus.health.value.upper()}, adds nothing newer"
        return " and what only Prometheus has"


def _counted(alerts: tuple[TrackedAlert, ...]) -> Counter[tuple[AlertState, Priority]]:
    return Counter((item.alert.state, item.alert.priority) for item in alerts)


tally: IdentityCache[tuple[TrackedAlert, ...], Counter[tuple[AlertState, Priority]]] = IdentityCache(_counted)
"""How many alerts there are of each state and priority; counted once for each list of alerts."""


def _of_active(alerts: tuple[TrackedAlert, ...]) -> tuple[TrackedAlert, ...]:
    return tuple(item for item in alerts if item.alert.state in (AlertState.ACTIVE, AlertState.UNDELIVERED))


active: IdentityCache[tuple[TrackedAlert, ...], tuple[TrackedAlert, ...]] = IdentityCache(_of_active)
