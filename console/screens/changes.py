"""What changed in the hour before an incident's first alert."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

from textual.binding import BindingType
from textual.widget import Widget

from console.screens.base import ConsoleScreen, section
from console.screens.render_context import RenderContext
from queries.text.times import format_clock, format_minute
from widgets.styled_text import Line, text, wrap
from widgets.text_view import TextView

if TYPE_CHECKING:
    from console.incidents.correlation import Correlation


class ChangesScreen(ConsoleScreen):
    """One list ordered by time, and the sources that could not be queried."""

    SCREEN_TITLE = "What changed"
    HELP_TEXT = (
        "Rollouts, ConfigMaps, scaling, autoscalers, pod restarts, images, silences and other alerts of the hour before the "
        "first alert, from Kubernetes, Prometheus, Alertmanager and the journal. Below, the sources that could not be queried."
    )
    BINDINGS: ClassVar[list[BindingType]] = []

    def __init__(self, correlation: Correlation) -> None:
        super().__init__()
        self._correlation = correlation
        self._page = TextView(id="changes", focusable=True)
        self._page.add_class("grow")

    def body(self) -> Iterable[Widget]:
        yield self._page

    def on_mount(self) -> None:
        super().on_mount()
        self._page.focus()

    def draw(self, context: RenderContext) -> None:
        self._page.show(tuple(self._lines(self.width)))

    def _lines(self, width: int) -> Iterable[Line]:
        correlation = self._correlation
        yield section(
            f"{format_minute(correlation.start)} to {format_minute(correlation.end)}, the hour before the first alert",
            width,
        )
        for item in correlation.changes:
            author = f" ({item.author})" if item.author else ""
            head: Line = ((f" {format_clock(item.at)} ", "dim"), text(f"{item.kind:<9}", "accent"))
            for at, part in enumerate(wrap(text(item.text + author)[0], width - 21)):
                yield (*head, (part, "")) if at == 0 else ((" " * 20, ""), (part, ""))
        if not correlation.changes:
            yield ((" no change found", "dim"),)
        if correlation.faults:
            yield section("Incomplete: changes known only to these sources may be missing", width)
            for fault in correlation.faults:
                yield from (((f" {part}", "unknown"),) for part in wrap(text(fault)[0], width - 2))
