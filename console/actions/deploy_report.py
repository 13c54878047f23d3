"""The gates before a deployment and the signals after it, as text, Markdown or JUnit XML."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from console.actions.guard.model import GuardVerdict, SignalReading
from console.actions.plan import CheckLevel, PreflightCheck
from queries.model.text import visible
from queries.text.junit import Case, CaseResult, format_junit
from queries.text.tables import align, format_markdown_table

FORMATS = ("text", "markdown", "junit")
_RESULTS = {
    GuardVerdict.OK: CaseResult.PASSED,
    GuardVerdict.WORSE: CaseResult.FAILURE,
    GuardVerdict.UNKNOWN: CaseResult.ERROR,
}
_WORDS = {CaseResult.PASSED: "ok", CaseResult.FAILURE: "FAILED", CaseResult.ERROR: "UNKNOWN", CaseResult.SKIPPED: "warning"}


def gate_cases(checks: Sequence[PreflightCheck], confirmed: Collection[str]) -> tuple[Case, ...]:
    """One case for each gate. One whose word was confirmed counts as skipped, one that could not be checked as an error."""
    cases = []
    for number, item in enumerate(checks, start=1):
        if item.unknown:
            result = CaseResult.ERROR
        elif item.level is CheckLevel.BLOCK or (item.level is CheckLevel.ASK and item.word not in confirmed):
            result = CaseResult.FAILURE
        else:
            result = CaseResult.PASSED if item.level is CheckLevel.OK else CaseResult.SKIPPED
        name = item.text.partition(":")[0] if ":" in item.text else item.text
        cases.append(Case("gate", f"{number} {name}", result, item.text, type=item.level.value))
    return tuple(cases)


def signal_cases(readings: Sequence[SignalReading]) -> tuple[Case, ...]:
    """One case for each signal, by its last verdict."""
    return tuple(
        Case("signal", item.signal.panel, _RESULTS[item.verdict], item.text, type=item.verdict.value) for item in readings
    )


def exit_code(cases: Sequence[Case], *, allow_unknown: bool = False) -> int:
    """0 all passed, 1 one failed, 2 one is unknown, and so is a report without cases."""
    results = {item.result for item in cases}
    if CaseResult.FAILURE in results:
        return 1
    return 2 if not cases or (CaseResult.ERROR in results and not allow_unknown) else 0


def format_report(cases: Sequence[Case], *, title: str, format: str) -> str:
    """The report of one verb."""
    if format == "junit":
        return format_junit(title, cases, errors=True)
    rows = [(_WORDS[item.result], visible(item.text)) for item in cases]
    if format == "markdown":
        return f"## {title}\n\n{format_markdown_table(('result', 'what'), rows)}"
    return align(rows)
