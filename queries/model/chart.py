"""The content of a chart as immutable values, for the terminal and for an SVG file."""

from __future__ import annotations

from queries.model.frozen import dataclass
from queries.model.heat_map import HeatMap
from queries.model.panel import Unit, is_crossed
from queries.model.series import Point


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
