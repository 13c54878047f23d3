"""A panel: what it asks, what it was told, and what that means."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum

from queries.model.fault import Fault
from queries.model.series import Point, Sample, Series
from queries.model.verdict import Verdict

MOST_SERIES = 50
"""Of a panel that shows its highest or lowest series, so many of each recorded name are asked for, the worst: a thousand
providers cost it no more than fifty do."""


class Unit(StrEnum):
    PERCENT = "percent"
    """0 to 100."""
    SECONDS = "seconds"
    COUNT = "count"
    PER_SECOND = "per_second"
    PER_MINUTE = "per_minute"
    TIMES = "times"
    """A multiple of what was planned: a burn rate."""
    CORES = "cores"
    GIBIBYTES = "gibibytes"
    HOURS = "hours"

    @property
    def suffix(self) -> str:
        """What stands behind the number, without a space; nothing for a count."""
        return _SUFFIXES[self]

    @property
    def allowed(self) -> Range:
        """What a value of this unit can be where nothing else is said: a share is 0 to 100, and nothing is below zero."""
        return Range(0.0, 100.0) if self is Unit.PERCENT else Range(0.0)


@dataclass(frozen=True, slots=True)
class Range:
    """The values that are possible, both ends included."""

    low: float = -math.inf
    high: float = math.inf

    @classmethod
    def read(cls, value: object) -> Range:
        """Of `[0, null]`: the least and the largest, null where there is none. Raises ValueError."""
        ends = value if isinstance(value, list | tuple) and len(value) == 2 else ("", "")
        if not all(end is None or (isinstance(end, int | float) and not isinstance(end, bool)) for end in ends):
            raise ValueError("expected a range like [0, 100], null for an end that it has not")
        low, high = ends
        found = cls(-math.inf if low is None else float(low), math.inf if high is None else float(high))
        if not found.low < found.high:
            raise ValueError(f"expected a range whose least is under its largest, found [{found.low:g}, {found.high:g}]")
        return found

    def holds(self, value: float) -> bool:
        """Whether the value is possible, but for what is lost in floating point."""
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
    """How a panel's series become its one value."""

    MAX = "max"
    MIN = "min"
    SUM = "sum"


class Origin(StrEnum):
    """Where a panel's value came from, in the words of `status --format json`."""

    RECORDED = "recording rule"
    RAW = "raw expression"
    KUBERNETES = "kubernetes"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Threshold:
    """Where a panel warns and where it is critical, in the panel's unit; None where it has no such line."""

    warn: float | None = None
    critical: float | None = None

    def override(self, own: Threshold) -> Threshold:
        """With every line that another one sets in its place."""
        return Threshold(self.warn if own.warn is None else own.warn, self.critical if own.critical is None else own.critical)

    def order_error(self, *, below: bool) -> str:
        """What is wrong where `critical` is reached before `warn`; empty where the order is right. `below`: small is bad."""
        warn, critical = self.warn, self.critical
        if warn is None or critical is None or (warn >= critical if below else warn <= critical):
            return ""
        bad, expected = ("small", "at or under") if below else ("large", "at or over")
        return f"reversed thresholds: {bad} values are bad, so expected critical {expected} warn {warn:g}, found {critical:g}"


