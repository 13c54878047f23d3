"""The axes of charts, each rule on its line."""

from __future__ import annotations

import math

import pytest

from queries.model.chart import ChartData, ChartSeries
from queries.text.axes import (
    drawable_values,
    format_tick,
    is_drawable,
    place_time_ticks,
    round_range,
    round_up,
    shade_level,
    shade_starts,
    value_range,
)


@pytest.mark.parametrize(
    ("value", "fits"),
    [(0.0, True), (9.9e299, True), (-9.9e299, True), (1e300, False), (-1e300, False), (math.inf, False), (math.nan, False)],
)
def test_what_fits_on_a_scale(value: float, fits: bool) -> None:
    """Up to a size whose differences still are numbers."""
    assert is_drawable(value) is fits
    data = ChartData(0.0, 1.0, (ChartSeries("", ((0.0, value),)),), best=((0.0, 2.0),), ghost=ChartSeries("", ((0.0, 3.0),)))
    assert drawable_values(data) == [*([value] if fits else []), 2.0, 3.0]


@pytest.mark.parametrize(
    ("values", "thresholds", "expected"),
    [
        ([0.0, 4.0], (), (0.0, 4.0)),
        ([0.0, 3.9], (), (0.0, 4.0)),
        ([2.0, 6.0], (), (2.0, 6.0)),
        ([1.99, 6.0], (), (0.0, 6.0)),
        ([-2.0, 6.0], (), (-2.0, 6.0)),
        ([4.0, 4.0], (), (0.0, 4.0)),
        ([0.0, 0.0], (), (0.0, 1.0)),
        ([-4.0, -4.0], (), (-4.0, -3.0)),
        ([0.0, 1.0], (100.0,), (0.0, 100.0)),
        ([0.0, 1.0], (100.0, 300.0), (0.0, 300.0)),
        ([0.0, 1.0], (100.0, 301.0), (0.0, 100.0)),
        ([0.0, 10.0], (5.0, 30.0), (0.0, 30.0)),
        ([0.0, 10.0], (5.0, 30.1), (0.0, 10.0)),
        ([50.0, 60.0], (40.0,), (40.0, 60.0)),
        ([90.0, 100.0], (95.0, 70.0), (70.0, 100.0)),
    ],
)
def test_the_range_of_values(values: list[float], thresholds: tuple[float, ...], expected: tuple[float, float]) -> None:
    """All samples and the nearest threshold; a further one while the range grows to at most three times its length. It is from
    zero on where the smallest value is less than half of the span, and where all are the same."""
    assert value_range(values, thresholds) == pytest.approx(expected)


def test_round_numbers() -> None:
    """Steps of 1, 2, 2.5 and 5, a quarter of the range each; a range of no length stays."""
    found = [round_range(0.0, top) for top in (4.0, 4.1, 8.0, 8.1, 10.0, 10.1, 20.0, 20.1)]
    assert found == [(0.0, top) for top in (4.0, 6.0, 8.0, 10.0, 10.0, 15.0, 20.0, 30.0)]
    assert (
        round_range(3.0, 3.0) == (3.0, 3.0)
        and round_range(5.0, 3.0) == (5.0, 3.0)
        and round_range(0.0, math.inf) == (0.0, math.inf)
    )
    assert round_range(0.0, 0.3) == (0.0, 0.3) and round_range(-0.3, 0.3) == (-0.4, 0.4)
    assert [round_up(value) for value in (-1.0, 0.0, 1.0, 1.01, 2.0, 2.3, 2.6, 5.0, 7.0, 1000.0)] == [
        0.0,
        0.0,
        1.0,
        2.0,
        2.0,
        2.5,
        5.0,
        5.0,
        10.0,
        1000.0,
    ]


def test_shades_are_quarters() -> None:
    """Exactly where a shade begins it is still the one before; nothing and less are no shade."""
    assert shade_starts(64.0) == (0.0, 1.0, 4.0, 16.0)
    assert [shade_level(value, 64.0) for value in (-1.0, 0.0, 0.01, 1.0, 1.01, 4.0, 4.01, 16.0, 16.01, 64.0)] == [
        0,
        0,
        1,
        1,
        2,
        2,
        3,
        3,
        4,
        4,
    ]


@pytest.mark.parametrize(
    ("span", "most", "step"),
    [
        *((599.0, 6, 120.0), (599.0, 9, 120.0), (600.0, 10, 60.0), (600.0, 9, 120.0), (3600.0, 6, 600.0), (3600.0, 5, 900.0)),
        *((86_400.0, 8, 10_800.0), (86_400.0, 7, 21_600.0), (26 * 3600.0, 30, 3600.0), (26 * 3600.0 + 1, 30, 86_400.0)),
        *((7 * 86_400.0, 7, 86_400.0), (7 * 86_400.0, 6, 2 * 86_400.0)),
    ],
)
def test_ticks_are_the_shortest_step_of_which_there_are_few_enough(span: float, most: int, step: float) -> None:
    """Both ends of the window may have one."""
    start = 1_767_225_600.0  # a midnight
    ticks = place_time_ticks(start, start + span, most=most)
    assert ticks == tuple(start + at * step for at in range(int(span // step) + 1))


def test_a_window_without_length_has_no_ticks() -> None:
    """And no axis has fewer than one."""
    assert place_time_ticks(5.0, 5.0, most=4) == () == place_time_ticks(6.0, 5.0, most=4) == place_time_ticks(0.0, 60.0, most=0)
    assert place_time_ticks(0.0, 60.0, most=1) == (0.0, 60.0)


@pytest.mark.parametrize(
    ("span", "label"), [(599.9, "00:01:05"), (600.0, "00:01"), (26 * 3600.0, "00:01"), (26 * 3600.0 + 1, "01-01")]
)
def test_a_label_is_as_fine_as_its_axis(span: float, label: str) -> None:
    """Seconds under ten minutes, days beyond 26 hours."""
    assert format_tick(65.0, span) == label and format_tick(65.0, span, mark=True) == f"{label}Z"
