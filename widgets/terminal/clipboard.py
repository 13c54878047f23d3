"""Copies a text to wherever a person can paste it from, and reports how far it is known to have got."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum

from queries.text.variables import read_env
from widgets.terminal.multiplexer import list_pane_sessions, run_tmux


class ClipboardReach(StrEnum):
    """How far a text got."""

    TMUX = "tmux"
    """tmux holds it in its newest buffer; whether the outer terminal has it too is unknown."""
    TERMINAL = "terminal"
    """It was sent to the terminal (OSC 52), which does not confirm it."""
    NOWHERE = "nowhere"
    """A multiplexer in between drops it."""


async def copy(text: str, environ: Mapping[str, str], tty: str, *, send: Callable[[str], None]) -> ClipboardReach:
    """`send` writes OSC 52 to the terminal `tty`.

    GNU screen silently drops OSC 52, and so does tmux by default (`set-clipboard external`); but tmux accepts a buffer,
    and since 3.2 passes it on (`load-buffer -w`).
    """
    if read_env(environ, "STY"):
        return ClipboardReach.NOWHERE
    if not read_env(environ, "TMUX"):
        send(text)
        return ClipboardReach.TERMINAL
    sessions = await list_pane_sessions(environ, tty)
    if sessions == ():
        send(text)  # this terminal only inherited TMUX
        return ClipboardReach.TERMINAL
    for words in (("load-buffer", "-w", "-"), ("load-buffer", "-")):
        if await run_tmux(environ, *words, stdin=text.encode()) is not None:
            return ClipboardReach.TMUX
    return ClipboardReach.NOWHERE
