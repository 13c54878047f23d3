"""Whether anybody can see this terminal: nobody can when its tmux or screen session is known to be detached."""

from __future__ import annotations

import asyncio
import os
import pwd
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from queries.text.variables import read_env

_TIMEOUT_SECONDS = 2.0


def is_socket_attached(environ: Mapping[str, str]) -> bool:
    """False when tmux or screen has removed the x bit from its socket: no client is attached to any of its sessions.

    Cheap enough for every second. Says nothing about a terminal that only inherited TMUX or STY.
    """
    return all(_is_executable(path) for path in (_tmux_socket(environ), _screen_socket(environ)) if path is not None)


async def is_attached(environ: Mapping[str, str], tty: str) -> bool:
    """False only when it is known that nobody can see the terminal `tty`. Queries tmux.

    A window may belong to several sessions: one attached session is enough. If the pane has another tty, or screen did not
    start this terminal, then TMUX or STY was inherited and says nothing about it.
    """
    screen = _screen_socket(environ)
    if screen is not None and not _is_executable(screen) and _is_started_by(screen):
        return False
    return any(await list_pane_sessions(environ, tty) or (True,))


async def list_pane_sessions(environ: Mapping[str, str], tty: str) -> tuple[bool, ...] | None:
    """For every tmux session that shows this very pane, whether a client is attached; None when tmux does not reply.

    Empty when the terminal is not a pane of that tmux.
    """
    pane = read_env(environ, "TMUX_PANE")
    output = await run_tmux(environ, "list-panes", "-a", "-F", "#{pane_id} #{pane_tty} #{session_attached}")
    if output is None or not pane:
        return None
    return tuple(not row.endswith(" 0") for row in output.splitlines() if row.startswith(f"{pane} {tty} "))


async def run_tmux(environ: Mapping[str, str], *words: str, stdin: bytes | None = None) -> str | None:
    """What this tmux command prints, with `stdin` as its input; None when it failed, timed out, or tmux is missing."""
    socket = _tmux_socket(environ)
    if socket is None:
        return None
    try:
        process = await asyncio.create_subprocess_exec(
            *("tmux", "-S", str(socket), *words),
            stdin=asyncio.subprocess.DEVNULL if stdin is None else asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError:
        return None
    try:
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            output, _ = await process.communicate(stdin)
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        return None
    return output.decode(errors="replace") if process.returncode == 0 else None


def _tmux_socket(environ: Mapping[str, str]) -> Path | None:
    path = read_env(environ, "TMUX").rsplit(",", 2)[0]
    return Path(path) if path else None


def _screen_socket(environ: Mapping[str, str]) -> Path | None:
    name = read_env(environ, "STY")
    if not name or "/" in name:
        return None
    with suppress(KeyError):
        user = pwd.getpwuid(os.getuid()).pw_name
        folders = (
            read_env(environ, "SCREENDIR"),
            f"/run/screen/S-{user}",
            f"/var/run/screen/S-{user}",
            f"/tmp/screens/S-{user}",  # noqa: S108
        )
        return next((Path(folder, name) for folder in folders if folder and Path(folder, name).exists()), None)
    return None


def _is_started_by(screen: Path) -> bool:
    """Whether this terminal's session leader is a child of that screen, whose socket is named PID.NAME.

    False when that cannot be determined: somebody may be watching.
    """
    try:
        parent = Path(f"/proc/{os.getsid(0)}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[1]
    except (OSError, IndexError):
        return False
    return parent == screen.name.partition(".")[0]


def _is_executable(socket: Path) -> bool:
    try:
        return bool(socket.stat().st_mode & stat.S_IXUSR)
    except OSError:
        return True  # unknown: somebody may be watching
