"""The real program with a heart beat in its event loop: how long the loop did not come round, and what held it.

Writes a JSON list of the longest gaps to the file named by BENCH_PROBE when the program ends, and again every second.
"""

from __future__ import annotations

import asyncio
import heapq
import json
import os
import resource
import sys
import time
from pathlib import Path

from textual.app import App

from console.cli import main

_BEAT_SECONDS = 0.002
_KEPT = 40


class Heart:
    """Beats every two milliseconds; a gap is what lay between two beats beyond that.

    A gap in which the machine took the processor away counts with the CPU time that the program used in it: on a machine
    where others work, the rest is theirs.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._gaps: list[tuple[float, float, float]] = []
        self._told = 0.0
        self._begun = time.perf_counter()
        self._beats = 0
        self._last = self._sample()

    def start(self) -> None:
        self._last = self._sample()
        asyncio.get_running_loop().call_later(_BEAT_SECONDS, self._beat)

    @staticmethod
    def _sample() -> tuple[float, float, int]:
        return time.perf_counter(), time.process_time(), resource.getrusage(resource.RUSAGE_THREAD).ru_nivcsw

    def _beat(self) -> None:
        now = self._sample()
        wall, cpu = now[0] - self._last[0] - _BEAT_SECONDS, now[1] - self._last[1]
        taken_away = now[2] > self._last[2]
        stall = min(wall, cpu) if taken_away else wall
        self._beats += 1
        heapq.heappush(self._gaps, (stall, wall, now[0] - self._begun))
        if len(self._gaps) > _KEPT:
            heapq.heappop(self._gaps)
        if now[0] - self._told > 1.0:
            self._told = now[0]
            self._path.write_text(json.dumps({"beats": self._beats, "gaps": sorted(self._gaps, reverse=True)}))
        self._last = self._sample()
        asyncio.get_running_loop().call_later(_BEAT_SECONDS, self._beat)


_ready = App._ready


async def _beating(self: App[None]) -> None:
    await _ready(self)
    Heart(Path(os.environ["BENCH_PROBE"])).start()


App._ready = _beating  # type: ignore[method-assign]

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
