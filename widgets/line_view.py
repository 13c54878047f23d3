"""A scrolling widget that is rendered line by line and repaints only the cells that changed."""

from __future__ import annotations

from rich.style import Style
from textual._styles_cache import StylesCache
from textual.color import Color
from textual.geometry import Region, Size
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widget import Widget

from widgets.line_filters import filter_strips, restyle
from widgets.styled_text import Line, cut, diff_lines, to_strip, width_of
from widgets.styles import tone_style

_EFFECTS = ("opacity", "text_opacity", "tint", "hatch", "outline_top", "outline_right", "outline_bottom", "outline_left")


class LineCache(StylesCache):
    """Replaces Textual's styles cache of a widget.

    Textual wraps every line in border, padding, opacity and tint, and runs each of its segments through the line filters:
    twice the time of rendering the line, for nothing when there is nothing to wrap. The widget filters its few styles
    instead (`restyle`).
    """

    def render_widget(self, widget: Widget, crop: Region) -> list[Strip]:
        width, _ = size = widget.region.size
        if widget.content_region.size != size or any(widget.styles.has_rule(name) for name in _EFFECTS):
            return super().render_widget(widget, crop)
        if width != self._width:
            self.clear()
            self._width = width
        lines = crop.line_range
        stale = [y for y in lines if y in self._dirty_lines or y not in self._cache]
        if stale and isinstance(widget, LineView):
            widget.measure_once(on=True)
            try:
                # The column to the right of the line belongs to the scrollbar, which draws itself.
                drawn = (widget.render_line(y).adjust_cell_length(width) for y in stale)
                self._cache.update(zip(stale, filter_strips(drawn, widget), strict=True))
            finally:
                widget.measure_once(on=False)
        self._dirty_lines.difference_update(lines)
        strips = [self._cache[y] for y in lines]
        if crop.column_span != (0, width):
            strips = [strip.crop(*crop.column_span) for strip in strips]
        return strips


class LineView(ScrollView, can_focus=False):
    """The base of all widgets here: `line_at` returns one line, `refresh_changes` repaints the cells that changed.

    The first `fixed` lines of the viewport do not scroll (a table's heading).
    """

    DEFAULT_CSS = """
    LineView {
        background: $background;
        color: $foreground;
        scrollbar-size-horizontal: 0;
        scrollbar-size-vertical: 1;
        overflow-x: hidden;
        overflow-y: auto;
    }
    """

    fixed = 0

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        self._tones: dict[str, Style] = {}
        self._ground: tuple[Style, Color] | None = None
        """The style without a tone, and the background."""
        super().__init__(id=id, classes=classes)
        self._drawn: dict[int, Line] = {}
        self._measured: tuple[int, int, int] | None = None
        self._styles_cache = LineCache()

    @property
    def inner_width(self) -> int:
        """The width of a line in cells, without the scrollbar."""
        return self.scrollable_content_region.width

    @property
    def allow_vertical_scroll(self) -> bool:
        """Whether there is more than is in view: Textual waits for the layout after next, which brings the scrollbar."""
        return super().allow_vertical_scroll or (self.max_scroll_y > 0 and self.is_scrollable and not self.disabled)

    def line_count(self, width: int) -> int:
        """The number of lines in total, fixed ones included."""
        raise NotImplementedError

    def line_at(self, index: int, width: int) -> Line:
        """One line, counted from the top of the whole content."""
        raise NotImplementedError

    def row_tone(self, index: int) -> str:
        """The tone under the whole line (the cursor); empty for none."""
        return ""

    def refresh_changes(self) -> None:
        """Repaint the cells of the viewport that differ from what was drawn; sends no bytes when none do."""
        width, height = self.inner_width, self.size.height
        count = self.line_count(max(1, width))
        if self.virtual_size != (width, count) and width:
            grew = self.virtual_size.height != count
            self.virtual_size = Size(width, count)
            if grew and self.is_mounted and self.styles.auto_dimensions:
                self.refresh(layout=True)
        top = self.scroll_offset.y
        regions = []
        for y, old in list(self._drawn.items()):
            if y >= height:
                del self._drawn[y]
                continue
            changed = diff_lines(old, self._viewport_line(y, width, top=top, count=count), width)
            if changed:
                regions.append(Region(changed[0], y, changed[1], 1))
        if regions:  # without any, Textual would draw all of it
            self.refresh(*regions)

    def redraw(self) -> None:
        """Repaint everything: after a resize, or for another theme."""
        self._drawn.clear()
        self.refresh()

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return self.line_count(max(1, width))

    def on_resize(self) -> None:
        self.redraw()
        self.virtual_size = Size(self.inner_width, self.line_count(max(1, self.inner_width)))

    def render_line(self, y: int) -> Strip:
        width, top, count = self._measured or self._geometry()
        line = self._viewport_line(y, width, top=top, count=count)
        self._drawn[y] = line
        return to_strip(line, width, self.tone_style)

    def measure_once(self, *, on: bool) -> None:
        """Between the calls nothing changes the size and the number of lines: each line is rendered for the same."""
        self._measured = self._geometry() if on else None

    def _geometry(self) -> tuple[int, int, int]:
        """The width of a line, the first one in view, and the number of lines."""
        width = self.inner_width
        return width, self.scroll_offset.y, self.line_count(max(1, width))

    def tone_style(self, tone: str) -> Style:
        """The style of one tone; `under+over` puts the second on the background of the first."""
        found = self._tones.get(tone)
        if found is None:
            if self._ground is None:
                self._ground = self.rich_style, self.background_colors[1]
            own = tone_style(tone, *self._ground, self.app.theme_variables)
            found = self._tones[tone] = restyle(own, self, self._ground[1])
        return found

    def notify_style_update(self) -> None:
        self._tones.clear()
        self._ground = None
        super().notify_style_update()

    def _viewport_line(self, y: int, width: int, *, top: int, count: int) -> Line:
        """`top` is the first line in view, `count` the number of lines: passed in to compute them once per repaint."""
        index = y if y < self.fixed else y + top
        if index >= count:
            return ()
        line = cut(self.line_at(index, width), width)
        under = self.row_tone(index)
        if not under:
            return line
        tail = " " * max(0, width - width_of(line))
        return tuple((content, f"{under}+{tone}") for content, tone in (*line, (tail, "")))
