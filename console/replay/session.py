"""The sessions of a replay: every source answers from the bundle, nothing is sent, nothing can be changed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from console.journal.errors import JournalError
from console.log import log_to
from console.monitor.moments import resolve_moment
from console.monitor.past_marks import Marks
from console.monitor.past_session import FutureMoment, PastSession
from console.monitor.session import Session
from console.replay import contents
from console.replay.bundle_file import TIMELINE, Bundle, BundleError
from console.replay.contents import KeptPanels, KeptPattern, KeptSettings, open_recording, read_lines, read_value, read_values
from console.replay.logs import StoredLogSource, restore_report
from console.runbooks.index import RunbookIndex
from queries.alertmanager import Alertmanager
from queries.catalogue.error_codes import use_team_codes
from queries.errors import NotKnownThen, SourceError
from queries.model.fault import Fault, FaultKind
from queries.model.source import Health
from queries.prometheus import alert_series
from queries.stored.prometheus import StoredPrometheus
from queries.stored.series import read_queries
from queries.stored.transport import StoredServers, StoredTransport
from queries.text.times import format_moment

if TYPE_CHECKING:
    from console.checklists.loader import Checklists
    from console.config.settings import Settings
    from console.journal.sqlite import Journal
    from console.logs.pattern_report import PatternReport
    from console.logs.query import LogQuery
    from console.state.snapshot import Snapshot
    from queries.loki import Loki
    from queries.model.dashboard import Dashboard, DashboardChoice
    from queries.model.log import LogSource
    from queries.model.silence import Silence
    from queries.prometheus.client import PanelResults
    from queries.prometheus.relabel import AlertRelabeling
    from queries.stored.series import StoredQuery

_FIRST_ALERT_SECONDS = 900.0
"""An alert that fires later than this after an incident began is not where a replay of it begins."""


def open_servers(bundle: Bundle) -> StoredServers:
    """What the bundle has of the servers' answers. Raises BundleError."""
    metadata: Mapping[str, object] = read_value(bundle, contents.METADATA, dict, default={})
    manifest = bundle.manifest
    return StoredServers(
        _read_series(bundle, contents.SERIES),
        log_queries=_read_series(bundle, contents.LOG_SERIES),
        rules=bundle.read(contents.RULES) or None,
        silences=bundle.read(contents.SILENCES) or None,
        alerting=bundle.read(contents.ALERTING).decode("utf-8", "replace"),
        metadata=metadata,
        kept=f"{format_moment(manifest.start)} to {format_moment(manifest.end)}",
    )


def _read_series(bundle: Bundle, name: str) -> Mapping[str, tuple[StoredQuery, ...]]:
    try:
        return read_queries(bundle.read(name).splitlines())
    except SourceError as error:
        raise BundleError(f"{name} cannot be read: {error.fault.what}") from None


