"""What the console thinks of a value: five words, never only a colour."""

from __future__ import annotations

from enum import StrEnum


class Verdict(StrEnum):
    OK = "ok"
    WARN = "warn"
    CRITICAL = "critical"
    NO_DATA = "no_data"
    """It is not known whether this is fine; never shown as fine."""
    STALE = "stale"
    """It was known, but the last answer is too old to be called current."""

    @property
    def word(self) -> str:
        """The word for the screen: `ok`, `WARN`, `CRIT`, `NO DATA`, `STALE`."""
        return _WORDS[self]

    @property
    def rank(self) -> int:
        """The worse, the greater: ok 0, stale 1, no_data 2, warn 3, critical 4."""
        return _RANKS[self]


_WORDS = {
    Verdict.OK: "ok",
    Verdict.WARN: "WARN",
    Verdict.CRITICAL: "CRIT",
    Verdict.NO_DATA: "NO DATA",
    Verdict.STALE: "STALE",
}
_RANKS = {Verdict.OK: 0, Verdict.STALE: 1, Verdict.NO_DATA: 2, Verdict.WARN: 3, Verdict.CRITICAL: 4}
