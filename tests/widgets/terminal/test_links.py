"""Links are written only to a terminal that is known to open or to ignore them."""

from __future__ import annotations

import pytest

from widgets.terminal.links import opens_links


@pytest.mark.parametrize(
    ("environ", "opens"),
    [
        ({}, False),
        ({"TERM": "linux"}, False),
        ({"TERM": "xterm-256color"}, False),
        ({"TERM": "xterm-256color", "VTE_VERSION": "4900"}, False),
        ({"TERM": "xterm-256color", "VTE_VERSION": "7600"}, True),
        ({"TERM": "xterm-kitty"}, True),
        ({"TERM": "tmux-256color", "TMUX": "/tmp/tmux-0/default,1,0"}, True),
        ({"TERM": "screen.xterm-256color", "STY": "1.pts", "VTE_VERSION": "7600"}, False),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "iTerm.app"}, True),
    ],
)
def test_by_what_terminals_set(environ: dict[str, str], opens: bool) -> None:
    """An unknown one gets text."""
    assert opens_links(environ) is opens
