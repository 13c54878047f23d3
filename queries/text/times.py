"""Moments in words: the one place where Unix seconds become a date; nothing here raises, whatever a server or a file sent."""

from __future__ import annotations

from datetime import UTC, datetime

UNKNOWN = "time unknown"
"""What stands where a moment is no date: NaN, infinity, a year that no calendar has."""

SECONDS = "%Y-%m-%dT%H:%M:%SZ"
"""RFC 3339 in UTC, as every server here takes it."""


def calendar_time(at: float, *, local: bool = False) -> datetime | None:
    """The moment in UTC, or naive in the machine's zone (TZ), so that arithmetic follows daylight saving; None for no date."""
    try:
        return datetime.fromtimestamp(at) if local else datetime.fromtimestamp(at, UTC)  # noqa: DTZ006 - as it says
    except (ValueError, OverflowError, OSError):
        return None


def format_time(at: float, form: str = SECONDS, *, local: bool = False, unknown: str = UNKNOWN) -> str:
    """The moment by a strftime form, in UTC or in the machine's zone."""
    moment = calendar_time(at, local=local)
    try:
        return unknown if moment is None else (moment.astimezone() if local else moment).strftime(form)
    except (ValueError, OverflowError, OSError):  # a zone may push the first and the last day out of the calendar
        return unknown


def format_milliseconds(at: float, *, unknown: str = UNKNOWN) -> str:
    """RFC 3339 in UTC with three decimals: `2026-11-24T14:03:27.250Z`."""
    whole = format_time(at, "%Y-%m-%dT%H:%M:%S.%f", unknown="")
    return f"{whole[:-3]}Z" if whole else unknown
