"""Whether anybody can see the terminal that this runs in: not where tmux or screen is known to be detached from it."""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from queries.text.variables import variable
from widgets.terminal.tmux import ask_tmux, tmux_socket


def socket_attached(environ: Mapping[str, str]) -> bool:
    """False where tmux or screen has taken the x off its socket: nobody is attached to any of its sessions.

    Cheap enough for every second. It says nothing of a terminal that only inherited the environment of one.
    """
    return all(_executable(path) for path in (tmux_socket(environ), _screen_socket(environ)) if path is not None)


async def attached(environ: Mapping[str, str], tty: str) -> bool:
    """False only where it is known that nobody can see the terminal `tty`. Asks tmux.

    A window may stand in several sessions: one that is attached suffices. Where the pane has another terminal, or screen did
    not start this one, their names were inherited (a window that was opened from within), and say nothing of it.
    """
    screen = _screen_socket(environ)
    if screen is not None and not _executable(screen) and _started_by(screen):
        return False
    return any(await own_sessions(environ, tty) or (True,))


async def own_sessions(environ: Mapping[str, str], tty: str) -> tuple[bool, ...] | None:
    """Of every tmux session that shows this very pane whether anybody is attached; None where tmux does not say.

    Empty where the terminal is no pane of that tmux.
    """
    pane = variable(environ, "TMUX_PANE")
    answer = await ask_tmux(environ, "list-panes", "-a", "-F", "#{pane_id} #{pane_tty} #{session_attached}")
    if answer is None or not pane:
        return None
    return tuple(not row.endswith(" 0") for row in answer.splitlines() if row.startswith(f"{pane} {tty} "))


def _screen_socket(environ: Mapping[str, str]) -> Path | None:
    name = variable(environ, "STY")
    if not name or "/" in name:
        return None
    with suppress(KeyError):
        user = pwd.getpwuid(os.getuid()).pw_name
        folders = (
            variable(environ, "SCREENDIR"),
            f"/run/screen/S-{user}",
            f"/var/run/screen/S-{user}",
            f"/tmp/screens/S-{user}",  # noqa: S108
        )
        return next((Path(folder, name) for folder in folders if folder and Path(folder, name).exists()), None)
    return None


def _started_by(screen: Path) -> bool:
    """Whether this terminal's first process is a child of that screen, whose socket is named PID.NAME.

    False where it cannot be told: then somebody may be looking.
    """
    try:
        parent = Path(f"/proc/{os.getsid(0)}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[1]
    except (OSError, IndexError):
        return False
    return parent == screen.name.partition(".")[0]


def _executable(socket: Path) -> bool:
    try:
        return bool(socket.stat().st_mode & stat.S_IXUSR)
    except OSError:
        return True  # nothing can be told: somebody may be looking
