"""Go's timestamps become Unix seconds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from queries.text.rfc3339 import unix_seconds


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
def test_forms(text: str, seconds: float) -> None:
    """Nanoseconds, offsets and Go's zero time."""
    assert unix_seconds(text) == pytest.approx(seconds, abs=1e-5)


@pytest.mark.parametrize("text", ["yesterday", "2026-01-01", "2026-01-01T09:00:00", "2026-13-01T00:00:00Z"])
def test_no_time(text: str) -> None:
    """What is no time in a zone is refused: a guess would be hours off."""
    with pytest.raises(ValueError):
        unix_seconds(text)


@given(
    st.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1)),
    st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes))),
)
def test_every_moment(moment: datetime, zone: timezone) -> None:
    """Any moment in any zone comes back to the microsecond."""
    aware = moment.replace(tzinfo=UTC)
    assert unix_seconds(aware.astimezone(zone).isoformat()) == pytest.approx(aware.timestamp(), abs=1e-5)
