"""The real program while nobody types, nobody is attached, or it does not run: what it asks, and what it then says."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from answering import AnsweringTerminal
from terminal import PROGRAM
from told_platform import Series, ToldPlatform, told_platform

BLUR, FOCUS = "\x1b[O", "\x1b[I"
UNTRUE = ("DOWN", "STALE")

LATER = """
import os, time
_monotonic, _shift = time.monotonic, 0.0
def monotonic():
    global _shift
    if not _shift and os.path.exists({file!r}):
        _shift = 1000.0
    return _monotonic() + _shift
time.monotonic = monotonic
"""
"""Loaded by the interpreter before the program: the monotonic clock jumps by a quarter of an hour when the file is there."""


class Asked:
    """A platform that notes when it was asked, and answers nothing while it is held."""

    def __init__(self) -> None:
        self.at: list[float] = []
        self.answering = threading.Event()
        self.answering.set()
        self.error_ratio = 1.25

    def vector(self, query: str) -> list[Series]:
        self.at.append(time.monotonic())
        self.answering.wait(30)
        return [({"__q__": "error_ratio/recorded"}, str(self.error_ratio))] if "__q__" in query else []

    def since(self, moment: float) -> int:
        return sum(at >= moment for at in self.at)


@pytest.fixture
def asked() -> Iterator[Asked]:
    made = Asked()
    yield made
    made.answering.set()


@pytest.fixture
def platform(asked: Asked) -> Iterator[ToldPlatform]:
    pages = {"/health": {"status": "healthy"}}
    with told_platform(vector=asked.vector, pages=pages) as told:
        yield told


@pytest.fixture
def environ(platform: ToldPlatform, tmp_path: Path) -> dict[str, str]:
    """Values are stale after two seconds, so that no test waits for half a minute."""
    config = tmp_path / "config.yaml"
    config.write_text("refresh:\n  every: 0.5\n  stale_after: 2\n")
    return {
        **platform.environ(str(tmp_path)),
        "LANG": "C.UTF-8",
        "COLORTERM": "truecolor",
        "PATH": os.environ["PATH"],
        "CAD_CONSOLE_CONFIG": str(config),
        "TMUX_TMPDIR": str(tmp_path),
    }


@pytest.fixture
def opened(environ: dict[str, str]) -> Iterator[Callable[..., AnsweringTerminal]]:
    with ExitStack() as stack:

        def start(**more: str) -> AnsweringTerminal:
            terminal = stack.enter_context(AnsweringTerminal([PROGRAM], env={**environ, **more}))
            terminal.wait_for("1.25 %", "prom ok")
            return terminal

        yield start


def never_untrue(terminal: AnsweringTerminal, met: Callable[[], bool], *, seconds: float = 20.0) -> None:
    """Until `met`; no frame in between calls a healthy source DOWN or a value STALE."""
    deadline = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < deadline, terminal.text
        terminal.pump(0.05)
        assert not [word for word in UNTRUE if word in terminal.text], terminal.text


def test_a_quarter_of_an_hour_without_the_keyboard(
    opened: Callable[..., AnsweringTerminal], asked: Asked, tmp_path: Path
) -> None:
    """The terminal says that the keyboard is elsewhere, and a quarter of an hour passes: it asks as before, and a new value
    is drawn, without anybody touching anything."""
    file = tmp_path / "later"
    (tmp_path / "sitecustomize.py").write_text(LATER.format(file=str(file)))
    terminal = opened(PYTHONPATH=str(tmp_path))
    terminal.send(BLUR)
    terminal.pump(0.5)
    file.touch()
    terminal.pump(2.5)
    begun = time.monotonic()
    terminal.pump(3.0)
    assert asked.since(begun) >= 3
    asked.error_ratio = 7.5
    terminal.wait_for("7.50 %", "prom ok", seconds=5)
    assert "DOWN" not in terminal.text
    terminal.send(FOCUS)
    terminal.wait_for("prom ok")


@pytest.mark.parametrize("under_way", [False, True], ids=["idle", "asked"])
def test_stopped_for_longer_than_every_time_limit(
    under_way: bool, opened: Callable[..., AnsweringTerminal], asked: Asked
) -> None:
    """Stopped for seven seconds, also in the middle of a question whose limit is five: continued, everything is PAUSED until it
    answers, and no frame says DOWN or STALE; a server that then gives no answer is called so after its own time."""
    terminal = opened()
    if under_way:
        asked.answering.clear()
        terminal.pump(0.8)
    terminal.kill(signal.SIGSTOP)
    asked.answering.clear()
    time.sleep(7.0)
    terminal.kill(signal.SIGCONT)
    never_untrue(terminal, lambda: "prom PAUSED" in terminal.text and "am PAUSED" not in terminal.text)
    asked.answering.set()
    never_untrue(terminal, lambda: "prom ok" in terminal.text and "PAUSED" not in terminal.text)
    asked.answering.clear()
    terminal.wait_for("prom DOWN", seconds=10)


def test_to_the_shell_and_back_says_paused(opened: Callable[..., AnsweringTerminal], asked: Asked) -> None:
    """ctrl+z for some seconds: continued, the first screen says PAUSED, and the next is current."""
    terminal = opened()
    terminal.send("\x1a")
    deadline = time.monotonic() + 5
    while os.waitpid(terminal.pid, os.WNOHANG | os.WUNTRACED) == (0, 0) and time.monotonic() < deadline:
        terminal.pump(0.05)
    asked.answering.clear()
    time.sleep(6.0)
    terminal.pump(0.1)
    terminal.screen.erase_in_display(2)
    terminal.kill(signal.SIGCONT)
    never_untrue(terminal, lambda: "prom PAUSED" in terminal.text)
    asked.answering.set()
    never_untrue(terminal, lambda: "prom ok" in terminal.text and "1.25 %" in terminal.text)


tmux = pytest.mark.skipif(shutil.which("tmux") is None, reason="no tmux on this machine")


class Tmux:
    """A server of its own."""

    def __init__(self, environ: dict[str, str]) -> None:
        self.environ = environ
        self.words = ["tmux", "-L", f"cad-console-{os.getpid()}", "-f", "/dev/null"]

    def run(self, *words: str) -> str:
        done = subprocess.run([*self.words, *words], env=self.environ, capture_output=True, text=True, check=True)
        return done.stdout

    @property
    def screen(self) -> str:
        return self.run("capture-pane", "-p", "-t", "console")

    def until(self, met: Callable[[], bool], *, seconds: float = 20.0) -> None:
        deadline = time.monotonic() + seconds
        while not met():
            assert time.monotonic() < deadline, self.screen
            time.sleep(0.05)


@pytest.fixture
def multiplexer(environ: dict[str, str]) -> Iterator[Tmux]:
    made = Tmux(environ)
    yield made
    subprocess.run([*made.words, "kill-server"], env=environ, check=False, capture_output=True)


@tmux
def test_detached_it_says_paused_and_attached_it_is_never_untrue(multiplexer: Tmux, asked: Asked) -> None:
    """Begun detached and left so: it asks nothing and says PAUSED, never DOWN. Attached for the first time it asks at once, and
    no screen says DOWN or STALE of what answers; detached again it pauses again."""
    multiplexer.run("new-session", "-d", "-s", "console", "-x", "80", "-y", "24", PROGRAM)
    multiplexer.until(lambda: "PAUSED" in multiplexer.screen)
    begun = time.monotonic() + 1.0  # the first poll may be under way
    while time.monotonic() < begun + 4.0:
        assert not [word for word in UNTRUE if word in multiplexer.screen], multiplexer.screen
        time.sleep(0.2)
    assert asked.since(begun) == 0
    assert "prom PAUSED" in multiplexer.screen
    with AnsweringTerminal([*multiplexer.words, "attach", "-t", "console"], env=multiplexer.environ) as terminal:
        never_untrue(terminal, lambda: "prom ok" in terminal.text and "1.25 %" in terminal.text)
        multiplexer.run("detach-client")
        terminal.wait_exit()
    multiplexer.until(lambda: "prom PAUSED" in multiplexer.screen)


@tmux
def test_a_window_in_two_sessions_is_seen_where_one_is_attached(multiplexer: Tmux, asked: Asked, tmp_path: Path) -> None:
    """A grouped session is attached, and the one in which the console began was detached later: it goes on asking."""
    file = tmp_path / "later"
    (tmp_path / "sitecustomize.py").write_text(LATER.format(file=str(file)))
    multiplexer.environ = {**multiplexer.environ, "PYTHONPATH": str(tmp_path)}
    multiplexer.run("new-session", "-d", "-s", "console", "-x", "80", "-y", "24", PROGRAM)
    with AnsweringTerminal([*multiplexer.words, "new-session", "-t", "console", "-s", "wall"], env=multiplexer.environ) as wall:
        wall.wait_for("prom ok", "1.25 %")
        with AnsweringTerminal([*multiplexer.words, "attach", "-t", "console"], env=multiplexer.environ) as first:
            first.wait_for("prom ok")
            first.send("j")
            first.pump(0.5)
            multiplexer.run("detach-client", "-s", "console")
            first.wait_exit()
        file.touch()  # tmux is asked every fifteen seconds: it is due
        wall.pump(3.0)
        begun = time.monotonic()
        wall.pump(3.0)
        assert asked.since(begun) >= 3
        assert "PAUSED" not in wall.text and "DOWN" not in wall.text


@tmux
def test_a_terminal_that_was_opened_from_within_a_detached_tmux(
    multiplexer: Tmux, asked: Asked, opened: Callable[..., AnsweringTerminal]
) -> None:
    """TMUX and TMUX_PANE are inherited by a terminal that is no pane of it: nobody is attached there, and this one asks on."""
    multiplexer.run("new-session", "-d", "-s", "console", "sleep 60")
    socket, pane = multiplexer.run("display-message", "-p", "-t", "console", "#{socket_path},#{pid},0 #{pane_id}").split()
    terminal = opened(TMUX=socket, TMUX_PANE=pane)
    terminal.pump(3.0)
    begun = time.monotonic()
    terminal.pump(2.0)
    assert asked.since(begun) >= 2
    assert "PAUSED" not in terminal.text
