"""Durations: the one parser and the one writer of Prometheus' syntax, and the lengths and ages of time that screens show."""

from __future__ import annotations

import math
import re

from queries.model.text import visible
from queries.text.times import InvalidTime

UNIT_SECONDS = {"y": 31_536_000.0, "w": 604_800.0, "d": 86_400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
"""The units of Prometheus, the largest first: the order in which a duration is written."""

DURATION = r"(?=\d)(?:\d+y)?(?:\d+w)?(?:\d+d)?(?:\d+h)?(?:\d+m(?!s))?(?:\d+s)?(?:\d+ms)?"
"""A regular expression of a duration, to find one in text."""

LONGEST_SECONDS = float(2**63 // 10**9)
"""Go keeps a duration in 64 bits of nanoseconds: 292 years."""

YEAR_SECONDS = 366 * 86_400.0


def parse_duration(text: str, *, least: float = 0.0, most: float = LONGEST_SECONDS) -> float:
    """Seconds of `90s`, `1h30m`, `1d` or `0`: Prometheus' syntax, the units y w d h m s ms in this order, each once.

    `least` and `most` are the range that the caller allows, in seconds. Raises InvalidTime.
    """
    if text != "0" and not re.fullmatch(DURATION, text, re.ASCII):
        raise InvalidTime(f"{text[:40]!r} is not a duration; write it like 30m, 2h, 1d or 1h30m")
    seconds = 0.0
    for number, unit in re.findall(r"(\d+)(ms|[ywdhms])", text):
        seconds += (float(number) if len(number) < 16 else math.inf) * UNIT_SECONDS[unit]
    if not least <= seconds <= most:
        raise InvalidTime(f"a duration of {text[:40]} is not between {_range_end(least)} and {_range_end(most)}")
    return seconds


def format_duration(seconds: float) -> str:
    """`2h`, `1h30m`, `500ms`: the shortest text that `parse_duration` reads back, in days and less; to the millisecond.

    `-` for NaN and infinity.
    """
    if not math.isfinite(seconds):
        return "-"
    left = round(max(0.0, seconds) * 1000.0)
    if not left:
        return "0s"
    parts = []
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        count, left = divmod(left, size)
        parts.append(f"{count}{unit}" if count else "")
    return "".join(parts)


def format_seconds_field(value: object) -> str:
    """A field of seconds as an object of an API has it; what is not a number is shown as it is."""
    return format_duration(value) if isinstance(value, int | float) else visible(str(value))


def measure_text(text: str) -> float | None:
    """What the text begins with, to sort by: seconds of an age (`3h5m`, `in 2m`, `4m ago`), else a number (`5/6`, `41 %`)."""
    bare = text.removeprefix("in ").removeprefix("~").replace(",", "")
    if found := re.match(rf"({DURATION})(?: ago)?$", bare, re.ASCII):
        return parse_duration(found[1])
    number = re.match(r"[-+]?\d+(?:\.\d+)?(?=[^\w.:-]|$)", bare, re.ASCII)
    return float(number[0]) if number else None


def _range_end(seconds: float) -> str:
    return {1.0: "one second", YEAR_SECONDS: "a year"}.get(seconds) or format_duration(seconds)


def ago(at: float, now: float) -> str:
    """`58s ago`, `12m ago`, `3h ago`, `3d ago`; `at an unknown time` for 0."""
    if not at:
        return "at an unknown time"
    return f"{_largest(max(0.0, now - at), ('d', 'h', 'm', 's'))} ago"


def format_span(seconds: float) -> str:
    """The two largest units: `40s`, `2m12s`, `3h5m`, `2d4h`; `-` for NaN and infinity."""
    if not math.isfinite(seconds):
        return "-"
    days, hours, minutes, rest = _parts(seconds)
    if days:
        return _join((days, "d"), (hours, "h"))
    return _join((hours, "h"), (minutes, "m")) if hours else _join((minutes, "m"), (rest, "s"))


def format_elapsed(seconds: float) -> str:
    """How long a step took: `240ms`, `4s`, `2m12s`; milliseconds only under a second, `-` for NaN and infinity."""
    return format_duration(seconds) if seconds < 1.0 else format_span(seconds)


def format_age(seconds: float) -> str:
    """`12s`, `4m`, `3h5m`, `2d4h`: seconds only under a minute, so that an idle screen rarely changes; `-` for NaN."""
    if not math.isfinite(seconds):
        return "-"
    days, hours, minutes, rest = _parts(seconds)
    if days:
        return _join((days, "d"), (hours, "h")) if days < 10 else f"{days}d"
    if hours:
        return _join((hours, "h"), (minutes, "m"))
    return f"{minutes}m" if minutes else f"{rest}s"


def format_brief_age(seconds: float) -> str:
    """The largest unit up to hours alone: `12s`, `4m`, `30h`."""
    return _largest(seconds, ("h", "m", "s"))


def format_timer(seconds: float) -> str:
    """A running timer: `4m10s`, `1h2m3s`, `2d3h`."""
    days, hours, minutes, rest = _parts(seconds)
    return _join((days, "d"), (hours, "h")) if days else _join((hours, "h"), (minutes, "m"), (rest, "s"))


def format_difference(seconds: float) -> str:
    """A difference of clocks: `40s`, `2m`, `1h30m`, `3d`; rounded to a tenth of its largest unit."""
    for length in (86_400.0, 3600.0, 60.0):
        if seconds >= length * 0.99:
            return format_span(round(seconds / length, 1) * length + 0.5)
    return f"{seconds:.0f}s"


def _largest(seconds: float, units: tuple[str, ...]) -> str:
    whole = int(seconds)
    return next((f"{whole // int(UNIT_SECONDS[unit])}{unit}" for unit in units if whole >= UNIT_SECONDS[unit]), f"{whole}s")


def _join(*parts: tuple[int, str]) -> str:
    """The parts that are not zero; `0s` without any."""
    return "".join(f"{count}{unit}" for count, unit in parts if count) or f"0{parts[-1][1]}"


def _parts(seconds: float) -> tuple[int, int, int, int]:
    """Days, hours, minutes and seconds, rounded down; a negative length is none."""
    whole = max(0, int(seconds))
    return whole // 86_400, whole // 3600 % 24, whole // 60 % 60, whole % 60
