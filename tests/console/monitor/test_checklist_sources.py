"""What a command polls for a checklist: no source that it does not show, and every one that it does."""

from __future__ import annotations

from typing import get_args

import pytest

from console.checklists import definition
from console.checklists.definition import Checklist, Evidence, Item
from console.checklists.loader import ChecklistNames, Checklists
from console.monitor.checklist_sources import SOURCES_BY_EVIDENCE, find_sources
from console.monitor.source_results import (
    ALERTMANAGER,
    EVERY_SOURCE,
    KUBERNETES,
    LOKI,
    PLATFORM,
    PROMETHEUS,
    RULES,
)
from queries.catalogue.loader import load_board
from queries.model.panel import PanelSpec, Threshold, Unit

PANELS = (
    PanelSpec("ratio", "Ratio", Unit.PERCENT, raw="a"),
    PanelSpec("replicas", "Replicas", Unit.COUNT, source="kubernetes"),
    PanelSpec("errors", "Errors", Unit.COUNT, raw="b", source="loki"),
)


def checklist(*found: Evidence, summary: bool = False) -> Checklist:
    items = tuple(Item(str(at), "t", "t", evidence) for at, evidence in enumerate(found))
    return Checklist("mine", "Mine", items, summary=summary)


@pytest.mark.parametrize(
    ("evidence", "sources", "panels"),
    [
        (definition.PanelEvidence("ratio", Threshold()), {PROMETHEUS, RULES}, ["ratio"]),
        (definition.PanelEvidence("replicas", Threshold()), {KUBERNETES}, ["replicas"]),
        (definition.PanelEvidence("errors", Threshold()), {LOKI}, ["errors"]),
        (definition.KpisEvidence(("ratio", "own"), ()), {PROMETHEUS, RULES}, ["ratio"]),
        (definition.QueryEvidence(PANELS[0], Threshold()), {PROMETHEUS, RULES}, []),
        (definition.AlertsEvidence(), {PROMETHEUS, RULES, ALERTMANAGER}, []),
        (definition.BatchEvidence("Job", "backup", 60.0), {KUBERNETES}, []),
        (definition.MaintenanceEvidence(60.0), {ALERTMANAGER}, []),
        (definition.PlatformEvidence(), {PLATFORM}, []),
        (definition.IncidentsEvidence(), set(), []),
        (definition.GuardsEvidence(60.0), set(), []),
        (definition.QuestionEvidence("Is all well?"), set(), []),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, (set, list)) else "",
)
def test_an_item_reads_its_sources(evidence: Evidence, sources: set[str], panels: list[str]) -> None:
    """A panel that of its own source; the rules wherever a recorded series counts; two items both of theirs."""
    found, specs = find_sources(checklist(evidence), PANELS)
    assert (found, [spec.id for spec in specs]) == (sources, panels)
    both, _ = find_sources(checklist(evidence, definition.PlatformEvidence()), PANELS)
    assert both == {*sources, PLATFORM}


def test_the_summary_reads_everything() -> None:
    """Silences, changes of the cluster and alerts of the day are of no item."""
    found, _ = find_sources(checklist(definition.PlatformEvidence(), summary=True), PANELS)
    assert found == EVERY_SOURCE


def test_every_kind_of_evidence_has_its_sources() -> None:
    """A new kind is not left out."""
    assert SOURCES_BY_EVIDENCE.keys() == set(get_args(Evidence))


def test_the_hourly_checklist_reads_no_cluster_and_no_alerts() -> None:
    """It runs every hour on the platform's report and four panels."""
    overview = load_board("overview")
    hourly = Checklists.load("", ChecklistNames(overview)).get("hourly")
    assert hourly is not None
    sources, specs = find_sources(hourly, overview)
    assert sources == {PLATFORM, PROMETHEUS, RULES}
    assert [spec.id for spec in specs] == ["error_ratio", "p95_latency", "circuit_breakers", "queue_depth"]
