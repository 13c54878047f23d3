"""What TERM says that a terminal cannot do, compared with terminfo's own entries."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from queries.text.variables import moves_cursor
from widgets.terminal.sgr import has_colours

KNOWN = (
    "xterm-256color",
    "xterm",
    "screen",
    "tmux-256color",
    "linux",
    "rxvt",
    "xterm-mono",
    "vt100",
    "vt102",
    "vt220",
    "dumb",
)


@pytest.mark.skipif(shutil.which("infocmp") is None, reason="no terminfo on this machine")
@pytest.mark.parametrize("name", KNOWN)
def test_terminfo_agrees(name: str) -> None:
    """A terminal that moves its cursor has `cup` in terminfo, and one with colours has `colors`."""
    done = subprocess.run(["infocmp", "-1", name], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"terminfo does not know {name} here")
    entry = {line.strip().rstrip(",").partition("=")[0].partition("#")[0] for line in done.stdout.splitlines()}
    environ = {"TERM": name}
    assert moves_cursor(environ) is ("cup" in entry)
    if "cup" in entry:
        assert has_colours(environ) is ("colors" in entry)


@pytest.mark.parametrize("environ", [{}, {"TERM": ""}, {"TERM": "a-terminal-of-tomorrow"}])
def test_what_terminfo_does_not_know_can_do_everything(environ: dict[str, str]) -> None:
    """`kubectl exec` sets no TERM, and a machine's terminfo is older than its user's terminal."""
    assert moves_cursor(environ)
    assert has_colours(environ)
