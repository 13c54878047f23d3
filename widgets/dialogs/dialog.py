"""The base of all dialogs: the screen below stays in view, dimmed."""

from __future__ import annotations

from typing import Generic, TypeVar

from rich.segment import Segment
from rich.style import Style
from textual._styles_cache import StylesCache
from textual.geometry import Region
from textual.renderables.background_screen import BackgroundScreen
from textual.screen import ModalScreen
from textual.strip import Strip
from textual.widget import Widget

from widgets.line_filters import restyle
from widgets.styled_once import StyledOnce
from widgets.terminal.frame_renderer import strips_of

T = TypeVar("T")


class DimmedLines(StylesCache):
    """The lines of the screen below, dimmed.

    Textual draws all of them again through Rich when one of them changed, computes the colour of each segment, and runs
    it through the line filters: a third of the time in which a dialog opens. Here a line is dimmed when it changed, and
    each of its few styles once.
    """

    def __init__(self) -> None:
        super().__init__()
        self._styles: dict[Style | None, Style] = {}
        self._drawn: dict[int, tuple[Strip, Strip]] = {}
        """By their number the lines below, and what they are dimmed: Textual calls all of them dirty when one is."""
        self._drawn_for: tuple[object, ...] = ()
        """The width, theme and colours of both."""

    def render_widget(self, widget: Widget, crop: Region) -> list[Strip]:
        stack = widget.app.screen_stack
        at = next((at for at, screen in enumerate(stack) if screen is widget), 0)
        if not at or widget.styles.background.a == 1:  # there is nothing to see below
            return super().render_widget(widget, crop)
        width = widget.size.width
        if width != self._width:
            self.clear()
            self._width = width
        lines = crop.line_range
        stale = [y for y in lines if y in self._dirty_lines or y not in self._cache]
        if stale:
            self._forget_others(widget)
            below = strips_of(stack[at - 1], stale)
            below += [Strip([])] * (len(stale) - len(below))  # it is lower during a resize
            self._cache.update((y, self._dim(y, strip, widget)) for y, strip in zip(stale, below, strict=True))
        self._dirty_lines.difference_update(lines)
        strips = [self._cache[y] for y in lines]
        return strips if crop.column_span == (0, width) else [strip.crop(*crop.column_span) for strip in strips]

    def _forget_others(self, widget: Widget) -> None:
        drawn_for = (self._width, widget.app.theme, widget.styles.background, widget.background_colors[1])
        if drawn_for != self._drawn_for:
            self._drawn_for = drawn_for
            self._styles.clear()
            self._drawn.clear()

    def _dim(self, y: int, strip: Strip, widget: Widget) -> Strip:
        if y in self._drawn and self._drawn[y][0] == strip:
            return self._drawn[y][1]
        segments = []
        for content, style, _ in strip:
            dimmed = self._styles.get(style)
            if dimmed is None:
                dimmed = self._styles[style] = _dim_style(style, widget)
            segments.append(Segment(content, dimmed))
        self._drawn[y] = strip, Strip(segments, strip.cell_length).adjust_cell_length(self._width)
        return self._drawn[y][1]


def _dim_style(style: Style | None, widget: Widget) -> Style:
    """As Textual dims it, over the style of the dialog, and after the filters of styles."""
    (segment,) = BackgroundScreen.process_segments([Segment(" ", style)], widget.styles.background)
    return restyle(widget.visual_style.rich_style + segment.style, widget, widget.background_colors[1])


class Dialog(StyledOnce, ModalScreen[T], Generic[T]):
    """A dialog returns a `T` when a person leaves it."""

    def __init__(self) -> None:
        super().__init__()
        self._styles_cache = DimmedLines()
