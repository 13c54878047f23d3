"""Frames that wait while the terminal does not read: what comes afterwards beyond the newest one."""

from __future__ import annotations

import re
import time

import pyte
from figure import Figure
from stage import COLUMNS, ROWS, Stage

_STALL_SECONDS = 12.0
_DEPTH = re.compile(r"Queue depth +(\d+)")


def measure(stage: Stage) -> list[Figure]:
    with stage.platform() as sources, stage.console(sources.environ()) as terminal:
        terminal.read(6.0)
        terminal.draw()
        screen = pyte.Screen(COLUMNS, ROWS)
        stream = pyte.ByteStream(screen)
        stream.feed(bytes(terminal.received))
        first = int(_seen(screen) or 0)
        depth = 100.0
        begun = time.monotonic()
        while time.monotonic() - begun < _STALL_SECONDS:  # nobody reads meanwhile
            depth += 1.0
            sources.exporter.set("dedup2d_job_queue_depth", depth)
            for at in range(3):
                sources.exporter.set(f'provider_health_score{{provider="p{at}"}}', 91.0 + depth % 7)
            time.sleep(1.0)
        time.sleep(2.5)
        terminal.read(2.0)
        shown: list[int] = []
        for _, data in terminal.chunks:
            for at in range(0, len(data), 16):
                stream.feed(data[at : at + 16])
                value = _seen(screen)
                if value is not None and int(value) != first and (not shown or shown[-1] != int(value)):
                    shown.append(int(value))
    newest = int(depth)
    if not shown or shown[-1] != newest:
        raise AssertionError(f"the newest value {newest} did not come last: {shown}")
    stale = [value for value in shown if value != newest]
    return [Figure("frames queued when the terminal line stalls", len(stale), "", 1, f"values shown afterwards: {shown}")]


def _seen(screen: pyte.Screen) -> str | None:
    found = _DEPTH.search("\n".join(screen.display))
    return found[1] if found else None
