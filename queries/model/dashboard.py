"""A dashboard: its definition, the user's choice of it, and what it shows."""

from __future__ import annotations

from queries.model.fault import Fault
from queries.model.frozen import dataclass
from queries.model.panel import PanelSpec, PanelState
from queries.model.panel_result import PanelResult

DASHBOARDS: tuple[tuple[str, str], ...] = (
    ("platform_overview", "Platform Overview"),
    ("ocr_performance", "OCR Performance"),
    ("error_analysis", "Error Analysis"),
    ("resource_utilization", "Resource Utilization"),
    ("slo_tracking", "SLO Tracking"),
)
"""The key dashboards: file name in the catalogue, and the title that is shown before that file is read."""


@dataclass(frozen=True, slots=True)
class Dashboard:
    """One dashboard of the catalogue."""

    name: str
    title: str
    about: str
    panels: tuple[PanelSpec, ...]


@dataclass(frozen=True, slots=True)
class DashboardChoice:
    """What a person looks at. `provider` is empty for all, `environment` for the console's own.

    `window_seconds` is the length of the trends; each panel is compared with its value `back_seconds` ago, 0 for no
    comparison.
    """

    name: str
    provider: str = ""
    environment: str = ""
    window_seconds: float = 3600.0
    back_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class DashboardResult:
    """Prometheus' results for every panel, in the order of `dashboard.panels`.

    `earlier` holds the results of `back_seconds` ago in the same order, empty if none were requested; `earlier_fault`
    explains why they are missing. `providers` are the names that have requests now, sorted.
    """

    dashboard: Dashboard
    results: tuple[PanelResult, ...]
    earlier: tuple[PanelResult, ...] = ()
    earlier_fault: Fault | None = None
    providers: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PeriodComparison:
    """A panel's value at the earlier moment; None if it had none then, with the reason."""

    value: float | None
    reason: str = ""
    doubtful: bool = False
    """The value is outside its possible range."""


@dataclass(frozen=True, slots=True)
class DashboardState:
    """A dashboard as drawn; `panels` are empty before the first answer, `comparisons` without a comparison.

    `fault` explains why the latest request failed; `taken_at` is when the shown answer arrived, Unix seconds or None.
    """

    choice: DashboardChoice
    panels: tuple[PanelState, ...] = ()
    comparisons: tuple[PeriodComparison, ...] = ()
    providers: tuple[str, ...] = ()
    taken_at: float | None = None
    fault: Fault | None = None
    warnings: tuple[str, ...] = ()

    def panel(self, panel_id: str) -> PanelState | None:
        return next((item for item in self.panels if item.spec.id == panel_id), None)
