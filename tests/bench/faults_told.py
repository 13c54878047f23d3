"""How long until a dead endpoint is called so: refused at once, and accepted but never answered."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from figure import Figure
from stage import Stage, Timed, wait


def measure(stage: Stage) -> list[Figure]:
    with stage.platform() as sources, stage.console(sources.environ()) as terminal:
        _until(terminal, "prom ok")
        pid = _server_pid(sources.prometheus.url)
        os.kill(pid, signal.SIGSTOP)
        try:
            silent = _until(terminal, "prom DEGRADED no answer", "prom DOWN")
            gone = silent + _until(terminal, "prom DOWN")
        finally:
            os.kill(pid, signal.SIGCONT)
        _until(terminal, "prom ok")
        begun = time.perf_counter()
        sources.prometheus.kill()
        killed = time.perf_counter() - begun
        refused = _until(terminal, "prom DOWN") + killed
    return [
        Figure("dead endpoint marked within, silent", silent, "s", 5, f"connections stay open; called DOWN after {gone:.1f} s"),
        Figure("dead endpoint marked within, refused", refused, "s", 5, "killed"),
    ]


def _until(terminal: Timed, *texts: str, seconds: float = 40.0) -> float:
    begun = time.perf_counter()

    def there() -> bool:
        terminal.read(0.05)
        terminal.draw()
        return any(text in terminal.text for text in texts)

    wait(there, seconds=seconds)
    return time.perf_counter() - begun


def _server_pid(url: str) -> int:
    """The process that listens there, found by its command line."""
    port = url.rpartition(":")[2]
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if words[0].endswith(b"prometheus") and f"--web.listen-address=127.0.0.1:{port}".encode() in words:
                return int(entry.name)
    raise AssertionError(f"no server at {url}")
