"""Brings a text to where a person can paste it, and says how far it is known to have come."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum

from queries.text.variables import variable
from widgets.terminal.multiplexer import own_sessions
from widgets.terminal.tmux import ask_tmux


class ClipboardReach(StrEnum):
    """How far a text came."""

    TMUX = "tmux"
    """tmux has it in its newest buffer; whether the terminal outside took it too, nobody says."""
    TERMINAL = "terminal"
    """It was sent to the terminal (OSC 52), which does not say whether it took it."""
    NOWHERE = "nowhere"
    """A multiplexer that drops it stands in between."""


async def copy(text: str, environ: Mapping[str, str], tty: str, *, send: Callable[[str], None]) -> ClipboardReach:
    """`send` writes OSC 52 to the terminal `tty`.

    GNU screen drops that without a word, and so does tmux in its default (`set-clipboard external`); but tmux takes a buffer,
    and since 3.2 it passes that on.
    """
    if variable(environ, "STY"):
        return ClipboardReach.NOWHERE
    if not variable(environ, "TMUX"):
        send(text)
        return ClipboardReach.TERMINAL
    sessions = await own_sessions(environ, tty)
    if sessions == ():
        send(text)  # TMUX was inherited by a terminal of its own
        return ClipboardReach.TERMINAL
    for words in (("load-buffer", "-w", "-"), ("load-buffer", "-")):
        if await ask_tmux(environ, *words, given=text.encode()) is not None:
            return ClipboardReach.TMUX
    return ClipboardReach.NOWHERE
