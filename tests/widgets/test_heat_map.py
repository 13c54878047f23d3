"""A heat map in the terminal: what there was, how much, and what is unknown, without colour."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from queries.model.chart import ChartData, ChartMark
from queries.model.heat_map import HeatMap, HeatRow
from queries.model.panel import Unit
from widgets.heat_map import SHADES, ZERO
from widgets.line_filters import to_ascii
from widgets.plot import plot_columns, plot_start, render_chart
from widgets.styled_text import width_of

NAMES = ("≤ 100 ms", "≤ 500 ms", "≤ 2 s", "≤ 10 s", "> 10 s")
ENDS = (0.0, 0.1, 0.5, 2.0, 10.0, math.inf)


def chart(values: tuple[tuple[float | None, ...], ...], *, buckets: bool = True, names: tuple[str, ...] = NAMES) -> ChartData:
    """Rows from the bottom, a value each minute; None for a minute without one."""
    rows = tuple(
        HeatRow(name, tuple((60.0 * at, value) for at, value in enumerate(row, start=1) if value is not None), *ends)
        for name, row, ends in zip(names, values, pairwise(ENDS) if buckets else ((None, None),) * len(values), strict=False)
    )
    heat = HeatMap("requests by duration", Unit.PER_SECOND, rows, buckets)
    end = 60.0 * max(len(row) for row in values)
    thresholds = (("warn", 2.0), ("critical", 10.0))
    return ChartData(0.0, end, thresholds=thresholds, unit=Unit.SECONDS, step_seconds=60.0, heat_map=heat)


def render(data: ChartData, width: int = 80, height: int = 12, *, cursor: int | None = None) -> list[str]:
    return ["".join(part for part, _ in line) for line in render_chart(data, width, height, cursor=cursor)]


def plot(line: str, data: ChartData, width: int = 80) -> str:
    return line[plot_start(data, width) :].ljust(plot_columns(data, width))


def test_nothing_zero_and_every_amount_look_different() -> None:
    """A minute without a value is empty, 0 is a dot, and each shade begins at a quarter of the next; the legend says where."""
    data = chart(((None, 0.0, 0.1, 1.0, 4.0, 16.0),), names=("all",))
    lines = render(data)
    row = plot(next(line for line in lines if "all" in line), data)
    glyphs = list(dict.fromkeys(row))
    assert glyphs == [" ", ZERO, *SHADES]
    assert "· 0  ░ >0  ▒ >0.312  ▓ >1.25  █ >5 /s" in lines[-1] and "empty: no data" in lines[-1]
    assert [to_ascii(glyph) for glyph in glyphs] == [*" ,:!%#"], "in a terminal that has ASCII only: the more, the darker"


def test_a_gap_between_known_minutes_stays_empty() -> None:
    """Also in a chart that is wider than it has minutes: a minute colours its own columns, and no more."""
    data = chart(((5.0, None, None, 5.0),), names=("all",))
    row = plot(next(line for line in render(data) if "all" in line), data)
    full, empty = row.count("█"), row.strip().count(" ")
    assert abs(full - empty) <= 2 and "█ " in row and " █" in row


def test_the_slowest_is_at_the_top_and_the_edge_says_what_is_beyond_a_threshold() -> None:
    """Buckets that begin at the threshold or above it; the colour is not needed for it."""
    data = chart(((5.0,) * 9, (3.0,) * 9, (1.0,) * 9, (0.5,) * 9, (0.0,) * 9))
    lines = render(data, height=9)
    assert [line[: plot_start(data, 80) - 2].strip() for line in lines[:5]] == list(reversed(NAMES))
    assert [line[plot_start(data, 80) - 1] for line in lines[:5]] == ["█", "▒", "│", "│", "│"]
    assert ZERO in plot(lines[0], data) and "░" not in plot(lines[0], data)


def test_buckets_that_do_not_fit_are_merged_with_their_neighbours() -> None:
    """Nothing is left out: the sum of two buckets has the upper end of the upper one, and the lower end of the lower one where
    there is no upper end."""
    data = chart(((1.0,), (2.0,), (4.0,), (8.0,), (16.0,)))
    lines = render(data, height=9)  # five lines for the rows
    assert sum(name in "".join(lines) for name in NAMES) == 5
    few = render(data, height=6)
    assert [line[: plot_start(data, 80) - 2].strip() for line in few[:3]] == ["> 2 s", "≤ 2 s", "≤ 100 ms"]
    told = render(data, height=6, cursor=10)[-1]
    assert "> 2 s 24 /s" in told and "≤ 2 s 6 /s" in told and "≤ 100 ms 1 /s" in told


def test_other_rows_that_do_not_fit_are_one_row() -> None:
    """The largest stay by themselves, and the rest is counted and named by its number."""
    names = tuple(f"provider{at} TIMEOUT" for at in range(9))
    data = chart(tuple((float(at),) for at in range(9)), buckets=False, names=names)
    lines = render(data, height=8)
    assert "6 others" in "".join(lines) and all(f"provider{at}" in "".join(lines) for at in (6, 7, 8))
    assert "6 others 15 /s" in render(data, 120, height=8, cursor=20)[-2]


def test_the_cursor_tells_no_data_from_nothing() -> None:
    """The time, and each row's value; a minute without any is `no data`, one in which nothing happened is 0."""
    data = chart(((None, 0.0, 2.5),), names=("all",))
    columns = plot_columns(data, 80)
    assert ["no data" in render(data, cursor=0)[-2], " 0 /s" in render(data, cursor=columns // 2)[-2]] == [True, True]
    assert "all 2.5 /s" in render(data, cursor=columns - 2)[-2]


def test_events_stand_below() -> None:
    """As below lines, with their letter."""
    data = chart(((1.0,) * 5,))
    data = ChartData(
        **{name: getattr(data, name) for name in data.__slots__} | {"marks": (ChartMark(120.0, "R", "rollout", "x"),)}
    )
    lines = render(data)
    assert "events" in lines[-3] and "R" in lines[-3] and "requests by duration  R rollout" in lines[-2]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.lists(st.one_of(st.none(), st.floats(0.0, 1e9)), min_size=1, max_size=30), min_size=1, max_size=30),
    st.integers(1, 200),
    st.integers(1, 50),
    st.booleans(),
    st.one_of(st.none(), st.integers(0, 300)),
)
def test_a_heat_map_fits_its_box(
    values: list[list[float | None]], width: int, height: int, buckets: bool, cursor: int | None
) -> None:
    """For any rows and any size, at most the given height and width."""
    rows = tuple(
        HeatRow(f"row {at}", tuple((60.0 * n, v) for n, v in enumerate(row) if v is not None), float(at) if buckets else None)
        for at, row in enumerate(values)
    )
    heat = HeatMap("x", Unit.PER_MINUTE, rows, buckets)
    data = ChartData(0.0, 1800.0, unit=Unit.SECONDS, step_seconds=60.0, heat_map=heat, note="note")
    lines = render_chart(data, width, height, cursor=cursor)
    assert len(lines) <= max(1, height)
    assert width < 20 or all(width_of(line) <= width for line in lines)


@pytest.mark.parametrize(("width", "height"), [(80, 8), (80, 24), (160, 40)])
def test_names_leave_room_for_the_plot(width: int, height: int) -> None:
    """A long name takes at most a third of the width, and is cut visibly."""
    data = chart(((1.0,), (2.0,)), buckets=False, names=("a" * 90, "b"))
    assert plot_columns(data, width) >= width * 0.6
    assert "…" in "".join(render(data, width, height))
