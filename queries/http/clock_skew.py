"""How far a server's clock is from this machine's, told by the Date of its answers."""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import parsedate_to_datetime

from queries.text.durations import format_difference

NOTABLE_SECONDS = 30.0
"""What is less is network, load and the second that a Date is rounded to."""


class ServerClock:
    """Hears every answer's headers; `warning` says so while the clocks differ, and is empty while they do not.

    Times on the screen (`since`, ages, the end of a silence) are a server's, and are counted from this machine's now.
    """

    def __init__(self) -> None:
        self.ahead_seconds = 0.0
        """How far the server's clock is ahead at least, negative where it is behind."""

    def heard(self, headers: Mapping[str, str], *, asked_at: float, answered_at: float) -> None:
        """Take one answer in; both moments in Unix seconds. An answer without a usable Date changes nothing."""
        date = _date(headers)
        if date is None:
            return
        # The server wrote its Date somewhere between the two moments, and left out the fraction of the second.
        least, most = date - answered_at, date + 1.0 - asked_at
        self.ahead_seconds = least if least > 0 else min(most, 0.0)

    def warning(self, where: str) -> str:
        if abs(self.ahead_seconds) < NOTABLE_SECONDS:
            return ""
        side = "ahead of" if self.ahead_seconds > 0 else "behind"
        return (
            f"clock differs by {format_difference(abs(self.ahead_seconds))} at {where}: it is {side} this machine's, "
            "so ages and 'since' are wrong by that; check the time service of both"
        )


def _date(headers: Mapping[str, str]) -> float | None:
    """The answer's Date plus the time that a cache kept it for; Unix seconds."""
    text, age = headers.get("date", ""), headers.get("age", "").strip()
    try:
        moment = parsedate_to_datetime(text).timestamp() if text else None
    except (ValueError, OverflowError, TypeError):
        return None
    if moment is None:
        return None
    return moment + (float(age) if age.isascii() and age.isdigit() and len(age) < 9 else 0.0)
