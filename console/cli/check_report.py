"""Lines of the self-check as text, JSON or JUnit's XML."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from console.checks.result import MEANING, CheckResult, Result, exit_code
from console.state import snapshot_json
from queries.text.junit import Case, CaseResult, junit
from queries.text.tables import aligned

FORMATS = ("text", "json", "junit")
EPILOG = (
    "exit codes: 0 passed, 1 general failure, 2 API failure, 3 health, 4 metrics, 5 contract violation, 6 mapping gap; "
    "of several failures the first in the order of the lines decides"
)
_WORDS = {Result.PASSED: "ok", Result.NOTED: "note", Result.FAILED: "FAILED", Result.SKIPPED: "skipped"}


def report(results: Sequence[CheckResult], *, format: str, name: str, whole: bool = False) -> str:
    """What a command prints; text counts the quiet lines, unless the whole list is wanted."""
    if format == "json":
        return _json(results)
    if format == "junit":
        return junit(name, [_case(item) for item in results])
    return _text(results, whole=whole)


def _case(item: CheckResult) -> Case:
    if item.result is Result.FAILED:
        return Case(item.area, item.name, CaseResult.FAILURE, item.text, type=f"exit code {item.code}")
    return Case(item.area, item.name, CaseResult.SKIPPED if item.result is Result.SKIPPED else CaseResult.PASSED, item.text)


def _json(results: Sequence[CheckResult]) -> str:
    told = [
        {"area": item.area, "name": item.name, "result": item.result.value, "text": item.text, "code": item.code}
        | ({"items": list(item.items)} if item.items else {})
        for item in results
    ]
    return snapshot_json.dumps({"schema": 1, "exit_code": exit_code(results), "checks": told})


def _text(results: Sequence[CheckResult], *, whole: bool) -> str:
    rows: list[tuple[str, ...]] = []
    for area, several in groupby(results, key=lambda item: item.area):
        listed = list(several)
        quiet = [] if whole else [item for item in listed if item.quiet]
        for kind, told in ((Result.PASSED, "are as they should be"), (Result.NOTED, "are not here, and optional")):
            if count := sum(item.result is kind for item in quiet):
                rows.append((_WORDS[kind], area, f"{count} metrics", told))
        rows += [(_WORDS[item.result], area, item.name, item.text) for item in listed if item not in quiet]
    code = exit_code(results)
    return f"{aligned(rows)}\nexit code {code}: {MEANING[code]}"
