"""A file of log lines: only those in view are read, so a file of millions opens at once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widget import Widget

from console.logs.file_lines import FileLines
from console.logs.file_patterns import TemplateSearch
from console.logs.patterns import Pattern
from console.logs.search import LineSearch
from console.screens.log_file_patterns import LogFilePatternsScreen
from console.screens.log_search import LogSearchScreen
from console.screens.render_context import RenderContext
from queries.model.log import LogLine
from widgets.log_view import LogView
from widgets.styled_text import Line, spread, text

_LOOK_SECONDS = 1.0


class FileChanged(Message):
    """Lines were found, or the search went on."""

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, FileChanged)


class LogFileScreen(LogSearchScreen):
    """The lines of one file; what is written to it later is shown too."""

    SCREEN_TITLE = "Log file"
    HELP_TEXT = (
        "The lines of a file, however long it is: only where each line begins is kept in memory. The screen follows the end of "
        "the file until you move up; f or end returns there. / searches all lines, n and N move among matches, m shows only "
        "matches. v shows the fields of JSON and logfmt after the message. Control characters are written out, and a line of "
        "more than 8 KiB is cut. A truncated file, or one that is replaced while you follow its end, is read from its "
        "beginning again. a groups all lines by pattern, and shows what is new since the lines in view; `cad-console logs FILE "
        "--patterns` prints the patterns."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "search", "search", key_display="/", tooltip="Search all lines", id="file.search"),
        Binding("f", "follow", "follow", tooltip="Follow the end of the file, or stay at these lines", id="file.follow"),
        Binding("a", "patterns", "patterns", tooltip="All lines by pattern, and what is new", id="file.patterns"),
        Binding("n", "match(1)", "next match", tooltip="To the next match", id="file.next"),
        Binding("N", "match(-1)", "previous match", show=False, tooltip="To the previous match", id="file.back"),
        Binding("m", "matches", "matches", tooltip="Only matches, or all lines", id="file.matches"),
        Binding("w", "wrap", "wrap", tooltip="Wrap long lines, or show one row of each", id="file.wrap"),
        Binding("v", "fields", "fields", tooltip="Fields of JSON and logfmt after the message", id="file.fields"),
        Binding("escape", "leave_search", "back", show=False, tooltip="End the search, or back", id="file.leave"),
    ]

    def __init__(self, path: str) -> None:
        super().__init__(_NOTHING)
        self._path = Path(path).expanduser()
        self._file: FileLines | None = None
        self._error = ""

    @property
    def searched(self) -> FileLines | None:
        return self._file

    @property
    def searching(self) -> bool:
        return self._file is not None and self._file.searching

    def find(self, search: LineSearch | None) -> None:
        self.run_worker(self._find(search), "searching the file" if search else "ending the search", "find", exclusive=True)

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
                if lines.replaced and self._view.follows:
                    with suppress(FileNotFoundError):  # it is being replaced once more
                        await asyncio.to_thread(lines.reopen)
                        self.show_notice("the file was replaced: these are the new one's lines")
                        changed = await asyncio.to_thread(lines.read_more, self._report)
                if changed and lines.search is not None:
                    await asyncio.to_thread(lines.find, lines.search, self._report)
                self._report()
                await asyncio.sleep(_LOOK_SECONDS)
        except (OSError, ValueError) as error:  # a closed file is a ValueError
            self._error = getattr(error, "strerror", None) or str(error)
            self._draw_file()

    async def _find(self, search: LineSearch | None) -> None:
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
        if lines is not None and lines.only_matches and not lines.count():
            self._view.empty = "searching …" if lines.searching else "no line matches"
        self.show_found()
        self._view.update()
        self._draw_title()

    @on(LogView.Moved)
    def _draw_title(self) -> None:
        width = max(20, self.size.width)
        first, count = self._view.position()
        where = "end" if self._view.follows else f"at {first + 1:,}"
        if self._file is not None and self._file.replaced:
            where = f"replaced: f reads the new file · {where}"
        left: Line = ((" Log file ", "title"), text(str(self._path), "strong"))
        found = tuple(self.render_search("only matches" if self._file is not None and self._file.only_matches else ""))
        self._status.show(found)
        self._status.set_class(not found, "hidden")
        noun = "line" if count == 1 else "lines"
        self._title.show((spread(left, ((where, "accent"), (f" · {count:,} {noun} ", "dim")), width),))

    # What a person asks for

    def action_patterns(self) -> None:
        lines = self._file
        if lines is None or not lines.line_count:
            self.show_notice("there is no line yet")
            return
        line = None if self._view.follows else self._view.current()
        self.app.push_screen(LogFilePatternsScreen(lines, line.order if line else None, show=self._show_pattern))

    def _show_pattern(self, pattern: Pattern) -> None:
        if self._file is not None:
            self.search_for(TemplateSearch(pattern))
            self._file.only_matches = True

    def action_matches(self) -> None:
        lines = self._file
        if lines is None or lines.search is None:
            self.action_search()
            return
        lines.only_matches = not lines.only_matches
        self._view.cursor = None
        self._view.action_end()
        self._draw_file()


class _Nothing:
    """No line yet."""

    def count(self) -> int:
        return 0

    def window(self, first: int, last: int) -> list[LogLine]:
        return []

    def index_of(self, key: tuple[int, int]) -> int:
        return 0


_NOTHING = _Nothing()
