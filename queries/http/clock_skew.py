"""The skew between a server's clock and this machine's, from the Date header of its responses."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache

from queries.model.later import lazy_pattern
from queries.text.durations import format_difference

_FIXED = lazy_pattern(
    r"[A-Z][a-z]{2}, (?P<day>[0-9]{2}) (?P<month>[A-Z][a-z]{2}) (?P<year>[1-9][0-9]{3}) "
    r"(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2}) GMT"
)
"""The form that every server has to send (RFC 9110, 5.6.7)."""
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
NOTABLE_SECONDS = 30.0
"""A smaller difference may be network delay, load or the rounding of Date to seconds."""
_JITTER_SECONDS = 10.0
"""A smaller change in the skew is noise; adopting it would make every answer differ from the last."""


class ServerClock:
    """Learns from the headers of every response; `warning` is empty unless the clocks differ.

    Times on the screen (`since`, ages, the end of a silence) are the server's, compared with this machine's clock.
    """

    def __init__(self) -> None:
        self.ahead_seconds = 0.0
        """The least by which the server's clock is ahead, negative if it is behind."""

    def on_response(self, headers: Mapping[str, str], *, sent_at: float, received_at: float) -> None:
        """Learn from one response; both moments in Unix seconds. A response without a valid Date changes nothing."""
        date = _date(headers)
        if date is None:
            return
        # The server set Date between the two moments, without the fraction of the second.
        least, most = date - received_at, date + 1.0 - sent_at
        self.ahead_seconds = least if least > 0 else min(most, 0.0)

    def warning(self, where: str) -> str:
        if abs(self.ahead_seconds) < NOTABLE_SECONDS:
            return ""
        side = "ahead of" if self.ahead_seconds > 0 else "behind"
        return (
            f"clock differs by {format_difference(abs(self.ahead_seconds))} at {where}: it is {side} this machine's, "
            "so ages and 'since' are wrong by that; check the time service of both"
        )


class SteadySkew:
    """How far a server's clock is ahead, updated only by changes larger than a delay, so that equal data compares equal."""

    def __init__(self) -> None:
        self._ahead_seconds = 0.0

    def update(self, ahead_seconds: float) -> float:
        """What to add to this machine's time, given the newest measurement; 0 if the difference is negligible."""
        if abs(ahead_seconds - self._ahead_seconds) >= _JITTER_SECONDS:
            self._ahead_seconds = ahead_seconds if abs(ahead_seconds) >= NOTABLE_SECONDS else 0.0
        return self._ahead_seconds


def _date(headers: Mapping[str, str]) -> float | None:
    """Date plus the Age that a cache added, Unix seconds; None without a valid Date."""
    text, age = headers.get("date", ""), headers.get("age", "").strip()
    moment = _parse(text) if text else None
    if moment is None:
        return None
    return moment + (float(age) if age.isascii() and age.isdigit() and len(age) < 9 else 0.0)


@lru_cache(maxsize=4)
def _parse(text: str) -> float | None:
    """Cached, because the servers that answer within a second say the same."""
    if (found := _FIXED.fullmatch(text)) and found["month"] in _MONTHS:
        day, year, hour, minute, second = (int(found[name]) for name in ("day", "year", "hour", "minute", "second"))
        with suppress(ValueError):
            return datetime(year, _MONTHS.index(found["month"]) + 1, day, hour, minute, second, tzinfo=UTC).timestamp()
    from email.utils import parsedate_to_datetime  # noqa: PLC0415  # another form, which servers no longer send

    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError, TypeError):
        return None
