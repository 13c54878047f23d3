"""Each trap is found in the file that steps into it, on its line, and its clean twin stays quiet."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from console.cli.main import main
from console.demo.server_binaries import Servers
from console.lint.linter import LINT_RULES
from console.lint.tools import parse_complaints

CORPUS = Path(__file__).with_name("corpus")
MANIFESTS = sorted(path for path in (CORPUS / "manifests").glob("*.yaml") if not path.name.endswith(".clean.yaml"))
TRAPPED = sorted(path for path in CORPUS.glob("*.yaml") if not path.name.endswith(".clean.yaml"))
WARNED = ("missing-for", "threshold-differs", "name-in-quotes", "placeholder-host", "range-too-short")
LEVELS = {**dict.fromkeys((*WARNED, "same-expression", "window-differs"), 3), "metric-unknown": 0, "promql-unknown": 0}
"""The traps that only warn, and those that only note."""

Lint = Callable[..., tuple[int, str]]


@pytest.fixture
def lint(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Lint:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("PROMETHEUS_URL", "CAD_CONSOLE_CONFIG", "XDG_CONFIG_HOME", "KUBECONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", "/nonexistent")

    def call(*words: str) -> tuple[int, str]:
        code = main(["rules", "lint", *words])
        return code, capsys.readouterr().out

    return call


@pytest.fixture
def with_tools(lint: Lint, servers: Servers, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Lint:
    folder = tmp_path / "bin"
    folder.mkdir()
    for program in (servers.promtool, servers.amtool):
        (folder / Path(program).name).symlink_to(program)
    monkeypatch.setenv("PATH", str(folder))
    return lint


def marked(path: Path) -> set[tuple[int, str]]:
    lines = path.read_text(encoding="utf-8").splitlines()
    found = ((number, re.search(r"# <- ([a-z-]+)", line)) for number, line in enumerate(lines, start=1))
    return {(number, match[1]) for number, match in found if match}


def test_the_corpus_has_every_trap() -> None:
    """One file a trap and its twin: none is missing, and none is about something else."""
    assert {path.stem for path in TRAPPED} == {trap.id for trap in LINT_RULES} - {"pint", "native-histogram"}
    assert all(path.with_suffix(".clean.yaml").exists() for path in TRAPPED)
    assert all(trap.title and trap.why and trap.fix for trap in LINT_RULES)


@pytest.mark.parametrize(
    "path", [path for path in TRAPPED if path.stem not in ("promtool", "amtool")], ids=lambda path: path.stem
)
def test_a_trap_is_found_where_it_is(lint: Lint, path: Path) -> None:
    """All marked lines and no other are told, with the trap's name, and the exit code is that of its level."""
    code, out = lint(str(path), "--format", "json")
    reported = json.loads(out)
    assert {(item["line"], item["trap"]) for item in reported["findings"]} == marked(path)
    assert code == reported["exit_code"] == LEVELS.get(path.stem, 1)


@pytest.mark.servers
@pytest.mark.parametrize("path", TRAPPED, ids=lambda path: path.stem)
def test_the_tools_agree_and_the_clean_twin_is_quiet(with_tools: Lint, path: Path) -> None:
    """With promtool and amtool the same places are told, each once; the twin is clean for all three."""
    _, out = with_tools(str(path), "--format", "json")
    found = {(item["line"], item["trap"]) for item in json.loads(out)["findings"]}
    assert found == (marked(path) or {(None, "amtool")})
    code, out = with_tools(str(path.with_suffix(".clean.yaml")))
    assert (code, "0 errors, 0 warnings" in out) == (0, True), out


@pytest.mark.servers
@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_every_form_of_a_file_gets_every_check(with_tools: Lint, path: Path) -> None:
    """In a PrometheusRule, a List, several documents, a ConfigMap, with anchors and in an AlertmanagerConfig the same is
    found, promtool's findings with the manifest's own lines included, and the clean twin is quiet."""
    _, out = with_tools(str(path), "--format", "json")
    assert {(item["line"], item["trap"]) for item in json.loads(out)["findings"]} == marked(path)
    code, out = with_tools(str(path.with_suffix(".clean.yaml")))
    assert (code, "0 errors, 0 warnings" in out) == (0, True), out


@pytest.mark.servers
def test_an_older_promtool_does_not_decide(with_tools: Lint, tmp_path: Path) -> None:
    """What promtool is too old for, and what both may be, is a note with both versions; a mistake that both see is an error."""
    rules = {"info": "info(up)", "quoted": 'sum({"disk.free"})', "both": "rate(up[5m] anchored)", "wrong": "rate(up)"}
    listed = [{"record": f"job:{name}:now", "expr": text} for name, text in rules.items()]
    path = tmp_path / "newer.yaml"
    path.write_text(json.dumps({"groups": [{"name": "g", "rules": listed}]}))
    code, out = with_tools(str(path))
    told = [line.partition("promql-unknown: ")[2].partition(": ") for line in out.splitlines() if "NOTE promql-unknown" in line]
    notes = {rule: text for rule, _, text in told}
    assert "anchored" in notes["job:both:now"]
    assert re.search(r"promtool 2\.[\d.]+ does not accept it either$", notes["job:both:now"])
    for rule, what in (("job:info:now", "info()"), ("job:quoted:now", "a quoted name")):
        assert re.fullmatch(rf"promtool 2\.[\d.]+ does not support {re.escape(what)}, promql-parser \S+ does", notes[rule])
    assert (code, out.count("ERROR")) == (1, 1) and "bad-promql: job:wrong:now" in out


def test_our_own_rules_are_clean(lint: Lint) -> None:
    """What comes with the console steps into no trap of its own."""
    code, out = lint()
    assert code == 0, out


