"""The window of a trend: when it is fetched anew, and which points it has, each on its line."""

from __future__ import annotations

import math

import pytest

from queries.model.series import Series
from queries.prometheus.settled_steps import KEPT_SECONDS, SettledSteps
from queries.prometheus.trends import Trends


@pytest.mark.parametrize(("passed", "needed"), [(-60.1, True), (-60.0, False), (0.0, False), (180.0, False), (180.1, True)])
def test_the_window_is_fetched_again_after_a_gap(passed: float, needed: bool) -> None:
    """Three steps without a poll are none; neither is a clock that went back by one."""
    trends = Trends()
    assert trends.needs_window(1000.0)
    trends.mark_extended(1000.0)
    assert trends.needs_window(1000.0), "it was never fetched"
    trends.mark_seeded(1000.0, frozenset({"x"}))
    assert trends.needs_window(1000.0 + passed) is needed and trends.sampled == {"x"}
    other = Trends()
    other.mark_seeded(1000.0)
    assert other.needs_window(1000.0), "no poll extended it"


def test_the_window_ends_with_the_current_step() -> None:
    """A moment at the beginning of a step belongs to it."""
    trends = Trends()
    assert [trends.window(at) for at in (3599.9, 3600.0, 3659.9)] == [(0.0, 3600.0), (60.0, 3660.0), (60.0, 3660.0)]
    assert Trends(600.0).window(600.0) == (10.0, 610.0)


@pytest.mark.parametrize("lowest", [False, True])
def test_a_step_has_its_worst_value(lowest: bool) -> None:
    """Of what was polled and of what was fetched, which is dated at the end of its step; NaN and no value are none."""
    trends = Trends(600.0)
    for at, value in ((100.0, 5.0), (104.0, 7.0), (109.9, 6.0), (110.0, 4.0), (121.0, math.nan), (131.0, None)):
        trends.extend("p", value, at, lowest=lowest)
    assert trends.points("p") == ((100.0, 5.0 if lowest else 7.0), (110.0, 4.0)) and trends.points("q") == ()
    trends.seed("p", ((110.0, 6.0), (120.0, 9.0), (130.0, 2.0), (140.0, math.nan)), 140.0, lowest=lowest)
    assert trends.points("p") == ((100.0, 5.0 if lowest else 7.0), (110.0, 4.0 if lowest else 9.0), (120.0, 2.0))


def test_what_is_older_than_the_window_is_dropped() -> None:
    """Not the step with which the window begins."""
    trends = Trends(600.0)
    for at in range(0, 700, 10):
        trends.extend("p", 1.0, float(at), lowest=False)
    assert trends.points("p")[0][0] == trends.window(690.0)[0] == 100.0
    trends.extend("p", None, 700.0, lowest=False)
    assert trends.points("p")[0][0] == 110.0
    trends.seed("p", ((float(at), 1.0) for at in range(0, 710, 10)), 705.0, lowest=False)
    assert trends.points("p")[0][0] == 110.0 and trends.points("p")[-1][0] == 690.0


class Clock:
    def __init__(self) -> None:
        self.now = 10_000.0

    def __call__(self) -> float:
        return self.now


def series(first: float, last: float, step: float = 60.0) -> Series:
    return Series((), tuple((first + step * at, 1.0) for at in range(int((last - first) / step) + 1)))


def test_settled_steps_are_not_fetched_again() -> None:
    """Those older than a quarter of an hour; the next step is the first that is fetched. Both ends of what is known count."""
    clock = Clock()
    steps = SettledSteps(clock=clock)
    assert steps.find("up", 60.0, 6000.0) == ((), 6000.0)
    steps.keep("up", 60.0, 6000.0, 9960.0, [series(6000.0, 9960.0)])
    settled = 9060.0  # the last whole step at 10,000 less 900
    for first in (6000.0, 9060.0):
        found, following = steps.find("up", 60.0, first)
        assert following == settled + 60.0 and [found[0].points[0][0], found[0].points[-1][0]] == [first, settled]
    for text, step, first in (("up", 60.0, 5940.0), ("up", 60.0, 9120.0), ("up", 30.0, 6000.0), ("down", 60.0, 6000.0)):
        assert steps.find(text, step, first) == ((), first)


@pytest.mark.parametrize(("passed", "known"), [(-0.1, False), (0.0, True), (KEPT_SECONDS - 0.1, True), (KEPT_SECONDS, False)])
def test_a_chart_is_fetched_as_a_whole_after_a_while(passed: float, known: bool) -> None:
    """After ten minutes, and after the clock went back."""
    clock = Clock()
    steps = SettledSteps(clock=clock)
    steps.keep("up", 60.0, 6000.0, 9960.0, [series(6000.0, 9960.0)])
    clock.now += passed
    assert bool(steps.find("up", 60.0, 6000.0)[0]) is known


def test_what_is_not_worth_keeping() -> None:
    """One step, and more than twenty thousand points; what was kept before goes with it. Of charts the latest 32 are kept."""
    clock = Clock()
    steps = SettledSteps(clock=clock)
    steps.keep("up", 60.0, 6000.0, 9960.0, [series(6000.0, 9960.0)])
    steps.keep("up", 60.0, 9060.0, 9960.0, [series(9060.0, 9960.0)])
    assert steps.find("up", 60.0, 9060.0) == ((), 9060.0)
    for count, kept in ((20_000, True), (20_001, False)):
        points = tuple((6000.0 + at / 100, 1.0) for at in range(count))
        steps.keep("up", 60.0, 6000.0, 9000.0, [Series((), points)])
        assert bool(steps.find("up", 60.0, 6000.0)[0]) is kept
    for number in range(33):
        steps.keep(str(number), 60.0, 6000.0, 9000.0, [series(6000.0, 9000.0)])
    assert [bool(steps.find(str(number), 60.0, 6000.0)[0]) for number in (0, 1, 32)] == [False, True, True]
