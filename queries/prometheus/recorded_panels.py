"""How a panel uses its recorded series on one server: as they are, under another name, or not at all and why."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from zlib import crc32

from queries.model.frozen import dataclass
from queries.model.panel import PanelSpec, Unit, aggregate
from queries.model.panel_result import Caveat, Contradiction, ContradictionKind, Figure
from queries.model.rule import NOTHING_SEEN, RecordedBook, RuleGroup, RuleMatch
from queries.model.series import Sample
from queries.waits import still_waits

EVERY_SECONDS = 300.0
"""The interval at which an unverified recorded series is compared with its raw expression; panels are staggered."""
_USUAL_EVALUATION_SECONDS = 30.0
_CATCH_UP_SECONDS = 60.0
"""A recorded series lags by an evaluation: its values within this time after the raw expression count as the same moment."""
_CATCH_UP_RARE_SECONDS = 600.0
_RATIO = 0.1
_MOST = 5
_LEAST = {Unit.PERCENT: 0.2, Unit.SECONDS: 0.05, Unit.COUNT: 0.05, Unit.PER_SECOND: 0.1, Unit.PER_MINUTE: 1.0, Unit.TIMES: 0.1}
_WORDS = {
    RuleMatch.DIFFERENT: "raw: the rule differs",
    RuleMatch.TWICE: "raw: recorded twice",
    RuleMatch.FAILING: "raw: the rule fails",
    RuleMatch.LATE: "raw: the rule is late",
    RuleMatch.UNVERIFIED: "not verified",
}


@dataclass(frozen=True, slots=True)
class RecordedPlan:
    """The panel as it is queried, whether its recorded series are verified, and a caveat."""

    spec: PanelSpec
    verified: bool = True
    caveat: Caveat | None = None


@dataclass(frozen=True, slots=True)
class _Check:
    """The values of the raw expression and the range of the recorded series since: of the panel under the empty name, and of
    every series by its label."""

    checked_at: float
    raw: Mapping[str, float]
    low: Mapping[str, float]
    high: Mapping[str, float]
    agreed_before: bool

    def nearest(self, name: str) -> float:
        return min(max(self.raw[name], self.low[name]), self.high[name])


class RecordedPanels:
    """Plans every panel of one server by its loaded rules.

    `book` is the latest of `LoadedRules`, empty before the rules first arrive.
    """

    def __init__(self) -> None:
        self.book: RecordedBook = NOTHING_SEEN
        self.fault = "the server has not returned its rules yet"
        """Why the rules are unknown, else empty."""
        self.evaluation_seconds = _USUAL_EVALUATION_SECONDS
        """The shortest interval of the loaded recording rules: how often a chart's expression is computed to find its peaks."""
        self._plans: dict[PanelSpec, RecordedPlan] = {}
        self._planned_by: RecordedBook | None = None

    def update(self, book: RecordedBook, fault: str = "") -> None:
        """Set the match of the loaded rules, or why they are unknown; an equal match keeps the plans."""
        if (book, fault) != (self.book, self.fault):
            self.book, self.fault, self._planned_by = book, fault, None

    def update_intervals(self, groups: Sequence[RuleGroup]) -> None:
        """Set how often the loaded rules are evaluated."""
        intervals = [group.interval_seconds for group in groups if group.interval_seconds > 0.0]
        self.evaluation_seconds = min([*intervals, _USUAL_EVALUATION_SECONDS])

    def plan(self, spec: PanelSpec) -> RecordedPlan:
        if self._planned_by is not self.book:
            self._plans, self._planned_by = {}, self.book
        if spec not in self._plans:
            self._plans[spec] = self._build_plan(spec)
        return self._plans[spec]

    def _build_plan(self, spec: PanelSpec) -> RecordedPlan:
        if spec.recorded is None:
            return RecordedPlan(spec)
        known = [self.book.get(name) for name in spec.recorded_names]
        bad = next((item for item in known if item and item.match not in (RuleMatch.SAME, RuleMatch.UNVERIFIED)), None)
        if bad is not None:
            return RecordedPlan(replace(spec, recorded=None, recorded_names=()), caveat=Caveat(_WORDS[bad.match], bad.reason))
        names = {item.name: item.read for item in known if item}
        spec = _rename(spec, {old: new for old, new in names.items() if old != new})
        if all(item is not None and item.match is RuleMatch.SAME for item in known):
            return RecordedPlan(spec)
        missing = next((name for name, item in zip(spec.recorded_names, known, strict=True) if item is None), "")
        reason = (
            next((item.reason for item in known if item and item.reason), "")
            or self.fault
            or f"no loaded rule records {missing}"
        )
        return RecordedPlan(spec, verified=False, caveat=Caveat(_WORDS[RuleMatch.UNVERIFIED], reason))


