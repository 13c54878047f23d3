"""The log screen without its keys: what it reads, of the pods themselves or of Loki, and what it shows of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from textual import on
from textual.message import Message
from textual.suggester import Suggester
from textual.widget import Widget

from console.logs.line_fields import LineFilter
from console.logs.merged_log import MergedLog
from console.logs.query import LogOrigin, LogQuery
from console.logs.search import LineSearch
from console.screens.filterable_screen import FilterField
from console.screens.log_search import LogSearchScreen
from console.screens.log_volume import LogVolume
from console.screens.render_context import RenderContext
from queries.errors import SourceError
from queries.loki.selector import is_selector
from queries.model.log import LogCounts, LogSource
from queries.text.times import format_shown, shown_zone
from widgets.log_view import LogView, build_labels
from widgets.styled_text import Line, spread, text, wrap
from widgets.text_view import TextView

if TYPE_CHECKING:
    from console.logs.loki_source import LokiSource

RANGES: tuple[tuple[int | None, bool, str], ...] = (
    (None, True, ""),
    (300, False, "last 5m"),
    (3600, False, "last hour"),
    (None, False, "whole log"),
)
"""The time ranges that `t` cycles through: seconds, whether only the end is read, and their text in the title."""
_TAIL, _TAIL_OF_EACH = 2000, 500
"""Lines read at first, of one pod and of each pod of a workload."""
_WORKLOADS = ("deployment", "statefulset", "daemonset", "rollout", "job")
_MOST_SENTENCES = 2
_VOLUME_SECONDS = 60.0
_AROUND_SECONDS = 600
"""How much is read before and after a time to show."""


class LogChanged(Message):
    """Lines arrived, or the state of the source changed."""

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, LogChanged)


def _noun(count: int) -> str:
    return "line" if count == 1 else "lines"


class _Completion(Suggester):
    def __init__(self, complete: Callable[[str], Awaitable[str | None]]) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._complete = complete

    async def get_suggestion(self, value: str) -> str | None:
        return await self._complete(value)


class LogReadingScreen(LogSearchScreen):
    """Lines are read, merged and searched in threads; the screen draws those in view, ten times a second at most."""

    def __init__(self, target: str, *, previous: bool = False, at: float | None = None) -> None:
        log = MergedLog()
        super().__init__(log)
        self._log = log
        self._target = target
        self._origin = LogOrigin.LOKI if at is not None or is_selector(target) else LogOrigin.PODS
        self._at = at
        """The time that is shown, Unix seconds; None for the end of the log."""
        self._loki: LokiSource | None = None
        """The source, if it is Loki."""
        self._volume: LogVolume | None = None
        self._volume_error = ""
        self._filters: tuple[LineFilter, ...] = ()
        self._container = ""
        self._previous = previous
        self._range = 0
        self._source: LogSource | None = None
        self._fetched = self._ended = False
        self._error = ""
        self._path = ""
        self._sources: tuple[str, ...] = ()
        self._chart = TextView(id="log-volume", classes="hidden")
        self._query = FilterField(
            placeholder='{label="value"} |= "text"', id="log-query", select_on_focus=False, suggester=_Completion(self.complete)
        )
        self._query.add_class("field", "hidden")

    @property
    def searched(self) -> MergedLog:
        return self._log

    def find(self, search: LineSearch | None) -> None:
        self._log.find(search)

    def body(self) -> Iterable[Widget]:
        yield self._title
        yield self._status
        yield self._chart
        yield self._query
        yield self._field
        yield self._view

    def on_mount(self) -> None:
        super().on_mount()
        self._view.focus()
        self.set_interval(_VOLUME_SECONDS, self.count_again)

    def count_again(self) -> None:
        """The chart of a log that is followed grows with it."""
        loki, reading = self._loki, self.has_worker("volume")
        if loki is not None and loki.query.follow and loki.query.until is None and self.is_current and not reading:
            self.run_worker(self._read_volume(loki), "counting the lines", "volume")

    def on_unmount(self) -> None:
        self._log.close()

    def draw(self, context: RenderContext) -> None:
        if not self._fetched and context.session is not None:
            self.action_fetch()
        self._draw_log()

    def show_worker_error(self, group: str) -> None:
        self._error = self.worker_errors.get(group, "")
        self._draw_log()

    # Reading

    def action_fetch(self) -> None:
        self._fetched, self._ended, self._error = True, False, ""
        search, context = self._log.search, self._log.context
        self._log.close()
        # The merging thread calls this: a message is what may cross.
        log = self._log = MergedLog(on_change=lambda: self._report(log))
        if search is not None:
            log.find(search)
            log.show_matches(context)
        log.start()
        self._volume, self._volume_error = None, ""
        self._view.update(lines=log)
        self._draw_log()
        self.run_worker(self._fetch(), "fetching the log", "logs", exclusive=True)

    def _report(self, log: MergedLog) -> None:
        if log is self._log:
            self.post_message(LogChanged())

    async def _fetch(self) -> None:
        session = self.context.session if self.context else None
        if session is None:
            return
        seconds, only_end, _ = RANGES[self._range]
        several = self._origin is LogOrigin.PODS and self._target.partition("/")[0] in _WORKLOADS
        tail = (_TAIL_OF_EACH if several else _TAIL) if only_end else None
        query = LogQuery(
            self._target,
            self._container,
            self._previous,
            since_seconds=seconds,
            tail_lines=tail,
            follow=not self._previous,
            origin=self._origin,
            filters=self._filters if self._origin is LogOrigin.LOKI else (),
        )
        if self._at is not None:
            query = replace(query, since_seconds=2 * _AROUND_SECONDS, tail_lines=None, until=self._at + _AROUND_SECONDS)
        log = self._log
        self._loki = None
        try:
            if self._origin is LogOrigin.LOKI:
                self._source = self._loki = session.create_loki_source(query)
                self.run_worker(self._read_volume(self._loki), "counting the lines", "volume", exclusive=True)
            else:
                self._source = session.create_log_source(query)
            await self._source.read(log)
        except SourceError as error:  # shown in place of the log
            self._error = str(error)
            if self._origin is LogOrigin.PODS and error.fault.status == 404 and session.settings.loki is not None:
                self._error += "; o asks Loki, which may have its lines"
        self._ended = True
        log.request_change()

    async def _read_volume(self, source: LokiSource) -> None:
        try:
            await source.prepared.wait()
            counts: LogCounts | None = await source.volume(max(10, self.size.width - 2))
        except SourceError as error:
            counts, found = None, str(error)
        else:
            found = ""
        if source is self._loki:
            self._volume, self._volume_error = LogVolume(counts) if counts is not None else self._volume, found
            self._log.request_change()

    @on(LogChanged)
    def _log_changed(self, event: LogChanged) -> None:
        event.stop()
        if self.is_current:
            self._draw_log()

    # Drawing

    def _draw_log(self) -> None:
        names = tuple(dict.fromkeys((*self._sources, *self._log.sources())))
        if names != self._sources:
            self._sources = names
            width = max(8, self.size.width // 4)
            self._view.labels = build_labels(names, width) if len(names) > 1 else {}
            self._view.shows_times = self._view.shows_times or len(names) > 1
        status = self._log.status
        # Of a log that is followed nobody knows that it is empty, only that no line has arrived.
        nothing = "the log is empty" if self._ended else "no line yet" if status.total else "fetching …"
        if self._loki is not None:
            searched = self._loki.describe_time()
            nothing = f"Loki has no matching line {searched}" if searched else "fetching …"
        self._view.empty = "" if self._error or status.failed else nothing
        if self._log.context is not None and self._log.received and not self._log.count():
            self._view.empty = "no line matches"
        self.show_found()
        self._view.update()
        self._draw_title()

    @on(LogView.Moved)
    def _draw_title(self) -> None:
        width = max(20, self.size.width)
        time = self._describe_range()
        ranges = ((f"  {item}", "warn") for item in ("previous" if self._previous else "", time) if item)
        what = text(f"  {self._source.describe() if self._source else ''}")
        left = ((" Log ", "title"), text(self._target, "strong"), *ranges, what)
        first, count = self._view.position()
        where = "following" if self._view.follows and not self._ended else "end" if self._view.follows else f"at {first + 1:,}"
        dropped = f" · {self._log.dropped:,} dropped" if self._log.dropped else ""
        zone = f" · {shown_zone()}" if self._view.shows_times else ""
        self._title.show((spread(left, ((where, "accent"), (f" · {count:,} {_noun(count)}{dropped}{zone} ", "dim")), width),))
        self._status.show(tuple(self._status_lines(width)))
        self._status.set_class(not self._status.lines, "hidden")
        self._draw_volume(width)

    def _describe_range(self) -> str:
        """`last 5m`, `around 11-29 03:12:00Z`; of a past moment until when the lines were read: it may be another one now."""
        if self._at is not None:
            return f"around {format_shown(self._at, '%m-%d %H:%M:%S')}"
        until = self._loki.query.until if self._loki is not None else None
        parts = (RANGES[self._range][2], f"up to {format_shown(until, '%H:%M:%S')}" if until is not None else "")
        return " ".join(filter(None, parts))

    def _draw_volume(self, width: int) -> None:
        """Also without an answer the rows are there, so that the lines do not jump when it comes."""
        self._chart.set_class(self._origin is not LogOrigin.LOKI or bool(self._error), "hidden")
        if self._volume is None:
            what = f"the lines cannot be counted: {self._volume_error}" if self._volume_error else "counting the lines …"
            self._chart.show(((text(f" {what}", "warn" if self._volume_error else "dim"),),))
            return
        first, last = self._view.times()
        chart, axis = self._volume.lines(width, first_ns=first, last_ns=last)
        if self._volume_error:
            axis = (text(f" not refreshed: {self._volume_error}", "warn"),)
        self._chart.show((chart, axis))

    def _status_lines(self, width: int) -> Iterable[Line]:
        status = self._log.status
        if self._filters:
            chips = tuple(part for each in self._filters for part in (text(f" {each.describe()} ", "match"), (" ", "")))
            yield ((" ", ""), *chips, ("r removes", "dim"))
        yield from self.render_search(
            {None: "", 0: "only matches"}.get(self._log.context, f"with {self._log.context} lines around")
        )
        if self._error:
            yield from ((text(f" {part}", "critical"),) for part in wrap(text(self._error)[0], width - 2))
        for sentences, tone in ((status.failed, "critical"), (status.waiting, "warn")):
            for sentence in sentences[:_MOST_SENTENCES]:
                yield from ((text(f" {part}", tone),) for part in wrap(text(sentence)[0], width - 2))
            if len(sentences) > _MOST_SENTENCES:
                yield ((f" and {len(sentences) - _MOST_SENTENCES} more logs", tone),)
        if status.left_out:
            yield ((f" {status.left_out} of {status.total} logs are not read: too many at once", "warn"),)
        if status.incomplete:
            yield ((" lines may be missing; a notice marks where", "warn"),)

    def _fetch_other(self) -> None:
        self._sources = ()
        self.action_fetch()

    async def complete(self, typed: str) -> str | None:
        """What is typed of a query with a completion; None without one, or while Loki does not answer."""
        if self._loki is None:
            return None
        try:
            return await self._loki.complete(typed)
        except SourceError:
            return None
