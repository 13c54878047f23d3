"""Sparklines and charts."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from queries.model.chart import ChartData, ChartMark, ChartSeries
from queries.model.panel import Unit
from queries.text.axes import format_tick, place_time_ticks, round_range
from widgets.plot import render_chart
from widgets.sparkline import render_sparkline
from widgets.styled_text import width_of

POINTS = st.lists(st.tuples(st.floats(0, 1e9), st.floats(allow_nan=True, allow_infinity=True)), max_size=50).map(
    lambda items: tuple(sorted(items, key=lambda item: item[0]))
)


@given(POINTS, st.integers(0, 40))
def test_a_sparkline_has_exactly_the_requested_width(points: tuple[tuple[float, float], ...], width: int) -> None:
    """NaN, infinities, gaps and single points never break the row."""
    assert len(render_sparkline(points, width)) == width


def test_flat_zero_and_flat_something_look_different() -> None:
    """Zeros are at the bottom, a steady value in the middle, and no data is blank."""
    zero = render_sparkline(tuple((float(at), 0.0) for at in range(10)), 5)
    steady = render_sparkline(tuple((float(at), 63.0) for at in range(10)), 5)
    assert zero == "▁▁▁▁▁"
    assert steady == "▄▄▄▄▄"
    assert render_sparkline(((0.0, math.nan),), 5) == "     "


def test_the_newest_value_is_at_the_right() -> None:
    """The newest value is the last character."""
    assert render_sparkline(tuple((float(at), float(at)) for at in range(8)), 8) == "▁▂▃▄▅▆▇█"


@given(st.integers(0, 86_400), st.integers(6, 48), st.integers(0, 5))
def test_a_value_of_this_minute_reaches_the_end_of_the_trend(now: int, width: int, late: int) -> None:
    """Whatever the time and the width, the last column is empty only if the last minutes have no value: it is no hole."""
    minute = 60.0 * (now // 60)
    points = tuple((minute - 60.0 * (at + late), 1.0) for at in range(59 - late, -1, -1))
    trend = render_sparkline(points, width, window=(minute - 3540.0, minute + 60.0), thresholds=(5.0,))
    if late == 0:
        assert trend[-1] != " "
    elif 60.0 * late > 2 * 3600.0 / width:
        assert trend[-1] == " "


NAMES = ("deepseek", "tesseract", "paddle", "clip", "dedupcad")


@pytest.mark.parametrize(
    ("width", "height", "named", "letters"),
    [(80, 4, 5, False), (80, 12, 2, True), (120, 12, 5, True), (160, 12, 5, True)],
)
def test_the_legend_explains_every_letter_and_number(width: int, height: int, named: int, letters: bool) -> None:
    """Five series beside another time and three kinds of events: names lose their values first, then the last ones are cut,
    and no letter is left unexplained. Four lines have no letters, and name every number."""
    series = tuple(ChartSeries(name, ((0.0, 90.0 + at), (3600.0, 93.0 + at))) for at, name in enumerate(NAMES))
    marks = (ChartMark(600.0, "R", "rollout", ""), ChartMark(900.0, "S", "scaled", ""), ChartMark(950.0, "Z", "silence", ""))
    ghost = ChartSeries("last", ((0.0, 91.0), (3600.0, 91.0))) if letters else None
    data = ChartData(0.0, 3600.0, series, unit=Unit.PERCENT, ghost=ghost, marks=marks, step_seconds=3600.0)
    legend = "".join(words for words, _ in render_chart(data, width, height)[-1])
    assert [words in legend for words in ("· last", "R rollout", "S scaled", "Z silence")] == [letters] * 4
    assert sum(f"{at}━ {name}" in legend for at, name in enumerate(NAMES, start=1)) == named
    assert (" %" in legend) is (width == 160)
    assert ("…" in legend) is (named < 5)


def test_a_legend_as_wide_as_the_chart_is_whole() -> None:
    """What fits to the last cell is not cut."""
    series = tuple(ChartSeries(name, ((0.0, 90.0), (3600.0, 93.0 + at))) for at, name in enumerate(NAMES))
    data = ChartData(0.0, 3600.0, series, marks=(ChartMark(600.0, "R", "rollout", ""),), step_seconds=3600.0)
    legend = "".join(words for words, _ in render_chart(data, 80, 12)[-1])
    assert len(legend) == 80 and legend.endswith("5━ dedupcad  R rollout")


@given(POINTS, st.integers(1, 120), st.integers(1, 40))
def test_a_chart_fits_its_box(points: tuple[tuple[float, float], ...], width: int, height: int) -> None:
    """For any points, at most the given height, and every line can be drawn."""
    data = ChartData(0.0, 1e9, (ChartSeries("a", points), ChartSeries("b", ())), (("warn", 1.0),), Unit.PERCENT)
    lines = render_chart(data, width, height)
    assert len(lines) <= max(1, height)


def test_the_threshold_is_in_the_chart() -> None:
    """The threshold is drawn and labelled even far above the curve."""
    points = tuple((float(at), 0.4) for at in range(100))
    lines = render_chart(ChartData(0.0, 99.0, (ChartSeries("", points),), (("critical", 5.0),), Unit.PERCENT), 60, 10)
    drawn = ["".join(words for words, _ in line) for line in lines]
    assert any("critical 5 %" in line and "╌" in line for line in drawn)
    assert all(width_of(line) <= 60 for line in lines)


def test_an_empty_chart_is_a_message() -> None:
    """An empty time range shows a message, not an empty box."""
    lines = render_chart(ChartData(0.0, 1.0, message="NO DATA in this window"), 60, 10)
    assert "NO DATA" in lines[0][0][0]


def test_a_short_spike_is_visible_in_a_narrow_trend() -> None:
    """The worst value of a column is drawn: four bad minutes of an hour stay visible in twelve characters."""
    points = tuple((float(at), 8.0 if 30 <= at < 34 else 0.1) for at in range(60))
    assert "█" in render_sparkline(points, 12, thresholds=(1.0, 5.0))
    sunk = tuple((float(at), 40.0 if 30 <= at < 34 else 99.0) for at in range(60))
    assert "▁" in render_sparkline(sunk, 12, thresholds=(90.0,), lower_is_worse=True)


def test_noise_far_from_the_threshold_stays_low() -> None:
    """The height shows how close the threshold is: 0.2 of 1 stays low, however much it fluctuates."""
    points = tuple((float(at), 0.1 + 0.1 * (at % 2)) for at in range(24))
    assert set(render_sparkline(points, 12, thresholds=(1.0, 5.0))) <= {"▁", "▂"}
    healthy = tuple((float(at), 99.9 + 0.1 * (at % 2)) for at in range(24))
    assert set(render_sparkline(healthy, 12, thresholds=(90.0,), lower_is_worse=True)) == {"█"}
    busy = tuple((float(at), 88.0 + at % 2) for at in range(24))
    assert set(render_sparkline(busy, 12)) <= {"▄", "▅"}


def test_a_chart_draws_every_point() -> None:
    """One high sample among a thousand is not lost between columns."""
    points = tuple((float(at), 9.0 if at == 501 else 1.0) for at in range(1000))
    lines = render_chart(ChartData(0.0, 999.0, (ChartSeries("", points),)), 60, 10)
    assert any(character > "\u2800" for words, _ in lines[1] for character in words)


def test_the_axes_have_round_numbers() -> None:
    """Value labels are round numbers and time labels full minutes, whatever the samples."""
    points = tuple((1_767_276_207.0 + 15.0 * at, 8.066 * at / 240) for at in range(241))
    lines = render_chart(
        ChartData(points[0][0], points[-1][0], (ChartSeries("", points),), (("critical", 5.0),), Unit.PERCENT), 80, 11
    )
    drawn = ["".join(words for words, _ in line) for line in lines]
    assert drawn[0].startswith("     10 % █")
    assert any(line.startswith("      5 % ") for line in drawn)
    assert drawn[-3].startswith("      0 % │")
    assert "14:10" in drawn[-1]


def test_an_axis_has_units_and_says_where_it_does_not_begin_at_zero() -> None:
    """Millions and milliseconds are not counted in zeros; a curve that fills the height says that the axis is cut."""

    def axis(values: tuple[float, float], unit: Unit) -> list[str]:
        points = tuple((1_767_276_207.0 + 60.0 * at, value) for at, value in enumerate(values))
        lines = render_chart(ChartData(points[0][0], points[-1][0], (ChartSeries("", points),), unit=unit), 80, 11)
        return ["".join(words for words, _ in line)[:9].strip() for line in lines]

    millions = axis((7.2e6, 7.8e6), Unit.COUNT)
    assert {"7.8 M", "7.2 M", "not at 0"} <= set(millions)
    fast = axis((0.0, 0.12), Unit.SECONDS)
    assert any(label.endswith(" ms") for label in fast) and "not at 0" not in fast


def test_another_time_is_drawn_beside_and_told_from_the_series() -> None:
    """Yesterday is another kind of line, named in the legend; without it the cells are the series' own."""
    points = tuple((1_767_276_207.0 + 15.0 * at, 1.0) for at in range(241))
    data = ChartData(points[0][0], points[-1][0], (ChartSeries("", points),))
    ghost = replace(data, ghost=ChartSeries("yesterday", tuple((at, 4.0) for at, _ in points)))
    alone, both = (["".join(words for words, _ in line) for line in render_chart(item, 80, 11)] for item in (data, ghost))
    assert "yesterday" in both[-1] and not any("yesterday" in line for line in alone)
    dots = [sum("\u2801" <= character <= "\u28ff" for character in line) for line in both]
    assert sum(count > 20 for count in dots) == 2, dots


