"""A heat map as lines of text: a glyph for how much there was, so that it needs no colour."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from queries.model.chart import ChartData
from queries.model.frozen import dataclass
from queries.model.heat_map import HeatMap, HeatRow
from queries.text.axes import is_drawable, round_up, shade_level, shade_starts
from queries.text.numbers import format_bucket, format_scaled
from queries.text.times import format_clock, format_moment
from widgets.chart_axes import ChartScale, merge_runs, render_marks, render_times
from widgets.styled_text import Line, Span, cut, fit, text, width_of

ZERO, SHADES = "·", "░▒▓█"
_ZONES = {"": ("│", "dim"), "warn": ("▒", "warn"), "critical": ("█", "critical")}
_LEAST_NAME, _MOST_NAME = 7, 28
_NEVER_MERGED = 2
"""So many rows fit into the lowest map."""
_TALLEST = 3


@dataclass(frozen=True, slots=True)
class _Band:
    """One or several rows as drawn: its value by column, the zone of its lower end, and its lines."""

    name: str
    values: Mapping[int, float]
    zone: str = ""


def name_width(heat: HeatMap, width: int) -> int:
    """The width of the rows' names in a chart of this width."""
    longest = max((width_of((text(row.name),)) for row in heat.rows), default=0)
    if len(heat.rows) > _NEVER_MERGED and not heat.buckets:
        longest = max(longest, len(_name_others(len(heat.rows))))
    return max(_LEAST_NAME, min(longest, _MOST_NAME, width // 3))


def render_heat_map(data: ChartData, heat: HeatMap, width: int, height: int, *, cursor: int | None = None) -> tuple[Line, ...]:
    """The whole map in at most `height` lines. `cursor` is the column whose time and values replace the legend."""
    names = name_width(heat, width)
    columns = width - names - 2
    if columns < 8 or height < 3:
        return ((text(f" {heat.about}", "dim"),),)
    scale = ChartScale.over(data, columns)
    below = [render_times(scale, axis_width=names)]
    if height >= 6:
        below.insert(0, ((" " * names + " └" + "─" * columns, "dim"),))
    if height >= 8 and any(scale.start <= item.at <= scale.end for item in data.marks):
        below.append(render_marks(data.marks, scale, axis_width=names))
    notes = 0 if height < 5 else 1 if height < 8 else 2
    lines = height - len(below) - notes
    bands = _build_bands(data, heat, scale, lines)
    top = round_up(max((value for band in bands for value in band.values.values()), default=0.0))
    what = _render_what(data, heat, scale) if cursor is None else _render_cursor(data, heat, scale, bands, cursor)
    shades = _render_shades(heat, top)
    if notes == 1:
        below.append(cut((*shades, *what) if cursor is None else what, width))
    elif notes:
        below += [cut(what, width), cut(shades, width)]
    tall = max(1, min(_TALLEST, lines // max(1, len(bands))))
    drawn: list[Line] = []
    for band in reversed(bands):
        row = [_cell(band.values.get(column), top, band.zone) for column in range(columns)]
        if cursor is not None:
            at = min(max(0, cursor), columns - 1)
            row[at] = ("│", "strong") if row[at][0] == " " else (row[at][0], f"cursor+{row[at][1]}")
        cells = merge_runs(row)
        for line in range(tall):
            name = band.name if line == tall // 2 else ""
            drawn.append((text(fit(name, names, right=True) + " ", "dim"), _ZONES[band.zone], *cells))
    return (*drawn, *below)


def _build_bands(data: ChartData, heat: HeatMap, scale: ChartScale, lines: int) -> list[_Band]:
    """The rows that fit: buckets merged with their neighbours, the smallest of other rows put together."""
    rows = heat.rows
    if heat.buckets:
        apart = math.ceil(len(rows) / lines)
        groups = [rows[max(0, end - apart) : end] for end in range(len(rows), 0, -apart)][::-1]
        return [_build_band(_name_group(group, data), group, data, scale) for group in groups]
    others = rows[: len(rows) - lines + 1] if len(rows) > lines else ()
    bands = [_build_band(_name_others(len(others)), others, data, scale)] if others else []
    return [*bands, *(_build_band(row.name, (row,), data, scale) for row in rows[len(others) :])]


def _name_others(count: int) -> str:
    return f"{count} others"


def _name_group(group: Sequence[HeatRow], data: ChartData) -> str:
    low, high = group[0].low, group[-1].high
    return group[0].name if len(group) == 1 or low is None or high is None else format_bucket(low, high, data.unit)


def _build_band(name: str, rows: Sequence[HeatRow], data: ChartData, scale: ChartScale) -> _Band:
    """The largest value of each column: a step colours the columns that it covers, up to its end."""
    sums: dict[float, float] = {}
    for row in rows:
        for at, value in row.points:
            if is_drawable(value):
                sums[at] = sums.get(at, 0.0) + value
    values: dict[int, float] = {}
    for at, value in sums.items():
        if scale.start <= at <= scale.end:
            # A step begins where the one before it ended.
            first = min(scale.column(max(scale.start, at - data.step_seconds)) + 1, scale.column(at))
            for column in range(first, scale.column(at) + 1):
                values[column] = max(value, values.get(column, 0.0))
    low = rows[0].low
    name_of_zone = data.beyond(low) if low is not None and not data.lower_is_worse else ""
    zone = "" if not name_of_zone else "warn" if name_of_zone.startswith("warn") else "critical"
    return _Band(name, values, zone)


def _cell(value: float | None, top: float, zone: str) -> Span:
    if value is None:
        return (" ", "")
    if value <= 0.0:
        return (ZERO, "dim")
    return (SHADES[shade_level(value, top) - 1], zone or "accent")


def _render_shades(heat: HeatMap, top: float) -> Line:
    """`· 0  ░ >0  ▒ >0.3  ▓ >1.2  █ >5 /s`: beyond which value each shade begins, and what a gap is."""
    starts = shade_starts(top) if top > 0.0 else ()
    shades = [f"{ZERO} 0", *(f"{shade} >{format_scaled(start, None)}" for shade, start in zip(SHADES, starts, strict=False))]
    return ((f" {'  '.join(shades)} {heat.unit.suffix}  ", ""), ("empty: no data  ", "dim"))


def _render_what(data: ChartData, heat: HeatMap, scale: ChartScale) -> Line:
    """The note, what is counted, and the events."""
    kinds = dict.fromkeys((item.letter, item.kind) for item in data.marks if scale.start <= item.at <= scale.end)
    note = (text(f" {data.note} ", "unknown"),) if data.note else ()
    return (*note, text(f" {heat.about}  ", "title"), *(text(f"{letter} {kind}  ", "title") for letter, kind in kinds))


def _render_cursor(data: ChartData, heat: HeatMap, scale: ChartScale, bands: Iterable[_Band], cursor: int) -> Line:
    """The time, the rows with a value that is not 0 from the top, and the events."""
    column = min(max(0, cursor), scale.columns - 1)
    start = scale.start + column * scale.cell_seconds
    clock = format_moment(start) if scale.end - scale.start > 20 * 3600 else format_clock(start)
    known = [(band.name, band.values[column]) for band in reversed(list(bands)) if column in band.values]
    shown = [(name, value) for name, value in known if value > 0.0]
    spans: list[Span] = [(" ", ""), (f"{clock}  ", "strong")]
    for name, value in shown:
        spans += [text(f"{name} ", "dim"), (f"{format_scaled(value, heat.unit)}  ", "strong")]
    if not shown:
        spans.append(("no data  ", "unknown") if not known else (f"0 {heat.unit.suffix}  ", "strong"))
    happened = [item for item in data.marks if scale.start <= item.at <= scale.end and scale.column(item.at) == column]
    return (*spans, *(text(f"{item.letter} {item.text}  ", "title") for item in happened))
