"""Runs one program of a service or token: an argument list, never a shell, in bounded time and memory.

Only `writers/programs.py` imports this module; an import contract sees to that.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress

from queries.model.frozen import dataclass
from queries.text.durations import format_duration

ANSWER_BYTES = 16 << 10
"""Of a program's standard output and standard error each: how much of the end is kept, whatever it prints."""
_CHUNK_BYTES = 1 << 16
_POLL_SECONDS = 0.05
_DRAIN_SECONDS = 0.5
"""How long its output is read on after the program has ended, if a process that it left holds it open."""
_DRAIN = """
import os, select, sys
poll = select.poll()
left = {int(number) for number in sys.argv[2:]}
os.read(int(sys.argv[1]), 1)
for number in left:
    poll.register(number, select.POLLIN)
while left:
    for number, _ in poll.poll():
        if not os.read(number, 65536):
            poll.unregister(number)
            left.discard(number)
"""
"""Waits until the console has exited, then reads what its program still prints, and keeps nothing of it."""


@dataclass(frozen=True, slots=True, repr=False)
class ProgramEnd:
    """How a program ended. `error` says why it failed, in one sentence without its output; empty if it succeeded.

    `stdout` and `stderr` are the ends of what it printed, unredacted; `cut` whether they are only ends. `seconds` is how long
    it ran.
    """

    error: str
    stdout: bytes = b""
    stderr: bytes = b""
    cut: bool = False
    seconds: float = 0.0
    note: str = ""

    def __repr__(self) -> str:
        return f"ProgramEnd({self.error!r}, …)"


class Program:
    """One run; `run` blocks until it ended, and `kill` ends it early, from any thread."""

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        environ: Mapping[str, str],
        folder: str,
        limit_seconds: float,
        stdin: bytes = b"",
        leaves_processes: bool = False,
        grace_seconds: float = 2.0,
    ) -> None:
        """`stdin` is at most a few kilobytes. With `leaves_processes` it may leave processes behind, as a restart does.
        `grace_seconds` lie between SIGTERM and SIGKILL.
        """
        self._grace_seconds = grace_seconds
        self._arguments = tuple(arguments)
        self._environ, self._folder, self._stdin = environ, folder, stdin
        self._limit_seconds = limit_seconds
        self._leaves_processes = leaves_processes
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._killed = False

    def run(self) -> ProgramEnd:
        name, started = self._arguments[0], time.monotonic()
        try:
            pipes = _Pipes()
        except OSError as error:
            return ProgramEnd(f"{name} cannot be started: {error.strerror}")
        try:
            return self._run(name, started, pipes)
        finally:
            pipes.close()

    def _run(self, name: str, started: float, pipes: _Pipes) -> ProgramEnd:
        try:
            with self._lock:
                if self._killed:
                    return ProgramEnd("stopped before it started")
                # In its own session: it has no terminal to prompt on, and its process group is its own.
                process = self._process = subprocess.Popen(  # noqa: S603 - the config file is the user's own
                    self._arguments,
                    stdin=subprocess.PIPE if self._stdin else subprocess.DEVNULL,
                    stdout=pipes.writers[0],
                    stderr=pipes.writers[1],
                    env=dict(self._environ),
                    cwd=self._folder or None,
                    start_new_session=True,
                )
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) and error.strerror else "an argument is not text"
            return ProgramEnd(f"{name} cannot be started: {why}")
        pipes.close_writers()
        _send(process, self._stdin)
        limited = self._wait(process, pipes, started + self._limit_seconds)
        held = pipes.drain()
        if limited or not self._leaves_processes:
            _kill_group(process, signal.SIGKILL)
        note = f"{name} left a process that holds its output: redirect that process's output" if held and not limited else ""
        return ProgramEnd(
            self._describe_failure(process.returncode, limited=limited),
            bytes(pipes.stdout),
            bytes(pipes.stderr),
            pipes.cut,
            time.monotonic() - started,
            note,
        )

    def _describe_failure(self, code: int, *, limited: bool) -> str:
        name = self._arguments[0]
        if self._killed:
            return f"{name} was stopped"
        if limited:
            return f"{name} was still running after {format_duration(self._limit_seconds)}: it was stopped, with its children"
        if code < 0:
            return f"{name} was ended by signal {-code}"
        return f"{name} failed with exit code {code}" if code else ""

    def kill(self) -> None:
        """SIGKILL to the whole process group, at once; a program that has not started yet never does."""
        with self._lock:
            self._killed = True
            if self._process is not None and self._process.returncode is None:
                _kill_group(self._process, signal.SIGKILL)

    def _wait(self, process: subprocess.Popen[bytes], pipes: _Pipes, until: float) -> bool:
        """Whether the time limit ended it: first by SIGTERM, then by SIGKILL, each to the whole process group."""
        steps = [signal.SIGTERM, signal.SIGKILL]
        limited = False
        while process.poll() is None:
            pipes.read(_POLL_SECONDS)
            if time.monotonic() > until and steps:
                limited, until = True, time.monotonic() + self._grace_seconds
                _kill_group(process, steps.pop(0))
        return limited


