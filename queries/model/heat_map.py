"""A heat map: how much of something there was in each step, row by row."""

from __future__ import annotations

from queries.model.frozen import dataclass
from queries.model.panel import Unit
from queries.model.series import Point


@dataclass(frozen=True, slots=True)
class HeatRow:
    """One row: its name, and its value at the end of each step. A step without a point is unknown, which is not 0.

    `low` and `high` are the ends of a histogram's bucket in the panel's unit, `high` infinite for the last one; None in other
    rows.
    """

    name: str
    points: tuple[Point, ...]
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class HeatMap:
    """The rows from the bottom to the top. Those of `buckets` may be merged with their neighbours, others only with the rest.

    `about` says what is counted, in `unit`.
    """

    about: str
    unit: Unit
    rows: tuple[HeatRow, ...]
    buckets: bool = False
