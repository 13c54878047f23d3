"""The same start and the same rest for peers, where a package index has them; each that cannot be measured says why."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

from figure import Figure
from stage import Stage, Timed, clean
from work import share

_VENV = Path("build/peers")
_FROM_PYPI = {"dolphie": ("dolphie",), "pg_activity": ("pg_activity", "psycopg[binary]")}
_FROM_DEBIAN = ("htop", "btop")
_RUNS = 3


def measure(stage: Stage) -> list[Figure]:
    figures: list[Figure] = []
    for name, packages in _FROM_PYPI.items():
        program, why = _installed(name, packages)
        figures += _figures(stage, name, program) if program else _skipped(name, why)
    for name in _FROM_DEBIAN:
        program = shutil.which(name) or ""
        figures += _figures(stage, name, program) if program else _skipped(name, "not installed on this machine")
    return figures


def _skipped(name: str, why: str) -> list[Figure]:
    print(f"      peer {name}: skipped, {why}", file=sys.stderr)
    return []


def _installed(name: str, packages: tuple[str, ...]) -> tuple[str, str]:
    program = _VENV / "bin" / name
    if not program.exists():
        try:
            subprocess.run([sys.executable, "-m", "venv", str(_VENV)], check=True, capture_output=True, timeout=60)
            pip = [str(_VENV / "bin" / "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check", *packages]
            subprocess.run(pip, check=True, capture_output=True, timeout=90)
        except (subprocess.SubprocessError, OSError) as error:
            return "", f"it could not be installed ({type(error).__name__})"
    return (str(program.absolute()), "") if program.exists() else ("", "the package brought no program")


def _figures(stage: Stage, name: str, program: str) -> list[Figure]:
    """Start to the first large frame, bytes of it, and CPU and bytes at rest. Without a database a peer shows what it can."""
    starts, sizes = [], []
    rest = bytes_a_second = 0.0
    for number in range(_RUNS):
        env = {**clean(stage.place(name)), "HOME": str(stage.place("home")), "PATH": os.environ["PATH"]}
        with Timed(program, env=env) as terminal:
            terminal.read(3.0)
            terminal.settle(0.3, most=3.0)
            begun = _first_frame(terminal)
            if begun is None or not Path(f"/proc/{terminal.pid}/task").exists() or _ended(terminal):
                last = bytes(terminal.received[-300:]).decode("utf-8", "replace").strip().splitlines()
                return _skipped(name, f"it shows nothing without its server: {last[-1][:90] if last else 'no output'}")
            starts.append(begun)
            sizes.append(len(terminal.received))
            if number == _RUNS - 1:
                before = len(terminal.received)
                rest = share(terminal, 6.0)
                bytes_a_second = (len(terminal.received) - before) / 6.0
    return [
        Figure(f"peer {name}: start to first frame", statistics.median(starts) * 1000, "ms"),
        Figure(f"peer {name}: bytes at start", statistics.median(sizes), "B"),
        Figure(f"peer {name}: CPU at rest", rest * 100, "%"),
        Figure(f"peer {name}: bytes a second at rest", bytes_a_second, "B/s"),
    ]


def _first_frame(terminal: Timed) -> float | None:
    """When two thousand bytes had come: less is the switching on of a terminal's modes."""
    size = 0
    for at, data in terminal.chunks:
        size += len(data)
        if size >= 2000:
            return at
    return None


def _ended(terminal: Timed) -> bool:
    state = Path(f"/proc/{terminal.pid}/stat").read_text().rpartition(")")[2].split()[0]
    return state == "Z"
