"""The axes that every chart in the terminal has: the scale, the times, and the events."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from queries.model.chart import ChartData, ChartMark
from queries.model.frozen import dataclass
from queries.text.axes import format_tick, place_time_ticks, value_range
from queries.text.numbers import format_scaled
from widgets.styled_text import Line, Span, fit

AXIS_WIDTH = 9
_NOT_AT_ZERO = "not at 0"


@dataclass(frozen=True, slots=True)
class ChartScale:
    """Where a point lies: the window is a whole number of cells, so that a newer point moves nothing within a cell."""

    start: float
    end: float
    low: float
    high: float
    columns: int

    @classmethod
    def fit(cls, data: ChartData, values: Sequence[float], columns: int) -> ChartScale:
        low, high = value_range(list(values), [value for _, value in data.thresholds])
        return cls.over(data, columns, low, high)

    @classmethod
    def over(cls, data: ChartData, columns: int, low: float = 0.0, high: float = 1.0) -> ChartScale:
        # A single sample makes a window of zero width.
        cell = round(data.end - data.start, 3) / max(1, columns - 1) or 1.0
        end = math.ceil(round(data.end / cell, 6)) * cell
        return cls(end - cell * columns, end, low, high, columns)

    @property
    def cell_seconds(self) -> float:
        return (self.end - self.start) / self.columns

    def column(self, at: float) -> int:
        return min(self.columns - 1, max(0, int((at - self.start) / (self.end - self.start) * self.columns)))

    def row(self, value: float, rows: int, down: int) -> int:
        return self.dot(value, rows * down) // down

    def dot(self, value: float, height: int) -> int:
        """The dot from the top, within the plot."""
        span = self.high - self.low
        # Two samples at the limits of a float make an infinite span.
        ratio = (self.high - value) / span if span > 0 and math.isfinite(span) else 0.0
        return min(height - 1, max(0, round(ratio * (height - 1))))

    def label(self, value: float, data: ChartData) -> str:
        return format_scaled(value, data.unit, span=self.high - self.low)


def merge_runs(row: Iterable[Span]) -> Line:
    """Merge neighbouring cells of one tone, so that a line is a few segments."""
    runs: list[Span] = []
    for character, tone in row:
        if runs and runs[-1][1] == tone:
            runs[-1] = (runs[-1][0] + character, tone)
        else:
            runs.append((character, tone))
    return tuple(runs)


def render_times(scale: ChartScale, *, axis_width: int = AXIS_WIDTH) -> Line:
    """The line of times below the time axis; at its left whether the value axis does not begin at zero."""
    span = scale.end - scale.start
    marks = [" "] * scale.columns
    free = 0
    for at in place_time_ticks(scale.start, scale.end, most=max(2, scale.columns // 9)):
        label = format_tick(at, span, mark=not free)  # the first one names the zone
        x = int((at - scale.start) / span * scale.columns)
        if x >= free and x + len(label) <= scale.columns:
            marks[x : x + len(label)] = label
            free = x + len(label) + 1
    offset = _NOT_AT_ZERO if not scale.low <= 0.0 <= scale.high else ""
    return ((fit(offset, axis_width, right=True), "warn" if offset else "dim"), ("  ", ""), ("".join(marks), "dim"))


def render_marks(marks: Sequence[ChartMark], scale: ChartScale, *, axis_width: int = AXIS_WIDTH) -> Line:
    """The events, a letter each; `*` for several events in one column."""
    row = [(" ", "")] * scale.columns
    for item in marks:
        if scale.start <= item.at <= scale.end:
            column = scale.column(item.at)
            row[column] = (item.letter if row[column][0] in (" ", item.letter) else "*", "title")
    return ((fit("events", axis_width, right=True) + "  ", "dim"), *merge_runs(row))
