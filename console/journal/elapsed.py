"""How much time lies between two events, also where somebody set the clock meanwhile."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from console.journal import process

_LONGEST_SECONDS = 1e10
"""No machine runs for three hundred years; what is larger was not measured."""
MARK = "uptime"
"""The key of an event's data under which `mark` stands."""


@dataclass(frozen=True, slots=True)
class Elapsed:
    """`seconds`, never negative; `measured` is False where only the wall clock could tell."""

    seconds: float
    measured: bool


def mark() -> dict[str, Any]:
    """This moment by a clock that nobody can set: the machine's boot, and the seconds since it.

    Sleep counts where the system tells it (CLOCK_BOOTTIME); the console may have been started again in between.
    """
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    seconds = time.monotonic() if clock is None else time.clock_gettime(clock)
    return {"boot": process.boot_id(), "seconds": round(seconds, 3)}


def lapse(first: tuple[float, Mapping[str, Any]], last: tuple[float, Mapping[str, Any]]) -> Elapsed:
    """From one moment to another; each is Unix seconds and the `mark` taken with it (empty where there is none)."""
    (at, old), (until, new) = first, last
    before, after = old.get("seconds"), new.get("seconds")
    same = bool(old.get("boot")) and old.get("boot") == new.get("boot")
    if same and isinstance(before, int | float) and isinstance(after, int | float) and 0 <= before <= after < _LONGEST_SECONDS:
        return Elapsed(float(after - before), measured=True)
    return Elapsed(max(0.0, until - at), measured=False)
