"""Textual's line filters in two kinds: those that change words, and those that change styles only."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.filter import LineFilter
from textual.strip import Strip
from textual.widget import Widget


class TextFilter(LineFilter):
    """Changes words, never a style nor how many cells they take."""


def restyled(style: Style, widget: Widget) -> Style:
    """The style as the filters leave it: without colour, or with ANSI's colours as the theme has them."""
    segments = [Segment(" ", style)]
    for each in widget.get_line_filters():
        if not isinstance(each, TextFilter):
            segments = each.apply(segments, widget.background_colors[1])
    return segments[0].style or style


def reworded(strips: Iterable[Strip], widget: Widget) -> list[Strip]:
    """The words as the filters leave them; the same strips where they have nothing to change."""
    filters = [each for each in widget.get_line_filters() if isinstance(each, TextFilter)]
    background = widget.background_colors[1]
    return [_reworded(strip, filters, background) for strip in strips]


def _reworded(strip: Strip, filters: Sequence[TextFilter], background: Color) -> Strip:
    before = after = list(strip)
    for each in filters:
        after = each.apply(after, background)
    return strip if after is before else Strip(after, strip.cell_length)
