"""The real program with a clock in its event loop: how long each turn of the loop took, and how much CPU.

Writes the longest turns to the file named by BENCH_PROBE, again every second.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import json
import os
import selectors
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from textual.app import App

from console.__main__ import main

_KEPT = 60
_SHORT_SECONDS = 0.002


class TimedSelector(selectors.DefaultSelector):
    """Times the turns of the loop that it is of. A turn begins when the selector returns, and ends when the loop asks it again.

    Of each turn: its end on the monotonic clock, its time, the CPU time of the loop's thread, and the turn's time without
    that in which the machine kept the program from running: the kernel's `run_delay` of the loop's thread, or of the thread
    that has the interpreter (the longest of any thread's). What the loop waits for, a lock or a disk, stays in.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self._started = self._counted = False
        self._schedules: dict[int, int] = {}
        self._longest: dict[str, list[tuple[float, dict[str, float]]]] = {"cpu": [], "stall": []}
        self._turns = 0
        self._written = 0.0
        self._loop_thread = threading.get_native_id()
        self._running = self._waiting = 0.0
        self._begun = time.perf_counter()
        self._cpu = time.thread_time()
        self._delays = self._read_delays()

    def start(self) -> None:
        """Count the turns from the next one on."""
        self._started = True

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if self._counted:
            self._end()
        found = super().select(timeout)
        self._counted = self._started
        self._delays = self._read_delays()
        self._begun, self._cpu = time.perf_counter(), time.thread_time()
        return found

    def _end(self) -> None:
        now, cpu = time.perf_counter(), time.thread_time() - self._cpu
        wall = now - self._begun
        self._turns += 1
        self._running += cpu
        delays = self._read_delays() if wall > _SHORT_SECONDS else self._delays
        own = delays.get(self._loop_thread, 0.0) - self._delays.get(self._loop_thread, 0.0)
        self._waiting += own
        kept = max((delay - self._delays.get(task, delay) for task, delay in delays.items()), default=0.0)
        turn = {"at": now, "wall": wall, "cpu": cpu, "stall": min(wall, max(cpu, wall - kept))}
        for by, longest in self._longest.items():
            if wall <= _SHORT_SECONDS and len(longest) == _KEPT:
                continue
            heapq.heappush(longest, (turn[by] + self._turns * 1e-12, turn))
            if len(longest) > _KEPT:
                heapq.heappop(longest)
        if now - self._written > 1.0:
            self._written = now
            self._write()

    def _write(self) -> None:
        longest = {by: [turn for _, turn in sorted(found, key=lambda item: -item[0])] for by, found in self._longest.items()}
        report = {"turns": self._turns, "running": self._running, "waiting": self._waiting, **longest}
        written = self._path.with_suffix(".part")
        written.write_text(json.dumps(report))
        written.replace(self._path)

    def _read_delays(self) -> Mapping[int, float]:
        """Seconds by thread. One that ended in between answers no more: it is left out."""
        if len(self._schedules) != threading.active_count():
            self._find_threads()
        found: dict[int, float] = {}
        for task, file in self._schedules.items():
            with contextlib.suppress(OSError, IndexError):
                found[task] = int(os.pread(file, 80, 0).split()[1]) / 1e9
        return found

    def _find_threads(self) -> None:
        found = {thread.native_id for thread in threading.enumerate() if thread.native_id is not None}
        for task in set(self._schedules) - found:
            os.close(self._schedules.pop(task))
        for task in found - set(self._schedules):
            with contextlib.suppress(OSError):
                self._schedules[task] = os.open(f"/proc/self/task/{task}/schedstat", os.O_RDONLY)


class Policy(asyncio.DefaultEventLoopPolicy):
    """Each loop of the program has the timed selector."""

    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        return asyncio.SelectorEventLoop(_SELECTOR)


_SELECTOR = TimedSelector(Path(os.environ["BENCH_PROBE"]))


def _time_turns(self: App[None]) -> None:
    _SELECTOR.start()


# Textual calls the handlers of every class of an app.
App.on_ready = _time_turns  # type: ignore[attr-defined]

if __name__ == "__main__":
    asyncio.set_event_loop_policy(Policy())
    sys.exit(main(sys.argv[1:]))
