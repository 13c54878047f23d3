"""A line chart in braille dots, with its thresholds, axes and a legend in words."""

from __future__ import annotations

import math
from dataclasses import dataclass

from queries.model.series import Point
from widgets.axis_ticks import rounded, time_marks
from widgets.formatting import minute, moment, short
from widgets.line_view import LineView
from widgets.sparkline import drawable
from widgets.styled_text import Line, Span, fit, text, width_of, wrap

AXIS_WIDTH = 8
TRACK_TONES = ("accent", "ok", "title", "warn", "unknown", "strong")
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))


@dataclass(frozen=True, slots=True)
class ChartSeries:
    """One series: its name and its points."""

    name: str
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class ChartData:
    """What a chart shows. `lines` are thresholds by name; `message` stands in for the tracks where there are none."""

    start: float
    end: float
    tracks: tuple[ChartSeries, ...] = ()
    lines: tuple[tuple[str, float], ...] = ()
    suffix: str = ""
    message: str = ""


class Chart(LineView):
    """Fills whatever height it is given; the lines are made once for a size and a set of data."""

    DEFAULT_CSS = "Chart { overflow-y: hidden; }"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._data = ChartData(0.0, 0.0)
        self._made: tuple[tuple[int, int, int], tuple[Line, ...]] | None = None

    @property
    def data(self) -> ChartData:
        return self._data

    def show(self, data: ChartData) -> None:
        if data == self._data:
            return
        self._data = data
        self._made = None
        self.compare()

    def line_count(self, width: int) -> int:
        return max(1, self.size.height)

    def get_content_height(self, container: object, viewport: object, width: int) -> int:
        return 8

    def line_at(self, index: int, width: int) -> Line:
        size = (width, self.size.height, id(self._data))
        if self._made is None or self._made[0] != size:
            self._made = (size, chart_lines(self._data, width, self.size.height))
        lines = self._made[1]
        return lines[index] if index < len(lines) else ()


def chart_lines(data: ChartData, width: int, height: int) -> tuple[Line, ...]:
    """The whole chart in `height` lines: plot, time axis, and a legend where there is more than one thing to name."""
    columns = width - AXIS_WIDTH - 2
    finite = [value for track in data.tracks for _, value in track.points if drawable(value)]
    if data.message or not finite:
        told = wrap(data.message or "no points in this window", width - 2)
        return tuple(((f" {words}", "unknown"),) for words in told[: max(1, height)])
    if columns < 8 or height < 3:
        return (((f" {short(finite[-1])}{data.suffix}", ""),),)
    legend = _legend(data, width)
    rows = height - 1 - (1 if legend and height > 4 else 0)
    low, high = _range(finite, [value for _, value in data.lines])
    cells = _plot(data, columns, rows, low, high)
    _thresholds(data, cells, rows, low, high)
    lines: list[Line] = []
    labels = _value_labels(low, high, rows)
    for y, row in enumerate(cells):
        label = labels[y] + data.suffix if y in labels else ""
        lines.append(((fit(label, AXIS_WIDTH, right=True) + " │", "dim"), *_runs(row)))
    lines.append(_time_axis(data, columns))
    if legend and height > 4:
        lines.append(legend)
    return tuple(lines)


def _range(values: list[float], thresholds: list[float]) -> tuple[float, float]:
    """The axis: everything that was measured, and a threshold where that does not squash the curve."""
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
    return rounded(low, high)


def _value_labels(low: float, high: float, rows: int) -> dict[int, str]:
    """What stands beside which row: both ends, and the middle where there is room."""
    labels = {0: short(_readable(high, high - low)), rows - 1: short(_readable(low, high - low))}
    if rows >= 7:
        labels[_row_of((low + high) / 2.0, low, high, rows)] = short(_readable((low + high) / 2.0, high - low))
    return labels


