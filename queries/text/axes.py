"""The axes of a chart: a value range of round numbers, and times on full minutes, hours and days."""

from __future__ import annotations

import math
from collections.abc import Iterable

from queries.model.chart import ChartData
from queries.text.times import find_moments, format_shown, to_datetime, wall_clock_seconds

_MINUTE, _HOUR, _DAY = 60.0, 3600.0, 86400.0
_TIME_STEPS = (
    1.0, 2.0, 5.0, 10.0, 30.0, _MINUTE, 2 * _MINUTE, 5 * _MINUTE, 10 * _MINUTE, 15 * _MINUTE, 20 * _MINUTE, 30 * _MINUTE,
    _HOUR, 2 * _HOUR, 3 * _HOUR, 6 * _HOUR, 12 * _HOUR, _DAY, 2 * _DAY, 7 * _DAY, 30 * _DAY,
)  # fmt: skip


def is_drawable(value: float) -> bool:
    """Whether it fits on a scale: not NaN, infinite, or so large that a difference overflows."""
    return -1e300 < value < 1e300


def drawable_values(data: ChartData) -> list[float]:
    """Every value of the chart, including the best values and those of the earlier time."""
    series = [*(item.points for item in data.series), data.best, data.ghost.points if data.ghost else ()]
    return [value for points in series for _, value in points if is_drawable(value)]


def value_range(values: list[float], thresholds: Iterable[float]) -> tuple[float, float]:
    """The range of the value axis: all samples, and each threshold that does not squash the curve."""
    low, high = min(values), max(values)
    nearest = sorted(thresholds, key=lambda line: min(abs(line - high), abs(line - low)))
    for at, line in enumerate(nearest):
        lower, upper = min(low, line), max(high, line)
        if at == 0 or upper - lower <= (high - low) * 3:
            low, high = lower, upper
    if 0 < low < (high - low) * 0.5:
        low = 0.0
    if math.isclose(low, high):
        low, high = (0.0, high) if high > 0 else (low, low + 1)
    return round_range(low, high)


def round_range(low: float, high: float) -> tuple[float, float]:
    """Widen the range to round numbers; a range that starts at zero still does."""
    span = high - low
    if not math.isfinite(span) or span <= 0:
        return low, high
    step = _round_step(span / 4.0)
    # Slightly less than a whole step counts as a whole step: 0.3 / 0.1 is 2.9999999999999996.
    return round(math.floor(low / step + 1e-9) * step, 12), round(math.ceil(high / step - 1e-9) * step, 12)


def round_up(value: float) -> float:
    """The next round number; 0 for 0."""
    return _round_step(value) if value > 0 else 0.0


_SHADE_FACTOR = 4.0
"""Each shade begins at this part of the next one: a few slow requests are seen beside a thousand quick ones."""


def shade_starts(top: float) -> tuple[float, ...]:
    """Beyond which value each of a heat map's four shades begins; `top` is the largest value, rounded up."""
    return (0.0, *(top / _SHADE_FACTOR**power for power in (3, 2, 1)))


def shade_level(value: float, top: float) -> int:
    """The shade of a value from 1 to 4; 0 for nothing."""
    return 0 if value <= 0.0 else sum(value > start for start in shade_starts(top))


def _round_step(rough: float) -> float:
    power = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1.0, 2.0, 2.5, 5.0, 10.0) if factor * power >= rough * 0.999)


def place_time_ticks(start: float, end: float, *, most: int) -> tuple[float, ...]:
    """At most `most` Unix times within the window, on full minutes, hours or days of the zone that is shown.

    They are equally spaced on its clock: where it is set forward or back, a step is shorter or longer.
    """
    span = end - start
    if span <= 0 or most < 1:
        return ()
    least = _label_seconds(span)
    step = next((item for item in _TIME_STEPS if item >= least and span / item <= most), span)
    first, last = (math.floor(wall_clock_seconds(at) / step) for at in (start, end))
    naive = (to_datetime(at * step) for at in range(first, last + 1))
    # Of an hour that occurs twice the first: no two ticks have one label.
    ticks = {at for moment in naive if moment is not None for at in find_moments(moment.replace(tzinfo=None))[:1]}
    return tuple(at for at in sorted(ticks) if start <= at <= end)


def _label_seconds(span: float) -> float:
    """What two labels of an axis differ by at least: a day beyond 26 hours, a second under ten minutes, else a minute."""
    return _DAY if span > 26 * _HOUR else 1.0 if span < 10 * _MINUTE else _MINUTE


def format_tick(at: float, span: float, *, mark: bool = False) -> str:
    """A time on the axis, in the zone that is shown: `14:03:30` under ten minutes, `14:03` under a day, `12-31` beyond.

    `mark` adds the zone's name.
    """
    return format_shown(at, {_DAY: "%m-%d", _MINUTE: "%H:%M", 1.0: "%H:%M:%S"}[_label_seconds(span)], mark=mark)
