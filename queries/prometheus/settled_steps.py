"""The steps of charts that can no longer change, so that a chart that is opened again queries only the rest."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace

from queries.model.frozen import dataclass
from queries.model.series import Series

KEPT_SECONDS = 600.0
"""A chart older than this is fetched as a whole: the server may have received samples of long ago, or lost some."""
_SETTLED_SECONDS = 900.0
"""Samples of the last quarter of an hour may still arrive: from rules, remote writes and other replicas."""
_MOST_CHARTS = 32
_MOST_POINTS = 20_000


@dataclass(frozen=True, slots=True)
class _Known:
    fetched_at: float
    first: float
    last: float
    series: tuple[Series, ...]


class SettledSteps:
    """By query and step; times in Unix seconds. Steps are aligned to multiples of their length, so two charts have the same."""

    def __init__(self, *, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._known: OrderedDict[tuple[str, float], _Known] = OrderedDict()

    def find(self, text: str, step: float, first: float) -> tuple[tuple[Series, ...], float]:
        """The known series from `first` on, and the first step that has to be fetched."""
        known = self._known.get((text, step))
        if (
            known is None
            or not 0.0 <= self._clock() - known.fetched_at < KEPT_SECONDS
            or not known.first <= first <= known.last
        ):
            return (), first
        return tuple(_cut(item, first, known.last) for item in known.series), known.last + step

    def keep(self, text: str, step: float, first: float, last: float, series: Sequence[Series]) -> None:
        """Keep what was fetched as a whole for the steps from `first` to `last`, as far as it can no longer change."""
        now = self._clock()
        last = min(last, (now - _SETTLED_SECONDS) // step * step)
        self._known.pop((text, step), None)
        if last > first and sum(len(item.points) for item in series) <= _MOST_POINTS:
            self._known[text, step] = _Known(now, first, last, tuple(_cut(item, first, last) for item in series))
        while len(self._known) > _MOST_CHARTS:
            self._known.popitem(last=False)


def _cut(series: Series, first: float, last: float) -> Series:
    return replace(series, points=tuple(point for point in series.points if first <= point[0] <= last))
