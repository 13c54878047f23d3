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


AFTER_GOING_BACK = datetime(2026, 10, 25, 8, 0, tzinfo=UTC).timestamp()
"""The morning on which the clocks of Berlin went from 03:00 CEST back to 02:00 CET, at 01:00 in UTC."""
AFTER_THE_SKIP = datetime(2026, 3, 29, 8, 0, tzinfo=UTC).timestamp()
"""The morning on which they went from 02:00 CET to 03:00 CEST, at 01:00 in UTC."""


@pytest.mark.usefixtures("berlin")
@pytest.mark.parametrize("text", ["02:30", "2026-10-25 02:30", "2026-10-25T02:30:00"])
def test_a_time_that_passed_twice_asks_which(text: str) -> None:
    """Half past two passed at 00:30 and at 01:30 in UTC: the error names both as they can be typed."""
    with pytest.raises(InvalidTime, match="passed twice") as error:
        parse_moment(text, now=AFTER_GOING_BACK)
    assert "2026-10-25 02:30 CEST or 2026-10-25 02:30 CET" in str(error.value)


@pytest.mark.usefixtures("berlin")
@pytest.mark.parametrize(
    ("text", "hour"),
    [
        ("02:30 CEST", 0),
        ("02:30 CET", 1),
        ("2026-10-25 02:30 cest", 0),
        ("2026-10-25 02:30 CET", 1),
        ("01:30", -1),
        ("03:30", 2),
    ],
)
def test_the_word_of_the_zone_says_which_of_the_two(text: str, hour: int) -> None:
    """CEST is the first pass, CET the second; an hour before and after there is nothing to say."""
    expected = datetime(2026, 10, 25, 0, 30, tzinfo=UTC).timestamp() + 3600 * hour
    assert parse_moment(text, now=AFTER_GOING_BACK) == expected


@pytest.mark.usefixtures("berlin")
def test_between_the_two_passes_only_the_first_has_been() -> None:
    """At 02:10 CET, half past two has passed once."""
    now = datetime(2026, 10, 25, 1, 10, tzinfo=UTC).timestamp()
    assert parse_moment("02:30", now=now) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC).timestamp()


@pytest.mark.usefixtures("berlin")
@pytest.mark.parametrize("text", ["02:30", "2026-03-29 02:30", "02:30 CET"])
def test_a_time_that_the_clocks_skipped_never_was(text: str) -> None:
    """On that morning no clock of Berlin showed half past two."""
    with pytest.raises(InvalidTime, match=r"never was|is not the zone"):
        parse_moment(text, now=AFTER_THE_SKIP)


@pytest.mark.usefixtures("berlin")
def test_another_zones_word_is_refused() -> None:
    """`03:12 PST` is not guessed."""
    with pytest.raises(InvalidTime, match="PST is not the zone that is shown"):
        parse_moment("03:12 PST", now=NOW.timestamp())


@pytest.mark.parametrize("text", ["", "25:00", "3", "yesterday", "-x", "2026-13-01"])
def test_anything_else_says_what_to_write(text: str) -> None:
    """Never a guess."""
    with pytest.raises(InvalidTime):
        parse_moment(text, now=NOW.timestamp())


@pytest.mark.parametrize("text", ["23:59:59", "00:00", "02:30:00"])
def test_every_time_of_a_day_is_one(text: str) -> None:
    """The first and the last second of a day, and this very second."""
    hour, minute, second = (*(int(part) for part in text.split(":")), 0)[:3]
    today = NOW.replace(hour=hour, minute=minute, second=second)
    assert parse_moment(text, now=NOW.timestamp()) == min(today.timestamp(), today.timestamp() - 86_400.0 * (today > NOW))


@pytest.mark.parametrize("text", ["24:00", "23:60", "23:59:60"])
def test_one_more_is_no_time_of_a_day(text: str) -> None:
    """Hours up to 23, minutes and seconds up to 59."""
    with pytest.raises(InvalidTime, match="is not a time of day"):
        parse_moment(text, now=NOW.timestamp())
