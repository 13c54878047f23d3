"""A chart as an SVG file, for reports and tickets."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from queries.model.chart import ChartData
from queries.model.series import Point
from queries.model.text import visible
from queries.text.axes import drawable_values, is_drawable, value_range
from queries.text.heat_map_svg import render_heat_map_svg
from queries.text.numbers import format_scaled
from queries.text.svg import (
    BOTTOM,
    LEFT,
    LETTER,
    RIGHT,
    TOP,
    ZONE_COLOURS,
    Place,
    close_picture,
    cut_text,
    open_picture,
    render_events,
    render_remarks,
    render_text,
    render_time_axis,
)

_COLOURS = ("#1f6feb", "#1a7f37", "#8250df", "#bf5700", "#0e7490", "#57606a")
_DASHES = ("", "8 3", "2 3", "10 3 2 3", "5 5", "1 4")
"""A dash pattern for each series, to distinguish them in print without colour."""
_ROW, _SAMPLE = 16, 28.0
"""Pixels of the legend: height of a row, width of the sample of a line."""


def render_svg(data: ChartData, title: str, *, width: int = 960, height: int = 360) -> str:
    """The chart in `width` by `height` pixels: thresholds, axes with units, gaps, events, and a legend. Each further row of the
    legend makes it higher. With a heat map it is that map instead of lines.

    Without values it shows the reason in place of the plot.
    """
    if data.heat_map is not None and data.heat_map.rows and data.end > data.start:
        return render_heat_map_svg(data, data.heat_map, title, width=width, height=height)
    legend = _place_names(data, width)
    more = _ROW * legend[-1][1] if legend else 0
    height += more
    parts = open_picture(title, data, width, height)
    values = drawable_values(data)
    if data.message or not values or data.end <= data.start:
        return close_picture([*parts, render_text(LEFT, TOP + 24, data.message or "no points in this window")])
    low, high = value_range(values, [value for _, value in data.thresholds])
    across, down = width - LEFT - RIGHT, height - TOP - BOTTOM - more

    def x(at: float) -> float:
        return LEFT + (at - data.start) / (data.end - data.start) * across

    def y(value: float) -> float:
        return TOP + (high - value) / (high - low) * down

    bottom = TOP + down
    for step in range(5):
        value = low + (high - low) * step / 4
        parts.append(f'<line x1="{LEFT}" y1="{y(value):.1f}" x2="{LEFT + across}" y2="{y(value):.1f}" stroke="#e1e4e8"/>')
        parts.append(render_text(LEFT - 6, y(value) + 4, format_scaled(value, data.unit, span=high - low), anchor="end"))
    parts += render_time_axis(data, x, bottom)
    if not low <= 0.0 <= high:
        parts.append(render_text(LEFT - 6, bottom + 16, "not at 0", anchor="end", colour="#9a6700"))
    for name, value in data.thresholds:
        if low <= value <= high:
            colour = ZONE_COLOURS["warn" if name.startswith("warn") else "critical"]
            parts.append(
                f'<line x1="{LEFT}" y1="{y(value):.1f}" x2="{LEFT + across}" y2="{y(value):.1f}" stroke="{colour}" '
                'stroke-dasharray="6 4"/>'
            )
            parts.append(
                render_text(
                    LEFT + 4,
                    y(value) + (14 if y(value) < TOP + 14 else -4),
                    f"{name} {format_scaled(value, data.unit)}",
                    colour=colour,
                )
            )
    parts += render_events(data, x, bottom)
    if data.ghost is not None:
        parts += _lines(data.ghost.points, data, x, y, 'stroke="#8c959f" stroke-dasharray="1 3"')
    parts += _lines(data.best, data, x, y, 'stroke="#8c959f" stroke-width="0.7"')
    for at, series in enumerate(data.series):
        parts += _lines(series.points, data, x, y, _style(at))
    for at, (place, row, name) in enumerate(legend):
        y_name = height - 28 - more + _ROW * row
        parts.append(f'<line x1="{place}" y1="{y_name - 4}" x2="{place + _SAMPLE - 6}" y2="{y_name - 4}" {_style(at)}/>')
        parts.append(render_text(place + _SAMPLE, y_name, name, colour=_COLOURS[at % len(_COLOURS)]))
    rest = (f"dotted: {data.ghost.name}" if data.ghost else "", "grey: best value of a step" if data.best else "")
    return close_picture([*parts, render_remarks(data, rest, height)])


def _style(at: int) -> str:
    """How the series at this place is drawn, on the plot and in the legend."""
    dashes = _DASHES[at % len(_DASHES)]
    dash = f' stroke-dasharray="{dashes}"' if dashes else ""
    return f'stroke="{_COLOURS[at % len(_COLOURS)]}" stroke-width="1.6"{dash}'


def _place_names(data: ChartData, width: int) -> list[tuple[float, int, str]]:
    """The place, the row and the name of each of several series; a name longer than a row is cut."""
    end = width - RIGHT
    most = int((end - LEFT - _SAMPLE) / LETTER)
    placed: list[tuple[float, int, str]] = []
    place, row = LEFT, 0
    for series in data.series if len(data.series) > 1 else ():
        name = cut_text(visible(series.name) or "value", most)
        taken = _SAMPLE + LETTER * len(name)
        if place > LEFT and place + taken > end:
            place, row = LEFT, row + 1
        placed.append((place, row, name))
        place += taken + 16
    return placed


def _runs(points: Sequence[Point], data: ChartData) -> Iterable[list[Point]]:
    """The points of the window, split at gaps."""
    longest = 2.1 * data.step_seconds if data.step_seconds else math.inf
    run: list[Point] = []
    for at, value in points:
        if not (is_drawable(value) and data.start <= at <= data.end):
            continue
        if run and at - run[-1][0] > longest:
            yield run
            run = []
        run.append((at, value))
    if run:
        yield run


def _polyline(run: Sequence[Point], x: Place, y: Place, style: str) -> Iterable[str]:
    if len(run) == 1:
        yield f'<circle cx="{x(run[0][0]):.1f}" cy="{y(run[0][1]):.1f}" r="1.5" {style} fill="none"/>'
        return
    places = " ".join(f"{x(at):.1f},{y(value):.1f}" for at, value in run)
    yield f'<polyline points="{places}" fill="none" {style}/>'


def _lines(points: Sequence[Point], data: ChartData, x: Place, y: Place, style: str) -> list[str]:
    return [part for run in _runs(points, data) for part in _polyline(run, x, y, style)]
