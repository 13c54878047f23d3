"""A heat map as SVG: a rectangle for each run of steps, the darker the more there was."""

from __future__ import annotations

import math
from collections.abc import Iterable

from queries.model.chart import ChartData
from queries.model.frozen import dataclass
from queries.model.heat_map import HeatMap, HeatRow
from queries.model.text import visible
from queries.text.axes import is_drawable, round_up, shade_level, shade_starts
from queries.text.numbers import format_scaled
from queries.text.svg import (
    BOTTOM,
    GREY,
    LETTER,
    RIGHT,
    TOP,
    ZONE_COLOURS,
    close_picture,
    cut_text,
    open_picture,
    render_events,
    render_remarks,
    render_text,
    render_time_axis,
)

_ZERO, _SHADES = "#f0f2f4", ("#c6dbef", "#6baed6", "#2171b5", "#08306b")
"""From light to dark, so that they stay apart in print without colour."""
_LEAST_ROW, _MOST_NAME, _NAME_LETTER = 14.0, 30, 8.5
"""Error codes are capitals, which are wider than other letters."""
_THRESHOLD_WIDTH = 96.0


@dataclass(frozen=True, slots=True)
class _Plot:
    """Where the cells lie: pixels of the left edge, the width, and the height of a row; `top` is the largest value."""

    data: ChartData
    left: float
    across: float
    tall: float
    top: float

    def x(self, at: float) -> float:
        start, end = self.data.start, self.data.end
        return self.left + (max(at, start) - start) / (end - start) * self.across


def render_heat_map_svg(data: ChartData, heat: HeatMap, title: str, *, width: int, height: int) -> str:
    """The whole map; rows of at least 14 pixels make it higher. A step without a value stays white, 0 is light grey."""
    rows = heat.rows
    names = min(_MOST_NAME, max(len(visible(row.name)) for row in rows))
    left, right = _NAME_LETTER * names + 16, (_THRESHOLD_WIDTH if data.thresholds else RIGHT)
    top = round_up(max((value for row in rows for _, value in row.points if is_drawable(value)), default=0.0))
    plot = _Plot(data, left, width - left - right, max(_LEAST_ROW, (height - TOP - BOTTOM) / len(rows)), top)
    bottom, end = TOP + plot.tall * len(rows), left + plot.across
    total = bottom + BOTTOM
    parts = open_picture(title, data, width, total)
    for at, row in enumerate(reversed(rows)):
        y = TOP + plot.tall * at
        parts += _cells(row, plot, y)
        parts.append(render_text(left - 6, y + plot.tall / 2 + 4, cut_text(visible(row.name), names), anchor="end"))
    parts.append(_rectangle(left, TOP, plot.across, bottom - TOP, "none", edge=True))
    for name, value in data.thresholds:
        if (place := _place(value, rows)) is not None:
            y, colour = bottom - plot.tall * place, ZONE_COLOURS["warn" if name.startswith("warn") else "critical"]
            ends = f'x1="{left:.1f}" y1="{y:.1f}" x2="{end + 4:.1f}" y2="{y:.1f}"'
            parts.append(f'<line {ends} stroke="{colour}" stroke-dasharray="6 4"/>')
            parts.append(render_text(end + 6, y + 4, f"{name} {format_scaled(value, data.unit)}", colour=colour))
    parts += [*render_time_axis(data, plot.x, bottom), *render_events(data, plot.x, bottom)]
    parts += _legend(heat, top, left, total - 28)
    parts.append(render_remarks(data, (heat.about,), total))
    return close_picture(parts)


def _cells(row: HeatRow, plot: _Plot, y: float) -> Iterable[str]:
    """Neighbouring steps of one shade are one rectangle. A step begins where the one before it ended."""
    step, data = plot.data.step_seconds, plot.data
    known = [(at, shade_level(value, plot.top)) for at, value in row.points if is_drawable(value)]
    runs: list[tuple[float, float, int]] = []
    for at, level in known:
        if not data.start <= at <= data.end:
            continue
        if runs and runs[-1][2] == level and math.isclose(at - step, runs[-1][1], abs_tol=0.001):
            runs[-1] = (runs[-1][0], at, level)
        else:
            runs.append((at - step, at, level))
    for start, end, level in runs:
        wide = max(0.5, plot.x(end) - plot.x(start))
        yield _rectangle(plot.x(start), y, wide, plot.tall, _SHADES[level - 1] if level else _ZERO)


def _rectangle(x: float, y: float, width: float, height: float, fill: str, *, edge: bool = False) -> str:
    stroke = f' stroke="{GREY}"' if edge else ""
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{fill}"{stroke}/>'


def _place(value: float, rows: tuple[HeatRow, ...]) -> float | None:
    """How many rows from the bottom a value lies, within a bucket in proportion; None beyond the buckets."""
    for at, row in enumerate(rows):
        if row.low is not None and row.high is not None and row.low <= value <= row.high:
            return at + ((value - row.low) / (row.high - row.low) if math.isfinite(row.high) else 0.0)
    return None


def _legend(heat: HeatMap, top: float, left: float, y: float) -> Iterable[str]:
    """Beyond which value each shade begins."""
    starts = shade_starts(top) if top > 0.0 else ()
    named = [(_ZERO, "0"), *((shade, f">{format_scaled(start, None)}") for shade, start in zip(_SHADES, starts, strict=False))]
    place = left
    for fill, words in named:
        yield _rectangle(place, y - 10, 12, 12, fill, edge=True)
        yield render_text(place + 16, y, words)
        place += 28 + LETTER * len(words)
    yield render_text(place, y, f"{heat.unit.suffix}   white: no data", colour=GREY)
