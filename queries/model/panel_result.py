"""The result of a panel's query, with the reasons to doubt it."""

from __future__ import annotations

from enum import StrEnum

from queries.model.fault import Fault
from queries.model.frozen import dataclass
from queries.model.heat_map import HeatMap
from queries.model.panel import Origin, Unit
from queries.model.series import Point, Sample, Series


class ContradictionKind(StrEnum):
    """The two figures that contradict each other."""

    WITNESS = "witness"
    """Two independent counts."""
    RECORDED = "recorded"
    """A recorded series and the expression that its rule should evaluate."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One of two figures: its source as text and in PromQL."""

    source: str
    value: float
    query: str


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Two figures of one quantity that differ by more than their tolerance, both in `unit`.

    `subject` names the quantity, with its window if it has one, `whom` the provider or another label.
    """

    kind: ContradictionKind
    subject: str
    unit: Unit
    first: Figure
    second: Figure
    whom: str = ""


@dataclass(frozen=True, slots=True)
class Caveat:
    """A remark on the origin of a value: up to three words, and a sentence."""

    word: str
    text: str


@dataclass(frozen=True, slots=True)
class PanelResult:
    """The result of one panel's query: samples (possibly none) or the fault of this query."""

    id: str
    origin: Origin
    query: str
    samples: tuple[Sample, ...] = ()
    fault: Fault | None = None
    trend: tuple[Point, ...] = ()
    """The worst aggregated value of each step of the trend window, oldest first; a step without a value is missing."""
    trend_window: tuple[float, float] = (0.0, 0.0)
    """Start and end of the trend's time axis, Unix seconds; equal if there is none."""
    trend_sampled: bool = False
    """The trend has only the value at each step's end: the server refused to compute the worst one."""
    truncated: bool = False
    """There may be further samples: the query returned only the worst."""
    contradictions: tuple[Contradiction, ...] = ()
    """Other counts that contradict the value: it cannot be trusted."""
    basis: tuple[str, ...] = ()
    """How this server counts the signals of a raw expression, and why, a sentence each."""
    caveat: Caveat | None = None
    """Why the recorded series is not used, or that it could not be verified."""
    annotations: tuple[str, ...] = ()
    """The server's annotations of this query: warnings (the result may be wrong), then infos (advice)."""
    partial: str = ""
    """The server's message about what is missing from the result; empty if it is complete."""


@dataclass(frozen=True, slots=True)
class HistoryRange:
    """The time range of a chart: `seconds` up to `until` (Unix seconds, None for now).

    With `back_seconds` the history also has the panel's value of that many seconds earlier. With `heat` it is the panel's heat
    map instead of its series.
    """

    seconds: float = 3600.0
    until: float | None = None
    back_seconds: float = 0.0
    heat: bool = False


@dataclass(frozen=True, slots=True)
class PanelHistory:
    """The series of one panel over a window, in the panel's unit: the worst value of each step, the worst series first.

    `best` is the best value of each step, if there is one series. `note` is empty, or says why the points are samples instead
    of the worst values, and what is missing from a partial response.
    `earlier` is the aggregated value of an earlier window, shifted to this one, if it was requested. `heat_map` replaces the
    series if it was requested; without rows there was no data.
    """

    id: str
    start: float
    end: float
    step_seconds: float
    series: tuple[Series, ...] = ()
    fault: Fault | None = None
    best: tuple[Point, ...] = ()
    note: str = ""
    earlier: tuple[Point, ...] = ()
    earlier_fault: Fault | None = None
    heat_map: HeatMap | None = None