@dataclass(frozen=True, slots=True)
class PanelSpec:
    """One entry of the catalogue: everything there is to know about a panel before it is asked.

    `recorded` and `raw` are PromQL; `recorded` reads recorded series (None where there are none) and is preferred
    where the series of `recorded_names` exist; both answer in `unit`. A panel whose `source` is `kubernetes` has neither.
    `written` is what `raw` was made of, with ${signal[5m]} where a signal stands, and `provider` the one that it is narrowed
    to: when the signals are decided otherwise, `raw` is made again. An empty `raw` with `written` is one that cannot be asked.
    `by` is the label that names one series (`provider`), empty for a single series.
    `below` is True where small values are bad (health, budget). `absent` says why there may be no series.
    `raw_every_seconds` is how rarely a raw expression that reads long ranges is evaluated; between, its last answer counts.
    `alerts` and `runbook` are what belongs to the panel. `threshold` is the default that the config may override.
    `scope` is what the panel covers where that is more than what was asked for (`all providers`); else empty.
    `range` is what its value can be where that is other than what the unit allows.
    `place` is the file and line of a team's own panel, empty for ours. `broken` says what is wrong with its definition:
    nobody is asked for such a panel.
    """

    id: str
    title: str
    unit: Unit
    fold: Aggregation = Aggregation.MAX
    source: str = "prometheus"
    recorded: str | None = None
    recorded_names: tuple[str, ...] = ()
    raw: str = ""
    written: str = ""
    provider: str = ""
    by: str = ""
    below: bool = False
    decimals: int = 2
    absent: str = ""
    alerts: tuple[str, ...] = ()
    runbook: str = ""
    threshold: Threshold = Threshold()
    raw_every_seconds: float = 0.0
    scope: str = ""
    range: Range | None = None
    place: str = ""
    broken: str = ""

    @property
    def allowed(self) -> Range:
        """What its value can be; anything else is in doubt."""
        return self.unit.allowed if self.range is None else self.range


class ContradictionKind(StrEnum):
    """Which two figures of the same thing contradict each other."""

    WITNESS = "witness"
    """It was counted in two ways."""
    RECORDED = "recorded"
    """A recorded series, and the expression that it should have been recorded from."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One of two figures: what it was taken from, in words and in PromQL."""

    says: str
    value: float
    query: str


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Two figures of the same thing that differ by more than their tolerance. `subject` says of what, with the window where
    there is one, and `whom` of which provider or other label; both figures are in `unit`.
    """

    kind: ContradictionKind
    subject: str
    unit: Unit
    first: Figure
    second: Figure
    whom: str = ""


@dataclass(frozen=True, slots=True)
class Caveat:
    """What there is to say of where a value comes from: in a word or three, and in a sentence."""

    word: str
    says: str


@dataclass(frozen=True, slots=True)
class PanelResult:
    """What the source said to one panel: samples (possibly none) or the fault of this one query."""

    id: str
    origin: Origin
    query: str
    samples: tuple[Sample, ...] = ()
    fault: Fault | None = None
    trend: tuple[Point, ...] = ()
    """The folded value over the trend window, oldest first."""
    more: bool = False
    """There may be further samples: only the worst were asked for."""
    contradictions: tuple[Contradiction, ...] = ()
    """What else was counted, and says something else: the value cannot be believed."""
    basis: tuple[str, ...] = ()
    """How the signals of a raw expression are counted on this server, and why so, a sentence each."""
    caveat: Caveat | None = None
    """Why the recorded series is not read, or that nobody could verify it."""


@dataclass(frozen=True, slots=True)
class PanelState:
    """One panel as it is drawn and as `status` prints it.

    `value` is in the spec's unit and None exactly where the verdict is no_data; with the verdict `stale` it is the last
    good value, with `in_doubt` one that cannot be believed. `age_seconds` is the age of that value, None where there was none.
    `reason` says in one sentence why the verdict is what it is; `note` is the short remark at the end of the row
    (`deepseek 81 · paddle 99`). `more` says that there may be series beside `samples`, none of them worse than all of these.
    """

    spec: PanelSpec
    verdict: Verdict
    threshold: Threshold = field(default_factory=Threshold)
    value: float | None = None
    age_seconds: float | None = None
    origin: Origin = Origin.NONE
    query: str = ""
    samples: tuple[Sample, ...] = ()
    trend: tuple[Point, ...] = ()
    reason: str = ""
    note: str = ""
    more: bool = False
    contradictions: tuple[Contradiction, ...] = ()
    basis: tuple[str, ...] = ()
    caveat: Caveat | None = None
    paused: bool = False
    """The value is old because nothing was asked, not because nothing was answered."""


@dataclass(frozen=True, slots=True)
class PanelHistory:
    """The tracks of one panel over a window, for its detail: by series, in the panel's unit.

    `earlier` is the folded value of an earlier time, moved to this window, where it was asked for.
    """

    id: str
    start: float
    end: float
    step_seconds: float
    tracks: tuple[Series, ...] = ()
    fault: Fault | None = None
    earlier: tuple[Point, ...] = ()
    earlier_fault: Fault | None = None
