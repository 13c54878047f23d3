"""The scale and the axes of a chart."""

from __future__ import annotations

import math

import pytest

from queries.model.chart import ChartData, ChartMark
from queries.text.axes import format_tick, place_time_ticks
from widgets.chart_axes import ChartScale, merge_runs, render_marks, render_times


def test_a_single_moment_has_a_window_of_seconds() -> None:
    """A window of no length is a second for each column, and the moment is the end of it."""
    scale = ChartScale.over(ChartData(100.0, 100.0), 10)
    assert (scale.start, scale.end, scale.cell_seconds, scale.column(100.0)) == (90.0, 100.0, 1.0, 9)


def test_the_window_moves_by_whole_cells() -> None:
    """Points that arrive within a cell move nothing: eleven columns for a hundred seconds are ten seconds each."""
    scales = [ChartScale.over(ChartData(at, at + 100.0), 11) for at in (0.0, 0.1, 5.0, 10.0, 10.0000001)]
    assert {(scale.start, scale.end) for scale in scales[1:]} == {(0.0, 110.0)} and scales[0].end == 100.0
    thirds = ChartScale.over(ChartData(0.0, 1 / 3), 2)
    assert thirds.cell_seconds == pytest.approx(0.333), "a window is known to the millisecond"


def test_times_beyond_the_window_lie_at_its_ends() -> None:
    """The column and the dot of anything are within the plot."""
    scale = ChartScale(0.0, 10.0, 0.0, 4.0, 10)
    assert [scale.column(at) for at in (-5.0, 0.0, 0.99, 1.0, 9.99, 10.0, 99.0)] == [0, 0, 0, 1, 9, 9, 9]
    assert [scale.dot(value, 9) for value in (9.0, 4.0, 3.5, 2.0, 0.0, -9.0)] == [0, 0, 1, 4, 8, 8]
    assert [scale.row(value, 3, 3) for value in (4.0, 2.0, 0.0)] == [0, 1, 2]


@pytest.mark.parametrize(("low", "high"), [(2.0, 2.0), (3.0, 1.0), (-1.7e308, 1.7e308)])
def test_a_range_that_cannot_be_divided_is_drawn_at_the_top(low: float, high: float) -> None:
    """One of no length, and one longer than the largest number."""
    assert ChartScale(0.0, 10.0, low, high, 10).dot(1.0, 9) == 0


@pytest.mark.parametrize(("low", "high", "said"), [(0.0, 4.0, False), (-1.0, 0.0, False), (0.5, 4.0, True), (-4.0, -0.5, True)])
def test_an_axis_without_zero_says_so(low: float, high: float, said: bool) -> None:
    """At the left of the times, as a warning; an axis that ends at zero has it."""
    first = render_times(ChartScale(0.0, 600.0, low, high, 40))[0]
    assert first == ((" not at 0", "warn") if said else (" " * 9, "dim"))
    assert render_times(ChartScale(0.0, 600.0, low, high, 40), axis_width=12)[0][0].endswith("not at 0" if said else " ")


def test_times_stand_at_their_column_and_never_touch() -> None:
    """Each label begins where its time is, the first with its zone; one without room for it and a blank is left out."""
    words = "".join(part for part, _ in render_times(ChartScale(0.0, 3600.0, 0.0, 1.0, 60)))
    assert words == " " * 11 + "00:00Z    00:10     00:20     00:30     00:40     00:50     "
    for columns in range(8, 200):
        scale = ChartScale(30.0, 3630.0, 0.0, 1.0, columns)
        expected = ""
        for at in place_time_ticks(30.0, 3630.0, most=max(2, columns // 9)):
            x = int((at - 30.0) / 3600.0 * columns)
            label = format_tick(at, 3600.0, mark=not expected)
            if x >= len(expected) + bool(expected) and x + len(label) <= columns:
                expected = expected.ljust(x) + label
        assert "".join(part for part, _ in render_times(scale))[11:] == expected.ljust(columns)


def test_events_share_a_column() -> None:
    """Several of one letter are that letter, of different ones a star; what lies outside the window is left out."""
    scale = ChartScale(0.0, 10.0, 0.0, 1.0, 10)
    marks = [(0.0, "R"), (0.5, "R"), (3.0, "R"), (3.5, "S"), (3.9, "R"), (10.0, "S"), (-0.1, "X"), (10.1, "X")]
    line = render_marks([ChartMark(at, letter, "kind", "text") for at, letter in marks], scale)
    assert line == (("   events  ", "dim"), ("R", "title"), ("  ", ""), ("*", "title"), ("     ", ""), ("S", "title"))
    assert render_marks((), scale, axis_width=7)[0] == (" events  ", "dim")


def test_neighbours_of_one_tone_are_one_run() -> None:
    """Fewer segments, the same cells."""
    assert merge_runs([("a", "x"), ("b", "x"), ("c", ""), ("d", "x")]) == (("ab", "x"), ("c", ""), ("d", "x"))
    assert merge_runs(()) == ()
    assert math.isfinite(ChartScale.over(ChartData(0.0, 0.0), 1).cell_seconds)
