"""Waits for what a test expects of a running application, as long as a busy machine needs."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from limits import extend
from textual.pilot import Pilot


async def until(pilot: Pilot[Any], met: Callable[[], bool], what: str, *, seconds: float = 20.0) -> None:
    """Returns as soon as it is so. Raises AssertionError that says what was waited for."""
    ends = time.monotonic() + extend(seconds)
    while time.monotonic() < ends:
        if met():
            return
        await pilot.pause(0.05)
    raise AssertionError(f"waited {seconds:g} s in vain for {what}")
