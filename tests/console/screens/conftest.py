"""The console on a platform that does not change."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from limits import extend
from painting import text_of
from screen_samples import NOW, StillSession, settings, snapshot
from textual.pilot import Pilot

from console.screens.app import ConsoleApp
from console.state.snapshot import Snapshot


class Stage:
    """One console, its session, and its screen as text."""

    def __init__(self, folder: Path, shown: Snapshot | None = None, **changes: Any) -> None:
        self.settings = settings(folder, **changes)
        self.session = StillSession(self.settings, shown or snapshot())
        self.now = NOW
        self.app = ConsoleApp(self.settings, session_factory=lambda _: self.session, clock=lambda: self.now, ascii_only=False)

    @property
    def text(self) -> str:
        """The screen as text."""
        return text_of(self.app.screen)

    async def press(self, pilot: Pilot[None], *keys: str) -> str:
        for key in keys:
            await pilot.press(key)
            await pilot.pause()
        return self.text

    async def until(self, pilot: Pilot[None], words: str, *, seconds: float = 20.0) -> str:
        """Wait until this text is on the screen."""
        ends = time.monotonic() + extend(seconds)
        while time.monotonic() < ends:
            if words in self.text:
                return self.text
            await asyncio.sleep(0.05)
            await pilot.pause()
        raise AssertionError(f"{words!r} did not appear:\n{self.text}")


@pytest.fixture
def stage(tmp_path: Path) -> Callable[..., Stage]:
    def make(shown: Snapshot | None = None, **changes: Any) -> Stage:
        return Stage(tmp_path, shown, **changes)

    return make
