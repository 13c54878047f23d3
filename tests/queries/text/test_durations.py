"""One syntax of durations, and the words for lengths and ages of time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from queries.text.durations import (
    LONGEST_SECONDS,
    YEAR_SECONDS,
    ago,
    format_age,
    format_difference,
    format_duration,
    format_span,
    format_timer,
    parse_duration,
)
from queries.text.times import InvalidTime


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("0s", 0.0),
        ("5ms", 0.005),
        ("5m", 300.0),
        ("5m5ms", 300.005),
        ("1h30m", 5400.0),
        ("1y2w3d4h5m6s7ms", 33_019_506.007),
    ],
)
def test_the_units_of_prometheus_are_read_in_their_order(text: str, seconds: float) -> None:
    """Years to milliseconds, each once; a bare 0 needs no unit."""
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text", ["", "5", "m", "5 m", " 5m", "-5m", "5m!", "1.5h", "30m1h", "5m5m", "5M", "٣m", "1h 30m", "00"]
)
def test_text_that_prometheus_refuses_is_refused(text: str) -> None:
    """Another order, a repeated unit, a space, a sign, a fraction, another script's digits."""
    with pytest.raises(InvalidTime, match="is not a duration"):
        parse_duration(text)


def test_the_range_is_the_callers() -> None:
    """Both ends are allowed, one millisecond beyond is not; without a range the limit is what Go can hold."""
    assert parse_duration("1s", least=1.0, most=YEAR_SECONDS) == 1.0
    assert parse_duration("366d", least=1.0, most=YEAR_SECONDS) == YEAR_SECONDS
    for text in ("999ms", "0", "366d1ms", "2y"):
        with pytest.raises(InvalidTime, match="is not between one second and a year"):
            parse_duration(text, least=1.0, most=YEAR_SECONDS)
    assert parse_duration(f"{int(LONGEST_SECONDS)}s") == LONGEST_SECONDS
    for text in (f"{int(LONGEST_SECONDS) + 1}s", "9" * 500 + "d"):
        with pytest.raises(InvalidTime):
            parse_duration(text)


@given(st.integers(0, int(YEAR_SECONDS) * 1000))
def test_the_writer_is_read_back(milliseconds: int) -> None:
    """What is written for a length of time means that length again, to the millisecond."""
    assert parse_duration(format_duration(milliseconds / 1000)) == pytest.approx(milliseconds / 1000, abs=1e-6)


def test_the_shortest_text_is_written() -> None:
    """Units that are zero are left out; a week is seven days."""
    assert [format_duration(seconds) for seconds in (0, 0.5, 60, 5400, 86_400, 604_800)] == [
        "0s",
        "500ms",
        "1m",
        "1h30m",
        "1d",
        "7d",
    ]


@pytest.mark.parametrize(
    ("seconds", "span", "age", "timer"),
    [
        (-3, "0s", "0s", "0s"),
        (59.9, "59s", "59s", "59s"),
        (60, "1m", "1m", "1m"),
        (3599, "59m59s", "59m", "59m59s"),
        (3600, "1h", "1h", "1h"),
        (86_399, "23h59m", "23h59m", "23h59m59s"),
        (86_400, "1d", "1d", "1d"),
        (864_000, "10d", "10d", "10d"),
    ],
)
def test_each_form_changes_its_units_on_the_line(seconds: float, span: str, age: str, timer: str) -> None:
    """The second before a minute, an hour, a day and ten days, and the moment itself."""
    assert (format_span(seconds), format_age(seconds), format_timer(seconds)) == (span, age, timer)


def test_ages_and_differences_name_their_unit() -> None:
    """An age rounds down, a difference of clocks rounds to a tenth; a moment of 0 is unknown."""
    assert [ago(1.0, 1.0 + seconds) for seconds in (59, 60, 3600, 86_400)] == ["59s ago", "1m ago", "1h ago", "1d ago"]
    assert ago(0.0, 5.0) == "at an unknown time"
    assert [format_difference(seconds) for seconds in (40, 60, 5400, 259_200)] == ["40s", "1m", "1h30m", "3d"]
