"""Days, hours, weeks and typed times of the zone that is shown, exactly where one ends and the next begins."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from queries.text.times import (
    UNKNOWN,
    InvalidTime,
    due_today,
    find_moments,
    find_zone,
    format_local,
    format_shown,
    in_zone,
    is_same_period,
    local_date,
    local_hour,
    local_midnight,
    local_minute,
    local_seconds,
    next_week_minute,
    shown_zone,
    to_datetime,
    to_shown,
    use_zone,
    utc,
    wall_clock_seconds,
    week_minute,
    zone_seconds,
)

THURSDAY = 1_767_225_600.0  # 2026-01-01 00:00 UTC
DAY, HOUR = 86_400.0, 3600.0
BERLIN = ZoneInfo("Europe/Berlin")
AUTUMN = 1_792_890_000.0  # 2026-10-25 01:00 UTC: the clocks of Berlin go from 03:00 back to 02:00


@pytest.fixture(autouse=True)
def zone() -> Iterator[None]:
    """UTC for what is shown and for days, whatever the machine has; the defaults afterwards."""
    use_zone("utc")
    yield
    use_zone("")


def test_zones_by_name() -> None:
    """In either case; None is the machine's; what is no zone is refused with what to write."""
    assert (find_zone("UTC"), find_zone("Local"), find_zone("Europe/Berlin")) == (UTC, None, BERLIN)
    for name in ("Mars/Olympus", "../etc/passwd", "x" * 300):
        with pytest.raises(InvalidTime, match="is not a time zone") as refused:
            find_zone(name)
        assert len(str(refused.value)) < 150
    assert shown_zone() == "UTC"
    use_zone("Europe/Berlin")
    assert shown_zone() in ("CET", "CEST")


def test_the_machines_own_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    """By default the local zone is TZ, and what is shown is UTC."""
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    time.tzset()
    try:
        use_zone("")
        assert format_local(THURSDAY) == "05:45 +0545" and format_shown(THURSDAY, "%H:%M") == "00:00Z"
        assert local_minute(THURSDAY) == 345 and local_hour(THURSDAY) == THURSDAY - 45 * 60
        assert local_seconds("2026-01-01 05:45") == THURSDAY and zone_seconds(datetime(2026, 1, 1)) == THURSDAY
        use_zone("local")
        assert zone_seconds(datetime(2026, 1, 1, 5, 45)) == THURSDAY and shown_zone() == "+0545"
    finally:
        monkeypatch.undo()
        time.tzset()


def test_what_is_no_moment() -> None:
    """Every form has its word for it, and none raises."""
    for at in (math.nan, math.inf, -1e300, 1e300):
        assert (to_shown(at), to_datetime(at), in_zone(at, BERLIN)) == (None, None, None)
        assert format_shown(at, "%H:%M") == UNKNOWN and format_shown(at, "%H:%M", unknown="?") == "?"
        assert wall_clock_seconds(at) == at or math.isnan(at)
        with pytest.raises(InvalidTime, match="outside the calendar"):
            utc(at)
    assert utc(THURSDAY) == "2026-01-01T00:00:00Z" and format_shown(THURSDAY, "%H:%M", mark=False) == "00:00"
    use_zone("Asia/Tokyo")
    assert to_shown(253_402_300_799.0) is None and format_shown(253_402_300_799.0, "%H:%M") == UNKNOWN


def test_a_moment_in_a_zone() -> None:
    """As the wall clock of that zone shows it, and its seconds since that clock's 1970."""
    found = in_zone(THURSDAY, BERLIN)
    assert found is not None and (found.hour, found.day) == (1, 1)
    use_zone("Europe/Berlin")
    assert wall_clock_seconds(THURSDAY) == THURSDAY + HOUR


def test_a_time_of_another_day_has_its_day() -> None:
    """Only where the local day differs from that of now."""
    assert format_local(THURSDAY, now=THURSDAY + DAY - 1.0) == "00:00 UTC"
    assert format_local(THURSDAY, now=THURSDAY + DAY) == "Thu 1 Jan 00:00 UTC"
    assert format_local(THURSDAY) == "00:00 UTC" and format_local(math.nan, now=THURSDAY) == UNKNOWN
    use_zone("Europe/Berlin")  # half past midnight there is another day in UTC
    assert format_local(THURSDAY + DAY - HOUR / 2, now=THURSDAY + DAY + HOUR) == "00:30 CET"
    assert format_local(THURSDAY + DAY - HOUR / 2, now=THURSDAY + 22 * HOUR) == "Fri 2 Jan 00:30 CET"


def test_a_time_that_passes_twice_or_never() -> None:
    """Both moments of the hour that the clocks repeat, none of the one that they skip, one of any other; UTC has one."""
    use_zone("Europe/Berlin")
    assert find_moments(datetime(2026, 10, 25, 2, 30)) == (AUTUMN - HOUR / 2, AUTUMN + HOUR / 2)
    assert find_moments(datetime(2026, 3, 29, 2, 30)) == ()
    assert find_moments(datetime(2026, 1, 1, 1, 0)) == (THURSDAY,)
    assert find_moments(datetime(2026, 10, 25, 2, 30), is_utc=True) == (AUTUMN + 1.5 * HOUR,)


