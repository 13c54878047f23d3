"""What a second person's console costs the first one while nothing changes: CPU and bytes, alone and beside it, in one run."""

from __future__ import annotations

import statistics
import time

from figure import Figure
from stage import Stage, Timed
from work import share

_SECONDS = 15.0
_ROUNDS = 2
_SETTLE_SECONDS = 6.0


def measure(stage: Stage) -> list[Figure]:
    """Both share one journal on this host, so each sees the other's heartbeats; the second one is started and ended twice."""
    with stage.platform() as sources:
        environ = sources.environ(XDG_STATE_HOME=str(stage.place("shared")))
        with stage.console(environ) as first:
            first.read(2 * _SETTLE_SECONDS)
            alone, beside = [_rest(first)], []
            for _ in range(_ROUNDS):
                with stage.console(environ) as second:
                    second.read(_SETTLE_SECONDS)
                    first.read(_SETTLE_SECONDS)
                    beside.append(_rest(first))
                first.read(_SETTLE_SECONDS)
                alone.append(_rest(first))
    quiet, shared = (statistics.fmean(cpu for cpu, _ in found) for found in (alone, beside))
    extra = statistics.fmean(sent for _, sent in beside) - statistics.fmean(sent for _, sent in alone)
    return [
        Figure("CPU of a console at rest, alone on its journal", quiet * 100, "%"),
        Figure("CPU at rest beside a second console ÷ alone", shared / quiet, "×", 1.05),
        Figure("more bytes a second beside a second console, at rest", max(0.0, extra), "B/s", 0.0),
    ]


def _rest(terminal: Timed) -> tuple[float, float]:
    """The share of a core, and the bytes a second, between two minutes: at a full one the clock and the trends change."""
    while time.time() % 60.0 > 55.0 - _SECONDS or time.time() % 60.0 < 5.0:
        terminal.read(1.0)
    before = len(terminal.received)
    used = share(terminal, _SECONDS)
    return used, (len(terminal.received) - before) / _SECONDS
