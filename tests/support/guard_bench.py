"""Signals that a test sets, for guards on a cluster in the process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from console.actions.guard.gates import GateFacts
from console.actions.guard.model import GuardOptions
from console.checks.panels import evaluate_panel
from console.journal.sqlite import Journal
from console.state.guards import Guards, GuardsProjection
from console.state.incident import Incident
from console.state.incident_projection import IncidentsProjection
from queries.errors import SourceError
from queries.model.panel import Origin, PanelSpec, PanelState, Threshold, Unit
from queries.model.panel_result import PanelResult
from queries.model.series import Sample, Series

BRIEF = GuardOptions(watch_seconds=0.3, hold_seconds=0.3, countdown_seconds=0.2)
"""A guard that ends within a second."""
SPECS = (
    PanelSpec("error_ratio", "Error ratio", Unit.PERCENT, threshold=Threshold(1.0, 5.0)),
    PanelSpec("p95_latency", "P95 latency", Unit.SECONDS, threshold=Threshold(2.0, 5.0)),
    PanelSpec("memory", "Memory", Unit.PERCENT, group_by="deployment", threshold=Threshold(80.0, 90.0)),
)
GOOD = {"error_ratio": 0.3, "p95_latency": 0.8}


def panel_state(name: str, value: float | None, *, samples: dict[str, float] | None = None) -> PanelState:
    """As the console evaluates it; without a value there is no data."""
    spec = next(item for item in SPECS if item.id == name)
    found = [Sample((("deployment", label),), number) for label, number in (samples or {}).items()]
    if value is not None and not samples:
        found = [Sample((), value)]
    result = PanelResult(name, Origin.RAW, "", tuple(found))
    return evaluate_panel(spec, Threshold(), result, taken_at=0.0, now=0.0, stale_after=1.0)


def guards_of(journal: Journal | None) -> Guards:
    told = GuardsProjection()
    return told.fold(told.initial(), journal.events(kinds=told.kinds) if journal else ())


@dataclass
class Signals:
    """`console.actions.guard.source.GuardSource`: `values` by panel, None for no data; `error` is raised instead of them."""

    journal: Journal | None
    values: dict[str, float | None] = field(default_factory=lambda: dict(GOOD))
    history: dict[str, tuple[Series, ...]] = field(default_factory=dict)
    """Of the minutes before; the values now where it has none of a panel."""
    gates: GateFacts = field(default_factory=GateFacts)
    error: SourceError | None = None
    guards: Guards | None = None
    """None for those of the journal."""
    missing: str = ""
    reads: int = 0
    on_read: Callable[[int], None] = lambda count: None
    interval_seconds: float = 0.05
    specs: Sequence[PanelSpec] = SPECS

    async def fetch_panels(self, names: Sequence[str]) -> tuple[PanelState, ...]:
        self.reads += 1
        self.on_read(self.reads)
        if self.error is not None:
            raise self.error
        return tuple(panel_state(name, self.values[name]) for name in names if name in self.values)

    async def fetch_history(self, name: str, seconds: float) -> tuple[Series, ...]:
        value = self.values.get(name)
        return self.history.get(name, () if value is None else (Series((), ((0.0, value),)),))

    async def fetch_gates(self) -> GateFacts:
        return self.gates

    async def fetch_incidents(self) -> tuple[tuple[Incident, ...], str]:
        told = IncidentsProjection()
        found = told.fold(told.initial(), self.journal.events(kinds=told.kinds) if self.journal else ())
        return found.open, self.missing

    async def fetch_guards(self) -> tuple[Guards, str]:
        return self.guards or guards_of(self.journal), self.missing
