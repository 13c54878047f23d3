"""What all screens have in common: two lines above, the keys below, and a body that is drawn from a view."""

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
from console.screens.header import masthead
from console.screens.messages import ViewRequested
from console.screens.render_context import RenderContext
from console.screens.worker_errors import ReportsWorkerErrors
from widgets.footer import Footer
from widgets.styled_text import Line
from widgets.text_view import TextView


class ConsoleScreen(ReportsWorkerErrors, Screen[None]):
    """`body` makes the widgets, `draw` fills them; both know only what the view holds."""

    TITLE_WORDS: ClassVar[str] = ""
    ABOUT: ClassVar[str] = ""
    """What `?` says about this screen, in a few sentences."""

    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (132, "-wide")]  # noqa: RUF012  # declared so by Textual
    VERTICAL_BREAKPOINTS = [(0, "-low"), (20, "-middle"), (36, "-high")]  # noqa: RUF012

    BINDINGS: ClassVar[list[BindingType]] = [*keys.BETWEEN]

    def __init__(self) -> None:
        super().__init__()
        self.view: RenderContext | None = None
        self.masthead = TextView(id="masthead")
        self.key_bar = Footer(id="keys")
        self._room = Size(0, 0)

    def prepare(self, view: RenderContext, room: Size) -> None:
        """Before it is mounted: what it shows first and the room it will have, so that its first frame is the whole one.

        Only for a screen that makes all its widgets in its constructor.
        """
        self.view, self._room = view, room
        for breakpoints, size in ((self.HORIZONTAL_BREAKPOINTS, room.width), (self.VERTICAL_BREAKPOINTS, room.height)):
            self.add_class([name for least, name in breakpoints if size >= least][-1], update=False)

    @property
    def width(self) -> int:
        """The cells of a line; before the first layout, what was announced."""
        return self.size.width or self._room.width

    def compose(self) -> ComposeResult:
        if self.view is not None:
            self._fill(self.view)
        yield self.masthead
        with Vertical(id="body"):
            yield from self.body()
        yield self.key_bar

    def body(self) -> Iterable[Widget]:
        raise NotImplementedError

    def draw(self, view: RenderContext) -> None:
        """Give every widget what it should show now."""
        raise NotImplementedError

    def show_view(self, view: RenderContext) -> None:
        self.view = view
        if not self.is_mounted or not self.size.width:
            return
        self._fill(view)

    def _fill(self, view: RenderContext) -> None:
        self.masthead.show(masthead(view, self.width))
        self.key_bar.show_note(view.line)
        self.draw(view)

    def redraw(self) -> None:
        """Draw again from the view at hand: a person changed what is wanted."""
        if self.view is not None:
            self.show_view(self.view)

    def show_worker_error(self, group: str) -> None:
        self.redraw()

    def on_mount(self) -> None:
        self.post_message(ViewRequested())

    def on_screen_resume(self) -> None:
        self.post_message(ViewRequested())

    def on_resize(self) -> None:
        self.call_after_refresh(self.redraw)


def section(title: str, width: int) -> Line:
    """A rule with a title in it."""
    if not title:
        return (("─" * width, "rule"),)
    return (("── ", "rule"), (title, "title"), (" " + "─" * max(0, width - len(title) - 4), "rule"))
