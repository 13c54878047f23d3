"""A page of log lines with a field that searches them: what the page of a log and that of a file have in common."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from textual import on
from textual.widgets import Input

from console.logs.fields import format_fields
from console.logs.search import LineSearch, TextSearch
from console.screens.base import ConsoleScreen
from console.screens.filterable_screen import FilterField
from widgets.log_view import LogLines, LogView
from widgets.styled_text import Line, text
from widgets.text_view import TextView


class SearchedLines(LogLines, Protocol):
    """Lines of which a search found some; a match is named by the key of its line."""

    search: LineSearch | None

    def match_count(self) -> int: ...

    def match_number(self, key: tuple[int, int]) -> int: ...

    def next_match(self, key: tuple[int, int] | None, direction: int) -> tuple[int, int] | None: ...


class LogSearchScreen(ConsoleScreen):
    """`/` opens the field, enter goes to the last match; esc ends the search, or goes back."""

    def __init__(self, lines: LogLines) -> None:
        super().__init__()
        self._goes_to: LineSearch | None = None
        """The search whose last match is shown once it is found."""
        self._title = TextView(classes="title")
        self._status = TextView(id="log-status", classes="hidden")
        self._field = FilterField(placeholder="text or regular expression", id="log-search")
        self._field.add_class("field", "hidden")
        self._view = LogView(lines, id="log")
        self._view.add_class("grow")

    @property
    def searched(self) -> SearchedLines | None:
        """The lines; None before they are read."""
        raise NotImplementedError

    @property
    def searching(self) -> bool:
        """Whether the search has not seen all lines yet."""
        return False

    def find(self, search: LineSearch | None) -> None:
        """Search all lines, or end the search."""
        raise NotImplementedError

    def search_for(self, search: LineSearch) -> None:
        """Search, and show the last match."""
        self._view.cursor = None
        self._goes_to = search
        self.find(search)

    def end_search(self) -> None:
        self._field.value = ""
        self._field.add_class("hidden")
        self._view.cursor = None
        self._view.focus()
        self._goes_to = None
        self.find(None)

    def go_to_match(self, direction: int) -> None:
        """Put the cursor on the next match, or on the one before (-1)."""
        lines = self.searched
        key = lines.next_match(self._view.cursor, direction) if lines is not None else None
        if key is not None:
            self._view.show_line(key)

    def show_found(self) -> None:
        """Mark the matches, and show the last one of a search that has just ended."""
        search = self.searched.search if self.searched is not None else None
        self._view.spans = search.spans if search is not None else None
        if search is not None and search is self._goes_to and not self.searching:
            self._goes_to = None
            self.go_to_match(-1)

    def render_search(self, only: str) -> Iterable[Line]:
        """What is searched and how many matches there are; `only` says which lines are shown. Nothing without a search."""
        lines = self.searched
        if lines is None or lines.search is None or not self._field.has_class("hidden"):
            return
        number, count = lines.match_number(self._view.cursor) if self._view.cursor else 0, lines.match_count()
        of = f"{number:,} of {count:,}" if number else f"{count:,}"
        notes = "  ".join(filter(None, ("searching …" if self.searching else "", lines.search.note)))
        yield (
            (" /", "key"),
            text(lines.search.pattern, "strong"),
            (f"  {of} {'match' if count == 1 else 'matches'}{f' · {only}' if only else ''}", ""),
            text(f"  {notes}", "warn"),
        )

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
        if self.searched is None or self.searched.search is None:
            self.action_search()
        else:
            self.go_to_match(direction)

    async def action_leave_search(self) -> None:
        if self._field.has_focus or (self.searched is not None and self.searched.search is not None):
            self.end_search()
        else:
            await self.app.run_action("back")

    async def action_leave_filter(self) -> None:
        await self.action_leave_search()

    @on(Input.Submitted, "#log-search")
    def _search_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self._field.add_class("hidden")
        self._view.focus()
        if event.value:
            self.search_for(TextSearch(event.value))
        else:
            self.end_search()
