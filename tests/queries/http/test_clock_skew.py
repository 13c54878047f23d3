"""Whether clocks differ, from what answers say of theirs."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime, formatdate, parsedate_to_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from queries.http.clock_skew import ServerClock

NOW = 1_800_000_000.0


def warning(ahead: float, *, took: float = 0.1, **headers: str) -> str:
    clock = ServerClock()
    date = formatdate(NOW + took / 2 + ahead, usegmt=True)
    clock.on_response({"date": date, **headers}, sent_at=NOW, received_at=NOW + took)
    return clock.warning("http://x")


@pytest.mark.parametrize(
    ("ahead", "words"),
    [
        (3600.0, "clock differs by 1h at http://x: it is ahead of"),
        (-3600.0, "clock differs by 1h at http://x: it is behind"),
        (90.0, "differs by 1m30s"),
        (-40.0, "differs by 39s"),
        (-86_400.0 * 3, "differs by 3d"),
    ],
)
def test_a_difference_is_told_with_its_side(ahead: float, words: str) -> None:
    """How much, which side is ahead, what is wrong because of it, and what to do."""
    assert words in warning(ahead)
    assert "check the time service" in warning(ahead)


@given(st.floats(-28.0, 28.0), st.floats(0.0, 20.0))
def test_network_load_and_rounding_are_no_difference(ahead: float, took: float) -> None:
    """Neither a slow answer nor the Date's whole seconds make a warning."""
    assert warning(ahead, took=took) == ""


def test_a_cached_answer_is_not_late() -> None:
    """A cache's Age is time that passed since the Date was written."""
    assert warning(-3600.0, age="3600") == ""


@given(st.text(), st.text())
def test_no_header_breaks_it(date: str, age: str) -> None:
    """A Date that is none says nothing."""
    clock = ServerClock()
    clock.on_response({"date": date, "age": age}, sent_at=NOW, received_at=NOW)
    assert isinstance(clock.warning("x"), str)


def test_it_ends_with_the_difference() -> None:
    """The next answer with the right time takes the warning away."""
    clock = ServerClock()
    clock.on_response({"date": formatdate(NOW + 3600)}, sent_at=NOW, received_at=NOW)
    assert clock.warning("x")
    clock.on_response({"date": formatdate(NOW)}, sent_at=NOW, received_at=NOW)
    assert clock.warning("x") == ""


@pytest.mark.parametrize(("ahead", "warned"), [(29.0, False), (30.0, True), (-29.0, False), (-30.0, True)])
def test_half_a_minute_is_notable(ahead: float, warned: bool) -> None:
    """Less may be the network or the rounding of Date; both sides alike."""
    clock = ServerClock()
    late = 1.0 if ahead < 0 else 0.0  # Date leaves out a fraction of its second, which counts for the server
    clock.on_response({"date": formatdate(NOW + ahead - late)}, sent_at=NOW, received_at=NOW)
    assert bool(clock.warning("x")) is warned and clock.ahead_seconds == ahead


@given(moment=st.datetimes(min_value=datetime(1000, 1, 1), max_value=datetime(9999, 12, 31)))
def test_the_form_that_servers_send_is_read_as_by_the_standard_library(moment: datetime) -> None:
    """Every second of the years that it can name."""
    date = format_datetime(moment.replace(tzinfo=UTC), usegmt=True)
    clock = ServerClock()
    sent = parsedate_to_datetime(date).timestamp()
    clock.on_response({"date": date}, sent_at=sent + 100.0, received_at=sent + 100.0)
    assert clock.ahead_seconds == -99.0


@pytest.mark.parametrize(
    "date",
    [
        "Sun, 06 Nov 1994 08:49:60 GMT",
        "Sun, 31 Feb 1994 08:49:37 GMT",
        "Sun, 06 Foo 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
        "Sun, 06 Nov 1994 08:49:37 +0200",
        "sun, 6 nov 1994 8:49 GMT",
    ],
)
def test_other_forms_are_read_as_by_the_standard_library(date: str) -> None:
    """A leap second, days that do not exist, the forms of former times, and other zones."""
    try:
        expected = parsedate_to_datetime(date).timestamp()
    except (ValueError, TypeError):
        expected = 1.0e6
    clock = ServerClock()
    clock.on_response({"date": date}, sent_at=expected + 100.0, received_at=expected + 100.0)
    assert clock.ahead_seconds == (-99.0 if expected != 1.0e6 else 0.0)