@pytest.mark.parametrize(
    ("started", "now", "daily", "hourly"),
    [
        (0.0, 900.0, True, True),
        (23.9 * HOUR, 23.9 * HOUR + 899.9, True, True),
        (23.9 * HOUR, 23.9 * HOUR + 900.0, False, False),
        (0.0, 23.99 * HOUR, True, False),
        (0.0, 24.0 * HOUR, False, False),
        (HOUR, 1.99 * HOUR, True, True),
        (HOUR, 25.0 * HOUR, False, False),
        (20.0, -879.9, True, True),
    ],
)
def test_one_run_of_a_day_or_an_hour(started: float, now: float, daily: bool, hourly: bool) -> None:
    """The same local day or hour of the same day, and for a quarter of an hour in any case."""
    assert is_same_period(THURSDAY + started, THURSDAY + now, due="09:00") is daily
    assert is_same_period(THURSDAY + started, THURSDAY + now, due="hourly") is hourly


def test_a_run_that_has_no_date() -> None:
    """It is not of this day."""
    assert is_same_period(1e300, THURSDAY, due="09:00") is False and is_same_period(math.nan, THURSDAY, due="hourly") is False


def test_the_date_so_many_days_later() -> None:
    """A day counts as one where the clocks change, too; the calendar has an end."""
    use_zone("Europe/Berlin")
    before = AUTUMN - 1.5 * HOUR - DAY  # 24 Oct 01:30, the day before the one of 25 hours
    assert [local_date(before, days=days) for days in (0, 1, 2)] == ["2026-10-24", "2026-10-25", "2026-10-26"]
    assert local_date(AUTUMN - 2.5 * HOUR, days=1) == "2026-10-26"
    assert local_date(253_402_250_000.0, days=1) == UNKNOWN


def test_the_beginnings_of_hour_and_day() -> None:
    """At the beginning itself it is that moment, just before it the one before."""
    at = THURSDAY + 5 * HOUR
    assert (local_hour(at), local_hour(at - 0.5), local_hour(at + HOUR - 0.5)) == (at, at - HOUR, at)
    assert (local_midnight(THURSDAY), local_midnight(THURSDAY - 0.5), local_midnight(at)) == (
        THURSDAY,
        THURSDAY - DAY,
        THURSDAY,
    )
    assert (local_minute(at), local_minute(at + 61.0), local_minute(THURSDAY - 1.0)) == (300, 301, 1439)
    assert local_midnight(1e300) == DAY, "a clock outside the calendar has a day all the same"


@pytest.mark.parametrize(
    ("due", "at"), [("09:30", 9.5 * HOUR), ("0:00", 0.0), ("hourly", None), ("", None), (":30", None), ("9:", None)]
)
def test_when_a_checklist_is_due(due: str, at: float | None) -> None:
    """On this local day, before or after now; without a time of day it is not due."""
    for now in (THURSDAY, THURSDAY + 23.0 * HOUR):
        assert due_today(due, now) == (None if at is None else THURSDAY + at)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-01-01", THURSDAY),
        ("2026-01-01 18:00", THURSDAY + 18 * HOUR),
        ("2026-01-01T18:00:00+02:00", THURSDAY + 16 * HOUR),
        ("2026-01-01T18:00Z", THURSDAY + 18 * HOUR),
    ],
)
def test_a_typed_date(text: str, at: float) -> None:
    """In the local zone unless it names one."""
    assert local_seconds(text) == at


@pytest.mark.parametrize("text", ["", "tomorrow", "2026-13-01", "18:00"])
def test_what_is_no_date(text: str) -> None:
    """It is refused with how to write one."""
    with pytest.raises(InvalidTime, match="write it like 2026-12-20 18:00"):
        local_seconds(text)


@pytest.mark.parametrize(("at", "minute"), [(0.0, 3 * 1440), (61.0, 3 * 1440 + 1), (-3 * DAY, 0), (-3 * DAY - 1.0, 10_079)])
def test_the_minute_of_a_week(at: float, minute: int) -> None:
    """From Monday at midnight on."""
    assert week_minute(THURSDAY + at) == minute


@pytest.mark.parametrize(
    ("minute", "after"),
    [(3 * 1440 + 1, 60.0), (3 * 1440, 7 * DAY), (3 * 1440 - 1, 7 * DAY - 60.0), (0, 4 * DAY), (10_079, 4 * DAY - 60.0)],
)
def test_the_next_moment_of_a_week(minute: int, after: float) -> None:
    """Later this week or next week; a minute that begins now has begun already."""
    assert next_week_minute(minute, THURSDAY) == THURSDAY + after


def test_the_hour_that_passes_twice_is_two_hours() -> None:
    """A run of the first one is not the run of the second, though the clock reads the same; within one of them it is."""
    use_zone("Europe/Berlin")
    assert not is_same_period(AUTUMN - 0.7 * HOUR, AUTUMN + 0.3 * HOUR, due="hourly")
    assert is_same_period(AUTUMN - 0.9 * HOUR, AUTUMN - 0.1 * HOUR, due="hourly")
    assert is_same_period(AUTUMN + 0.1 * HOUR, AUTUMN + 0.9 * HOUR, due="hourly")


def test_a_time_of_day_that_passes_twice_is_due_the_first_time() -> None:
    """At every moment of that day: else what was overdue would be due again."""
    use_zone("Europe/Berlin")
    for now in (AUTUMN - 3 * HOUR, AUTUMN - 0.1 * HOUR, AUTUMN + 0.1 * HOUR, AUTUMN + 5 * HOUR):
        assert due_today("02:30", now) == AUTUMN - HOUR / 2


def test_a_day_begins_with_the_first_of_two_midnights() -> None:
    """On the Azores the clocks go back from 01:00 to 00:00: that hour belongs to the day twice."""
    use_zone("Atlantic/Azores")
    first = AUTUMN - HOUR
    assert [local_midnight(AUTUMN + after * HOUR) - first for after in (-1.0, -0.5, 0.0, 0.5, 1.0, 20.0)] == [0.0] * 6
    assert local_midnight(first - 1.0) == first - DAY
