"""Non-blocking writes to the tty: at most one frame in flight, and every accepted byte counted."""

from __future__ import annotations

import asyncio
import os
import select
import threading
import time
from collections.abc import Callable
from contextlib import suppress

_MAX_CONTROL_BYTES = 65_536
"""Other sequences (bell, title, clipboard) wait behind a frame; on a dead terminal they must not pile up."""

_CLOSE_SECONDS = 1.0
"""How long the terminal has to accept the restore sequences when the console quits."""

_BLOCKING_CHUNK_BYTES = 256
"""If the terminal cannot be reopened non-blocking, it gets this little at a time, whenever it reports ready."""


class TtyWriter:
    """A file-like object for Textual's driver (`start`, `write`, `stop`), with a separate method for frames.

    Reopens the tty: O_NONBLOCK on the inherited descriptor would apply to the shell too.
    """

    def __init__(self, fd: int, *, encoding: str, on_writable: Callable[[], None], on_closed: Callable[[], None]) -> None:
        self.bytes_written = 0
        """Bytes that the terminal accepted so far."""
        self.closed = False
        self._fd = fd
        self._encoding = encoding
        self._on_writable = on_writable
        self._on_closed = on_closed
        self._loop = asyncio.get_running_loop()
        self._lock = threading.RLock()
        self._frame = bytearray()
        self._control = bytearray()
        self._file = -1
        self._owns_file = False
        self._watching = False

    def start(self) -> None:
        """Open the tty; may be called again after `stop`."""
        with self._lock:
            self._file, self._owns_file = _open(self._fd)
            self._frame.clear()
            self._control.clear()

    @property
    def terminal_name(self) -> str:
        """`/dev/pts/3`; empty when it has no name."""
        try:
            return os.ttyname(self._fd)
        except OSError:
            return ""

    @property
    def pending(self) -> bool:
        """Whether bytes are still waiting to be accepted."""
        return bool(self._frame or self._control)

    def write(self, text: str) -> None:
        """Write anything but a frame; may be called from any thread."""
        with self._lock:
            if self._file < 0 or self.closed or len(self._control) > _MAX_CONTROL_BYTES:
                return
            self._control += text.encode(self._encoding, "replace")
            self._flush()

    def send_frame(self, text: str) -> int:
        """Write one frame, only when nothing is pending; returns its size in bytes."""
        data = text.encode(self._encoding, "replace")
        with self._lock:
            if self._file >= 0 and not self.closed:
                self._frame += data
                self._flush()
        return len(data)

    def stop(self) -> None:
        """Drop a waiting frame and restore the terminal's settings as far as it accepts them."""
        with self._lock:
            if self._file < 0:
                return
            if self._frame:
                self._frame.clear()
                # The dropped frame may have ended inside an escape sequence; a new escape aborts it.
                self._control[:0] = b"\x1b\\\x1b[m\x1b[?2026l"
            deadline = time.monotonic() + _CLOSE_SECONDS
            while self._control and not self.closed and (left := deadline - time.monotonic()) > 0:
                _wait_until_ready(self._file, left)
                self._flush()
            self._unwatch()
            if self._owns_file:
                os.close(self._file)
            self._file = -1

    def detect_hangup(self) -> bool:
        """Whether the other side of the terminal is closed."""
        if self._file >= 0 and not self.closed:
            watch = select.poll()
            watch.register(self._file, 0)
            if any(event & (select.POLLHUP | select.POLLERR | select.POLLNVAL) for _, event in watch.poll(0)):
                self._close()
        return self.closed

    def _flush(self) -> None:
        """Write as much as the terminal accepts now, and continue when it becomes writable."""
        for waiting in (self._frame, self._control):
            while waiting:
                if not self._owns_file and not _wait_until_ready(self._file, 0.0):
                    break
                try:
                    count = os.write(self._file, waiting if self._owns_file else waiting[:_BLOCKING_CHUNK_BYTES])
                except BlockingIOError:
                    break
                except OSError:  # the terminal is closed
                    self._close()
                    return
                del waiting[:count]
                self.bytes_written += count
            if waiting:
                break
        if self.pending and not self._watching:
            self._watching = True
            self._call(self._watch)
        elif self._watching and not self.pending:
            self._call(self._unwatch)

    def _watch(self) -> None:
        with self._lock:
            if self._file >= 0 and self.pending:
                self._loop.add_writer(self._file, self._ready)
            else:
                self._watching = False

    def _ready(self) -> None:
        with self._lock:
            self._flush()
            free = not self.pending
            if free:
                self._unwatch()
        if free:
            self._on_writable()

    def _unwatch(self) -> None:
        with self._lock:
            self._watching = False
            if self._file >= 0 and not self._loop.is_closed():
                with suppress(RuntimeError, OSError, ValueError):
                    self._loop.remove_writer(self._file)

    def _close(self) -> None:
        self.closed = True
        self._frame.clear()
        self._control.clear()
        self._call(self._unwatch)
        self._call(self._on_closed)

    def _call(self, what: Callable[[], None]) -> None:
        """Run in the event loop, whichever thread this is."""
        with suppress(RuntimeError):  # the loop is closed: nothing is left to do
            self._loop.call_soon_threadsafe(what)


def _open(fd: int) -> tuple[int, bool]:
    """The tty behind this descriptor, reopened non-blocking; otherwise the descriptor itself."""
    names = ["/dev/tty"]
    with suppress(OSError):
        names.insert(0, os.ttyname(fd))
    for name in names:
        with suppress(OSError):
            return os.open(name, os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC), True
    return fd, False


def _wait_until_ready(file: int, seconds: float) -> bool:
    watch = select.poll()
    watch.register(file, select.POLLOUT)
    return bool(watch.poll(seconds * 1000))
