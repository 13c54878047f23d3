"""Moments in words: right where there is a date, and a word where there is none."""

from __future__ import annotations

import ast
import math
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from queries.text.axes import format_tick, place_time_ticks
from queries.text.moments import parse_moment
from queries.text.times import (
    UNKNOWN,
    InvalidTime,
    due_today,
    format_clock,
    format_local,
    format_milliseconds,
    format_minute,
    format_moment,
    format_time,
    format_timestamp,
    local_hour,
    local_midnight,
    local_yesterday,
    parse_rfc3339,
    use_zone,
)

ROOT = Path(__file__).parents[3]
_MAKES_DATES = {"fromtimestamp", "utcfromtimestamp", "strftime", "gmtime", "localtime", "ctime", "isoformat"}


def test_a_moment_is_written_as_its_form_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """UTC by default, the machine's zone where that is asked for, milliseconds cut as before."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        assert format_time(1_767_225_600.0) == "2026-01-01T00:00:00Z"
        assert format_time(1_767_225_600.0, "%H:%M %Z", local=True) == "01:00 CET"
        assert format_milliseconds(1_767_225_600.25) == "2026-01-01T00:00:00.250Z"
    finally:
        monkeypatch.undo()
        time.tzset()


@given(st.floats() | st.integers() | st.sampled_from([10.0**300, 10**400, -7e10, 253_402_300_799.9, -62_135_596_800.0]))
def test_no_number_raises(at: float) -> None:
    """Any number at all gives a text: a date, or the word for none."""
    for local in (False, True):
        assert format_time(at, local=local)
    assert format_milliseconds(at)


def test_what_is_no_date_says_so() -> None:
    """NaN, infinity and years outside the calendar are unknown, never another date."""
    for at in (math.nan, math.inf, -math.inf, 1e300, -7e10):
        assert format_time(at) == format_milliseconds(at) == UNKNOWN


def test_nothing_else_makes_dates() -> None:
    """No other module turns a number into a date or a date into text, so no other can raise on one. Parsing may; the demo's
    servers write what the real ones write.
    """
    found = []
    for folder in ("console", "widgets", "queries"):
        for path in (ROOT / folder).rglob("*.py"):
            name = path.relative_to(ROOT).as_posix()
            if name == "queries/text/times.py" or name.startswith("console/demo/"):
                continue
            calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)]
            found += [f"{name}:{node.lineno} {node.attr}" for node in calls if node.attr in _MAKES_DATES]
    assert found == []


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01T00:00:01Z", 1.0),
        ("2026-01-01T09:00:00.123456789Z", 1767258000.123456),
        ("2026-01-01T10:00:00.5+01:00", 1767258000.5),
        ("0001-01-01T00:00:00Z", 0.0),
        ("", 0.0),
    ],
)
def test_go_timestamps_become_unix_seconds(text: str, seconds: float) -> None:
    """Nanoseconds, offsets and Go's zero time."""
    assert parse_rfc3339(text) == pytest.approx(seconds, abs=1e-5)


@pytest.mark.parametrize("text", ["yesterday", "2026-01-01", "2026-01-01T09:00:00", "2026-13-01T00:00:00Z"])
def test_text_without_a_zone_is_refused(text: str) -> None:
    """Text that is not a time with a zone is refused: a guess would be hours off."""
    with pytest.raises(ValueError):
        parse_rfc3339(text)


@given(
    st.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1)),
    st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes))),
)
def test_every_moment_survives_its_writing(moment: datetime, zone: timezone) -> None:
    """Any moment in any zone comes back to the microsecond."""
    aware = moment.replace(tzinfo=UTC)
    assert parse_rfc3339(aware.astimezone(zone).isoformat()) == pytest.approx(aware.timestamp(), abs=1e-5)


@pytest.fixture
def default_zone() -> Iterator[None]:
    yield
    use_zone("")


@pytest.mark.usefixtures("default_zone")
def test_a_zone_of_ones_choice_is_shown_and_typed() -> None:
    """Every form names the zone, also across the change to daylight saving; what is typed is read in it; files stay in UTC."""
    winter, summer = 1_767_276_207.0, 1_782_914_607.0  # 2026-01-01 14:03:27 and 2026-07-01 14:03:27 UTC
    assert (format_clock(winter), format_minute(winter), format_moment(winter)) == (
        "14:03:27Z", "14:03Z", "2026-01-01 14:03:27Z",
    )  # fmt: skip
    use_zone("Europe/Berlin")
    assert (format_minute(winter), format_minute(summer)) == ("15:03 CET", "16:03 CEST")
    assert format_moment(summer) == "2026-07-01 16:03:27 CEST" and format_local(summer) == "16:03 CEST"
    assert format_minute(winter, now=summer) == "01 Jan 15:03 CET"
    assert format_timestamp(winter) == "2026-01-01 14:03:27Z" and format_time(winter) == "2026-01-01T14:03:27Z"
    assert parse_moment("15:03", now=winter) == winter - 27 and parse_moment("2026-07-01 16:03:27", now=winter) == summer
    assert format_tick(winter, 3600.0, mark=True) == "15:03 CET" and format_tick(winter, 3600.0) == "15:03"
    half_a_day = place_time_ticks(winter - 43_200.0, winter, most=4)
    assert [format_tick(at, 43_200.0) for at in half_a_day] == ["06:00", "09:00", "12:00", "15:00"]
    month = place_time_ticks(1_774_000_000.0, 1_774_000_000.0 + 14 * 86_400.0, most=14)  # summer time begins on 2026-03-29
    assert [format_minute(at)[:5] for at in month] == ["00:00"] * 14 and 82_800.0 in {b - a for a, b in pairwise(month)}
    assert local_midnight(summer) == 1_782_914_607.0 - 16 * 3600 - 3 * 60 - 27
    assert due_today("09:00", winter) == winter - 6 * 3600 - 3 * 60 - 27 and local_hour(winter) == winter - 3 * 60 - 27
    use_zone("utc")
    assert format_local(winter) == "14:03 UTC" and format_minute(winter) == "14:03Z"
    with pytest.raises(InvalidTime, match="is not a time zone; write utc, local or a name"):
        use_zone("Mars/Olympus")


@pytest.mark.usefixtures("default_zone")
def test_the_machines_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    """`local` is TZ, for what is shown and for days; the days of a zone with daylight saving have 23 and 25 hours."""
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        use_zone("local")
        assert format_minute(1_767_276_207.0) == "09:03 EST"
        use_zone("Europe/Berlin")
        spring = 1_774_749_600.0  # 2026-03-29 02:00 UTC, the day on which the clocks go forward
        assert local_midnight(spring + 86_400) - local_midnight(spring) == 23 * 3600
        assert local_yesterday(spring + 20 * 3600) == spring - 3 * 3600
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(("hours", "dated"), [(18.0, False), (-18.0, False), (18.001, True), (-18.001, True)])
def test_a_minute_has_its_day_where_it_may_be_another(hours: float, dated: bool) -> None:
    """More than 18 hours away, before or after."""
    at = 1_767_276_207.0
    assert format_minute(at, now=at + hours * 3600.0) == ("01 Jan 14:03Z" if dated else "14:03Z")
