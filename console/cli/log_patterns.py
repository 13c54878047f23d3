"""`cad-console logs --patterns`: what is new in a log after a moment."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from console.logs.pattern_report import change_object, count_lines, describe_change
from console.logs.patterns import PatternMiner
from console.monitor.session import Session
from queries.errors import SourceError
from queries.model.log import LogLine
from queries.model.text import visible
from queries.text.durations import format_duration
from queries.text.times import format_time

_NANO = 1_000_000_000


def print_file_patterns(path: str, form: str) -> int:
    """The patterns of a file, the most frequent first; the exit code: 0 printed, 1 no lines, 2 it could not be read."""
    miner = PatternMiner()
    try:
        with Path(path).open(encoding="utf-8", errors="replace", newline="\n") as file:
            miner.add(LogLine(0, number, path, line.rstrip("\r\n")) for number, line in enumerate(file))
    except OSError as error:
        print(f"cad-console logs: {visible(path)}: {error.strerror or error}", file=sys.stderr)
        return 2
    miner.sort()
    for pattern in miner.patterns:
        if form == "json":
            row = {"lines": pattern.count, "level": pattern.level.value or None, "pattern": pattern.template}
            print(json.dumps({**row, "line": pattern.sample.text}))
        else:
            print(f"{count_lines(pattern.count)}: {visible(pattern.template)}\n    {visible(pattern.sample.text)}")
    if miner.other:
        print(f"cad-console: {count_lines(miner.other)} of other patterns: there are too many", file=sys.stderr)
    return 0 if miner.patterns else 1


async def print_patterns(session: Session, target: str, moment: float, form: str) -> int:
    """The exit code: 0 compared, 1 no lines, 2 nothing could be read, 3 only a part was compared."""
    try:
        report = await session.read_pattern_report(target, moment=moment)
    except SourceError as error:
        print(f"cad-console logs: {visible(str(error))}", file=sys.stderr)
        return 2
    telling = report.telling(report.count_telling())
    if form == "json":
        for change in report.changes:
            print(json.dumps(change_object(change)))
    else:
        compared = f"{format_duration(report.before.seconds)} before {format_time(report.before.end_ns // _NANO)}"
        print(f"{count_lines(report.lines)}: {compared} and {format_duration(report.after.seconds)} after")
        for change in telling:
            print(f"{describe_change(change)}\n    {visible(change.pattern.sample.text)}")
        if not telling and report.known:
            print("no pattern appeared, multiplied or vanished")
    if report.note:
        print(f"cad-console: {report.note}", file=sys.stderr)
        return 3 if report.lines else 1
    return 0 if report.lines else 1
