"""Whether a client is attached, by the mode of the socket and by what tmux reports."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from widgets.terminal.multiplexer import is_attached, is_socket_attached


@pytest.fixture
def place(tmp_path: Path) -> Path:
    path = tmp_path / "default"
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))
    return path


@pytest.mark.parametrize(("mode", "expected"), [(0o600, False), (0o700, True)])
def test_the_socket_mode_shows_whether_a_client_is_attached(place: Path, mode: int, expected: bool) -> None:
    """tmux and screen remove the x bit from their socket when the last client detaches."""
    place.chmod(mode)
    assert is_socket_attached({"TMUX": f"{place},1234,0"}) is expected
    assert is_socket_attached({"STY": place.name, "SCREENDIR": str(place.parent)}) is expected


def test_an_unknown_state_counts_as_attached(tmp_path: Path) -> None:
    """No multiplexer, a missing socket, a name outside the folder: somebody may be watching."""
    assert is_socket_attached({})
    assert is_socket_attached({"TMUX": f"{tmp_path / 'gone'},1,0"})
    assert is_socket_attached({"STY": "../../etc/passwd", "SCREENDIR": str(tmp_path)})


async def test_a_tmux_that_fails_counts_as_attached(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing, failing or silent tmux counts as attached; only 0 for every session with this very pane does not."""
    environ = {"TMUX": f"{place},1,0", "TMUX_PANE": "%1"}
    assert await is_attached({}, "/dev/pts/3")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert await is_attached(environ, "/dev/pts/3")
    for script, expected in (
        ("exit 1", True),
        ("echo '%1 /dev/pts/3 1'", True),
        ("echo '%1 /dev/pts/3 0'", False),
        ("echo '%1 /dev/pts/3 0'; echo '%1 /dev/pts/3 1'", True),  # the same window in two sessions
        ("echo '%1 /dev/pts/9 0'", True),  # another terminal, opened from within this pane
        ("echo '%11 /dev/pts/3 0'", True),
    ):
        program = tmp_path / "tmux"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        assert await is_attached(environ, "/dev/pts/3") is expected, script


def test_an_inherited_screen_session_counts_as_attached(place: Path) -> None:
    """A terminal opened from within screen only inherits STY; one whose session leader is screen's child belongs to it."""
    place.chmod(0o600)
    environ = {"STY": place.name, "SCREENDIR": str(place.parent)}
    assert asyncio.run(is_attached(environ, ""))
    # A session of its own whose leader is our child, as a shell is screen's child.
    mine = place.rename(place.with_name(f"{os.getpid()}.mine"))
    assert not query_in_own_session(mine)
    theirs = mine.rename(place.with_name(f"{os.getppid()}.theirs"))
    assert query_in_own_session(theirs)


def query_in_own_session(screen: Path) -> bool:
    code = (
        "import asyncio, sys; from widgets.terminal.multiplexer import is_attached;"
        "print(asyncio.run(is_attached({'STY': sys.argv[1], 'SCREENDIR': sys.argv[2]}, '')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, screen.name, str(screen.parent)],
        capture_output=True,
        text=True,
        check=True,
        start_new_session=True,
    )
    return done.stdout.strip() == "True"