class RecordedValueCheck:
    """Compares recorded series that the rules cannot verify with their raw expressions, now and then."""

    def __init__(self) -> None:
        self._checks: dict[str, _Check] = {}
        self._due_at: dict[str, float] = {}

    def is_due(self, spec: PanelSpec, now: float) -> bool:
        """Whether to query the raw expression along with the recorded series."""
        return not still_waits(self._due_at.get(spec.id, now), now, EVERY_SECONDS)

    def ingest(self, spec: PanelSpec, recorded: Sequence[Sample], raw: Sequence[Sample] | None, now: float) -> None:
        """Compare the results; `raw` is None if it was not queried."""
        values = _values(spec, recorded)
        before = self._checks.get(spec.id)
        if raw is not None:
            agreed = before is not None and not _disagreeing(spec, before)
            self._checks[spec.id] = _Check(now, _values(spec, raw), values, values, agreed)
            self._due_at[spec.id] = now + EVERY_SECONDS * (1.0 + crc32(spec.id.encode()) % 100 / 100)
        elif before is not None and now - before.checked_at <= _catch_up(spec):
            low = {name: min(value, values.get(name, value)) for name, value in before.low.items()}
            high = {name: max(value, values.get(name, value)) for name, value in before.high.items()}
            self._checks[spec.id] = replace(before, low=low, high=high)

    def contradictions(self, spec: PanelSpec, now: float) -> tuple[Contradiction, ...]:
        """The values of the raw expression that the recorded series did not come near."""
        check = self._checks.get(spec.id)
        if check is None or (check.agreed_before and now - check.checked_at < _catch_up(spec)):
            return ()
        return tuple(_contradiction(spec, check, name) for name in _disagreeing(spec, check)[:_MOST])

    def forget(self, spec: PanelSpec) -> None:
        self._checks.pop(spec.id, None)


def _catch_up(spec: PanelSpec) -> float:
    return _CATCH_UP_RARE_SECONDS if spec.raw_every_seconds else _CATCH_UP_SECONDS


def _contradiction(spec: PanelSpec, check: _Check, name: str) -> Contradiction:
    first = Figure("the recorded series", check.nearest(name), spec.recorded or "")
    second = Figure("the raw expression", check.raw[name], spec.raw)
    return Contradiction(ContradictionKind.RECORDED, spec.title, spec.unit, first, second, whom=name)


def _disagreeing(spec: PanelSpec, check: _Check) -> list[str]:
    """The names in both whose values did not come near each other, the largest gap first."""
    gaps = {name: abs(check.raw[name] - check.nearest(name)) for name in check.raw if name in check.low}
    least = _LEAST.get(spec.unit, 0.0)
    names = [
        name
        for name, gap in gaps.items()
        if gap >= least and gap > _RATIO * max(abs(check.raw[name]), abs(check.nearest(name)))
    ]
    # The panel's own value comes first.
    return sorted(names, key=lambda name: (name != "", -gaps[name]))


def _values(spec: PanelSpec, samples: Sequence[Sample]) -> dict[str, float]:
    known = [sample for sample in samples if math.isfinite(sample.value)]
    whole = aggregate(spec.aggregation, [sample.value for sample in known])
    values = {"": whole} if whole is not None and math.isfinite(whole) else {}
    if spec.group_by:
        for sample in known:
            values.setdefault(sample.label(spec.group_by), sample.value)
    return values


def _rename(spec: PanelSpec, names: dict[str, str]) -> PanelSpec:
    if not names or spec.recorded is None:
        return spec
    word = re.compile(rf"(?<![\w:])({'|'.join(map(re.escape, names))})(?![\w:])")
    recorded = word.sub(lambda match: names[match[1]], spec.recorded)
    return replace(spec, recorded=recorded, recorded_names=tuple(names.get(name, name) for name in spec.recorded_names))
