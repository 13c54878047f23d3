"""What the console thinks of a value: six words, never only a colour."""

from __future__ import annotations

from enum import StrEnum


class Verdict(StrEnum):
    OK = "ok"
    WARN = "warn"
    CRITICAL = "critical"
    NO_DATA = "no_data"
    """It is not known whether this is fine; never shown as fine."""
    IN_DOUBT = "in_doubt"
    """There is a value, and it cannot be believed: two counts contradict each other, or no such value is possible."""
    STALE = "stale"
    """It was known, but the last answer is too old to be called current."""

    @property
    def word(self) -> str:
        """The word for the screen: `ok`, `WARN`, `CRIT`, `NO DATA`, `IN DOUBT`, `STALE`."""
        return _WORDS[self]

    @property
    def rank(self) -> int:
        """The worse, the greater: ok 0, stale 1, no_data 2, in_doubt 3, warn 4, critical 5."""
        return _RANKS[self]

    @property
    def known(self) -> bool:
        """Whether it says how things stand now: ok, or how bad."""
        return self not in UNKNOWN


UNKNOWN = frozenset({Verdict.STALE, Verdict.NO_DATA, Verdict.IN_DOUBT})
"""What says that nobody knows; none of them is ever taken for ok."""

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
