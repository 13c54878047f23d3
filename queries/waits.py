"""Waits by a clock that can be set."""

from __future__ import annotations


def still_waits(until: float, now: float, longest: float) -> bool:
    """Whether a wait goes on. Times are Unix seconds, and `longest` is about how many seconds such a wait takes: one that would
    take twice as long is over, because the clock was set back.
    """
    return 0.0 < until - now < 2.0 * longest
