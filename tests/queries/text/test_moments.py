"""Moments as a person types them, judged by the calendar."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from queries.text.moments import parse_moment
from queries.text.times import InvalidTime, use_zone

NOW = datetime(2026, 11, 29, 2, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("02:29", datetime(2026, 11, 29, 2, 29, tzinfo=UTC)),
        ("03:12", datetime(2026, 11, 28, 3, 12, tzinfo=UTC)),
        ("03:12:07Z", datetime(2026, 11, 28, 3, 12, 7, tzinfo=UTC)),
        ("2h", datetime(2026, 11, 29, 0, 30, tzinfo=UTC)),
        ("-2h30m", datetime(2026, 11, 29, 0, 0, tzinfo=UTC)),
        ("2026-11-01", datetime(2026, 11, 1, tzinfo=UTC)),
        ("2026-11-01 05:06", datetime(2026, 11, 1, 5, 6, tzinfo=UTC)),
        ("2026-11-01T05:06:07+02:00", datetime(2026, 11, 1, 3, 6, 7, tzinfo=UTC)),
    ],
)
def test_forms(text: str, moment: datetime) -> None:
    """A time of day is the last one; without a zone it is UTC."""
    assert parse_moment(text, now=NOW.timestamp()) == moment.timestamp()


@pytest.fixture
def berlin() -> Iterator[None]:
    """The zone of a config file with `timezone: Europe/Berlin`."""
    use_zone("Europe/Berlin")
    yield
    use_zone("")


@pytest.mark.usefixtures("berlin")
@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("03:12", datetime(2026, 11, 29, 2, 12, tzinfo=UTC)),
        ("03:12Z", datetime(2026, 11, 28, 3, 12, tzinfo=UTC)),
        ("02:29:30z", datetime(2026, 11, 29, 2, 29, 30, tzinfo=UTC)),
        ("2026-11-29 02:12Z", datetime(2026, 11, 29, 2, 12, tzinfo=UTC)),
    ],
)
def test_the_z_of_a_typed_time_is_utc(text: str, moment: datetime) -> None:
    """In Berlin it is 03:30: a bare 03:12 was 18 minutes ago, 03:12Z yesterday."""
    assert parse_moment(text, now=NOW.timestamp()) == moment.timestamp()


@pytest.mark.parametrize("text", ["", "25:00", "3", "yesterday", "-x", "2026-13-01"])
def test_anything_else_says_what_to_write(text: str) -> None:
    """Never a guess."""
    with pytest.raises(InvalidTime):
        parse_moment(text, now=NOW.timestamp())
