"""The lines of a log as text and as JSON, for a file, a pipe and a person: control characters are written out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from console.logs.merged_log import MergedLog
from console.text_files import write_private
from queries.model.log import LogLine, find_level
from queries.model.text import visible
from queries.text.times import format_time

_PART = 2_000


def format_nanoseconds(at_ns: int) -> str:
    """`2026-11-29T16:07:10.123456789Z`, as the kubelet writes it."""
    return f"{format_time(at_ns // 1_000_000_000, '%Y-%m-%dT%H:%M:%S')}.{at_ns % 1_000_000_000:09d}Z"


def format_line(line: LogLine) -> str:
    """Time, source and text; a notice begins with `#`."""
    if line.notice:
        return f"# {format_nanoseconds(line.at_ns)} {visible(line.text)}"
    return f"{format_nanoseconds(line.at_ns)} {visible(line.source)} {visible(line.text)}{describe_cut(line)}"


def describe_cut(line: LogLine) -> str:
    """What follows the text of a line that was cut; empty for a whole one."""
    return f"… (cut: the line has {line.size_bytes:,} bytes)" if line.size_bytes else ""


def line_object(line: LogLine) -> dict[str, Any]:
    """One line as a JSON object: its text as it is, since JSON escapes what a terminal would interpret."""
    if line.notice:
        return {"time": format_nanoseconds(line.at_ns), "notice": line.text}
    cut = {"size_bytes": line.size_bytes} if line.size_bytes else {}
    level = find_level(line.text).value or None
    return {"time": format_nanoseconds(line.at_ns), "source": line.source, "level": level, "text": line.text, **cut}


def save_log(log: MergedLog, title: str, file: str, *, replace: bool = False) -> int:
    """Writes the lines in view to a file (0600); returns their number. Raises OSError, FileExistsError without `replace`."""
    count = log.count()

    def parts() -> Iterator[str]:
        dropped = f"; {log.dropped:,} older ones were dropped before" if log.dropped else ""
        yield f"# {visible(title)}: {count:,} lines{dropped}\n"
        written = 0
        key = (-1, -1)
        while written < count:
            # By key: lines may come and go meanwhile.
            first = log.index_of(key)
            lines = log.window(first, first + min(_PART, count - written))
            if not lines:
                return
            yield "".join(f"{format_line(line)}\n" for line in lines)
            written += len(lines)
            key = (lines[-1].at_ns, lines[-1].order + 1)

    write_private(Path(file).expanduser(), parts(), replace=replace)
    return count
