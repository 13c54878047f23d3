"""Runs one server for as long as its parent lives: stands alone, started by its path, with nothing but the standard library.

    python keeper.py FOLDER [COMMAND…]

The parent holds the other end of our standard input. When that end closes, whether the parent asked for it, crashed or was
killed with -9, the command is ended and FOLDER removed. Without a command only the folder is looked after.
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
        signal.signal(number, signal.SIG_IGN)  # only the pipe decides; a signal to the terminal's group is the parent's affair
    folder, command = arguments[0], arguments[1:]
    code = _keep(command) if command else _wait_for_parent()
    _remove(folder)
    return code


def _keep(command: list[str]) -> int:
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, preexec_fn=_child_setup)  # noqa: S603, PLW1509 - no threads here
    # A thread would be simpler, but a child that dies with its parent (below) dies with the thread that started it.
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
    try:  # where the kernel has it, the server dies even when this keeper itself is killed with -9
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    except (OSError, AttributeError):
        return


def _wait_for_parent() -> int:
    while os.read(0, 1024):
        continue
    return 0


def _remove(folder: str) -> None:
    """Again for a while: a server that is just ending may still write into it."""
    deadline = time.monotonic() + 3 * _GRACE_SECONDS
    while folder and os.path.lexists(folder) and time.monotonic() < deadline:
        shutil.rmtree(folder, ignore_errors=True)
        time.sleep(0.05)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
