"""Round numbers for the axes of a chart: values that a person would have chosen, times on the full hour or minute."""

from __future__ import annotations

import math

_MINUTE, _HOUR, _DAY = 60.0, 3600.0, 86400.0
_TIME_STEPS = (
    10.0, 30.0, _MINUTE, 2 * _MINUTE, 5 * _MINUTE, 10 * _MINUTE, 15 * _MINUTE, 20 * _MINUTE, 30 * _MINUTE,
    _HOUR, 2 * _HOUR, 3 * _HOUR, 6 * _HOUR, 12 * _HOUR, _DAY, 2 * _DAY, 7 * _DAY, 30 * _DAY,
)  # fmt: skip


def rounded(low: float, high: float) -> tuple[float, float]:
    """The range, widened to round numbers; a range that begins at zero stays there."""
    span = high - low
    if not math.isfinite(span) or span <= 0:
        return low, high
    step = _round_step(span / 4.0)
    # A hair less than a whole step is a whole step: 0.3 / 0.1 is 2.9999999999999996.
    return round(math.floor(low / step + 1e-9) * step, 12), round(math.ceil(high / step - 1e-9) * step, 12)


def _round_step(rough: float) -> float:
    power = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1.0, 2.0, 2.5, 5.0, 10.0) if factor * power >= rough * 0.999)


def time_marks(start: float, end: float, *, most: int) -> tuple[float, ...]:
    """At most `most` moments within the window, at even distances, on full minutes, hours or days of UTC."""
    span = end - start
    if span <= 0 or most < 1:
        return ()
    step = next((item for item in _TIME_STEPS if span / item <= most), span)
    first = math.ceil(start / step) * step
    return tuple(first + at * step for at in range(int((end - first) // step) + 1) if first <= end)
