"""Moments as a person types them."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from queries.text.durations import parse_duration
from queries.text.times import InvalidTime, to_datetime, to_shown, zone_seconds

_CLOCK = re.compile(r"(\d{1,2}):(\d\d)(?::(\d\d))?(Z?)", re.IGNORECASE)
_DURATION = re.compile(r"-?(?:\d+(?:ms|[smhdwy]))+")
_FORMS = ("%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d")


def parse_moment(text: str, *, now: float) -> float:
    """Unix seconds of `03:12` (the last one, in the zone that is shown), `03:12Z` (in UTC), `2h` or `-2h` (before now),
    `2026-11-29`, `2026-11-29 03:12`, or RFC 3339. Raises InvalidTime.
    """
    text = text.strip()
    if _DURATION.fullmatch(text):
        return now - parse_duration(text.removeprefix("-"))
    if found := _CLOCK.fullmatch(text):
        *parts, zone = found.groups()
        return _last_clock(text, *(int(part or 0) for part in parts), now=now, is_utc=bool(zone))
    given = text.replace(" ", "T", 1)
    try:
        if (moment := datetime.fromisoformat(given)).tzinfo is not None:
            return moment.timestamp()
    except ValueError:
        pass
    for form in _FORMS:
        try:
            return zone_seconds(datetime.strptime(given, form))  # noqa: DTZ007  # the zone is the one that is shown
        except ValueError:
            continue
    raise InvalidTime(f"{text[:40]!r} is not a time; write it like 03:12, 2h (ago), or 2026-11-29 03:12")


def _last_clock(text: str, hour: int, minute: int, second: int, *, now: float, is_utc: bool) -> float:
    if hour > 23 or minute > 59 or second > 59:
        raise InvalidTime(f"{text!r} is not a time of day")
    today = to_datetime(now) if is_utc else to_shown(now)
    if today is None:
        raise InvalidTime(f"{text!r} has no day: the clock of this machine is not set")
    today = today.replace(hour=hour, minute=minute, second=second, microsecond=0)
    return (today if today.timestamp() <= now else today - timedelta(days=1)).timestamp()
