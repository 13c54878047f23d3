"""Runs one server as long as its parent lives. A standalone script that needs only the standard library.

    python child_supervisor.py FOLDER [COMMAND…]

The parent holds the other end of standard input. When it closes, because the parent exits, crashes or receives SIGKILL, this
script terminates the command and removes FOLDER. Without a command it only removes the folder.
"""

from __future__ import annotations

import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys
import time

_PR_SET_PDEATHSIG = 1
_GRACE_SECONDS = 1.5


def main(arguments: list[str]) -> int:
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # only the pipe counts; the parent handles signals to the process group
    folder, command = arguments[0], arguments[1:]
    code = _supervise(command) if command else _wait_for_parent()
    _remove(folder)
    return code


def _supervise(command: list[str]) -> int:
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, preexec_fn=_child_setup)  # noqa: S603, PLW1509  # no threads here
    # Not a thread: the parent-death signal (below) fires when the starting thread ends.
    while True:
        ready, _, _ = select.select([0], [], [], 0.1)
        if ready and not os.read(0, 1024):
            break
        if child.poll() is not None:
            return child.returncode if child.returncode >= 0 else 128 - child.returncode
    child.terminate()
    try:
        child.wait(_GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
    return 0


def _child_setup() -> None:
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    try:  # where the kernel supports it, the server ends even if this script receives SIGKILL
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    except (OSError, AttributeError):
        return


def _wait_for_parent() -> int:
    while os.read(0, 1024):
        continue
    return 0


def _remove(folder: str) -> None:
    """Retries for a while: an ending server may still write into the folder."""
    deadline = time.monotonic() + 3 * _GRACE_SECONDS
    while folder and os.path.lexists(folder) and time.monotonic() < deadline:
        shutil.rmtree(folder, ignore_errors=True)
        time.sleep(0.05)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
