"""A file of log lines: only those in view are read, so a file of millions opens at once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Input

from console.logs.fields import format_fields
from console.logs.file_lines import FileLines
from console.logs.search import TextSearch
from console.screens.base import ConsoleScreen
from console.screens.filterable_screen import FilterField
from console.screens.render_context import RenderContext
from widgets.log_view import LogView
from widgets.styled_text import Line, spread, text
from widgets.text_view import TextView

_LOOK_SECONDS = 1.0


class FileChanged(Message):
    """Lines were found, or the search went on."""

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, FileChanged)


class LogFileScreen(ConsoleScreen):
    """The lines of one file; what is written to it later is shown too."""

    SCREEN_TITLE = "Log file"
    HELP_TEXT = (
        "The lines of a file, however long it is: only where each line begins is kept in memory. The screen follows the end of "
        "the file until you move up; f or end returns there. / searches all lines, n and N move among matches, m shows only "
        "matches. v shows the fields of JSON and logfmt after the message. Control characters are written out, and a line of "
        "more than 8 KiB is cut. A file that becomes shorter is read from its beginning again. "
        "`cad-console logs FILE --patterns` prints its patterns."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "search", "search", key_display="/", tooltip="Search all lines", id="file.search"),
        Binding("f", "follow", "follow", tooltip="Follow the end of the file, or stay at these lines", id="file.follow"),
        Binding("n", "match(1)", "next match", tooltip="To the next match", id="file.next"),
        Binding("N", "match(-1)", "previous match", show=False, tooltip="To the previous match", id="file.back"),
        Binding("m", "matches", "matches", tooltip="Only matches, or all lines", id="file.matches"),
        Binding("w", "wrap", "wrap", tooltip="Wrap long lines, or show one row of each", id="file.wrap"),
        Binding("v", "fields", "fields", tooltip="Fields of JSON and logfmt after the message", id="file.fields"),
        Binding("escape", "leave_search", "back", show=False, tooltip="End the search, or back", id="file.leave"),
    ]

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = Path(path).expanduser()
        self._file: FileLines | None = None
        self._error = ""
        self._jumps = False
        """The search is new: go to its last match once it is found."""
        self._title = TextView(classes="title")
        self._status = TextView(id="log-status", classes="hidden")
        self._field = FilterField(placeholder="text or regular expression", id="file-search")
        self._field.add_class("field", "hidden")
        self._view = LogView(_NOTHING, id="log")
        self._view.add_class("grow")

    def body(self) -> Iterable[Widget]:
        yield self._title
        yield self._status
        yield self._field
        yield self._view

    def on_mount(self) -> None:
        super().on_mount()
        self._view.focus()
        self.run_worker(self._follow(), "reading the file", "file", exclusive=True)

    def on_unmount(self) -> None:
        if self._file is not None:
            self._file.close()

    def draw(self, context: RenderContext) -> None:
        self._draw_file()

    def _report(self) -> None:
        """From any thread."""
        self.post_message(FileChanged())

    async def _follow(self) -> None:
        try:
            lines = self._file = await asyncio.to_thread(FileLines, self._path)
            self._view.update(lines=lines)
            while True:
                changed = await asyncio.to_thread(lines.read_more, self._report)
                if changed and lines.search is not None:
                    await asyncio.to_thread(lines.find, lines.search, self._report)
                self._report()
                await asyncio.sleep(_LOOK_SECONDS)
        except (OSError, ValueError) as error:  # a closed file is a ValueError
            self._error = getattr(error, "strerror", None) or str(error)
            self._draw_file()

    async def _find(self, search: TextSearch | None) -> None:
        lines = self._file
        if lines is not None:
            await asyncio.to_thread(lines.find, search, self._report)
            self._report()

    @on(FileChanged)
    def _file_changed(self, event: FileChanged) -> None:
        event.stop()
        if self.is_current:
            self._draw_file()

    def _draw_file(self) -> None:
        lines = self._file
        failed = self._error or self.worker_errors.get("file", "")
        self._view.empty = failed or ("the file is empty" if lines is not None else "reading …")
        search = lines.search if lines is not None else None
        if lines is not None and lines.only_matches and not lines.count():
            self._view.empty = "searching …" if lines.searching else "no line matches"
        self._view.spans = search.spans if search is not None else None
        if self._jumps and lines is not None and not lines.searching:
            self._jumps = False
            self.action_match(-1)
        self._view.update()
        self._draw_title()

    @on(LogView.Moved)
    def _draw_title(self) -> None:
        width = max(20, self.size.width)
        first, count = self._view.position()
        where = "end" if self._view.follows else f"at {first + 1:,}"
        left: Line = ((" Log file ", "title"), text(str(self._path), "strong"))
        found = self._describe_search()
        self._status.show(((text(f" {found}", "warn"),),) if found else ())
        self._status.set_class(not found, "hidden")
        noun = "line" if count == 1 else "lines"
        self._title.show((spread(left, ((where, "accent"), (f" · {count:,} {noun} ", "dim")), width),))

    def _describe_search(self) -> str:
        lines = self._file
        if lines is None or lines.search is None:
            return ""
        number = lines.match_number(self._view.cursor) if self._view.cursor else 0
        count = f"{number:,} of {lines.match_count():,} matches" if number else f"{lines.match_count():,} matches"
        parts = (count, "searching …" if lines.searching else "", lines.search.note)
        return f"/{lines.search.pattern}: {', '.join(filter(None, parts))}"

    # What a person asks for

    def action_follow(self) -> None:
        if self._view.follows:
            self._view.hold()
        else:
            self._view.action_end()

    def action_wrap(self) -> None:
        self._view.wraps = not self._view.wraps
        self._view.update()

    def action_fields(self) -> None:
        self._view.format = None if self._view.format else format_fields
        self._view.update()

    def action_search(self) -> None:
        self._field.open()

    def action_match(self, direction: int) -> None:
        lines = self._file
        if lines is None or lines.search is None:
            self.action_search()
            return
        key = lines.next_match(self._view.cursor, direction)
        if key is not None:
            self._view.show_line(key)
            self._draw_title()

    def action_matches(self) -> None:
        lines = self._file
        if lines is None or lines.search is None:
            self.action_search()
            return
        lines.only_matches = not lines.only_matches
        self._view.cursor = None
        self._view.action_end()
        self._draw_file()

    async def action_leave_search(self) -> None:
        if self._field.has_focus or (self._file is not None and self._file.search is not None):
            self._end_search()
        else:
            await self.app.run_action("back")

    action_leave_filter = action_leave_search

    def _end_search(self) -> None:
        self._field.value = ""
        self._field.add_class("hidden")
        self._view.cursor = None
        self._view.focus()
        self.run_worker(self._find(None), "ending the search", "find", exclusive=True)

    @on(Input.Submitted, "#file-search")
    def _search_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self._field.add_class("hidden")
        self._view.focus()
        if not event.value:
            self._end_search()
            return
        self._view.cursor = None
        self._jumps = True
        self.run_worker(self._find(TextSearch(event.value)), "searching the file", "find", exclusive=True)


class _Nothing:
    """No line yet."""

    def count(self) -> int:
        return 0

    def window(self, first: int, last: int) -> list:  # type: ignore[type-arg]
        return []

    def index_of(self, key: tuple[int, int]) -> int:
        return 0


_NOTHING = _Nothing()