class _Pipes:
    """The ends of what a program prints; `cut` once it printed more. Raises OSError without free descriptors.

    A process of its own reads on if the console exits first: else the program would die of its next line, half done.
    """

    def __init__(self) -> None:
        self.stdout, self.stderr = bytearray(), bytearray()
        self.cut = False
        self.writers: list[int] = []
        self._readers: list[int] = []
        self._ready = selectors.DefaultSelector()
        self._drain: subprocess.Popen[bytes] | None = None
        self._lifeline: list[int] = []
        try:
            self._lifeline = list(os.pipe())
            for kept in (self.stdout, self.stderr):
                reader, writer = os.pipe()
                self._readers.append(reader)
                self.writers.append(writer)
                self._ready.register(reader, selectors.EVENT_READ, kept)
            self._drain = self._start_drain()
        except OSError:
            self.close()
            raise

    def _start_drain(self) -> subprocess.Popen[bytes]:
        kept = (self._lifeline[0], *self._readers)
        return subprocess.Popen(  # noqa: S603 - this interpreter, and descriptors as its arguments
            [sys.executable, "-I", "-S", "-c", _DRAIN, *map(str, kept)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={},
            cwd="/",
            pass_fds=kept,
            start_new_session=True,
        )

    def close_writers(self) -> None:
        """Once the program has them."""
        while self.writers:
            os.close(self.writers.pop())

    def read(self, seconds: float) -> None:
        if not self._ready.get_map():
            time.sleep(seconds)  # it closed both and still runs
            return
        for key, _ in self._ready.select(seconds):
            piece = os.read(key.fd, _CHUNK_BYTES)
            key.data.extend(piece)
            if not piece:
                self._ready.unregister(key.fileobj)
            if len(key.data) > ANSWER_BYTES:
                self.cut = True
                del key.data[:-ANSWER_BYTES]

    def drain(self) -> bool:
        """Reads what is left; returns whether a process that the program left still holds a pipe open."""
        until = time.monotonic() + _DRAIN_SECONDS
        while self._ready.get_map() and time.monotonic() < until:
            self.read(_POLL_SECONDS)
        return bool(self._ready.get_map())

    def close(self) -> None:
        self._ready.close()
        if self._drain is not None:
            self._drain.kill()
            self._drain.wait()
        self.close_writers()
        for number in (*self._readers, *self._lifeline):
            os.close(number)


def _send(process: subprocess.Popen[bytes], content: bytes) -> None:
    if process.stdin is not None:
        with suppress(BrokenPipeError):
            process.stdin.write(content)
        with suppress(BrokenPipeError):
            process.stdin.close()


def _kill_group(process: subprocess.Popen[bytes], number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)
