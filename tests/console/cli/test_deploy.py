"""The gate before a deployment and the watch after it: exit codes, JUnit, Markdown, and the example pipeline."""

from __future__ import annotations

import argparse
import shlex
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from action_bench import settings_for
from guard_bench import Signals

from console.actions.guard.gates import GateFacts
from console.actions.guard.model import GuardOptions
from console.checks.result import CheckResult, Result
from console.cli.deploy import check_gate, run, watch_signals
from console.cli.parser import build_parser, verb_of
from console.config.errors import ConfigError
from console.journal.payloads import GuardStarted
from console.state.guards import GuardRecord, Guards
from queries.errors import Unreachable

TARGET = "deployment/cad-ml-api"
PASSED = tuple(CheckResult(area, "x", Result.PASSED, "fine", 0) for area in ("health", "contract", "rules"))
FAILED = CheckResult("contract", "metric", Result.FAILED, "ocr_errors_total lacks a label", 5)
BRIEF = GuardOptions(watch_seconds=0.2, hold_seconds=0.2)
ROOT = Path(__file__).parents[3]


def arguments(**more: Any) -> argparse.Namespace:
    given = {
        "save": None,
        "confirm": [],
        "allow_unknown": False,
        "format": "text",
        "output": None,
        "before": None,
        "overrule": "",
    }
    return argparse.Namespace(**{**given, **more})


@pytest.mark.parametrize(
    ("checks", "more", "code", "shown"),
    [
        (PASSED, {"allow_unknown": True}, 0, "contract: 1 checks passed"),
        (PASSED, {}, 2, "UNKNOWN  error budget not known"),
        ((*PASSED, FAILED), {"allow_unknown": True}, 1, "FAILED   contract failed: contract metric: ocr_errors_total"),
        ((*PASSED, FAILED), {"allow_unknown": True, "confirm": ["contract"]}, 0, "warning  contract failed"),
        ((), {"allow_unknown": True}, 0, "UNKNOWN  not checked: self-check"),
    ],
)
async def test_a_gate_passes_fails_or_is_unknown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], checks: Any, more: Any, code: int, shown: str
) -> None:
    """A failed gate is 1 unless its word is confirmed; one that could not be checked is 2 unless that is allowed."""
    source = Signals(None, gates=GateFacts(checks))
    assert await check_gate(source, settings_for(tmp_path, None), GuardOptions(), TARGET, arguments(**more)) == code
    assert shown in capsys.readouterr().out


async def test_a_signal_without_a_value_fails_the_gate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What cannot be judged after the deployment is refused before it, and an unknown panel is named."""
    source = Signals(None, values={"error_ratio": None, "p95_latency": 0.8}, gates=GateFacts(PASSED))
    settings = settings_for(tmp_path, None)
    assert await check_gate(source, settings, GuardOptions(), TARGET, arguments(allow_unknown=True)) == 1
    assert "Error ratio: NO DATA" in capsys.readouterr().out
    options = GuardOptions(signals=("nobody",))
    assert await check_gate(source, settings, options, TARGET, arguments(allow_unknown=True)) == 1
    assert "there is no signal nobody" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("after", "code", "words"),
    [
        ({"error_ratio": 0.4, "p95_latency": 0.8}, 0, "Error ratio 0.40"),
        ({"error_ratio": 7.8, "p95_latency": 0.8}, 1, "Error ratio 7.80"),
        ({"error_ratio": None, "p95_latency": 0.8}, 2, "Error ratio: NO DATA"),
    ],
)
async def test_a_watch_judges_against_what_the_gate_saved(
    tmp_path: Path, after: dict[str, float | None], code: int, words: str
) -> None:
    """The signals of the gate are the time before, whatever they are when the watch begins; the report is JUnit."""
    saved, output = tmp_path / "before.json", tmp_path / "watch.xml"
    settings = settings_for(tmp_path, None)
    await check_gate(Signals(None, gates=GateFacts(PASSED)), settings, GuardOptions(), TARGET, arguments(save=str(saved)))
    asked = arguments(before=str(saved), format="junit", output=str(output))
    assert await watch_signals(Signals(None, values=after), settings, BRIEF, TARGET, asked) == code
    suite = ElementTree.fromstring(output.read_text())  # our own
    assert (suite.tag, suite.get("tests")) == ("testsuite", "2")
    assert (suite.get("failures"), suite.get("errors")) == ("1" if code == 1 else "0", "1" if code == 2 else "0")
    assert words in output.read_text()


async def test_a_watch_without_prometheus_is_unknown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A source that is gone all the time is never a success; Markdown has one row for each signal."""
    source, settings = Signals(None), settings_for(tmp_path, None)
    saved = tmp_path / "before.json"
    await check_gate(source, settings, GuardOptions(), TARGET, arguments(save=str(saved)))
    capsys.readouterr()
    source.error = Unreachable("no connection", where="http://prometheus")
    asked = arguments(before=str(saved), format="markdown")
    assert await watch_signals(source, settings, replace(BRIEF, watch_seconds=0.1), TARGET, asked) == 2
    output = capsys.readouterr().out
    assert output.startswith("## Watch of") and output.count("UNKNOWN") == 2


