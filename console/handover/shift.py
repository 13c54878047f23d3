"""Since when this shift runs, and how the error budget went during it."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

from console.checklists.evidence_queries import MetricsSource
from console.state.handovers import HandoverSigned
from console.state.snapshot import Snapshot
from queries.errors import NotConfigured, SourceError
from queries.model.panel import Origin, aggregate
from queries.model.series import Point
from queries.model.source import PollResult

BUDGET = "error_budget"
_POINTS = 12
_LEAST_SECONDS = 60.0
_MOST_SECONDS = 7 * 86_400.0
"""A signature that is older than a week does not say when this shift began."""


@dataclass(frozen=True, slots=True)
class Shift:
    """`signed` is the handover that it began with, None where the configured length is all that is known."""

    since: float
    signed: HandoverSigned | None = None


def shift_of(signatures: tuple[HandoverSigned, ...], *, now: float, hours: float) -> Shift:
    """The last handover that was signed began it; one from the future (a clock was set) or from long ago did not."""
    known = [item for item in signatures if now - _MOST_SECONDS <= item.at <= now]
    if known:
        return Shift(known[-1].at, known[-1])
    return Shift(now - hours * 3600.0)


async def budget_over(
    snapshot: Snapshot, shift: Shift, *, prometheus: MetricsSource | None, now: float
) -> PollResult[tuple[Point, ...]]:
    """What was left of the error budget from the shift's beginning until now, percent: one request.

    Twelve steps where a recorded series tells it; where it has to be computed from a month of counters, only both ends.
    """
    began = time.monotonic()
    try:
        if prometheus is None:
            raise NotConfigured("Prometheus is not configured", hint="set PROMETHEUS_URL or --prometheus-url")
        state = snapshot.panel(BUDGET)
        if state is None or not state.query:
            raise NotConfigured("there is no panel of the error budget")
        start = min(shift.since, now - _LEAST_SECONDS)
        steps = 1 if state.origin is Origin.RAW else _POINTS
        answer = await prometheus.query_range(state.query, start=start, end=now, step_seconds=(now - start) / steps)
    except SourceError as error:
        return PollResult("prometheus", now, time.monotonic() - began, fault=error.fault)
    values: dict[float, list[float]] = {}
    for track in answer.series:
        for at, value in track.points:
            if math.isfinite(value):
                values.setdefault(at, []).append(value)
    folds = ((at, aggregate(state.spec.aggregation, values[at])) for at in sorted(values))
    points = tuple((at, value) for at, value in folds if value is not None)
    return PollResult("prometheus", now, time.monotonic() - began, value=points)
