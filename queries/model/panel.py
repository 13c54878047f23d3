"""A panel: its definition, and its state with the verdict."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import field
from enum import StrEnum
from typing import TYPE_CHECKING

from queries.model.frozen import dataclass
from queries.model.series import Point, Sample
from queries.model.verdict import Verdict

if TYPE_CHECKING:
    from queries.model.panel_result import Caveat, Contradiction

MOST_SERIES = 50
"""A panel that shows its highest or lowest series fetches at most this many of each recorded name, the worst ones, so that a
thousand providers cost no more than fifty."""


class Unit(StrEnum):
    PERCENT = "percent"
    """0 to 100."""
    SECONDS = "seconds"
    COUNT = "count"
    PER_SECOND = "per_second"
    PER_MINUTE = "per_minute"
    TIMES = "times"
    """A multiple of the planned rate: a burn rate."""
    CORES = "cores"
    GIBIBYTES = "gibibytes"
    HOURS = "hours"

    @property
    def suffix(self) -> str:
        """The text after the number, without a space; empty for a count."""
        return _SUFFIXES[self]

    @property
    def allowed(self) -> Range:
        """The default range of this unit: a percentage is 0 to 100, nothing is negative."""
        return Range(0.0, 100.0) if self is Unit.PERCENT else Range(0.0)


@dataclass(frozen=True, slots=True)
class Range:
    """The possible values, both ends included."""

    low: float = -math.inf
    high: float = math.inf

    @classmethod
    def read(cls, value: object) -> Range:
        """Parse `[0, null]`: lower and upper end, null for an open end. Raises ValueError."""
        ends = value if isinstance(value, list | tuple) and len(value) == 2 else ("", "")
        if not all(end is None or (isinstance(end, int | float) and not isinstance(end, bool)) for end in ends):
            raise ValueError("expected a range like [0, 100], null for an open end")
        low, high = ends
        result = cls(-math.inf if low is None else float(low), math.inf if high is None else float(high))
        if not result.low < result.high:
            raise ValueError(
                f"expected the lower end of the range below its upper end, found [{result.low:g}, {result.high:g}]"
            )
        return result

    def contains(self, value: float) -> bool:
        """Whether the value is possible, within floating-point error."""
        return self.low - _slack(self.low) <= value <= self.high + _slack(self.high)


def _slack(end: float) -> float:
    return 1e-6 * max(1.0, abs(end)) if math.isfinite(end) else 0.0


_SUFFIXES = {
    Unit.PERCENT: "%",
    Unit.SECONDS: "s",
    Unit.COUNT: "",
    Unit.PER_SECOND: "/s",
    Unit.PER_MINUTE: "/min",
    Unit.TIMES: "×",
    Unit.CORES: "cores",
    Unit.GIBIBYTES: "GiB",
    Unit.HOURS: "h",
}


class Aggregation(StrEnum):
    """How a panel aggregates its series into one value."""

    MAX = "max"
    MIN = "min"
    SUM = "sum"


def aggregate(aggregation: Aggregation, values: Iterable[float]) -> float | None:
    """The one value of a panel's series; None without any. NaN is `no data` of one series and is left out."""
    known = [value for value in values if not math.isnan(value)]
    if not known:
        return None
    if aggregation is Aggregation.SUM:
        return sum(known)
    return min(known) if aggregation is Aggregation.MIN else max(known)


class Origin(StrEnum):
    """The origin of a panel's value, as `status --format json` names it."""

    RECORDED = "recording rule"
    RAW = "raw expression"
    KUBERNETES = "kubernetes"
    LOGS = "log query"
    NONE = "none"


def is_crossed(value: float, limit: float | None, *, lower_is_worse: bool) -> bool:
    """Whether a value is beyond a limit: a large value crosses it by reaching it, a small one by falling below it.

    So it stands in the platform's own targets ("error ratio under 5 %") and alerts (`provider_health_score < 50`). NaN, and any
    value without a limit, crosses nothing.
    """
    return limit is not None and (value < limit if lower_is_worse else value >= limit)


