"""What queries returned over a window, on a grid of times: written one query a line, and read as Prometheus would answer."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from queries.decoding import decode_json
from queries.model.frozen import dataclass
from queries.model.series import Labels, Series

_SLACK_SECONDS = 0.0005
"""Times are sent with milliseconds."""
_LEAST_STEP_SECONDS = 0.001
_LATEST = 253_402_300_800.0
"""The year 10000: no calendar goes further."""
_WORDS = {"NaN": math.nan, "+Inf": math.inf, "-Inf": -math.inf}


class _Series(msgspec.Struct):
    labels: dict[str, str] = {}
    values: list[float | str | None] = []


class _Head(msgspec.Struct):
    """All of a line but its series, which are decoded when they are asked for."""

    query: str
    start: float
    step: float
    count: int
    error: str = ""


class _Body(msgspec.Struct):
    series: list[_Series] = []


@dataclass(frozen=True, slots=True)
class Grid:
    """The times `start`, `start + step` … of a query, in Unix seconds."""

    start: float
    step: float
    count: int

    @property
    def end(self) -> float:
        """The last of them."""
        return self.start + (self.count - 1) * self.step

    def place(self, moment: float) -> int | None:
        """The place of the last of them up to the moment; None before the first, and a step or more after the last."""
        at = math.floor((moment + _SLACK_SECONDS - self.start) / self.step)
        return at if 0 <= at < self.count else None

    @classmethod
    def between(cls, start: float, end: float, step: float) -> Grid:
        """Multiples of the step, so that queries of several steps share times."""
        first = math.floor(start / step)
        return cls(first * step, step, max(1, math.floor(end / step) - first + 1))


def encode_query(query: str, grid: Grid, series: Iterable[Series], *, error: str = "") -> bytes:
    """One line, without its line break. A value without a sample is null; NaN and the infinities are words."""
    rows = []
    for item in series:
        values: list[float | str | None] = [None] * grid.count
        for at, value in item.points:
            if (place := grid.place(at)) is not None:
                values[place] = _encode_value(value)
        rows.append({"labels": dict(item.labels), "values": values})
    head: dict[str, Any] = {"query": query, "start": grid.start, "step": grid.step, "count": grid.count}
    return msgspec.json.encode({**head, **({"error": error} if error else {}), "series": rows})


def _encode_value(value: float) -> float | str | int:
    if math.isfinite(value):
        return (
            int(value)
            if value.is_integer() and abs(value) < 1e15 and not (value == 0 and math.copysign(1, value) < 0)
            else value
        )
    return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"


class StoredQuery:
    """One query. `error` is why its server did not answer it; empty if it did."""

    def __init__(self, head: _Head, line: bytes) -> None:
        self.grid = Grid(head.start, head.step, head.count)
        self.error = head.error
        self._line = line
        self._series: list[tuple[Labels, list[float | None]]] | None = None

    @property
    def series(self) -> Sequence[tuple[Labels, list[float | None]]]:
        """The labels of each series, and its value at each time of the grid. Raises InvalidResponse."""
        if self._series is None:
            found = decode_json(_Body, self._line, where="the bundle", whose="the bundle's")
            self._series = [
                (tuple(sorted(item.labels.items())), _decode_values(item.values, self.grid.count)) for item in found.series
            ]
            self._line = b""
        return self._series

    def at(self, moment: float) -> list[tuple[Labels, float]]:
        """The vector of the last time of the grid up to the moment; empty outside."""
        place = self.grid.place(moment)
        if place is None:
            return []
        return [(labels, value) for labels, values in self.series if (value := values[place]) is not None]

    def between(self, start: float, end: float, step: float) -> list[tuple[Labels, list[tuple[float, float]]]]:
        """The series at `start`, `start + step` … up to `end`, each with the value of the grid's last time up to then."""
        times = [start + at * step for at in range(max(0, math.floor((end - start) / step + 1e-9) + 1))]
        places = [(at, place) for at in times if (place := self.grid.place(at)) is not None]
        found = []
        for labels, values in self.series:
            points = [(at, value) for at, place in places if (value := values[place]) is not None]
            if points:
                found.append((labels, points))
        return found

    def points(self) -> Iterator[tuple[Labels, float]]:
        """The labels and the time of every stored value."""
        for labels, values in self.series:
            for place, value in enumerate(values):
                if value is not None:
                    yield labels, self.grid.start + place * self.grid.step

    def worst(self, first: float, end: float, step: float, *, lowest: bool) -> list[Series]:
        """The worst stored value of each step, at the step's end, `first` being the first; the last one ends at `end`."""
        found = []
        for labels, values in self.series:
            worst: dict[float, float] = {}
            for place, value in enumerate(values):
                at = self.grid.start + place * self.grid.step
                if value is None or not first - step < at <= end:
                    continue
                key = min(end, first + max(0, math.ceil((at - first) / step - 1e-9)) * step)
                before = worst.get(key)
                worst[key] = value if before is None or math.isnan(before) else (min if lowest else max)(before, value)
            if worst:
                found.append(Series(labels, tuple(sorted(worst.items()))))
        return found


def _decode_values(values: list[float | str | None], count: int) -> list[float | None]:
    decoded = [_WORDS.get(value) if isinstance(value, str) else value for value in values[:count]]
    return decoded + [None] * (count - len(decoded))


def read_queries(lines: Iterable[bytes]) -> Mapping[str, tuple[StoredQuery, ...]]:
    """The queries of a file by their text, the finest grid first. Raises InvalidResponse."""
    found: dict[str, list[StoredQuery]] = {}
    for head, line in _read_heads(lines):
        found.setdefault(head.query, []).append(StoredQuery(head, line))
    return {query: tuple(sorted(items, key=lambda item: item.grid.step)) for query, items in found.items()}


def _read_heads(lines: Iterable[bytes]) -> Iterator[tuple[_Head, bytes]]:
    for line in lines:
        if not line.strip():
            continue
        head = decode_json(_Head, line, where="the bundle", whose="the bundle's")
        last = head.start + head.step * head.count
        if head.step >= _LEAST_STEP_SECONDS and 0 < head.count <= MOST_TIMES and 0.0 <= head.start <= last < _LATEST:
            yield head, line


MOST_TIMES = 20_000
"""Times of one grid: beyond what any server returns for a range."""