def test_a_reason_silences_one_trap_in_one_rule(lint: Lint, tmp_path: Path) -> None:
    """A comment with a reason inside the rule is heard; without a reason, for another trap or at the next rule it is not."""
    rule = "  - alert: A{mark}\n    expr: up == 0\n    annotations: {{runbook_url: 'https://runbooks.acme.test/no-metrics-data.md'}}\n"
    head = "groups:\n- name: g\n  rules:\n"
    cases = {
        "  # lint: allow missing-for: it is meant": 0,
        "  # lint: allow duplicate-name, missing-for: it is meant": 0,
        "  # lint: allow missing-for:": 3,
        "  # lint: allow empty-sum: it is meant": 3,
    }
    for number, (mark, code) in enumerate(cases.items()):
        path = tmp_path / f"{number}.yaml"
        path.write_text(head + rule.format(mark=mark))
        assert lint(str(path))[0] == code, mark
    path.write_text(
        head + rule.format(mark="") + "# lint: allow missing-for: of the next\n" + rule.format(mark="").replace("A", "B")
    )
    assert lint(str(path))[1].count("WARNING missing-for") == 2


def test_rules_in_two_folders_may_never_meet(lint: Lint, tmp_path: Path) -> None:
    """A name that files of two folders define, as those of two products do, is a fault only if one server loads both: a
    warning, and an error within one folder."""
    text = (CORPUS / "duplicate-name.yaml").read_text()
    head, _, second = text.partition("  - name: more-errors\n")
    for name, part in (("one/a.yaml", head), ("one/b.yaml", "groups:\n  - name: b\n" + second), ("two/b.yaml", "")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(part or (tmp_path / "one/b.yaml").read_text())
    apart = lint(str(tmp_path / "one/a.yaml"), str(tmp_path / "two/b.yaml"))
    assert apart[0] == 3
    assert apart[1].count("WARNING duplicate-name") == apart[1].count(": an error if both are loaded") == 3
    code, out = lint(str(tmp_path / "one/a.yaml"), str(tmp_path / "one/b.yaml"))
    assert (code, out.count("ERROR duplicate-name")) == (1, 2)


def test_text_says_why_and_how_to_fix(lint: Lint) -> None:
    """Every kind of finding is explained once, and what could not be asked is told."""
    _, out = lint(str(CORPUS / "empty-sum.yaml"))
    assert "empty-sum.yaml:7: ERROR empty-sum: cad:errors:rate5m: the whole sum is empty while vision_errors_total" in out
    assert out.count("  why   PromQL adds only") == 1
    assert "  fix   Give every term" in out
    assert "promtool is not on PATH" in out


def test_sarif_is_what_code_hosts_read(lint: Lint, monkeypatch: pytest.MonkeyPatch) -> None:
    """Version 2.1.0 with all that the schema requires; every result leads to its rule, file and line."""
    monkeypatch.chdir(CORPUS)
    code, out = lint(str(CORPUS / "duplicate-name.yaml"), "--format", "sarif")
    document = json.loads(out)
    assert (code, document["version"], len(document["runs"])) == (1, "2.1.0", 1)
    run = document["runs"][0]
    driver = run["tool"]["driver"]
    assert driver["name"] == "cad-console" and [rule["id"] for rule in driver["rules"]] == [trap.id for trap in LINT_RULES]
    assert len(run["results"]) == 3
    for result in run["results"]:
        assert driver["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] in ("error", "warning") and result["message"]["text"]
        place = result["locations"][0]["physicalLocation"]
        assert place["artifactLocation"]["uri"] == "duplicate-name.yaml"
        assert place["region"]["startLine"] >= 1


def test_manifests_and_hostile_names(lint: Lint, tmp_path: Path) -> None:
    """A PrometheusRule is read too, and nothing in a file can steer the terminal."""
    path = tmp_path / "rule.yaml"
    path.write_text(
        "apiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nmetadata: {name: x}\nspec:\n  groups:\n"
        '  - name: g\n    rules:\n    - alert: "a\\e[2Jb"\n      expr: nosuch > 1\n      for: 1m\n'
    )
    code, out = lint(str(path))
    assert code == 1
    assert "\x1b" not in out
    assert f"{path}:8: ERROR runbook-missing: a\\e[2Jb: has no runbook_url" in out


@pytest.mark.parametrize("name", ["missing.yaml", "."])
def test_what_cannot_be_read_is_no_clean_file(
    lint: Lint, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that is not there is exit code 2 with one line, never 0."""
    assert main(["rules", "lint", str(tmp_path / name)]) == 2
    assert "cannot be read" in capsys.readouterr().err


def test_thresholds_of_the_config_count(lint: Lint, tmp_path: Path) -> None:
    """The console's limits are those of this environment, not the built-in ones."""
    config = tmp_path / "config.yaml"
    config.write_text("thresholds: {error_ratio: {warn: 3}, provider_health: {critical: 50}, queue_depth: {warn: 250}}\n")
    assert lint(str(CORPUS / "threshold-differs.yaml"), "--config", str(config))[0] == 0


def test_newer_tools_name_a_column_range() -> None:
    """promtool's output is read in the forms of its releases."""
    text = 'Checking x.yaml\n  FAILED:\nx.yaml: 5:15: 1:2: group "g", rule 1, "A": could not parse\n  more\n\nSUCCESS: y\n'
    assert list(parse_complaints(text, "x.yaml")) == [(5, 'group "g", rule 1, "A": could not parse more')]
    assert list(parse_complaints("Checking 'a.yml'  FAILED: yaml: line 3: bad", "a.yml")) == [(3, "yaml: line 3: bad")]
