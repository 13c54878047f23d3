"""Whether this terminal opens links (OSC 8) or at least ignores them, by the variables that terminals set."""

from __future__ import annotations

from collections.abc import Mapping

from queries.text.variables import read_env

_PROGRAMS = frozenset({"iTerm.app", "WezTerm", "vscode", "ghostty", "Hyper", "rio", "Tabby"})
_VARIABLES = ("KITTY_WINDOW_ID", "WT_SESSION", "KONSOLE_VERSION", "GHOSTTY_RESOURCES_DIR", "WEZTERM_PANE")
_TERMS = ("xterm-kitty", "xterm-ghostty", "alacritty", "foot", "wezterm", "contour", "tmux")
_LEAST_VTE = 5000


def opens_links(environ: Mapping[str, str]) -> bool:
    """False unless it is known: some terminals print what they do not understand. GNU screen drops links."""
    if read_env(environ, "STY"):
        return False
    vte = read_env(environ, "VTE_VERSION")
    return (
        read_env(environ, "TERM_PROGRAM") in _PROGRAMS
        or any(read_env(environ, name) for name in _VARIABLES)
        or read_env(environ, "TERM").startswith(_TERMS)
        or (vte.isdigit() and int(vte) >= _LEAST_VTE)
    )
