"""When the present shift started, and the error budget over it."""

from __future__ import annotations

import math
import time

from console.checklists.evidence_queries import MetricsSource
from console.config.missing import missing_server
from console.state.handovers import HandoverSignature
from console.state.snapshot import Snapshot
from queries.errors import NotConfigured, SourceError, partial_answer
from queries.model.frozen import dataclass
from queries.model.panel import Origin, aggregate
from queries.model.series import Point
from queries.model.source import PollResult

BUDGET = "error_budget"
_POINTS = 12
_LEAST_SECONDS = 60.0
_MOST_SECONDS = 7 * 86_400.0
"""An older signature does not say when this shift started."""


@dataclass(frozen=True, slots=True)
class Shift:
    """`signed` is the handover that it started with, None where only the configured length is known."""

    since: float
    signed: HandoverSignature | None = None


def current_shift(signatures: tuple[HandoverSignature, ...], *, now: float, hours: float) -> Shift:
    """It started with the last signed handover; one from the future (somebody set a clock) or from long ago does not count."""
    known = [item for item in signatures if now - _MOST_SECONDS <= item.at <= now]
    if known:
        return Shift(known[-1].at, known[-1])
    return Shift(now - hours * 3600.0)


async def fetch_budget(
    snapshot: Snapshot, shift: Shift, *, prometheus: MetricsSource | None, now: float
) -> PollResult[tuple[Point, ...]]:
    """The remaining error budget from the start of the shift until now, percent: one request.

    Twelve steps of a recorded series; where Prometheus computes it from a month of counters, only both ends.
    """
    began = time.monotonic()
    try:
        if prometheus is None:
            raise missing_server("Prometheus")
        state = snapshot.panel(BUDGET)
        if state is None or not state.query:
            raise NotConfigured("there is no error budget panel")
        start = min(shift.since, now - _LEAST_SECONDS)
        steps = 1 if state.origin is Origin.RAW else _POINTS
        answer = await prometheus.query_range(state.query, start=start, end=now, step_seconds=(now - start) / steps)
        if answer.annotations.partial:
            raise partial_answer(answer.annotations.partial)
    except SourceError as error:
        return PollResult("prometheus", now, time.monotonic() - began, fault=error.fault)
    values: dict[float, list[float]] = {}
    for series in answer.series:
        for at, value in series.points:
            if math.isfinite(value):
                values.setdefault(at, []).append(value)
    folds = ((at, aggregate(state.spec.aggregation, values[at])) for at in sorted(values))
    points = tuple((at, value) for at, value in folds if value is not None)
    return PollResult("prometheus", now, time.monotonic() - began, value=points)
