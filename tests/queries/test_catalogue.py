"""The overview's panels are the ones that the screens, the headless commands and the thresholds name."""

from __future__ import annotations

from importlib import resources

import pytest

from queries.catalogue.loader import CatalogueError, load_board, parse_board
from queries.catalogue.outline import outline
from queries.model.panel import Fold, Threshold
from queries.yaml_text import YamlError, loads

IDS = [
    "error_ratio", "p95_latency", "circuit_breakers", "provider_health", "queue_depth",
    "cpu", "memory", "request_rate", "error_budget", "workloads",
]  # fmt: skip
PANEL = "panels:\n  - {id: a, title: A, unit: percent, raw: up}\n"


def rule_names(kind: str, file: str) -> set[str]:
    text = resources.files("queries").joinpath("rules", file).read_text()
    groups = loads(text, where=file)["groups"]  # type: ignore[index]
    return {rule[kind] for group in groups for rule in group["rules"] if kind in rule}


def test_ids_in_their_order() -> None:
    """The ids are a contract with config, JSON and runbooks."""
    assert [spec.id for spec in load_board("overview")] == IDS


def test_outline_tells_the_same_panels() -> None:
    """The first frame, which reads the board without a YAML parser, names the very panels that the catalogue has."""
    assert outline("overview") == tuple((spec.id, spec.title) for spec in load_board("overview"))


@pytest.mark.parametrize(
    ("panel", "warn", "critical"),
    [
        ("error_ratio", 1, 5),
        ("p95_latency", 2, 5),
        ("circuit_breakers", 2, 3),
        ("provider_health", 90, 70),
        ("cpu", 80, 90),
        ("memory", 80, 90),
    ],
)
def test_thresholds_of_the_checklists(panel: str, warn: float, critical: float) -> None:
    """The limits of the daily checklist are the defaults."""
    spec = next(item for item in load_board("overview") if item.id == panel)
    assert spec.threshold == Threshold(warn, critical)
    assert spec.below is (panel == "provider_health")


def test_recorded_names_are_those_of_the_rules() -> None:
    """Every recorded series that a panel reads is written by a rule of ours, so both ways exist."""
    rules = rule_names("record", "recording.yaml")
    for spec in load_board("overview"):
        assert set(spec.recorded_names) <= rules, spec.id


def test_every_panel_can_explain_itself() -> None:
    """A panel without data says why; one that has a threshold has alerts and a runbook."""
    for spec in load_board("overview"):
        assert spec.absent and spec.alerts and spec.runbook, spec.id
        assert (spec.raw == "") is (spec.source == "kubernetes")


def test_namespace_is_filled_in() -> None:
    """The namespace that the console watches stands in queries and words."""
    spec = next(item for item in load_board("overview", namespace="other") if item.id == "cpu")
    assert 'namespace="other"' in spec.raw and 'namespace="other"' in (spec.recorded or "") and "other" in spec.absent
    assert "$namespace" not in spec.raw + (spec.recorded or "") + spec.absent


def test_defaults() -> None:
    """The shortest panel."""
    (spec,) = parse_board(PANEL, where="x.yaml")
    assert (spec.fold, spec.recorded, spec.threshold) == (Fold.MAX, None, Threshold())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("panels: 3", "panels"),
        (PANEL.replace("percent", "parsec"), "parsec"),
        (PANEL.replace("raw: up", "row: up"), "row"),
        (PANEL.replace(", raw: up", ""), "no raw expression"),
        (PANEL + PANEL.partition("\n")[2], "twice"),
    ],
)
def test_broken_boards(text: str, words: str) -> None:
    """A board that does not fit names what is wrong."""
    with pytest.raises(CatalogueError, match=words):
        parse_board(text, where="x.yaml")


def test_no_yaml() -> None:
    """A board that is no YAML names the line."""
    with pytest.raises(YamlError, match=r"x\.yaml:2"):
        parse_board("panels:\n\t- x", where="x.yaml")
