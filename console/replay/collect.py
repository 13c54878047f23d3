"""Collects a bundle: finds what the console asks at several moments of an incident, and asks it over its whole time."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from console import __version__
from console.journal.errors import JournalError
from console.journal.ordered import FIRST, RowFilter, read_in_order
from console.journal.payloads import PAYLOADS, event_kinds
from console.monitor.past_session import PastSession
from console.monitor.source_results import LOKI
from console.recording.lines import RecordingError
from console.recording.reader import Recording
from console.replay import contents
from console.replay.bundle_file import (
    FORMAT,
    MOST_FILE_BYTES,
    TIMELINE,
    VERSION,
    IncidentNote,
    Manifest,
    SourceNote,
    encode_lines,
    write_bundle,
)
from console.replay.configured_secrets import Redactor
from console.replay.contents import KeptMark, KeptPanels, encode_value, keep_event
from console.replay.log_excerpts import collect_logs
from console.replay.stored_queries import BundleWindow, NotedQueries, collect_log_queries, collect_queries, explain_failure
from queries.errors import SourceError
from queries.model.dashboard import Dashboard, DashboardChoice
from queries.model.frozen import dataclass
from queries.text.times import parse_rfc3339

if TYPE_CHECKING:
    from console.config.settings import Settings
    from console.journal.event import Event
    from console.journal.sqlite import Journal
    from console.monitor.session import Session
    from console.state.incident import Incident
    from queries.prometheus.client import Prometheus

BEFORE_SECONDS = 3600.0
"""Stored before the incident began: the trends and charts of its first minute."""
AFTER_SECONDS = 900.0
MOST_SECONDS = 48 * 3600.0
"""Of an incident that was open for longer, the first two days."""
JOURNAL_SECONDS = 7 * 86_400.0
"""Of the journal before that; incidents that began earlier are in it as far as it says when they began and ended."""
MOST_RECORDING_BYTES = MOST_FILE_BYTES // 2
"""Of what a recorder kept, which a bundle does not compress further: with more, it would be larger than any console opens."""
_STEP_SECONDS = 15.0
_MOST_STEPS = 1000
_MOMENTS = 7
"""At how many moments the console notes what it asks: another choice of definitions asks differently."""
_BOARD_MOMENTS = 2
_MOST_ALERTS = 50
_OUTLINE = frozenset({"incident.declared", "incident.closed", "incident.reopened"})

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Written:
    """What was written: the file's path, size and SHA-256, and what the manifest says of it."""

    path: Path
    size: int
    sha256: str
    manifest: Manifest


def plan_window(incident: Incident, *, now: float) -> BundleWindow:
    """The incident's time with an hour before and a quarter of an hour after it, up to now."""
    over = incident.closed_at or now
    start = incident.began_at - BEFORE_SECONDS
    end = min(now, over + AFTER_SECONDS, incident.began_at + MOST_SECONDS)
    step = max(_STEP_SECONDS, math.ceil((end - start) / _MOST_STEPS / _STEP_SECONDS) * _STEP_SECONDS)
    return BundleWindow(math.floor(start / step) * step, max(end, incident.began_at), step)


async def write_incident_bundle(
    session: Session, incident: Incident, file: str, *, report: Report, window: BundleWindow | None = None
) -> Written:
    """Collect the bundle of an incident and write it, of the whole of its time unless a window is given.

    Raises OSError; a source that does not answer is named in the bundle.
    """
    now = time.time()
    # A console whose clock is ahead may have declared it just now.
    incident = replace(incident, declared_at=min(incident.declared_at, now))
    window = window or plan_window(incident, now=now)
    collector = _Collector(session, incident, window, report)
    parts = await collector.collect()
    manifest = Manifest(
        format=FORMAT,
        version=VERSION,
        made_by=f"cad-console {__version__}",
        made_at=now,
        environment=session.settings.environment,
        namespace=session.settings.namespace,
        incident=IncidentNote(incident.number, incident.id, incident.title),
        start=window.start,
        end=window.end,
        began_at=incident.began_at,
        step_seconds=window.step,
        sources=tuple(collector.sources),
    )
    report("writing")
    return await asyncio.to_thread(_write, Path(file), manifest, parts, session.settings)


