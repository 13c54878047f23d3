"""The base of all screens: two header lines, a body, and the footer with the keys."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.geometry import Size
from textual.screen import Screen
from textual.widget import Widget

from console.screens import keys
from console.screens.header import render_header
from console.screens.messages import RenderRequested
from console.screens.render_context import RenderContext
from console.screens.worker_errors import ReportsWorkerErrors
from widgets.footer import Footer
from widgets.styled_text import Line
from widgets.text_view import TextView


class ConsoleScreen(ReportsWorkerErrors, Screen[None]):
    """`body` creates the widgets, `draw` fills them from a render context."""

    SCREEN_TITLE: ClassVar[str] = ""
    HELP_TEXT: ClassVar[str] = ""
    """What `?` says about this screen, in a few sentences."""

    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (132, "-wide")]  # noqa: RUF012  # declared so by Textual
    VERTICAL_BREAKPOINTS = [(0, "-low"), (20, "-middle"), (36, "-high")]  # noqa: RUF012

    BINDINGS: ClassVar[list[BindingType]] = [*keys.NAVIGATION]

    def __init__(self) -> None:
        super().__init__()
        self.context: RenderContext | None = None
        self.header = TextView(id="header")
        self.footer = Footer(id="keys")
        self._initial_size = Size(0, 0)

    def prepare(self, context: RenderContext, size: Size) -> None:
        """Set what it shows first and its size, so that its first frame is complete.

        Only for a screen that creates all its widgets in its constructor.
        """
        self.context, self._initial_size = context, size
        for breakpoints, cells in ((self.HORIZONTAL_BREAKPOINTS, size.width), (self.VERTICAL_BREAKPOINTS, size.height)):
            self.add_class([name for least, name in breakpoints if cells >= least][-1], update=False)

    @property
    def width(self) -> int:
        """The width of a line; before the first layout, the announced one."""
        return self.size.width or self._initial_size.width

    def compose(self) -> ComposeResult:
        if self.context is not None:
            self._fill(self.context)
        yield self.header
        with Vertical(id="body"):
            yield from self.body()
        yield self.footer

    def body(self) -> Iterable[Widget]:
        raise NotImplementedError

    def draw(self, context: RenderContext) -> None:
        """Give every widget what it has to show now."""
        raise NotImplementedError

    def show_context(self, context: RenderContext) -> None:
        self.context = context
        if not self.is_mounted or not self.size.width:
            return
        self._fill(context)

    def _fill(self, context: RenderContext) -> None:
        self.header.show(render_header(context, self.width))
        self.footer.show_note(context.terminal_status)
        self.draw(context)

    def redraw(self) -> None:
        """Draw again from the current context, after a person changed what is shown."""
        if self.context is not None:
            self.show_context(self.context)

    def show_worker_error(self, group: str) -> None:
        self.redraw()

    def on_mount(self) -> None:
        self.post_message(RenderRequested())

    def on_screen_resume(self) -> None:
        self.post_message(RenderRequested())

    def on_resize(self) -> None:
        self.call_after_refresh(self.redraw)


def section(title: str, width: int) -> Line:
    """A rule with a title in it."""
    if not title:
        return (("─" * width, "rule"),)
    return (("── ", "rule"), (title, "title"), (" " + "─" * max(0, width - len(title) - 4), "rule"))
