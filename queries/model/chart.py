"""The content of a chart as immutable values, for the terminal and for an SVG file."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from queries.model.frozen import dataclass
from queries.model.panel import Unit, is_crossed

if TYPE_CHECKING:
    from queries.model.heat_map import HeatMap
    from queries.model.panel import PanelState
    from queries.model.series import Point


class Drawing(StrEnum):
    """The drawing style of the lines."""

    BRAILLE = "braille"
    BLOCKS = "blocks"
    ASCII = "ASCII"

    @property
    def dots(self) -> tuple[int, int]:
        """Dots of one cell, across and down."""
        return _DOTS[self]


_DOTS = {Drawing.BRAILLE: (2, 4), Drawing.BLOCKS: (1, 2), Drawing.ASCII: (1, 3)}


@dataclass(frozen=True, slots=True)
class ChartSeries:
    """One series: name and points."""

    name: str
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class ChartMark:
    """Something that happened at `at` (Unix seconds): a letter on the chart, its kind, and one sentence."""

    at: float
    letter: str
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class ChartData:
    """A chart's content. `thresholds` are (name, value) pairs; `message` replaces the plot when there are no series.

    Points further apart than twice `step_seconds` have a gap between them; with 0 all are connected. `best` is the other end of
    each step's values, if there is one series. `ghost` is an earlier time, moved to this one. `note` is shown below the plot.
    With `heat_map` the chart is that map instead of lines.
    """

    start: float
    end: float
    series: tuple[ChartSeries, ...] = ()
    thresholds: tuple[tuple[str, float], ...] = ()
    unit: Unit | None = None
    message: str = ""
    step_seconds: float = 0.0
    lower_is_worse: bool = False
    best: tuple[Point, ...] = ()
    ghost: ChartSeries | None = None
    marks: tuple[ChartMark, ...] = ()
    note: str = ""
    heat_map: HeatMap | None = None

    def beyond(self, value: float) -> str:
        """The name of the worst threshold that the value crosses; empty if none."""
        below = self.lower_is_worse
        crossed = [(limit, name) for name, limit in self.thresholds if is_crossed(value, limit, lower_is_worse=below)]
        return (min(crossed) if below else max(crossed))[1] if crossed else ""


def chart_trend(state: PanelState, message: str) -> ChartData:
    """A panel's trend as a chart, over the trend's whole time axis; `message` replaces a missing trend."""
    points = state.trend
    start, end = state.trend_window if state.trend_window[1] else (points[0][0], points[-1][0]) if points else (0.0, 0.0)
    return ChartData(
        start,
        end,
        (ChartSeries(state.spec.title, points),) if points else (),
        state.threshold.lines,
        state.spec.unit,
        "" if points else message,
        step_seconds=(end - start) / 60.0,
        lower_is_worse=state.spec.lower_is_worse,
        note="peaks not kept" if state.trend_sampled else "",
    )
