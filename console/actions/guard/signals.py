"""Whether a signal is worse than it was before a change: pure functions of panel states."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from console.actions.guard.model import GuardVerdict, SignalReading
from console.journal.payloads import GuardSignal
from queries.model.panel import PanelSpec, PanelState, Unit, aggregate, is_crossed
from queries.model.series import Sample, Series
from queries.model.text import visible
from queries.text.numbers import format_figure

BEFORE_SECONDS = 600.0
"""How far back the time before the change goes."""
_MARGIN = 0.25
"""How much worse than the worst value before, as a share of it, is still the same; at least the unit's floor."""
_FLOORS = {
    Unit.PERCENT: 0.5, Unit.SECONDS: 0.1, Unit.COUNT: 1.0, Unit.PER_SECOND: 0.01, Unit.PER_MINUTE: 0.5, Unit.TIMES: 0.1,
    Unit.CORES: 0.05, Unit.GIBIBYTES: 0.05, Unit.HOURS: 0.1,
}  # fmt: skip
"""Of every unit: without one, a value that stays 0 would be at its own limit, and so count as worse."""
_OWN = "deployment"
"""The label by which a panel's series belong to one workload each."""
_WITH_SERIES = ("deployment", "rollout")
"""The kinds of target that the panels with a series for each workload show."""


def measure_before(state: PanelState, history: Sequence[Series], *, target: str) -> GuardSignal:
    """The signal before the change, with the limit from which on it counts against the change.

    The limit is the worst value before with a margin, and at least the panel's own threshold, unless that was crossed
    already. The worst tenth of the values is left out, so that a short failure before does not allow another. `target` is the
    name of the workload, empty for none; a panel with a series for each counts only this one.
    """
    spec, own = state.spec, _own_value(state, target)
    below = spec.lower_is_worse
    if own is None or not state.verdict.known:
        return GuardSignal(spec.id, spec.title, below=below)
    values = sorted(values_before(spec, history, target=target), reverse=not below)
    worst = _worst([own, *values[len(values) // 10 :]], below=below)
    limit = worst - _margin(worst, spec.unit) if below else worst + _margin(worst, spec.unit)
    own_limit = state.threshold.warn if state.threshold.warn is not None else state.threshold.critical
    bad = is_crossed(own, own_limit, lower_is_worse=below)
    if own_limit is not None and not bad:
        limit = _worst([limit, own_limit], below=below)
    return GuardSignal(spec.id, spec.title, own, limit, below, bad)


def evaluate_signal(signal: GuardSignal, state: PanelState | None, *, target: str, twin: str = "") -> SignalReading:
    """The signal now. A twin that is as bad explains a bad value: it was not the change."""
    if state is None:
        return SignalReading(signal, GuardVerdict.UNKNOWN, f"{signal.title or signal.panel}: NO DATA, there is no such panel")
    title, spec = state.spec.title, state.spec
    value = _own_value(state, target)
    if value is None or not state.verdict.known:
        return SignalReading(signal, GuardVerdict.UNKNOWN, f"{title}: {describe_unknown(state)}")
    if signal.limit is None or signal.before is None:
        return SignalReading(signal, GuardVerdict.UNKNOWN, f"{title}: it had no value before the change", value)
    now, before, limit = (format_figure(item, spec.unit, spec.decimals) for item in (value, signal.before, signal.limit))
    beside = _sample_of(state.samples, twin) if twin else None
    if not is_crossed(value, signal.limit, lower_is_worse=signal.below):
        return SignalReading(signal, GuardVerdict.OK, f"{title} {now}, {before} before", value, beside)
    text = f"{title} {now} is {'under' if signal.below else 'at or over'} {limit}, {before} before"
    if beside is not None:
        apart = _margin(beside, spec.unit)
        shown = format_figure(beside, spec.unit, spec.decimals)
        if value >= beside - apart if signal.below else value <= beside + apart:
            return SignalReading(signal, GuardVerdict.OK, f"{text}; but {visible(twin)} has {shown} too", value, beside)
        text += f"; {visible(twin)} has {shown}"
    return SignalReading(signal, GuardVerdict.WORSE, text, value, beside)


def overall_verdict(readings: Iterable[SignalReading]) -> GuardVerdict:
    """The worst one; without any signal nothing is known."""
    verdicts = {item.verdict for item in readings}
    if GuardVerdict.WORSE in verdicts:
        return GuardVerdict.WORSE
    return GuardVerdict.OK if verdicts == {GuardVerdict.OK} else GuardVerdict.UNKNOWN


def describe_limit(signal: GuardSignal, specs: Mapping[str, PanelSpec]) -> str:
    """`Error ratio 0.31 %, worse from 1.00 % on`."""
    spec = specs.get(signal.panel)
    if spec is None or signal.before is None or signal.limit is None:
        return f"{signal.title or signal.panel}: no value before the change"
    before, limit = (format_figure(item, spec.unit, spec.decimals) for item in (signal.before, signal.limit))
    return f"{signal.title} {before}, worse {f'under {limit}' if signal.below else f'from {limit} on'}"


def describe_unknown(state: PanelState) -> str:
    """Why the signal of a panel has no value."""
    if state.verdict.known:
        return "NO DATA, the target has no series of its own"
    return f"{state.verdict.word}, {state.reason}"


def series_name(target: str) -> str:
    """By which a panel's series belong to the target; empty for one that never has its own, such as a node."""
    kind, _, name = target.rpartition("/")
    return name if kind in _WITH_SERIES else ""


def _own_value(state: PanelState, target: str) -> float | None:
    """That of the target where each workload has a series: the others never stand for it."""
    return _sample_of(state.samples, target) if target and state.spec.group_by == _OWN else state.value


def _sample_of(samples: Iterable[Sample], name: str) -> float | None:
    return next((item.value for item in samples if item.label(_OWN) == name and math.isfinite(item.value)), None)


def values_before(spec: PanelSpec, history: Sequence[Series], *, target: str) -> list[float]:
    """The panel's value at each point of its history."""
    if target and spec.group_by == _OWN:
        history = [item for item in history if dict(item.labels).get(_OWN) == target]
    steps: dict[float, list[float]] = {}
    for at, value in (point for item in history for point in item.points):
        if math.isfinite(value) and spec.allowed.contains(value):
            steps.setdefault(at, []).append(value)
    found = (aggregate(spec.aggregation, values) for values in steps.values())
    return [value for value in found if value is not None and math.isfinite(value)]


def _worst(values: Sequence[float], *, below: bool) -> float:
    return min(values) if below else max(values)


def _margin(value: float, unit: Unit) -> float:
    return max(_FLOORS[unit], _MARGIN * abs(value))
