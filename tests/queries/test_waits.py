"""A wait by a clock that can be set."""

from __future__ import annotations

import pytest

from queries.waits import still_waits


@pytest.mark.parametrize(("now", "waits"), [(1000.0, True), (1299.0, True), (1300.0, False), (2000.0, False), (690.0, False)])
def test_a_wait_ends_in_time_or_once_the_clock_was_set_back(now: float, waits: bool) -> None:
    """Of 300 s, which began at 1000: from then on it lasts until 1300, and a clock that was set back ends it."""
    assert still_waits(1300.0, now, 300.0) is waits
    assert not still_waits(float("-inf"), now, 300.0)
