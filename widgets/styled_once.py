"""A screen that opens in short turns of the loop, and does nothing twice."""

from __future__ import annotations

import asyncio
import math
import time
from typing import TYPE_CHECKING

from textual.events import Event, Resize, ScreenResume
from textual.geometry import Size

if TYPE_CHECKING:
    from typing import Any

    from textual.screen import Screen

    Base = Screen[Any]
else:
    # Textual reads the default CSS of the first base that is a DOMNode, and of no other: a node here would lose Screen's.
    Base = object

_LONG_SECONDS = 0.002
"""A screen that took so long for an event lets the loop do something else before the next one."""
LONG_LAYOUT_SECONDS = 0.003
"""A layout that took so long is drawn in a turn of its own."""


class StyledOnce(Base):
    """Textual matches each widget when it is mounted, and all of them again when the screen comes into view: not here unless it
    was covered before, when it may have missed a theme. It lays out the screen for its size, and once more when it hears of
    that size. And it does all of this without a pause, for which a key press would wait.
    """

    _was_covered = False
    _laying_out_since = math.inf
    _draws_later = False

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

    def _refresh_layout(self, size: Size | None = None, scroll: bool = False) -> None:
        self._laying_out_since = time.perf_counter()
        super()._refresh_layout(size, scroll)
        self._laying_out_since = math.inf

    def _compositor_refresh(self) -> None:
        """Draw what is dirty; after a long layout, in the next turn: a key press waits for one of them, not for both."""
        if self._draws_later:
            return
        if time.perf_counter() - self._laying_out_since > LONG_LAYOUT_SECONDS:
            self._draws_later = True
            self.call_later(self._draw_later)
        else:
            super()._compositor_refresh()

    def _draw_later(self) -> None:
        self._draws_later = False
        super()._compositor_refresh()
