"""A file of a million log lines: key presses and memory, beside toolong on the same file in the same run."""

from __future__ import annotations

import os
import random
import statistics
import subprocess
import sys
import time
from pathlib import Path

from figure import Figure, percentile
from log_shapes import generate_lines
from stage import Stage, Timed, clean

LINES, _BLOCK = 1_000_000, 50_000
_PRESSES = 60
_VENV = Path("build/toolong")
_DOWN, _UP, _PAGE_UP = "\x1b[B", "\x1b[A", "\x1b[5~"


def measure(stage: Stage) -> list[Figure]:
    file = stage.place("lines") / "million.log"
    block = "".join(f"{line}\n" for line in generate_lines(_BLOCK))
    with file.open("w", encoding="utf-8") as written:
        for _ in range(LINES // _BLOCK):
            written.write(block)
    with stage.console({}, "--log", str(file)) as terminal:
        terminal.settle(2.0, most=30.0)
        waits = _presses(terminal)
        memory = terminal.memory_mb()[0]
        terminal.draw()
        if f"{LINES:,} lines" not in terminal.text:
            raise AssertionError(f"not the whole file:\n{terminal.text}")
    note = f"median {statistics.median(waits):.1f} ms, worst {max(waits):.1f} ms"
    figures = [
        Figure("key press to first byte, p95, a file of 1,000,000 lines", percentile(waits, 0.95), "ms", 25, note),
        Figure("memory with a file of 1,000,000 lines", memory, "MB"),
    ]
    if program := _install():
        env = {**clean(stage.place("toolong")), "HOME": str(stage.place("home")), "PATH": os.environ["PATH"]}
        with Timed(program, str(file), env=env) as terminal:
            terminal.settle(2.0, most=60.0)
            theirs = _presses(terminal)
            peer = terminal.memory_mb()[0]
            terminal.draw()
            if "/1,000,000" not in terminal.text.replace(" ", "") and "1,000,000" not in terminal.text:
                print(f"      toolong shows:\n{terminal.text}", file=sys.stderr)
        figures += [
            Figure("peer toolong 1.5.0: key press to first byte, p95", percentile(theirs, 0.95), "ms"),
            Figure("memory with that file ÷ toolong 1.5.0", memory / peer, "×", 1.2, f"{memory:.0f} and {peer:.0f} MB"),
        ]
    return figures


def _presses(terminal: Timed) -> list[float]:
    """Up and down at a person's pace, with a page now and then; milliseconds."""
    chance = random.Random(7)
    for _ in range(3):
        terminal.send(_PAGE_UP)
        terminal.read(0.5)
    waits = []
    for number in range(_PRESSES):
        terminal.read(chance.uniform(0.08, 0.2))
        key = _PAGE_UP if number % 10 == 9 else _DOWN if number % 6 < 3 else _UP
        begun = time.perf_counter()
        terminal.send(key)
        if terminal.first_byte(1.0):
            waits.append((time.perf_counter() - begun) * 1000)
    if len(waits) < _PRESSES * 0.9:
        raise AssertionError(f"only {len(waits)} of {_PRESSES} keys changed anything")
    return waits


def _install() -> str:
    """The program; empty, with the reason on stderr, where it cannot be installed."""
    program = _VENV / "bin" / "tl"
    if not program.exists():
        try:
            subprocess.run([sys.executable, "-m", "venv", str(_VENV)], check=True, capture_output=True, timeout=60)
            pip = [str(_VENV / "bin" / "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check", "toolong==1.5.0"]
            subprocess.run(pip, check=True, capture_output=True, timeout=120)
        except (subprocess.SubprocessError, OSError) as error:
            print(f"      toolong: skipped, it could not be installed ({type(error).__name__})", file=sys.stderr)
            return ""
    return str(program.absolute())
