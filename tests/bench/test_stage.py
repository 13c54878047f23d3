"""The terminal of the benchmarks answers as a person's does."""

from __future__ import annotations

import sys
import time

from limits import extend
from stage import Timed

ASKING = """
import os, tty
tty.setraw(0)
os.write(1, b"\\x1b[6")
os.read(0, 1)
os.write(1, b"n")
os.write(1, b"told " + os.read(0, 20)[2:5])
"""


def test_a_question_that_is_split_between_two_reads_is_answered() -> None:
    """The console asks after each frame where the cursor is; without an answer it waits, and the wait would be measured."""
    with Timed(sys.executable, "-c", ASKING, env={}) as terminal:
        while b"\x1b[6" not in terminal.received:
            terminal.read(0.05)
        terminal.send("g")
        ends = time.monotonic() + extend(10.0)
        while b"told" not in terminal.received and time.monotonic() < ends:
            terminal.read(0.05)
        terminal.read(0.05)
        assert b"told 1;1" in terminal.received
