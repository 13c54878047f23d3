"""Identifies a process so that its liveness can be checked later."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from queries.model.frozen import dataclass


@dataclass(frozen=True, slots=True)
class Process:
    """Process ids are reused: the machine's boot and the process' start time make it unique."""

    host: str
    boot: str
    pid: int
    started: str

    def text(self) -> str:
        return " ".join((self.host, self.boot or "-", str(self.pid), self.started or "-"))


def current() -> Process:
    """This process."""
    return Process(socket.gethostname(), boot_id(), os.getpid(), _started(os.getpid()))


def is_running(writer: str) -> bool | None:
    """Whether the process of a `Process.text` still runs; None where it ran on another machine."""
    try:
        host, boot, pid_text, started = writer.split(" ")
        pid = int(pid_text)
    except ValueError:
        return False
    if host != socket.gethostname():
        return None
    if boot != (boot_id() or "-"):
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # it runs as another user
    return started == (_started(pid) or "-")


def boot_id() -> str:
    """The boot id of Linux; empty on other systems."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _started(pid: int) -> str:
    """The process' start time in clock ticks since boot; empty on systems without /proc."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    fields = stat.rpartition(")")[2].split()
    # A zombie counts as ended.
    return "" if fields[0] == "Z" else fields[19]