def _write(file: Path, manifest: Manifest, parts: dict[str, bytes], settings: Settings) -> Written:
    """Writes them without the secrets of the settings."""
    redactor = Redactor(settings)
    manifest = msgspec.json.decode(redactor.redact(msgspec.json.encode(manifest)), type=Manifest)
    packed = (contents.RECORDING,)
    clean = {name: content if name in packed else redactor.redact(content) for name, content in parts.items() if content}
    file = file.expanduser()
    digest = write_bundle(file, manifest, clean)
    return Written(file, file.stat().st_size, digest, manifest)


def read_recording(settings: Settings, window: BundleWindow) -> tuple[bytes, SourceNote]:
    """What a recorder kept of the window, empty where nothing of it gets into the bundle, and why. Blocks.

    It is not text, so its lines are redacted one by one.
    """
    recording = Recording.of_folder(Path(settings.recording_dir), about=settings.recorded_place)
    try:
        found = recording.export(window.start, window.end, redact=Redactor(settings).redact)
    except RecordingError as error:
        return b"", SourceNote("recorder", "not read", str(error))
    if len(found) > MOST_RECORDING_BYTES:
        text = f"left out: the recording of this window has {len(found):,} bytes, and the limit is {MOST_RECORDING_BYTES:,}"
        return b"", SourceNote("recorder", "not read", text)
    if found:
        return found, SourceNote("recorder", "read", "the cluster and Alertmanager as they were recorded")
    return b"", SourceNote("recorder", "not configured" if settings.recorder is None else "not read", "no recorder ran then")


