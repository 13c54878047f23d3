"""What changed in the hour before an incident's first alert."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

from textual.binding import BindingType
from textual.widget import Widget

from console.screens.base import ConsoleScreen, section
from console.screens.render_context import RenderContext
from widgets.formatting import format_clock, format_minute
from widgets.styled_text import Line, text, wrap
from widgets.text_view import TextView

if TYPE_CHECKING:
    from console.incidents.correlation import Correlation


class ChangesScreen(ConsoleScreen):
    """One list ordered by time, and which sources could not be asked."""

    TITLE_WORDS = "What changed"
    ABOUT = (
        "Rollouts, ConfigMaps, scaling, autoscalers, pod restarts, images, silences and other alerts of the hour before the "
        "first alert, from Kubernetes, Prometheus, Alertmanager and the journal. What could not be asked is named below."
    )
    BINDINGS: ClassVar[list[BindingType]] = []

    def __init__(self, found: Correlation) -> None:
        super().__init__()
        self._found = found
        self._page = TextView(id="changes", focusable=True)
        self._page.add_class("grow")

    def body(self) -> Iterable[Widget]:
        yield self._page

    def on_mount(self) -> None:
        super().on_mount()
        self._page.focus()

    def draw(self, view: RenderContext) -> None:
        self._page.show(tuple(self._lines(self.width)))

    def _lines(self, width: int) -> Iterable[Line]:
        found = self._found
        yield section(f"{format_minute(found.start)} to {format_minute(found.end)} UTC, the hour before the first alert", width)
        for item in found.changes:
            author = f" ({item.author})" if item.author else ""
            head: Line = ((f" {format_clock(item.at)} ", "dim"), text(f"{item.kind:<9}", "accent"))
            for at, words in enumerate(wrap(text(item.text + author)[0], width - 21)):
                yield (*head, (words, "")) if at == 0 else ((" " * 20, ""), (words, ""))
        if not found.changes:
            yield ((" nothing that could be seen", "dim"),)
        if found.faults:
            yield section("Not asked: what these know may be missing", width)
            for fault in found.faults:
                yield from (((f" {words}", "unknown"),) for words in wrap(text(fault)[0], width - 2))
