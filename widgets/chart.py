"""A braille line chart with thresholds, axes and a text legend."""

from __future__ import annotations

import math
from dataclasses import dataclass

from queries.model.series import Point
from queries.text.numbers import format_short
from queries.text.times import format_minute, format_timestamp
from widgets.line_view import LineView
from widgets.sparkline import is_drawable
from widgets.styled_text import Line, Span, fit, text, width_of, wrap

AXIS_WIDTH = 8
SERIES_TONES = ("accent", "ok", "title", "warn", "unknown", "strong")
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
_MINUTE, _HOUR, _DAY = 60.0, 3600.0, 86400.0
_TIME_STEPS = (
    10.0, 30.0, _MINUTE, 2 * _MINUTE, 5 * _MINUTE, 10 * _MINUTE, 15 * _MINUTE, 20 * _MINUTE, 30 * _MINUTE,
    _HOUR, 2 * _HOUR, 3 * _HOUR, 6 * _HOUR, 12 * _HOUR, _DAY, 2 * _DAY, 7 * _DAY, 30 * _DAY,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ChartSeries:
    """One series: name and points."""

    name: str
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class ChartData:
    """What a chart shows. `thresholds` are (name, value) pairs; `message` replaces the plot when there are no series."""

    start: float
    end: float
    series: tuple[ChartSeries, ...] = ()
    thresholds: tuple[tuple[str, float], ...] = ()
    suffix: str = ""
    message: str = ""


class Chart(LineView):
    """Fills the height it is given; the lines are rendered once per size and data."""

    DEFAULT_CSS = "Chart { overflow-y: hidden; }"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._data = ChartData(0.0, 0.0)
        self._rendered: tuple[tuple[int, int, int], tuple[Line, ...]] | None = None

    @property
    def data(self) -> ChartData:
        return self._data

    def show(self, data: ChartData) -> None:
        if data == self._data:
            return
        self._data = data
        self._rendered = None
        self.refresh_changes()

    def line_count(self, width: int) -> int:
        return max(1, self.size.height)

    def get_content_height(self, container: object, viewport: object, width: int) -> int:
        return 8

    def line_at(self, index: int, width: int) -> Line:
        size = (width, self.size.height, id(self._data))
        if self._rendered is None or self._rendered[0] != size:
            self._rendered = (size, render_chart(self._data, width, self.size.height))
        lines = self._rendered[1]
        return lines[index] if index < len(lines) else ()


def render_chart(data: ChartData, width: int, height: int) -> tuple[Line, ...]:
    """The whole chart in `height` lines: plot, time axis, and a legend when there is more than one series."""
    columns = width - AXIS_WIDTH - 2
    finite = [value for series in data.series for _, value in series.points if is_drawable(value)]
    if data.message or not finite:
        message = wrap(data.message or "no points in this window", width - 2)
        return tuple(((f" {label}", "unknown"),) for label in message[: max(1, height)])
    if columns < 8 or height < 3:
        return (((f" {format_short(finite[-1])}{data.suffix}", ""),),)
    legend = _render_legend(data, width)
    rows = height - 1 - (1 if legend and height > 4 else 0)
    low, high = _value_range(finite, [value for _, value in data.thresholds])
    cells = _plot_series(data, columns, rows, low, high)
    _draw_thresholds(data, cells, rows, low, high)
    lines: list[Line] = []
    labels = _place_value_labels(low, high, rows)
    for y, row in enumerate(cells):
        label = labels[y] + data.suffix if y in labels else ""
        lines.append(((fit(label, AXIS_WIDTH, right=True) + " │", "dim"), *_merge_runs(row)))
    lines.append(_render_time_axis(data, columns))
    if legend and height > 4:
        lines.append(legend)
    return tuple(lines)


def _value_range(values: list[float], thresholds: list[float]) -> tuple[float, float]:
    """The range of the value axis: all samples, and each threshold that does not squash the curve."""
    low, high = min(values), max(values)
    nearest = sorted(thresholds, key=lambda line: min(abs(line - high), abs(line - low)))
    for at, line in enumerate(nearest):
        lower, upper = min(low, line), max(high, line)
        if at == 0 or upper - lower <= (high - low) * 3:
            low, high = lower, upper
    if 0 < low < (high - low) * 0.5:
        low = 0.0
    if math.isclose(low, high):
        low, high = (0.0, high) if high > 0 else (low, low + 1)
    return round_range(low, high)


def _place_value_labels(low: float, high: float, rows: int) -> dict[int, str]:
    """The labels by row: both ends, and the middle when there is room."""
    labels = {0: format_short(_round_to_axis(high, high - low)), rows - 1: format_short(_round_to_axis(low, high - low))}
    if rows >= 7:
        labels[_row_of((low + high) / 2.0, low, high, rows)] = format_short(_round_to_axis((low + high) / 2.0, high - low))
    return labels


def _row_of(value: float, low: float, high: float, rows: int) -> int:
    return min(rows - 1, int(_offset_ratio(value, high, high - low) * (rows * 4 - 1)) // 4)


def _offset_ratio(value: float, high: float, span: float) -> float:
    """Distance below `high` as a ratio of the span, 0 to 1; 0 for an empty or infinite span."""
    return (high - value) / span if span > 0 and math.isfinite(span) else 0.0


def _round_to_axis(value: float, span: float) -> float:
    """Drop the digits that are finer than the axis."""
    return round(value, max(0, 2 - math.floor(math.log10(span)))) if math.isfinite(span) and span > 0 else value


def _round_to_distinguish(value: float, span: float) -> float:
    """Keep as many digits as distinguish it from the others: 99.96 is not 100 when all values lie between 99.9 and 100."""
    return round(value, 1 if abs(value) >= 10 else 2) if span >= 1 else _round_to_axis(value, span or 1e-3)


def _plot_series(data: ChartData, columns: int, rows: int, low: float, high: float) -> list[list[Span]]:
    dots = [[0] * columns for _ in range(rows)]
    tones = [[""] * columns for _ in range(rows)]
    # A single sample makes a window of zero width; two samples at the limits of a float make an infinite span.
    span, width = high - low, (data.end - data.start) or 1.0
    for at, series in enumerate(data.series):
        tone = SERIES_TONES[at % len(SERIES_TONES)]
        previous: tuple[int, int] | None = None
        # Every point, not one per column: a spike shorter than a column is still drawn at full height.
        for at_time, value in series.points:
            if not is_drawable(value) or not data.start <= at_time <= data.end:
                continue
            x = min(columns * 2 - 1, int((at_time - data.start) / width * columns * 2))
            y = round(_offset_ratio(value, high, span) * (rows * 4 - 1))
            path = [y]
            if previous and x - previous[0] <= max(4, columns // 8):
                step = 1 if y >= previous[1] else -1
                path = list(range(previous[1], y + step, step))
                for between in range(previous[0] + 1, x):
                    _set_dot(dots, tones, between, previous[1], tone)
            for each in path:
                _set_dot(dots, tones, x, each, tone)
            previous = (x, y)
    return [
        [(chr(0x2800 + bits) if bits else " ", tone) for bits, tone in zip(row, row_tones, strict=True)]
        for row, row_tones in zip(dots, tones, strict=True)
    ]


def _set_dot(dots: list[list[int]], tones: list[list[str]], x: int, y: int, tone: str) -> None:
    row, column = y // 4, x // 2
    if 0 <= row < len(dots) and 0 <= column < len(dots[0]):
        dots[row][column] |= _DOTS[y % 4][x % 2]
        tones[row][column] = tone


def _draw_thresholds(data: ChartData, cells: list[list[Span]], rows: int, low: float, high: float) -> None:
    for name, value in data.thresholds:
        if not low <= value <= high:
            continue
        y = _row_of(value, low, high, rows)
        label = f" {name} {format_short(value)}{data.suffix} "
        tone = "critical" if name.startswith("crit") else "warn"
        for x, (drawn, _) in enumerate(cells[y]):
            if drawn == " ":
                cells[y][x] = ("╌", tone)
        if len(label) + 2 < len(cells[y]):
            for x, character in enumerate(label, start=1):
                cells[y][x] = (character, tone)


def _merge_runs(row: list[Span]) -> Line:
    """Merge neighbouring cells of one tone, so that a line is a few segments."""
    runs: list[Span] = []
    for character, tone in row:
        if runs and runs[-1][1] == tone:
            runs[-1] = (runs[-1][0] + character, tone)
        else:
            runs.append((character, tone))
    return tuple(runs)


def _render_time_axis(data: ChartData, columns: int) -> Line:
    span = data.end - data.start
    marks = [" "] * columns
    free = 0
    for at in place_time_ticks(data.start, data.end, most=max(2, columns // 11)):
        label = format_timestamp(at)[5:10] if span > 26 * 3600 else format_minute(at)
        x = int((at - data.start) / span * columns)
        if x >= free and x + len(label) <= columns:
            marks[x : x + len(label)] = label
            free = x + len(label) + 1
    return ((" " * AXIS_WIDTH + " └", "dim"), ("".join(marks), "dim"))


def _render_legend(data: ChartData, width: int) -> Line:
    """Names with their last values; names only when that is too long."""
    if len(data.series) < 2:
        return ()
    valued = _format_legend(data, values=True)
    return valued if width_of(valued) <= width else _format_legend(data, values=False)


def _format_legend(data: ChartData, *, values: bool) -> Line:
    spans: list[Span] = [(" " * (AXIS_WIDTH + 2), "")]
    seen = [value for series in data.series for _, value in series.points if is_drawable(value)]
    span = max(seen) - min(seen) if seen else 0.0
    for at, series in enumerate(data.series):
        last = next((value for _, value in reversed(series.points) if math.isfinite(value)), math.nan)
        spans.append(("━ ", SERIES_TONES[at % len(SERIES_TONES)]))
        value = f" {format_short(_round_to_distinguish(last, span))}{data.suffix}" if values else ""
        spans.append(text(f"{series.name or 'value'}{value}   " if values else f"{series.name or 'value'} "))
    return tuple(spans)


def round_range(low: float, high: float) -> tuple[float, float]:
    """Widen the range to round numbers; a range that starts at zero still does."""
    span = high - low
    if not math.isfinite(span) or span <= 0:
        return low, high
    step = _round_step(span / 4.0)
    # Slightly less than a whole step counts as a whole step: 0.3 / 0.1 is 2.9999999999999996.
    return round(math.floor(low / step + 1e-9) * step, 12), round(math.ceil(high / step - 1e-9) * step, 12)


def _round_step(rough: float) -> float:
    power = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1.0, 2.0, 2.5, 5.0, 10.0) if factor * power >= rough * 0.999)


def place_time_ticks(start: float, end: float, *, most: int) -> tuple[float, ...]:
    """At most `most` Unix times within the window, equally spaced, on full minutes, hours or days of UTC."""
    span = end - start
    if span <= 0 or most < 1:
        return ()
    step = next((item for item in _TIME_STEPS if span / item <= most), span)
    first = math.ceil(start / step) * step
    return tuple(first + at * step for at in range(int((end - first) // step) + 1) if first <= end)
