"""Lines of a log, whichever source they come from: the pods themselves, or a server that keeps logs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import NamedTuple, Protocol, TypeAlias

LINE_BYTES = 8192
"""What is kept of one line; the rest is only counted."""

TimedLine: TypeAlias = tuple[int, str, int]
"""What a source reads: Unix nanoseconds (0 without a time), the text, and the size of the whole line in bytes if it was cut,
else 0.
"""


class LogLine(NamedTuple):
    """One line of a log.

    `at_ns` is its time as the source has it, Unix nanoseconds; `order` the order of arrival, so that `(at_ns, order)` is unique
    in one log. `source` names what wrote it (`pod/container`). `size_bytes` is the size of the whole line if it was cut, else
    0. A `notice` is a remark of the console about the log and not a line of it.
    """

    at_ns: int
    order: int
    source: str
    text: str
    size_bytes: int = 0
    notice: bool = False


class LogSink(Protocol):
    """Takes what a source reads. Its methods may be called in any thread."""

    def deliver(self, source: str, lines: Sequence[TimedLine]) -> None:
        """Take lines; waits while too many are pending, so that the source reads no faster than its lines are merged."""

    def remark(self, at_ns: int, text: str) -> None:
        """Take a notice about the log, which stands among its lines."""

    def show_status(self, status: LogStatus) -> None:
        """Take the state of the source as a whole."""


class LogSource(Protocol):
    """Where the lines of one log come from: pods, or a server that keeps logs."""

    async def read(self, sink: LogSink) -> None:
        """Read until the log ends, or for ever if it is followed; ends when cancelled. Raises SourceError."""

    def describe(self) -> str:
        """What is read, once that is known: `3 pods  container api (default, 1 of 2)`."""

    def parts(self) -> tuple[str, ...]:
        """The parts of which one can be chosen, the default one (empty) first; empty if there is only one."""


class LogStatus(NamedTuple):
    """The state of a source.

    `total` logs were found, of which `reading` are read now and `left_out` never, because they are too many. `waiting` has a
    sentence for each log that cannot be read now, `failed` one for each that cannot be read at all. `incomplete`: lines may be
    missing.
    """

    total: int = 0
    reading: int = 0
    left_out: int = 0
    waiting: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    incomplete: bool = False


class LogCounts(NamedTuple):
    """The number of lines in parts of equal length, the first of which begins at `start_ns`; both in Unix nanoseconds."""

    start_ns: int
    step_ns: int
    counts: tuple[int, ...]


class LogLevel(StrEnum):
    """The level that a line names itself."""

    ERROR = "error"
    WARN = "warn"
    INFO = "info"
    DEBUG = "debug"
    UNKNOWN = ""


_LEVELS = {
    LogLevel.ERROR: ("emergency", "emerg", "alert", "panic", "fatal", "critical", "crit", "error", "err", "severe"),
    LogLevel.WARN: ("warning", "warn"),
    LogLevel.INFO: ("notice", "info", "information"),
    LogLevel.DEBUG: ("debug", "trace", "verbose"),
}
_LEVEL_OF = {name: level for level, names in _LEVELS.items() for name in names}
_NAMES = "|".join(sorted(_LEVEL_OF, key=len, reverse=True))
_FIELD = re.compile(rf"""\b(?:level|lvl|severity|levelname|log\.level)["']?\s*[=:]\s*["']?({_NAMES})\b""", re.IGNORECASE)
_WORD = re.compile(rf"(?<![\w/.-])(?:({_NAMES.upper()})|\[({_NAMES})\])(?![\w/.-])")
_KLOG = re.compile(r"([IWEF])\d{4} \d\d:")
_KLOG_LEVELS = {"I": LogLevel.INFO, "W": LogLevel.WARN, "E": LogLevel.ERROR, "F": LogLevel.ERROR}
_HEAD = 256
"""A level stands at the start of a line; in a long text such a word means anything."""


def find_level(line: str) -> LogLevel:
    """The level of a line: a field (`level=warn`, `"severity":"ERROR"`), klog's first letter, or a word in capitals or in
    brackets.
    """
    head = line[:_HEAD]
    if (found := _KLOG.match(head)) is not None:
        return _KLOG_LEVELS[found[1]]
    if (found := _FIELD.search(head)) is not None:
        return _LEVEL_OF[found[1].lower()]
    if (found := _WORD.search(head)) is not None:
        return _LEVEL_OF[(found[1] or found[2]).lower()]
    return LogLevel.UNKNOWN


_STAMP = re.compile(r"\[?(\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d)([.,]\d+)?(?: ?(Z|UTC)|([+-]\d\d:?\d\d))?\]?\s+")
"""A time at a line's beginning: RFC 3339, and as Python, Go, nginx and PostgreSQL write it."""


def split_stamp(line: str) -> tuple[float | None, str]:
    """The time at the beginning of a line, Unix seconds, and the rest; None and the line itself without one.

    A time without a zone is UTC, as containers have it.
    """
    found = _STAMP.match(line)
    if found is None:
        return None, line
    try:
        at = datetime.fromisoformat(found[1].replace("/", "-") + (found[4] or "+00:00"))
    except ValueError:
        return None, line
    return at.astimezone(UTC).timestamp() + float("0." + (found[2] or ".0")[1:]), line[found.end() :]


def drop_stamp(line: LogLine) -> str:
    """The text of a line beside its time: without the time at its beginning, unless that differs by a second or more."""
    at, rest = split_stamp(line.text)
    return rest if rest and at is not None and abs(at - line.at_ns / 1e9) < 1.0 else line.text
