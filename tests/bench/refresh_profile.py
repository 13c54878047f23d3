"""Where a refresh spends its time: CPU by thread, and of the thread that draws by package; Markdown for docs/performance.md."""

from __future__ import annotations

import asyncio
import cProfile
import os
import pstats
import sys
import threading
import time
from collections import defaultdict
from pathlib import Path

from textual.app import App

from console.cli.main import main

_SETTLE_SECONDS, _SECONDS = 12.0, 60.0
_TICK = os.sysconf("SC_CLK_TCK")
_PACKAGES = ("textual", "rich", "httpx", "httpcore", "h11", "anyio", "msgspec", "asyncio", "console", "widgets", "queries")


def _profile_when_ready(self: App[None]) -> None:
    self.run_worker(_measure(self), "measuring the profile", "profile")


async def _measure(app: App[None]) -> None:
    await asyncio.sleep(_SETTLE_SECONDS)
    before, cpu, begun = _threads(), time.process_time(), time.monotonic()
    await asyncio.sleep(_SECONDS)
    seconds, used, after = time.monotonic() - begun, time.process_time() - cpu, _threads()
    profile = cProfile.Profile(time.thread_time)
    profile.enable()
    await asyncio.sleep(_SECONDS)
    profile.disable()
    lines = [f"{used / seconds * 1000:.1f} ms of CPU a second over {seconds:.0f} s, one refresh a second.", ""]
    lines += ["| thread | ms a second |", "| --- | --- |"]
    spent = {name: (after[name] - before.get(name, 0.0)) / seconds * 1000 for name in after}
    lines += [f"| {name} | {value:.2f} |" for name, value in sorted(spent.items(), key=lambda item: -item[1]) if value >= 0.05]
    lines += ["", "| in the thread that draws | ms a second, under the profiler |", "| --- | --- |"]
    lines += [f"| {name} | {value / _SECONDS * 1000:.2f} |" for name, value in _by_package(profile)]
    await asyncio.to_thread(Path(os.environ["BENCH_PROFILE"]).write_text, "\n".join(lines) + "\n")
    app.exit()


def _threads() -> dict[str, float]:
    """CPU seconds by the name of the thread; those of a pool together."""
    found: dict[str, float] = defaultdict(float)
    for thread in threading.enumerate():
        stat = Path(f"/proc/self/task/{thread.native_id}/stat")
        if stat.exists():
            fields = stat.read_text().rpartition(")")[2].split()
            found[thread.name.rstrip("0123456789_-")] += (int(fields[11]) + int(fields[12])) / _TICK
    return found


def _by_package(profile: cProfile.Profile) -> list[tuple[str, float]]:
    found: dict[str, float] = defaultdict(float)
    for (file, _, _), (_, _, own, _, _) in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
        parts = Path(file).parts
        found[next((name for name in _PACKAGES if name in parts), "the interpreter's own")] += own
    return sorted(((name, own) for name, own in found.items() if own / _SECONDS > 5e-5), key=lambda item: -item[1])


# Textual calls the handlers of every class of an app.
App.on_ready = _profile_when_ready  # type: ignore[attr-defined]

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
