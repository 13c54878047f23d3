"""Moments, and the time zone that is shown. RFC 3339 is read here, dates are written. Unix seconds; formatting never raises.

Two zones, both of the process, as TZ is: the one in which screens and commands show moments, and the local one, whose days and
hours checklists have. `use_zone` sets both; by default they are UTC and the machine's (TZ). What is sent, exported or kept is
in UTC.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo

UNKNOWN = "time unknown"
"""Written for a moment that is not a date: NaN, infinity, a year outside the calendar."""

SECONDS = "%Y-%m-%dT%H:%M:%SZ"
"""RFC 3339 in UTC, as every server here accepts it."""


_zones: list[tzinfo | None] = [UTC, None]
"""The zone of what is shown, and the local one; None for the machine's."""


class InvalidTime(ValueError):
    """A duration or a time that cannot be read or written; the message says what is expected."""


def use_zone(name: str) -> None:
    """Show moments in this zone, and take its days: `utc`, `local` for the machine's, or a name such as `Europe/Berlin`.

    Empty for the defaults. Raises InvalidTime for a zone that this machine does not know.
    """
    if not name:
        _zones[:] = [UTC, None]
        return
    zone = find_zone(name)
    _zones[:] = [zone, zone]


def find_zone(name: str) -> tzinfo | None:
    """The zone of that name; None for `local`. Raises InvalidTime."""
    if name.lower() in ("utc", "local"):
        return UTC if name.lower() == "utc" else None
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError  # noqa: PLC0415  # only with a zone of one's own

    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidTime(f"{name[:60]!r} is not a time zone; write utc, local or a name like Europe/Berlin") from None


def to_shown(at: float) -> datetime | None:
    """The moment in the zone that is shown, aware; None if it is not a date."""
    moment = to_datetime(at)
    try:
        return None if moment is None else moment.astimezone(_zones[0])
    except (ValueError, OverflowError, OSError):
        return None


def format_shown(at: float, form: str, *, mark: bool = True, unknown: str = UNKNOWN) -> str:
    """The moment by a strftime form in the zone that is shown, with its mark: `14:03Z`, `15:03 CET`."""
    moment = to_shown(at)
    try:
        if moment is None:
            return unknown
        zone = "" if not mark else "Z" if _zones[0] is UTC else " %Z"
        return moment.strftime(form + zone)
    except (ValueError, OverflowError, OSError):
        return unknown


def shown_zone() -> str:
    """The mark of the zone that is shown, for a column of times without one: `UTC`, `CET`."""
    return "UTC" if _zones[0] is UTC else datetime.now(_zones[0]).astimezone(_zones[0]).tzname() or ""


def parse_rfc3339(text: str) -> float:
    """Unix seconds of an RFC 3339 time as Go writes it; 0 for Go's zero time and for empty text. Raises ValueError."""
    if not text or text.startswith("0001-01-01"):
        return 0.0
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"no time zone in {text!r}")
    return moment.timestamp()


def to_datetime(at: float, *, local: bool = False) -> datetime | None:
    """The moment in UTC, or naive in the local zone so that arithmetic follows daylight saving; None if it is not a date."""
    try:
        if local and _zones[1] is not None:
            return datetime.fromtimestamp(at, _zones[1]).replace(tzinfo=None)
        return datetime.fromtimestamp(at) if local else datetime.fromtimestamp(at, UTC)  # noqa: DTZ006 - naive on purpose
    except (ValueError, OverflowError, OSError):
        return None


def in_zone(at: float, zone: tzinfo) -> datetime | None:
    """The moment as the wall clock of a zone shows it; None if it is not a date."""
    try:
        return datetime.fromtimestamp(at, zone)
    except (ValueError, OverflowError, OSError):
        return None


def format_time(at: float, form: str = SECONDS, *, local: bool = False, unknown: str = UNKNOWN) -> str:
    """The moment by a strftime form, in UTC or in the local zone."""
    moment = to_datetime(at)
    try:
        return unknown if moment is None else (moment.astimezone(_zones[1]) if local else moment).strftime(form)
    except (ValueError, OverflowError, OSError):  # a zone may push the first and the last day out of the calendar
        return unknown


def format_milliseconds(at: float, *, unknown: str = UNKNOWN) -> str:
    """RFC 3339 in UTC with three decimals: `2026-11-24T14:03:27.250Z`."""
    whole = format_time(at, "%Y-%m-%dT%H:%M:%S.%f", unknown="")
    return f"{whole[:-3]}Z" if whole else unknown


def utc(at: float) -> str:
    """`2026-01-01T09:00:00Z`, to be sent to a server. Raises InvalidTime for a time outside the calendar."""
    if text := format_time(at, unknown=""):
        return text
    raise InvalidTime("that time is outside the calendar")


def format_clock(at: float) -> str:
    """`14:03:27Z`, in the zone that is shown."""
    return format_shown(at, "%H:%M:%S")


def format_minute(at: float, *, now: float | None = None) -> str:
    """`14:03Z`, or `23 Nov 14:03Z` if that is more than 18 hours from `now`; in the zone that is shown."""
    return format_shown(at, "%d %b %H:%M" if now is not None and shows_day(at, now=now) else "%H:%M")


def shows_day(at: float, *, now: float) -> bool:
    """Whether `format_minute` writes the day."""
    return abs(now - at) > 18 * 3600