async def test_a_watch_refuses_signals_that_nobody_can_judge(tmp_path: Path) -> None:
    """A misspelt panel is an error of the flag, not a watch of the others alone; so is one without a value before."""
    source, settings = Signals(None), settings_for(tmp_path, None)
    with pytest.raises(ConfigError, match="--signals: there is no signal typo; known: error_ratio"):
        await watch_signals(source, settings, replace(BRIEF, signals=("error_ratio", "typo")), TARGET, arguments())
    source.values["error_ratio"] = None
    with pytest.raises(ConfigError, match="--signals: Error ratio: NO DATA"):
        await watch_signals(source, settings, BRIEF, TARGET, arguments())


async def test_a_watch_reports_a_signal_that_was_bad_before(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A baseline that is bad already is a warning on stderr and in the report: what stays so bad is not blamed."""
    source, settings = Signals(None, values={"error_ratio": 7.8, "p95_latency": 0.8}), settings_for(tmp_path, None)
    assert await watch_signals(source, settings, BRIEF, TARGET, arguments()) == 0
    output, errors = capsys.readouterr()
    assert "warning  Error ratio is bad already" in output and "Error ratio is bad already" in errors
    assert output.count("\n") == 3


def test_a_watch_against_saved_signals_takes_no_others(capsys: pytest.CaptureFixture[str]) -> None:
    """`--before` names the signals: with `--signals` beside it one of the two would be ignored."""
    line = ["deploy", "watch", "--for", "1m", "--before", "before.json", "--signals", "memory"]
    with pytest.raises(ConfigError, match="--signals: cannot be used with --before"):
        run(build_parser(verb_of(line)).parse_args(line))


@pytest.mark.parametrize(("opened", "code", "shown"), [
    (False, 2, "UNKNOWN  not checked: other guards, no --target"),
    (True, 1, f"FAILED   ann guards {TARGET}"),
])  # fmt: skip
async def test_a_gate_without_a_target_looks_at_every_guard(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], opened: bool, code: int, shown: str
) -> None:
    """Any open guard fails it; without one nothing was compared, which is unknown and never ok."""
    source = Signals(None, gates=GateFacts(PASSED))
    if opened:
        source.guards = Guards((GuardRecord("g", "ann", 0.0, GuardStarted("image", TARGET, "Set image"), ""),))
    assert await check_gate(source, settings_for(tmp_path, None), GuardOptions(), "", arguments()) == code
    output = capsys.readouterr().out
    assert shown in output and "no other guard" not in output


def test_the_example_pipeline_is_a_valid_one() -> None:
    """Every line of it that runs the console parses, and between gate and watch there is a deployment."""
    document = yaml.safe_load((ROOT / "deploy" / "pipeline" / "gitlab-ci.yml").read_text())
    jobs = {name: job for name, job in document.items() if isinstance(job, dict) and "script" in job}
    assert [job["stage"] for job in jobs.values()] == document["stages"]
    lines = [shlex.split(line) for job in jobs.values() for line in job["script"] if line.startswith("cad-console")]
    assert len(lines) == 3
    for line in lines:
        build_parser(verb_of(line[1:])).parse_args(line[1:])
