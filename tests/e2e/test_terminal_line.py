"""The real program on lines as they are: counted, stalled, resized without end, suspended, detached, cut."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from answering import FRAME_BEGINS, FRAME_ENDS, AnsweringTerminal
from limits import extend
from terminal import PROGRAM, Terminal
from told_platform import Series, ToldPlatform, told_platform

LEAVES = b"\x1b[?1049l"
SHOWS_CURSOR = b"\x1b[?25h"


class Moving:
    """A platform whose error ratio, and whose other panels too if wanted, a test changes."""

    def __init__(self) -> None:
        self.error_ratio = 1.25
        self.request_rate = 3
        self.asked: list[float] = []

    def vector(self, query: str) -> list[Series]:
        self.asked.append(time.monotonic())
        if "__q__" not in query:
            return []
        names = ("p95_latency", "cpu", "memory")
        return [
            ({"__q__": "error_ratio/recorded"}, str(self.error_ratio)),
            ({"__q__": "request_rate/recorded"}, str(self.request_rate)),
            *[({"__q__": f"{name}/recorded"}, "3") for name in names],
        ]

    def asked_since(self, moment: float) -> int:
        return sum(1 for at in self.asked if at >= moment)


@pytest.fixture
def moving() -> Moving:
    return Moving()


@pytest.fixture
def platform(moving: Moving) -> Iterator[ToldPlatform]:
    with told_platform(vector=moving.vector) as told:
        yield told


@pytest.fixture
def opened(platform: ToldPlatform, tmp_path: Path) -> Iterator[Callable[..., AnsweringTerminal]]:
    with ExitStack() as stack:

        def start(
            *flags: str, columns: int = 80, rows: int = 24, kind: type[Terminal] = AnsweringTerminal, **environ: str
        ) -> Terminal:
            env = {**platform.environ(str(tmp_path)), "LANG": "C.UTF-8", "COLORTERM": "truecolor", **environ}
            argv = [PROGRAM, "--refresh", "0.2", *flags]
            terminal = stack.enter_context(kind(argv, env=env, columns=columns, rows=rows))
            terminal.wait_for("1.25 %")
            return terminal

        yield start  # type: ignore[misc]


def since_wait(terminal: Terminal, moment: int) -> bytes:
    return bytes(terminal.received[moment:])


def test_every_byte_is_counted(opened: Callable[..., AnsweringTerminal], moving: Moving) -> None:
    """120x40, values asked five times a second: 16 KB at the start, nothing while nothing changes, 150 for one
    value that is not on the large chart."""
    terminal = opened(columns=120, rows=40)
    terminal.pump(1.0)
    assert len(terminal.received) <= 16_384

    asked = time.monotonic()
    quiet = min(terminal.pump(1.0), terminal.pump(1.0))  # the minute of the heading may change in one of them
    assert moving.asked_since(asked) > 3
    assert quiet == 0

    terminal.pump(0.3)
    sent = []
    for rate in (44, 45):  # likewise
        start = len(terminal.received)
        moving.request_rate = rate
        terminal.wait_for(f"{rate}.0 /s")
        terminal.pump(0.5)
        sent.append(len(terminal.received) - start)
    assert min(sent) <= 150
    assert since_wait(terminal, start).count(FRAME_BEGINS) == since_wait(terminal, start).count(FRAME_ENDS) > 0
    assert not terminal.repainted()


def test_after_a_stall_the_first_frame_is_the_newest(opened: Callable[..., AnsweringTerminal], moving: Moving) -> None:
    """Three seconds without reading, a new value every 0.2 s: polling goes on, one frame waits, the next is the newest;
    then the mode for slow lines is offered."""
    terminal = opened()
    terminal.pump(0.5)
    begun = time.monotonic()
    for step in range(16):
        moving.error_ratio = 2.0 + step / 10
        time.sleep(0.2)
    assert moving.asked_since(begun) >= 6
    start = len(terminal.received)
    Terminal.pump(terminal, 0.1)  # what waited; it is not answered yet
    waited = since_wait(terminal, start)
    assert waited.count(FRAME_BEGINS) <= 2  # one may have been answered in the moment when the stall began
    terminal.wait_for("3.50 %", seconds=3)
    after = since_wait(terminal, start + len(waited))
    assert after.count(FRAME_BEGINS) <= 2
    assert b"2.5" not in after and b"2.9" not in after
    terminal.wait_for("this terminal is slow", ":slow on", seconds=3)
    assert not terminal.repainted()


def test_a_terminal_that_takes_nothing_stops_nothing(opened: Callable[..., Terminal], moving: Moving) -> None:
    """A terminal that answers nothing and takes not one byte more: polling goes on, and the console can be ended."""
    terminal = opened(columns=120, rows=40, kind=Terminal)
    for _ in range(30):  # far more than a pseudo-terminal keeps
        terminal.send("\x12")
        terminal.send("2")
        time.sleep(0.03)
        terminal.send("1")
        time.sleep(0.03)
    begun = time.monotonic()
    time.sleep(1.5)
    assert moving.asked_since(begun) >= 3
    terminal.kill(signal.SIGTERM)
    ended = time.monotonic()
    while os.waitpid(terminal.pid, os.WNOHANG) == (0, 0) and time.monotonic() < ended + 8:
        time.sleep(0.05)
    terminal.exit_code = 0
    assert time.monotonic() - ended < extend(8)


def test_a_storm_of_resizes_ends_on_the_whole_screen(opened: Callable[..., AnsweringTerminal]) -> None:
    """Fifty sizes in a second, 20x5 and 300x100 among them, each end size drawn whole; also the size that it had before."""
    terminal = opened()
    chance = random.Random(3)
    for columns, rows in [(20, 5), (300, 100), (80, 24), (80, 24)]:
        for _ in range(12):
            terminal.resize(chance.randrange(20, 160), chance.randrange(5, 50))
            time.sleep(0.015)
        terminal.resize(columns, rows)
        terminal.pump(0.3)
        assert not terminal.repainted(), f"{columns}x{rows}"
    terminal.wait_for("Error ratio", "1.25 %")


def test_a_size_that_comes_back_at_once_is_drawn_again(opened: Callable[..., AnsweringTerminal]) -> None:
    """To 20x5 and back within a moment: the terminal has cut its lines, and they are all there again."""
    terminal = opened()
    terminal.pump(0.5)
    terminal.resize(20, 5)
    terminal.resize(80, 24)
    terminal.screen.erase_in_display(2)
    terminal.wait_for("Error ratio", "1.25 %", seconds=3)


def test_to_the_shell_and_back(opened: Callable[..., AnsweringTerminal], moving: Moving) -> None:
    """ctrl+z stops it with the terminal restored; continued, it draws everything anew with the newest values."""
    terminal = opened()
    terminal.pump(0.5)
    terminal.send("\x1a")
    deadline = time.monotonic() + 5
    stopped = (0, 0)
    while stopped == (0, 0) and time.monotonic() < deadline:
        terminal.pump(0.05)
        stopped = os.waitpid(terminal.pid, os.WNOHANG | os.WUNTRACED)
    assert os.WIFSTOPPED(stopped[1])
    terminal.pump(0.1)
    assert terminal.received.rfind(LEAVES) > terminal.received.rfind(b"\x1b[?1049h")
    assert terminal.received.rfind(SHOWS_CURSOR) > terminal.received.rfind(b"\x1b[?25l")
    moving.error_ratio = 4.75
    terminal.screen.erase_in_display(2)
    terminal.kill(signal.SIGCONT)
    terminal.wait_for("Error ratio", "4.75 %")
    assert not terminal.repainted()
    terminal.send("q")
    assert terminal.wait_exit() == 0
    assert b"Traceback" not in terminal.received


def test_a_terminal_that_closes(opened: Callable[..., AnsweringTerminal]) -> None:
    """The window is closed: the console ends by itself, and does not spin on the dead line."""
    terminal = opened()
    terminal.pump(0.3)
    terminal.close_line()
    deadline = time.monotonic() + 8
    status = (0, 0)
    while status == (0, 0) and time.monotonic() < deadline:
        time.sleep(0.05)
        status = os.waitpid(terminal.pid, os.WNOHANG)
    assert status[0], "still running"
    terminal.exit_code = os.waitstatus_to_exitcode(status[1])
    assert terminal.exit_code in (128 + signal.SIGHUP, -signal.SIGHUP)


@pytest.mark.parametrize(
    ("environ", "wanted", "unwanted"),
    [
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, rb"\b38;2;", rb"\b38;5;"),
        ({"TERM": "xterm-256color", "COLORTERM": ""}, rb"\b38;5;", rb"\b[34]8;2;"),
        ({"TERM": "xterm", "COLORTERM": ""}, rb"\x1b\[[0-9;]*\b(3|9)[0-7]\b", rb"\b[34]8;[25];"),
        ({"TERM": "xterm-256color", "NO_COLOR": "1"}, rb"\x1b\[0?;?1m", rb"\x1b\[[0-9;]*\b([34]8;|3[0-7]\b|4[0-7]\b|9[0-7]\b)"),
        ({"TERM": "xterm-256color", "NO_COLOR": "", "COLORTERM": ""}, rb"\b38;5;", rb"\b[34]8;2;"),
        ({"TERM": "vt100", "COLORTERM": ""}, rb"\x1b\[0?;?1m", rb"\x1b\[[0-9;]*\b([34]8;|3[0-7]\b|4[0-7]\b|9[0-7]\b)"),
        ({"TERM": "xterm-256color", "LC_ALL": "C", "LANG": "C"}, rb"Error ratio", rb"[\x80-\xff]"),
    ],
    ids=["truecolor", "256", "16", "no colour", "no colour is not asked for", "monochrome", "ascii"],
)
def test_only_what_the_terminal_knows_is_sent(
    environ: dict[str, str], wanted: bytes, unwanted: bytes, opened: Callable[..., AnsweringTerminal]
) -> None:
    """Truecolor, 256 or 16 colours, none at all, or ASCII only: nothing else is ever sent, and the screen is whole."""
    terminal = opened(**environ)
    terminal.send("2")
    terminal.wait_for("Alerts")
    terminal.send("1")
    terminal.wait_for("Error ratio")
    assert re.search(wanted, terminal.received)
    found = re.search(unwanted, terminal.received)
    assert found is None, bytes(terminal.received[found.start() - 20 : found.end() + 20])
    assert not terminal.repainted()


@pytest.mark.parametrize("name", ["dumb", "unknown"])
def test_a_terminal_that_cannot_move_its_cursor_gets_words(name: str, platform: ToldPlatform, tmp_path: Path) -> None:
    """The console draws nothing: it says why, what to set, and which command prints the same, without a control sequence."""
    with AnsweringTerminal([PROGRAM], env={**platform.environ(str(tmp_path)), "TERM": name}, columns=200) as terminal:
        assert terminal.wait_exit() == 1
        assert (
            terminal.text.split()
            == (
                f"cad-console: TERM={name} cannot move its cursor; if yours can, set TERM, such as TERM=xterm-256color; "
                "`cad-console status` prints a snapshot instead"
            ).split()
        )
        assert b"\x1b" not in terminal.received


def test_a_slow_line_gets_few_frames(opened: Callable[..., AnsweringTerminal], moving: Moving) -> None:
    """With --slow and a value that changes five times a second: a frame a second, a byte counter, and keys still answered."""
    terminal = opened("--slow", columns=120, rows=30)
    terminal.wait_for("slow link", "KB sent")
    terminal.pump(1.0)
    start = len(terminal.received)
    for step in range(15):
        moving.error_ratio = 2.0 + step / 10
        terminal.pump(0.2)
    assert 2 <= since_wait(terminal, start).count(FRAME_BEGINS) <= 4
    begun = time.monotonic()
    terminal.send("2")
    terminal.wait_for("Alerts")
    assert time.monotonic() - begun < extend(0.8)


def test_slow_is_chosen_while_it_runs(opened: Callable[..., AnsweringTerminal]) -> None:
    """`:slow on` shows the counter, `:slow off` takes it away."""
    terminal = opened(columns=120, rows=30)
    terminal.send(":")
    terminal.wait_for("a command: tab completes")
    terminal.send("slow on\r")
    terminal.wait_for("slow link", "KB sent")
    terminal.send(":")
    terminal.wait_for("a command: tab completes")
    terminal.send("slow off\r")
    terminal.wait_gone("KB sent")


@pytest.mark.skipif(shutil.which("tmux") is None, reason="no tmux on this machine")
def test_detached_from_tmux_it_rests_and_attached_it_is_current(platform: ToldPlatform, moving: Moving, tmp_path: Path) -> None:
    """Nobody attached: no question to any server. Attached again: asked at once, the newest value there, all of it drawn."""
    name = f"cad-console-test-{os.getpid()}"
    env = {**platform.environ(str(tmp_path)), "LANG": "C.UTF-8", "TMUX_TMPDIR": str(tmp_path), "PATH": os.environ["PATH"]}
    tmux = ["tmux", "-L", name, "-f", "/dev/null"]
    try:
        with AnsweringTerminal([*tmux, "new-session", f"{PROGRAM} --refresh 0.2"], env=env) as first:
            first.wait_for("Error ratio", "1.25 %")
            subprocess.run([*tmux, "detach-client"], env=env, check=True)
            first.wait_exit()
        time.sleep(1.6)
        begun = time.monotonic()
        time.sleep(1.5)
        assert moving.asked_since(begun) == 0
        moving.error_ratio = 6.25
        with AnsweringTerminal([*tmux, "attach"], env=env, columns=100, rows=30) as second:
            second.wait_for("Error ratio", "6.25 %", seconds=5)
            second.send("q")
            second.wait_exit()
            assert b"Traceback" not in second.received
    finally:
        subprocess.run([*tmux, "kill-server"], env=env, check=False, capture_output=True)


@pytest.mark.skipif(shutil.which("screen") is None, reason="no screen on this machine")
def test_detached_from_screen_it_rests_and_attached_it_is_current(
    platform: ToldPlatform, moving: Moving, tmp_path: Path
) -> None:
    """As with tmux: screen tells by the mode of its socket whether anybody is attached."""
    sockets = tmp_path / "screens"
    sockets.mkdir(mode=0o700)
    env = {**platform.environ(str(tmp_path)), "LANG": "C.UTF-8", "SCREENDIR": str(sockets), "PATH": os.environ["PATH"]}
    screen = ["screen", "-c", "/dev/null"]
    try:
        with AnsweringTerminal([*screen, "-U", "-S", "unseen", PROGRAM, "--refresh", "0.2"], env=env) as first:
            first.wait_for("Error ratio", "1.25 %")
            subprocess.run([*screen, "-S", "unseen", "-d"], env=env, check=False, capture_output=True)
            first.wait_exit()
        time.sleep(1.6)
        begun = time.monotonic()
        time.sleep(1.5)
        assert moving.asked_since(begun) == 0
        moving.error_ratio = 6.25
        with AnsweringTerminal([*screen, "-U", "-r", "unseen"], env=env) as second:
            second.wait_for("Error ratio", "6.25 %", seconds=5)
            second.send("q")
            second.wait_exit()
    finally:
        subprocess.run([*screen, "-S", "unseen", "-X", "quit"], env=env, check=False, capture_output=True)
