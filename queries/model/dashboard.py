"""A dashboard: which one, what a person wants to see of it, and what it shows."""

from __future__ import annotations

from dataclasses import dataclass

from queries.model.fault import Fault
from queries.model.panel import PanelResult, PanelSpec, PanelState

DASHBOARDS: tuple[tuple[str, str], ...] = (
    ("platform_overview", "Platform Overview"),
    ("ocr_performance", "OCR Performance"),
    ("error_analysis", "Error Analysis"),
    ("resource_utilization", "Resource Utilization"),
    ("slo_tracking", "SLO Tracking"),
)
"""The key dashboards: the name of the file in the catalogue, and the title before that file is read."""


@dataclass(frozen=True, slots=True)
class Dashboard:
    """One board of the catalogue."""

    name: str
    title: str
    about: str
    panels: tuple[PanelSpec, ...]


@dataclass(frozen=True, slots=True)
class DashboardChoice:
    """What a person looks at. `provider` is empty for all, `environment` for the console's own.

    `window_seconds` is how far back the trends reach; `back_seconds` how far back the value lies that each panel is
    compared with, 0 for no comparison.
    """

    name: str
    provider: str = ""
    environment: str = ""
    window_seconds: float = 3600.0
    back_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class DashboardResult:
    """What Prometheus said to every panel, in the order of `dashboard.panels`.

    `earlier` holds the answers of `back_seconds` ago in the same order, empty where none was asked for; `earlier_fault`
    says why they are missing. `providers` are the names that have requests now, sorted.
    """

    dashboard: Dashboard
    answers: tuple[PanelResult, ...]
    earlier: tuple[PanelResult, ...] = ()
    earlier_fault: Fault | None = None
    providers: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PeriodComparison:
    """A panel's value at the earlier moment; None where it had none then, with the reason."""

    value: float | None
    reason: str = ""
    doubtful: bool = False
    """No such value is possible."""


@dataclass(frozen=True, slots=True)
class DashboardState:
    """A dashboard as it is drawn; `panels` are empty before the first answer, `compared` without a comparison.

    `fault` is why the latest question failed; `taken_at` is when the shown answer came, Unix seconds, None where none did.
    """

    choice: DashboardChoice
    panels: tuple[PanelState, ...] = ()
    compared: tuple[PeriodComparison, ...] = ()
    providers: tuple[str, ...] = ()
    taken_at: float | None = None
    fault: Fault | None = None
    warnings: tuple[str, ...] = ()

    def panel(self, panel_id: str) -> PanelState | None:
        return next((item for item in self.panels if item.spec.id == panel_id), None)
