"""The overview's panels are the ones that the screens, the headless commands and the thresholds name."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

import pytest

from queries.catalogue.loader import CatalogueError, expand_spec, load_board, load_dashboard, load_dashboards, parse_board
from queries.catalogue.panel_titles import read_panel_titles
from queries.catalogue.signals import UNDECIDED, DefinitionChoice, load_catalogue_signals
from queries.model.dashboard import DASHBOARDS
from queries.model.panel import Aggregation, PanelSpec, Threshold
from queries.promql.syntax import LabelMatcher, parse_promql
from queries.yaml import YamlError, load_yaml

IDS = [
    "error_ratio", "p95_latency", "circuit_breakers", "provider_health", "queue_depth",
    "cpu", "memory", "request_rate", "error_budget", "workloads",
]  # fmt: skip
PANEL = "panels:\n  - {id: a, title: A, unit: percent, raw: up}\n"


def rule_names(kind: str, file: str) -> set[str]:
    text = resources.files("queries").joinpath("rules", file).read_text()
    groups = load_yaml(text, where=file)["groups"]  # type: ignore[index]
    return {rule[kind] for group in groups for rule in group["rules"] if kind in rule}


def test_ids_in_their_order() -> None:
    """The ids are a contract with config, JSON and runbooks."""
    assert [spec.id for spec in load_board("overview")] == IDS


def test_outline_tells_the_same_panels() -> None:
    """The first frame, which reads the board without a YAML parser, names the very panels that the catalogue has."""
    assert read_panel_titles("overview") == tuple((spec.id, spec.title) for spec in load_board("overview"))


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
    assert spec.lower_is_worse is (panel == "provider_health")


def test_recorded_names_are_those_of_the_rules() -> None:
    """Every recorded series that a panel reads is written by a rule of ours, so both ways exist."""
    rules = rule_names("record", "recording.yaml")
    recorded = {name for spec in load_board("overview") for name in spec.recorded_names}
    assert recorded and recorded <= rules


def test_every_panel_can_explain_itself() -> None:
    """A panel without data says why; one that has a threshold has alerts and a runbook."""
    panels = load_board("overview")
    assert panels
    for spec in panels:
        assert spec.no_data_reason and spec.alerts and spec.runbook, spec.id
        assert (spec.raw == "") is (spec.source == "kubernetes")


def test_namespace_is_filled_in() -> None:
    """The namespace that the console watches stands in queries and words."""
    spec = next(item for item in load_board("overview", namespace="other") if item.id == "cpu")
    assert 'namespace="other"' in spec.raw and 'namespace="other"' in (spec.recorded or "") and "other" in spec.no_data_reason
    assert "$namespace" not in spec.raw + (spec.recorded or "") + spec.no_data_reason


def test_defaults() -> None:
    """The shortest panel."""
    (spec,) = parse_board(PANEL, where="x.yaml")
    assert (spec.aggregation, spec.recorded, spec.threshold) == (Aggregation.MAX, None, Threshold())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("panels: 3", "panels"),
        (PANEL.replace("percent", "parsec"), "parsec"),
        (PANEL.replace("raw: up", "row: up"), "row"),
        (PANEL.replace(", raw: up", ""), "no raw expression"),
        (PANEL + PANEL.partition("\n")[2], "duplicate panel a"),
        (
            PANEL.replace("raw: up", 'raw: "${ocr_request[5m]}"'),
            r"x\.yaml: the panel a: there is no signal 'ocr_request'; expected one of",
        ),
        (
            PANEL.replace("raw: up", "raw: up, warn: 5, critical: 1"),
            r"x\.yaml:2: the panel a: reversed thresholds: large values are bad, so expected critical at or",
        ),
        (PANEL.replace("raw: up", 'raw: "${ocr_requests}"'), r"needs a window: \$\{ocr_requests\[5m\]\}"),
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


def own_panels() -> list[PanelSpec]:
    return [spec for name, _ in DASHBOARDS for spec in load_dashboard(name).panels]


def test_the_five_key_dashboards_have_their_titles() -> None:
    """What the screens call a dashboard before its file is read is what the file says, and each has what fills a screen."""
    assert [title for _, title in DASHBOARDS] == [
        "Platform Overview", "OCR Performance", "Error Analysis", "Resource Utilization", "SLO Tracking",
    ]  # fmt: skip
    for name, title in DASHBOARDS:
        board = load_dashboard(name)
        assert (board.title, bool(board.about)) == (title, True)
        assert 6 <= len(board.panels) <= 12, "more would not fit into 80x24"


def test_one_panel_is_told_once() -> None:
    """Two boards that show the same id show the same panel."""
    seen = {spec.id: spec for spec in load_board("overview")}
    assert seen and own_panels()
    for spec in own_panels():
        assert seen.setdefault(spec.id, spec) == spec


def test_dashboard_panels_can_explain_themselves() -> None:
    """Each says why it may have no data; its runbook exists, its recorded names have a rule, small is bad where folded so."""
    rules, runbooks = rule_names("record", "recording.yaml"), Path(__file__).parents[2] / "runbooks"
    assert own_panels()
    for spec in own_panels():
        assert spec.no_data_reason and spec.raw and (runbooks / f"{spec.runbook}.md").is_file(), spec.id
        assert set(spec.recorded_names) <= rules, spec.id
        assert (spec.aggregation is Aggregation.MIN) == spec.lower_is_worse, spec.id


def test_without_a_provider_no_matcher_is_left() -> None:
    """For all providers the expressions are what they were before anybody could choose one."""
    for spec in (*load_board("overview"), *own_panels()):
        told = spec.raw + (spec.recorded or "")
        assert "$provider" not in told and "{}" not in told and "{," not in told and ", }" not in told, spec.id
    raw = next(spec.raw for spec in load_board("overview") if spec.id == "request_rate")
    assert 'rate(ocr_requests_total{status=~"start|cache_hit"}[5m])' in raw


def test_a_provider_narrows_or_the_panel_says_that_it_does_not() -> None:
    """One provider: an exact matcher, quoted; a recorded series that knows no providers gives way; the rest says so."""
    odd = 'a"b'
    panels = {spec.id: spec for spec in load_dashboard("platform_overview", provider=odd).panels}
    error_ratio, health, cpu = panels["error_ratio"], panels["provider_health"], panels["cpu"]
    assert error_ratio.recorded is None
    exact = LabelMatcher("provider", "=", odd)
    narrowed = {item.metric: exact in item.matchers for item in parse_promql(error_ratio.raw).selectors}
    assert narrowed.pop("ocr_fallback_triggered_total") is False, "whether there is a fallback at all concerns every provider"
    assert len(narrowed) >= 6 and all(narrowed.values()), narrowed
    assert health.recorded == 'provider_health_score{provider="a\\"b"}'
    assert "provider a" in error_ratio.no_data_reason
    assert (cpu.scope, error_ratio.scope, health.scope) == ("all providers", "", "")
    assert "provider=" not in cpu.raw


def test_a_panel_is_asked_again_as_the_choice_has_it() -> None:
    """A decided signal shortens the expression, for the provider that the panel is narrowed to."""
    starts = load_catalogue_signals()["ocr_requests"].definitions[0]
    spec = next(item for item in load_dashboard("ocr_performance", provider="p").panels if item.id == "ocr_requests")
    chosen = expand_spec(spec, DefinitionChoice({"ocr_requests": starts}))
    assert chosen.raw == '(sum by (provider) (rate(ocr_requests_total{status=~"start|cache_hit", provider="p"}[5m]))) > 0'
    assert spec.raw.count("provider=") > chosen.raw.count("provider=") and expand_spec(chosen, UNDECIDED) == spec


def test_a_panel_whose_metric_does_not_say_a_state_is_not_asked() -> None:
    """The help text states a coding without half-open: what needs half-open says why it has no data, the rest is asked."""
    coding = DefinitionChoice(encodings={"ocr_circuit_state": {"open": 1.0}})
    panels = {spec.id: expand_spec(spec, coding) for spec in (*load_board("overview"), *load_board("ocr_performance"))}
    assert (
        panels["ocr_circuits"].raw == ""
        and "does not say which number means half-open" in panels["ocr_circuits"].no_data_reason
    )
    assert "ocr_circuit_state == bool 1," in panels["circuit_breakers"].raw


def test_no_panel_spells_what_a_signal_spells() -> None:
    """Statuses, `pending` and the number of an open circuit stand with the signals only."""
    for spec in (*load_board("overview"), *own_panels()):
        told = spec.template or spec.raw
        assert not re.search(r"status\s*[=!]|_requests_total|_jobs_total|_circuit_state|circuit_breaker_state", told), spec.id


def test_as_written_the_variables_are_still_there() -> None:
    """What is exported elsewhere keeps $provider and $namespace."""
    told = "".join(spec.raw for board in load_dashboards() for spec in board.panels)
    assert "$provider" in told and "$namespace" in told


@pytest.mark.parametrize(("name", "words"), [("nowhere/x", "no board 'nowhere'"), ("overview/x", "no panel 'x'")])
def test_a_shared_panel_that_is_not_there(name: str, words: str) -> None:
    """A board that names another board's panel wrongly says which and where."""
    with pytest.raises(CatalogueError, match=words):
        parse_board(f"panels:\n  - {name}\n", where="x.yaml")
