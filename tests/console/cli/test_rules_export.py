"""`rules export`: files that a real Prometheus takes, under names of one's own, and what a wrong prefix is told."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from console.cli.main import main
from console.demo.server_binaries import Servers
from queries.promql.our_rules import our_expressions, rule_names
from queries.promql.rule_files import read_rules
from queries.promql.rule_templates import rule_text

RECORD = re.compile(r"- record: (\S+)")


@pytest.mark.servers
@pytest.mark.parametrize("prefix", ["", "team_", "cad:own:"])
def test_what_is_written_is_what_prometheus_takes(servers: Servers, tmp_path: Path, prefix: str) -> None:
    """promtool takes every file; with a prefix each recorded name has it, where it is recorded and where it is read."""
    more = ("--prefix", prefix) if prefix else ()
    assert main(["rules", "export", "--output", str(tmp_path / "out"), *more]) == 0
    paths = sorted((tmp_path / "out").iterdir())
    assert {path.name for path in paths} == set(rule_names())
    subprocess.run([servers.promtool, "check", "rules", *map(str, paths)], check=True, capture_output=True)
    ours = set(our_expressions())
    recorded = {name for path in paths for name in RECORD.findall(path.read_text())}
    assert recorded == {prefix + name for name in ours}
    read = {
        word
        for path in paths
        for placed in read_rules(path.read_text(), path=path.name).rules
        for word in re.findall(r"[\w:]+", placed.rule.expression)
    }
    assert not prefix or not read & ours
    assert read & recorded


def test_only_one_kind_and_the_manifest(tmp_path: Path) -> None:
    """Recording rules alone, as PrometheusRule of a name of its own, hold the very rules of the plain files."""
    words = ["--only", "recording", "--format", "manifest", "--prefix", "team_"]
    assert main(["rules", "export", "--output", str(tmp_path), *words]) == 0
    paths = sorted(tmp_path.iterdir())
    assert [path.name for path in paths] == ["recording-slo.yaml", "recording.yaml"]
    for path in paths:
        found = read_rules(path.read_text(), path=path.name)
        plain = read_rules(rule_text(path.name, prefix="team_"), path=path.name)
        assert "kind: PrometheusRule" in path.read_text() and not found.problems
        assert [item.rule for item in found.rules] == [item.rule for item in plain.rules]
        assert f"name: cad-ml-platform-team-{path.stem}" in path.read_text()


def test_a_wrong_prefix_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What no metric may begin with is named, and nothing is written."""
    assert main(["rules", "export", "--output", str(tmp_path / "out"), "--prefix", "7-up"]) == 2
    assert "'7-up' is not a valid prefix" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
