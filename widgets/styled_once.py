"""A screen that opens in short turns of the loop, and does nothing twice."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from textual.events import Event, Resize, ScreenResume
from textual.geometry import Size

if TYPE_CHECKING:
    from textual.widget import Widget as Base
else:
    # Textual reads the default CSS of the first base that is a DOMNode, and of no other: a node here would lose Screen's.
    Base = object

_LONG_SECONDS = 0.002
"""A screen that took so long for an event lets the loop do something else before the next one."""


class StyledOnce(Base):
    """Textual matches each widget when it is mounted, and all of them again when the screen comes into view: not here unless it
    was covered before, when it may have missed a theme. It lays out the screen for its size, and once more when it hears of
    that size. And it does all of this without a pause, for which a key press would wait.
    """

    _was_covered = False

    def on_screen_suspend(self) -> None:
        self._was_covered = True

    def on_screen_resume(self, event: ScreenResume) -> None:
        event.refresh_styles = self._was_covered
        self._was_covered = False

    def on_resize(self, event: Resize) -> None:
        if event.size == self.outer_size and self.is_classed_for(event.size):
            event.prevent_default()

    def is_classed_for(self, size: Size) -> bool:
        """Whether the screen has the classes that belong to this size."""
        return True

    async def on_event(self, event: Event) -> None:
        began = time.perf_counter()
        await super().on_event(event)
        if time.perf_counter() - began > _LONG_SECONDS:
            await asyncio.sleep(0)