def format_moment(at: float) -> str:
    """`2026-11-24 14:03:27Z`, in the zone that is shown."""
    return format_shown(at, "%Y-%m-%d %H:%M:%S")


def format_timestamp(at: float) -> str:
    """`2026-11-24 14:03:27Z`, always in UTC: for a file that leaves this machine."""
    return format_time(at, "%Y-%m-%d %H:%M:%SZ")


def format_local(at: float, *, now: float | None = None) -> str:
    """`09:02 CET`, with the day (`Thu 1 Jan 09:02 CET`) if that is not the local day of `now`."""
    moment = to_datetime(at, local=True)
    today = now is None or moment is None or _local(now).date() == moment.date()
    return format_time(at, "%H:%M %Z" if today or moment is None else f"%a {moment.day} %b %H:%M %Z", local=True)


def zone_seconds(naive: datetime) -> float:
    """Unix seconds of a time that a person typed without a zone: it is in the one that is shown."""
    return (naive if _zones[0] is None else naive.replace(tzinfo=_zones[0])).timestamp()


def find_moments(naive: datetime, *, is_utc: bool = False) -> tuple[float, ...]:
    """Unix seconds of every moment at which the clock of the zone that is shown, or UTC, shows this time: none where the clocks
    skip it, two where they go back.
    """
    if is_utc:
        return (naive.replace(tzinfo=UTC).timestamp(),)
    found = dict.fromkeys(zone_seconds(naive.replace(fold=fold)) for fold in (0, 1))
    shown = ((at, to_shown(at)) for at in found)
    return tuple(at for at, moment in shown if moment is not None and moment.replace(tzinfo=None, fold=0) == naive)


def wall_clock_seconds(at: float) -> float:
    """What the clock of the zone that is shown reads, in seconds since that clock's 1970: full hours and days divide it."""
    moment = to_shown(at)
    offset = moment.utcoffset() if moment is not None else None
    return at + offset.total_seconds() if offset is not None else at


def is_same_period(started_at: float, now: float, *, due: str) -> bool:
    """Whether a checklist run that started then is still the current one: the same local day, or hour if `due` is `hourly`.

    A run started within the last 15 minutes always is: the clock may be set, and midnight or the end of an hour may pass.
    """
    if abs(now - started_at) < 900.0:
        return True
    then, today = to_datetime(started_at, local=True), _local(now)
    if then is None:
        return False
    if due == "hourly":
        return local_hour(started_at) == local_hour(now)  # not by the clock's reading: one hour of autumn passes twice
    return then.date() == today.date()


def local_midnight(now: float) -> float:
    """The beginning of the local day, Unix seconds; with daylight saving a day has 23 or 25 hours, and its midnight may pass
    twice.
    """
    return _seconds(_local(now).replace(hour=0, minute=0, second=0, microsecond=0, fold=0))


def local_date(at: float, *, days: int = 0) -> str:
    """The local date, or the one so many days later, as `2026-12-05`: a day counts as one, whether it has 23 hours or 25."""
    try:
        return str(_local(at).date() + timedelta(days=days))
    except OverflowError:
        return UNKNOWN


def local_hour(now: float) -> float:
    """The beginning of the local hour, Unix seconds; some zones are half an hour off."""
    return _seconds(_local(now).replace(minute=0, second=0, microsecond=0))


def local_minute(now: float) -> int:
    """The minute of the local day, 0 to 1439."""
    local = _local(now)
    return local.hour * 60 + local.minute


def local_yesterday(now: float) -> float:
    """The same local time a day ago, Unix seconds: 23 or 25 hours where the clocks changed."""
    return _seconds(_local(now) - timedelta(days=1))


def due_today(due: str, now: float) -> float | None:
    """When a daily checklist is due on this local day, Unix seconds; None for one without a time of day. Of a time that passes
    twice the first one.
    """
    hour, _, minute = due.partition(":")
    if not (hour.isdigit() and minute.isdigit()):
        return None
    return _seconds(_local(now).replace(hour=int(hour), minute=int(minute), second=0, microsecond=0, fold=0))


def local_seconds(text: str) -> float:
    """Unix seconds of `2026-12-20 18:00` or `2026-12-20`, in the local zone unless it names one. Raises InvalidTime."""
    try:
        moment = datetime.fromisoformat(text)
        return moment.timestamp() if moment.tzinfo is not None else _seconds(moment)
    except (ValueError, OverflowError, OSError):
        raise InvalidTime(f"{text[:40]!r} is not a date; write it like 2026-12-20 18:00") from None


def week_minute(now: float) -> int:
    """The minute of the local week, from Monday 00:00."""
    local = _local(now)
    return local.weekday() * 1440 + local.hour * 60 + local.minute


def next_week_minute(minute: int, now: float) -> float:
    """The next moment, Unix seconds, at which the local week is at this minute."""
    local = _local(now)
    monday = local.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=local.weekday())
    found = monday + timedelta(minutes=minute)
    return _seconds(found if found > local else found + timedelta(days=7))


def _seconds(local: datetime) -> float:
    """Unix seconds of a naive local time."""
    return (local if _zones[1] is None else local.replace(tzinfo=_zones[1])).timestamp()


def _local(now: float) -> datetime:
    """The machine's clock; the beginning of the calendar where that clock is set outside of it."""
    return to_datetime(now, local=True) or datetime(1970, 1, 2)  # noqa: DTZ001 - naive, as the others
