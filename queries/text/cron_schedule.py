"""When a CronJob's schedule is due: the times of a cron expression, as Kubernetes' controller computes them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from functools import lru_cache

from queries.model.frozen import dataclass
from queries.text.times import in_zone

MOST = 100
"""Missed runs are counted up to here, as by the controller."""
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIELDS: tuple[tuple[int, int, dict[str, int]], ...] = (
    (0, 59, {}),
    (0, 23, {}),
    (1, 31, {}),
    (1, 12, {name: at for at, name in enumerate(_MONTHS, 1)}),
    (0, 6, {name: at for at, name in enumerate(_DAYS)}),
)
_DESCRIPTORS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_GO_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_OFFSETS = tuple(timezone(timedelta(minutes=minutes)) for minutes in range(-12 * 60, 14 * 60 + 1, 30))


class InvalidScheduleError(ValueError):
    """The schedule or its time zone cannot be read; the message says why in one sentence."""


@dataclass(frozen=True, slots=True)
class MissedRuns:
    """How many scheduled times passed without a run, at most `MOST` + 1, and the last of them, Unix seconds."""

    count: int = 0
    last_due: float = 0.0


@dataclass(frozen=True, slots=True)
class _Schedule:
    """The values of each field; `every` is the interval of `@every` in seconds, else 0. `zone` is None where neither
    the schedule nor the CronJob names one: then the controller's own counts.
    """

    minutes: tuple[int, ...] = ()
    hours: tuple[int, ...] = ()
    days: frozenset[int] = frozenset()
    months: frozenset[int] = frozenset()
    weekdays: frozenset[int] = frozenset()
    either_day: bool = False
    """Both day fields are restricted: then one of them suffices."""
    every: float = 0.0
    zone: tzinfo | None = None

    def is_on(self, day: date) -> bool:
        if day.month not in self.months:
            return False
        fits = (day.day in self.days, (day.weekday() + 1) % 7 in self.weekdays)
        return any(fits) if self.either_day else all(fits)

    def times(self, after: float, until: float, zone: tzinfo, *, newest_first: bool = False) -> Iterator[float]:
        """The times after `after` and up to `until`, in order. A wall-clock time that a zone skips is not due, and one that
        it repeats is due twice.
        """
        if self.every:
            count = int((until - after) // self.every)
            steps = range(count, 0, -1) if newest_first else range(1, count + 1)
            yield from (after + step * self.every for step in steps)
            return
        begins, ends = in_zone(after, zone), in_zone(until, zone)
        if begins is None or ends is None:
            return
        first, last = begins.date().toordinal(), ends.date().toordinal()
        for number in range(last, first - 1, -1) if newest_first else range(first, last + 1):
            day = date.fromordinal(number)
            if self.is_on(day):
                due = [at for at in self._on_day(day, zone, after, until) if after < at <= until]
                yield from sorted(due, reverse=newest_first)

    def _on_day(self, day: date, zone: tzinfo, after: float, until: float) -> Iterator[float]:
        midnight = datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()
        for hour in self.hours:
            begins = midnight + hour * 3600.0
            if begins < after - 3 * 3600.0 or begins > until + 3 * 3600.0:
                continue  # no zone has a change of more than two hours within a day
            for minute in self.minutes:
                wall = datetime(day.year, day.month, day.day, hour, minute)  # noqa: DTZ001 - the zone follows
                moments = {wall.replace(tzinfo=zone, fold=fold).timestamp() for fold in (0, 1)}
                shown = ((at, in_zone(at, zone)) for at in moments)
                yield from (at for at, clock in shown if clock is not None and clock.replace(tzinfo=None) == wall)


def count_missed_runs(schedule: str, time_zone: str, *, since: float, until: float) -> MissedRuns:
    """The scheduled times after `since` and up to `until`, which are Unix seconds, to the minute.

    Without a time zone the controller's own counts, which nobody tells: UTC if `since` fits it, else whichever zone has the
    fewest, so that the count is a lower bound. Raises InvalidScheduleError.

    Source: Kubernetes 1.36, pkg/controller/cronjob, which parses with robfig/cron 3.0.
    """
    return _count(schedule, time_zone, since, until // 60.0 * 60.0)


@lru_cache(maxsize=2048)
def _count(schedule: str, time_zone: str, since: float, until: float) -> MissedRuns:
    parsed = _parse(schedule, time_zone)
    if parsed.zone is not None or parsed.every or any(parsed.times(since - 60.0, since, UTC)):
        return _count_in(parsed, parsed.zone or UTC, since, until)
    return min((_count_in(parsed, zone, since, until) for zone in _OFFSETS), key=lambda found: found.count)


def _count_in(schedule: _Schedule, zone: tzinfo, since: float, until: float) -> MissedRuns:
    last_due = next(schedule.times(since, until, zone, newest_first=True), 0.0)
    if not last_due:
        return MissedRuns()
    count = 0
    for _ in schedule.times(since, until, zone):
        count += 1
        if count > MOST:
            break
    return MissedRuns(count, last_due)


@lru_cache(maxsize=512)
def _parse(text: str, time_zone: str) -> _Schedule:
    named = re.match(r"(?:CRON_)?TZ=(\S*)\s+(.*)", text, re.DOTALL)
    if named:
        time_zone, text = named[1], named[2]
    zone = _find_zone(time_zone) if time_zone else None
    text = text.strip()
    if text.startswith("@every "):
        return _Schedule(every=_parse_interval(text.removeprefix("@every ")), zone=zone)
    fields = _DESCRIPTORS.get(text, text).split()
    if len(fields) != len(_FIELDS):
        raise InvalidScheduleError(f"the schedule {text[:60]!r} does not have five fields")
    minutes, hours, days, months, weekdays = (
        _parse_field(field, *bounds) for field, bounds in zip(fields, _FIELDS, strict=True)
    )
    return _Schedule(
        tuple(sorted(minutes)), tuple(sorted(hours)), days, months, weekdays,
        either_day=not (_is_star(fields[2]) or _is_star(fields[4])), zone=zone,
    )  # fmt: skip


def _find_zone(name: str) -> tzinfo:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError  # noqa: PLC0415  # only for a schedule with a zone

    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidScheduleError(f"the time zone {name[:60]!r} is not known on this machine") from None


def _parse_interval(text: str) -> float:
    """Go's duration, `1h30m`; the controller rounds it down to seconds, and up to one."""
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|h|m|s)", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise InvalidScheduleError(f"the interval {text[:60]!r} is not a duration")
    return max(1.0, sum(float(number) * _GO_UNITS[unit] for number, unit in parts) // 1.0)


def _is_star(field: str) -> bool:
    """Whether the field restricts nothing; a star with a step does."""
    return any(re.fullmatch(r"[*?](/0*1)?", part) for part in field.split(","))


def _parse_field(field: str, least: int, most: int, names: dict[str, int]) -> frozenset[int]:
    found: set[int] = set()
    for part in filter(None, field.split(",")):
        span, slash, step_text = part.partition("/")
        step = _parse_number(step_text, {}) if slash else 1
        first, hyphen, last = span.partition("-")
        if first in ("*", "?") and not hyphen:
            low, high = least, most
        else:
            low = _parse_number(first, names)
            high = _parse_number(last, names) if hyphen else most if slash else low
        if not (least <= low <= high <= most and step > 0):
            raise InvalidScheduleError(f"{part[:60]!r} is not within {least} to {most}")
        found.update(range(low, high + 1, step))
    return frozenset(found)


def _parse_number(text: str, names: dict[str, int]) -> int:
    if (known := names.get(text.lower())) is not None:
        return known
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise InvalidScheduleError(f"{text[:60]!r} is not a number")
    return int(text)
