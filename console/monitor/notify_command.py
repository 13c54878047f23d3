"""Starts a person's own notification program: an argument list, never a shell, beside the event loop and with a time limit."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress

from queries.text.durations import format_duration

LIMIT_SECONDS = 10.0
MOST = 4
"""Programs that run at once: a program that hangs must not pile up with every alert."""
_STDERR_BYTES = 4096


class NotifyCommand:
    """Each program runs in a daemon thread of its own: one that hangs delays neither a key nor the end of the console."""

    def __init__(self, *, limit_seconds: float = LIMIT_SECONDS, most: int = MOST) -> None:
        self._limit = limit_seconds
        self._free = threading.BoundedSemaphore(most)
        self._most = most

    def start(self, arguments: Sequence[str], report: Callable[[str], None]) -> None:
        """`report` receives one sentence if the program cannot be started, fails, or exceeds the limit; in another thread."""
        if not self._free.acquire(blocking=False):
            report(f"notify command {arguments[0]}: not started, {self._most} are still running")
            return
        threading.Thread(target=self._run, args=(tuple(arguments), report), name="notify-command", daemon=True).start()

    def _run(self, arguments: tuple[str, ...], report: Callable[[str], None]) -> None:
        try:
            error = run_notify_command(arguments, limit_seconds=self._limit)
        finally:
            self._free.release()
        if error:
            report(f"notify command {error}")


def run_notify_command(arguments: Sequence[str], *, limit_seconds: float) -> str:
    """Runs the program without a terminal and without input; returns why it failed, in one sentence, else an empty text."""
    name = arguments[0]
    # A file, not a pipe: a child that the program leaves behind would keep a pipe open, and this thread with it.
    with tempfile.TemporaryFile() as stderr:
        try:
            process = subprocess.Popen(  # noqa: S603 - the config file is the user's own
                arguments, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stderr, start_new_session=True
            )
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            return f"{name} cannot be started: {why}; check `notify` in the config file"
        try:
            code = process.wait(limit_seconds)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return f"{name} was stopped: it was still running after {format_duration(limit_seconds)}"
        if code == 0:
            return ""
        stderr.seek(0, os.SEEK_END)
        stderr.seek(max(0, stderr.tell() - _STDERR_BYTES))
        lines = stderr.read().decode("utf-8", "replace").strip().splitlines()
        last = f": {lines[-1].strip()[:200]}" if lines else ""
        return f"{name} failed with exit code {code}{last}"
