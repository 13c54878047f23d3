"""The latest and the last good reading of every source, put together into one Snapshot."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

from console.alerts.merge import MergedAlerts, join, undelivered, urgency
from console.alerts.recent_changes import what_changed
from console.checks.panels import judge
from console.checks.platform_lines import judge_platform
from console.checks.watchdog import WatchdogState, apart, heartbeat
from console.checks.workloads import judge_workloads
from console.config.settings import Settings
from console.journal.unfinished import open_actions
from console.monitor.dashboard_poller import DashboardReading, judged
from console.monitor.pauses import ClockPause
from console.runbooks.index import RunbookIndex
from console.runbooks.suggested_actions import suggestions_for
from console.state.journal_state import JournalState
from console.state.place import Place, PodOwners, pod_owners
from console.state.snapshot import Snapshot, active, tally
from queries.model.alert import Alert, Elsewhere, RunbookMatch, Suggestion, TrackedAlert
from queries.model.fault import FaultKind
from queries.model.panel import PanelResult, PanelSpec, PanelState, Threshold
from queries.model.series import label
from queries.model.source import Health, PollResult, SourceState
from queries.model.verdict import Verdict
from queries.model.workload import Cluster

if TYPE_CHECKING:
    from queries.alertmanager import AlertmanagerState
    from queries.prometheus.client import PanelResults, RulesResult

PROMETHEUS, RULES, ALERTMANAGER, KUBERNETES, PLATFORM = "prometheus", "rules", "alertmanager", "kubernetes", "platform"
SOURCES = (PROMETHEUS, ALERTMANAGER, KUBERNETES, PLATFORM)
_TITLES = {PROMETHEUS: "Prometheus", ALERTMANAGER: "Alertmanager", KUBERNETES: "Kubernetes", PLATFORM: "the platform's API"}
_CHANGES_SECONDS = 30.0
_Fitting: TypeAlias = tuple[tuple[Suggestion, ...], Elsewhere | None]


class StateStore:
    """Takes readings in and gives snapshots out; does no I/O and reads no clock.

    What is costly (joining and sorting alerts, finding changes) is done once for each new reading that differs, so that a
    snapshot in between costs next to nothing, whatever the number of alerts. It may be used from any thread, one at a time:
    who must not wait, as the loop that draws, lets a thread use it.
    """

    def __init__(self, settings: Settings, specs: tuple[PanelSpec, ...], *, runbooks: RunbookIndex) -> None:
        self._lock = threading.RLock()
        self._settings = settings
        self._specs = specs
        self._runbooks = runbooks
        self._latest: dict[str, PollResult[Any]] = {}
        self._good: dict[str, PollResult[Any]] = {}
        self._ledger = JournalState()
        self._restarted_at: dict[str, float] = {}
        self._missing: frozenset[str] = frozenset()
        self._late: dict[str, float] = {}
        self._joined: tuple[Any, Any, MergedAlerts] | None = None
        self._heartbeat: WatchdogState | None = None
        self._listed: tuple[Alert, ...] | None = None
        self._last_listed: tuple[Alert, ...] = ()
        """Set in one step, so that nobody waits for the lock."""
        self._alerts: tuple[TrackedAlert, ...] | None = None
        self._changes: tuple[float, tuple[Any, ...]] | None = None
        self._matches: dict[tuple[str, str, str, str], RunbookMatch] = {}
        self._fits: dict[Any, _Fitting] = {}
        self._pod_owners: PodOwners | None = None
        self._place = Place.of(settings)
        self.dashboard: DashboardReading | None = None
        """The dashboard that is looked at; set in one step, so that nobody waits for the lock."""
        self.pauses: tuple[ClockPause, ...] = ()
        """When sources were not asked; set in one step."""
        self.starting: Mapping[str, str] = {}
        """Sources that somebody is just starting, and what to say of each until it first answers; empty once all should."""
        self._configured = {
            PROMETHEUS: settings.prometheus is not None,
            ALERTMANAGER: bool(settings.alertmanagers),
            KUBERNETES: settings.kubernetes is not None,
            PLATFORM: settings.platform is not None,
        }

    # In

    def apply(self, reading: PollResult[Any]) -> None:
        """Take one reading in; of two of one source the later counts."""
        with self._lock:
            self._apply(reading)

    def _apply(self, reading: PollResult[Any]) -> None:
        source = reading.source
        before = self._good.get(source)
        if reading.fault is not None and before is None and source in self.starting:
            return
        same = before is not None and reading.fault is None and before.value == reading.value
        if before is not None and same:
            # The same object again: what was derived from it is known by it.
            reading = replace(reading, value=before.value)
        self._latest[source] = reading
        self._late.pop(source, None)
        if reading.fault is None:
            self._good[source] = reading
        if source == RULES and reading.fault is None:
            # Judged against what Alertmanager said before, or an alert that ended in between would look undelivered.
            self._missing = self._absent_now()
        # What is missing may have been so for long enough meanwhile; anything else only differs where a reading does.
        if source in (RULES, ALERTMANAGER) and not (same and not self._missing):
            self._listed = self._alerts = None
        if source in (ALERTMANAGER, KUBERNETES) and not same:
            self._changes = None
        if source == KUBERNETES and reading.value is not None:
            if before is None or before.value is None or not _same_workloads(before.value, reading.value):
                self._fits.clear()
                self._alerts = None
                self._pod_owners = None
            self._watch_restarts(before.value if before else None, reading.value, reading.taken_at)

    def late(self, source: str, since: float) -> None:
        """The source was asked at `since` and has not answered; its next reading ends that."""
        self._late[source] = since  # one step, so that nobody waits for the lock

    def set_ledger(self, ledger: JournalState) -> None:
        """What the journal adds up to."""
        with self._lock:
            if self._ledger.owners != ledger.owners:
                self._alerts = None
            if self._ledger.revisions != ledger.revisions:
                self._fits.clear()
                self._alerts = None
            if self._ledger.recent != ledger.recent:
                self._changes = None
            self._ledger = ledger

    # Out

    @property
    def ledger(self) -> JournalState:
        return self._ledger

    def snapshot(self, now: float) -> Snapshot:
        """Everything known at `now`, Unix seconds."""
        with self._lock:
            return self._snapshot(now)

    def _snapshot(self, now: float) -> Snapshot:
        settings = self._settings
        manager = self._value(ALERTMANAGER)
        rules = self._value(RULES)
        platform = self._good.get(PLATFORM)
        tracked = self._tracked(now)
        tally(tracked), active(tracked)  # counted here, in a thread, and not by the screen
        told = [self._good[name] for name in (ALERTMANAGER, RULES) if name in self._good]
        # Alertmanager is the one that knows; the rules stand in for it only where it is not configured or never answered.
        basis = told[0] if told else None
        return Snapshot(
            environment=settings.environment,
            namespace=settings.namespace,
            protected=settings.protected,
            read_only=settings.read_only,
            user=settings.user,
            taken_at=now,
            sources=tuple(self._source(name, now) for name in SOURCES),
            panels=tuple(self._panel(spec, now) for spec in self._specs),
            alerts=tracked,
            alerts_known=basis is not None,
            alerts_age_seconds=max(0.0, now - basis.taken_at) if basis else None,
            alerts_from=self._lister(),
            severities=settings.severities,
            rules=rules.rules if rules else (),
            silences=manager.silences if manager else (),
            cluster=self._value(KUBERNETES),
            platform=platform.value if platform else None,
            changes=self._changed(now),
            unfinished=open_actions(self._ledger.unfinished.values()),
            ledger=self._ledger,
            heartbeat_alert=settings.heartbeat_alert,
            delivery_doubt=self._delivery_doubt(now),
            dashboard=judged(self.dashboard, settings, now),
        )

    def query_of(self, spec: PanelSpec) -> str:
        """The expression that the panel's present value came from."""
        found = self._answer(spec, self._value(PROMETHEUS))
        return (found.query if found else "") or spec.raw

    @staticmethod
    def _answer(spec: PanelSpec, answers: PanelResults | None) -> PanelResult | None:
        return next((item for item in answers.results if item.id == spec.id), None) if answers else None

    def records(self) -> dict[str, tuple[str, ...]]:
        """The expressions that the loaded rules record, by name; empty where they are not known."""
        rules: RulesResult | None = self._value(RULES)
        found: dict[str, tuple[str, ...]] = {}
        for name, expression in rules.records if rules else ():
            found[name] = (*found.get(name, ()), expression)
        return found

    def runbook_of(self, alert: Alert) -> RunbookMatch:
        """The runbook that serves this alert."""
        noted = label(alert.annotations, "runbook_url") or label(alert.annotations, "runbook")
        key = (alert.name, noted, alert.component, "")
        if key not in self._matches:
            if len(self._matches) > 10_000:
                self._matches.clear()
            self._matches[key] = self._runbooks.match(alert)
        return self._matches[key]

    def alert(self, fingerprint: str) -> Alert | None:
        """The alert as it was last listed; its labels are what its fingerprint is made of and never change."""
        return next((item for item in self._last_listed if item.fingerprint == fingerprint), None)

    # Sources

    def _value(self, source: str) -> Any:
        reading = self._good.get(source)
        return reading.value if reading else None

    def _source(self, name: str, now: float) -> SourceState:
        latest, good = self._latest.get(name), self._good.get(name)
        if not self._configured[name]:
            return SourceState(name, Health.NOT_CONFIGURED)
        if latest is None:
            told = self.starting.get(name, "")
            return SourceState(name, Health.WAITING, detail=told, paused_at=self._paused_at(name, now))
        warnings = [*latest.warnings]
        health, fault, detail = Health.UP, latest.fault, ""
        if fault is not None:
            health = {FaultKind.DENIED: Health.DENIED, FaultKind.STALE: Health.STALE}.get(fault.kind, Health.DOWN)
        elif name == PROMETHEUS:
            answers: PanelResults = self._value(PROMETHEUS)
            broken = [item for item in answers.results if item.fault is not None]
            rules = self._latest.get(RULES)
            warnings += answers.warnings
            warnings += [f"panel {item.id}: {item.fault.sentence()}" for item in broken if item.fault]
            fault = broken[0].fault if broken else rules.fault if rules else None
            refused = f"{len(broken)} of {len(answers.results)} queries refused" if broken else ""
            detail = refused or ("no rules" if fault else "")
        elif name == ALERTMANAGER:
            state: AlertmanagerState = self._value(ALERTMANAGER)
            detail = f"{state.peers_up}/{state.peers_asked}"
            fault = state.peer_faults[0] if state.peer_faults else None
            warnings += filter(None, (self._delivery_doubt(now),))
        elif name == KUBERNETES:
            detail = "live"
        elif name == PLATFORM:
            judged = judge_platform(self._value(PLATFORM))
            health, detail = judged.health, judged.detail
            warnings += judged.warnings
        if health is Health.UP and (fault is not None or warnings):
            health = Health.DEGRADED
        if health in (Health.UP, Health.DEGRADED) and name in self._late:
            health, detail = Health.DEGRADED, f"no answer for {max(0.0, now - self._late[name]):.0f} s"
        paused_at = self._paused_at(name, now)
        silent = paused_at is None and self._silent_seconds(name, now) > self._patience(name)
        if health.answers and silent:
            # It was asked, and its task hangs in a way that no time limit saw: an old 'up' must not stay on the screen.
            health, detail = Health.DOWN, "no answer any more"
        return SourceState(
            name,
            health,
            detail=detail,
            latency_seconds=latest.latency_seconds if latest.fault is None else None,
            last_good_at=good.taken_at if good else None,
            fault=fault,
            warnings=tuple(dict.fromkeys(warnings)),
            endpoint=self._endpoint(name),
            paused_at=paused_at,
        )

    def _paused_at(self, name: str, now: float) -> float | None:
        """Since when the source was not asked; None once it answered after that, or had the time to."""
        latest = self._latest.get(name)
        for pause in self.pauses:
            if name not in pause.sources:
                continue
            if pause.ended_at is None:
                return pause.began_at
            if (latest is None or latest.taken_at < pause.ended_at) and now - pause.ended_at <= self._patience(name):
                return pause.began_at
        return None

    def _silent_seconds(self, name: str, now: float) -> float:
        """For how many seconds it has been asked without an answer: what was not asked does not count."""
        ends = [pause.ended_at for pause in self.pauses if name in pause.sources and pause.ended_at is not None]
        return now - max([self._latest[name].taken_at, *ends])

    def resume(self) -> None:
        """Everything is asked anew: what was under way when the process stood still is not late."""
        self._late.clear()

    def _patience(self, name: str) -> float:
        """How old the last answer may be before it is no longer called current."""
        stale = self._settings.stale_after_seconds
        # Kubernetes proves every five seconds that it lives; the platform is asked half as often.
        return max(stale, 30.0) if name in (KUBERNETES, PLATFORM) else stale

    def _limit(self, name: str) -> float:
        """As `_patience`, but two missed rounds are enough once the source is known to fail."""
        latest = self._latest.get(name)
        patience = self._patience(name)
        return min(patience, 2.0 * self._settings.refresh_seconds) if latest and latest.fault else patience

    def _endpoint(self, name: str) -> str:
        settings = self._settings
        if name == ALERTMANAGER:
            return ", ".join(item.url for item in settings.alertmanagers)
        if name == KUBERNETES:
            cluster = settings.kubernetes
            where = cluster.place.sentence() if cluster and cluster.place else ""
            return where or ((cluster.context or cluster.kubeconfig or "in-cluster") if cluster else "")
        endpoint = settings.prometheus if name == PROMETHEUS else settings.platform
        return endpoint.url if endpoint else ""

    def _unanswered(self, name: str) -> str:
        latest = self._latest.get(name)
        if not self._configured[name]:
            return f"{_TITLES[name]} is not configured"
        if latest is None:
            return "no answer yet"
        return f"{_TITLES[name]}: {latest.fault.what}" if latest.fault else "the last answer is too old"

    # Panels

    def _panel(self, spec: PanelSpec, now: float) -> PanelState:
        state = self._judged(spec, now)
        source = KUBERNETES if spec.source == KUBERNETES else PROMETHEUS
        paused = state.verdict is Verdict.STALE and self._paused_at(source, now) is not None
        return replace(state, paused=True, reason="nothing was asked since") if paused else state

    def _judged(self, spec: PanelSpec, now: float) -> PanelState:
        if spec.broken:
            return judge(spec, Threshold(), None, taken_at=0.0, now=now, stale_after=0.0)
        source = KUBERNETES if spec.source == KUBERNETES else PROMETHEUS
        good = self._good.get(source)
        taken_at = good.taken_at if good else 0.0
        threshold = self._settings.threshold(spec.id)
        stale_after, unanswered = self._limit(source), self._unanswered(source)
        if source == KUBERNETES:
            return judge_workloads(
                spec,
                threshold,
                good.value if good else None,
                taken_at=taken_at,
                now=now,
                stale_after=stale_after,
                unanswered=unanswered,
                restarted_at=self._restarted_at,
            )
        answer = self._answer(spec, good.value if good else None)
        return judge(spec, threshold, answer, taken_at=taken_at, now=now, stale_after=stale_after, unanswered=unanswered)

    def _watch_restarts(self, before: Cluster | None, now: Cluster, at: float) -> None:
        if before is None:
            return
        if not _same_names(before, now):
            known = {pod.uid: pod for pod in before.pods}
            pairs = [(known[pod.uid], pod) for pod in now.pods if pod.uid in known]
            present = {pod.uid for pod in now.pods}
            self._restarted_at = {uid: when for uid, when in self._restarted_at.items() if uid in present}
        else:
            # The same pods in the same order: what did not change is the same object, and most did not.
            pairs = [pair for pair in zip(before.pods, now.pods, strict=True) if pair[0] is not pair[1]]
        for old, new in pairs:
            if old.uid == new.uid and new.restarts > old.restarts:
                self._restarted_at[new.uid] = at

    # Alerts

    def _absent_now(self) -> frozenset[str]:
        manager = self._latest.get(ALERTMANAGER)
        if manager is None or manager.value is None:
            return frozenset()
        return frozenset(item.fingerprint for item in self._join().missing)

    def _join(self) -> MergedAlerts:
        manager: AlertmanagerState | None = self._value(ALERTMANAGER)
        rules: RulesResult | None = self._value(RULES)
        if self._joined is None or self._joined[0] is not manager or self._joined[1] is not rules:
            name = self._settings.heartbeat_alert
            arrived, delivered = apart(name, manager.alerts if manager else ())
            fired, evaluated = apart(name, rules.alerts if rules else ())
            self._joined = (manager, rules, join(delivered, evaluated))
            self._heartbeat = heartbeat(name, rules.rules, fired, arrived) if manager and rules else None
        return self._joined[2]

    def _delivery_doubt(self, now: float) -> str:
        """Told only while both servers answer: where one does not, that is what there is to say."""
        silent = any(name not in self._latest or self._latest[name].fault for name in (ALERTMANAGER, RULES))
        return self._heartbeat.doubt(now) if self._heartbeat and not silent else ""

    def _lister(self) -> str:
        """Whose list of alerts it is: Prometheus' own only where Alertmanager never answered; its last list stays its own."""
        return ALERTMANAGER if ALERTMANAGER in self._good else PROMETHEUS if RULES in self._good else ""

    def _tracked(self, now: float) -> tuple[TrackedAlert, ...]:
        if self._listed is None:
            found, severities = self._all_alerts(now), self._settings.severities
            if severities.own:
                found = tuple(replace(item, grade=severities.grade(item.labels)) for item in found)
            self._listed = self._last_listed = tuple(sorted(found, key=urgency))
        if self._alerts is None:
            self._alerts = tuple(self._track(item) for item in self._listed)
        return self._alerts

    def _all_alerts(self, now: float) -> tuple[Alert, ...]:
        manager: AlertmanagerState | None = self._value(ALERTMANAGER)
        rules: RulesResult | None = self._value(RULES)
        joined = self._join()
        if manager is None or self._latest[ALERTMANAGER].fault is not None:
            # Whom they reached nobody knows; that they fire is known all the same.
            return (*joined.alerts, *joined.missing)
        absent = [item for item in joined.missing if item.fingerprint in self._missing]
        return (*joined.alerts, *undelivered(absent, rules.rules if rules else (), now=now))

    def _track(self, alert: Alert) -> TrackedAlert:
        match = self.runbook_of(alert)
        mark = self._ledger.owners.get(alert.fingerprint)
        suggestions, elsewhere = self._fitting(alert, match)
        return TrackedAlert(alert, mark.author if mark else "", match, suggestions, elsewhere)

    def suggestions(self, alert: Alert, match: RunbookMatch) -> tuple[Suggestion, ...]:
        """What fits this alert, from what is known of the cluster."""
        with self._lock:
            return self._fitting(alert, match)[0]

    def _fitting(self, alert: Alert, match: RunbookMatch) -> _Fitting:
        key = (alert.labels, match.id)
        found = self._fits.get(key)
        if found is None:
            if len(self._fits) > 2 * len(self._listed or ()) + 200:
                # Most are of alerts that are gone: a console that runs for weeks must not keep them all.
                self._fits.clear()
            cluster: Cluster | None = self._value(KUBERNETES)
            if self._pod_owners is None and cluster is not None:
                self._pod_owners = pod_owners(cluster)
            suggestions = suggestions_for(
                alert,
                cluster,
                owners=self._pod_owners,
                place=self._place,
                runbook=self._runbooks.get(match.id),
                configured=self._settings.alert_targets,
                records=self._ledger.revisions,
            )
            found = self._fits[key] = (suggestions, self._place.elsewhere(alert.labels, self._pod_owners))
        return found

    # Changes

    def _changed(self, now: float) -> tuple[Any, ...]:
        if self._changes is None or now - self._changes[0] > _CHANGES_SECONDS:
            manager = self._value(ALERTMANAGER)
            silences = manager.silences if manager else ()
            self._changes = (now, what_changed(self._value(KUBERNETES), silences, self._ledger.recent, now=now))
        return self._changes[1]


def _same_workloads(one: Cluster, other: Cluster) -> bool:
    """Whether actions and targets are what they were; of pods only who they are counts, not how they fare."""
    return one.workloads == other.workloads and one.revisions == other.revisions and _same_names(one, other)


def _same_names(one: Cluster, other: Cluster) -> bool:
    if len(one.pods) != len(other.pods):
        return False
    return all(old is new or old.name == new.name for old, new in zip(one.pods, other.pods, strict=True))
