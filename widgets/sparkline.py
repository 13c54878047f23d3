"""A trend as one line of block characters."""

from __future__ import annotations

import math
from functools import lru_cache

from queries.model.series import Point

BLOCKS = "▁▂▃▄▅▆▇█"
_LEAST_SPAN = 0.2
"""Relative to the value: a steady value without a threshold that moves less than this looks flat."""


def is_drawable(value: float) -> bool:
    """Whether it fits on a scale: not NaN, infinite, or so large that a difference overflows."""
    return math.isfinite(value) and abs(value) < 1e300


def bucket_points(
    points: tuple[Point, ...], width: int, *, start: float, end: float, lower_is_worse: bool = False
) -> list[float | None]:
    """One value per column: the worst finite one in it (the smallest if lower is worse), so that a narrow trend still shows
    a short spike; None for an empty column.
    """
    columns: list[float | None] = [None] * width
    span = end - start
    if span <= 0 or width <= 0:
        return columns
    worst = min if lower_is_worse else max
    for at, value in points:
        if is_drawable(value) and start <= at <= end:
            x = min(width - 1, int((at - start) / span * width))
            worst_so_far = columns[x]
            columns[x] = value if worst_so_far is None else worst(worst_so_far, value)
    return columns


@lru_cache(maxsize=256)
def render_sparkline(
    points: tuple[Point, ...], width: int, *, thresholds: tuple[float, ...] = (), lower_is_worse: bool = False
) -> str:
    """`width` characters, oldest first; a gap is a space.

    With `thresholds` the height shows how close the value came to them: the scale runs from zero to the first threshold,
    or from the threshold upwards if lower is worse. Without one a value that hardly moves looks flat.
    """
    finite = [(at, value) for at, value in points if is_drawable(value)]
    if not finite or width <= 0:
        return " " * max(0, width)
    start, end = points[0][0], points[-1][0]
    columns: list[float | None] = [finite[-1][1]]
    if end > start:
        columns = bucket_points(points, width, start=start, end=end, lower_is_worse=lower_is_worse)
    last: float | None = None
    if len(finite) < width:  # fewer points than columns: carry each one forward
        for x, value in enumerate(columns):
            last = value if value is not None else last
            columns[x] = last
    known = [value for value in columns if value is not None]
    low, high = _scale(known, [line for line in thresholds if is_drawable(line)], lower_is_worse=lower_is_worse)
    if math.isclose(low, high, rel_tol=1e-9, abs_tol=1e-12):
        flat = BLOCKS[0] if low == 0 else BLOCKS[3]
        trend = "".join(" " if value is None else flat for value in columns)
    else:
        steps = (len(BLOCKS) - 1) / (high - low)
        trend = "".join(" " if value is None else BLOCKS[round((value - low) * steps)] for value in columns)
    return trend.rjust(width)


def _scale(known: list[float], thresholds: list[float], *, lower_is_worse: bool) -> tuple[float, float]:
    low, high = min(known), max(known)
    if thresholds and lower_is_worse:
        line = max(thresholds)
        return min(low, line), max(high, 100.0) if low >= 0.0 and high <= 100.0 and line <= 100.0 else max(high, line)
    if thresholds:
        return min(0.0, low), max(high, min(thresholds))
    if low >= 0.0 and low < high - low:
        return 0.0, high  # a small minimum is drawn from zero, so that zero looks like zero
    least = max(abs(low), abs(high)) * _LEAST_SPAN
    if low != high and high - low < least:
        middle = (low + high) / 2.0
        return middle - least / 2.0, middle + least / 2.0
    return low, high