def _row_of(value: float, low: float, high: float, rows: int) -> int:
    return min(rows - 1, int(_share(value, high, high - low) * (rows * 4 - 1)) // 4)


def _share(value: float, high: float, span: float) -> float:
    """How far below `high`, 0 to 1; 0 where the span is none or endless."""
    return (high - value) / span if span > 0 and math.isfinite(span) else 0.0


def _readable(value: float, span: float) -> float:
    """Without digits that the axis is too coarse for."""
    return round(value, max(0, 2 - math.floor(math.log10(span)))) if math.isfinite(span) and span > 0 else value


def _legible(value: float, span: float) -> float:
    """As few digits as tell it from the others: 99.96 is not 100 where all values lie between 99.9 and 100."""
    return round(value, 1 if abs(value) >= 10 else 2) if span >= 1 else _readable(value, span or 1e-3)


def _plot(data: ChartData, columns: int, rows: int, low: float, high: float) -> list[list[Span]]:
    dots = [[0] * columns for _ in range(rows)]
    tones = [[""] * columns for _ in range(rows)]
    # One reading alone is a window without width; two at the ends of what a float can hold are an infinite span.
    span, width = high - low, (data.end - data.start) or 1.0
    for at, track in enumerate(data.tracks):
        tone = TRACK_TONES[at % len(TRACK_TONES)]
        previous: tuple[int, int] | None = None
        # Every point, not one a column: a trouble shorter than a column is still drawn in its height.
        for at_time, value in track.points:
            if not drawable(value) or not data.start <= at_time <= data.end:
                continue
            x = min(columns * 2 - 1, int((at_time - data.start) / width * columns * 2))
            y = round(_share(value, high, span) * (rows * 4 - 1))
            path = [y]
            if previous and x - previous[0] <= max(4, columns // 8):
                step = 1 if y >= previous[1] else -1
                path = list(range(previous[1], y + step, step))
                for between in range(previous[0] + 1, x):
                    _dot(dots, tones, between, previous[1], tone)
            for each in path:
                _dot(dots, tones, x, each, tone)
            previous = (x, y)
    return [
        [(chr(0x2800 + bits) if bits else " ", tone) for bits, tone in zip(row, row_tones, strict=True)]
        for row, row_tones in zip(dots, tones, strict=True)
    ]


def _dot(dots: list[list[int]], tones: list[list[str]], x: int, y: int, tone: str) -> None:
    row, column = y // 4, x // 2
    if 0 <= row < len(dots) and 0 <= column < len(dots[0]):
        dots[row][column] |= _DOTS[y % 4][x % 2]
        tones[row][column] = tone


def _thresholds(data: ChartData, cells: list[list[Span]], rows: int, low: float, high: float) -> None:
    for name, value in data.lines:
        if not low <= value <= high:
            continue
        y = _row_of(value, low, high, rows)
        words = f" {name} {short(value)}{data.suffix} "
        tone = "critical" if name.startswith("crit") else "warn"
        for x, (drawn, _) in enumerate(cells[y]):
            if drawn == " ":
                cells[y][x] = ("╌", tone)
        if len(words) + 2 < len(cells[y]):
            for x, character in enumerate(words, start=1):
                cells[y][x] = (character, tone)


def _runs(row: list[Span]) -> Line:
    """Neighbouring cells of one tone joined, so that a line is a few segments."""
    runs: list[Span] = []
    for character, tone in row:
        if runs and runs[-1][1] == tone:
            runs[-1] = (runs[-1][0] + character, tone)
        else:
            runs.append((character, tone))
    return tuple(runs)


def _time_axis(data: ChartData, columns: int) -> Line:
    span = data.end - data.start
    marks = [" "] * columns
    free = 0
    for at in time_marks(data.start, data.end, most=max(2, columns // 11)):
        words = moment(at)[5:10] if span > 26 * 3600 else minute(at)
        x = int((at - data.start) / span * columns)
        if x >= free and x + len(words) <= columns:
            marks[x : x + len(words)] = words
            free = x + len(words) + 1
    return ((" " * AXIS_WIDTH + " └", "dim"), ("".join(marks), "dim"))


def _legend(data: ChartData, width: int) -> Line:
    """Names with their last values; only names where that is too long."""
    if len(data.tracks) < 2:
        return ()
    valued = _named(data, values=True)
    return valued if width_of(valued) <= width else _named(data, values=False)


def _named(data: ChartData, *, values: bool) -> Line:
    spans: list[Span] = [(" " * (AXIS_WIDTH + 2), "")]
    seen = [value for track in data.tracks for _, value in track.points if drawable(value)]
    span = max(seen) - min(seen) if seen else 0.0
    for at, track in enumerate(data.tracks):
        last = next((value for _, value in reversed(track.points) if math.isfinite(value)), math.nan)
        spans.append(("━ ", TRACK_TONES[at % len(TRACK_TONES)]))
        value = f" {short(_legible(last, span))}{data.suffix}" if values else ""
        spans.append(text(f"{track.name or 'value'}{value}   " if values else f"{track.name or 'value'} "))
    return tuple(spans)