class _Collector:
    """One bundle. `sources` fills while it collects."""

    def __init__(self, session: Session, incident: Incident, window: BundleWindow, report: Report) -> None:
        self.sources: list[SourceNote] = []
        self._session = session
        self._incident = incident
        self._window = window
        self._report = report
        self._parts: dict[str, bytes] = {}
        self._log_queries: dict[str, float] = {}
        """Metric queries over logs, each with the least distance of values that it needs, in seconds."""

    async def collect(self) -> dict[str, bytes]:
        session = self._session
        boards = await asyncio.to_thread(self._read_boards)
        self._parts[contents.SETTINGS] = contents.keep_settings(session)
        self._parts[contents.PANELS] = encode_value(KeptPanels(session.specs, boards))
        self._parts[contents.RUNBOOKS] = b"\n".join(map(encode_value, session.runbooks.runbooks))
        self._parts[contents.CHECKLISTS] = await asyncio.to_thread(self._read_checklists)
        self._report("reading the journal")
        await self._read_journal()
        await self._read_silences()
        await self._read_prometheus(boards)
        await self._read_logs(boards)
        await self._read_recording()
        return self._parts

    def _note(self, name: str, state: str, detail: str = "") -> None:
        self.sources.append(SourceNote(name, state, detail))

    def _read_boards(self) -> tuple[Dashboard, ...]:
        from console.checks.own_panels import open_board  # noqa: PLC0415  # with the catalogue

        settings = self._session.settings
        return tuple(open_board(settings, name, namespace=settings.namespace) for name, _ in self._session.boards)

    def _read_checklists(self) -> bytes:
        """The files as they are."""
        from console.checklists.loader import read_files  # noqa: PLC0415  # as above

        files = read_files(self._session.settings.paths.checklists_dir)
        return encode_lines(contents.KeptChecklist(item.name, item.text, item.why) for item in files)

    # The journal

    async def _read_journal(self) -> None:
        if self._session.journal is None:
            self._note("journal", "not read", self._session.journal_fault or "there is no journal")
            return
        try:
            events = await asyncio.to_thread(self._find_events)
        except JournalError as error:
            self._note("journal", "not read", str(error))
            return
        self._parts[contents.JOURNAL] = encode_lines(events)
        caveat = self._session.journal_error
        self._note("journal", "partial" if caveat else "read", caveat or f"{len(events):,} events")

    def _find_events(self) -> list[contents.KeptEvent]:
        journal, environment = self._session.journal, self._session.settings.environment
        assert journal is not None  # noqa: S101  # the caller looked
        first = min(self._window.start - JOURNAL_SECONDS, self._incident.began_at)
        begin, end = int(first * 1e6), int(self._window.end * 1e6)
        everything = RowFilter(frozenset(event_kinds(*PAYLOADS)), ("", environment))
        outline = RowFilter(_OUTLINE, ("", environment))
        earlier = _read_events(journal, outline, after=FIRST, until=begin - 1)
        return [keep_event(event) for event in (*earlier, *_read_events(journal, everything, after=begin - 1, until=end))]

    # Alertmanager

    async def _read_silences(self) -> None:
        manager = self._session.alertmanager
        if manager is None:
            self._note("alertmanager", "not configured")
            return
        self._report("reading silences")
        try:
            silences = await manager.raw_silences()
        except SourceError as error:
            self._note("alertmanager", "not read", explain_failure(error))
            return
        began = [item for item in silences if _began_before(item, self._window.end)]
        self._parts[contents.SILENCES] = msgspec.json.encode(began)
        self._note("alertmanager", "read", f"{len(began)} silences; its alerts are those of Prometheus")

    async def _read_recording(self) -> None:
        found, note = await asyncio.to_thread(read_recording, self._session.settings, self._window)
        self._parts[contents.RECORDING] = found
        self.sources.append(note)

    # Prometheus

    async def _read_prometheus(self, boards: tuple[Dashboard, ...]) -> None:
        prometheus = self._session.prometheus
        if prometheus is None:
            self._note("prometheus", "not configured")
            return
        try:
            self._report("reading rules")
            await prometheus.rules()
            await prometheus.fetch_encodings()
            await self._read_definitions(prometheus)
            past = PastSession(self._session)
            try:
                noted = await self._note_queries(past, prometheus, boards)
                stored = await collect_queries(prometheus, noted, self._window, report=self._report)
                await past.go(self._window.end)
                marks = await past.read_marks(self._window.start, self._window.end)
            finally:
                await past.close()
        except SourceError as error:
            self._note("prometheus", "not read", explain_failure(error))
            return
        self._parts[contents.SERIES] = stored.content
        rows = (KeptMark(item.at, item.kind, item.text, item.letter) for item in marks.marks)
        self._parts[contents.MARKS] = encode_lines(rows)
        if marks.missing:
            self._note(TIMELINE, "partial", f"{marks.missing} could not be read")
        self._note("prometheus", "partial" if stored.failed else "read", stored.describe(self._window))
        self._note("kubernetes", *stored.cluster_note(self._session.settings.kubernetes is not None))

    async def _read_definitions(self, prometheus: Prometheus) -> None:
        """Rules without their state of now, how alerts are rewritten, and what metrics mean."""
        self._parts[contents.RULES] = _without_state(await prometheus.raw_rules())
        relabeling = await prometheus.current_relabeling()
        scheme = "utf8" if relabeling.is_utf8 else "legacy"
        self._parts[contents.ALERTING] = msgspec.json.encode(
            {
                "global": {"metric_name_validation_scheme": scheme, "external_labels": dict(relabeling.external_labels)},
                "alerting": {"alert_relabel_configs": [msgspec.to_builtins(step) for step in relabeling.steps]},
            }
        )
        metadata: dict[str, Any] = {}
        for metric in prometheus.decisions.documented_metrics:
            body = msgspec.json.decode(await prometheus.raw_metadata(metric))
            metadata.update({metric: found} if (found := body.get("data", {}).get(metric)) else {})
        self._parts[contents.METADATA] = msgspec.json.encode(metadata)
        self._parts[contents.SIGNALS] = msgspec.json.encode(dict(prometheus.decisions.signals))

    async def _note_queries(self, past: PastSession, live: Prometheus, boards: tuple[Dashboard, ...]) -> NotedQueries:
        """Looks at several moments as the console does, and notes what that asks."""
        assert past.prometheus is not None  # noqa: S101  # as the session has one
        noted = NotedQueries(specs=(*past.specs, *(spec for board in boards for spec in board.panels)))
        past.prometheus.note_query = noted.add
        window, began = self._window, self._incident.began_at
        moments = [window.start + (window.end - window.start) * (at + 1) / _MOMENTS for at in range(_MOMENTS)]
        seen: dict[str, None] = {}
        for at, moment in enumerate((began, *moments)):
            self._report(f"looking at moment {at + 1} of {_MOMENTS + 1}")
            snapshot = await past.go(min(moment, window.end))
            if at < _BOARD_MOMENTS or at == _MOMENTS:
                await self._look_at_boards(past, boards)
            new = [item for item in snapshot.alerts if item.alert.fingerprint not in seen]
            for tracked in new[: max(0, _MOST_ALERTS - len(seen))]:
                seen[tracked.alert.fingerprint] = None
                await self._look_at_alert(past, tracked, noted)
        return noted

    async def _look_at_boards(self, past: PastSession, boards: tuple[Dashboard, ...]) -> None:
        from queries.grafana.dashboard import OpenDashboard  # noqa: PLC0415  # with the catalogue
        from queries.prometheus.history import Window  # noqa: PLC0415  # as above

        prometheus = past.prometheus
        assert prometheus is not None  # noqa: S101  # as the caller knows
        chart = Window(past.moment - BEFORE_SECONDS, past.moment, _STEP_SECONDS)
        for board in boards:
            ours = replace(board, panels=tuple(spec for spec in board.panels if spec.source != LOKI))
            opened = OpenDashboard(prometheus, ours, DashboardChoice(board.name), clock=lambda: past.moment)
            try:
                await opened.refresh()
            finally:
                await opened.close()
        specs = {spec.id: spec for board in boards for spec in board.panels} | {spec.id: spec for spec in past.specs}
        for spec in specs.values():
            if spec.heat_map is not None:
                await prometheus.heat_history(spec, chart)

    async def _look_at_alert(self, past: PastSession, tracked: Any, noted: NotedQueries) -> None:
        """The expression of its rule, and the steps of its runbook."""
        from queries.promql.threshold import split_threshold  # noqa: PLC0415  # the PromQL parser

        if (rule := past.rule_of(tracked)) is not None:
            parts = await asyncio.to_thread(split_threshold, rule.expression)
            noted.add(parts.left if parts else rule.expression, 0.0)
        found = past.runbooks.match(tracked.alert)
        page = past.runbooks.get(found.id) if found.id else None
        if page is not None:
            self._log_queries |= {step.query: 0.0 for step in page.steps if step.query and step.source == LOKI}
            async for _ in past.runbook_steps(page, tracked):
                pass

    # Logs

    async def _read_logs(self, boards: tuple[Dashboard, ...]) -> None:
        session = self._session
        if session.settings.loki is None:
            self._note("loki", "not configured")
            return
        found = await collect_logs(session, self._incident, self._window.start, self._window.end, report=self._report)
        self._parts[contents.LOGS], self._parts[contents.PATTERNS] = found.lines, found.patterns
        specs = (*session.specs, *(spec for board in boards for spec in board.panels))
        self._log_queries |= {spec.raw: spec.raw_every_seconds for spec in specs if spec.source == LOKI and not spec.broken}
        if not self._log_queries:
            self._note("loki", found.state, found.detail)
            return
        try:
            stored = await collect_log_queries(session.require_loki(), self._log_queries, self._window, report=self._report)
        except SourceError as error:
            state = "partial" if found.lines else "not read"
            self._note("loki", state, f"{found.detail}; queries over logs: {explain_failure(error)}")
            return
        self._parts[contents.LOG_SERIES] = stored.content
        complete = found.state == "read" and not stored.failed
        self._note("loki", "read" if complete else "partial", f"{found.detail}; {stored.describe(self._window)}")


