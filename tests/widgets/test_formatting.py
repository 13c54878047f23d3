"""Ages, values and thresholds as text."""

from __future__ import annotations

from dataclasses import replace

import pytest

from queries.model.panel import PanelSpec, PanelState, Threshold, Unit
from queries.model.verdict import Verdict
from queries.text.durations import format_age
from queries.text.numbers import format_number, format_quantity
from widgets.formatting import compare_with_threshold, verdict_label

STATE = PanelState(PanelSpec("x", "X", Unit.PERCENT), Verdict.OK, Threshold(1.0, 5.0), value=0.4)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-3, "0s"),
        (0.4, "0s"),
        (59.9, "59s"),
        (60, "1m"),
        (3599, "59m"),
        (3600, "1h"),
        (90000, "1d1h"),
        (86400 * 40, "40d"),
    ],
)
def test_age_is_coarse(seconds: float, words: str) -> None:
    """Seconds appear only under a minute; a negative age is 0s."""
    assert format_age(seconds) == words


def test_a_value_always_has_its_unit() -> None:
    """Every unit has its suffix, zero is zero, and no value is empty text, not zero."""
    assert format_quantity(7.84, Unit.PERCENT, 2) == "7.84 %"
    assert format_quantity(0.0, Unit.SECONDS, 2) == "0.00 s"
    assert format_quantity(0.0, Unit.COUNT, 0) == "0"
    assert format_quantity(None, Unit.COUNT, 0) == ""


def test_nan_and_infinity_are_spelled_as_in_prometheus() -> None:
    """NaN and infinities are spelled as in Prometheus."""
    assert [format_number(value, 2) for value in (float("nan"), float("inf"), float("-inf"))] == ["NaN", "+Inf", "-Inf"]


@pytest.mark.parametrize(
    ("value", "below", "words"),
    [
        (0.4, False, "<1"),
        (1.0, False, ">1"),
        (8.0, False, ">5"),
        (95.0, True, ">90"),
        (90.0, True, ">90"),
        (70.0, True, "<90"),
        (60.0, True, "<70"),
    ],
)
@pytest.mark.parametrize("verdict", [Verdict.OK, Verdict.STALE])
def test_the_value_is_compared_with_the_deciding_threshold(value: float, below: bool, words: str, verdict: Verdict) -> None:
    """The sign is the relation that holds, against the deciding threshold; also for a stale value."""
    threshold = Threshold(90.0, 70.0) if below else Threshold(1.0, 5.0)
    state = replace(STATE, value=value, verdict=verdict, threshold=threshold, spec=replace(STATE.spec, lower_is_worse=below))
    assert compare_with_threshold(state) == words


def test_a_stale_verdict_includes_its_age() -> None:
    """The label of a stale value includes its age."""
    assert verdict_label(replace(STATE, verdict=Verdict.STALE, age_seconds=40.0)) == "STALE 40s"
