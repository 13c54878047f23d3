"""The logs of a pod, or of all pods of a workload, merged by time and followed: of the pods themselves, or of Loki."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.suggester import Suggester
from textual.widget import Widget
from textual.widgets import Input

from console.logs.fields import format_fields
from console.logs.format import save_log
from console.logs.merged_log import MergedLog
from console.logs.query import LogOrigin, LogQuery
from console.logs.search import LevelSearch, TextSearch
from console.screens.base import ConsoleScreen
from console.screens.filterable_screen import FilterField
from console.screens.log_volume import LogVolume
from console.screens.messages import OpenLogPatternsRequested
from console.screens.render_context import RenderContext
from queries.errors import SourceError
from queries.loki.selector import drop_filters, is_selector
from queries.model.log import LogLevel, LogSource
from queries.text.times import format_shown, format_time, shown_zone
from widgets.dialogs.confirm import ConfirmDialog
from widgets.dialogs.form import FormDialog, FormField
from widgets.log_view import LogView, build_labels
from widgets.styled_text import Line, spread, text, wrap
from widgets.text_view import TextView

if TYPE_CHECKING:
    from console.logs.loki_source import LokiSource

_RANGES: tuple[tuple[int | None, bool, str], ...] = (
    (None, True, ""),
    (300, False, "last 5 min"),
    (3600, False, "last hour"),
    (None, False, "whole log"),
)
"""The time ranges that `t` cycles through: seconds, whether only the end is read, and their text in the title."""
_TAIL, _TAIL_OF_EACH = 2000, 500
"""Lines read at first, of one pod and of each pod of a workload."""
_WORKLOADS = ("deployment", "statefulset", "daemonset", "rollout", "job")
_CONTEXTS = (None, 0, 3)
_MOST_SENTENCES = 2
_NEWS_SECONDS = 900.0
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


class LogsScreen(ConsoleScreen):
    """Lines are read, merged and searched in threads; the screen draws those in view, ten times a second at most."""

    SCREEN_TITLE = "Log"
    HELP_TEXT = (
        "The log lines of a pod, or of all pods of a workload in the order of time, each with the end of its pod's name. The "
        "screen follows the end of the log until you move up; f or end returns there. It opens on kubectl's default container; "
        "c shows the others, then all at once, p the log before the last restart, t another time range. / searches, n and N go "
        "from match to match, m shows only matches, then matches with three lines around each. E and W mark errors and "
        "warnings. The screen keeps the last 100,000 lines and counts those it drops. It writes out control characters, and "
        "cuts a line of more than 8 KiB and shows its size. o asks Loki instead of the pods, and back: Loki also has the lines "
        "of pods that are gone. Above its lines stands their number over time; [ and ] move to the part before or after. e "
        "edits the query, and the right arrow accepts a completion. a compares the lines before and after those in view by "
        "pattern, and shows what is new. L shows only errors, then warnings too; v shows the fields of JSON and logfmt after "
        "the message; x drops the filters of a query and shows all lines around those in view."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "search", "search", key_display="/", tooltip="Search, and mark what matches", id="logs.search"),
        Binding("f", "follow", "follow", tooltip="Follow the end of the log, or stay at these lines", id="logs.follow"),
        Binding("c", "next_container", "container", tooltip="The next container, or all of them", id="logs.container"),
        Binding("p", "previous", "previous", tooltip="The log before the last restart, and back", id="logs.previous"),
        Binding("t", "since", "time", tooltip="The last lines, 5 minutes, hour, or the whole log", id="logs.since"),
        Binding("o", "origin", "pods/Loki", tooltip="Ask Loki instead of the pods, and back", id="logs.origin"),
        Binding("a", "patterns", "what is new", tooltip="Patterns that are new since the lines in view", id="logs.patterns"),
        Binding("e", "edit_query", "query", show=False, tooltip="Edit the query that Loki gets", id="logs.query"),
        Binding(
            "left_square_bracket",
            "volume(-1)",
            "earlier",
            key_display="[",
            show=False,
            tooltip="To the lines of the part before in the chart",
            id="logs.earlier",
        ),
        Binding(
            "right_square_bracket",
            "volume(1)",
            "later",
            key_display="]",
            show=False,
            tooltip="To the lines of the part after in the chart",
            id="logs.later",
        ),
        Binding("w", "wrap", "wrap", tooltip="Wrap long lines, or show one row of each", id="logs.wrap"),
        Binding("s", "save", "save", tooltip="Save the lines in view to a file", id="logs.save"),
        Binding("n", "match(1)", "next match", show=False, tooltip="To the next match", id="logs.next"),
        Binding("N", "match(-1)", "previous match", show=False, tooltip="To the previous match", id="logs.back"),
        Binding(
            "m",
            "matches",
            "matches",
            show=False,
            tooltip="Only matches, matches with lines around them, or all lines",
            id="logs.matches",
        ),
        Binding("L", "levels", "levels", show=False, tooltip="Only errors, warnings too, or all lines", id="logs.levels"),
        Binding("v", "fields", "fields", show=False, tooltip="JSON and logfmt: message first, then fields", id="logs.fields"),
        Binding("x", "context", "context", show=False, tooltip="Loki: all lines around those in view", id="logs.context"),
        Binding("i", "times", "times", show=False, tooltip="Show or hide the time of each line", id="logs.times"),
        Binding("u", "fetch", "fetch again", show=False, tooltip="Read the log again", id="logs.again"),
        Binding("escape", "leave_search", "back", show=False, tooltip="End the search, or back", id="logs.leave"),
    ]

    def __init__(self, target: str, *, previous: bool = False, at: float | None = None) -> None:
        super().__init__()
        self._target = target
        self._origin = LogOrigin.LOKI if at is not None or is_selector(target) else LogOrigin.PODS
        self._at = at
        """The time that is shown, Unix seconds; None for the end of the log."""
        self._loki: LokiSource | None = None
        """The source, if it is Loki."""
        self._volume: LogVolume | None = None
        self._volume_error = ""
        self._container = ""
        self._previous = previous
        self._range = 0
        self._log = MergedLog()
        self._source: LogSource | None = None
        self._fetched = self._ended = False
        self._jumps = False
        """The search is new: go to its last match once it is found."""
        self._error = ""
        self._path = ""
        self._sources: tuple[str, ...] = ()
        self._title = TextView(classes="title")
        self._status = TextView(id="log-status", classes="hidden")
        self._chart = TextView(id="log-volume", classes="hidden")
        self._query = FilterField(
            placeholder='{label="value"} |= "text"', id="log-query", select_on_focus=False, suggester=_Completion(self.complete)
        )
        self._query.add_class("field", "hidden")
        self._field = FilterField(placeholder="text or regular expression", id="log-search")
        self._field.add_class("field", "hidden")
        self._view = LogView(self._log, id="log")
        self._view.add_class("grow")

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
        self.set_interval(_VOLUME_SECONDS, self._read_volume_again)

    def _read_volume_again(self) -> None:
        """The chart of a log that is followed grows with it."""
        if self._loki is not None and self._loki.query.follow and self._loki.query.until is None and self.is_current:
            self.run_worker(self._read_volume(self._loki), "counting the lines", "volume", exclusive=True)

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
        seconds, only_end, _ = _RANGES[self._range]
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
            counts = await source.volume(max(10, self.size.width - 2))
        except SourceError as error:
            self._volume_error = str(error)
        else:
            self._volume = LogVolume(counts)
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
        if self._loki is not None and (searched := self._loki.describe_time()):
            nothing = f"Loki has no line of it {searched}"
        self._view.empty = "" if self._error or status.failed else nothing
        if self._log.context is not None and not self._log.count():
            self._view.empty = "no line matches"
        self._view.spans = self._log.search.spans if self._log.search else None
        if self._jumps and self._log.search is not None and self._log.search.pattern == self._field.value:
            self._jumps = False
            self.action_match(-1)
        self._view.update()
        self._draw_title()

    @on(LogView.Moved)
    def _draw_title(self) -> None:
        width = max(20, self.size.width)
        time = _RANGES[self._range][2] if self._at is None else f"around {format_shown(self._at, '%m-%d %H:%M:%S')}"
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

    def _draw_volume(self, width: int) -> None:
        """Also without an answer the rows are there, so that the lines do not jump when it comes."""
        self._chart.set_class(self._origin is not LogOrigin.LOKI or bool(self._error), "hidden")
        if self._volume is None:
            what = f"the lines cannot be counted: {self._volume_error}" if self._volume_error else "counting the lines …"
            self._chart.show(((text(f" {what}", "warn" if self._volume_error else "dim"),),))
            return
        first, last = self._view.times()
        self._chart.show(self._volume.lines(width, first_ns=first, last_ns=last))

    def _status_lines(self, width: int) -> Iterable[Line]:
        search, status = self._log.search, self._log.status
        if search is not None and self._field.has_class("hidden"):
            number = self._log.match_number(self._view.cursor) if self._view.cursor else 0
            count = self._log.match_count()
            of = f"{number:,} of {count:,}" if number else f"{count:,}"
            only = {None: "", 0: " · only matches"}.get(self._log.context, f" · with {self._log.context} lines around")
            yield (
                (" /", "key"),
                text(search.pattern, "strong"),
                (f"  {of} matches{only}", ""),
                text(f"  {search.note}", "warn"),
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

    # What a person asks for

    def action_follow(self) -> None:
        if self._view.follows:
            self._view.hold()
        else:
            self._view.action_end()

    def action_next_container(self) -> None:
        parts = self._source.parts() if self._source else ()
        if not parts:
            self.show_notice("the pod has only one container")
            return
        self._container = parts[(parts.index(self._container) + 1) % len(parts)] if self._container in parts else ""
        self._fetch_other()

    def action_origin(self) -> None:
        if is_selector(self._target):
            self.show_notice("this is a query of Loki's: the pods cannot answer it")
            return
        self._origin = LogOrigin.PODS if self._origin is LogOrigin.LOKI else LogOrigin.LOKI
        self._at, self._previous, self._container = None, False, ""
        self._fetch_other()

    def action_previous(self) -> None:
        if self._origin is LogOrigin.LOKI:
            self.show_notice("Loki has the lines from before the restart too: they are above")
            return
        self._previous = not self._previous
        self._fetch_other()

    def action_since(self) -> None:
        self._at = None
        self._range = (self._range + 1) % len(_RANGES)
        self._fetch_other()

    def _fetch_other(self) -> None:
        self._sources = ()
        self.action_fetch()

    def action_wrap(self) -> None:
        self._view.wraps = not self._view.wraps
        self._view.update()

    def action_times(self) -> None:
        self._view.shows_times = not self._view.shows_times
        self._view.update()

    # Loki's query and its volume

    def action_edit_query(self) -> None:
        if self._origin is not LogOrigin.LOKI:
            self.show_notice("the pods take no query: o asks Loki")
            return
        self._query.value = self._loki.selector if self._loki else self._target
        self._query.cursor_position = len(self._query.value)
        self._query.open()

    async def complete(self, typed: str) -> str | None:
        """What is typed of a query with a completion; None without one, or while Loki does not answer."""
        if self._loki is None:
            return None
        try:
            return await self._loki.complete(typed)
        except SourceError:
            return None

    @on(Input.Submitted, "#log-query")
    def _query_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self._query.add_class("hidden")
        self._view.focus()
        query = event.value.strip()
        if query and (self._loki is None or query != self._loki.selector):
            self._target, self._container = query, ""
            self._fetch_other()

    def action_patterns(self) -> None:
        settings = self.context.settings if self.context else None
        if settings is None or settings.loki is None:
            self.show_notice("Loki is not configured: set LOKI_URL, or loki: in the config", warning=True)
            return
        first_ns, _ = self._view.times()
        now = self.context.now if self.context else 0.0
        # At the end of a log that is followed the moment is not chosen yet.
        chosen = self._at if self._at is not None else now - _NEWS_SECONDS
        moment = first_ns / 1e9 if first_ns and not (self._view.follows and self._at is None) else chosen
        self.post_message(OpenLogPatternsRequested(self._target, moment))

    def action_volume(self, direction: int) -> None:
        if self._volume is None:
            self.show_notice("there is no chart of the lines: o asks Loki, which counts them")
            return
        first_ns, last_ns = self._view.times()
        column = self._volume.next_column(first_ns if direction < 0 else last_ns, direction)
        if column is None:
            self.show_notice("no lines there")
            return
        at_ns = self._volume.start_of(column)
        if self._log.covers(at_ns):
            self._view.show_line((at_ns, 0))
            return
        self._at = at_ns / 1e9
        self._fetch_other()

    # Searching

    def action_search(self) -> None:
        self._field.open()

    async def action_leave_search(self) -> None:
        if self._query.has_focus:
            self._query.add_class("hidden")
            self._view.focus()
        elif self._field.has_focus or self._log.search is not None:
            self._end_search()
        else:
            await self.app.run_action("back")

    action_leave_filter = action_leave_search

    def _end_search(self) -> None:
        self._field.value = ""
        self._field.add_class("hidden")
        self._view.cursor = None
        self._log.find(None)
        self._view.focus()

    @on(Input.Submitted, "#log-search")
    def _search_submitted(self, event: Input.Submitted) -> None:
        self._field.add_class("hidden")
        self._view.focus()
        if not event.value:
            self._end_search()
            return
        self._log.find(TextSearch(event.value))
        self._view.cursor = None
        self._jumps = True

    def action_match(self, direction: int) -> None:
        if self._log.search is None:
            self.action_search()
            return
        key = self._log.next_match(self._view.cursor, direction)
        if key is not None:
            self._view.show_line(key)

    def action_levels(self) -> None:
        """Only errors, then errors and warnings, then all lines."""
        now = self._log.search
        shown = now.pattern if isinstance(now, LevelSearch) else ""
        following = {"": LogLevel.ERROR, LevelSearch(LogLevel.ERROR).pattern: LogLevel.WARN}.get(shown)
        if following is None:
            self._end_search()
            return
        self._log.find(LevelSearch(following))
        self._log.show_matches(0)
        self._view.cursor = None

    def action_fields(self) -> None:
        self._view.format = None if self._view.format else format_fields
        self._view.update()

    def action_context(self) -> None:
        selector = self._loki.selector if self._loki else ""
        first_ns, last_ns = self._view.times()
        at_ns = self._view.cursor[0] if self._view.cursor else last_ns if self._view.follows else first_ns
        if not selector or not at_ns:
            self.show_notice("there are no lines of Loki in view: o asks it")
            return
        self._target, self._container, self._at = drop_filters(selector), "", at_ns / 1e9
        self._end_search()
        self._fetch_other()

    def action_matches(self) -> None:
        if self._log.search is None:
            self.action_search()
            return
        self._log.show_matches(_CONTEXTS[(_CONTEXTS.index(self._log.context) + 1) % len(_CONTEXTS)])

    # Saving

    def action_save(self) -> None:
        name = self._target.rpartition("/")[2]
        now = self.context.now if self.context else 0.0
        path = self._path or f"~/{name}-{format_time(now, '%Y%m%dT%H%M%SZ')}.log"
        field = FormField("file", "only you will be able to read it", path)
        title = f"Save {self._log.count():,} lines"
        self.app.push_screen(FormDialog(title, (field,), verb="Save"), self._save_to)

    def _save_to(self, answer: dict[str, str] | None) -> None:
        if answer is not None:
            self._path = answer["file"]
            self.run_worker(self._save(), "saving the log", "save", exclusive=True)

    async def _save(self) -> None:
        """A file that exists is replaced only if a person says so."""
        replace = False
        while True:
            try:
                count = await asyncio.to_thread(save_log, self._log, self._target, self._path, replace=replace)
            except FileExistsError:
                question = ((text(f" {self._path} exists", "strong"),), (("  replace it?", ""),))
                if not await self.app.push_screen_wait(ConfirmDialog(question, verb="Replace")):
                    return
                replace = True
                continue
            except OSError as error:
                self.show_notice(f"not saved: {self._path}: {error.strerror or error}", warning=True)
                return
            self.show_notice(f"saved {count:,} lines to {self._path}")
            return
