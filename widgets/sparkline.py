"""A trend in one line of block characters."""

from __future__ import annotations

import math
from functools import lru_cache

from queries.model.series import Point

BLOCKS = "▁▂▃▄▅▆▇█"
_LEAST_SPAN = 0.2
"""Of its size: a steady value without a threshold that moves less than this looks steady."""


def drawable(value: float) -> bool:
    """Whether it can be put on a scale: NaN, infinities and what overflows a difference cannot."""
    return math.isfinite(value) and abs(value) < 1e300


def buckets(points: tuple[Point, ...], width: int, *, start: float, end: float, below: bool = False) -> list[float | None]:
    """One value a column: the worst finite one that fell into it (the smallest where small is bad), so that a short
    trouble is never lost in a narrow trend; None where there was none.
    """
    columns: list[float | None] = [None] * width
    span = end - start
    if span <= 0 or width <= 0:
        return columns
    worst = min if below else max
    for at, value in points:
        if drawable(value) and start <= at <= end:
            x = min(width - 1, int((at - start) / span * width))
            there = columns[x]
            columns[x] = value if there is None else worst(there, value)
    return columns


@lru_cache(maxsize=256)
def sparkline(points: tuple[Point, ...], width: int, *, lines: tuple[float, ...] = (), below: bool = False) -> str:
    """`width` characters, oldest left; a gap is a space.

    With thresholds (`lines`) the height says how near the value came to them: the scale goes from zero to the first line,
    or, where small is bad, from the line up. Without one a line that hardly moves looks steady.
    """
    finite = [(at, value) for at, value in points if drawable(value)]
    if not finite or width <= 0:
        return " " * max(0, width)
    start, end = points[0][0], points[-1][0]
    columns: list[float | None] = [finite[-1][1]]
    if end > start:
        columns = buckets(points, width, start=start, end=end, below=below)
    last: float | None = None
    if len(finite) < width:  # fewer points than columns: carry each one on to the next
        for x, value in enumerate(columns):
            last = value if value is not None else last
            columns[x] = last
    known = [value for value in columns if value is not None]
    low, high = _scale(known, [line for line in lines if drawable(line)], below=below)
    if math.isclose(low, high, rel_tol=1e-9, abs_tol=1e-12):
        flat = BLOCKS[0] if low == 0 else BLOCKS[3]
        drawn = "".join(" " if value is None else flat for value in columns)
    else:
        steps = (len(BLOCKS) - 1) / (high - low)
        drawn = "".join(" " if value is None else BLOCKS[round((value - low) * steps)] for value in columns)
    return drawn.rjust(width)


def _scale(known: list[float], lines: list[float], *, below: bool) -> tuple[float, float]:
    low, high = min(known), max(known)
    if lines and below:
        line = max(lines)
        return min(low, line), max(high, 100.0) if low >= 0.0 and high <= 100.0 and line <= 100.0 else max(high, line)
    if lines:
        return min(0.0, low), max(high, min(lines))
    if low >= 0.0 and low < high - low:
        return 0.0, high  # a small floor is drawn from zero, so that zero looks like zero
    least = max(abs(low), abs(high)) * _LEAST_SPAN
    if low != high and high - low < least:
        middle = (low + high) / 2.0
        return middle - least / 2.0, middle + least / 2.0
    return low, high
