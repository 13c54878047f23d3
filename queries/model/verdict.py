"""The verdict on a value: six words, never only a colour."""

from __future__ import annotations

from enum import StrEnum


class Verdict(StrEnum):
    OK = "ok"
    WARN = "warn"
    CRITICAL = "critical"
    NO_DATA = "no_data"
    """Nobody knows whether this is healthy; never shown as ok."""
    IN_DOUBT = "in_doubt"
    """The value cannot be trusted: two counts contradict each other, or it is outside its possible range."""
    STALE = "stale"
    """The last good answer is too old to be current."""

    @property
    def word(self) -> str:
        """The word for the screen: `ok`, `WARN`, `CRIT`, `NO DATA`, `IN DOUBT`, `STALE`."""
        return _WORDS[self]

    @property
    def rank(self) -> int:
        """Sort key, the worst last: ok 0, stale 1, no_data 2, in_doubt 3, warn 4, critical 5."""
        return _RANKS[self]

    @property
    def known(self) -> bool:
        """Whether it states the present condition: ok, warn or critical."""
        return self not in UNKNOWN


UNKNOWN = frozenset({Verdict.STALE, Verdict.NO_DATA, Verdict.IN_DOUBT})
"""The verdicts that state ignorance; none of them ever counts as ok."""

_WORDS = {
    Verdict.OK: "ok",
    Verdict.WARN: "WARN",
    Verdict.CRITICAL: "CRIT",
    Verdict.NO_DATA: "NO DATA",
    Verdict.IN_DOUBT: "IN DOUBT",
    Verdict.STALE: "STALE",
}
_RANKS = {
    Verdict.OK: 0,
    Verdict.STALE: 1,
    Verdict.NO_DATA: 2,
    Verdict.IN_DOUBT: 3,
    Verdict.WARN: 4,
    Verdict.CRITICAL: 5,
}
