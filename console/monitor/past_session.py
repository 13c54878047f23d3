"""The time machine's session: every live client replaced by what keeps its source's past, and read-only by transport."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from console.alerts.recent_changes import recent_changes
from console.journal.errors import JournalError
from console.journal.presence import Presence
from console.monitor.recorded_state import RecordedState, read_recorded
from console.monitor.session import Session
from console.monitor.source_results import ALERTMANAGER, KUBERNETES, LOKI, PLATFORM, PROMETHEUS, RULES
from console.recording.reader import Recording
from console.state.as_of import WHY_READ_ONLY, AsOf
from console.state.journal_state import JournalState
from console.state.past_journal import PastJournal
from console.state.place import Place
from console.state.snapshot import Snapshot
from queries.concurrency import run_cpu_bound
from queries.errors import NotKnownThen, SourceError
from queries.model.alert import AlertRule
from queries.model.fault import Fault, FaultKind
from queries.model.series import Sample, quote
from queries.model.silence import KEPT_SECONDS, Silence, find_silences_at, known_since
from queries.model.source import Health, PollResult, SourceState
from queries.prometheus import alert_series, kube_state
from queries.prometheus.query_batch import BatchQuery
from queries.prometheus.responses import RulesResult
from queries.text.durations import format_duration
from queries.text.times import format_moment

if TYPE_CHECKING:
    from console.journal.event import Event
    from console.journal.sqlite import Journal
    from console.logs.loki_source import LokiSource
    from console.logs.query import LogQuery
    from console.monitor.past_marks import Marks
    from console.state.incident import Incident
    from queries.kubernetes.client import Kubernetes
    from queries.model.cluster import Cluster
    from queries.model.log import LogSource
    from queries.prometheus.client import PanelResults, Prometheus
    from queries.prometheus.relabel import AlertRelabeling

_ALERTS, _SCRAPED, _EVALUATED = "then/alerts", "then/scraped", "then/evaluated"
CLUSTER_KEY = "then/cluster"
"""The key of the query of the cluster's objects."""
_MOST_NAMES = 20
"""Recorded series of which one shows that rules were evaluated."""
_CLUSTER_UNKNOWN = (
    "Prometheus has no series of kube-state-metrics for that moment, and nothing else keeps what the cluster said"
)
_CLUSTERS = "Prometheus has kube-state-metrics series of several clusters"
_CLUSTER_NOT_RECORDED = "Prometheus has no series of kube-state-metrics for that moment, and the recording does not tell"
_PLATFORM_UNKNOWN = "nothing keeps what the platform's own status said"
_NO_OBJECTS = "the cluster reports only its current state"
_INHIBITED = "whether alerts were inhibited or muted is not known then"
_NOBODY = "nothing keeps who was on"


class FutureMoment(ValueError):
    """A moment that has not been; the message is for a person."""