def _read_events(journal: Journal, row_filter: RowFilter, *, after: int, until: int) -> Iterator[Event]:
    """The events after one stamp up to another, in order. Raises JournalError."""
    while True:
        rows, after = read_in_order(journal, row_filter, after=after)
        within = [row for row in rows if row.stamp is not None and row.stamp <= until]
        yield from (row.event for row in within if row.event is not None)
        if not rows or len(within) < len(rows):
            return


def _began_before(silence: dict[str, Any], end: float) -> bool:
    try:
        return min(parse_rfc3339(str(silence.get(name, ""))) or math.inf for name in ("startsAt", "updatedAt")) <= end
    except ValueError:
        return True


def _without_state(body: bytes) -> bytes:
    """The rules as Prometheus sends them, without the alerts of now. When each was evaluated says whether it was."""
    answer = msgspec.json.decode(body)
    for group in answer.get("data", {}).get("groups", ()):
        for rule in group.get("rules", ()):
            if rule.get("type") == "alerting":
                rule["alerts"], rule["state"] = [], "inactive"
    return msgspec.json.encode(answer)


def default_name(incident: Incident) -> str:
    """`incident-4.bundle.zip`."""
    return f"incident-{incident.number}.bundle.zip"


def source_rows(notes: Iterable[SourceNote]) -> list[tuple[str, str, str]]:
    """The sources as rows of a table."""
    return [(item.name, item.state, item.detail) for item in notes]
