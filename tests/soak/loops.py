"""Starting and ending the program again and again, and looking for what it left behind."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import time
from pathlib import Path

from terminal import PROGRAM, Terminal
from told_platform import told_platform

MARK = "CAD_CONSOLE_LOOP"
"""A variable in the environment of what is started: every process that came of it has it too."""
_KEPT = ("journal.sqlite3", "journal.sqlite3-wal", "journal.sqlite3-shm", "console.log", "presence.sqlite3")


def begin_and_end(way: str, home: Path) -> None:
    """Start the console at a terminal on a platform that answers, wait for its first figures, and end it in this way."""
    temporary = home / "tmp"
    temporary.mkdir(exist_ok=True)
    with told_platform(pages={"/health": {"status": "healthy"}}) as platform:
        environment = {
            **platform.environ(str(home)),
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "TMPDIR": str(temporary),
            "XDG_RUNTIME_DIR": str(temporary),
            MARK: str(home),
        }
        with Terminal([PROGRAM, "--refresh", "0.5"], env=environment) as terminal:
            terminal.wait_for("Error ratio", "prom", seconds=20)
            if way == "q":
                terminal.send("q")
            else:
                terminal.kill(signal.Signals[way])
            code = terminal.wait_exit(seconds=10)
            assert way != "q" or code == 0, terminal.text
            assert b"Traceback" not in terminal.received


def left_behind(home: Path) -> list[str]:
    """Processes, files and locks that should not be there any more."""
    deadline = time.monotonic() + 5.0
    while (found := _processes(home)) and time.monotonic() < deadline:
        time.sleep(0.1)
    found += [f"file {path.relative_to(home)}" for path in (home / "tmp").rglob("*")]
    for path in (home / ".local/state/cad-console").rglob("*"):
        if path.is_file() and path.name not in _KEPT:
            found.append(f"file {path.name}")
    journal = home / ".local/state/cad-console/journal.sqlite3"
    if journal.exists():
        try:
            with sqlite3.connect(journal, timeout=0.5) as database:
                database.execute("BEGIN IMMEDIATE")
                database.execute("ROLLBACK")
                assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        except sqlite3.Error as error:
            found.append(f"the journal is locked or damaged: {error}")
    else:
        found.append("no journal was made")
    return found


def _processes(home: Path) -> list[str]:
    """Everything that runs with our mark in its environment."""
    expected = f"{MARK}={home}".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if expected in (folder / "environ").read_bytes().split(b"\0"):
                words = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                found.append(f"process {folder.name}: {words}")
        except OSError:
            continue  # it ended, or is not ours to look into
    return found


def _listening() -> set[int]:
    """The TCP ports that this machine listens on."""
    found = set()
    for name in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(name).read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == "0A":
                found.add(int(words[1].rpartition(":")[2], 16))
    return found


_TELL_PORTS = 'echo "$PROMETHEUS_URL $ALERTMANAGER_URL $CAD_ML_API_URL"; grep server "$KUBECONFIG"'


def demo_begins_and_ends(home: Path) -> list[str]:
    """The embedded stack with a command that ends at once; gives the processes, ports and files that did not go with it."""
    temporary = home / "tmp"
    temporary.mkdir(exist_ok=True)
    environment = {**os.environ, "TMPDIR": str(temporary), MARK: str(home)}
    command = [PROGRAM, "demo", "--scenario", "calm", "--run", "sh", "-c", _TELL_PORTS]
    output = subprocess.run(command, env=environment, check=True, capture_output=True, text=True, timeout=120).stdout
    used = {int(port) for port in re.findall(r"127\.0\.0\.1:(\d+)", output)}
    assert len(used) == 4, output
    deadline = time.monotonic() + 5.0
    while time.monotonic() < deadline:
        found = _processes(home) + [f"port {item}" for item in used & _listening()]
        found += [f"file {path}" for path in temporary.rglob("*")]
        if not found:
            break
        time.sleep(0.1)
    return found
