"""A heat map against a drawing of our own that goes cell by cell."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable
from dataclasses import replace

import pytest

from queries.model.chart import ChartData, ChartMark
from queries.model.heat_map import HeatMap, HeatRow
from queries.model.panel import Unit
from widgets.heat_map import SHADES, ZERO, name_width, render_heat_map
from widgets.plot import plot_columns, plot_start
from widgets.styled_text import Line

MARKS = (
    ChartMark(120.0, "R", "rollout", "api 42"),
    ChartMark(-500.0, "Q", "quiet", "long ago"),
    ChartMark(5000.0, "Q", "quiet", "later"),
)


def heat_map(rows: Iterable[HeatRow], *, buckets: bool = False) -> HeatMap:
    return HeatMap("requests", Unit.PER_SECOND, tuple(rows), buckets)


def words_of(lines: Iterable[Line]) -> list[str]:
    return ["".join(words for words, _ in line) for line in lines]


def cells_of(line: Line) -> list[tuple[str, str]]:
    return [(character, tone) for words, tone in line for character in words]


def shade_of(value: float, top: float) -> str:
    """A quarter of the largest value, of that, and so on: the darkest shade is for more than the first quarter."""
    return SHADES[sum(value > top / 4.0**power for power in (3, 2, 1))]


@pytest.mark.parametrize("seed", range(30))
def test_every_cell_has_its_value(seed: int) -> None:
    """A column has the largest value of the steps that cover it, a step from the end of the one before to its own end; empty
    without any, a dot for 0, else a shade by quarters of the largest value of the map."""
    chance = random.Random(seed)
    columns, steps, seconds = chance.randint(14, 40), chance.randint(1, 30), chance.choice([1.0, 2.0, 4.0])
    values = [0.0, 0.5, 1.0, 2.0, 8.0, 10.0, math.nan]
    rows = [
        HeatRow(
            f"row {at}", tuple((seconds * step, chance.choice(values)) for step in range(-3, steps) if chance.random() < 0.7)
        )
        for at in range(3)
    ]
    data = ChartData(0.0, 2.0 * (columns - 1), step_seconds=seconds, unit=Unit.SECONDS)
    lines = render_heat_map(data, heat_map(rows), columns + 10, 8)
    assert len(lines) == 7
    start, end = -2.0, 2.0 * (columns - 1)

    def column_of(at: float) -> int:
        return min(columns - 1, int((at - start) / (end - start) * columns))

    columns_of = [
        {
            (step, column): value
            for step, value in row.points
            if math.isfinite(value) and start <= step <= end
            for column in range(columns)
            if column == column_of(step) or column_of(max(start, step - seconds)) < column < column_of(step)
        }
        for row in rows
    ]
    most = max((value for found in columns_of for value in found.values()), default=0.0)
    top = next((size for size in (0.5, 1.0, 2.0, 10.0) if size >= most), 10.0)
    for row, found, line in zip(reversed(rows), reversed(columns_of), lines[:3], strict=True):
        shown = cells_of(line)
        assert "".join(character for character, _ in shown[:10]) == f"{row.name:>8} │"
        for column in range(columns):
            here = [value for (_, at), value in found.items() if at == column]
            glyph = " " if not here else ZERO if max(here) <= 0.0 else shade_of(max(here), top)
            tone = "" if not here else "dim" if max(here) <= 0.0 else "accent"
            assert shown[10 + column] == (glyph, tone), (row.name, column)


FLAT = ChartData(0.0, 300.0, step_seconds=60.0, unit=Unit.SECONDS)
ONE = (HeatRow("all", tuple((60.0 * at, 4.0) for at in range(1, 6))),)


def lines_of(rows: Iterable[HeatRow], height: int, width: int = 60, *, data: ChartData = FLAT, **more: int) -> list[str]:
    return words_of(render_heat_map(data, heat_map(rows), width, height, **more))


def test_what_stands_below_by_height() -> None:
    """The times always, the legend from five lines on, the axis from six; from eight on the events, and the legend has two
    lines. A row is at most three lines high, with its name in the middle."""
    kinds = {"00:00": "t", "empty: no data": "s", "requests": "w", "└": "a", "events": "e", "│": "r"}

    def below(height: int, *marks: ChartMark) -> str:
        found = lines_of(ONE, height, data=replace(FLAT, marks=marks))
        return "".join(next(kind for word, kind in kinds.items() if word in line) for line in found)

    assert [below(height) for height in range(3, 10)] == [
        "rrt",
        "rrrt",
        "rrrts",
        "rrrats",
        "rrrats",
        "rrratws",
        "rrratws",
    ]
    assert below(8, *MARKS) == "rrratews" and below(7, *MARKS) == "rrrats" and below(9, *MARKS[1:]) == "rrratws"
    assert [line[:9] for line in lines_of(ONE, 9)[:3]] == ["        │", "    all │", "        │"]
    five = lines_of(ONE, 5, 80)[-1]
    assert five.index("empty: no data") < five.index("requests"), "in one line both"


def test_a_box_that_is_too_small_says_what_is_counted() -> None:
    """Less than eight columns or three lines."""
    assert lines_of(ONE, 2) == [" requests"] == lines_of(ONE, 9, 16)
    assert len(lines_of(ONE, 3)) == 3 and len(lines_of(ONE, 3, 17)) == 3


@pytest.mark.parametrize(
    ("name", "width", "cells"), [("a", 80, 7), ("a" * 12, 80, 12), ("a" * 12, 30, 10), ("a" * 40, 200, 28), ("a", 9, 7)]
)
def test_names_have_as_much_room_as_they_need(name: str, width: int, cells: int) -> None:
    """Seven cells at least, a third of the width or 28 at most."""
    heat = heat_map((HeatRow(name, ()), HeatRow("", ())))
    assert name_width(heat, width) == cells and name_width(heat_map(()), width) == 7
    data = replace(FLAT, heat_map=heat)
    assert (plot_start(data, width), plot_columns(data, width)) == (cells + 2, width - cells - 2)


def buckets(*ends: float) -> tuple[HeatRow, ...]:
    return tuple(HeatRow(f"to {high:g}", ((60.0, 1.0),), low, high) for low, high in zip((0.0, *ends), ends, strict=False))


@pytest.mark.parametrize(
    ("height", "names"),
    [
        (9, ["to 5", "to 4", "to 3", "to 2", "to 1"]),
        (8, ["≤ 5 s", "≤ 3 s", "to 1"]),
        (7, ["≤ 5 s", "≤ 3 s", "to 1"]),
        (5, ["≤ 5 s", "≤ 3 s", "to 1"]),
        (3, ["≤ 5 s", "≤ 2 s"]),
    ],
)
def test_neighbouring_buckets_share_a_line(height: int, names: list[str]) -> None:
    """As many together as it takes, from the top; a bucket alone keeps its name."""
    shown = words_of(render_heat_map(FLAT, heat_map(buckets(1.0, 2.0, 3.0, 4.0, 5.0), buckets=True), 60, height))
    assert [line[:7].strip() for line in shown if line[8:9] == "│" and line[:7].strip()] == names


@pytest.mark.parametrize(
    ("height", "names"), [(9, ["e", "d", "c", "b", "a"]), (8, ["e", "d", "c", "2 others"]), (3, ["e", "4 others"])]
)
def test_the_smallest_of_other_rows_are_put_together(height: int, names: list[str]) -> None:
    """Only as many as there is no room for; their values are added."""
    rows = [HeatRow(f"{name} TIMEOUT", ((60.0, 1.0),)) for name in "abcde"]
    shown = words_of(render_heat_map(FLAT, heat_map(rows), 60, height))
    assert [line.partition("│")[0].removesuffix(" TIMEOUT ").strip() for line in shown if "│" in line] == names
    told = words_of(render_heat_map(FLAT, heat_map(rows), 80, 8, cursor=13))[-2]
    assert "2 others 2 /s" in told and "e TIMEOUT 1 /s" in told


@pytest.mark.parametrize("count", [3, 5, 12])
def test_short_names_do_not_cut_that_of_the_others(count: int) -> None:
    """`2 others` is longer than `clip`, and stands in full."""
    rows = [HeatRow(f"p{at}", ((60.0, 1.0),)) for at in range(count)]
    shown = words_of(render_heat_map(FLAT, heat_map(rows), 60, 3))
    names = [line.partition("│")[0].strip() for line in shown if "│" in line]
    assert names == [f"p{count - 1}", f"{count - 1} others"]


def test_the_edge_shows_which_buckets_are_beyond_a_threshold() -> None:
    """A bucket that begins at a threshold is beyond it, with its cells; not where lower is worse, and no row without ends."""
    data = replace(FLAT, thresholds=(("warn", 2.0), ("critical", 3.0)))
    heat = heat_map(buckets(1.0, 2.0, 3.0, 4.0), buckets=True)
    shown = [cells_of(line) for line in render_heat_map(data, heat, 60, 9)[:4]]
    assert [line[8] for line in shown] == [("█", "critical"), ("▒", "warn"), ("│", "dim"), ("│", "dim")]
    assert [{tone for glyph, tone in line[9:] if glyph in SHADES} for line in shown] == [
        {"critical"},
        {"warn"},
        {"accent"},
        {"accent"},
    ]
    lower = render_heat_map(replace(data, lower_is_worse=True), heat, 60, 9)[:4]
    assert {cells_of(line)[8] for line in lower} == {("│", "dim")}
    assert {cells_of(line)[8] for line in render_heat_map(data, heat_map(ONE), 60, 9)[:3]} == {("│", "dim")}


def test_the_legend_in_full() -> None:
    """The note, what is counted, the kinds of events in the window; beyond which value each shade begins, if there is any."""
    data = replace(FLAT, note="peaks not kept", marks=(*MARKS, MARKS[0]))
    assert lines_of(ONE, 9, data=data)[-2] == " peaks not kept  requests  R rollout  "
    assert lines_of(ONE, 9, 80)[-2:] == [" requests  ", " · 0  ░ >0  ▒ >0.0781  ▓ >0.312  █ >1.25 /s  empty: no data  "]
    assert lines_of([HeatRow("all", ((60.0, 0.0),))], 9)[-1] == " · 0 /s  empty: no data  "
    assert lines_of([HeatRow("all", ((60.0, 0.25),))], 9, 80)[-1].startswith(" · 0  ░ >0  ▒ >0.0039")


@pytest.mark.parametrize(("at", "shown"), [(-0.01, False), (0.0, True), (300.0, True), (300.1, False)])
def test_events_at_the_ends_of_the_window(at: float, shown: bool) -> None:
    """Both ends are in the window, which is one column longer than the data."""
    seconds = 300.0 / 50
    data = replace(FLAT, end=300.0, marks=(ChartMark(at - (seconds if at <= 0.0 else 0.0), "R", "rollout", "api 42"),))
    lines = lines_of(ONE, 9, data=data)
    assert any("events" in line for line in lines) is shown and ("R rollout" in lines[-2]) is shown
    column = 0 if at <= 0.0 else 50
    assert ("api 42" in lines_of(ONE, 9, data=data, cursor=column)[-2]) is shown
    assert not shown or next(line for line in lines if "events" in line)[9 + column] == "R"


def test_the_cursor_reads_its_column() -> None:
    """The time, the rows with something in it from the top, and its events; 0 where all are, and `no data` without any."""
    rows = [HeatRow("low", ((60.0, 1.0), (120.0, 0.0))), HeatRow("high", ((60.0, 2.0), (120.0, 0.0)))]
    data = replace(FLAT, marks=MARKS[:1])
    width, cell = 9 + 51, 6.0

    def read(second: float) -> str:
        return lines_of(rows, 9, width, data=data, cursor=int(second / cell) + 1)[-2].strip()

    assert read(60.0) == "00:01:00Z  high 2 /s  low 1 /s"
    assert read(120.0) == "00:02:00Z  0 /s  R api 42"
    assert read(180.0) == "00:03:00Z  no data"
    assert read(-500.0) == read(-6.0) == "23:59:54Z  no data" and read(9000.0) == read(294.0)
    shown = render_heat_map(data, heat_map(rows), width, 9, cursor=11)
    assert {tone for line in shown[:2] for glyph, tone in cells_of(line)[9 + 11 : 9 + 12]} == {"cursor+accent"}
    gap = render_heat_map(data, heat_map(rows), width, 9, cursor=40)
    assert {cells_of(line)[9 + 40] for line in gap[:2]} == {("│", "strong")}
    assert len({len(line) for line in words_of(gap)[:5]}) == 1


@pytest.mark.parametrize(("hours", "day"), [(20, ""), (21, "1970-01-01 ")])
def test_the_cursor_names_the_day_where_hours_are_not_enough(hours: int, day: str) -> None:
    """Up to twenty hours a time of day is enough."""
    cell = hours * 3600.0 / 51
    data = ChartData(4 * 86400.0, 4 * 86400.0 + 50 * cell, step_seconds=cell)
    told = lines_of((HeatRow("all", ()),), 9, 60, data=data, cursor=25)[-2]
    assert ("-" in told) is bool(day) and told.rstrip().endswith("Z  no data")
