"""CPU of the whole program at a refresh a second: while nothing changes, and while every value does."""

from __future__ import annotations

import time

from figure import Figure
from stage import Stage, Timed

_SECONDS = 20.0


def measure(stage: Stage) -> list[Figure]:
    with stage.platform() as sources, stage.console(sources.environ()) as terminal:
        terminal.read(6.0)
        idle = share(terminal, _SECONDS)
        sources.exporter.move(True)
        terminal.read(3.0)
        moving = share(terminal, _SECONDS)
    return [
        Figure("CPU at a 1 s refresh, idle", idle * 100, "%", 0.5),
        Figure("CPU at a 1 s refresh, everything changing", moving * 100, "%", 1.0),
    ]


def share(terminal: Timed, seconds: float) -> float:
    """CPU time ÷ wall time over so long; what the terminal shows is read and thrown away."""
    before, begun = terminal.cpu_seconds(), time.perf_counter()
    terminal.read(seconds)
    left = seconds - (time.perf_counter() - begun)
    while left > 0:
        terminal.read(left)
        left = seconds - (time.perf_counter() - begun)
    return (terminal.cpu_seconds() - before) / (time.perf_counter() - begun)
