"""What a checklist is evaluated from, so that a command polls nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from console.checklists import definition
from console.checklists.definition import Checklist
from console.monitor.source_results import ALERTMANAGER, EVERY_SOURCE, KUBERNETES, PLATFORM, PROMETHEUS, RULES
from queries.model.panel import PanelSpec

SOURCES_BY_EVIDENCE: Mapping[type, tuple[str, ...]] = MappingProxyType(
    {
        definition.PanelEvidence: (),
        definition.QueryEvidence: (PROMETHEUS,),
        definition.KpisEvidence: (PROMETHEUS,),
        definition.AlertsEvidence: (PROMETHEUS, ALERTMANAGER),
        definition.BatchEvidence: (KUBERNETES,),
        definition.IncidentsEvidence: (),
        definition.GuardsEvidence: (),
        definition.MaintenanceEvidence: (ALERTMANAGER,),
        definition.PlatformEvidence: (PLATFORM,),
        definition.QuestionEvidence: (),
    }
)
"""What each kind of evidence reads, beside the sources of the panels that it names. The journal is none: it is always read."""


def find_sources(checklist: Checklist, overview: Iterable[PanelSpec]) -> tuple[frozenset[str], tuple[PanelSpec, ...]]:
    """The sources of its items, and the panels of the overview that they name; the daily summary reads every source."""
    found = [item.evidence for item in checklist.items]
    named = {item.panel for item in found if isinstance(item, definition.PanelEvidence)}
    named.update(name for item in found if isinstance(item, definition.KpisEvidence) for name in item.names)
    panels = tuple(spec for spec in overview if spec.id in named)
    if checklist.summary:
        return EVERY_SOURCE, panels
    sources = {spec.source for spec in panels}.union(*(SOURCES_BY_EVIDENCE[type(item)] for item in found))
    # The rules decide what a recorded series is worth.
    return frozenset(sources | {RULES} if PROMETHEUS in sources else sources), panels
