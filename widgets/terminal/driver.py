"""Textual's Linux driver over a writer that never blocks; cursor reports go to flow control, not to the widgets."""

from __future__ import annotations

import os
import selectors
import signal
import sys
import time
from codecs import getincrementaldecoder
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, Any, Protocol, cast

from textual import events
from textual._time import get_time
from textual._xterm_parser import XTermParser
from textual.app import App
from textual.drivers.linux_driver import LinuxDriver
from textual.geometry import Size
from textual.message import Message

from queries.text.variables import read_env
from widgets.terminal.tty_writer import TtyWriter

_LAST_REPLIES_SECONDS = 0.3
"""Replies that arrive after the console has quit would be typed into the shell."""
_READ_BYTES = 4096


class DriverEvents(Protocol):
    """What the driver reports to the application, always in its event loop."""

    def on_terminal_writable(self) -> None: ...
    def on_terminal_closed(self) -> None: ...
    def on_cursor_reported(self) -> None: ...
    def on_terminal_started(self) -> None: ...
    def on_terminal_resized(self) -> None: ...
    @property
    def awaiting_cursor_report(self) -> bool: ...


class TtyDriver(LinuxDriver):
    """Created by the application like any driver; `writer` sends the frames."""

    def __init__(self, app: App[Any], *, debug: bool = False, mouse: bool = True, size: tuple[int, int] | None = None) -> None:
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        self._listener = cast("DriverEvents", app)
        self._title = ""
        self._input_end: tuple[int, int] | None = None
        """A pipe; the input thread ends when its second end is closed."""
        known = [stream for stream in (sys.__stderr__, sys.__stdout__, sys.__stdin__) if stream is not None]
        terminal = next((stream for stream in known if stream.isatty()), known[0])
        self.writer = TtyWriter(
            terminal.fileno(),
            encoding=terminal.encoding,
            on_writable=self._listener.on_terminal_writable,
            on_closed=self._listener.on_terminal_closed,
        )

    if not TYPE_CHECKING:
        # Textual creates a thread with a queue of thirty writes here and blocks when it is full; our writer replaces it.

        @property
        def _writer_thread(self) -> TtyWriter | None:
            return getattr(self, "writer", None)

        @_writer_thread.setter
        def _writer_thread(self, thread: object) -> None:
            pass

    def start_application_mode(self) -> None:
        self._input_end = os.pipe()
        super().start_application_mode()  # type: ignore[no-untyped-call]
        # A terminal that returns to the same size may still have lost its contents, and Textual would draw nothing.
        before = signal.getsignal(signal.SIGWINCH)
        if callable(before):
            signal.signal(signal.SIGWINCH, self._wrap_resize_handler(before))
        self._post(self._listener.on_terminal_started)

    def stop_application_mode(self) -> None:
        # The input thread still reads at this point.
        deadline = time.monotonic() + _LAST_REPLIES_SECONDS
        while self._listener.awaiting_cursor_report and not self.writer.closed and time.monotonic() < deadline:
            time.sleep(0.01)
        self.set_title("")
        if not self.writer.closed:
            self.writer.write("\x1b[m")
        super().stop_application_mode()

    def disable_input(self) -> None:
        if self._input_end is None:
            return
        reader, writer = self._input_end
        os.close(writer)  # wakes the input thread
        super().disable_input()
        os.close(reader)
        self._input_end = None

    def run_input_thread(self) -> None:
        """Textual's loop, except that it sleeps until there is input; Textual's wakes up ten times a second."""
        assert self._input_end is not None  # noqa: S101  # the thread starts after it is set
        end = self._input_end[0]
        parser = XTermParser(self._debug)
        decode = getincrementaldecoder("utf-8")().decode
        with selectors.SelectSelector() as selector:
            selector.register(self.fileno, selectors.EVENT_READ)
            selector.register(end, selectors.EVENT_READ)
            while True:
                # An unfinished escape sequence becomes the Escape key after a moment.
                unfinished_until = parser._timeout_time
                left = None if unfinished_until is None else max(0.0, unfinished_until - get_time())
                ready = {key.fd for key, _ in selector.select(left)}
                if end in ready:
                    return
                if ready:
                    received = os.read(self.fileno, _READ_BYTES)
                    if not received:
                        return
                    text = decode(received)  # empty for a part of a character
                    for message in parser.feed(text) if text else ():
                        self.process_message(message)
                for message in parser.tick():
                    self.process_message(message)

    def close(self) -> None:
        self.writer.stop()

    def set_title(self, text: str) -> None:
        """Set the window's title; an empty text brings back the title of before. Sends nothing for an unchanged title."""
        if text == self._title:
            return
        from widgets.terminal.notices import POP_TITLE, PUSH_TITLE, encode_title  # noqa: PLC0415  # not before the first frame

        push, pop = (PUSH_TITLE if not self._title else ""), (POP_TITLE if not text else "")
        self._title = text
        self.writer.write(f"{push}{encode_title(text)}{pop}")

    def process_message(self, message: Message) -> None:
        """Runs in the input thread."""
        if isinstance(message, events.CursorPosition):
            self._listener.on_cursor_reported()
            self._post(self._listener.on_terminal_writable)
            return
        if isinstance(message, events.Resize):
            self._post(self._listener.on_terminal_resized)
        super().process_message(message)

    def terminal_size(self) -> Size:
        """The size as Textual itself measures it."""
        return Size(*self._get_terminal_size())

    def _run_input_thread(self) -> None:
        try:
            self.run_input_thread()
        except OSError:  # the terminal is closed
            self._post(self._listener.on_terminal_closed)
        except Exception as error:
            self._post(partial(self._app._handle_exception, error))

    def _wrap_resize_handler(self, before: Callable[[int, FrameType | None], Any]) -> Callable[[int, FrameType | None], None]:
        def handle_resize(number: int, frame: FrameType | None) -> None:
            self._post(self._listener.on_terminal_resized)
            before(number, frame)

        return handle_resize

    def _post(self, what: Callable[[], Any]) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(what)


def select_driver() -> type[LinuxDriver] | None:
    """The driver for this platform; None when TEXTUAL_DRIVER names another one."""
    return None if read_env(os.environ, "TEXTUAL_DRIVER") else TtyDriver
