"""The line to the terminal: writing never waits, at most one frame is under way, and what it takes is counted."""

from __future__ import annotations

import asyncio
import os
import select
import threading
import time
from collections.abc import Callable
from contextlib import suppress

_MOST_WAITING_BYTES = 65_536
"""Sequences that are no frames (bell, title, clipboard) wait behind a frame; on a dead line they must not pile up."""

_LEAVE_SECONDS = 1.0
"""How long the terminal has for taking its own settings back when the console leaves."""

_UNREFUSED_CHUNK = 256
"""Where the terminal cannot be opened for writing without waiting, it gets this little at a time, when it says it is ready."""


class TtyWriter:
    """A file-like object for Textual's driver (`start`, `write`, `stop`) with one more door for frames.

    Opened anew, because a terminal that does not wait would not wait for the shell either: the flag belongs to the opening.
    """

    def __init__(self, number: int, *, encoding: str, on_free: Callable[[], None], on_gone: Callable[[], None]) -> None:
        self.taken = 0
        """Bytes that the terminal's side took so far."""
        self.gone = False
        self._number = number
        self._encoding = encoding
        self._on_free = on_free
        self._on_gone = on_gone
        self._loop = asyncio.get_running_loop()
        self._lock = threading.RLock()
        self._frame = bytearray()
        self._rest = bytearray()
        self._file = -1
        self._ours = False
        self._watched = False

    def start(self) -> None:
        """Open the line; it may be started again after it was stopped."""
        with self._lock:
            self._file, self._ours = _open(self._number)
            self._frame.clear()
            self._rest.clear()

    @property
    def terminal_name(self) -> str:
        """`/dev/pts/3`; empty where it has none."""
        try:
            return os.ttyname(self._number)
        except OSError:
            return ""

    @property
    def pending(self) -> bool:
        """Whether something still waits to be taken."""
        return bool(self._frame or self._rest)

    def write(self, text: str) -> None:
        """Anything but a frame; from any thread."""
        with self._lock:
            if self._file < 0 or self.gone or len(self._rest) > _MOST_WAITING_BYTES:
                return
            self._rest += text.encode(self._encoding, "replace")
            self._take()

    def send_frame(self, text: str) -> int:
        """One frame, only when nothing is pending; gives its bytes."""
        data = text.encode(self._encoding, "replace")
        with self._lock:
            if self._file >= 0 and not self.gone:
                self._frame += data
                self._take()
        return len(data)

    def stop(self) -> None:
        """Leave: a frame that is still waiting is dropped, the settings are given back as far as the terminal takes them."""
        with self._lock:
            if self._file < 0:
                return
            if self._frame:
                self._frame.clear()
                # What was begun may have ended in the middle of a sequence; an escape begins a new one.
                self._rest[:0] = b"\x1b\\\x1b[m\x1b[?2026l"
            deadline = time.monotonic() + _LEAVE_SECONDS
            while self._rest and not self.gone and (left := deadline - time.monotonic()) > 0:
                _wait_until_ready(self._file, left)
                self._take()
            self._unwatch()
            if self._ours:
                os.close(self._file)
            self._file = -1

    def hung_up(self) -> bool:
        """Whether the other side of the terminal is closed."""
        if self._file >= 0 and not self.gone:
            watch = select.poll()
            watch.register(self._file, 0)
            if any(event & (select.POLLHUP | select.POLLERR | select.POLLNVAL) for _, event in watch.poll(0)):
                self._end()
        return self.gone

    def _take(self) -> None:
        """Hand over as much as the terminal's side takes now, and come back when it takes more."""
        for waiting in (self._frame, self._rest):
            while waiting:
                if not self._ours and not _wait_until_ready(self._file, 0.0):
                    break
                try:
                    count = os.write(self._file, waiting if self._ours else waiting[:_UNREFUSED_CHUNK])
                except BlockingIOError:
                    break
                except OSError:  # the terminal is closed
                    self._end()
                    return
                del waiting[:count]
                self.taken += count
            if waiting:
                break
        if self.pending and not self._watched:
            self._watched = True
            self._call(self._watch)
        elif self._watched and not self.pending:
            self._call(self._unwatch)

    def _watch(self) -> None:
        with self._lock:
            if self._file >= 0 and self.pending:
                self._loop.add_writer(self._file, self._ready)
            else:
                self._watched = False

    def _ready(self) -> None:
        with self._lock:
            self._take()
            free = not self.pending
            if free:
                self._unwatch()
        if free:
            self._on_free()

    def _unwatch(self) -> None:
        with self._lock:
            self._watched = False
            if self._file >= 0 and not self._loop.is_closed():
                with suppress(RuntimeError, OSError, ValueError):
                    self._loop.remove_writer(self._file)

    def _end(self) -> None:
        self.gone = True
        self._frame.clear()
        self._rest.clear()
        self._call(self._unwatch)
        self._call(self._on_gone)

    def _call(self, what: Callable[[], None]) -> None:
        """In the loop, from whichever thread this is."""
        with suppress(RuntimeError):  # the loop is closed: nothing is left to do
            self._loop.call_soon_threadsafe(what)


def _open(number: int) -> tuple[int, bool]:
    """The terminal behind this file, opened so that writing never waits; else the file itself."""
    names = ["/dev/tty"]
    with suppress(OSError):
        names.insert(0, os.ttyname(number))
    for name in names:
        with suppress(OSError):
            return os.open(name, os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC), True
    return number, False


def _wait_until_ready(file: int, seconds: float) -> bool:
    watch = select.poll()
    watch.register(file, select.POLLOUT)
    return bool(watch.poll(seconds * 1000))
