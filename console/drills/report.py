"""The report of a drill: text, Markdown, JSON and JUnit XML from one record."""

from __future__ import annotations

from typing import Any

from console.journal.payloads import DrillTime
from console.state.drills import CHANGED, MET, MISSED, NOT_EXPECTED, ROLLED_BACK, UNDO_FAILED, DrillRecord
from console.state.snapshot_json import dumps, format_json_time
from queries.model.text import visible
from queries.text.durations import format_duration, format_span
from queries.text.junit import Case, CaseResult, format_junit
from queries.text.tables import align, escape_markdown, format_markdown_table
from queries.text.times import format_minute

FORMATS = ("text", "markdown", "json", "junit")
_NAMES = {"detect": "time to detect", "acknowledge": "time to acknowledge", "recover": "time to recover"}
_RESULTS = {MET: CaseResult.PASSED, MISSED: CaseResult.FAILURE, NOT_EXPECTED: CaseResult.SKIPPED}


def format_drill(record: DrillRecord, *, format: str, now: float) -> str:
    """The report of one drill that ended; `now` is Unix seconds."""
    if format == "json":
        return dumps(as_json(record))
    if format == "junit":
        return format_junit(f"drill {record.number}: {visible(record.title)}", list_cases(record), errors=True)
    head = ("time", "goal", "measured", "result", "source")
    rows = [time_row(item) for item in record.times]
    if format == "markdown":
        lines = [f"# Drill {record.number}: {escape_markdown(visible(record.title))}", ""]
        lines += [f"- {name}: {escape_markdown(value)}" for name, value in facts(record, now=now)]
        lines += ["", format_markdown_table(head, rows) if rows else "The fault was not made, so nothing was measured."]
        return "\n".join(lines)
    return "\n".join((align(facts(record, now=now)), "", align((head, *rows)) if rows else "nothing was measured"))


def facts(record: DrillRecord, *, now: float) -> list[tuple[str, str]]:
    """What the drill was and how it ended, by name."""
    start, fault = record.start, record.fault_at
    return [
        ("drill", f"{visible(start.drill)}: {visible(start.title)}"),
        ("target", visible(start.target)),
        ("by", f"{visible(record.author)}, {format_minute(record.started_at, now=now)}"),
        ("fault", format_minute(fault, now=now) if fault is not None else "never sent"),
        ("time limit", format_duration(start.limit_seconds)),
        ("undo", visible(start.undo)),
        ("end", f"{record.result or 'still open'}{f': {visible(record.text)}' if record.text else ''}"),
    ]


def time_row(item: DrillTime) -> tuple[str, str, str, str, str]:
    """Name, goal, what was measured, the result, and what showed it or why nothing did."""
    measured = "-" if item.seconds is None else format_span(item.seconds)
    return _NAMES.get(item.what, item.what), format_duration(item.goal_seconds), measured, item.result, visible(item.source)


def list_cases(record: DrillRecord) -> tuple[Case, ...]:
    """One case for each time and one for the undo. What was not observed is an error, never a pass."""
    cases = [
        Case(
            "drill",
            _NAMES.get(item.what, item.what),
            _RESULTS.get(item.result, CaseResult.ERROR),
            ", ".join(filter(None, (format_span(item.seconds) if item.seconds is not None else "", item.source))),
            type=item.result,
        )
        for item in record.times
    ]
    result = {ROLLED_BACK: CaseResult.PASSED, CHANGED: CaseResult.PASSED, UNDO_FAILED: CaseResult.FAILURE}
    return (*cases, Case("drill", "undo", result.get(record.result, CaseResult.ERROR), record.text, type=record.result))


def as_json(record: DrillRecord) -> dict[str, Any]:
    """Times in UTC, seconds as numbers, null where nothing was observed."""
    start = record.start
    return {
        "number": record.number,
        "drill": start.drill,
        "title": start.title,
        "target": start.target,
        "by": record.author,
        "started": format_json_time(record.started_at),
        "fault": format_json_time(record.fault_at) if record.fault_at is not None else None,
        "ended": format_json_time(record.ended_at) if record.ended_at is not None else None,
        "limit_seconds": start.limit_seconds,
        "undo": start.undo,
        "result": record.result or None,
        "text": record.text,
        "times": {
            item.what: {
                "goal_seconds": item.goal_seconds,
                "seconds": round(item.seconds, 1) if item.seconds is not None else None,
                "result": item.result,
                "source": item.source,
            }
            for item in record.times
        },
    }


def exit_code(record: DrillRecord) -> int:
    """0 every goal met, 1 one missed or the fault not made, 2 not observed, 5 the undo failed."""
    if record.result == UNDO_FAILED:
        return 5
    cases = {item.result for item in list_cases(record)}
    if CaseResult.FAILURE in cases or not record.times:
        return 1
    return 2 if CaseResult.ERROR in cases else 0
