"""A chart as lines of text: the plot with its thresholds, both axes, events, and a legend."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import field

from queries.model.chart import ChartData, ChartMark, ChartSeries, Drawing
from queries.model.frozen import dataclass
from queries.model.series import Point
from queries.text.axes import drawable_values, is_drawable
from queries.text.numbers import format_scaled
from queries.text.times import format_clock, format_moment
from widgets.chart_axes import AXIS_WIDTH, ChartScale, merge_runs, render_marks, render_times
from widgets.styled_text import Line, Span, cut, fit, render_message, text, width_of

SERIES_TONES = ("accent", "ok", "title", "warn", "unknown", "strong")
_NUMBER_EVERY = 18
"""Columns between two numbers on the line of one series; the numbers distinguish series without colour."""
_ZONES = {"": ("│", "dim"), "warn": ("▒", "warn"), "critical": ("█", "critical")}
_STRIP = {"": ("─", "dim"), "warn": ("▲", "warn"), "critical": ("█", "critical")}


_BRAILLE = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
_BLOCKS = {1: "▀", 2: "▄", 3: "█"}
_ASCII = {1: "'", 2: "-", 4: ".", 3: ":", 6: ":", 5: ":", 7: "|"}


@dataclass
class _Canvas:
    """Dots in cells; each cell has the tone of the last dot drawn on it."""

    columns: int
    rows: int
    drawing: Drawing
    dots: list[list[int]] = field(init=False)
    tones: list[list[str]] = field(init=False)

    def __post_init__(self) -> None:
        self.dots = [[0] * self.columns for _ in range(self.rows)]
        self.tones = [[""] * self.columns for _ in range(self.rows)]

    @property
    def width(self) -> int:
        return self.columns * self.drawing.dots[0]

    @property
    def height(self) -> int:
        return self.rows * self.drawing.dots[1]

    def set(self, x: int, y: int, tone: str) -> None:
        across, down = self.drawing.dots
        row, column = y // down, x // across
        if 0 <= row < self.rows and 0 <= column < self.columns:
            bit = _BRAILLE[y % down][x % across] if self.drawing is Drawing.BRAILLE else 1 << y % down
            self.dots[row][column] |= bit
            self.tones[row][column] = tone

    def cells(self) -> list[list[Span]]:
        return [
            [(self._glyph(bits), tone) for bits, tone in zip(*pair, strict=True)]
            for pair in zip(self.dots, self.tones, strict=True)
        ]

    def _glyph(self, bits: int) -> str:
        if not bits:
            return " "
        if self.drawing is Drawing.BRAILLE:
            return chr(0x2800 + bits)
        return _BLOCKS[bits] if self.drawing is Drawing.BLOCKS else _ASCII[bits]


def render_chart(
    data: ChartData, width: int, height: int, *, drawing: Drawing = Drawing.BRAILLE, cursor: int | None = None
) -> tuple[Line, ...]:
    """The whole chart in `height` lines. `cursor` is the column whose time and values replace the legend."""
    if data.heat_map is not None:
        from widgets.heat_map import render_heat_map  # noqa: PLC0415  # not before the first frame

        return render_heat_map(data, data.heat_map, width, height, cursor=cursor)
    columns = plot_columns(data, width)
    values = drawable_values(data)
    if data.message or not values:
        return render_message(data.message or "no points in this window", width, height)
    if columns < 8 or height < 3:
        return (((f" {format_scaled(values[-1], data.unit)}", ""),),)
    scale = ChartScale.fit(data, values, columns)
    below = [render_times(scale)]
    if height >= 6:
        below.insert(0, _render_strip(data, scale))
    marks = tuple(item for item in data.marks if scale.start <= item.at <= scale.end) if height >= 8 else ()
    if marks:
        below.append(render_marks(marks, scale))
    # Without a legend nobody knows which number is which series.
    if height >= (4 if len(data.series) > 1 else 5) and (legend := _render_legend(data, scale, marks, width, cursor)):
        below.append(legend)
    rows = height - len(below)
    cells = _plot(data, scale, rows, drawing)
    if cursor is not None:
        column = min(max(0, cursor), columns - 1)
        for row in cells:
            glyph, tone = row[column]
            row[column] = ("│", "strong") if glyph in " ╌" else (glyph, f"cursor+{tone}")
    lines: list[Line] = []
    labels = _place_value_labels(data, scale, rows)
    for y, row in enumerate(cells):
        zone = _ZONES[_zone(data, scale.high - (scale.high - scale.low) * (y + 0.5) / rows)]
        lines.append(((fit(labels.get(y, ""), AXIS_WIDTH, right=True) + " ", "dim"), zone, *merge_runs(row)))
    return (*lines, *below)


def plot_start(data: ChartData, width: int) -> int:
    """The first column of the plot in a chart of this width."""
    if data.heat_map is None:
        return AXIS_WIDTH + 2
    from widgets.heat_map import name_width  # noqa: PLC0415  # not before the first frame

    return name_width(data.heat_map, width) + 2


def plot_columns(data: ChartData, width: int) -> int:
    """The columns of the plot in a chart of this width."""
    return width - plot_start(data, width)


def _place_value_labels(data: ChartData, scale: ChartScale, rows: int) -> dict[int, str]:
    """The labels by row: both ends, and the middle when there is room."""
    labels = {0: scale.label(scale.high, data), rows - 1: scale.label(scale.low, data)}
    if rows >= 7:
        middle = (scale.low + scale.high) / 2.0
        labels[scale.row(middle, rows, 4)] = scale.label(middle, data)
    return labels


def _zone(data: ChartData, value: float) -> str:
    """The name of the worst threshold that this value has reached: `critical`, `warn` or empty."""
    name = data.beyond(value)
    return "" if not name else "warn" if name.startswith("warn") else "critical"


def _plot(data: ChartData, scale: ChartScale, rows: int, drawing: Drawing) -> list[list[Span]]:
    canvas = _Canvas(scale.columns, rows, drawing)
    if data.ghost is not None:
        _draw_dotted(canvas, scale, data.ghost.points)
    if data.best and len(data.series) == 1:
        _draw_band(canvas, scale, data)
    for at, series in enumerate(data.series):
        zoned = len(data.series) == 1
        _draw_line(canvas, scale, series.points, data, "" if zoned else SERIES_TONES[at % len(SERIES_TONES)])
    cells = canvas.cells()
    _draw_thresholds(data, cells, scale, rows, drawing)
    if len(data.series) > 1:
        _number_lines(data, cells, scale, rows, drawing)
    return cells


def _dots(canvas: _Canvas, scale: ChartScale, points: Iterable[Point]) -> Iterable[tuple[float, float, int, int]]:
    """Every point of the window with its dot: time, value, x and y."""
    for at, value in points:
        if is_drawable(value) and scale.start <= at <= scale.end:
            x = min(canvas.width - 1, int((at - scale.start) / (scale.end - scale.start) * canvas.width))
            yield at, value, x, scale.dot(value, canvas.height)


def _draw_line(canvas: _Canvas, scale: ChartScale, points: Sequence[Point], data: ChartData, tone: str) -> None:
    """Every point, not one per column: a spike shorter than a column is still drawn at full height."""
    longest_interval = _longest_interval(data)
    before: tuple[float, int, int] | None = None
    for at, value, x, y in _dots(canvas, scale, points):
        own = tone or _zone(data, value) or "accent"
        joined = y
        if before is not None and at - before[0] <= longest_interval:
            joined = before[2]
            for between in range(before[1] + 1, x):
                canvas.set(between, joined, own)
        for dot in range(min(joined, y), max(joined, y) + 1):
            canvas.set(x, dot, own)
        before = (at, x, y)


def _longest_interval(data: ChartData) -> float:
    """Points no further apart than this have no gap between them."""
    return 2.1 * data.step_seconds if data.step_seconds else math.inf


def _draw_band(canvas: _Canvas, scale: ChartScale, data: ChartData) -> None:
    """Every second dot between the worst and the best value of a step."""
    worst = dict(data.series[0].points)
    for at, _, x, y in _dots(canvas, scale, data.best):
        if at in worst and is_drawable(worst[at]):
            other = scale.dot(worst[at], canvas.height)
            for dot in range(min(y, other), max(y, other) + 1):
                if (x + dot) % 2 == 0:
                    canvas.set(x, dot, "dim")


def _draw_dotted(canvas: _Canvas, scale: ChartScale, points: Sequence[Point]) -> None:
    """The line of an earlier time: single dots, far enough apart not to look like a line."""
    apart = 2 * canvas.drawing.dots[0]
    for _, _, x, y in _dots(canvas, scale, points):
        if x % apart == 0:
            canvas.set(x, y, "dim")


def _draw_thresholds(data: ChartData, cells: list[list[Span]], scale: ChartScale, rows: int, drawing: Drawing) -> None:
    for name, value in data.thresholds:
        if not scale.low <= value <= scale.high:
            continue
        y = scale.row(value, rows, drawing.dots[1])
        # As exact as it is configured: 99.95 % is not 100 %.
        label = f" {name} {format_scaled(value, data.unit, span=abs(value) / 1e4)} "
        tone = "critical" if name.startswith("crit") else "warn"
        for x, (drawn, _) in enumerate(cells[y]):
            if drawn == " ":
                cells[y][x] = ("╌", tone)
        # Only where nothing is drawn: a label must not cover a spike.
        row = "".join(drawn for drawn, _ in cells[y])
        for words in (label, label.strip()):
            if (free := row.find("╌" * len(words))) >= 0:
                for x, character in enumerate(words, start=free):
                    cells[y][x] = (character, tone)
                break


def _number_lines(data: ChartData, cells: list[list[Span]], scale: ChartScale, rows: int, drawing: Drawing) -> None:
    """The number of a series on its line, every few columns, at a different offset for each series."""
    apart = _NUMBER_EVERY // len(data.series)
    for at, series in enumerate(data.series):
        tone = SERIES_TONES[at % len(SERIES_TONES)]
        found = {
            scale.column(when): value
            for when, value in series.points
            if scale.start <= when <= scale.end and is_drawable(value)
        }
        for column in range(3 + at * apart, scale.columns, _NUMBER_EVERY):
            if column in found:
                cells[scale.row(found[column], rows, drawing.dots[1])][column] = (str(at + 1), tone)


def _render_strip(data: ChartData, scale: ChartScale) -> Line:
    """The time axis: each column shows the threshold that its worst value reached, by the exact value and not by its dot."""
    zones = [""] * scale.columns
    for series in data.series:
        before: float | None = None
        for at, value in series.points:
            if not is_drawable(value) or not scale.start <= at <= scale.end:
                continue
            # With fewer steps than columns a step reaches back to the one before it.
            connected = before is not None and at - before <= _longest_interval(data)
            first = scale.column(before) + 1 if connected and before is not None else scale.column(at)
            before = at
            if zone := _zone(data, value):
                for column in range(min(first, scale.column(at)), scale.column(at) + 1):
                    zones[column] = zone if zones[column] != "critical" else "critical"
    return ((" " * AXIS_WIDTH + " └", "dim"), *merge_runs(_STRIP[zone] for zone in zones))


def _render_legend(data: ChartData, scale: ChartScale, marks: Iterable[ChartMark], width: int, cursor: int | None) -> Line:
    """The time and the values under the cursor; without a cursor the names of the lines, the letters, and the note.

    `marks` are the events whose letters the chart shows.
    """
    if cursor is not None:
        return cut(_render_cursor(data, scale, cursor), width)
    spans: list[Span] = [(" " * (AXIS_WIDTH + 2), "")]
    if data.note:
        spans.append(text(f"{data.note}  ", "unknown"))
    beside: list[Span] = [text(f"· {data.ghost.name}  ", "dim")] if data.ghost is not None else []
    kinds = dict.fromkeys((item.letter, item.kind) for item in marks)
    beside += [text(f"{letter} {kind}  ", "title") for letter, kind in kinds]
    room = width + 2 - width_of((*spans, *beside))  # the last two blanks may be cut
    named = [list(_name_lines(data, values=values)) for values in (True, False)] if len(data.series) > 1 else [[]]
    names = next((each for each in named if width_of(tuple(each)) <= room), None)
    # Nothing else explains the letters: where not everything fits, the last names are cut.
    spans += [*names, *beside] if names is not None else [*beside, *named[-1]]
    if data.best and len(data.series) == 1:
        envelope = f"░ {'up' if data.lower_is_worse else 'down'} to the best value of a step  "
        fits = width_of(tuple(spans)) + len(envelope) <= width
        spans.insert(2 if data.note else 1, (envelope if fits else "░ best  ", "dim"))
    if len(spans) == 1:
        return ()
    if width_of(tuple(spans)) > width:
        words, tone = spans[-1]
        spans[-1] = (words.rstrip(), tone)
    return cut(tuple(spans), width)


def _name_lines(data: ChartData, *, values: bool) -> Iterable[Span]:
    seen = [value for series in data.series for _, value in series.points if is_drawable(value)]
    span = max(seen) - min(seen) if seen else 0.0
    for at, series in enumerate(data.series):
        last = next((value for _, value in reversed(series.points) if math.isfinite(value)), math.nan)
        yield (f"{at + 1}━ ", SERIES_TONES[at % len(SERIES_TONES)])
        value = f" {_format_distinct(last, span, data)}" if values else ""
        yield text(f"{series.name or 'value'}{value}  ")


def _format_distinct(value: float, span: float, data: ChartData) -> str:
    """With as many digits as distinguish it from the others: 99.96 is not 100 when all values lie between 99.9 and 100."""
    return format_scaled(value, data.unit, span=span if 0.0 < span < 1.0 else 0.0)


def _render_cursor(data: ChartData, scale: ChartScale, cursor: int) -> Line:
    column = min(max(0, cursor), scale.columns - 1)
    start = scale.start + column * scale.cell_seconds
    # A step may be wider than a column: then use the value of the step that ends next.
    end = max(start + scale.cell_seconds, start + data.step_seconds)
    clock = format_moment(start) if scale.end - scale.start > 20 * 3600 else format_clock(start)
    spans: list[Span] = [(" " * (AXIS_WIDTH + 2), ""), (f"{clock}  ", "strong")]
    shown = [*data.series, *([data.ghost] if data.ghost else [])]
    for series in shown:
        value = _worst(series, start, end, lowest=data.lower_is_worse)
        name = f"{series.name} " if len(shown) > 1 and series.name else ""
        zone = "" if value is None else _zone(data, value)
        spans.append(text(f"{name}{'no data' if value is None else format_scaled(value, data.unit)}", zone or "strong"))
        spans.append((f" {zone.upper()}  " if zone else "  ", zone))
    happened = [item for item in data.marks if scale.start <= item.at <= scale.end and scale.column(item.at) == column]
    spans += [text(f"{item.letter} {item.text}  ", "title") for item in happened]
    return tuple(spans)


def _worst(series: ChartSeries, start: float, end: float, *, lowest: bool) -> float | None:
    values = [value for at, value in series.points if start <= at < end and is_drawable(value)]
    return None if not values else min(values) if lowest else max(values)
