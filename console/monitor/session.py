"""Everything behind the screens and the headless commands: the clients, the polls, the board, the journal."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import aclosing
from dataclasses import replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Protocol

from console.actions.cluster_reader import LiveClusterReader
from console.actions.plan import Preview, Request, RunStep
from console.config.permissions import file_warnings
from console.config.settings import Settings
from console.journal.acknowledgements import Acknowledgement, AcknowledgeResult
from console.journal.event import Event
from console.log import log_to
from console.monitor.dashboard_poller import DashboardPoller, DashboardReading
from console.monitor.journal_service import JournalService
from console.monitor.pauses import BEAT_SECONDS, ClockPause, PauseDetector
from console.monitor.poller import Ask, Poller, follow, read
from console.monitor.snapshot_builder import SnapshotBuilder
from console.monitor.state_store import ALERTMANAGER, KUBERNETES, PLATFORM, PROMETHEUS, RULES, SOURCES, StateStore
from console.runbooks.index import RunbookFound, RunbookIndex
from console.runbooks.page import Runbook
from console.runbooks.steps import StepContext, StepResult, answer_steps
from console.state.journal_state import JournalState
from console.state.place import Place
from console.state.snapshot import Snapshot
from queries.catalogue.error_codes import use_team_codes
from queries.errors import NotConfigured, SourceError
from queries.model.alert import AlertRule, AlertState, Suggestion, TrackedAlert
from queries.model.dashboard import DASHBOARDS
from queries.model.fault import Fault, FaultKind
from queries.model.matcher import Matcher
from queries.model.panel import PanelHistory, PanelSpec, Unit
from queries.model.series import Labels, Series
from queries.model.source import PollResult

if TYPE_CHECKING:
    from console.actions.action import Action
    from console.incidents.severity_policy import SeverityPolicies
    from console.journal.shared_store import SharedStore
    from console.journal.sqlite import Journal
    from console.journal.sync import SyncStatus
    from console.state.incident import Incident, Role
    from queries.alertmanager import Alertmanager
    from queries.kubernetes.client import Kubernetes
    from queries.platform.client import Platform
    from queries.prometheus.client import InstantResult, Prometheus, RulesResult

_log = logging.getLogger(__name__)

_JOURNAL_SECONDS = 10.0
"""How long a command that asks every source waits for a journal that has to be read again; the next one goes on from there."""
ONCE_SECONDS = 15.0
"""How long a headless command waits for a source: over the limit of a credential plugin and, as configured by default, of
every request, so that these say what was waited for."""

_AGAIN_SECONDS = 3.0


class Session:
    """One console's or one command's view of the platform. `open` makes it; `close` ends everything it began."""

    def __init__(
        self,
        settings: Settings,
        *,
        specs: tuple[PanelSpec, ...],
        runbooks: RunbookIndex,
        actions: tuple[Action, ...] = (),
        journal: Journal | None = None,
        journal_fault: str = "",
        store: SharedStore | None = None,
        prometheus: Prometheus | None = None,
        alertmanager: Alertmanager | None = None,
        kubernetes: Kubernetes | None = None,
        platform: Platform | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.settings = settings
        self.specs = specs
        self.runbooks = runbooks
        self.actions = actions
        self.journal = journal
        self.journal_fault = journal_fault
        self.file_warnings: tuple[str, ...] = ()
        """What others can change or read of the configuration, and what is wrong with a team's own files: a sentence each."""
        self.boards = DASHBOARDS
        """Name and title of every dashboard, a team's own behind ours."""
        self.prometheus = prometheus
        self.alertmanager = alertmanager
        self.kubernetes = kubernetes
        self.platform = platform
        self._clock = clock
        self._board = StateStore(settings, specs, runbooks=runbooks)
        self._desk = SnapshotBuilder(self._board, self._made)
        self.reads = LiveClusterReader(
            kubernetes=kubernetes,
            alertmanager=alertmanager,
            prometheus=prometheus,
            specs=specs,
            board=self._board,
            ledger=self.ledger,
            incident=self.incident,
            channels=settings.incidents,
        )
        self._heartbeat = PauseDetector()
        self.dashboards = DashboardPoller(settings, prometheus, self._show_dashboard, clock=clock, heartbeat=self._heartbeat)
        self._asks = self._make_asks()
        self._pollers: list[Poller] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._paused = False
        self._unseen: ClockPause | None = None
        self._stood_still: ClockPause | None = None
        self._marks = JournalService(journal, self._board, settings, clock=clock, store=store) if journal else None

    @classmethod
    def open(cls, settings: Settings) -> Session:
        """Imports the clients, reads catalogue and runbooks, opens the journal; asks nobody. May be called in a thread."""
        from console.actions.registry import ACTIONS  # noqa: PLC0415  # heavy, and not before the first frame
        from console.checks.own_panels import board_titles, known_signals, overview_panels, panel_problems  # noqa: PLC0415
        from console.journal.shared_store import READ_ONLY  # noqa: PLC0415
        from console.journal.sqlite import Journal, JournalError  # noqa: PLC0415
        from console.journal.store_factory import former_names, open_store, store_name  # noqa: PLC0415
        from queries.alertmanager import Alertmanager  # noqa: PLC0415
        from queries.kubernetes.client import Kubernetes  # noqa: PLC0415
        from queries.platform.client import Platform  # noqa: PLC0415
        from queries.prometheus.client import Prometheus  # noqa: PLC0415

        log_to(settings.paths.log_file)
        use_team_codes(settings.error_codes)
        journal, journal_fault = None, ""
        try:
            kept = READ_ONLY if settings.read_only else ""
            journal = Journal.open(
                settings.paths.journal_file, store=store_name(settings), former=former_names(settings), kept=kept
            )
        except JournalError as error:
            journal_fault = str(error)
        cap = settings.backoff_cap_seconds
        runbooks = RunbookIndex.configured(settings)
        made = cls(
            settings,
            specs=overview_panels(settings),
            runbooks=runbooks,
            actions=ACTIONS,
            journal=journal,
            journal_fault=journal_fault,
            store=open_store(settings),
            prometheus=Prometheus(settings.prometheus, signals=known_signals(settings)) if settings.prometheus else None,
            alertmanager=Alertmanager(settings.alertmanagers) if settings.alertmanagers else None,
            # The reading side never writes; an action's one write goes through the writers.
            kubernetes=Kubernetes(settings.kubernetes, backoff_cap_seconds=cap) if settings.kubernetes else None,
            platform=Platform(settings.platform) if settings.platform else None,
        )
        made.boards = board_titles(settings)
        made.file_warnings = (*file_warnings(settings), *panel_problems(settings, runbooks))
        _ = made.response
        return made

    # Living

    def start(self, on_snapshot: Callable[[Snapshot], None]) -> None:
        """Begin to ask, in the running loop; `on_snapshot` is called in it, at most every 50 ms and at least each second."""

        def show(snapshot: Snapshot) -> None:
            if self._marks is not None:
                self._marks.watch(snapshot)
            on_snapshot(snapshot)

        self._desk.open(show)
        every = self.settings.refresh_seconds
        # One for all sources: consoles do not ask in step with each other, a console's own sources do.
        step = random.uniform(-1.0, 1.0)  # noqa: S311  # no secret depends on it
        cadence = {PROMETHEUS: every, ALERTMANAGER: every, RULES: 3 * every, PLATFORM: 2 * every}
        for source, ask in self._asks.items():
            poller = Poller(
                source,
                ask,
                self._take,
                every=cadence[source],
                timeout=self._limit(source),
                cap=self.settings.backoff_cap_seconds,
                clock=self._clock,
                late=self._is_late,
                jitter=lambda: step,
                heartbeat=self._heartbeat,
            )
            self._pollers.append(poller)
            self._begin(poller.run(), source)
        if self.kubernetes is not None:
            cap = self.settings.backoff_cap_seconds
            watching = follow(KUBERNETES, self.kubernetes.follow, self._take, cap=cap, clock=self._clock)
            self._begin(watching, KUBERNETES)
        self._heartbeat.beat()
        self._begin(self._tick(), "the clock")
        if self._marks is not None:
            self._begin(self._marks.run(self._desk.schedule), "journal")

    def expect_start(self, starting: Mapping[str, str]) -> None:
        """Somebody is just starting these sources: until one first answers the screen says the text, not that it is down.

        Whoever starts them empties the mapping when all are up, or when it gave up.
        """
        self._board.starting = starting

    async def once(self, *, timeout_seconds: float = ONCE_SECONDS) -> Snapshot:
        """Ask every source once, at the same time, each for at most `timeout_seconds`."""
        asks = dict(self._asks)
        if self.kubernetes is not None:
            asks[KUBERNETES] = _plain(self.kubernetes.cluster, self.kubernetes)
        if self.prometheus is not None:
            # One look has no second one to correct it: what the numbers mean is asked first.
            codings, panels = asyncio.ensure_future(self.prometheus.fetch_encodings()), asks[PROMETHEUS]

            async def decoded() -> tuple[Any, tuple[str, ...]]:
                await codings
                return await panels()

            asks[PROMETHEUS] = decoded
        if self.platform is not None:
            asks[PLATFORM] = _plain(partial(self.platform.health, whole=True), self.platform)
        sharing = asyncio.ensure_future(self._marks.share()) if self._marks is not None else None
        readings = await asyncio.gather(
            *(read(source, ask, limit_seconds=timeout_seconds, clock=self._clock) for source, ask in asks.items())
        )
        # Alertmanager before the rules: the board judges what was not delivered when the rules come.
        for reading in sorted(readings, key=lambda item: item.source != ALERTMANAGER):
            self._board.apply(reading)
        if self._marks is not None and sharing is not None:
            await sharing
            await self._marks.read_whole(seconds=_JOURNAL_SECONDS)
        return self.snapshot()

    @property
    def sharing(self) -> SyncStatus | None:
        """How the shared journal is; None where the journal stays on this machine."""
        return self._marks.sharing if self._marks is not None else None

    def snapshot(self) -> Snapshot:
        """The latest; while nothing was started, put together now."""
        return self._desk.shown or self._made()

    def _made(self) -> Snapshot:
        now = self._clock()
        if missed := self._heartbeat.missed():
            # Continued a moment ago: what was due meanwhile comes first, this among it, and the next beat after it.
            self._board.pauses = (*self._board.pauses, ClockPause(now - missed, frozenset(SOURCES), now))
        return self._board.snapshot(now)

    def refresh_now(self) -> None:
        """Ask all sources again as soon as they are free; Kubernetes is watched and needs no asking."""
        if self.alertmanager is not None:
            self.alertmanager.forget_silences()
        if self.platform is not None:
            self.platform.forget_absent()
        for poller in self._pollers:
            poller.wake()
        self.dashboards.ask_now()
        if self._marks is not None:
            self._marks.wake()

    def set_visible(self, visible: bool) -> None:
        """Ask nothing while nobody can see the screen, and everything at once when somebody can again.

        What is watched stays live.
        """
        if visible is not self._paused:
            return
        self._paused = not visible
        now = self._clock()
        unseen = (
            ClockPause(now, frozenset(self._asks)) if self._paused else self._unseen and replace(self._unseen, ended_at=now)
        )
        self._unseen = unseen
        self._tell_pauses()
        for poller in self._pollers:
            poller.pause(self._paused)
        self.dashboards.set_visible(visible)

    def check_clock(self) -> None:
        """Called every second, and when a person brings the console back from the shell: where the process stood still,
        everything is asked again at once, and until it answers it is called paused."""
        missed = self._heartbeat.beat()
        if not missed:
            return
        now = self._clock()
        self._stood_still = ClockPause(now - missed, frozenset(SOURCES), now)
        self._board.resume()
        self._tell_pauses()
        for poller in self._pollers:
            poller.start_over()
        self.dashboards.start_over()
        if self._marks is not None:
            self._marks.wake()

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._desk.close()
        await self.dashboards.close()
        self._tasks.clear()
        self._pollers.clear()
        for client in (self.prometheus, self.alertmanager, self.kubernetes, self.platform):
            if client is not None:
                await client.close()
        if self._marks is not None:
            await self._marks.close()
        if self.journal is not None:
            self.journal.close()

    # Asking

    async def evaluate(self, query: str) -> InstantResult:
        """One PromQL query, now. Raises SourceError."""
        if self.prometheus is None:
            raise NotConfigured("Prometheus is not configured", hint="set PROMETHEUS_URL or --prometheus-url")
        return await self.prometheus.query(self.prometheus.expand(query))

    async def history(self, panel_id: str, *, window_seconds: float, points: int = 240) -> PanelHistory:
        """The panel's series over the window that ends now; a failure is the history's fault."""
        spec = next((item for item in self.specs if item.id == panel_id), None)
        if spec is None or spec.broken or spec.source == KUBERNETES:
            told = (
                spec.broken
                if spec and spec.broken
                else (
                    f"there is no history of {spec.title.lower()}: the cluster knows only what is now"
                    if spec
                    else "no such panel"
                )
            )
            return self._no_history(panel_id, window_seconds, Fault(FaultKind.REJECTED, told))
        return await self._history(spec, window_seconds, points)

    async def alert_history(
        self, fingerprint: str, *, window_seconds: float, points: int = 240
    ) -> tuple[PanelHistory, float | None]:
        """What the alert's rule compares, over the window, and with which number, where the rule is one comparison."""
        tracked = self.snapshot().alert(fingerprint)
        rule = self.rule_of(tracked) if tracked else None
        if tracked is None or rule is None:
            told = "the rule behind this alert is not known" if tracked else "the alert is not there any more"
            return self._no_history(fingerprint, window_seconds, Fault(FaultKind.REJECTED, told)), None
        from queries.promql.threshold import split_threshold  # noqa: PLC0415  # the parser of PromQL

        parts = split_threshold(rule.expression)
        asked = parts.left if parts else rule.expression
        spec = PanelSpec(id=fingerprint, title="", unit=Unit.COUNT, raw=asked)
        history = await self._history(spec, window_seconds, points)
        own = tuple(track for track in history.series if _belongs(track, tracked.alert.labels))
        return replace(history, series=own or history.series), parts.threshold if parts else None

    def rule_of(self, tracked: TrackedAlert) -> AlertRule | None:
        """The rule behind an alert: of several with its name the one whose labels the alert has."""
        named = [rule for rule in self.snapshot().rules if rule.name == tracked.alert.name]
        labels = dict(tracked.alert.labels)
        fitting = [rule for rule in named if all(labels.get(key) == value for key, value in rule.labels if "{{" not in value)]
        return next(iter(fitting or named), None)

    def find_runbook(self, words: str) -> RunbookFound:
        """The page that a path, a URL, a page's name or an alert's means; for an alert the one that its screen opens."""
        shown = self.snapshot()
        return self.runbooks.find(words, shown.rules, (item.alert for item in shown.alerts))

    def subject_error(self, runbook: Runbook, tracked: TrackedAlert | None) -> str:
        """Why the page may be about something else than the alert; empty where it is about it, or that is not known."""
        rule = self.rule_of(tracked) if tracked else None
        if rule is None:
            return ""
        from console.runbooks.subject import subject_error  # noqa: PLC0415  # the parser of PromQL

        recorded = {name for spec in self.specs for name in spec.recorded_names}
        return subject_error(runbook, rule.expression, self._board.records(), recorded=recorded)

    async def runbook_steps(self, runbook: Runbook, tracked: TrackedAlert | None) -> AsyncIterator[StepResult]:
        """Every step of the runbook with what is so now."""
        shown, place, targets = self.snapshot(), Place.of(self.settings), self.settings.alert_targets
        records = shown.ledger.revisions
        sight = StepContext(
            self.evaluate,
            self.kubernetes,
            shown.cluster,
            targets,
            self._clock(),
            place,
            records,
            expand=self.prometheus.expand if self.prometheus else None,
            contradictions=self.prometheus.contradictions if self.prometheus else None,
        )
        async for result in answer_steps(runbook, tracked.alert if tracked else None, sight):
            yield result

    async def pod_logs(self, pod: str) -> str:
        """The last lines of a pod's log. Raises SourceError."""
        if self.kubernetes is None:
            raise NotConfigured("Kubernetes is not configured", hint="set KUBECONFIG or --kubeconfig")
        return await self.kubernetes.logs(pod)

    # Acting

    def targets(self, tracked: TrackedAlert) -> tuple[Suggestion, ...]:
        """The actions that fit an alert, from what is known now."""
        return self._board.suggestions(tracked.alert, self._board.runbook_of(tracked.alert))

    def silence_matches(self, matchers: Iterable[Matcher]) -> tuple[TrackedAlert, ...]:
        """The alerts of Alertmanager that a silence with these matchers would hide now; none where there is no matcher.

        What Alertmanager does not have yet (pending, undelivered) is left out: with which labels it will arrive is not known.
        """
        wanted = tuple(matchers)
        found = self.snapshot().alerts if wanted else ()
        return tuple(
            item
            for item in found
            if item.alert.state in (AlertState.ACTIVE, AlertState.SUPPRESSED)
            and all(matcher.matches(item.alert.labels) for matcher in wanted)
        )

    async def run(self, request: Request, confirm: Callable[[Preview], Awaitable[bool]]) -> AsyncIterator[RunStep]:
        """Run an action through its stages; without a journal the runner refuses before anything is sent."""
        from console.actions.runner import run  # noqa: PLC0415
        from console.actions.writers import Writer  # noqa: PLC0415

        writer = Writer(self.settings)
        try:
            steps = run(
                request,
                settings=self.settings,
                reads=self.reads,
                writes=writer,
                journal=self.journal,
                journal_fault=self.journal_fault,
                confirm=confirm,
                clock=self._clock,
            )
            async with aclosing(steps):
                async for step in steps:
                    yield step
        finally:
            await writer.close()
            self.refresh_now()

    async def record(self, kind: str, subject: str, data: dict[str, Any]) -> Event:
        """Journal what a person did; when this returns the disk has it, and `snapshot().ledger` too. Raises JournalError."""
        from console.journal.sqlite import JournalError  # noqa: PLC0415

        if self.journal is None or self._marks is None:
            raise JournalError(self.journal_fault or "there is no journal")
        event = await self._marks.record(kind, subject, data)
        await self._desk.at_once()
        return event

    async def ledger(self) -> JournalState:
        """What the journal adds up to at this moment; a journal that cannot be read is as it was last.

        A command waits until all of it was read, a console does not: `ledger.known` says which.
        """
        if self._marks is not None:
            await self._marks.read_whole()
        return self._board.ledger

    def report_to(self, report: Callable[[str], None]) -> None:
        """Where a command says what it waits for."""
        if self._marks is not None:
            self._marks.report = report

    @property
    def journal_trouble(self) -> str:
        """Why not everything is known that the journal tells; empty where it is."""
        return self.journal_fault if self._marks is None else self._marks.fault or self._board.ledger.trouble

    @property
    def journal_known(self) -> bool:
        """Whether what `snapshot().ledger` holds is what the journal adds up to."""
        fault = self._marks.fault if self._marks is not None else ""
        return self.journal is not None and not fault and self._board.ledger.known

    async def incident(self, words: str) -> Incident | None:
        """By number, id or the beginning of an id, with its whole timeline, however old it is. Raises JournalError."""
        await self.ledger()
        return await self._marks.incident(words) if self._marks is not None else None

    async def older_incidents(self, *, before: int, limit: int) -> tuple[Incident, ...]:
        """Outlines of incidents that `snapshot().ledger` does not hold, the newest first. Raises JournalError."""
        return await self._marks.older_incidents(before=before, limit=limit) if self._marks is not None else ()

    async def newest_ledger(self) -> tuple[JournalState, str]:
        """What the journal adds up to with what the shared store has at this moment; and why that is not known, or nothing."""
        doubt = await self._marks.fetch() if self._marks is not None else ""
        return self._board.ledger, doubt

    async def settle_action(self, intent: Event) -> None:
        """Journal that nobody knows how this action ended, so that it is no longer named. Raises JournalError."""
        from console.journal.unfinished import OUTCOME, settled  # noqa: PLC0415

        text = f"unknown: nobody saw how it ended; settled by {self.settings.user}"
        await self.record(OUTCOME, intent.subject, settled(intent, text))

    async def acknowledge(self, fingerprint: str, *, on: bool = True, over: Acknowledgement | None = None) -> AcknowledgeResult:
        """Take an alert, or release it; `over` is the mark of somebody else that a person said to take over. JournalError."""
        from console.journal.sqlite import JournalError  # noqa: PLC0415

        if self.journal is None or self._marks is None:
            raise JournalError(self.journal_fault or "there is no journal")
        tracked = self.snapshot().alert(fingerprint)
        found = await self._marks.acknowledge(fingerprint, tracked.alert.name if tracked else "", on=on, over=over)
        await self._desk.at_once()
        return found

    async def give_role(self, identity: str, role: Role, person: str, *, over: str = "") -> tuple[str, str]:
        """Give a role of an incident; `over` is who has it, where a person said to take it from them. JournalError.

        Gives who has it then, and why it is not known what others did. Nothing is written where somebody else has it.
        """
        from console.state import incident_events  # noqa: PLC0415

        def holder(ledger: JournalState) -> str:
            found = ledger.incidents.get(identity)
            return found.person(role) if found else ""

        ledger, doubt = await self.newest_ledger()
        before = holder(ledger)
        if before == person or before not in ("", over, self.settings.user):
            return before, doubt
        await self.record(incident_events.ROLE, identity, incident_events.role(role, person, over=before))
        ledger, later = (self._board.ledger, doubt) if doubt else await self.newest_ledger()
        return holder(ledger), doubt or later

    @cached_property
    def response(self) -> SeverityPolicies:
        """How incidents of each severity are answered; `open` reads it already."""
        from console.incidents.severity_policy import load_response  # noqa: PLC0415  # YAML

        return load_response(self.settings.incidents)

    # Within

    def _make_asks(self) -> dict[str, Ask]:
        asks: dict[str, Ask] = {}
        if self.prometheus is not None:
            prometheus = self.prometheus
            asked = tuple(spec for spec in self.specs if spec.source == PROMETHEUS)
            prometheus.rules_expected = True
            prometheus.windows = dict(self.settings.rule_windows)
            asks[PROMETHEUS] = _plain(lambda: prometheus.panels(asked), prometheus)

            async def rules() -> RulesResult:
                await prometheus.fetch_encodings()  # hourly, and here off the path of the first values
                return await prometheus.rules()

            asks[RULES] = _plain(rules)
        if self.alertmanager is not None:
            asks[ALERTMANAGER] = _plain(partial(self.alertmanager.state, fresh=False), self.alertmanager)
        if self.platform is not None:
            asks[PLATFORM] = _plain(self.platform.health, self.platform)
        return asks

    def _limit(self, source: str) -> float:
        """More than the clients' own limits, which cover one request; a round may take several."""
        endpoint = self.settings.platform if source == PLATFORM else self.settings.prometheus
        if source == ALERTMANAGER:
            return 2.0 * max(item.timeout_seconds for item in self.settings.alertmanagers) + 1.0
        return 4.0 * (endpoint.timeout_seconds if endpoint else 5.0) + 1.0

    def _begin(self, coroutine: Any, name: str) -> None:
        task = asyncio.get_running_loop().create_task(coroutine, name=f"the task of {name}")
        task.add_done_callback(_report_failure)
        self._tasks.append(task)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            self.check_clock()
            self._desk.tick()

    def _tell_pauses(self) -> None:
        self._board.pauses = tuple(item for item in (self._unseen, self._stood_still) if item is not None)
        self._desk.schedule()

    def _take(self, reading: PollResult[Any]) -> None:
        if (
            reading.fault
            and reading.source == KUBERNETES
            and self._heartbeat.missed_since(self._heartbeat.clock() - _AGAIN_SECONDS)
        ):
            return  # its time limit may have passed while this process stood still; it is asked again within two seconds
        if reading.source == ALERTMANAGER and self._marks is not None:
            self._marks.heard(reading)
        self._desk.take(reading)

    def _show_dashboard(self, held: DashboardReading | None) -> None:
        self._board.dashboard = held
        self._desk.schedule()

    def _is_late(self, source: str, since: float) -> None:
        self._board.late(source, since)
        self._desk.schedule()

    async def _history(self, spec: PanelSpec, window_seconds: float, points: int) -> PanelHistory:
        if self.prometheus is None:
            fault = Fault(FaultKind.NOT_CONFIGURED, "Prometheus is not configured")
            return self._no_history(spec.id, window_seconds, fault)
        step = max(1.0, float(round(window_seconds / points)))
        # It ends now, not at the last whole step: that may be 40 minutes ago, and hide what goes on at this moment.
        grain = min(step, 15.0)
        end = self._clock() // grain * grain
        try:
            return await self.prometheus.history(spec, start=end - window_seconds, end=end, step_seconds=step)
        except SourceError as error:
            return self._no_history(spec.id, window_seconds, error.fault)

    def _no_history(self, identity: str, window_seconds: float, fault: Fault) -> PanelHistory:
        now = self._clock()
        return PanelHistory(identity, now - window_seconds, now, 0.0, fault=fault)


def _report_failure(task: asyncio.Task[None]) -> None:
    """None of them is meant to end: one that fails says so now, and not when the session closes."""
    if not task.cancelled() and (error := task.exception()) is not None:
        task.get_loop().call_exception_handler({"message": f"{task.get_name()} ended", "exception": error, "task": task})


class _Source(Protocol):
    @property
    def warnings(self) -> tuple[str, ...]: ...


def _plain(call: Callable[[], Awaitable[Any]], source: _Source | None = None) -> Ask:
    """The call as an Ask; `source` says what is odd about the server though it answers."""

    async def ask() -> tuple[Any, tuple[str, ...]]:
        value = await call()
        return value, source.warnings if source is not None else ()

    return ask


def _belongs(track: Series, labels: Labels) -> bool:
    known = dict(labels)
    return all(known.get(name, value) == value for name, value in track.labels if name != "__name__")
