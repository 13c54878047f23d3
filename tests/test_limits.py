"""Limits in seconds follow a process start of the same session."""

from __future__ import annotations

import pytest
from limits import MOST, QUIET_START_SECONDS, extend, slowness


@pytest.mark.parametrize(
    ("starts", "expected"),
    [((0.1, 0.1, 0.1), 1.0), ((0.01, 0.02, 0.03), 1.0), ((0.1, 0.3, 9.0), 3.0), ((9.0, 9.0, 9.0), MOST)],
    ids=["quiet", "quicker", "the median", "no more than"],
)
def test_a_limit_grows_with_the_median_start(starts: tuple[float, ...], expected: float) -> None:
    """It is never shorter than on a quiet machine, one slow start changes nothing, and it stays finite."""
    assert QUIET_START_SECONDS == 0.1
    assert slowness(starts) == pytest.approx(expected)


def test_it_is_the_same_all_session() -> None:
    """Measured once: two tests of one session have the same limits, and none is shorter than what it is given."""
    assert extend(20.0) == extend(20.0) >= 20.0
