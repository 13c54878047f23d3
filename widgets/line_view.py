"""A scrolling widget that is drawn line by line and repaints only the cells that differ from what it drew last."""

from __future__ import annotations

from rich.style import Style
from textual.geometry import Region, Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from widgets.line_cache import LineCache
from widgets.styled_text import Line, cut, difference, to_strip, width_of
from widgets.styles import tone_style
from widgets.text_filter import restyled


class LineView(ScrollView, can_focus=False):
    """The base of all widgets here: `line_at` gives one line of the viewport, `compare` repaints what changed.

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
        super().__init__(id=id, classes=classes)
        self._drawn: dict[int, Line] = {}
        self._styles_cache = LineCache()

    @property
    def inner_width(self) -> int:
        """The cells of a line; the scrollbar takes none of them."""
        return self.scrollable_content_region.width

    def line_count(self, width: int) -> int:
        """How many lines there are in all, the fixed ones included."""
        raise NotImplementedError

    def line_at(self, index: int, width: int) -> Line:
        """One line, counted from the top of the whole content."""
        raise NotImplementedError

    def row_tone(self, index: int) -> str:
        """A tone that lies under the whole line (the cursor); empty for none."""
        return ""

    def compare(self) -> None:
        """Repaint the cells of the viewport that are no longer what was drawn; no bytes where all are the same."""
        width, height = self.inner_width, self.size.height
        count = self.line_count(max(1, width))
        if self.virtual_size != (width, count) and width:
            grew = self.virtual_size.height != count
            self.virtual_size = Size(width, count)
            if grew and self.is_mounted and self.styles.auto_dimensions:
                self.refresh(layout=True)
        top = self.scroll_offset.y
        for y, old in list(self._drawn.items()):
            if y >= height:
                del self._drawn[y]
                continue
            changed = difference(old, self._viewport_line(y, width, top=top, count=count), width)
            if changed:
                self.refresh(Region(changed[0], y, changed[1], 1))

    def redraw(self) -> None:
        """Repaint everything: another cursor, another theme, other columns."""
        self._drawn.clear()
        self.refresh()

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return self.line_count(max(1, width))

    def on_resize(self) -> None:
        self.redraw()
        self.virtual_size = Size(self.inner_width, self.line_count(max(1, self.inner_width)))

    def render_line(self, y: int) -> Strip:
        width = self.inner_width
        line = self._viewport_line(y, width, top=self.scroll_offset.y, count=self.line_count(max(1, width)))
        self._drawn[y] = line
        return to_strip(line, width, self.tone_style)

    def tone_style(self, tone: str) -> Style:
        """The style of one tone; `under+over` lays the second over the background of the first."""
        found = self._tones.get(tone)
        if found is None:
            own = tone_style(tone, self.rich_style, self.background_colors[1], self.app.theme_variables)
            found = self._tones[tone] = restyled(own, self)
        return found

    def notify_style_update(self) -> None:
        self._tones.clear()
        super().notify_style_update()

    def _viewport_line(self, y: int, width: int, *, top: int, count: int) -> Line:
        """`top` is the first line in view, `count` how many there are: asked for once, and not for each of them."""
        index = y if y < self.fixed else y + top
        if index >= count:
            return ()
        line = cut(self.line_at(index, width), width)
        under = self.row_tone(index)
        if not under:
            return line
        tail = " " * max(0, width - width_of(line))
        return tuple((words, f"{under}+{tone}") for words, tone in (*line, (tail, "")))
