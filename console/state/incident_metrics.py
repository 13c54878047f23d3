"""Incident counts, mean time to acknowledge and mean time to recover over a period."""

from __future__ import annotations

from collections.abc import Iterable

from console.state.incident import Incident
from queries.model.frozen import dataclass
from queries.model.severity import Priority

PERIOD_SECONDS = 30 * 86_400.0


@dataclass(frozen=True, slots=True)
class IncidentMetrics:
    """Of the incidents that began within the period. `counts` has every severity; `open` counts those that are not closed.

    The means are seconds from the beginning (the first alert, else the declaration) to the acknowledgement, and to the
    mitigation (the resolution where there was none); None without a sample. `acknowledged` and `recovered` are the sample
    sizes.
    """

    counts: tuple[tuple[Priority, int], ...]
    open: int
    acknowledged: int
    recovered: int
    mtta_seconds: float | None
    mttr_seconds: float | None

    def count(self, level: Priority) -> int:
        return dict(self.counts)[level]


def compute_metrics(incidents: Iterable[Incident], *, now: float, period_seconds: float = PERIOD_SECONDS) -> IncidentMetrics:
    """Pure; `now` ends the period."""
    own = [item for item in incidents if now - period_seconds < item.began_at <= now]
    acknowledged = [item.acknowledged_at - item.began_at for item in own if item.acknowledged_at is not None]
    recovered = [item.recovered_at - item.began_at for item in own if item.recovered_at is not None]
    return IncidentMetrics(
        counts=tuple((level, sum(item.severity is level for item in own)) for level in Priority),
        open=sum(item.open for item in own),
        acknowledged=len(acknowledged),
        recovered=len(recovered),
        mtta_seconds=_mean(acknowledged),
        mttr_seconds=_mean(recovered),
    )


def _mean(lengths: list[float]) -> float | None:
    """An acknowledgement before the first alert's start (clocks differ) counts as 0 seconds."""
    return sum(max(0.0, item) for item in lengths) / len(lengths) if lengths else None
