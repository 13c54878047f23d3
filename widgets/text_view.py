"""Lines of text to read: facts, a log, a header."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType

from widgets.line_view import LineView
from widgets.styled_text import Line


class TextView(LineView):
    """Shows the lines it is given; scrolls when they exceed its height (and can take the focus if `focusable`)."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "scroll_up", "up", show=False, tooltip="One line up", id="page.up"),
        Binding("down,j", "scroll_down", "down", show=False, tooltip="One line down", id="page.down"),
        Binding("pageup", "page_up", "page up", show=False, tooltip="One page up", id="page.page_up"),
        Binding("pagedown,space", "page_down", "page down", show=False, tooltip="One page down", id="page.page_down"),
        Binding("home", "scroll_home", "top", show=False, tooltip="To the top", id="page.home"),
        Binding("end", "scroll_end", "end", show=False, tooltip="To the end", id="page.end"),
    ]

    def __init__(
        self, lines: tuple[Line, ...] = (), *, id: str | None = None, classes: str | None = None, focusable: bool = False
    ) -> None:
        super().__init__(id=id, classes=classes)
        self.can_focus = focusable
        self._lines = lines

    @property
    def lines(self) -> tuple[Line, ...]:
        return self._lines

    def show(self, lines: tuple[Line, ...]) -> None:
        if lines == self._lines:
            return
        self._lines = lines
        self.refresh_changes()

    def line_count(self, width: int) -> int:
        return len(self._lines)

    def line_at(self, index: int, width: int) -> Line:
        return self._lines[index]
