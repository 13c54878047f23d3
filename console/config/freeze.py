"""The times of an environment in which nothing is deployed."""

from __future__ import annotations

import re
from typing import Any

from console.config.sources import Sources
from queries.model.frozen import dataclass
from queries.text.times import InvalidTime, local_seconds, next_week_minute, week_minute

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WEEKLY = rf"({'|'.join(_DAYS)})\w*\s+([01]?\d|2[0-3]):([0-5]\d)"
_DAY_MINUTES = 1440


@dataclass(frozen=True, slots=True)
class Freeze:
    """From `start` to `end`, in local time: both a day of the week with a time (`fri 16:00`: every week) or both a date
    (`2026-12-20 18:00`). A guarded change is refused in it unless somebody overrules that; without `refuses` it only warns.
    """

    start: str
    end: str
    reason: str
    refuses: bool = True

    def ends_at(self, now: float) -> float | None:
        """When it ends, Unix seconds, if it contains `now`."""
        start, end = _week_minute(self.start), _week_minute(self.end)
        if start is None or end is None:
            until = local_seconds(self.end)
            return until if local_seconds(self.start) <= now < until else None
        minute = week_minute(now)
        inside = start <= minute < end if start < end else minute >= start or minute < end
        return next_week_minute(end, now) if inside else None


def is_freeze_time(value: Any) -> bool:
    """Whether it is a day of the week with a time, or a date."""
    if _week_minute(str(value)) is not None:
        return True
    try:
        # YAML reads a date without quotes as one.
        local_seconds(str(value))
    except InvalidTime:
        return False
    return not isinstance(value, int | float)


def read_freezes(sources: Sources) -> tuple[Freeze, ...]:
    """Raises ConfigError."""
    found = []
    listed = sources.own("freeze") or ()
    for index, item in enumerate([listed] if isinstance(listed, dict) else listed):
        path = (*sources.environment_path, "freeze", *((index,) if isinstance(listed, list) else ()))
        start, end = str(item["from"]), str(item["to"])
        weekly = [_week_minute(text) is not None for text in (start, end)]
        if weekly[0] != weekly[1]:
            raise sources.error(path, "expected two days of the week or two dates, found one of each")
        if start == end or (not weekly[0] and local_seconds(end) <= local_seconds(start)):
            raise sources.error((*path, "to"), "expected an end after the start")
        found.append(Freeze(start, end, item["reason"].strip(), refuses=not item.get("warn_only", False)))
    return tuple(found)


def _week_minute(text: str) -> int | None:
    """The minute of the week, from Monday 00:00; None for a date."""
    match = re.fullmatch(_WEEKLY, text.strip(), re.IGNORECASE)
    if match is None:
        return None
    return _DAYS.index(match[1].lower()) * _DAY_MINUTES + int(match[2]) * 60 + int(match[3])
