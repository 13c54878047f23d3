"""How much time lies between two events, correct even where somebody set the wall clock in between."""

from __future__ import annotations

import time

import msgspec

from console.journal import process
from queries.model.frozen import dataclass

_LONGEST_SECONDS = 1e10
"""No machine stays up for three hundred years: a larger value was not measured."""


class BootTimestamp(msgspec.Struct, frozen=True):
    """One moment on a clock that nobody can set: `boot` identifies the machine's boot, `seconds` counts from it."""

    boot: str = ""
    seconds: float | None = None


NO_TIMESTAMP = BootTimestamp()


@dataclass(frozen=True, slots=True)
class Elapsed:
    """`seconds` is never negative; `measured` is False where only the wall clock was available."""

    seconds: float
    measured: bool


def boot_timestamp() -> BootTimestamp:
    """Now. Time asleep counts where the system has CLOCK_BOOTTIME; the console may restart between two timestamps."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    seconds = time.monotonic() if clock is None else time.clock_gettime(clock)
    return BootTimestamp(process.boot_id(), round(seconds, 3))


def elapsed_between(first: tuple[float, BootTimestamp], last: tuple[float, BootTimestamp]) -> Elapsed:
    """The time from one moment to another; each is Unix seconds and the boot timestamp taken with it."""
    (start, old), (end, new) = first, last
    before, after = old.seconds, new.seconds
    measured = bool(old.boot) and old.boot == new.boot and before is not None and after is not None
    if measured and before is not None and after is not None and 0 <= before <= after < _LONGEST_SECONDS:
        return Elapsed(after - before, measured=True)
    return Elapsed(max(0.0, end - start), measured=False)
