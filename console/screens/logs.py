"""The logs of a pod, or of all pods of a workload, merged by time and followed: of the pods themselves, or of Loki."""

from __future__ import annotations

import asyncio
import os
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.widgets import Input

from console.alerts.cause import find_workload_change
from console.logs.format import save_log
from console.logs.line_fields import LineField, LineFilter, build_fields, find_fields
from console.logs.query import LogOrigin
from console.logs.search import LevelSearch
from console.screens.log_fields import LogFieldsDialog
from console.screens.log_reading import RANGES, LogReadingScreen
from console.screens.messages import OpenLogPatternsRequested
from queries.loki.selector import drop_filters, is_selector
from queries.model.log import LogLevel, LogLine
from queries.text.times import format_time
from widgets.dialogs.confirm import ConfirmDialog
from widgets.dialogs.form import FormDialog, FormField
from widgets.dialogs.select import SelectDialog
from widgets.styled_text import text
from widgets.terminal.links import opens_links

_CONTEXTS = (None, 0, 3)
_NEWS_SECONDS = 900.0


class LogsScreen(LogReadingScreen):
    """Lines are read, merged and searched in threads; the screen draws those in view, ten times a second at most."""

    SCREEN_TITLE = "Log"
    HELP_TEXT = (
        "The log lines of a pod, or of all pods of a workload in the order of time, each with the end of its pod's name. The "
        "screen follows the end of the log until you move up; f or end returns there. It opens on kubectl's default "
        "container; c shows the others, then all at once, p the log before the last restart, t another time range. / "
        "searches, n and N go from match to match, m shows only matches, then matches with three lines around each. E and W "
        "mark errors and warnings. The screen keeps the last 100,000 lines and counts those it drops. It writes out control "
        "characters, and cuts a line of more than 8 KiB and shows its size. o asks Loki instead of the pods, and back: Loki "
        "also has the lines of pods that are gone. Above its lines stands their number over time; [ and ] move to the part "
        "before or after. e edits the query, and the right arrow accepts a completion. a compares the lines before and after "
        "those in view, or at the end of the log the last change of the workload, by pattern, and shows what is new. L shows "
        "only errors, then warnings too; v shows the fields of JSON and logfmt after the message; x drops the filters of a "
        "query and shows all lines around those in view. enter shows the labels, metadata and fields of a line: enter there "
        "filters Loki's lines by one, ! leaves out lines with it, y copies it, o copies the link of a trace (loki: "
        "trace_url). The filters stand above the lines; r removes one."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "search", "search", key_display="/", tooltip="Search, and mark what matches", id="logs.search"),
        Binding("f", "follow", "follow", tooltip="Follow the end of the log, or stay at these lines", id="logs.follow"),
        Binding("c", "next_container", "container", tooltip="The next container, or all of them", id="logs.container"),
        Binding("p", "previous", "previous", tooltip="The log before the last restart, and back", id="logs.previous"),
        Binding("t", "since", "time", tooltip="The last lines, 5 minutes, hour, or the whole log", id="logs.since"),
        Binding("o", "origin", "pods/Loki", tooltip="Ask Loki instead of the pods, and back", id="logs.origin"),
        Binding("a", "patterns", "what is new", tooltip="Patterns that are new since the lines in view", id="logs.patterns"),
        Binding(
            "enter",
            "line_fields",
            "fields",
            key_display="enter",
            tooltip="The labels and fields of a line, to filter by",
            id="logs.line",
        ),
        Binding("r", "remove_filter", "remove filter", show=False, tooltip="Remove a filter", id="logs.unfilter"),
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

    # What a person asks for

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
        self._at, self._previous, self._container, self._filters = None, False, "", ()
        self._fetch_other()

    def action_previous(self) -> None:
        if self._origin is LogOrigin.LOKI:
            self.show_notice("Loki has the lines from before the restart too: they are above")
            return
        self._previous = not self._previous
        self._fetch_other()

    def action_since(self) -> None:
        self._at = None
        self._range = (self._range + 1) % len(RANGES)
        self._fetch_other()

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

    @on(Input.Submitted, "#log-query")
    def _query_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self._query.add_class("hidden")
        self._view.focus()
        query = event.value.strip()
        if query and (self._loki is None or query != self._loki.selector):
            self._target, self._container, self._filters = query, "", ()
            self._fetch_other()

    # Fields of a line, and filters by them

    def action_line_fields(self) -> None:
        line = self._view.current()
        if line is None:
            self.show_notice("there is no line yet")
            return
        self._view.hold()
        dialog = LogFieldsDialog(
            line,
            read=self._read_fields,
            step=self._view.next_line,
            trace_url=self.context.settings.trace_url if self.context else "",
            links=opens_links(os.environ),
        )
        self.app.push_screen(dialog, self._add_filter)

    async def _read_fields(self, line: LogLine) -> tuple[LineField, ...]:
        if self._loki is None:
            return build_fields((("source", line.source),), (), line.text)
        found = await self._loki.find_line(line.at_ns, line.source, line.text)
        return build_fields(found.labels, found.metadata, line.text) if found else find_fields(line.text)

    def _add_filter(self, chosen: LineFilter | None) -> None:
        if chosen is None or chosen in self._filters:
            return
        if self._origin is not LogOrigin.LOKI:
            self.show_notice("the pods take no filter: o asks Loki, / searches here")
            return
        self._filters = (*self._filters, chosen)
        self._fetch_other()

    def action_remove_filter(self) -> None:
        """One filter is removed at once; of several a person chooses."""
        if len(self._filters) < 2:
            self._remove_filter("0" if self._filters else "")
            return
        choices = tuple((str(number), each.describe()) for number, each in enumerate(self._filters))
        self.app.push_screen(SelectDialog("Remove a filter", (*choices, ("all", "all of them"))), self._remove_filter)

    def _remove_filter(self, key: str | None) -> None:
        if not key:
            if not self._filters:
                self.show_notice("there is no filter: enter shows the fields of a line")
            return
        self._filters = () if key == "all" else tuple(each for number, each in enumerate(self._filters) if str(number) != key)
        self._fetch_other()

    def action_patterns(self) -> None:
        settings = self.context.settings if self.context else None
        if settings is None or settings.loki is None:
            self.show_notice("Loki is not configured: set LOKI_URL, or loki: in the config", warning=True)
            return
        self.post_message(OpenLogPatternsRequested(self._target, self._choose_moment()))

    def _choose_moment(self) -> float:
        """The time of the lines in view; at the end of a log that is followed, which chooses none, the last change of the
        workload, if there was one lately.
        """
        first_ns, _ = self._view.times()
        if first_ns and not (self._view.follows and self._at is None):
            return first_ns / 1e9
        if self._at is not None:
            return self._at
        now = self.context.now if self.context else 0.0
        changes = self.context.snapshot.changes if self.context and self.context.snapshot else ()
        change = find_workload_change(self._target, changes, now=now)
        return change.at if change else now - _NEWS_SECONDS

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

    async def action_leave_search(self) -> None:
        if self._query.has_focus:
            self._query.add_class("hidden")
            self._view.focus()
        else:
            await super().action_leave_search()

    def action_levels(self) -> None:
        """Only errors, then errors and warnings, then all lines."""
        now = self._log.search
        shown = now.pattern if isinstance(now, LevelSearch) else ""
        following = {"": LogLevel.ERROR, LevelSearch(LogLevel.ERROR).pattern: LogLevel.WARN}.get(shown)
        if following is None:
            self.end_search()
            return
        self._log.find(LevelSearch(following))
        self._log.show_matches(0)
        self._view.cursor = None

    def action_context(self) -> None:
        selector = self._loki.selector if self._loki else ""
        first_ns, last_ns = self._view.times()
        at_ns = self._view.cursor[0] if self._view.cursor else last_ns if self._view.follows else first_ns
        if not selector or not at_ns:
            self.show_notice("there are no lines of Loki in view: o asks it")
            return
        self._target, self._container, self._at = drop_filters(selector), "", at_ns / 1e9
        self._filters = ()
        self.end_search()
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
