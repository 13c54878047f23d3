"""The moment that a person names to the time machine: a time, a duration ago, or the start of an incident."""

from __future__ import annotations

from typing import TYPE_CHECKING

from queries.text.moments import parse_moment
from queries.text.times import InvalidTime

if TYPE_CHECKING:
    from console.monitor.journal_session import JournalSession


async def resolve_moment(text: str, session: JournalSession, *, now: float) -> float:
    """Unix seconds of what `parse_moment` reads, or of `incident 4`, which is when that incident began; in a replay
    `incident` alone is that of the bundle.

    Raises InvalidTime, also for a moment that has not been, and JournalError.
    """
    word, _, name = text.strip().partition(" ")
    if word.lower() == "incident":
        began_at = await session.find_beginning(name.strip())
        if began_at is None:
            raise InvalidTime(f"there is no incident {name.strip() or 'without a number'!r} in this journal")
        return began_at
    moment = parse_moment(text, now=now)
    if moment > now:
        raise InvalidTime(f"{text.strip()[:40]!r} is in the future: nothing is known of it")
    return moment
