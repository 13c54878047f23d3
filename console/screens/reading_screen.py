"""A screen that reads something when it opens and on demand: how long it takes, how old it is, and why it failed."""

from __future__ import annotations

import time
from typing import ClassVar

from textual.binding import BindingType

from console.screens import keys
from console.screens.base import ConsoleScreen
from console.screens.staleness import PAUSED, unhealthy_label
from queries.errors import SourceError
from queries.text.durations import format_age, format_span
from widgets.styled_text import Line, text, wrap

_GROUP = "read"
_OLD_SECONDS = 15.0
"""From this age on a reading shows it."""
_PATIENCE_SECONDS = 0.5
"""A read that takes longer is reported while it runs."""


class ReadingScreen(ConsoleScreen):
    """`read` fetches and stores; `draw` shows what is stored, with `state_of_reading` in its title."""

    BINDINGS: ClassVar[list[BindingType]] = [keys.READ_AGAIN]

    refresh_seconds = 0.0
    """How old the last reading may get while the screen is in view before it is read again; 0 for never."""

    def __init__(self) -> None:
        super().__init__()
        self._reading_since: float | None = None
        """On the monotonic clock, in seconds."""
        self._started_at = 0.0
        self.read_at = 0.0
        """Unix seconds of the last reading that succeeded, 0 before the first."""
        self.read_error = ""
        """Why the last read failed, empty if it succeeded."""

    def forget_moment(self) -> None:
        self._started_at = self.read_at = 0.0
        self.read_error = ""

    async def read(self) -> bool:
        """Fetch, store and redraw; whether anything was fetched. Raises SourceError."""
        raise NotImplementedError

    @property
    def current(self) -> bool:
        """Whether what is shown comes from a read that succeeded and was not followed by one that failed."""
        return bool(self.read_at) and not self.read_error and not self.worker_errors.get(_GROUP)

    def action_read(self) -> None:
        if self.context is None or self.context.session is None or self._reading_since is not None:
            return
        self._reading_since, self._started_at = time.monotonic(), self.context.now
        self.set_timer(_PATIENCE_SECONDS + 0.05, self.redraw)
        self.run_worker(self._read(), self.describe_reading(), _GROUP, exclusive=True)

    def describe_reading(self) -> str:
        """What the worker does, for its error: `reading the nodes`."""
        return "reading"

    def read_if_due(self) -> None:
        """Read at the first draw with a session, and again when the reading is older than `refresh_seconds`."""
        if self.context is None or self._reading_since is not None:
            return
        age = self.context.now - self._started_at
        # Nobody sees the screen while polling is paused.
        seen = self.is_current and unhealthy_label(self.context, "kubernetes") != PAUSED
        if not self._started_at or (self.refresh_seconds and age >= self.refresh_seconds and seen):
            self.action_read()

    async def _read(self) -> None:
        try:
            if await self.read():
                self.read_error = ""
                self.read_at = self.context.now if self.context else 0.0
        except SourceError as error:
            self.read_error = str(error)
        finally:
            self._reading_since = None
        self.redraw()

    def state_of_reading(self, pending: tuple[str, ...] = ()) -> Line:
        """`  reading pods, events … 2s`, `  as of 40s ago`; nothing for a fresh one."""
        spans: list[tuple[str, str]] = []
        if self._reading_since is not None:
            seconds = time.monotonic() - self._reading_since
            if seconds >= _PATIENCE_SECONDS:
                what = f" {', '.join(pending)}" if pending else ""
                spans.append((f"  reading{what} … {format_span(seconds)}", "dim"))
        if self.read_at and self.context is not None:
            age = max(0.0, self.context.now - self.read_at)
            if not self.current:
                spans.append((f"  STALE {format_age(age)}", "unknown"))
            elif age >= _OLD_SECONDS:
                spans.append((f"  as of {format_age(age)} ago", "dim"))
        return tuple(spans)

    def render_failure(self, width: int) -> tuple[Line, ...]:
        """Why the last read failed; empty if it did not."""
        if failed := self.error_lines(_GROUP, width):
            return failed
        if not self.read_error:
            return ()
        return tuple((text(f" {part}", "critical"),) for part in wrap(text(self.read_error)[0], max(8, width - 2)))
