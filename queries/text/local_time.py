"""The team's local days and hours, in Unix seconds; the zone is the machine's (TZ)."""

from __future__ import annotations

from datetime import datetime, timedelta

from queries.text.times import calendar_time, format_time


def same_period(begun_at: float, now: float, *, due: str) -> bool:
    """Whether a walk that was begun then is still the one to go on with: the same local day, or the same hour.

    A walk that was begun within the last quarter of an hour is, whatever the clock says: it may be set back or forward,
    and midnight or the end of an hour may come in the middle.
    """
    if abs(now - begun_at) < 900.0:
        return True
    then, today = calendar_time(begun_at, local=True), _local(now)
    if then is None:
        return False
    if due == "hourly":
        return (then.date(), then.hour) == (today.date(), today.hour)
    return then.date() == today.date()


def midnight(now: float) -> float:
    """The beginning of the local day, Unix seconds; the day of a daylight-saving change is as long as it is."""
    return _local(now).replace(hour=0, minute=0, second=0, microsecond=0).timestamp()


def hour(now: float) -> float:
    """The beginning of the local hour, Unix seconds; some zones are half an hour off."""
    return _local(now).replace(minute=0, second=0, microsecond=0).timestamp()


def yesterday(now: float) -> float:
    """The same local time a day ago, Unix seconds: 23 or 25 hours where the clocks were changed."""
    return (_local(now) - timedelta(days=1)).timestamp()


def due_today(due: str, now: float) -> float | None:
    """When a daily checklist is due on this local day, Unix seconds; None for one without a time of day."""
    hour, _, minute = due.partition(":")
    if not (hour.isdigit() and minute.isdigit()):
        return None
    return _local(now).replace(hour=int(hour), minute=int(minute), second=0, microsecond=0).timestamp()


def local_clock(at: float, *, now: float | None = None) -> str:
    """`09:02 CET`, with the day (`Thu 1 Jan 09:02 CET`) where it is not that of `now`."""
    moment = calendar_time(at, local=True)
    today = now is None or moment is None or _local(now).date() == moment.date()
    return format_time(at, "%H:%M %Z" if today or moment is None else f"%a {moment.day} %b %H:%M %Z", local=True)


def _local(now: float) -> datetime:
    """This machine's clock; one that is set outside every calendar stands at its beginning."""
    return calendar_time(now, local=True) or datetime(1970, 1, 2)  # noqa: DTZ001 - naive, as the others
