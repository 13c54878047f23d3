"""Bytes to the terminal: at the start, when nothing, one value or every value of the overview changed."""

from __future__ import annotations

import statistics
import time

from figure import Figure
from stage import Stage, Timed


def measure(stage: Stage) -> list[Figure]:
    with stage.platform() as sources, stage.console(sources.environ()) as terminal:
        terminal.read(5.0)
        start = len(terminal.received)
        terminal.draw()
        if "prom ok" not in terminal.text or "97.0 %" not in terminal.text:
            raise AssertionError(f"not what was expected on the screen:\n{terminal.text}")
        _clear_of_the_minute(terminal, 16.0)
        nothing = terminal.read(15.0)
        ones, alls = [], []
        for number in range(5):
            _clear_of_the_minute(terminal, 4.0)
            sources.exporter.set("dedup2d_job_queue_depth", 15.0 + number)
            ones.append(terminal.read(3.5))
        for _ in range(5):
            _clear_of_the_minute(terminal, 4.0)
            sources.exporter.shift()
            alls.append(terminal.read(3.5))
        terminal.draw()
        if "prom ok" not in terminal.text:
            raise AssertionError(f"not what was expected on the screen:\n{terminal.text}")
    return [
        Figure("bytes to the terminal at start", start, "B", 16 * 1024, "with the first values of every source"),
        Figure("bytes when nothing changed, 15 refreshes", nothing, "B", 0),
        Figure("bytes when one value changed", statistics.median(ones), "B", 150, f"{min(ones)}–{max(ones)}"),
        Figure("bytes when every value and trend changed", statistics.median(alls), "B", 7 * 1024, f"{min(alls)}–{max(alls)}"),
    ]


def _clear_of_the_minute(terminal: Timed, seconds: float) -> None:
    """Waits where the minute would end within `seconds`: the new time, and trends that move on, are a change."""
    left = 60.0 - time.time() % 60.0
    if left < seconds + 3.0:
        terminal.read(left + 3.0)
