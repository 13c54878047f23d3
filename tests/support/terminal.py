"""A real pseudo-terminal that runs a program and keeps the screen a person would see."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

import pyte
from limits import extend

PROGRAM = str(Path(sys.executable).parent / "cad-console")
"""The installed program beside the interpreter that runs the tests."""


class Terminal:
    """Runs `argv` in a pseudo-terminal; what it writes ends up in `screen`, and raw in `received`."""

    def __init__(self, argv: Sequence[str], *, env: Mapping[str, str], columns: int = 80, rows: int = 24) -> None:
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)
        self.received = bytearray()
        self.exit_code: int | None = None
        self.pid, self._master = pty.fork()
        if self.pid == 0:
            # The terminal's own size counts, not that of whoever started the tests.
            environment = {name: value for name, value in env.items() if name not in ("COLUMNS", "LINES")}
            environment.setdefault("TERM", "xterm-256color")
            os.execvpe(argv[0], list(argv), environment)
        self.resize(columns, rows)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()

    @property
    def text(self) -> str:
        """The screen as lines, right-hand blanks cut."""
        return "\n".join(line.rstrip() for line in self.screen.display)

    def resize(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        if (columns, rows) != (self.screen.columns, self.screen.lines):
            self.screen.resize(rows, columns)

    def send(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def pump(self, seconds: float) -> int:
        """Read for this long; gives the number of bytes that came."""
        before = len(self.received)
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            ready, _, _ = select.select([self._master], [], [], left)
            if not ready:
                break
            try:
                data = os.read(self._master, 65536)
            except OSError:
                data = b""
            if not data:
                self._reap(block=True)
                break
            self.received += data
            self._stream.feed(data)
        return len(self.received) - before

    def latency(self, keys: str, *, seconds: float = 2.0) -> float:
        """Seconds from these keys to the first byte that comes back; everything that was under way is read before."""
        while self.pump(0.03):
            pass
        sent = time.monotonic()
        self.send(keys)
        ready, _, _ = select.select([self._master], [], [], seconds)
        assert ready, f"no answer to {keys!r} within {seconds:g} s\n{self.text}"
        return time.monotonic() - sent

    def wait_for(self, *wanted: str, seconds: float = 20.0) -> str:
        """Wait until every text is on the screen; fails with the screen as it is."""
        deadline = time.monotonic() + extend(seconds)
        while time.monotonic() < deadline:
            self.pump(0.05)
            if all(text in self.text for text in wanted):
                return self.text
            if self.exit_code is not None:
                break
        missing = [text for text in wanted if text not in self.text]
        raise AssertionError(f"not on the screen: {missing} (exit code {self.exit_code})\n{self.text}")

    def wait_gone(self, text: str, *, seconds: float = 20.0) -> str:
        """Wait until this text is no longer on the screen."""
        deadline = time.monotonic() + extend(seconds)
        while time.monotonic() < deadline:
            self.pump(0.05)
            if text not in self.text:
                return self.text
        raise AssertionError(f"still on the screen: {text!r}\n{self.text}")

    def wait_exit(self, *, seconds: float = 10.0) -> int:
        """Wait for the program to end; gives its exit code (negative: the signal that ended it)."""
        deadline = time.monotonic() + extend(seconds)
        while self.exit_code is None and time.monotonic() < deadline:
            self.pump(0.05)
            self._reap(block=False)
        assert self.exit_code is not None, f"still running\n{self.text}"
        return self.exit_code

    def kill(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def close(self) -> None:
        if self.exit_code is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            self._reap(block=True)
        with contextlib.suppress(OSError):
            os.close(self._master)

    def _reap(self, *, block: bool) -> None:
        if self.exit_code is not None:
            return
        pid, status = os.waitpid(self.pid, 0 if block else os.WNOHANG)
        if pid:
            self.exit_code = os.waitstatus_to_exitcode(status)
