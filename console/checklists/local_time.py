"""The team's local days and hours, in Unix seconds; the zone is the machine's (TZ)."""

from __future__ import annotations

from datetime import datetime, timedelta


def same_period(begun_at: float, now: float, *, due: str) -> bool:
    """Whether a walk that was begun then is still the one to go on with: the same local day, or the same hour.

    A walk that was begun within the last quarter of an hour is, whatever the clock says: it may be set back or forward,
    and midnight or the end of an hour may come in the middle.
    """
    if abs(now - begun_at) < 900.0:
        return True
    then, today = datetime.fromtimestamp(begun_at), datetime.fromtimestamp(now)  # noqa: DTZ006  # the team's own clock
    if due == "hourly":
        return (then.date(), then.hour) == (today.date(), today.hour)
    return then.date() == today.date()


def midnight(now: float) -> float:
    """The beginning of the local day, Unix seconds; the day of a daylight-saving change is as long as it is."""
    return datetime.fromtimestamp(now).replace(hour=0, minute=0, second=0, microsecond=0).timestamp()  # noqa: DTZ006


def hour(now: float) -> float:
    """The beginning of the local hour, Unix seconds; some zones are half an hour off."""
    return datetime.fromtimestamp(now).replace(minute=0, second=0, microsecond=0).timestamp()  # noqa: DTZ006


def yesterday(now: float) -> float:
    """The same local time a day ago, Unix seconds: 23 or 25 hours where the clocks were changed."""
    return (datetime.fromtimestamp(now) - timedelta(days=1)).timestamp()  # noqa: DTZ006


def due_today(due: str, now: float) -> float | None:
    """When a daily checklist is due on this local day, Unix seconds; None for one without a time of day."""
    hour, _, minute = due.partition(":")
    if not (hour.isdigit() and minute.isdigit()):
        return None
    at = datetime.fromtimestamp(now).replace(hour=int(hour), minute=int(minute), second=0, microsecond=0)  # noqa: DTZ006
    return at.timestamp()


def local_clock(at: float, *, now: float | None = None) -> str:
    """`09:02 CET`, with the day (`Thu 1 Jan 09:02 CET`) where it is not that of `now`."""
    moment = datetime.fromtimestamp(at).astimezone()
    today = now is None or datetime.fromtimestamp(now).date() == moment.date()  # noqa: DTZ006
    return f"{moment:%H:%M %Z}" if today else f"{moment:%a} {moment.day} {moment:%b %H:%M %Z}"
