"""Whether a terminal is attached to the tmux or screen that this runs in: both tell it by the mode of their socket."""

from __future__ import annotations

import asyncio
import os
import pwd
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from queries.text.variables import variable

_ANSWER_SECONDS = 2.0


def attached(environ: Mapping[str, str]) -> bool:
    """False where it is known that nobody is attached; cheap enough for every second."""
    return all(_executable(path) for path in (_tmux_socket(environ), _screen_socket(environ)) if path is not None)


async def session_attached(environ: Mapping[str, str]) -> bool:
    """False where others are attached to the same tmux, but nobody to the session of this pane. Asks tmux."""
    socket, pane = _tmux_socket(environ), variable(environ, "TMUX_PANE")
    if socket is None or not pane:
        return True
    words = ("tmux", "-S", str(socket), "display-message", "-p", "-t", pane, "#{session_attached}")
    try:
        asked = await asyncio.create_subprocess_exec(
            *words, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
        )
    except OSError:
        return True
    try:
        told, _ = await asyncio.wait_for(asked.communicate(), _ANSWER_SECONDS)
    except TimeoutError:
        with suppress(ProcessLookupError):
            asked.kill()
        return True
    return told.strip() != b"0"


def _tmux_socket(environ: Mapping[str, str]) -> Path | None:
    path = variable(environ, "TMUX").rsplit(",", 2)[0]
    return Path(path) if path else None


def _screen_socket(environ: Mapping[str, str]) -> Path | None:
    name = variable(environ, "STY")
    if not name or "/" in name:
        return None
    with suppress(KeyError):
        user = pwd.getpwuid(os.getuid()).pw_name
        own = variable(environ, "SCREENDIR")
        folders = (own, f"/run/screen/S-{user}", f"/var/run/screen/S-{user}", f"/tmp/screens/S-{user}")  # noqa: S108
        return next((Path(folder, name) for folder in folders if folder and Path(folder, name).exists()), None)
    return None


def _executable(socket: Path) -> bool:
    try:
        return bool(socket.stat().st_mode & stat.S_IXUSR)
    except OSError:
        return True  # nothing can be told: somebody may be looking
