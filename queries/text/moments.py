"""Moments as a person types them."""

from __future__ import annotations

import math
import re
from datetime import datetime, timedelta

from queries.text.durations import parse_duration
from queries.text.times import InvalidTime, find_moments, format_shown, to_datetime, to_shown

_CLOCK = re.compile(r"(\d{1,2}):(\d\d)(?::(\d\d))?")
_DURATION = re.compile(r"-?(?:\d+(?:ms|[smhdwy]))+")
_FORMS = ("%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d")
_ZONE = re.compile(r"(.*\d)\s*([A-Za-z]{1,5})")
"""A time, then the word by which a clock's zone is shown: `02:30 CEST`, `03:12Z`."""


def parse_moment(text: str, *, now: float) -> float:
    """Unix seconds of `03:12` (the last one, in the zone that is shown), `03:12Z` (in UTC), `2h` or `-2h` (before now),
    `2026-11-29`, `2026-11-29 03:12`, or RFC 3339.

    Where the clocks go back an hour passes twice: then `02:30 CEST` says which of the two is meant. Raises InvalidTime for a
    text that is not a time, for a time that passed twice, and for one that the clocks skipped.
    """
    text = text.strip()
    if _DURATION.fullmatch(text):
        return now - parse_duration(text.removeprefix("-"))
    given, word = text, ""
    if (found := _ZONE.fullmatch(text)) is not None:
        given, word = found[1], found[2].upper()
    if found := _CLOCK.fullmatch(given):
        return _last_clock(text, *(int(part or 0) for part in found.groups()), now=now, word=word)
    try:
        if (moment := datetime.fromisoformat(text.replace(" ", "T", 1))).tzinfo is not None:
            return moment.timestamp()
    except ValueError:
        pass
    for form in _FORMS:
        try:
            naive = datetime.strptime(given.replace(" ", "T", 1), form)  # noqa: DTZ007  # the zone is the one that is shown
        except ValueError:
            continue
        return _choose(text, naive, word)
    raise InvalidTime(f"{text[:40]!r} is not a time; write it like 03:12, 2h (ago), or 2026-11-29 03:12")


def _last_clock(text: str, hour: int, minute: int, second: int, *, now: float, word: str) -> float:
    if hour > 23 or minute > 59 or second > 59:
        raise InvalidTime(f"{text!r} is not a time of day")
    today = to_datetime(now) if word in _UTC else to_shown(now)
    if today is None:
        raise InvalidTime(f"{text!r} has no day: the clock of this machine is not set")
    naive = today.replace(hour=hour, minute=minute, second=second, microsecond=0, tzinfo=None, fold=0)
    moments = find_moments(naive, is_utc=word in _UTC)
    passed = min(moments) <= now if moments else naive <= today.replace(tzinfo=None, fold=0)
    # A time of today that is still to come means that of yesterday.
    return _choose(text, naive if passed else naive - timedelta(days=1), word, now=now)


_UTC = ("Z", "UTC")


def _choose(text: str, naive: datetime, word: str, *, now: float = math.inf) -> float:
    """The one moment at which the clock of the zone shows this time. Raises InvalidTime where there is none, or two."""
    moments = tuple(at for at in find_moments(naive, is_utc=word in _UTC) if at <= now)
    if word and word not in _UTC:
        named = [at for at in moments if format_shown(at, "%Z", mark=False).upper() == word]
        if not named:
            raise InvalidTime(f"{text[:40]!r}: {word} is not the zone that is shown; leave it out, or write Z for UTC")
        moments = (named[0],)
    if not moments:
        raise InvalidTime(
            f"{naive:%Y-%m-%d %H:%M} never was: the clocks skipped it; write a time before or after, or one in UTC"
        )
    if len(moments) > 1:
        ways = " or ".join(format_shown(at, f"{naive:%Y-%m-%d %H:%M} %Z", mark=False) for at in moments)
        raise InvalidTime(f"{naive:%Y-%m-%d %H:%M} passed twice, because the clocks went back; write {ways}")
    return moments[0]