class PastSession(Session):
    """What `live` would have shown at a moment. `go` moves it there; nothing polls it, and nothing of now gets in.

    Prometheus is asked with the time, Alertmanager for the silences that it still keeps, the journal up to the moment. What a
    recorder kept of the cluster and of Alertmanager comes first: `recording`, or the folder of this environment. It shares the
    connections of `live`, which stays open, and has a journal that can only be read.
    """

    def __init__(self, live: Session, *, clock: Callable[[], float] = time.time, recording: Recording | None = None) -> None:
        self.moment = self._queried = 0.0
        """The moment that is shown, and the one that is being read; Unix seconds, 0 before `go`."""
        self._now = clock
        self._live = live
        settings = replace(live.settings, read_only=True)
        prometheus = live.prometheus.as_of(self._moment) if live.prometheus is not None else None
        super().__init__(
            settings,
            specs=live.specs,
            runbooks=live.runbooks,
            journal_fault=live.journal_fault or f"nothing is written: {WHY_READ_ONLY}",
            prometheus=prometheus,
            clock=self._moment,
        )
        self.boards = live.boards
        self.dashboards.as_of = self._moment
        self.severity_policies = live.severity_policies
        self._store.presence = Presence(error=_NOBODY)
        self._read_error = live.journal_fault
        self._past_journal: PastJournal | None = None
        self._silences: tuple[Silence, ...] = ()
        self._cluster: Cluster | None = None
        self._as_of = AsOf(0.0, 0.0)
        self._manager = SourceState(ALERTMANAGER, Health.WAITING)
        self._recorded = RecordedState()
        self._recording = recording or Recording.of_folder(Path(settings.recording_dir), about=settings.recorded_place)
        self._loaded: tuple[AlertRule, ...] = ()
        self._turn = asyncio.Lock()
        self._whole = threading.Lock()
        """Held while the results of a moment replace those of another one: no snapshot is of both."""

    def _moment(self) -> float:
        return self._queried

    def check(self, moment: float) -> None:
        """Raises FutureMoment for one that has not been."""
        if moment > self._now():
            raise FutureMoment(f"{format_moment(moment)} is in the future: nothing is known of it")

    def start(self, on_snapshot: Callable[[Snapshot], None]) -> None:
        """From now on, `go` passes what it finds to `on_snapshot`. Nothing else is started."""
        self._snapshots.open(on_snapshot)

    async def go(self, moment: float, *, follows: bool = False) -> Snapshot:
        """Show this moment, Unix seconds; `follows` if it is the next one of a film, whose trends go on. One call at a time:
        another waits. Raises FutureMoment.
        """
        self.check(moment)
        async with self._turn:
            if not follows and self.prometheus is not None:
                await self.prometheus.leave_moment()
            self._queried = moment
            if not follows and self._log_panels is not None:
                await self._log_panels.leave_moment()
            recorded, silences, results, logged, ledger = await asyncio.gather(
                asyncio.to_thread(read_recorded, self._recording, moment, namespace=self.settings.namespace),
                self._read_silences(),
                self._read_prometheus(),
                self._read_log_panels(),
                self._read_journal(),
            )

            def replace_moment() -> None:
                with self._whole:
                    self.moment, self._silences, self._recorded = moment, silences, recorded
                    self._store.forget()
                    self._apply_recorded()
                    self._apply(*results)
                    if logged is not None:
                        self._store.apply(logged)
                    self._store.set_ledger(ledger)

            await run_cpu_bound(replace_moment)  # thousands of series become pods and alerts
            await self._snapshots.build_now()
            self.dashboards.refresh_now()
        return self.snapshot()

    async def once(self, *, timeout_seconds: float = 15.0) -> Snapshot:
        """The moment again; the sources' own timeouts count."""
        return await self.go(self.moment)

    def refresh_now(self) -> None:
        """The past does not change."""

    def set_visible(self, visible: bool) -> None:
        """Nothing is polled."""

    def check_clock(self) -> None:
        """The moment stands still."""

    # What a past moment does not have

    def _require_kubernetes(self) -> Kubernetes:
        raise NotKnownThen("objects of the cluster are not known then", hint=_NO_OBJECTS)

    def create_log_source(self, query: LogQuery) -> LogSource:
        if query.origin == "loki":
            return self.create_loki_source(query)
        raise NotKnownThen("the pods' own logs are not known then", hint=_NO_OBJECTS)

    def create_loki_source(self, query: LogQuery) -> LokiSource:
        until = self.moment if query.until is None else min(query.until, self.moment)
        return super().create_loki_source(replace(query, until=until))

    # The journal

    @property
    def journal_error(self) -> str:
        return self._read_error or self._store.ledger.error

    @property
    def journal_known(self) -> bool:
        return not self._read_error

    @property
    def others_unknown(self) -> str:
        """The console knows the other consoles' events if it last read the shared store after the moment."""
        status = self._live.sharing
        read_at = status.last_good_at if status is not None else None
        return "" if read_at is not None and self.moment <= read_at else self._live.others_unknown

    async def incident(self, name: str) -> Incident | None:
        incidents = self._store.ledger.incidents.all
        found = [item for item in incidents if name and (str(item.number) == name or item.id.startswith(name))]
        return found[0] if len(found) == 1 else None

    async def chart_events(self, *, until: float | None = None) -> tuple[Event, ...]:
        return await super().chart_events(until=self.moment if until is None else until)

    async def _read_journal(self) -> JournalState:
        source = self._live.journal
        if source is None:
            return JournalState()
        try:
            if self.journal is None:
                self.journal = await asyncio.to_thread(self._open_journal, source)
                self._past_journal = PastJournal(self.journal, environment=self.settings.environment)
            assert self._past_journal is not None  # noqa: S101  # set with the journal
            state = await asyncio.to_thread(self._past_journal.state_at, self._queried)
        except (JournalError, FileNotFoundError) as error:
            self._read_error = str(error)
            return JournalState(behind=1)
        self._read_error = ""
        # Events missing from the file now may date from before that moment.
        return replace(state, lost=self._live.snapshot().ledger.lost)

    def _open_journal(self, source: Journal) -> Journal:
        """The journal of now, for reading only. Raises JournalError and FileNotFoundError."""
        from console.journal.sqlite import Journal  # noqa: PLC0415  # SQLite, after the first frame

        return Journal.open_to_read(source.path)

    # The servers

    async def read_marks(self, start: float, end: float) -> Marks:
        """What happened between two times, Unix seconds."""
        from console.monitor.past_marks import read_marks  # noqa: PLC0415  # not before a moment is shown

        live = self._live
        return await read_marks(
            live.prometheus,
            self.journal,
            self.snapshot(),
            cluster=live.snapshot().cluster,
            heartbeat=self.settings.heartbeat_alert,
            environments=self.own_environments,
            place=Place.of(self.settings),
            start=start,
            end=end,
        )

    async def _read_silences(self) -> tuple[Silence, ...]:
        """The silences of then, with the state of Alertmanager as a source of them."""
        manager = self._live.alertmanager
        if manager is None:
            self._manager = SourceState(ALERTMANAGER, Health.NOT_CONFIGURED)
            return ()
        try:
            listed = await manager.silences()
        except SourceError as error:
            self._manager = SourceState(ALERTMANAGER, Health.DOWN, fault=error.fault)
            return ()
        known = known_since(listed, now=self._now()) <= self._queried
        kept = f"Alertmanager keeps silences for {format_duration(KEPT_SECONDS)} after they end, unless it is told otherwise"
        fault = None if known else Fault(FaultKind.NOT_KNOWN_THEN, "some silences may not be known then", hint=kept)
        health = Health.UP if known else Health.PARTIAL
        self._manager = SourceState(ALERTMANAGER, health, detail="silences", last_good_at=self._queried, fault=fault)
        return find_silences_at(listed, self._queried)

    async def _read_prometheus(self) -> tuple[PanelResults | None, Fault | None, AlertRelabeling | None]:
        past, live = self.prometheus, self._live.prometheus
        if past is None or live is None:
            return None, None, None
        if not self._loaded:
            await self._read_rules(live)
        specs = tuple(spec for spec in self.specs if spec.source == PROMETHEUS)
        try:
            relabeling, panels = await asyncio.gather(live.current_relabeling(), past.panels(specs, beside=self._beside(live)))
        except SourceError as error:
            return None, error.fault, None
        if not _has_samples(panels):
            return None, await self._explain_gap(live), None
        return panels, None, relabeling

    async def _read_log_panels(self) -> PollResult[Any] | None:
        if self._log_panels is None:
            return None
        counted = tuple(spec for spec in self.specs if spec.source == LOKI)
        try:
            found = await self._log_panels.refresh(counted)
        except SourceError as error:
            return PollResult(LOKI, self._queried, 0.0, fault=error.fault)
        return PollResult(LOKI, self._queried, 0.0, value=found)

    async def _read_rules(self, live: Prometheus) -> None:
        """The definitions of the rules as they are loaded now: nothing keeps those of then. Their state is left out."""
        rules = self._live.snapshot().rules
        if not rules:
            try:
                rules = (await live.rules()).rules
            except SourceError:
                return  # alerts are then without annotations, and fire since their expression is true
        self._loaded = tuple(replace(item, state="", health="", last_error="") for item in rules)

    def _beside(self, live: Prometheus) -> tuple[BatchQuery, ...]:
        names = sorted(live.recorded_rules)[:_MOST_NAMES]
        return (
            BatchQuery(_ALERTS, alert_series.QUERY),
            BatchQuery(_SCRAPED, "count(up)"),
            *((BatchQuery(_EVALUATED, f"count({{__name__=~{quote('|'.join(names))}}})"),) if names else ()),
            *((BatchQuery(CLUSTER_KEY, kube_state.build_cluster_query(self.settings.namespace)),) if self._has_cluster else ()),
        )

    @property
    def _has_cluster(self) -> bool:
        return self.settings.kubernetes is not None

    async def _explain_gap(self, live: Prometheus) -> Fault:
        """Why Prometheus has no sample of the moment."""
        try:
            kept = await live.retention()
        except SourceError:
            kept = ""
        what = f"no samples at {format_moment(self._queried)}"
        hint = f"it was not scraping then, or the moment is older than what it keeps{f' ({kept})' if kept else ''}"
        return Fault(FaultKind.NOT_KNOWN_THEN, what, where=live.where, hint=hint)

    # From results to a snapshot

    def _apply_recorded(self) -> None:
        """What was recorded of Alertmanager replaces what it still keeps."""
        state = self._recorded.manager
        if state is None or not self.settings.alertmanagers:
            return
        self._silences = state.silences
        self._deliver(ALERTMANAGER, value=state)
        health = Health.UP if state.peers_up == state.peers_total else Health.DEGRADED
        detail = f"{state.peers_up}/{state.peers_total} recorded"
        self._manager = SourceState(ALERTMANAGER, health, detail=detail, last_good_at=self.moment)

    def _apply_cluster(self, found: tuple[Sample, ...] | Fault) -> None:
        """As it was recorded; else from the series of kube-state-metrics."""
        if not self._has_cluster:
            return
        self._cluster, why = self._recorded.cluster, ""
        if self._cluster is None:
            own, others = ((), "") if isinstance(found, Fault) else Place.of(self.settings).select_own(found)
            self._cluster = kube_state.read_cluster(own, self.settings.namespace)
            missing = self._recorded.cluster_unknown
            nothing = f"{_CLUSTER_NOT_RECORDED}: {missing}" if missing else _CLUSTER_UNKNOWN
            nothing = f"{_CLUSTERS}: {others}; name this one in environments.*.labels" if others else nothing
            why = found.sentence() if isinstance(found, Fault) else nothing
        unknown = Fault(FaultKind.NOT_KNOWN_THEN, "not known then", hint=why)
        self._deliver(KUBERNETES, value=self._cluster, fault=None if self._cluster is not None else unknown)

    def _apply(self, panels: PanelResults | None, fault: Fault | None, relabeling: AlertRelabeling | None) -> None:
        self._cluster = None
        if self.settings.platform is not None:
            self._deliver(PLATFORM, fault=Fault(FaultKind.NOT_KNOWN_THEN, "not known then", hint=_PLATFORM_UNKNOWN))
        if panels is None:
            if fault is not None:
                self._deliver(PROMETHEUS, fault=fault)
                self._deliver(RULES, fault=fault)
            self._apply_cluster(())
            reason = f"Prometheus: {fault.what}" if fault is not None else "Prometheus is not configured"
            self._as_of = AsOf(self.moment, self._now(), f"{self._what_is_missing} not known then: {reason}")
            return
        self._deliver(PROMETHEUS, value=panels)
        self._apply_alerts(panels, relabeling)
        self._apply_cluster(panels.beside.get(CLUSTER_KEY, ()))

    @property
    def _what_is_missing(self) -> str:
        return "the alerts are" if self._recorded.manager is None else "pending alerts are"

    def _apply_alerts(self, panels: PanelResults, relabeling: AlertRelabeling | None) -> None:
        found, error = panels.beside.get(_ALERTS, ()), ""
        if isinstance(found, Fault):
            error = found.sentence()
        elif not found and not _first(panels, _EVALUATED):
            error = "nothing shows that Prometheus evaluated rules then"
        if isinstance(found, Fault) or error:
            self._deliver(RULES, fault=Fault(FaultKind.NOT_KNOWN_THEN, error))
            self._as_of = AsOf(self.moment, self._now(), f"{self._what_is_missing} not known then: {error}")
            return
        send = relabeling.sent if relabeling is not None else lambda labels: labels
        alerts = alert_series.read_alerts(found, self._loaded, at=self.moment, send=send)
        recorded_manager = self._recorded.manager is not None
        alerts = alerts if recorded_manager else alert_series.silence_alerts(alerts, self._silences)
        recorded = tuple(sorted(self._live.prometheus.recorded_rules)) if self._live.prometheus is not None else ()
        self._deliver(RULES, value=RulesResult(self._loaded, alerts, recorded, partial=panels.partial))
        if recorded_manager:
            self._as_of = AsOf(self.moment, self._now())
            return
        silenced = ""
        if self._manager.health is not Health.UP:
            why = self._manager.fault.sentence() if self._manager.fault else "Alertmanager is not configured"
            silenced = f"; nor all silences: {why}"
        self._as_of = AsOf(self.moment, self._now(), f"{_INHIBITED}{silenced}")

    def _deliver(self, source: str, *, value: Any = None, fault: Fault | None = None) -> None:
        self._store.apply(PollResult(source, self.moment, 0.0, value, fault))

    def _build_snapshot(self) -> Snapshot:
        with self._whole:
            return self._build()

    def _build(self) -> Snapshot:
        snapshot = self._store.snapshot(self.moment)
        changes = recent_changes(self._cluster, self._silences, snapshot.ledger.recent, now=self.moment)
        return replace(
            snapshot,
            read_only=True,
            silences=self._silences,
            sources=tuple(self._manager if item.name == ALERTMANAGER else self._name_past(item) for item in snapshot.sources),
            changes=changes,
            unfinished=(),
            unguarded=(),
            as_of=self._as_of,
        )

    def _name_past(self, state: SourceState) -> SourceState:
        """What a source of then is called beside its word; how long an answer took says nothing about then."""
        detail, warnings = state.detail, state.warnings
        if state.name == KUBERNETES and state.health.serves:
            recorded = self._recorded.cluster is not None
            detail = "recorded" if recorded else "kube-state-metrics"
            warnings = warnings if recorded else (*warnings, kube_state.NOT_READ)
        return replace(state, latency_seconds=None, detail=detail, warnings=warnings)


def _has_samples(panels: PanelResults) -> bool:
    """Whether the server has anything of the moment."""
    beside = any(found and not isinstance(found, Fault) for found in panels.beside.values())
    return beside or any(item.samples for item in panels.results)


def _first(panels: PanelResults, key: str) -> tuple[Sample, ...]:
    found = panels.beside.get(key, ())
    return () if isinstance(found, Fault) else found
