"""What the verbs of the self-check share: their options, and results as text, JSON or JUnit XML."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable, Coroutine, Sequence
from itertools import groupby
from typing import Any

from console.checks.result import MEANING, CheckResult, Result, exit_code
from console.config.load import load_settings
from console.config.missing import NO_SERVER
from console.state import snapshot_json
from queries.text.junit import Case, CaseResult, format_junit
from queries.text.tables import align

FORMATS = ("text", "json", "junit")
EPILOG = (
    "exit codes: 0 passed, 1 general failure, 2 API failure, 3 health, 4 metrics, 5 contract violation, 6 mapping gap; "
    "with several failures, the first one listed decides"
)
_LABELS = {Result.PASSED: "ok", Result.NOTED: "note", Result.FAILED: "FAILED", Result.SKIPPED: "skipped"}


def add_options(parser: argparse.ArgumentParser, *, strict: str) -> None:
    """`strict` is the help of `--strict`."""
    parser.add_argument("--strict", action="store_true", help=strict)
    parser.add_argument("--metrics-url", metavar="URL", default="", help="the exporter, where it is not the API's /metrics")
    parser.add_argument("--format", choices=FORMATS, default="text")
    parser.epilog = EPILOG


def run_checks(
    arguments: argparse.Namespace,
    check: Callable[..., Coroutine[Any, Any, tuple[CheckResult, ...]]],
    *,
    name: str,
    whole: bool = False,
) -> int:
    """Runs a check of `console.monitor.self_check`, prints its report, and returns the exit code."""
    settings = load_settings(arguments)
    if not settings.has_source:
        print(f"cad-console: {NO_SERVER}", file=sys.stderr)
    results = asyncio.run(check(settings, strict=arguments.strict, metrics_url=arguments.metrics_url))
    print(report(results, format=arguments.format, name=name, whole=whole))
    return exit_code(results)


def report(results: Sequence[CheckResult], *, format: str, name: str, whole: bool = False) -> str:
    """The output of a verb; text only counts the quiet results, unless `whole` lists them."""
    if format == "json":
        return _json(results)
    if format == "junit":
        return format_junit(name, [_case(item) for item in results])
    return _text(results, whole=whole)


def _case(item: CheckResult) -> Case:
    if item.result is Result.FAILED:
        return Case(item.area, item.name, CaseResult.FAILURE, item.text, type=f"exit code {item.code}")
    return Case(item.area, item.name, CaseResult.SKIPPED if item.result is Result.SKIPPED else CaseResult.PASSED, item.text)


def _json(results: Sequence[CheckResult]) -> str:
    checks = [
        {"area": item.area, "name": item.name, "result": item.result.value, "text": item.text, "code": item.code}
        | ({"items": list(item.items)} if item.items else {})
        for item in results
    ]
    return snapshot_json.dumps({"schema": 1, "exit_code": exit_code(results), "checks": checks})


def _text(results: Sequence[CheckResult], *, whole: bool) -> str:
    rows: list[tuple[str, ...]] = []
    for area, group in groupby(results, key=lambda item: item.area):
        listed = list(group)
        quiet = [] if whole else [item for item in listed if item.quiet]
        for kind, meaning in ((Result.PASSED, "match the contract"), (Result.NOTED, "are missing, and optional")):
            if count := sum(item.result is kind for item in quiet):
                rows.append((_LABELS[kind], area, f"{count} metrics", meaning))
        rows += [(_LABELS[item.result], area, item.name, item.text) for item in listed if item not in quiet]
    code = exit_code(results)
    return f"{align(rows)}\nexit code {code}: {MEANING[code]}"
