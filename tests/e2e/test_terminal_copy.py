"""What is called copied under a real tmux, a real GNU screen, and in a plain terminal; and what is really there."""

from __future__ import annotations

import base64
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from answering import AnsweringTerminal
from terminal import PROGRAM, Terminal
from told_platform import Series, ToldPlatform, told_platform

ENTER = "\r"


def vector(query: str) -> list[Series]:
    return [({"__q__": "error_ratio/recorded"}, "1.25")] if "__q__" in query else []


@pytest.fixture
def platform() -> Iterator[ToldPlatform]:
    with told_platform(vector=vector) as told:
        yield told


@pytest.fixture
def environ(platform: ToldPlatform, tmp_path: Path) -> dict[str, str]:
    return {
        **platform.environ(str(tmp_path)),
        "LANG": "C.UTF-8",
        "PATH": os.environ["PATH"],
        "TMUX_TMPDIR": str(tmp_path),
        "SHELL": "/bin/sh",
        "CAD_CONSOLE_READ_ONLY": "1",
    }


def copied(terminal: Terminal) -> str:
    """The query of the first panel, copied; gives the notice in one line."""
    terminal.wait_for("Error ratio", "1.25 %")
    terminal.send(ENTER)
    terminal.wait_for("Error ratio", "[1h]")
    terminal.send("y")
    terminal.wait_for("the query")
    terminal.pump(0.5)
    return re.sub(r"[\s▌▐│]+", " ", terminal.text)


def the_file(folder: Path) -> Path:
    (path,) = folder.rglob("exports/*.txt")
    assert path.stat().st_mode & 0o777 == 0o600
    return path


def sent_to_clipboard(received: bytes) -> list[str]:
    return [base64.b64decode(found).decode() for found in re.findall(rb"\x1b\]52;c;([A-Za-z0-9+/=]+)\x07", received)]


@pytest.mark.parametrize("ssh", [False, True])
def test_a_plain_terminal_confirms_nothing(environ: dict[str, str], tmp_path: Path, ssh: bool) -> None:
    """OSC 52 is sent; it is called sent and not copied, and the text is in a file whose path stands there; over ssh too."""
    more = {"SSH_CONNECTION": "10.0.0.1 1 10.0.0.2 22", "SSH_TTY": "/dev/pts/0"} if ssh else {}
    with AnsweringTerminal([PROGRAM], env={**environ, **more}) as terminal:
        told = copied(terminal)
        (text,) = sent_to_clipboard(bytes(terminal.received))
    assert "sent the query to the terminal's clipboard (OSC 52), which terminals do not confirm" in told
    assert "copied" not in told
    path = the_file(tmp_path)
    assert path.read_text() == text + "\n"
    assert path.name[:9] in told.replace(" ", "")


@pytest.mark.skipif(shutil.which("tmux") is None, reason="no tmux on this machine")
def test_under_tmux_its_buffer_has_it(environ: dict[str, str], tmp_path: Path) -> None:
    """In tmux's default, which drops OSC 52 of programs, what is called copied is in its newest buffer, and in no file."""
    words = ["tmux", "-L", f"cad-console-copy-{os.getpid()}", "-f", "/dev/null"]
    try:
        with AnsweringTerminal([*words, "new-session", "-x", "80", "-y", "24", PROGRAM], env=environ) as terminal:
            told = copied(terminal)
            assert "copied the query into tmux's buffer: prefix ] pastes it" in told
            kept = subprocess.run([*words, "show-buffer"], env=environ, capture_output=True, text=True, check=True).stdout
            option = subprocess.run(
                [*words, "show", "-sv", "set-clipboard"], env=environ, capture_output=True, text=True, check=True
            )
        assert option.stdout.strip() == "external"
        assert "error_ratio" in kept
        assert not list(tmp_path.rglob("exports/*"))
    finally:
        subprocess.run([*words, "kill-server"], env=environ, check=False, capture_output=True)


@pytest.mark.skipif(shutil.which("screen") is None, reason="no screen on this machine")
def test_under_screen_nothing_is_called_copied(environ: dict[str, str], tmp_path: Path) -> None:
    """GNU screen drops OSC 52: nothing is sent, it says that nothing was copied, and the text is in a file."""
    sockets = tmp_path / "screens"
    sockets.mkdir(mode=0o700)
    env = {**environ, "SCREENDIR": str(sockets)}
    words = ["screen", "-c", "/dev/null", "-U", "-S", "copy", PROGRAM]
    try:
        with AnsweringTerminal(words, env=env) as terminal:
            told = copied(terminal)
        assert "does not pass on clipboard data, so the query was not copied; it is in" in told
        assert "error_ratio" in the_file(tmp_path).read_text()
        assert b"\x1b]52" not in bytes(terminal.received)
    finally:
        subprocess.run(["screen", "-S", "copy", "-X", "quit"], env=env, check=False, capture_output=True)
