"""What reaches a terminal that accepts little: one frame, then what waits behind it, and nothing after the end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import Iterator

import pytest
from limits import extend

from widgets.terminal.tty_writer import TtyWriter


class Line:
    """A pseudo-terminal whose other side reads only when it is told to."""

    def __init__(self) -> None:
        self.master, self.slave = os.openpty()
        os.set_blocking(self.master, False)
        self.told: list[str] = []

    def writer(self) -> TtyWriter:
        return TtyWriter(
            self.slave,
            encoding="utf-8",
            on_writable=lambda: self.told.append("writable"),
            on_closed=lambda: self.told.append("closed"),
        )

    def read(self) -> bytes:
        try:
            return os.read(self.master, 1 << 20)
        except BlockingIOError:
            return b""

    def read_until(self, end: bytes) -> bytes:
        """What arrives up to this end: the kernel may hand it over in pieces, a moment later."""
        found, until = b"", time.monotonic() + extend(10.0)
        while not found.endswith(end) and time.monotonic() < until:
            found += self.read()
        return found

    async def read_all(self, end: bytes) -> bytes:
        """The same while the event loop runs."""
        found = b""
        async with asyncio.timeout(extend(10.0)):
            while not found.endswith(end):
                found += self.read()
                await asyncio.sleep(0)
        return found


@pytest.fixture
def line() -> Iterator[Line]:
    made = Line()
    yield made
    for end in (made.master, made.slave):
        with contextlib.suppress(OSError):
            os.close(end)


async def test_frames_and_sequences_arrive_in_order(line: Line) -> None:
    """A frame is one write; a sequence after it follows it; every byte is counted."""
    writer = line.writer()
    writer.write("lost before the start")
    writer.start()
    assert writer.terminal_name == os.ttyname(line.slave) and not writer.pending
    assert writer.send_frame("é1") == 3
    writer.write("[title]")
    assert line.read_until(b"[title]") == "é1[title]".encode() and writer.bytes_written == 10
    writer.stop()
    writer.write("lost after the end")
    writer.stop()
    assert line.read() == b"" and not writer.pending and writer.bytes_written == 10
    writer.start()
    writer.write("again")
    assert line.read_until(b"again") == b"again"
    writer.stop()


async def test_what_a_full_terminal_does_not_accept_waits(line: Line) -> None:
    """Nothing blocks; the rest follows when the terminal reads again, and then the application is told once."""
    writer = line.writer()
    writer.start()
    frame = "x" * 200_000
    assert writer.send_frame(frame) == len(frame) and writer.pending
    writer.write("[after]")
    assert 0 < writer.bytes_written < len(frame)
    assert await line.read_all(b"[after]") == frame.encode() + b"[after]"
    for _ in range(3):
        await asyncio.sleep(0)
    assert line.told == ["writable"] and writer.bytes_written == len(frame) + 7
    writer.stop()


async def test_sequences_do_not_pile_up(line: Line) -> None:
    """Behind a terminal that reads nothing at most 64 KiB and one more wait; the rest is dropped."""
    writer = line.writer()
    writer.start()
    writer.send_frame("x" * 100_000)
    pieces = [f"{number:04}".ljust(1024, "y") for number in range(200)]
    for piece in pieces:
        writer.write(piece)
    kept = "".join(pieces[:65])
    assert await line.read_all(kept[-1024:].encode()) == b"x" * 100_000 + kept.encode()
    writer.write("[end]")
    assert await line.read_all(b"[end]") == b"[end]"
    writer.stop()


async def test_the_end_drops_a_frame_and_closes_its_sequence(line: Line) -> None:
    """What was cut off may have ended within a sequence: that is ended first, then what restores the terminal is sent."""
    writer = line.writer()
    writer.start()
    writer.send_frame("x" * 200_000)
    writer.write("[restore]")
    accepted = writer.bytes_written
    found: list[bytes] = []
    # The other side reads meanwhile; the event loop does not run, so nothing more of the frame is sent.
    reading = threading.Thread(target=lambda: found.append(line.read_until(b"[restore]")))
    reading.start()
    writer.stop()
    reading.join()
    assert found[0] == b"x" * accepted + b"\x1b\\\x1b[m\x1b[?2026l[restore]"


async def test_a_terminal_that_is_gone_is_told_once(line: Line) -> None:
    """By a look at it or by the next write; nothing waits for it any more."""
    writer = line.writer()
    writer.start()
    assert not writer.detect_hangup()
    os.close(line.master)
    assert writer.detect_hangup() and writer.closed and writer.detect_hangup()
    writer.write("lost")
    writer.send_frame("lost")
    assert not writer.pending
    await asyncio.sleep(0)
    assert line.told == ["closed"]
    writer.stop()
