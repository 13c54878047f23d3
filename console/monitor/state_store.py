"""Keeps the results of every source and combines them into snapshots."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from console.alerts.recent_changes import recent_changes
from console.checks.panels import evaluate_panel
from console.checks.workloads import Assessment, WorkloadAssessor, evaluate_workloads
from console.config.settings import Settings
from console.journal.event import Event
from console.journal.presence import Presence
from console.journal.unfinished import open_actions
from console.monitor.alert_list import AlertList
from console.monitor.dashboard_poller import DashboardReading, evaluate_dashboard
from console.monitor.pauses import ClockPause
from console.monitor.source_results import (
    ALERTMANAGER,
    KUBERNETES,
    LOKI,
    PLATFORM,
    PROMETHEUS,
    RULES,
    SOURCES,
    ServerStart,
    SourceResults,
)
from console.runbooks.index import RunbookIndex
from console.state.guards import is_unguarded
from console.state.journal_state import JournalState
from console.state.snapshot import Snapshot, active, count_suppressed, tally
from queries.model.alert import Alert, RunbookMatch, Suggestion
from queries.model.cluster import Cluster
from queries.model.identity_cache import IdentityCache
from queries.model.panel import PanelSpec, PanelState, Threshold
from queries.model.panel_result import PanelResult
from queries.model.sorted_rows import find_changes
from queries.model.source import PollResult
from queries.model.verdict import Verdict

if TYPE_CHECKING:
    from queries.prometheus.client import PanelResults, RulesResult

_CHANGES_SECONDS = 30.0
_ASSESS_SECONDS = 5.0
_SOON_SECONDS = 0.1
_SAME_AGE_SECONDS = 0.1
"""The state of a panel whose value is current keeps an age that differs by less; nothing shows it."""

_Basis: TypeAlias = tuple[PanelSpec, PanelResult | None, Threshold, str, bool]


class _SourceFacts(NamedTuple):
    """What the panels of one source have in common; `results` by the panel's id."""

    value: Any
    taken_at: float
    stale_after: float
    unanswered: str
    paused: bool
    results: Mapping[str, PanelResult]


