"""`cad-console logs --patterns`: what is new in a log after a moment."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from console.logs.format import describe_cut
from console.logs.pattern_report import change_object, count_lines, describe_change
from console.logs.patterns import PatternMiner
from console.monitor.session import Session
from queries.errors import SourceError
from queries.model.log import LINE_BYTES, LogLine
from queries.model.text import visible
from queries.text.durations import format_duration
from queries.text.numbers import format_size
from queries.text.times import format_time

_NANO = 1_000_000_000
_PIECE = 1 << 16
"""Bytes of a longer line that are read at once."""


def print_file_patterns(path: str, form: str) -> int:
    """The patterns of a file, the most frequent first; the exit code: 0 printed, 1 no lines, 2 it could not be read."""
    miner, cut = PatternMiner(), _Cut()
    try:
        with Path(path).open("rb") as file:
            miner.add(_read_lines(file, path, cut))
    except OSError as error:
        print(f"cad-console logs: {visible(path)}: {error.strerror or error}", file=sys.stderr)
        return 2
    miner.sort()
    for pattern in miner.patterns:
        if form == "json":
            row = {"lines": pattern.count, "level": pattern.level.value or None, "pattern": pattern.template}
            size = {"size_bytes": pattern.sample.size_bytes} if pattern.sample.size_bytes else {}
            print(json.dumps({**row, "line": pattern.sample.text, **size}))
        else:
            shown = f"{visible(pattern.sample.text)}{describe_cut(pattern.sample)}"
            print(f"{count_lines(pattern.count)}: {visible(pattern.template)}\n    {shown}")
    if cut.lines:
        longer = f"{count_lines(cut.lines)} {'is' if cut.lines == 1 else 'are'} longer than {format_size(LINE_BYTES)}"
        whose = "it" if cut.lines == 1 else "them"
        print(f"cad-console: {longer}: {cut.bytes:,} bytes of {whose} were left out", file=sys.stderr)
    if miner.other:
        print(f"cad-console: {count_lines(miner.other)} of other patterns: there are too many", file=sys.stderr)
    return 0 if miner.patterns else 1


@dataclass(slots=True)
class _Cut:
    """The lines that are longer than LINE_BYTES, and how many bytes of them were left out."""

    lines: int = 0
    bytes: int = 0


def _read_lines(file: BinaryIO, source: str, cut: _Cut) -> Iterator[LogLine]:
    """Of a longer line the first LINE_BYTES, however long it is. Raises OSError."""
    order = 0
    while data := file.readline(LINE_BYTES + 2):
        size, end = len(data), data[-2:]
        while not end.endswith(b"\n") and (piece := file.readline(_PIECE)):
            size, end = size + len(piece), (end + piece)[-2:]
        size -= 2 if end == b"\r\n" else end.endswith(b"\n")
        left_out = max(0, size - LINE_BYTES)
        cut.lines, cut.bytes = cut.lines + (left_out > 0), cut.bytes + left_out
        text = data[: min(size, LINE_BYTES)].decode("utf-8", "replace")
        yield LogLine(0, order, source, text, size if left_out else 0)
        order += 1


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
