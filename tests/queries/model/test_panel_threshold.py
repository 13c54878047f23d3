"""One rule says what the value exactly at a threshold means, for every part of the console that compares with one."""

from __future__ import annotations

import math

import pytest

from queries.model.chart import ChartData
from queries.model.panel import is_crossed


@pytest.mark.parametrize(
    ("value", "lower_is_worse", "crossed"),
    [
        (math.nextafter(5.0, 0.0), False, False),
        (5.0, False, True),
        (math.nextafter(5.0, 9.0), False, True),
        (math.nextafter(5.0, 0.0), True, True),
        (5.0, True, False),
        (math.nextafter(5.0, 9.0), True, False),
        (math.nan, False, False),
        (math.nan, True, False),
    ],
)
def test_a_large_value_crosses_a_limit_by_reaching_it_and_a_small_one_by_falling_below(
    value: float, lower_is_worse: bool, crossed: bool
) -> None:
    """Exactly at the limit a large value is crossed and a small one is not; without a limit, and for NaN, nothing is."""
    assert is_crossed(value, 5.0, lower_is_worse=lower_is_worse) is crossed
    assert not is_crossed(value, None, lower_is_worse=lower_is_worse)


def test_a_chart_names_the_threshold_that_a_value_crossed() -> None:
    """The marks below a chart follow the same rule as the verdict, exactly at a threshold too."""
    high = ChartData(0.0, 1.0, thresholds=(("warn", 1.0), ("critical", 5.0)))
    low = ChartData(0.0, 1.0, thresholds=(("warn", 90.0), ("critical", 70.0)), lower_is_worse=True)
    assert [high.beyond(value) for value in (0.9, 1.0, 4.9, 5.0)] == ["", "warn", "warn", "critical"]
    assert [low.beyond(value) for value in (90.0, 89.9, 70.0, 69.9)] == ["", "warn", "warn", "critical"]