@dataclass(frozen=True, slots=True)
class Threshold:
    """A panel's warning and critical thresholds, in the panel's unit; None without one."""

    warn: float | None = None
    critical: float | None = None

    @property
    def lines(self) -> tuple[tuple[str, float], ...]:
        """The thresholds that are set, with their names: `warn`, `critical`."""
        both = (("warn", self.warn), ("critical", self.critical))
        return tuple((name, value) for name, value in both if value is not None)

    def override(self, own: Threshold) -> Threshold:
        """The thresholds, replaced by those that `own` sets."""
        return Threshold(self.warn if own.warn is None else own.warn, self.critical if own.critical is None else own.critical)

    def order_error(self, *, lower_is_worse: bool) -> str:
        """The error if `critical` is reached before `warn`, else empty."""
        warn, critical = self.warn, self.critical
        if warn is None or critical is None or (warn >= critical if lower_is_worse else warn <= critical):
            return ""
        bad, expected = ("small", "at or under") if lower_is_worse else ("large", "at or over")
        return f"reversed thresholds: {bad} values are bad, so expected critical {expected} warn {warn:g}, found {critical:g}"


@dataclass(frozen=True, slots=True)
class HeatMapSpec:
    """What a heat map counts, in `unit`, by the labels `by`: `le` stands for the buckets of a histogram.

    `template` is PromQL with signals and $step, the length of a step.
    """

    about: str
    unit: Unit
    by: tuple[str, ...]
    template: str


@dataclass(frozen=True, slots=True)
class PanelSpec:
    """One entry of the catalogue: the definition of a panel.

    `recorded` and `raw` are PromQL in `unit`; `recorded` reads recorded series (None without any) and is preferred if the
    series of `recorded_names` exist. A panel whose `source` is `kubernetes` has neither; one of `loki` has only
    `raw`, a metric query in LogQL.
    `template` is the source of `raw`, with ${signal[5m]} for a signal, and `provider` the one that `raw` is limited to: a new
    choice of signal definitions expands `template` again. An empty `raw` with `template` has no PromQL on this server.
    `group_by` is the label that names one series (`provider`), empty for a single series.
    `lower_is_worse` is True for health and budget. `no_data_reason` explains why there may be no series.
    `raw_every_seconds` is the interval at which a raw expression over long ranges is evaluated; in between its last result
    counts.
    `alerts` and `runbook` belong to the panel. `threshold` is the default that the config may override.
    `scope` is the coverage if it is wider than the choice (`all providers`), else empty.
    `range` is the possible range if it differs from that of the unit.
    `heat_map` is a further way to draw its chart; None without one.
    `place` is the file and line of a team's own panel, empty for ours. `broken` is the error in its definition: such a panel
    is never queried.
    """

    id: str
    title: str
    unit: Unit
    aggregation: Aggregation = Aggregation.MAX
    source: str = "prometheus"
    recorded: str | None = None
    recorded_names: tuple[str, ...] = ()
    raw: str = ""
    template: str = ""
    provider: str = ""
    group_by: str = ""
    lower_is_worse: bool = False
    decimals: int = 2
    no_data_reason: str = ""
    alerts: tuple[str, ...] = ()
    runbook: str = ""
    threshold: Threshold = Threshold()
    raw_every_seconds: float = 0.0
    scope: str = ""
    range: Range | None = None
    place: str = ""
    broken: str = ""
    heat_map: HeatMapSpec | None = None

    @property
    def allowed(self) -> Range:
        """Its possible values; anything else is in doubt."""
        return self.unit.allowed if self.range is None else self.range


@dataclass(frozen=True, slots=True)
class PanelState:
    """One panel as the screen and `status` show it.

    `value` is in the spec's unit and None exactly if the verdict is no_data; with `stale` it is the last good value, with
    `in_doubt` one that cannot be trusted. `age_seconds` is the age of that value, None without a value; it always changes, so
    it does not count in a comparison.
    `reason` explains the verdict in one sentence; `note` is the short remark at the end of the row
    (`deepseek 81 · paddle 99`). `truncated`: there may be series beside `samples`, none worse than the worst of them.
    """

    spec: PanelSpec
    verdict: Verdict
    threshold: Threshold = field(default_factory=Threshold)
    value: float | None = None
    age_seconds: float | None = field(default=None, compare=False)
    origin: Origin = Origin.NONE
    query: str = ""
    samples: tuple[Sample, ...] = ()
    trend: tuple[Point, ...] = ()
    trend_window: tuple[float, float] = (0.0, 0.0)
    trend_sampled: bool = False
    reason: str = ""
    note: str = ""
    truncated: bool = False
    contradictions: tuple[Contradiction, ...] = ()
    basis: tuple[str, ...] = ()
    caveat: Caveat | None = None
    annotations: tuple[str, ...] = ()
    """The server's annotations of the query: warnings, then infos."""
    partial: str = ""
    """The server's message about what is missing from the value; empty if it is complete."""
    paused: bool = False
    """The value is old because polling is paused, not because the source failed."""
    failed: bool = False
    """The query for the value failed, although its source may answer others."""