@given(st.floats(-1e9, 1e9), st.floats(1e-6, 1e9))
def test_a_rounded_range_contains_the_original(low: float, span: float) -> None:
    """Rounding only widens the range, at most to twice its size."""
    lower, upper = round_range(low, low + span)
    hair = 1e-6 + 1e-8 * span  # slightly less than a whole step counts as one
    assert lower <= low + hair
    assert upper >= low + span - hair
    assert upper - lower <= 2.0 * span + 1e-6


@pytest.mark.parametrize("seconds", [300.0, 900.0, 3600.0, 6 * 3600.0, 86_400.0, 2 * 86_400.0, 7 * 86_400.0, 30 * 86_400.0])
@pytest.mark.parametrize("most", [2, 7, 17, 33])
def test_no_two_times_on_an_axis_read_the_same(seconds: float, most: int) -> None:
    """However wide the chart is: twelve hours apart, two dates would."""
    now = 1_767_276_207.0
    labels = [format_tick(at, seconds) for at in place_time_ticks(now - seconds, now, most=most)]
    assert labels and len(set(labels)) == len(labels)


def test_time_ticks_are_full_minutes_hours_or_days() -> None:
    """An hour has a tick every ten minutes, a week every day, and never more than requested."""
    hour = place_time_ticks(1_767_276_207.0 - 3600.0, 1_767_276_207.0, most=6)
    assert [at % 600.0 for at in hour] == [0.0] * 6
    week = place_time_ticks(1_767_276_207.0 - 7 * 86400.0, 1_767_276_207.0, most=7)
    assert [at % 86400.0 for at in week] == [0.0] * 7