class ReplaySession(Session):
    """Stands where the session of now stands: it is never shown itself, only moments of the past are."""

    def __init__(self, settings: Settings, bundle: Bundle) -> None:
        """`settings` are those of `build_settings`. Reads every part and blocks; raises BundleError."""
        bundle.check()
        log_to(settings.paths.log_file)
        use_team_codes(settings.error_codes)
        manifest = bundle.manifest
        kept = read_value(bundle, contents.SETTINGS, KeptSettings, default=KeptSettings())
        (panels,) = read_values(bundle, contents.PANELS, KeptPanels) or (KeptPanels(),)
        servers = open_servers(bundle)
        journal, journal_fault = _open_journal(bundle)

        def clock() -> float:
            return manifest.made_at

        signals = contents.restore_signals(bundle)
        super().__init__(
            settings,
            specs=panels.overview,
            runbooks=RunbookIndex(contents.restore_runbooks(bundle)),
            journal=journal,
            journal_fault=journal_fault,
            prometheus=(StoredPrometheus(servers, clock=clock, signals=signals) if settings.prometheus else None),
            alertmanager=(
                Alertmanager(settings.alertmanagers, transport=StoredTransport(servers), clock=clock)
                if settings.alertmanagers
                else None
            ),
            clock=clock,
        )
        self.replayed = bundle.name or "a bundle"
        self.bundle = bundle
        self.dashboards_by_name: Mapping[str, Dashboard] = {board.name: board for board in panels.dashboards}
        self.boards = tuple((board.name, board.title) for board in panels.dashboards)
        self.marks = contents.restore_marks(bundle)
        self.lines = read_lines(bundle, contents.LOGS, contents.KeptLine)
        self.patterns = read_lines(bundle, contents.PATTERNS, KeptPattern)
        policies = contents.build_policies(kept)
        if policies is not None:
            self.severity_policies = policies
        self._checklists = read_lines(bundle, contents.CHECKLISTS, contents.KeptChecklist)
        self._signals = signals
        self.servers = servers
        self._ready = False

    def load_checklists(self) -> Checklists:
        """Those of the bundle, with its panels, runbooks and signals."""
        from console.checklists.loader import ChecklistFile, ChecklistNames, Checklists  # noqa: PLC0415  # not before it is opened

        names = ChecklistNames(
            self.specs,
            tuple(item.id for item in self.runbooks.runbooks),
            self.settings.namespace,
            boards=tuple(spec for board in self.dashboards_by_name.values() for spec in board.panels),
            signals=self._signals,
        )
        path = f"{self.replayed}:{contents.CHECKLISTS}"
        return Checklists.parse((ChecklistFile(item.name, path, item.text, item.why) for item in self._checklists), names)

    async def find_beginning(self, name: str) -> float | None:
        """Of the bundle's own incident, also without a name, what a replay shows first."""
        own = self.bundle.manifest.incident
        if not name or name == str(own.number) or own.id.startswith(name):
            return await asyncio.to_thread(self._find_first_alert)
        return await super().find_beginning(name)

    def _find_first_alert(self) -> float:
        """The first stored time since the incident began at which an alert fired, or when it began if none soon did.

        Between two stored times a moment shows the values of the earlier one: at the beginning itself nothing would fire yet.
        """
        began = self.bundle.manifest.began_at
        stored, heartbeat = self.servers.queries.get(alert_series.QUERY, ()), self.settings.heartbeat_alert
        try:
            times = [at for query in stored[:1] for at in alert_series.find_firing(query.points(), heartbeat)]
        except SourceError:
            return began
        return min((at for at in times if began <= at <= began + _FIRST_ALERT_SECONDS), default=began)

    async def open_past(self, clock: Callable[[], float]) -> ReplayedPast:
        if not self._ready and self.prometheus is not None:
            with suppress(SourceError):  # the manifest says that the rules are missing; alerts are then without annotations
                await self.prometheus.rules()
                await self.prometheus.fetch_encodings()
        self._ready = True
        return ReplayedPast(self)

    def latest_moment(self, now: float) -> float:
        return self.bundle.manifest.end

    def start(self, on_snapshot: Callable[[Snapshot], None]) -> None:
        """Nothing is polled."""

    async def once(self, *, timeout_seconds: float = 15.0) -> Snapshot:
        """There is nothing to poll."""
        return self.snapshot()

    def refresh_now(self) -> None:
        """What was does not change."""

    def set_visible(self, visible: bool) -> None:
        """Nothing is polled."""

    def check_clock(self) -> None:
        """The bundle's time stands still."""


