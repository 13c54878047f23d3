"""Starts a real server on a free loopback port that never outlives this process."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from queries.http.wire_limit import WireLimit, limit_connection
from queries.text.durations import format_duration

_SUPERVISOR = Path(__file__).with_name("child_supervisor.py")
_READY_SECONDS = 30.0
_ATTEMPTS = 3


class StartFailed(Exception):
    """A server did not become ready; the message has the last lines of its log."""


class ServerProcess:
    """A running server: its `url`, the server's own `pid`, and its `log`."""

    def __init__(self, name: str, url: str, supervisor: subprocess.Popen[bytes], log: Path) -> None:
        self.name = name
        self.url = url
        self.log = log
        self._keeper = supervisor

    @property
    def pid(self) -> int:
        """The server's own process id; 0 after it has exited."""
        try:
            text = Path(f"/proc/{self._keeper.pid}/task/{self._keeper.pid}/children").read_text()
        except OSError:
            return 0
        return int(text.split()[0]) if text.split() else 0

    @property
    def running(self) -> bool:
        return self._keeper.poll() is None

    def kill(self) -> None:
        """Kills the server, as in a crash."""
        pid = self.pid
        if pid:
            os.kill(pid, signal.SIGKILL)
        self._keeper.wait(5)
        _close(self._keeper)

    def stop(self) -> None:
        """Stops the server; idempotent."""
        _close(self._keeper)


def free_port() -> int:
    """A free port on the loopback interface."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def start_server(
    name: str,
    command: Callable[[int], Sequence[str]],
    *,
    folder: Path,
    port: int = 0,
    ready_path: str = "/-/ready",
    ready_seconds: float = _READY_SECONDS,
) -> ServerProcess:
    """Starts `command(port)` in `folder`, with its log there, and waits until `ready_path` returns 200. Raises StartFailed.

    Retries with another port where the chosen one was taken meanwhile, unless `port` names one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / f"{name}.log"
    for attempt in range(_ATTEMPTS):
        chosen = port or free_port()
        supervisor = supervise("", command(chosen), folder=folder, log=log)
        try:
            _wait_ready(name, supervisor, port=chosen, path=ready_path, limit_seconds=ready_seconds, log=log)
        except StartFailed:
            _close(supervisor)
            if port or attempt + 1 == _ATTEMPTS or "address already in use" not in _tail(log):
                raise
        except BaseException:
            _close(supervisor)
            raise
        else:
            return ServerProcess(name, f"http://127.0.0.1:{chosen}", supervisor, log)
    raise StartFailed(f"{name} found no free port")


def supervise(removes: str, command: Sequence[str] = (), *, folder: Path, log: Path | None = None) -> subprocess.Popen[bytes]:
    """Starts a supervisor in a session of its own: it ends `command` and removes the folder `removes` after this process."""
    out = log.open("wb") if log else None
    try:
        return subprocess.Popen(  # noqa: S603  # the demo's own commands
            [sys.executable, "-I", "-S", str(_SUPERVISOR), removes, *command],
            stdin=subprocess.PIPE,
            stdout=out or subprocess.DEVNULL,
            stderr=out or subprocess.DEVNULL,
            cwd=folder,
            start_new_session=True,
        )
    finally:
        if out:
            out.close()


def end_supervisor(supervisor: subprocess.Popen[bytes]) -> None:
    """Ends a supervisor and waits for it."""
    _close(supervisor)


def _close(supervisor: subprocess.Popen[bytes]) -> None:
    if supervisor.stdin:
        with suppress(OSError):
            supervisor.stdin.close()
    with suppress(subprocess.TimeoutExpired):
        supervisor.wait(8)


def _wait_ready(
    name: str, supervisor: subprocess.Popen[bytes], *, port: int, path: str, limit_seconds: float, log: Path
) -> None:
    deadline = time.monotonic() + limit_seconds
    while time.monotonic() < deadline:
        if supervisor.poll() is not None:
            raise StartFailed(f"{name} exited at once: {_tail(log)}")
        if _answers(port, path):
            return
        time.sleep(0.03)
    raise StartFailed(f"{name} was not ready after {format_duration(limit_seconds)}: {_tail(log)}")


def _answers(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1.0)
    limit_connection(connection)
    try:
        with WireLimit(seconds=1.0):
            connection.request("GET", path)
            return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _tail(log: Path) -> str:
    try:
        lines = log.read_text(errors="replace").strip().splitlines()
    except OSError:
        return "no log"
    return " … ".join(line.strip()[-300:] for line in lines[-2:]) or "no output"