class StateStore:
    """Ingests results and gives snapshots; does no I/O and reads no clock.

    Everything costly (merging and sorting alerts, finding changes) is done once for each result that differs, so that a
    snapshot in between costs next to nothing, whatever the number of alerts. Any thread may use it, one at a time: the event
    loop, which must not wait, uses it through another thread.
    """

    def __init__(self, settings: Settings, specs: tuple[PanelSpec, ...], *, runbooks: RunbookIndex) -> None:
        self._lock = threading.RLock()
        self._settings = settings
        self._runbooks = runbooks
        self._specs = specs
        self._thresholds = {spec.id: settings.threshold(spec.id) for spec in specs}
        self._shown = (*SOURCES, LOKI) if any(spec.source == LOKI for spec in specs) else SOURCES
        self._sources = SourceResults(settings)
        self._alerts = AlertList(settings, runbooks)
        self._ledger = JournalState()
        self._restarted_at: Mapping[str, float] = {}
        """Replaced, never changed, when a pod restarts."""
        self._assessor = WorkloadAssessor()
        self._assessed: tuple[Cluster, float, Assessment] | None = None
        self._changes: tuple[float, tuple[Any, ...]] | None = None
        self._evaluated: dict[str, tuple[_Basis, PanelState]] = {}
        """The state of each panel, and what it follows from beside its age."""
        self.dashboard: DashboardReading | None = None
        """The visible dashboard; set in one step, so that nobody waits for the lock."""
        self.presence = Presence()
        """Which other consoles are on; as above."""
        self.news: tuple[Event, ...] = ()
        """The newest events of other consoles since this one is on, oldest first; as above."""

    # Input

    @property
    def pauses(self) -> tuple[ClockPause, ...]:
        """When sources were not polled."""
        return self._sources.pauses

    @pauses.setter
    def pauses(self, pauses: tuple[ClockPause, ...]) -> None:
        self._sources.pauses = pauses  # one step, so that nobody waits for the lock

    @property
    def start(self) -> ServerStart:
        """The start of servers, until each first responds."""
        return self._sources.start

    @start.setter
    def start(self, start: ServerStart) -> None:
        self._sources.start = start

    def apply(self, result: PollResult[Any]) -> None:
        """Ingests one result; of two of one source, the later one counts."""
        with self._lock:
            self._apply(result)

    def _apply(self, result: PollResult[Any]) -> None:
        source = result.source
        before = self._sources.value(source)
        changed = self._sources.ingest(result)
        if changed is None:
            return
        if source == ALERTMANAGER and changed:
            self._changes = None
        value, failed = self._sources.value(source), self._sources.failed(source)
        if source == ALERTMANAGER:
            self._alerts.set_alertmanager(
                value, failed=failed, changed=changed, at=result.taken_at, has_rules=self._sources.has_rules
            )
        elif source == RULES:
            requested_at = result.taken_at - result.latency_seconds
            self._alerts.set_rules(value, failed=failed, changed=changed, requested_at=requested_at)
        elif source == KUBERNETES and not failed and value is not None:
            if before is None or not (same_workloads := _same_workloads(before, value)) or before.events is not value.events:
                self._changes = None
            self._alerts.set_cluster(
                value, workloads_changed=before is None or not (same_workloads and _same_pod_names(before, value))
            )
            self._record_restarts(before, value, result.taken_at)

    def rebuild(self, results: Sequence[PollResult[Any]], build: Callable[[], Snapshot], *, now: float) -> Snapshot | None:
        """Ingests results and builds a snapshot, if it can differ from the last one only in its times; else None, with nothing
        ingested, also if another thread uses the store. For the event loop: it neither waits nor derives anything anew.
        """
        if not self._lock.acquire(blocking=False):
            return None
        try:
            if not (all(map(self._sources.repeats, results)) and self._is_current(now)):
                return None
            for result in results:
                self._apply(result)
            return build()
        finally:
            self._lock.release()

    def _is_current(self, now: float) -> bool:
        """Whether everything that takes time to derive is derived, and still valid when it is used."""
        cluster = self._sources.value(KUBERNETES)
        known, changes = self._assessed, self._changes
        assessed = cluster is None or (
            known is not None and known[0] is cluster and 0 <= now - known[1] < _ASSESS_SECONDS - _SOON_SECONDS
        )
        listed = changes is not None and 0 <= now - changes[0] < _CHANGES_SECONDS - _SOON_SECONDS
        return assessed and listed and self._alerts.is_current and self.dashboard is None

    def forget(self) -> None:
        """Drops everything that sources returned: the next results are of another time."""
        with self._lock:
            self._sources = SourceResults(self._settings)
            self._alerts = AlertList(self._settings, self._runbooks)
            self._ledger = JournalState()
            self._restarted_at, self._assessed, self._changes = {}, None, None
            self._assessor = WorkloadAssessor()
            self._evaluated = {}

    def mark_late(self, source: str, since: float) -> None:
        """The request sent at `since` has no response yet; the source's next result ends that."""
        self._sources.late[source] = since  # one step, so that nobody waits for the lock

    def resume(self) -> None:
        """The process was suspended: the requests of before are not late."""
        self._sources.late.clear()

    def set_ledger(self, ledger: JournalState) -> None:
        with self._lock:
            self._alerts.set_owners(ledger.owners)
            self._alerts.set_records(ledger.revisions)
            if self._ledger.recent != ledger.recent:
                self._changes = None
            self._ledger = ledger

    # Output

    @property
    def ledger(self) -> JournalState:
        return self._ledger

    @property
    def cluster(self) -> Cluster | None:
        """The namespace as last watched."""
        cluster: Cluster | None = self._sources.value(KUBERNETES)
        return cluster

    def snapshot(self, now: float) -> Snapshot:
        """Everything known at `now`, Unix seconds."""
        with self._lock:
            return self._snapshot(now)

    def _snapshot(self, now: float) -> Snapshot:
        settings, sources = self._settings, self._sources
        manager, rules = sources.value(ALERTMANAGER), sources.value(RULES)
        alerts = self._alerts.tracked(now)
        tally(alerts), active(alerts), count_suppressed(alerts)  # cached here, in a thread, for the screen
        cluster: Cluster | None = sources.value(KUBERNETES)
        assessment = self._assess(cluster, now) if cluster is not None else None
        # Alertmanager is authoritative; the rules replace it only if it is not configured or never responded.
        basis = sources.good.get(ALERTMANAGER) or sources.good.get(RULES)
        warning = self._alerts.delivery_warning(now)
        return Snapshot(
            environment=settings.environment,
            namespace=settings.namespace,
            protected=settings.protected,
            read_only=settings.read_only,
            user=settings.user,
            taken_at=now,
            sources=tuple(sources.state(name, now, delivery_warning=warning) for name in self._shown),
            panels=self._panels(now),
            alerts=alerts,
            alerts_known=basis is not None,
            alerts_age_seconds=max(0.0, now - basis.taken_at) if basis else None,
            alerts_partial=rules.partial if rules and ALERTMANAGER not in sources.good else "",
            alerts_from=ALERTMANAGER if ALERTMANAGER in sources.good else PROMETHEUS if RULES in sources.good else "",
            severities=settings.severities,
            rules=rules.rules if rules else (),
            rules_partial=rules.partial if rules else "",
            rules_requested=RULES in sources.latest,
            rules_fault=sources.latest[RULES].fault if RULES in sources.latest else None,
            silences=manager.silences if manager else (),
            cluster=cluster,
            verdicts=assessment.verdicts if assessment is not None else None,
            platform=sources.value(PLATFORM),
            changes=self._recent_changes(now),
            unfinished=open_actions(self._ledger.unfinished.values()),
            ledger=self._ledger,
            unguarded=tuple(item for item in self._ledger.guards.open if is_unguarded(item, self.presence)),
            open_ends=self._alerts.open_ends,
            heartbeat_alert=settings.heartbeat_alert,
            delivery_doubt=warning,
            dashboard=evaluate_dashboard(self.dashboard, settings, now),
            presence=self.presence,
            news=self.news,
        )

    def query_of(self, spec: PanelSpec) -> str:
        """The query that the panel's current value came from."""
        value = self._sources.value(_source_of(spec))
        result = _by_id(value).get(spec.id) if value is not None and spec.source != KUBERNETES else None
        return (result.query if result else "") or spec.raw

    def records(self) -> dict[str, tuple[str, ...]]:
        """The expressions that the loaded rules record, by name; empty if they are unknown."""
        rules: RulesResult | None = self._sources.value(RULES)
        records: dict[str, tuple[str, ...]] = {}
        for name, expression in rules.records if rules else ():
            records[name] = (*records.get(name, ()), expression)
        return records

    def runbook_of(self, alert: Alert) -> RunbookMatch:
        """The runbook for this alert."""
        return self._alerts.runbook_of(alert)

    def suggestions(self, alert: Alert, match: RunbookMatch) -> tuple[Suggestion, ...]:
        """The actions that fit this alert, from the known state of the cluster."""
        with self._lock:
            return self._alerts.suggestions(alert, match)

    def alert(self, fingerprint: str) -> Alert | None:
        """The alert as it was last listed; its labels never change: the fingerprint is their hash."""
        return next((item.alert for item in self._alerts.last_listed if item.alert.fingerprint == fingerprint), None)

    # Panels

    def _panels(self, now: float) -> tuple[PanelState, ...]:
        known: dict[str, _SourceFacts] = {}
        states = []
        for spec in self._specs:
            source = _source_of(spec)
            facts = known.get(source) or known.setdefault(source, self._facts(source, now))
            state = self._evaluate(spec, facts, now)
            if facts.paused and state.verdict is Verdict.STALE:
                state = replace(state, paused=True, reason="not polled since")
            states.append(state)
        return tuple(states)

    def _facts(self, source: str, now: float) -> _SourceFacts:
        sources = self._sources
        good = sources.good.get(source)
        value, taken_at = (good.value, good.taken_at) if good else (None, 0.0)
        results = _by_id(value) if value is not None and source != KUBERNETES else {}
        paused = sources.paused_at(source, now) is not None
        return _SourceFacts(value, taken_at, sources.stale_after(source), sources.unanswered(source), paused, results)

    def _evaluate(self, spec: PanelSpec, facts: _SourceFacts, now: float) -> PanelState:
        if spec.broken:
            return evaluate_panel(spec, Threshold(), None, taken_at=0.0, now=now, stale_after=0.0)
        threshold = self._thresholds[spec.id]
        taken_at, stale_after, unanswered = facts.taken_at, facts.stale_after, facts.unanswered
        if spec.source == KUBERNETES:
            return evaluate_workloads(
                spec,
                threshold,
                facts.value,
                taken_at=taken_at,
                now=now,
                stale_after=stale_after,
                unanswered=unanswered,
                assessment=self._assess(facts.value, now) if facts.value is not None else None,
            )
        result, age = facts.results.get(spec.id), now - taken_at
        basis = (spec, result, threshold, unanswered, abs(age) > stale_after)
        known = self._evaluated.get(spec.id)
        if known is None or not _same(known[0], basis) or not _same_age(known[1], age):
            state = evaluate_panel(
                spec, threshold, result, taken_at=taken_at, now=now, stale_after=stale_after, unanswered=unanswered
            )
            self._evaluated[spec.id] = known = (basis, state)
        return known[1]

    # Cluster

    def _assess(self, cluster: Cluster, now: float) -> Assessment:
        """The verdicts on its workloads; without news from the cluster only restarts and Jobs age."""
        known = self._assessed
        if known is None or known[0] is not cluster or not 0.0 <= now - known[1] < _ASSESS_SECONDS:
            known = (cluster, now, self._assessor.assess(cluster, now=now, restarted_at=self._restarted_at))
            self._assessed = known
        return known[2]

    def _record_restarts(self, before: Cluster | None, now: Cluster, at: float) -> None:
        if before is None:
            return
        # An unchanged pod is the same object, and most are.
        gone, new = find_changes(before.pods, now.pods)
        known = {pod.uid: pod for pod in gone}
        found = {pod.uid: at for pod in new if pod.uid in known and pod.restarts > known[pod.uid].restarts}
        ended = known.keys() - {pod.uid for pod in new}
        if ended:
            self._restarted_at = {uid: when for uid, when in self._restarted_at.items() if uid not in ended}
        if found:
            self._restarted_at = {**self._restarted_at, **found}

    def _recent_changes(self, now: float) -> tuple[Any, ...]:
        if self._changes is None or now - self._changes[0] > _CHANGES_SECONDS:
            manager = self._sources.value(ALERTMANAGER)
            silences = manager.silences if manager else ()
            cluster = self._sources.value(KUBERNETES)
            self._changes = (now, recent_changes(cluster, silences, self._ledger.recent, now=now))
        return self._changes[1]