class ReplayedPast(PastSession):
    """A past moment of the bundle."""

    def __init__(self, live: ReplaySession) -> None:
        self._replay = live
        self._manifest = live.bundle.manifest
        super().__init__(live, clock=lambda: live.bundle.manifest.made_at, recording=open_recording(live.bundle))
        self.replayed = live.replayed
        self.dashboards.read_board = self._find_board
        shown = {spec.id for spec in live.specs}
        boards = live.dashboards_by_name.values()
        self.dashboards.panels = {
            spec.id: (board.name, spec.title) for board in boards for spec in board.panels if spec.id not in shown
        }

    def load_checklists(self) -> Checklists:
        return self._replay.load_checklists()

    def check(self, moment: float) -> None:
        """Raises FutureMoment for one that the bundle does not cover."""
        manifest = self._manifest
        if not manifest.start <= moment <= manifest.end:
            covered = f"the bundle covers {format_moment(manifest.start)} to {format_moment(manifest.end)}"
            raise FutureMoment(f"{format_moment(moment)} is not known: {covered}")

    async def _read_prometheus(self) -> tuple[PanelResults | None, Fault | None, AlertRelabeling | None]:
        """With the right definitions at once: the bundle does not have the others."""
        if self.prometheus is not None:
            with suppress(SourceError):
                await self.prometheus.fetch_evidence()
        panels, fault, relabeling = await super()._read_prometheus()
        if fault is not None and fault.kind is not FaultKind.NOT_KNOWN_THEN:
            fault = await self._explain_gap(None)
        return panels, fault, relabeling

    async def _read_silences(self) -> tuple[Silence, ...]:
        found = await super()._read_silences()
        if self._manager.health is Health.DOWN:
            fault = Fault(FaultKind.NOT_KNOWN_THEN, "silences are not known then", hint=self._describe("alertmanager"))
            self._manager = replace(self._manager, health=Health.NOT_KNOWN_THEN, fault=fault)
        return found

    async def read_marks(self, start: float, end: float) -> Marks:
        states = {item.name: item.state for item in self._manifest.sources}
        read = states.get("prometheus") != "not read" and states.get(TIMELINE, "read") == "read"
        return Marks(tuple(item for item in self._replay.marks if start <= item.at <= end), "" if read else "the bundle")

    def create_log_source(self, query: LogQuery) -> LogSource:
        return self._create_stored_source(query)

    def create_loki_source(self, query: LogQuery) -> LogSource:  # type: ignore[override]
        return self._create_stored_source(query)

    def _create_stored_source(self, query: LogQuery) -> StoredLogSource:
        if not self._replay.lines:
            raise NotKnownThen("logs are not known then", hint=self._describe("loki"))
        until = self.moment if query.until is None else min(query.until, self.moment)
        return StoredLogSource(self._replay.lines, replace(query, until=until))

    async def read_pattern_report(self, target: str, *, moment: float) -> PatternReport:
        return restore_report(self._replay.patterns, target, moment=moment)

    def _open_journal(self, source: Journal) -> Journal:
        return source

    async def _explain_gap(self, live: object) -> Fault:
        what = f"no samples at {format_moment(self._queried)}"
        return Fault(FaultKind.NOT_KNOWN_THEN, what, hint=self._describe("prometheus"))

    def require_loki(self) -> Loki:
        if self._replay.bundle.has(contents.LOG_SERIES):
            if self._loki is None:
                from queries.stored.loki import StoredLoki  # noqa: PLC0415  # only with a query over logs

                self._loki = StoredLoki(self._replay.servers)
            return self._loki
        raise NotKnownThen("queries over logs are not known then", hint=self._describe("loki"))

    def _describe(self, source: str) -> str:
        """What the bundle has of a source, for the words of what is not known."""
        note = self._manifest.source(source)
        return f"the bundle says of {source}: {note.state}{f', {note.detail}' if note.detail else ''}"

    def _find_board(self, choice: DashboardChoice) -> Dashboard:
        board = self._replay.dashboards_by_name.get(choice.name)
        if board is None or choice.provider or choice.environment not in ("", self.settings.environment):
            raise NotKnownThen("this choice is not in the bundle", hint="it has each dashboard for all providers")
        return board


def _open_journal(bundle: Bundle) -> tuple[Journal | None, str]:
    """The journal in memory, or why there is none. Raises BundleError."""
    from console.journal.sqlite import Journal  # noqa: PLC0415  # SQLite

    note = bundle.manifest.source("journal")
    if not bundle.has(contents.JOURNAL):
        return None, f"the bundle has no journal: {note.detail}"
    try:
        return Journal.in_memory(contents.read_events(bundle), name=f"{bundle.name}:{contents.JOURNAL}"), ""
    except JournalError as error:
        raise BundleError(f"{contents.JOURNAL} cannot be read: {error}") from None


async def show_moment(settings: Settings, bundle: Bundle, at: str) -> Snapshot:
    """The snapshot of the moment that `at` names, else of the incident's first alert. Raises BundleError, InvalidTime and
    FutureMoment.
    """
    session = await asyncio.to_thread(ReplaySession, settings, bundle)
    past = await session.open_past(lambda: bundle.manifest.end)
    try:
        end = session.latest_moment(0.0)
        return await past.go(await resolve_moment(at or "incident", session, now=end))
    finally:
        await past.close()
        await session.close()
