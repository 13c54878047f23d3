"""Textual's driver for Unix terminals on a line that never waits, with the answers to the stage's questions kept apart."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, Any, Protocol, cast

from textual import events
from textual.app import App
from textual.drivers.linux_driver import LinuxDriver
from textual.geometry import Size
from textual.message import Message

from queries.text.variables import variable
from widgets.terminal.tty_writer import TtyWriter

_LAST_ANSWERS_SECONDS = 0.3
"""Answers that come after the console has left would be typed into the shell."""


class DriverEvents(Protocol):
    """What the driver tells the application, always in its loop."""

    def line_free(self) -> None: ...
    def line_gone(self) -> None: ...
    def line_answered(self) -> None: ...
    def line_begins(self) -> None: ...
    def line_resized(self) -> None: ...
    @property
    def line_unanswered(self) -> bool: ...


class TtyDriver(LinuxDriver):
    """Made by the application as any driver; `line` takes the frames."""

    def __init__(self, app: App[Any], *, debug: bool = False, mouse: bool = True, size: tuple[int, int] | None = None) -> None:
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        self.staged = cast("DriverEvents", app)
        known = [stream for stream in (sys.__stderr__, sys.__stdout__, sys.__stdin__) if stream is not None]
        terminal = next((stream for stream in known if stream.isatty()), known[0])
        self.line = TtyWriter(
            terminal.fileno(), encoding=terminal.encoding, on_free=self.staged.line_free, on_gone=self.staged.line_gone
        )

    if not TYPE_CHECKING:
        # Textual makes a thread with a queue of thirty writes here, and waits where the queue is full; the line stands in.

        @property
        def _writer_thread(self) -> TtyWriter | None:
            return getattr(self, "line", None)

        @_writer_thread.setter
        def _writer_thread(self, thread: object) -> None:
            pass

    def start_application_mode(self) -> None:
        super().start_application_mode()  # type: ignore[no-untyped-call]
        # Also a terminal that comes back to the same size may have lost what was on it, and Textual then draws nothing.
        before = signal.getsignal(signal.SIGWINCH)
        if callable(before):
            signal.signal(signal.SIGWINCH, self._resized(before))
        self._tell(self.staged.line_begins)

    def stop_application_mode(self) -> None:
        # The input is still read here, by its thread.
        deadline = time.monotonic() + _LAST_ANSWERS_SECONDS
        while self.staged.line_unanswered and not self.line.gone and time.monotonic() < deadline:
            time.sleep(0.01)
        if not self.line.gone:
            self.line.write("\x1b[m")
        super().stop_application_mode()

    def close(self) -> None:
        self.line.stop()

    def process_message(self, message: Message) -> None:
        """In the input's thread."""
        if isinstance(message, events.CursorPosition):
            self.staged.line_answered()
            self._tell(self.staged.line_free)
            return
        if isinstance(message, events.Resize):
            self._tell(self.staged.line_resized)
        super().process_message(message)

    def terminal_size(self) -> Size:
        """As Textual itself measures it."""
        return Size(*self._get_terminal_size())

    def _run_input_thread(self) -> None:
        try:
            self.run_input_thread()
        except OSError:  # the terminal is closed
            self._tell(self.staged.line_gone)
        except Exception as error:
            self._tell(partial(self._app._handle_exception, error))

    def _resized(self, before: Callable[[int, FrameType | None], Any]) -> Callable[[int, FrameType | None], None]:
        def resized(number: int, frame: FrameType | None) -> None:
            self._tell(self.staged.line_resized)
            before(number, frame)

        return resized

    def _tell(self, what: Callable[[], Any]) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(what)


def line_driver() -> type[LinuxDriver] | None:
    """The driver for this place; None where Textual was told to use another one."""
    return None if variable(os.environ, "TEXTUAL_DRIVER") else TtyDriver
