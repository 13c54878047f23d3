"""The driver's input thread: it sleeps until there is input, and ends at once."""

from __future__ import annotations

import fcntl
import os
import selectors
import struct
import sys
import termios
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from limits import extend
from textual import events
from textual.message import Message

from widgets.terminal.driver import TtyDriver


class Keys(TtyDriver):
    """The driver's input alone, read from a pipe."""

    def __init__(self) -> None:
        self.fileno, self.typed = os.pipe()
        self._debug = False
        self._input_end = os.pipe()
        self.exit_event = threading.Event()
        self.keys: list[str] = []
        self.others: list[str] = []
        self._key_thread = threading.Thread(target=self.run_input_thread)
        self._key_thread.start()

    def _disable_mouse_support(self) -> None:
        pass

    def process_message(self, message: Message) -> None:
        if isinstance(message, events.Key):
            self.keys.append(message.key)
        else:
            self.others.append(type(message).__name__)

    def wait(self, count: int) -> list[str]:
        until = time.monotonic() + 10.0
        while len(self.keys) < count and time.monotonic() < until:
            time.sleep(0.01)
        return self.keys

    @property
    def alive(self) -> bool:
        return self._key_thread is not None and self._key_thread.is_alive()


@pytest.fixture
def driver() -> Iterator[Keys]:
    made = Keys()
    yield made
    made.disable_input()
    os.close(made.typed)
    os.close(made.fileno)


def test_every_key_arrives(driver: Keys) -> None:
    """Also one whose bytes come in two pieces, and Escape, which only the time tells from the start of a sequence."""
    for piece in (b"a", "é".encode()[:1], "é".encode()[1:], b"\x1b[", b"A"):
        os.write(driver.typed, piece)
        time.sleep(0.02)
    assert driver.wait(3) == ["a", "é", "up"]
    os.write(driver.typed, b"\x1b")
    assert driver.wait(4)[-1] == "escape"


def test_tmux_tells_the_focus_without_being_asked_for_it(driver: Keys) -> None:
    """Recorded: tmux 3.3a with `focus-events off` sends both when a client attaches and detaches. They are no keys."""
    os.write(driver.typed, b"\x1b[I\x1b[Oa")
    assert driver.wait(1) == ["a"]
    assert driver.others == ["AppFocus", "AppBlur"]


def test_the_size_comes_from_the_kernel(driver: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    """tmux 3.3a answers `CSI 18 t` in a window of 31 rows and 90 columns with `CSI 8 ; 90 ; 31 t`, changed over (recorded)."""
    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 31, 90, 0, 0))
    for name in ("COLUMNS", "LINES"):
        monkeypatch.delenv(name, raising=False)
    with os.fdopen(slave) as terminal:
        for name in ("__stdin__", "__stdout__", "__stderr__"):
            monkeypatch.setattr(sys, name, terminal)
        assert driver.terminal_size() == (90, 31)
    os.close(master)


def test_nothing_wakes_it_while_nobody_types(driver: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    """One wait holds until the next key; Textual's own loop waits ten times a second."""
    waits: list[float | None] = []
    select = selectors.SelectSelector.select

    def counted(self: selectors.SelectSelector, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        waits.append(timeout)
        return select(self, timeout)

    monkeypatch.setattr(selectors.SelectSelector, "select", counted)
    os.write(driver.typed, b"a")
    driver.wait(1)
    time.sleep(0.35)
    assert waits == [None]


def test_it_ends_at_once(driver: Keys) -> None:
    """Ending the input ends the thread without a key, closes the pipe, and may be done twice."""
    before = len(list(Path("/proc/self/fd").iterdir()))
    began = time.monotonic()
    driver.disable_input()
    assert not driver.alive and time.monotonic() - began < extend(1.0)
    assert len(list(Path("/proc/self/fd").iterdir())) == before - 2
    driver.disable_input()


def test_it_ends_with_its_input() -> None:
    """Without input any more, as from an empty pipe, it does not read again and again."""
    driver = Keys()
    os.close(driver.typed)
    deadline = time.monotonic() + 5.0
    while driver.alive and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not driver.alive
    driver.disable_input()
    os.close(driver.fileno)


class Titled(TtyDriver):
    """The driver's title alone; `sent` is what the terminal gets."""

    def __init__(self) -> None:
        self._title = ""
        self.sent: list[str] = []
        self.writer = self  # type: ignore[assignment]

    def write(self, data: str) -> None:
        self.sent.append(data)


def test_the_title_is_sent_when_it_changes_and_the_old_one_comes_back() -> None:
    """The terminal keeps the title of before on its stack; the same title again sends nothing, and neither does none."""
    driver = Titled()
    for text in ("", "P1 a 00:01", "P1 a 00:01", "P1 a 00:02", "", ""):
        driver.set_title(text)
    assert driver.sent == ["\x1b[22;2t\x1b]2;P1 a 00:01\x1b\\", "\x1b]2;P1 a 00:02\x1b\\", "\x1b]2;\x1b\\\x1b[23;2t"]
