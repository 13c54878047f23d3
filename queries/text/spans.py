"""How long ago or how long, in the words of the preview."""

from __future__ import annotations

import re

from queries.text.times import format_time


class InvalidTime(ValueError):
    """A duration or a time that cannot be read or written; the message says what is expected."""


_UNITS = {"w": 604800, "d": 86400, "h": 3600, "m": 60, "s": 1}
_DURATION = re.compile(r"(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")
_LONGEST_SECONDS = 366 * 86400


def ago(at: float, now: float) -> str:
    """`58 s ago`, `12 min ago`, `3 h ago`, `3 d ago`; `at an unknown time` for 0."""
    if not at:
        return "at an unknown time"
    seconds = max(0.0, now - at)
    for limit, size, unit in ((60, 1, "s"), (3600, 60, "min"), (86400, 3600, "h")):
        if seconds < limit:
            return f"{seconds // size:.0f} {unit} ago"
    return f"{seconds // 86400:.0f} d ago"


def utc(at: float) -> str:
    """`2026-01-01T09:00:00Z`; a time outside the calendar raises InvalidTime."""
    if text := format_time(at, unknown=""):
        return text
    raise InvalidTime("that time is outside the calendar")


def seconds_of(text: str) -> int:
    """`2h`, `30m`, `1d`, `1h30m` in seconds, in the units of Alertmanager. Raises InvalidTime."""
    match = _DURATION.fullmatch(text.strip())
    if not text.strip() or not match or not any(match.groups()):
        raise InvalidTime(f"{text.strip()[:40]!r} is no duration; write it like 30m, 2h, 1d or 1h30m")
    total = sum(int(number) * size for number, size in zip(match.groups(), _UNITS.values(), strict=True) if number)
    if not 0 < total <= _LONGEST_SECONDS:
        raise InvalidTime(f"a duration of {text.strip()[:40]} is not between one second and a year")
    return total


def duration_text(seconds: float) -> str:
    """`2h`, `1h30m`: the shortest writing that `seconds_of` understands."""
    rest = max(1, round(seconds))
    parts = []
    for unit, size in _UNITS.items():
        if unit != "w" and rest >= size:
            parts.append(f"{rest // size}{unit}")
            rest %= size
    return "".join(parts)
