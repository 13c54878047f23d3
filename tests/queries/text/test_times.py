"""Moments in words: right where there is a date, and a word where there is none."""

from __future__ import annotations

import ast
import math
import time
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from queries.text.times import UNKNOWN, format_milliseconds, format_time, parse_rfc3339

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
