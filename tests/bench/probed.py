"""The real program with a heart beat in its event loop: how long the loop did not come round, and what held it.

Writes a JSON list of the longest gaps to the file named by BENCH_PROBE when the program ends, and again every second.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import NamedTuple

from textual.app import App

from console.__main__ import main

_BEAT_SECONDS = 0.002
_KEPT = 40


class Sample(NamedTuple):
    """The clock, the program's CPU time, and of each thread how long it was ready without a processor; all in seconds."""

    wall: float
    cpu: float
    delays: dict[int, float]


def _run_delay(file: int) -> float:
    try:
        return int(os.pread(file, 80, 0).split()[1]) / 1e9
    except (OSError, IndexError):
        return 0.0


class Heart:
    """Beats every two milliseconds; a gap is what lay between two beats beyond that.

    On a machine where others work too, a part of a gap is theirs: the time in which the thread that the loop needs (its own,
    or the one that has the interpreter) was ready to run and another program had the processor, which is the kernel's
    `run_delay`. The longest one of any thread is taken off, but never below the CPU time that the program used itself; what
    the loop waits for, a lock or a disk, stays in.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._gaps: list[tuple[float, float, float]] = []
        self._told = 0.0
        self._begun = time.perf_counter()
        self._beats = 0
        self._schedules: dict[int, int] = {}
        self._last = self._sample()

    def start(self) -> None:
        self._last = self._sample()
        asyncio.get_running_loop().call_later(_BEAT_SECONDS, self._beat)

    def _sample(self) -> Sample:
        if len(self._schedules) != threading.active_count():
            self._find_threads()
        # A thread that ended in between answers no more: its delay counts as nothing.
        delays = {task: _run_delay(file) for task, file in self._schedules.items()}
        return Sample(time.perf_counter(), time.process_time(), delays)

    def _find_threads(self) -> None:
        found = {thread.native_id for thread in threading.enumerate() if thread.native_id is not None}
        for task in set(self._schedules) - found:
            os.close(self._schedules.pop(task))
        for task in found - set(self._schedules):
            with contextlib.suppress(OSError):
                self._schedules[task] = os.open(f"/proc/self/task/{task}/schedstat", os.O_RDONLY)

    def _beat(self) -> None:
        now = self._sample()
        old = self._last
        wall, cpu = now.wall - old.wall - _BEAT_SECONDS, now.cpu - old.cpu
        kept_waiting = max(delay - old.delays.get(task, delay) for task, delay in now.delays.items())
        stall = min(wall, max(cpu, wall - kept_waiting))
        self._beats += 1
        heapq.heappush(self._gaps, (stall, wall, now.wall - self._begun))
        if len(self._gaps) > _KEPT:
            heapq.heappop(self._gaps)
        if now.wall - self._told > 1.0:
            self._told = now.wall
            self._path.write_text(json.dumps({"beats": self._beats, "gaps": sorted(self._gaps, reverse=True)}))
            now = self._sample()
        self._last = now
        asyncio.get_running_loop().call_later(_BEAT_SECONDS, self._beat)


def _beat_when_ready(self: App[None]) -> None:
    Heart(Path(os.environ["BENCH_PROBE"])).start()


# Textual calls the handlers of every class of an app.
App.on_ready = _beat_when_ready  # type: ignore[attr-defined]

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
