"""Limits in seconds that grow with what a process start takes in this session: a busy machine makes no test fail that waits."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from functools import cache

QUIET_START_SECONDS = 0.1
"""What an interpreter with asyncio takes to start and end on a core that nothing else uses."""
MOST = 5.0


def extend(seconds: float) -> float:
    """The limit on this machine, in seconds; never shorter than it is given."""
    return seconds * _slowness()


def slowness(starts: Sequence[float]) -> float:
    """How many times as long as on a quiet machine the median of these starts took (seconds), from 1 to MOST."""
    return min(MOST, max(1.0, sorted(starts)[len(starts) // 2] / QUIET_START_SECONDS))


@cache
def _slowness() -> float:
    return slowness([_start() for _ in range(3)])


def _start() -> float:
    began = time.monotonic()
    subprocess.run([sys.executable, "-I", "-c", "import asyncio, json, ssl"], check=True)
    return time.monotonic() - began
