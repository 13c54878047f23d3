"""The chart widget: a line chart that fills its height, with a cursor that reads times and values."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType

from queries.model.chart import ChartData, Drawing
from widgets.line_view import LineView
from widgets.styled_text import Line, render_message


class Chart(LineView):
    """The lines are rendered once per size and data. With `focusable` the arrow keys move the cursor."""

    DEFAULT_CSS = "Chart { overflow-y: hidden; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "left,h", "cursor(-1)", "read", key_display="← →", tooltip="Read the chart at an earlier time", id="chart.left"
        ),
        Binding("right", "cursor(1)", "cursor right", show=False, tooltip="Read the chart at a later time", id="chart.right"),
        Binding("shift+left", "cursor(-10)", "far left", show=False, tooltip="Ten columns earlier", id="chart.far_left"),
        Binding("shift+right", "cursor(10)", "far right", show=False, tooltip="Ten columns later", id="chart.far_right"),
        Binding("home,g", "cursor(-10000)", "start", show=False, tooltip="To the start of the chart", id="chart.first"),
        Binding("end,G", "cursor(10000)", "end", show=False, tooltip="To the end of the chart", id="chart.last"),
        Binding("down,j", "app.focus_next", "next list", show=False, tooltip="Next list", id="chart.down"),
        Binding("up,k", "app.focus_previous", "previous list", show=False, tooltip="Previous list", id="chart.up"),
    ]

    def __init__(self, *, id: str | None = None, focusable: bool = False) -> None:
        super().__init__(id=id)
        self.can_focus = focusable
        self._data = ChartData(0.0, 0.0)
        self._drawing = Drawing.BRAILLE
        self._cursor: int | None = None
        self._rendered: tuple[tuple[int, int], tuple[Line, ...]] | None = None

    @property
    def data(self) -> ChartData:
        return self._data

    @property
    def cursor(self) -> int | None:
        """The column under the cursor, from 0; None without a cursor."""
        return self._cursor

    def show(self, data: ChartData, drawing: Drawing = Drawing.BRAILLE) -> None:
        if data == self._data and drawing is self._drawing:
            return
        self._data, self._drawing = data, drawing
        self._draw_again()

    def action_cursor(self, by: int) -> None:
        from widgets.plot import plot_columns  # noqa: PLC0415  # not before the first frame

        columns = plot_columns(self._data, self.inner_width)
        before = self._cursor if self._cursor is not None else columns - 1 if by < 0 else -1
        self._cursor = min(max(0, before + by), max(0, columns - 1))
        self._draw_again()

    def hide_cursor(self) -> bool:
        """Returns whether there was a cursor to hide."""
        shown, self._cursor = self._cursor is not None, None
        if shown:
            self._draw_again()
        return shown

    def on_blur(self) -> None:
        self.hide_cursor()

    def on_click(self, event: events.Click) -> None:
        if self.can_focus:
            from widgets.plot import plot_columns, plot_start  # noqa: PLC0415  # as above

            self._cursor = min(
                max(0, event.x - plot_start(self._data, self.inner_width)),
                max(0, plot_columns(self._data, self.inner_width) - 1),
            )
            self._draw_again()

    def line_count(self, width: int) -> int:
        return max(1, self.size.height)

    def get_content_height(self, container: object, viewport: object, width: int) -> int:
        return 8

    def line_at(self, index: int, width: int) -> Line:
        size = (width, self.size.height)
        if self._rendered is None or self._rendered[0] != size:
            self._rendered = (size, self._render_lines(*size))
        lines = self._rendered[1]
        return lines[index] if index < len(lines) else ()

    def _render_lines(self, width: int, height: int) -> tuple[Line, ...]:
        if self._data.message and self._data.heat_map is None:
            return render_message(self._data.message, width, height)
        from widgets.plot import render_chart  # noqa: PLC0415  # as above

        return render_chart(self._data, width, height, drawing=self._drawing, cursor=self._cursor)

    def _draw_again(self) -> None:
        self._rendered = None
        self.refresh_changes()
