"""Numbers where their form changes, exactly there and just before."""

from __future__ import annotations

import math

import pytest

from queries.model.panel import Unit
from queries.text.durations import (
    ago,
    format_age,
    format_brief_age,
    format_difference,
    format_elapsed,
    format_timer,
    measure_text,
)
from queries.text.numbers import format_brief, format_bucket, format_number, format_scaled, format_short, parse_quantity


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (999_999.0, "999999.00"),
        (1_000_000.0, "1e+06"),
        (-1_000_000.0, "-1e+06"),
        (-999_999.0, "-999999.00"),
        (math.inf, "+Inf"),
        (-math.inf, "-Inf"),
    ],
)
def test_a_number_of_a_million_is_short(value: float, words: str) -> None:
    """From a million on, in both directions."""
    assert format_number(value, 2) == words


def test_brief_numbers() -> None:
    """Three digits below a hundred, none after the point from there on; four decimals below a thousandth."""
    assert [format_brief(value) for value in (99.94, 100.0, 100.4, -100.4, 99.0)] == ["99.9", "100", "100", "-100", "99"]
    assert [format_brief(value) for value in (0.001, 0.00099, 0.0015)] == ["0.001", "0.0010", "0.0015"]
    assert [format_short(value) for value in (999_999.0, 1e6, -1e6, 0.0004, -0.5)] == ["999999", "1e+06", "-1e+06", "0", "-0.5"]


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [
        (9999.0, None, "9999"),
        (10_000.0, None, "10 k"),
        (-10_000.0, None, "-10 k"),
        (999_000.0, None, "999 k"),
        (1e6, None, "1 M"),
        (1e9, Unit.COUNT, "1 G"),
        (1e12, Unit.PER_SECOND, "1 T/s"),
        (0.0, Unit.PERCENT, "0 %"),
        (-0.0, Unit.PERCENT, "0 %"),
        (2.345, Unit.PERCENT, "2.35 %"),
        (0.9999, Unit.SECONDS, "1000 ms"),
        (1.0, Unit.SECONDS, "1 s"),
        (119.0, Unit.SECONDS, "119 s"),
        (120.0, Unit.SECONDS, "2 min"),
        (7199.0, Unit.SECONDS, "120 min"),
        (7200.0, Unit.SECONDS, "2 h"),
        (0.001, Unit.SECONDS, "1 ms"),
        (0.0009, Unit.SECONDS, "900 µs"),
        (0.0, Unit.SECONDS, "0 s"),
        (math.nan, Unit.SECONDS, "NaN"),
    ],
)
def test_a_value_of_an_axis_has_the_size_that_suits_it(value: float, unit: Unit | None, words: str) -> None:
    """Thousands from ten thousand on, minutes from two, hours from two."""
    assert format_scaled(value, unit) == words


def test_digits_that_an_axis_does_not_show_are_left_out() -> None:
    """An axis of ten needs one decimal, one of a hundred none, one of a tenth three."""
    assert [format_scaled(12.3456, None, span=span) for span in (1000.0, 100.0, 10.0, 1.0, 0.1)] == [
        "12",
        "12",
        "12.3",
        "12.35",
        "12.346",
    ]
    assert format_scaled(12_345_678.0, None, span=100_000.0) == "12.346 M"
    assert (format_bucket(0.1, 0.5, Unit.SECONDS), format_bucket(10.0, math.inf, Unit.SECONDS)) == ("≤ 500 ms", "> 10 s")


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("250m", 0.25),
        ("1536Mi", 1536 * 2.0**20),
        ("1e3", 1000.0),
        ("2E", 2e18),
        ("1Ki", 1024.0),
        ("5", 5.0),
        ("x", 0.0),
        ("", 0.0),
        ("7k", 7000.0),
        ("3u", 3e-6),
    ],
)
def test_quantities_of_kubernetes(text: str, number: float) -> None:
    """With both kinds of suffixes, or an exponent; what is none is 0."""
    assert parse_quantity(text) == pytest.approx(number)


def test_lengths_on_the_line() -> None:
    """The unit changes exactly there."""
    assert [format_age(seconds) for seconds in (59.0, 60.0, 3599.0, 3600.0, 86_399.0, 86_400.0, 863_999.0, 864_000.0)] == [
        *("59s", "1m", "59m", "1h", "23h59m", "1d", "9d23h", "10d"),
    ]
    assert [format_brief_age(seconds) for seconds in (59.0, 60.0, 3600.0, 108_000.0)] == ["59s", "1m", "1h", "30h"]
    assert [format_elapsed(seconds) for seconds in (0.24, 0.999, 1.0, 132.0)] == ["240ms", "999ms", "1s", "2m12s"]
    assert [format_timer(seconds) for seconds in (0.0, 59.0, 3723.0, 86_400.0, 183_600.0)] == [
        "0s",
        "59s",
        "1h2m3s",
        "1d",
        "2d3h",
    ]
    assert [format_difference(seconds) for seconds in (59.0, 59.4, 3563.0, 3564.0, 85_536.0)] == [
        "59s",
        "1m",
        "59m24s",
        "1h",
        "1d",
    ]
    assert [ago(at, 100_000.0) for at in (99_999.0, 100_001.0, 99_941.0, 99_940.0)] == ["1s ago", "0s ago", "59s ago", "1m ago"]


def test_what_a_text_begins_with() -> None:
    """Ages by their seconds, also with `in` and `ago`, numbers before a unit or a slash, and no number in a name."""
    measured = [
        measure_text(text)
        for text in ("3h5m", "in 2m", "4m ago", "5/6", "41 %", "-2", "1,204", "~3", "v2", "1.2.3", "10-4", "api")
    ]
    assert measured == [11_100.0, 120.0, 240.0, 5.0, 41.0, -2.0, 1204.0, 3.0, None, None, None, None]
