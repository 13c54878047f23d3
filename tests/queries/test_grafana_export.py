"""The key dashboards in Grafana: valid by Grafana's own schema, the same queries and thresholds as on the screens."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from console.cli.main import main
from queries.catalogue.loader import load_dashboards
from queries.grafana.export import export_dashboards, expression
from queries.grafana.model import read_dashboard
from queries.model.dashboard import DASHBOARDS
from queries.promql.syntax import parse_promql

(SCHEMA,) = (Path(__file__).parent / "grafana").glob("schema-*.json")


def problems(definition: str, value: Any) -> list[str]:
    schema = json.loads(SCHEMA.read_text())
    validator = Draft7Validator({**schema, "$ref": f"#/definitions/{definition}"})
    return [f"{'.'.join(map(str, error.path))}: {error.message[:200]}" for error in validator.iter_errors(value)]


@pytest.mark.parametrize("name", [name for name, _ in DASHBOARDS])
@pytest.mark.parametrize("raw", [False, True], ids=["recorded", "raw"])
def test_valid_by_grafanas_own_schema(name: str, raw: bool) -> None:
    """The whole dashboard, and of every panel the parts that Grafana leaves to the plugin; no unknown field anywhere."""
    dashboard = export_dashboards(raw=raw)[name]
    assert problems("Dashboard", dashboard) == []
    for panel in dashboard["panels"]:
        assert problems("TimeSeriesOptions", panel["options"]) == []
        assert problems("GraphFieldConfig", panel["fieldConfig"]["defaults"]["custom"]) == []


def test_the_schema_finds_what_is_wrong() -> None:
    """A field that Grafana does not know, and one of the wrong type, are found: the test above means something."""
    dashboard = export_dashboards()["slo_tracking"]
    assert problems("Dashboard", {**dashboard, "schemaVersion": "42"})
    assert problems("Dashboard", {**dashboard, "colour": "red"})
    panel = dashboard["panels"][0]
    assert problems("Dashboard", {**dashboard, "panels": [{**panel, "gridPos": {"x": "left"}}]})
    assert problems("GraphFieldConfig", {"drawStyle": "crayon"})


def test_the_same_panels_units_and_thresholds() -> None:
    """Every panel of the catalogue is there with its title, its expression, its unit and its lines, once."""
    assert load_dashboards()
    for board in load_dashboards():
        panels = export_dashboards()[board.name]["panels"]
        assert [item["title"] for item in panels] == [spec.title for spec in board.panels]
        assert [item["targets"][0]["expr"] for item in panels] == [expression(spec) for spec in board.panels]
        for spec, panel in zip(board.panels, panels, strict=True):
            steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
            lines = {step["value"] for step in steps} - {None}
            assert lines == {line for line in (spec.threshold.warn, spec.threshold.critical) if line is not None}
            assert steps[0]["value"] is None and all(one["value"] < two["value"] for one, two in itertools.pairwise(steps[1:]))
            worst = "red" if spec.threshold.critical is not None else "orange"
            if spec.lower_is_worse and lines:
                assert (steps[0]["color"], steps[-1]["color"]) == (worst, "green"), "where small is bad, red is at the bottom"
            elif lines:
                assert (steps[0]["color"], steps[-1]["color"]) == ("green", worst)
        places = [(item["gridPos"]["x"], item["gridPos"]["y"]) for item in panels]
        assert len(set(places)) == len(places) and max(x + 8 for x, _ in places) == 24


def test_variables_are_those_that_the_queries_use() -> None:
    """The data source is a variable everywhere; provider and namespace where a query names them; none is unknown."""
    dashboards = export_dashboards().values()
    assert dashboards
    for dashboard in dashboards:
        names = [item["name"] for item in dashboard["templating"]["list"]]
        told = json.dumps([item["targets"] for item in dashboard["panels"]])
        assert names[0] == "datasource"
        assert ("provider" in names) == ("$provider" in told)
        assert ("namespace" in names) == ("$namespace" in told)
        assert {item["datasource"]["uid"] for item in dashboard["panels"]} == {"${datasource}"}
        assert not any(query.unknown for query in read_dashboard(dashboard).queries)


def test_every_query_is_promql() -> None:
    """With a value for every variable, each is what a PromQL parser takes."""
    queries = [query for dashboard in export_dashboards().values() for query in read_dashboard(dashboard).queries]
    assert queries
    assert not [query.place for query in queries if not parse_promql(query.expression).metrics]


def test_export_writes_the_same_files_each_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`dashboards export` makes the folder, writes five files, and a second time the very same bytes."""
    folder = tmp_path / "new" / "folder"
    assert main(["dashboards", "export", "--output", str(folder)]) == 0
    first = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert sorted(first) == sorted(f"{name.replace('_', '-')}.json" for name, _ in DASHBOARDS)
    assert main(["dashboards", "export", "--output", str(folder)]) == 0
    assert first == {path.name: path.read_bytes() for path in folder.iterdir()}
    assert str(folder / "slo-tracking.json") in capsys.readouterr().out


def test_export_says_where_it_cannot_write(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file in the way is one line on stderr and exit code 1."""
    (tmp_path / "file").write_text("")
    assert main(["dashboards", "export", "--output", str(tmp_path / "file" / "folder")]) == 1
    assert capsys.readouterr().err.count("\n") == 1
