"""Whether anybody is attached, by the socket's mode."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from widgets.frames.attached import attached, session_attached


@pytest.fixture
def place(tmp_path: Path) -> Path:
    path = tmp_path / "default"
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))
    return path


@pytest.mark.parametrize(("mode", "expected"), [(0o600, False), (0o700, True)])
def test_the_mode_tells(place: Path, mode: int, expected: bool) -> None:
    """tmux and screen take the x away from their socket when the last terminal leaves."""
    place.chmod(mode)
    assert attached({"TMUX": f"{place},1234,0"}) is expected
    assert attached({"STY": place.name, "SCREENDIR": str(place.parent)}) is expected


def test_what_cannot_be_known_is_seen(tmp_path: Path) -> None:
    """No multiplexer, a socket that is gone, a name that leaves the folder: somebody may be looking."""
    assert attached({})
    assert attached({"TMUX": f"{tmp_path / 'gone'},1,0"})
    assert attached({"STY": "../../etc/passwd", "SCREENDIR": str(tmp_path)})


async def test_a_tmux_that_does_not_answer_hides_nothing(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No program, or one that fails, or says nothing: seen. Only a plain 0 is unseen."""
    environ = {"TMUX": f"{place},1,0", "TMUX_PANE": "%0"}
    assert await session_attached({})
    monkeypatch.setenv("PATH", str(tmp_path))
    assert await session_attached(environ)
    for said, expected in (("exit 1", True), ("echo 1", True), ("echo 0", False)):
        program = tmp_path / "tmux"
        program.write_text(f"#!/bin/sh\n{said}\n")
        program.chmod(0o755)
        assert await session_attached(environ) is expected
