"""What a checklist is: its items in their order, each bound to one kind of evidence."""

from __future__ import annotations

from typing import TypeAlias

from queries.model.frozen import dataclass
from queries.model.panel import PanelSpec, Threshold
from queries.text.times import due_today, local_hour

HOURLY = "hourly"
MIDNIGHT = "midnight"


@dataclass(frozen=True, slots=True)
class PanelEvidence:
    """A panel of the overview; a value set in `threshold` overrides the panel's own."""

    panel: str
    threshold: Threshold


@dataclass(frozen=True, slots=True)
class QueryEvidence:
    """A named query; `spec.raw` is its PromQL."""

    spec: PanelSpec
    threshold: Threshold


@dataclass(frozen=True, slots=True)
class AlertsEvidence:
    """What fired since the last signed run of one of these checklists began, or since midnight where `since` is empty.

    Where nobody ever signed one, the window is `otherwise_seconds` long; it is never longer than `at_most_seconds`.
    """

    since: tuple[str, ...] = ()
    otherwise_seconds: float = 86_400.0
    at_most_seconds: float = 4 * 86_400.0


@dataclass(frozen=True, slots=True)
class BatchEvidence:
    """The last success of a CronJob or Job; `name` may hold `*` and `?`."""

    kind: str
    name: str
    within_seconds: float


@dataclass(frozen=True, slots=True)
class KpisEvidence:
    """Several figures, each now and at midnight: panels by id, and named queries."""

    names: tuple[str, ...]
    specs: tuple[PanelSpec, ...]


@dataclass(frozen=True, slots=True)
class IncidentsEvidence:
    """The open incidents, or today's incidents and whether their tickets are up to date."""

    today: bool = False


@dataclass(frozen=True, slots=True)
class GuardsEvidence:
    """The guarded changes that ended within a time, and those that are still watched."""

    within_seconds: float


@dataclass(frozen=True, slots=True)
class Planned:
    """Maintenance that the team planned in the file; Unix seconds."""

    title: str
    starts_at: float
    ends_at: float


@dataclass(frozen=True, slots=True)
class MaintenanceEvidence:
    """Upcoming silences and planned maintenance."""

    within_seconds: float
    planned: tuple[Planned, ...] = ()


@dataclass(frozen=True, slots=True)
class PlatformEvidence:
    """What the platform reports: whether it is ready, and which parts are degraded."""


@dataclass(frozen=True, slots=True)
class QuestionEvidence:
    """A question that only a person can answer."""

    text: str


Evidence: TypeAlias = (
    PanelEvidence
    | QueryEvidence
    | AlertsEvidence
    | BatchEvidence
    | KpisEvidence
    | IncidentsEvidence
    | GuardsEvidence
    | MaintenanceEvidence
    | PlatformEvidence
    | QuestionEvidence
)


@dataclass(frozen=True, slots=True)
class Item:
    """One page of a run. `asks` is the question that a person answers; `runbook` may be empty."""

    id: str
    title: str
    asks: str
    evidence: Evidence
    runbook: str = ""


@dataclass(frozen=True, slots=True)
class Checklist:
    """`name` is the file's; `due` is `hourly`, a local time (`09:00`), or empty where it is never due."""

    name: str
    title: str
    items: tuple[Item, ...]
    due: str = ""
    path: str = ""
    summary: bool = False
    """Whether a run includes the daily summary."""

    def due_at(self, now: float) -> float | None:
        """When it is due: its time today, or the start of this hour, Unix seconds; None if it has no time."""
        return local_hour(now) if self.due == HOURLY else due_today(self.due, now)

    def item(self, item_id: str) -> Item | None:
        return next((item for item in self.items if item.id == item_id), None)
