"""What other programs say of the files is merged: with the right lines, once, and only where they are there."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from loopback import RECORDINGS

from console.cli.main import main

CORPUS = Path(__file__).with_name("corpus")
MANIFEST = CORPUS / "manifests" / "prometheus-rule.yaml"
Report = Callable[[list[dict[str, object]]], None]


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("PROMETHEUS_URL", "CAD_CONSOLE_CONFIG", "XDG_CONFIG_HOME", "KUBECONFIG"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def pint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Report:
    """A program that writes a report in pint's format, of the last file that it is given, and ends as pint does."""

    def place(report: list[dict[str, object]]) -> None:
        folder = tmp_path / "bin"
        folder.mkdir()
        (tmp_path / "report.json").write_text(json.dumps(report))
        program = folder / "pint"
        program.write_text(
            "#!/bin/sh\n"
            '[ "$1 $2 $3 $4" = "--no-color --offline lint --json" ] || exit 9\n'
            "report=$5; for last; do :; done\n"
            f'sed "s#FILE#$last#g" {tmp_path}/report.json > "$report"\necho found problems >&2\nexit 1\n'
        )
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}/usr/bin{os.pathsep}/bin")

    return place


def problem(reporter: str, line: int, *, severity: str = "Warning", problem: str = "told") -> dict[str, object]:
    return {"path": "FILE", "reporter": reporter, "problem": problem, "severity": severity, "lines": [line, line + 1]}


def lint(capsys: pytest.CaptureFixture[str], path: Path) -> tuple[int, list[dict[str, object]]]:
    code = main(["rules", "lint", str(path), "--format", "json"])
    return code, json.loads(capsys.readouterr().out)["findings"]


def test_pint_is_merged_where_it_is(pint: Report, capsys: pytest.CaptureFixture[str]) -> None:
    """Its problems stand beside ours with their rule; what we say of the same rule is not said twice, advice is left out."""
    path = CORPUS / "no-condition.yaml"
    pint(
        [
            problem("alerts/comparison", 4),
            problem("promql/regexp", 10, problem="unnecessary regexp"),
            problem("promql/cost", 10, severity="Bug", problem="too dear"),
            problem("alerts/template", 10, severity="Information"),
        ]
    )
    _, found = lint(capsys, path)
    result = [(item["line"], item["rule"], item["level"], item["text"]) for item in found if item["said_by"] == "pint"]
    assert result == [
        (10, "OcrErrorsOrNothing", "error", "promql/cost: too dear"),
        (10, "OcrErrorsOrNothing", "warning", "promql/regexp: unnecessary regexp"),
    ]


def test_pint_gets_manifests_as_plain_files(pint: Report, capsys: pytest.CaptureFixture[str]) -> None:
    """The lines of the copy are those of the manifest again: its seventh line is the expression of the first rule."""
    pint([problem("promql/regexp", 7, problem="unnecessary regexp")])
    _, found = lint(capsys, MANIFEST)
    (result,) = [item for item in found if item["said_by"] == "pint"]
    assert (result["file"], result["line"], result["rule"]) == (str(MANIFEST), 10, "OcrErrors")


def test_a_pint_that_ends_without_a_report_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Silence is no clean bill: its exit code is a finding."""
    program = tmp_path / "pint"
    program.write_text("#!/bin/sh\nexit 4\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/usr/bin{os.pathsep}/bin")
    code, found = lint(capsys, CORPUS / "no-condition.clean.yaml")
    assert code == 3
    assert [item["text"] for item in found] == ["pint exited with code 4 and no output"]


def test_a_program_that_is_missing_is_told_once(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Without promtool the report says so in one line, however many files and of whatever form; pint is not missed."""
    monkeypatch.setenv("PATH", "/nonexistent")
    main(["rules", "lint", str(MANIFEST), str(CORPUS / "no-condition.yaml"), str(CORPUS / "amtool.clean.yaml")])
    out = capsys.readouterr().out
    assert out.count("promtool is not on PATH") == out.count("amtool is not on PATH") == 1
    assert "pint is not" not in out


@pytest.mark.skipif(shutil.which("pint") is None, reason="pint is not on PATH")
def test_the_real_pint_agrees_about_templates(capsys: pytest.CaptureFixture[str]) -> None:
    """Opt-in: the real program takes our command line, and says of our trap what we say, which is then said once."""
    _, found = lint(capsys, CORPUS / "template-label.yaml")
    assert {item["trap"] for item in found} == {"template-label"}
    _, found = lint(capsys, MANIFEST)
    assert {item["trap"] for item in found if item["rule"] == "OcrErrors"} == {"template-label"}
    assert {item["rule"] for item in found if item["trap"] == "pint"} <= {"OcrErrorsMany"}


def test_a_promtool_without_a_feature_is_told_from_one_that_is_too_old(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """promtool 3.16 knows `info()` and `limitk()`, and refuses them without a flag: a note that says so, and no error."""
    path = tmp_path / "rules.yaml"
    rules = [{"record": "a", "expr": "info(up)"}, {"record": "b", "expr": "limitk(2, up)"}]
    path.write_text(json.dumps({"groups": [{"name": "e", "rules": rules}]}))
    output = (RECORDINGS / "promtool-3.16-experimental.txt").read_text().replace("FILE", str(path))
    (tmp_path / "output").write_text(output)
    program = tmp_path / "promtool"
    program.write_text(
        f'#!/bin/sh\n[ "$1" = --version ] && echo "promtool, version 3.16.0" && exit\ncat {tmp_path}/output\nexit 1\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/usr/bin{os.pathsep}/bin")
    code, findings = lint(capsys, path)
    assert code == 0, findings
    notes = {item["rule"]: item["text"] for item in findings}
    assert notes["a"].startswith("promtool 3.16.0 supports info() only with --enable-feature, promql-parser ")
    assert notes["b"].startswith("promtool 3.16.0 supports limitk() only with --enable-feature, promql-parser ")
