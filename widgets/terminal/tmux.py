"""Asks the tmux that this runs in, by the socket that it named in the environment."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from queries.text.variables import variable

_ANSWER_SECONDS = 2.0


def tmux_socket(environ: Mapping[str, str]) -> Path | None:
    path = variable(environ, "TMUX").rsplit(",", 2)[0]
    return Path(path) if path else None


async def ask_tmux(environ: Mapping[str, str], *words: str, given: bytes | None = None) -> str | None:
    """What this command of tmux prints, with `given` as its input; None where it failed, did not answer, or is not there."""
    socket = tmux_socket(environ)
    if socket is None:
        return None
    try:
        asked = await asyncio.create_subprocess_exec(
            *("tmux", "-S", str(socket), *words),
            stdin=asyncio.subprocess.DEVNULL if given is None else asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError:
        return None
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            told, _ = await asked.communicate(given)
    except TimeoutError:
        with suppress(ProcessLookupError):
            asked.kill()
        return None
    return told.decode(errors="replace") if asked.returncode == 0 else None
