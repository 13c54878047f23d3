"""A trend as one line of block characters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

from queries.model.series import Point
from queries.text.axes import is_drawable

BLOCKS = "▁▂▃▄▅▆▇█"
_LEAST_SPAN = 0.2
"""Relative to the value: a steady value without a threshold that moves less than this looks flat."""


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
    points: tuple[Point, ...],
    width: int,
    *,
    window: tuple[float, float] = (0.0, 0.0),
    thresholds: tuple[float, ...] = (),
    lower_is_worse: bool = False,
) -> str:
    """`width` characters, oldest first; a gap is a space.

    `window` is the time axis in Unix seconds; without one it reaches from the first point to the last.
    With `thresholds` the height shows how close the value was to them: the scale runs from zero to the first threshold,
    or from the threshold upwards if lower is worse. Without one a value that hardly moves looks flat.
    """
    finite = [(at, value) for at, value in points if is_drawable(value)]
    if not finite or width <= 0:
        return " " * max(0, width)
    start, end = window if window[1] > window[0] else (points[0][0], points[-1][0])
    columns: list[float | None] = [finite[-1][1]]
    if (end - start) / width > 0:
        # The last column ends on a multiple of its length: the trend moves by whole columns, and rarely.
        length = (end - start) / width
        end = math.ceil(round(end / length, 6)) * length if window[1] > window[0] else end
        columns = bucket_points(points, width, start=end - length * width, end=end, lower_is_worse=lower_is_worse)
        _carry(columns, finite, end - length * width, length, until=window[1])
    known = [value for value in columns if value is not None]
    if not known:
        return " " * width
    low, high = _scale(known, [line for line in thresholds if is_drawable(line)], lower_is_worse=lower_is_worse)
    if math.isclose(low, high, rel_tol=1e-9, abs_tol=1e-12):
        flat = BLOCKS[0] if low == 0 else BLOCKS[3]
        trend = "".join(" " if value is None else flat for value in columns)
    else:
        steps = (len(BLOCKS) - 1) / (high - low)
        trend = "".join(" " if value is None else BLOCKS[round((value - low) * steps)] for value in columns)
    return trend.rjust(width)


def _carry(columns: list[float | None], finite: Sequence[Point], start: float, length: float, *, until: float) -> None:
    """Fill the columns between two points that are no further apart than usual: there is no gap, only few points.

    A point that is no older than usual at `until`, the end of the window, fills the columns up to there.
    """
    if len(finite) < 2 or all(value is not None for value in columns):
        return
    usual = sorted(after[0] - before[0] for before, after in pairwise(finite))[(len(finite) - 1) // 2]
    for before, after in pairwise(finite):
        if after[0] - before[0] <= 1.5 * usual:
            for x in range(max(0, int((before[0] - start) / length) + 1), min(len(columns), int((after[0] - start) / length))):
                columns[x] = before[1] if columns[x] is None else columns[x]
    at, value = finite[-1]
    if until - at <= 1.5 * usual:
        empty = next((back for back, each in enumerate(reversed(columns)) if each is not None), 0)
        columns[len(columns) - empty :] = [value] * empty


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
