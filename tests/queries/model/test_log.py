"""A log line's level and time, as programs of the field write them."""

from __future__ import annotations

import pytest

from queries.model.log import LogLevel, LogLine, drop_stamp, find_level, split_stamp

AT = 1_767_276_207.0  # 2026-01-01 14:03:27 UTC


@pytest.mark.parametrize(
    ("line", "at", "rest"),
    [
        ("2026-01-01T14:03:27Z started", AT, "started"),
        ("2026-01-01T14:03:27.250Z started", AT + 0.25, "started"),
        ("2026-01-01 14:03:27,250 INFO started", AT + 0.25, "INFO started"),
        ("[2026-01-01 14:03:27]  started", AT, "started"),
        ("2026/01/01 14:03:27 started", AT, "started"),
        ("2026-01-01 14:03:27.5 UTC [17] LOG:  ready", AT + 0.5, "[17] LOG:  ready"),
        ("2026-01-01T15:03:27+01:00 started", AT, "started"),
        ("2026-01-01T09:03:27-0500 started", AT, "started"),
    ],
)
def test_a_time_at_the_beginning(line: str, at: float, rest: str) -> None:
    """RFC 3339 and the forms of Python, Go, nginx and PostgreSQL; without a zone it is UTC."""
    assert split_stamp(line) == (at, rest)


@pytest.mark.parametrize(
    "line", ["", "started", "2026-01-01T14:03:27Z", "at 2026-01-01T14:03:27Z x", "2026-13-01T14:03:27Z x", "2026-01-01 x"]
)
def test_no_time_at_the_beginning(line: str) -> None:
    """A time that is no date, that stands elsewhere, or that is the whole line, stays."""
    assert split_stamp(line) == (None, line)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.0, "up"), (0.999, "up"), (-0.999, "up"), (1.0, "2026-01-01T14:03:27Z up"), (-1.0, "2026-01-01T14:03:27Z up")],
)
def test_a_repeated_time_is_dropped(seconds: float, shown: str) -> None:
    """A line's own time is left out only if it is the source's to less than a second."""
    line = LogLine(round((AT + seconds) * 1e9), 1, "pod/api", "2026-01-01T14:03:27Z up")
    assert drop_stamp(line) == shown


def test_nothing_else_is_dropped() -> None:
    """A line without a time, and one that is nothing but a time."""
    for text in ("up", "2026-01-01T14:03:27Z ", "2026-01-01T14:03:27Z"):
        assert drop_stamp(LogLine(round(AT * 1e9), 1, "pod/api", text)) == text


@pytest.mark.parametrize(
    ("line", "level"),
    [
        ("I0101 14:03:27 x", LogLevel.INFO),
        ("W0101 14:03:27 x", LogLevel.WARN),
        ("E0101 14:03:27 x", LogLevel.ERROR),
        ("F0101 14:03:27 level=info", LogLevel.ERROR),
        ("x I0101 14:03", LogLevel.UNKNOWN),
        ('{"severity":"Critical","level":"info"}', LogLevel.ERROR),
        ("lvl = WARN x", LogLevel.WARN),
        ("log.level=trace", LogLevel.DEBUG),
        ("level=errors", LogLevel.UNKNOWN),
        ("ERROR then level=debug", LogLevel.DEBUG),
        ("an error", LogLevel.UNKNOWN),
        ("an ERROR", LogLevel.ERROR),
        ("[warn] x", LogLevel.WARN),
        ("path/ERROR", LogLevel.UNKNOWN),
        ("ERROR.log", LogLevel.UNKNOWN),
        (" " * 251 + "ERROR", LogLevel.ERROR),
        (" " * 252 + "ERROR", LogLevel.UNKNOWN),
    ],
)
def test_a_level(line: str, level: LogLevel) -> None:
    """klog's letter first, then a field, then a word in capitals or brackets; only in the first 256 characters."""
    assert find_level(line) is level
