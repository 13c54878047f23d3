"""Log lines into patterns on one core, beside drain3 as it comes, on the same lines in the same run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from figure import Figure, percentile
from log_shapes import generate_lines, write_lines
from stage import Stage

from console.logs.patterns import PatternMiner
from queries.model.log import LogLine

LINES = 100_000
_KNOWN, _PART = 20_000, 500
"""Lines that both have seen before they are timed, and lines that are timed at once."""
_VENV = Path("build/drain3")
_DRAIN3 = """
import json, logging, sys, time
from drain3 import TemplateMiner
logging.disable()
lines = open(sys.argv[1], encoding="utf-8").read().splitlines()
known, part = int(sys.argv[2]), int(sys.argv[3])
miner = TemplateMiner()
for line in lines[:known]:
    miner.add_log_message(line)
took = []
for first in range(known, len(lines), part):
    some = lines[first:first + part]
    started = time.perf_counter()
    for line in some:
        miner.add_log_message(line)
    took.append(time.perf_counter() - started)
print(json.dumps([took, len(miner.drain.clusters)]))
"""


def measure(stage: Stage) -> list[Figure]:
    file = stage.place("patterns") / "lines.log"
    write_lines(file, LINES)
    lines = [LogLine(number, number, "pod", text) for number, text in enumerate(generate_lines(LINES))]
    miner = PatternMiner()
    miner.add(lines[:_KNOWN])
    took = []
    for first in range(_KNOWN, LINES, _PART):
        some = lines[first : first + _PART]
        started = time.perf_counter()
        miner.add(some)
        took.append(time.perf_counter() - started)
    ours, found = _typical(took), len(miner.patterns)
    figures = [Figure("a log line into its pattern", ours, "µs", None, f"{found} patterns of {LINES:,} lines")]
    if python := _install():
        command = [python, "-c", _DRAIN3, str(file), str(_KNOWN), str(_PART)]
        times, templates = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        theirs = _typical(times)
        note = f"{1e6 / ours:,.0f} and {1e6 / theirs:,.0f} lines a second; {found} and {templates} templates"
        figures.append(Figure("a log line into its pattern ÷ drain3 0.9.11", ours / theirs, "×", 1 / 3, note))
    return figures


def _typical(took: list[float]) -> float:
    """Microseconds a line, of the tenth of all parts that other programs disturbed least."""
    return percentile(took, 0.1) / _PART * 1e6


def _install() -> str:
    """The interpreter that has drain3; empty, with the reason on stderr, where it cannot be installed."""
    python = _VENV / "bin" / "python"
    if not python.exists():
        try:
            subprocess.run([sys.executable, "-m", "venv", str(_VENV)], check=True, capture_output=True, timeout=60)
            pip = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", "drain3==0.9.11"]
            subprocess.run(pip, check=True, capture_output=True, timeout=120, env={**os.environ, "PIP_NO_INPUT": "1"})
        except (subprocess.SubprocessError, OSError) as error:
            print(f"      drain3: skipped, it could not be installed ({type(error).__name__})", file=sys.stderr)
            return ""
    return str(python.absolute())
