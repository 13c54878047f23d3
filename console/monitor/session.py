"""One console's or one command's view of the platform: it opens the clients, polls them, and gives snapshots and services."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection, Coroutine, Iterable
from contextlib import aclosing
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from console.alerts.lookup import find_matches
from console.config.missing import missing_server
from console.config.permissions import file_warnings
from console.config.settings import Settings
from console.journal.errors import JournalError
from console.log import log_to
from console.monitor.dashboard_poller import DashboardPoller, DashboardReading
from console.monitor.journal_session import JournalSession
from console.monitor.metric_history import MetricHistory, RuleHistory
from console.monitor.pauses import ClockPause, PauseDetector
from console.monitor.poller import poll_once
from console.monitor.polling import SourcePolling
from console.monitor.source_results import ALERTMANAGER, EVERY_SOURCE, LOKI, RULES, SOURCES, ServerStart
from console.monitor.state_store import StateStore
from console.runbooks.index import RunbookFound, RunbookIndex
from console.state.place import Place
from console.state.snapshot import Snapshot
from queries.catalogue.error_codes import use_team_codes
from queries.concurrency import end_tasks
from queries.model.alert import AlertRule, Suggestion, TrackedAlert, find_rule
from queries.model.dashboard import DASHBOARDS
from queries.model.label_selector import matches_selector
from queries.model.matcher import Matcher
from queries.model.panel import PanelSpec
from queries.model.panel_result import HistoryRange, PanelHistory
from queries.model.pod import PodUsage
from queries.model.pod_log import LogTarget
from queries.model.source import PollResult

if TYPE_CHECKING:
    from console.actions.action import Action
    from console.actions.cluster_reader import LiveClusterReader
    from console.actions.guard.guard import GuardControl
    from console.actions.plan import Preview, Request, RunStep
    from console.actions.writers.writer import Writer
    from console.checklists.loader import Checklists
    from console.checklists.service import ChecklistService
    from console.drills.service import DrillService
    from console.handover.service import HandoverService
    from console.incidents.impact import FailedRequests
    from console.incidents.service import IncidentService
    from console.incidents.severity_policy import SeverityPolicies
    from console.journal.event import Event
    from console.journal.shared_store import SharedStore
    from console.journal.sqlite import Journal
    from console.logs.loki_source import LokiSource
    from console.logs.pattern_report import PatternReport
    from console.logs.query import LogQuery
    from console.monitor.guard_source import LiveGuardSource
    from console.monitor.past_session import PastSession
    from console.monitor.recorder import Recorder, RecorderStatus
    from console.objects.outside import ServiceReading
    from console.objects.service import ObjectService
    from console.runbooks.page import Runbook
    from console.runbooks.steps import StepResult
    from console.state.guards import GuardRecord
    from queries.alertmanager import Alertmanager
    from queries.kubernetes.client import Kubernetes
    from queries.loki import Loki
    from queries.loki.panels import LogPanels
    from queries.model.log import LogSource
    from queries.model.series import Sample
    from queries.platform.administration import Administration
    from queries.platform.client import Platform
    from queries.prometheus.client import InstantResult, Prometheus
    from queries.prometheus.history import Window
    from queries.prometheus.rules_reader import RulesReader

_log = logging.getLogger(__name__)

_JOURNAL_SECONDS = 10.0
"""How long a one-time snapshot waits for a long journal; the next command continues from there."""
ONCE_SECONDS = 15.0
"""How long a headless command waits for a source: longer than the timeouts of a credential plugin and, by default, of every
request, so that their errors name what timed out."""


class Session(JournalSession):
    """Create it with `open`; `close` ends everything that it started."""

    def __init__(
        self,
        settings: Settings,
        *,
        specs: tuple[PanelSpec, ...],
        runbooks: RunbookIndex,
        journal: Journal | None = None,
        journal_fault: str = "",
        store: SharedStore | None = None,
        prometheus: Prometheus | None = None,
        rules: RulesReader | None = None,
        alertmanager: Alertmanager | None = None,
        kubernetes: Kubernetes | None = None,
        platform: Platform | None = None,
        administration: Administration | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        state = StateStore(settings, specs, runbooks=runbooks)
        super().__init__(settings, state, journal=journal, journal_fault=journal_fault, shared=store, clock=clock)
        self.specs = specs
        self.runbooks = runbooks
        self.sources: frozenset[str] = EVERY_SOURCE
        """What `once` polls."""
        self.whole_trends = True
        """Whether `once` fetches every panel's trend; else only where it says since when a threshold is crossed."""
        self.file_warnings: tuple[str, ...] = ()
        """One sentence for each config file with unsafe permissions and each error in a team's own files."""
        self.boards = DASHBOARDS
        """Name and title of every dashboard, ours first, then a team's own."""
        self.prometheus = prometheus
        self._rules = rules
        self.alertmanager = alertmanager
        self.kubernetes = kubernetes
        self.platform = platform
        self._administration = administration
        self._detector = PauseDetector()
        self.dashboards = DashboardPoller(
            settings, prometheus, self._on_dashboard, clock=clock, detector=self._detector, loki=self.require_loki
        )
        self._loki: Loki | None = None
        self._recorder: Recorder | None = None
        self._log_panels = self._create_log_panels()
        self._history = MetricHistory(prometheus, log_panels=self._log_panels, clock=clock)
        self._polling = SourcePolling(
            settings,
            specs,
            prometheus=prometheus,
            rules=rules,
            alertmanager=alertmanager,
            kubernetes=kubernetes,
            platform=platform,
            log_panels=self._log_panels,
            deliver=self.ingest,
            on_late=self._on_late,
            on_pauses=self._on_pauses,
            detector=self._detector,
            clock=clock,
        )
        self._tasks: list[asyncio.Task[None]] = []

    @classmethod
    def open(
        cls,
        settings: Settings,
        sources: Collection[str] = EVERY_SOURCE,
        *,
        specs: tuple[PanelSpec, ...] | None = None,
        runbooks: RunbookIndex | None = None,
    ) -> Session:
        """Imports the clients, reads catalogue and runbooks, opens the journal; sends nothing. May run in a thread.

        Without some of the sources, or with only some of the overview's panels as `specs`, it is a session for `once`, whose
        snapshots lack what the others would have returned. `runbooks` are the pages where they were read before.
        """
        from console.checks.own_panels import find_problems, list_boards  # noqa: PLC0415  # not before the first frame
        from console.monitor.opening import open_parts  # noqa: PLC0415  # not before the first frame

        log_to(settings.paths.log_file)
        use_team_codes(settings.error_codes)
        session = cls(settings, **open_parts(settings, sources, specs=specs, runbooks=runbooks))
        session.boards = list_boards(settings)
        session.file_warnings = (*file_warnings(settings), *find_problems(settings, session.runbooks))
        session.sources = frozenset(sources)
        if session.sources == EVERY_SOURCE:
            _ = session.severity_policies  # reads YAML: now, in this thread, and not when an incident is drawn
        return session

    # The past

    replayed = ""
    """The name of the bundle that is shown instead of servers; empty for none."""

    async def open_past(self, clock: Callable[[], float]) -> PastSession:
        """A session of past moments; it is closed before this one."""
        from console.monitor.past_session import PastSession  # noqa: PLC0415  # only for the past

        return PastSession(self, clock=clock)

    def latest_moment(self, now: float) -> float:
        """The last moment that can be shown; Unix seconds, as `now`."""
        return now

    # Polling

    def start(self, on_snapshot: Callable[[Snapshot], None]) -> None:
        """Starts polling in the running loop, which calls `on_snapshot` at most every 50 ms and at least every second."""

        def show(snapshot: Snapshot) -> None:
            if self._journal_service is not None:
                self._journal_service.watch(snapshot)
            on_snapshot(snapshot)

        self._snapshots.open(show)
        for source, loop in self._polling.loops().items():
            self._run(loop, source)
        self.beat_seconds = self._polling.beat_seconds
        self._detector.beat()
        self._run(self._tick(), "the clock")
        self._start_presence()
        self._start_recorder()
        if self._journal_service is not None:
            self._run(self._journal_service.run(self._snapshots.schedule), "journal")

    def _start_recorder(self) -> None:
        if self.settings.recorder is not None:
            from console.monitor.recorder import Recorder  # noqa: PLC0415  # only where it is configured

            self._recorder = Recorder(self.settings, clock=self._clock)
            self._recorder.start()

    @property
    def recorder(self) -> RecorderStatus | None:
        """Whether this console records what no server keeps; None if it is not to."""
        return self._recorder.status if self._recorder is not None else None

    def expect_start(self, start: ServerStart) -> None:
        """These sources are being started: until one first responds the screen shows its text instead of DOWN.

        The caller sets the end once all are up, or when it gives up.
        """
        self._store.start = start

    async def once(self, *, timeout_seconds: float = ONCE_SECONDS) -> Snapshot:
        """Polls every source of this session once, all at the same time, each for at most `timeout_seconds`."""
        syncing = asyncio.ensure_future(self._journal_service.sync()) if self._journal_service is not None else None
        results = await asyncio.gather(
            *(
                poll_once(source, fetch, limit_seconds=timeout_seconds, clock=self._clock)
                for source, fetch in self._polling.one_time_fetches(self.sources, whole_trends=self.whole_trends).items()
            )
        )
        # Alertmanager before the rules: the store decides what was not delivered when the rules arrive.
        for result in sorted(results, key=lambda item: item.source != ALERTMANAGER):
            self._store.apply(result)
        if self._journal_service is not None and syncing is not None:
            await syncing
            await self._journal_service.read_all(seconds=_JOURNAL_SECONDS)
        return self.snapshot()

    def ingest(self, result: PollResult[Any]) -> None:
        """Takes one result of a source, as the poll loops deliver it."""
        if result.source == ALERTMANAGER and self._journal_service is not None:
            self._journal_service.on_alerts(result)
        if result.source == RULES and self._journal_service is not None:
            self._journal_service.on_rules(result)
        if self._recorder is not None:
            self._recorder.ingest(result)
        self._snapshots.ingest(result)

    def refresh_now(self) -> None:
        """Polls all sources as soon as their current requests end."""
        self._polling.refresh_now()
        self.dashboards.refresh_now()
        if self._journal_service is not None:
            self._journal_service.wake()

    def set_visible(self, visible: bool) -> None:
        """Stops polling while nobody can see the screen, and polls everything at once afterwards.

        It keeps polling while an incident or a drill is open, because what the sources respond is recorded, while it is the
        console that records, and if a program notifies somebody of alerts.
        """
        ledger = self._store.ledger
        records = self._recorder is not None and self._recorder.writes
        needed = visible or records or bool(ledger.incidents.open or ledger.drills.open or self.settings.notify.commands)
        if self._polling.set_visible(needed):
            self.dashboards.set_visible(needed)

    def check_clock(self) -> None:
        """Runs every second, and when the console returns from the shell's background.

        If the process was suspended, everything is polled again at once and shown as paused until it responds.
        """
        if not self._polling.check_clock():
            return
        self._store.resume()
        self.dashboards.start_over()
        if self._journal_service is not None:
            self._journal_service.wake()

    async def close(self) -> None:
        await end_tasks(self._tasks)
        await self._snapshots.close()
        await self.dashboards.close()
        if self._log_panels is not None:
            await self._log_panels.close()
        self._tasks.clear()
        for client in (
            self.prometheus,
            self._rules,
            self.alertmanager,
            self.kubernetes,
            self.platform,
            self._administration,
            self._loki,
        ):
            if client is not None:
                await client.close()
        await self._stop_presence()
        if self._recorder is not None:
            await asyncio.to_thread(self._recorder.close)
        if self._journal_service is not None:
            await self._journal_service.close()
        if self.journal is not None:
            self.journal.close()

    # Reading

    async def evaluate(self, query: str) -> InstantResult:
        """One PromQL query, now. Raises SourceError."""
        if self.prometheus is None:
            raise missing_server("Prometheus")
        return await self.prometheus.query(self.prometheus.expand(query))

    def histories(self, panel_id: str, requested: HistoryRange) -> AsyncIterator[PanelHistory]:
        """The panel's series over a time range, refined with each history; a failure is stored as the history's fault."""
        spec = next((item for item in self.specs if item.id == panel_id), None)
        return self._history.fetch_panel(spec, panel_id, requested)

    def spec_histories(self, spec: PanelSpec, requested: HistoryRange) -> AsyncIterator[PanelHistory]:
        """As `histories`, of a panel that is not polled all the time."""
        return self._history.fetch_panel(spec, spec.id, requested)

    async def log_history(self, spec: PanelSpec, window: Window) -> PanelHistory:
        """The series of a panel over logs; a failure is stored as the history's fault."""
        return await self._history.fetch_log_panel(spec, window)

    def alert_histories(
        self, fingerprint: str, requested: HistoryRange, last: TrackedAlert | None = None
    ) -> AsyncIterator[RuleHistory]:
        """The history for the alert's rule, refined with each item; `last` is the alert as it was before it ended."""
        tracked = self.snapshot().alert(fingerprint) or last
        rule = self.rule_of(tracked) if tracked else None
        alert = tracked.alert if tracked else None
        return self._history.fetch_alert(alert, rule, fingerprint, requested)

    async def failed_requests(self, start: float, end: float) -> FailedRequests:
        """How many requests of users failed between two times, Unix seconds."""
        from console.incidents.impact import count_failed  # noqa: PLC0415  # not before an action ended

        return await count_failed(self.prometheus, start=start, end=end)

    async def chart_events(self, *, until: float | None = None) -> tuple[Event, ...]:
        """The newest 200 events of the journal that charts mark, up to a time in Unix seconds; none if it cannot be read."""
        if self.journal is None:
            return ()
        from console.alerts.chart import KINDS  # noqa: PLC0415  # not before a chart is opened
        from console.journal.search import SearchQuery, search  # noqa: PLC0415  # not before a chart is opened

        try:
            query = SearchQuery(kinds=tuple(KINDS), until=until, environments=self.own_environments)
            page = await asyncio.to_thread(search, self.journal, query)
        except JournalError:
            return ()  # the header says what is wrong with the journal
        return tuple(hit.event for hit in page.entries)

    def rule_of(self, tracked: TrackedAlert) -> AlertRule | None:
        """The rule behind an alert; of several with its name, the one whose labels the alert has."""
        return find_rule(tracked.alert.labels, self.snapshot().rules)

    def find_runbook(self, text: str) -> RunbookFound:
        """Resolves a path, a URL, a page's name or an alert's name; an alert gives the page of its screen."""
        shown = self.snapshot()
        return self.runbooks.find(text, shown.rules, (item.alert for item in shown.alerts))

    def subject_error(self, runbook: Runbook, tracked: TrackedAlert | None) -> str:
        """Why the page may not be about the alert; empty if it is, or if that is unknown."""
        rule = self.rule_of(tracked) if tracked else None
        if rule is None:
            return ""
        from console.runbooks.subject import subject_error  # noqa: PLC0415  # the parser of PromQL

        recorded = {name for spec in self.specs for name in spec.recorded_names}
        return subject_error(runbook, rule.expression, self._store.records(), recorded=recorded)

    async def runbook_steps(self, runbook: Runbook, tracked: TrackedAlert | None) -> AsyncIterator[StepResult]:
        """Evaluates every step of the runbook."""
        from console.runbooks.steps import StepContext, evaluate_steps  # noqa: PLC0415  # not before a runbook is opened

        shown = self.snapshot()
        context = StepContext(
            self.evaluate,
            self.kubernetes,
            shown.cluster,
            self.settings.alert_targets,
            self._clock(),
            Place.of(self.settings),
            shown.ledger.revisions,
            expand=self.prometheus.expand if self.prometheus else None,
            contradictions=self.prometheus.contradictions if self.prometheus else None,
            query_logs=self._query_logs,
        )
        async for result in evaluate_steps(runbook, tracked.alert if tracked else None, context):
            yield result

    def create_log_source(self, query: LogQuery) -> LogSource:
        """The log of a pod, of all pods of a workload, or of what a selector of Loki's selects. Raises SourceError."""
        if query.origin == "loki":
            return self.create_loki_source(query)
        from console.logs.pod_source import PodLogSource  # noqa: PLC0415  # not before a log is opened

        return PodLogSource(self._require_kubernetes(), query, clock=self._clock, watched=self._watched_pods)

    def create_loki_source(self, query: LogQuery) -> LokiSource:
        """What Loki keeps of a target, or of a query of its own. Raises SourceError."""
        from console.logs.loki_source import LokiSource  # noqa: PLC0415  # not before a log is opened

        labels = dict(self.settings.loki_labels)
        return LokiSource(self.require_loki(), query, namespace=self.settings.namespace, labels=labels, clock=self._clock)

    async def read_pattern_report(self, target: str, *, moment: float) -> PatternReport:
        """What is new in the log of a target after a moment (Unix seconds): up to an hour of it, against as much before, and
        at least a quarter of an hour. Raises SourceError.
        """
        from console.logs.pattern_report import read_report  # noqa: PLC0415  # not before a log is opened

        after = int(min(3600.0, max(1.0, self._clock() - moment)))
        before = max(900, after)
        return await read_report(self.create_loki_source, target, moment=moment, before_seconds=before, after_seconds=after)

    def _watched_pods(self, target: LogTarget) -> frozenset[tuple[str, str]] | None:
        """What changes whenever the pods of the target do: their UIDs, and of a single pod its status too; None while nothing
        watches them.
        """
        cluster = self._store.cluster if self._tasks else None
        if cluster is None:
            return None
        if target.pod:
            return frozenset((pod.uid, pod.reason) for pod in cluster.pods if pod.name == target.pod)
        selected = (pod for pod in cluster.pods if matches_selector(pod.labels, target.selector, target.requirements))
        return frozenset((pod.uid, "") for pod in selected)

    async def pod_usage(self) -> tuple[PodUsage, ...]:
        """The usage of each pod from metrics.k8s.io. Raises SourceError, with status 404 without a metrics API."""
        return await self._require_kubernetes().usage()

    async def _query_logs(self, query: str) -> tuple[Sample, ...]:
        """A metric query over logs, now. Raises SourceError."""
        return await self.require_loki().samples(query, at_ns=int(self._clock() * 1e9))

    def require_loki(self) -> Loki:
        """Created with the first log that is read of it: nothing polls it."""
        if self._loki is None:
            from queries.loki import Loki  # noqa: PLC0415  # not before a log is opened

            if self.settings.loki is None:
                raise missing_server("Loki")
            self._loki = Loki(self.settings.loki)
        return self._loki

    def _create_log_panels(self) -> LogPanels | None:
        """None without a panel over logs, or without Loki."""
        if self.settings.loki is None or all(spec.source != LOKI for spec in self.specs):
            return None
        from queries.loki.panels import LogPanels  # noqa: PLC0415  # only with such a panel

        return LogPanels(self.require_loki, clock=self._clock)

    def _require_kubernetes(self) -> Kubernetes:
        if self.kubernetes is None:
            raise missing_server("Kubernetes")
        return self.kubernetes

    # Actions

    @cached_property
    def reader(self) -> LiveClusterReader:
        """What actions read."""
        from console.actions.cluster_reader import LiveClusterReader  # noqa: PLC0415  # not before an action

        return LiveClusterReader(
            kubernetes=self.kubernetes,
            alertmanager=self.alertmanager,
            prometheus=self.prometheus,
            specs=self.specs,
            state=self._store,
            ledger=self.ledger,
            incident=self.incident,
            settings=self.settings,
            administration=self._administration,
            steps=self.action_steps,
            unfinished=self.unfinished_actions,
            query_logs=self._query_logs,
        )

    @cached_property
    def actions(self) -> tuple[Action, ...]:
        """Every action of the registry, in its order."""
        from console.actions.registry import ACTIONS  # noqa: PLC0415  # not before the first frame

        return ACTIONS

    def suggestions(self, tracked: TrackedAlert) -> tuple[Suggestion, ...]:
        """The actions that the alert's runbook and labels suggest, each with its target."""
        return self._store.suggestions(tracked.alert, self._store.runbook_of(tracked.alert))

    def silence_matches(self, matchers: Iterable[Matcher]) -> tuple[TrackedAlert, ...]:
        """The alerts that a silence with these matchers would hide now."""
        return find_matches(self.snapshot().alerts, matchers)

    async def run(
        self, request: Request, confirm: Callable[[Preview], Awaitable[bool]], *, control: GuardControl | None = None
    ) -> AsyncIterator[RunStep]:
        """Runs an action through its stages; without a journal the runner refuses before anything is sent.

        `control` is what a person asks of the request's guard. A guard needs a session that was started.
        """
        from console.actions.writers.writer import Writer  # noqa: PLC0415  # not before an action

        writer = Writer(self.settings)
        async with aclosing(self._follow(writer, self._run_with(writer, request, confirm, control))) as steps:
            async for step in steps:
                yield step

    async def take_over(self, guard: GuardRecord, *, control: GuardControl) -> AsyncIterator[RunStep]:
        """Watches on for a console that has ended. Raises NotTaken if this one cannot."""
        from console.actions.guard.takeover import GuardTakeover, NotTaken  # noqa: PLC0415  # rarely needed
        from console.actions.writers.writer import Writer  # noqa: PLC0415  # not before an action

        if self.journal is None:
            raise NotTaken(self.journal_fault or "there is no journal")
        writer = Writer(self.settings)
        takeover = GuardTakeover(
            guard,
            settings=self.settings,
            reader=self.reader,
            writer=writer,
            journal=self.journal,
            source=self.guard_source,
            run_undo=partial(self._run_with, writer),
            control=control,
            clock=self._clock,
        )
        async with aclosing(self._follow(writer, takeover.steps())) as steps:
            async for step in steps:
                yield step

    async def _follow(self, writer: Writer, steps: AsyncGenerator[RunStep, None]) -> AsyncGenerator[RunStep, None]:
        """The steps of a run; at their end its writer is closed, and every source is polled for what it changed."""
        try:
            async with aclosing(steps):
                async for step in steps:
                    yield step
        finally:
            await writer.close()
            self.refresh_now()

    def _run_with(
        self,
        writer: Writer,
        request: Request,
        confirm: Callable[[Preview], Awaitable[bool]],
        control: GuardControl | None = None,
    ) -> AsyncGenerator[RunStep, None]:
        from console.actions.runner import RunContext, run  # noqa: PLC0415  # not before an action

        context = RunContext(
            self.settings,
            self.reader,
            writer,
            self.journal,
            journal_fault=self.journal_fault,
            clock=self._clock,
            fetch_journal=self.newest_ledger,
            clock_ahead_seconds=self.clock_ahead_seconds,
            guard_source=self.guard_source if request.guard is not None else None,
        )
        return run(request, context, confirm, control=control)

    @cached_property
    def guard_source(self) -> LiveGuardSource:
        from console.monitor.guard_source import LiveGuardSource  # noqa: PLC0415  # not before a guard is asked for

        return LiveGuardSource(
            self.settings,
            self.specs,
            self.prometheus,
            log_history=self.log_history,
            snapshot=self.snapshot,
            newest_ledger=self.newest_ledger,
            clock=self._clock,
        )

    def load_checklists(self) -> Checklists:
        """Those of this console; reads files."""
        from console.checklists.loader import load_checklists  # noqa: PLC0415  # not before the first frame

        return load_checklists(self.settings, self.specs, self.runbooks)

    @cached_property
    def checklists(self) -> ChecklistService:
        """Starts, answers and signs checklist runs, and evaluates their items."""
        from console.checklists.service import ChecklistService  # noqa: PLC0415  # not before the first frame

        return ChecklistService(self, clock=self._clock)

    @cached_property
    def objects(self) -> ObjectService:
        """Reads single objects of the cluster, with their events, and nodes; writes nothing."""
        from console.objects.service import ObjectService  # noqa: PLC0415  # not before the first frame

        select_own = Place.of(self.settings).select_own
        return ObjectService(self._require_kubernetes, self.evaluate, select_own=select_own, clock=self._clock)

    def outside_services(self) -> AsyncIterator[tuple[ServiceReading, ...]]:
        """The services outside the cluster: what the journal knows of each, then with its health."""
        from console.objects.outside import read_outside  # noqa: PLC0415  # not before the first frame
        from queries.http.health_check import probe_health  # noqa: PLC0415  # not before the first frame

        return read_outside(
            self.settings.services,
            health=lambda service: probe_health(service.health_url, name=f"external/{service.name}"),
            steps=self.action_steps,
            outcomes=self.action_outcomes,
            unfinished=self.unfinished_actions,
        )

    @cached_property
    def handovers(self) -> HandoverService:
        """Drafts the handover of a shift from journal and snapshot, and records it."""
        from console.handover.service import HandoverService  # noqa: PLC0415  # not before the first frame

        return HandoverService(self)

    @cached_property
    def drills(self) -> DrillService:
        """Starts and stops drills, and reads their reports."""
        from console.drills.service import DrillService  # noqa: PLC0415  # not before somebody asks for them

        return DrillService(self, clock=self._clock)

    @cached_property
    def incidents(self) -> IncidentService:
        """Declares, updates and closes incidents, and writes their reports."""
        from console.incidents.service import IncidentService  # noqa: PLC0415  # not before somebody asks for them

        return IncidentService(self, clock=self._clock)

    @cached_property
    def severity_policies(self) -> SeverityPolicies:
        """The response times and steps of each severity."""
        from console.incidents.severity_policy import load_severity_policies  # noqa: PLC0415  # YAML

        return load_severity_policies(self.settings.incidents)

    # Snapshots and tasks

    def _build_snapshot(self) -> Snapshot:
        now = self._clock()
        if missed := self._detector.missed():
            # The process has just resumed: this runs before the next beat does.
            self._store.pauses = (*self._store.pauses, ClockPause(now - missed, frozenset({*SOURCES, LOKI}), now))
        return self._store.snapshot(now)

    def find_changed_ids(self, before: Snapshot | None, after: Snapshot) -> frozenset[str]:
        """The ids of panels and alerts that changed between two snapshots of this session."""
        return self._snapshots.find_changed_ids(before, after)

    def _run(self, coroutine: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.get_running_loop().create_task(coroutine, name=f"the task of {name}")
        task.add_done_callback(_report_failure)
        self._tasks.append(task)

    async def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        began, every, beats = loop.time(), self.beat_seconds, 0.0
        while True:
            # With the polls, which begin at the same moments: one wake-up for all of them.
            passed = loop.time() - began
            beats = max(beats + 1.0, passed // every)
            await asyncio.sleep(beats * every - passed)
            self.check_clock()
            self._snapshots.tick()

    def _on_pauses(self, pauses: tuple[ClockPause, ...]) -> None:
        self._store.pauses = pauses
        self._snapshots.schedule()

    def _on_dashboard(self, reading: DashboardReading | None) -> None:
        self._store.dashboard = reading
        self._snapshots.schedule()

    def _on_late(self, source: str, since: float) -> None:
        self._store.mark_late(source, since)
        self._snapshots.schedule()


def _report_failure(task: asyncio.Task[None]) -> None:
    """None of these tasks is meant to end: report a failure now, not when the session closes."""
    if not task.cancelled() and (error := task.exception()) is not None:
        task.get_loop().call_exception_handler({"message": f"{task.get_name()} ended", "exception": error, "task": task})
