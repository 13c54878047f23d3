"""The report of a deployment's gates and signals: what each counts as, the exit code, and three forms of the same rows."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from console.actions.deploy_report import exit_code, format_report, gate_cases, signal_cases
from console.actions.guard.model import GuardVerdict, SignalReading
from console.actions.plan import CheckLevel, PreflightCheck
from console.journal.payloads import GuardSignal
from queries.model.text import visible
from queries.text.junit import Case, CaseResult

PASSED, FAILED, ERROR, SKIPPED = CaseResult.PASSED, CaseResult.FAILURE, CaseResult.ERROR, CaseResult.SKIPPED


def gates(*checks: PreflightCheck, confirmed: tuple[str, ...] = ()) -> list[tuple[str, CaseResult]]:
    return [(item.name, item.result) for item in gate_cases(checks, confirmed)]


def test_each_gate_counts_by_its_level() -> None:
    """One that asks fails until its own word is confirmed; one that could not be checked is neither, whatever its level."""
    checks = (
        PreflightCheck(CheckLevel.OK, "error budget: 80 % left"),
        PreflightCheck(CheckLevel.WARN, "two alerts fire"),
        PreflightCheck(CheckLevel.ASK, "freeze: until Monday", word="freeze"),
        PreflightCheck(CheckLevel.ASK, "incident: #3 is open", word="#3"),
        PreflightCheck(CheckLevel.BLOCK, "read-only"),
        PreflightCheck(CheckLevel.BLOCK, "backup: no answer", unknown=True),
    )
    names = ["1 error budget", "2 two alerts fire", "3 freeze", "4 incident", "5 read-only", "6 backup"]
    assert gates(*checks) == list(zip(names, (PASSED, SKIPPED, FAILED, FAILED, FAILED, ERROR), strict=True))
    confirmed = gates(*checks, confirmed=("#3", "other"))
    assert confirmed == list(zip(names, (PASSED, SKIPPED, FAILED, SKIPPED, FAILED, ERROR), strict=True))
    found = gate_cases(checks, ())
    assert [(item.classname, item.text, item.type) for item in found] == [("gate", item.text, item.level) for item in checks]


def test_each_signal_counts_by_its_verdict() -> None:
    verdicts = (GuardVerdict.OK, GuardVerdict.WORSE, GuardVerdict.UNKNOWN)
    readings = [SignalReading(GuardSignal(f"panel_{item}"), item, f"text {item}") for item in verdicts]
    assert signal_cases(readings) == tuple(
        Case("signal", f"panel_{item}", result, f"text {item}", type=item.value)
        for item, result in zip(verdicts, (PASSED, FAILED, ERROR), strict=True)
    )


@pytest.mark.parametrize(
    ("results", "code", "allowed"),
    [
        ((), 2, 2),
        ((PASSED,), 0, 0),
        ((PASSED, SKIPPED), 0, 0),
        ((PASSED, ERROR), 2, 0),
        ((ERROR,), 2, 0),
        ((ERROR, FAILED), 1, 1),
        ((FAILED, PASSED), 1, 1),
    ],
)
def test_a_failure_outweighs_what_is_unknown(results: tuple[CaseResult, ...], code: int, allowed: int) -> None:
    """Nothing at all is never a pass, whatever is allowed."""
    cases = [Case("gate", "x", result, "") for result in results]
    assert (exit_code(cases), exit_code(cases, allow_unknown=True)) == (code, allowed)


def test_three_forms_say_the_same() -> None:
    """Aligned text, a Markdown table with its title, and JUnit with its counts; control characters reach no terminal."""
    cases = [
        Case("gate", "1 a", PASSED, "a: fine", "ok"),
        Case("gate", "2 b", SKIPPED, "b: take | care", "warn"),
        Case("signal", "c", FAILED, "worse\x1b[31m", "worse"),
        Case("signal", "d", ERROR, "no data", "unknown"),
    ]
    text = format_report(cases, title="Gates of 1.9.0", format="text")
    shown = visible("worse\x1b[31m")
    assert text.splitlines() == ["ok       a: fine", "warning  b: take | care", f"FAILED   {shown}", "UNKNOWN  no data"]
    assert "\x1b" not in text
    markdown = format_report(cases, title="Gates of 1.9.0", format="markdown").splitlines()
    assert markdown[:5] == ["## Gates of 1.9.0", "", "| result | what |", "| --- | --- |", "| ok | a: fine |"]
    assert markdown[5] == "| warning | b: take \\| care |" and len(markdown) == 8
    suite = ET.fromstring(format_report(cases, title="Gates of 1.9.0", format="junit"))
    assert dict(suite.items()) == {"name": "Gates of 1.9.0", "tests": "4", "failures": "1", "errors": "1", "skipped": "1"}
    assert [[child.tag for child in case] for case in suite] == [["system-out"], ["skipped"], ["failure"], ["error"]]