def _same(one: _Basis, other: _Basis) -> bool:
    """Without comparing two panels or two results value by value: an equal one keeps its object."""
    return one[0] is other[0] and one[1] is other[1] and one[2:] == other[2:]


def _same_age(state: PanelState, age: float) -> bool:
    """A stale value, whose age is shown, has exactly its age."""
    return state.verdict is not Verdict.STALE and abs(age - (state.age_seconds or 0.0)) < _SAME_AGE_SECONDS


def _source_of(spec: PanelSpec) -> str:
    return spec.source if spec.source in (KUBERNETES, LOKI) else PROMETHEUS


_by_id: IdentityCache[PanelResults, dict[str, PanelResult]] = IdentityCache(
    lambda found: {item.id: item for item in reversed(found.results)}
)


def _same_workloads(one: Cluster, other: Cluster) -> bool:
    """Whether the targets of actions are the same and in the same state; bare pods are none."""
    if one.revisions is not other.revisions and one.revisions != other.revisions:
        return False
    gone, new = find_changes(one.workloads, other.workloads)
    return [item for item in gone if item.kind != "Pod"] == [item for item in new if item.kind != "Pod"]


def _same_pod_names(one: Cluster, other: Cluster) -> bool:
    gone, new = find_changes(one.pods, other.pods)
    return [item.name for item in gone] == [item.name for item in new]
