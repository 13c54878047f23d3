"""The real program with a heart beat in its event loop: how long the loop did not come round, and what held it.

Writes a JSON list of the longest gaps to the file named by BENCH_PROBE when the program ends, and again every second.
"""

from __future__ import annotations

import asyncio
import heapq
import json
import os
import sys
import time
from pathlib import Path

from textual.app import App

from console.cli import main

_BEAT_SECONDS = 0.002
_KEPT = 40


class Heart:
    """Beats every two milliseconds; a gap is what lay between two beats beyond that.

    On a machine where others work too, a part of a gap is theirs: the time in which the loop's thread was ready to run and
    another program had the processor (the kernel's `run_delay`). It is taken off, but never below the CPU time that the
    program used itself; what the loop waits for, a lock or a disk, stays in.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._gaps: list[tuple[float, float, float]] = []
        self._told = 0.0
        self._begun = time.perf_counter()
        self._beats = 0
        self._schedule = os.open("/proc/self/schedstat", os.O_RDONLY)
        self._last = self._sample()

    def start(self) -> None:
        self._last = self._sample()
        asyncio.get_running_loop().call_later(_BEAT_SECONDS, self._beat)

    def _sample(self) -> tuple[float, float, float]:
        delay = int(os.pread(self._schedule, 80, 0).split()[1]) / 1e9
        return time.perf_counter(), time.process_time(), delay

    def _beat(self) -> None:
        now = self._sample()
        wall, cpu, kept_waiting = (new - old for new, old in zip(now, self._last, strict=True))
        wall -= _BEAT_SECONDS
        stall = min(wall, max(cpu, wall - kept_waiting))
        self._beats += 1
        heapq.heappush(self._gaps, (stall, wall, now[0] - self._begun))
        if len(self._gaps) > _KEPT:
            heapq.heappop(self._gaps)
        if now[0] - self._told > 1.0:
            self._told = now[0]
            self._path.write_text(json.dumps({"beats": self._beats, "gaps": sorted(self._gaps, reverse=True)}))
            now = self._sample()
        self._last = now
        asyncio.get_running_loop().call_later(_BEAT_SECONDS, self._beat)


_ready = App._ready


async def _beating(self: App[None]) -> None:
    await _ready(self)
    Heart(Path(os.environ["BENCH_PROBE"])).start()


App._ready = _beating  # type: ignore[method-assign]

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
