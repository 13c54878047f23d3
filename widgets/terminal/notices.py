"""Control sequences that tell somebody who does not look: bell, title and desktop notices (OSC 9, 777, 99)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from queries.text.variables import read_env
from widgets.terminal.multiplexer import list_pane_sessions, run_tmux

BELL = "\a"
PUSH_TITLE, POP_TITLE = "\x1b[22;2t", "\x1b[23;2t"
"""The terminal's own stack of titles (XTWINOPS)."""
_TEXT = 200
"""GNU screen passes on no longer string."""
_MESSAGE_MILLISECONDS = "8000"


class DesktopProtocol(StrEnum):
    """How a terminal is asked for a desktop notice; none confirms it."""

    OSC9 = "osc9"
    """iTerm2, Windows Terminal, foot, WezTerm, Ghostty"""
    OSC777 = "osc777"
    """rxvt-unicode, foot, Konsole, VTE with a patch"""
    OSC99 = "osc99"
    """kitty"""


def clean(text: str) -> str:
    """The text without anything that could end or begin a sequence: control, format and bidi characters."""
    return "".join(character for character in text if character.isprintable())[:_TEXT]


def encode_title(text: str) -> str:
    """Sets the window's title; in tmux, the pane's, which its status line shows."""
    return f"\x1b]2;{clean(text)}\x1b\\"


def encode_desktop_notice(protocol: DesktopProtocol, title: str, text: str, *, end: str = "\x1b\\") -> str:
    """The sequence, ended by ST or what `end` says."""
    title, text = clean(title), clean(text)
    match protocol:
        case DesktopProtocol.OSC9:
            return f"\x1b]9;{': '.join(filter(None, (title, text)))}{end}"
        case DesktopProtocol.OSC777:
            # A semicolon would end the title.
            return f"\x1b]777;notify;{title.replace(';', ',')};{text}{end}"
        case DesktopProtocol.OSC99:
            parts = f"\x1b]99;i=cad-console:d={0 if text else 1};{title}{end}"
            return f"{parts}\x1b]99;i=cad-console:d=1:p=body;{text}{end}" if text else parts


async def wrap_desktop_notice(protocol: DesktopProtocol, title: str, text: str, environ: Mapping[str, str], tty: str) -> str:
    """The sequence as it reaches the outer terminal; empty where a multiplexer is known to drop it.

    tmux passes it on where `allow-passthrough` is on (before 3.3 it has no such option, and does); GNU screen always.
    """
    if read_env(environ, "STY"):
        return f"\x1bP{encode_desktop_notice(protocol, title, text, end=BELL)}\x1b\\"
    sequence = encode_desktop_notice(protocol, title, text)
    if not read_env(environ, "TMUX") or await list_pane_sessions(environ, tty) == ():
        return sequence
    words = ("show-options", "-A", "-v", "-p", "-t", read_env(environ, "TMUX_PANE"), "allow-passthrough")
    if ((await run_tmux(environ, *words)) or "").strip() == "off":
        return ""
    return f"\x1bPtmux;{sequence.replace(chr(27), chr(27) * 2)}\x1b\\"


async def show_tmux_message(title: str, text: str, environ: Mapping[str, str]) -> bool:
    """Shows it in the status line of tmux for a while; False where there is no tmux or it refused.

    tmux expands a message as a format, in which `#(…)` runs a program and `%` is a time.
    """
    message = clean(": ".join(filter(None, (title, text)))).replace("#", "##").replace("%", "%%")
    pane = read_env(environ, "TMUX_PANE")
    return await run_tmux(environ, "display-message", "-d", _MESSAGE_MILLISECONDS, "-t", pane, message) is not None
