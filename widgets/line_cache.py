"""The lines of a widget that has neither border nor padding, kept until they change."""

from __future__ import annotations

from textual._styles_cache import StylesCache
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from widgets.text_filter import reworded

_EFFECTS = ("opacity", "text_opacity", "tint", "hatch", "outline_top", "outline_right", "outline_bottom", "outline_left")


class LineCache(StylesCache):
    """Takes the place of Textual's cache of a widget's lines, and with it what Textual knows of lines that changed.

    Textual goes through every line to lay border, padding, opacity and tint around it, and sends every piece of it through its
    filters: twice the time of drawing the line, where there is nothing to lay around it. The widget sends its few styles
    through the filters instead (`restyled`).
    """

    def render_widget(self, widget: Widget, crop: Region) -> list[Strip]:
        width, _ = size = widget.region.size
        if widget.content_region.size != size or any(widget.styles.has_rule(name) for name in _EFFECTS):
            return super().render_widget(widget, crop)
        if width != self._width:
            self.clear()
            self._width = width
        lines = crop.line_range
        wanted = [y for y in lines if y in self._dirty_lines or y not in self._cache]
        if wanted:
            # What the line leaves free at its right is the scrollbar's, which draws itself.
            drawn = (widget.render_line(y).adjust_cell_length(width) for y in wanted)
            self._cache.update(zip(wanted, reworded(drawn, widget), strict=True))
        self._dirty_lines.difference_update(lines)
        strips = [self._cache[y] for y in lines]
        if crop.column_span != (0, width):
            strips = [strip.crop(*crop.column_span) for strip in strips]
        return strips
