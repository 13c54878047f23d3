"""A changed value on a terminal line of 9,600 bit/s: until its last byte has arrived there."""

from __future__ import annotations

import os
import select
import statistics
import time

import pyte
from figure import Figure
from stage import COLUMNS, ROWS, Stage, Timed
from wire_proxy import WireProxy

_BYTES_A_SECOND = 960
"""9,600 bit/s with a start and a stop bit for each byte."""
_CHANGES = 8
_SERIES = "dedup2d_job_queue_depth"


class Line:
    """What arrives at the end of the line, no faster than it; a line that was idle has no credit."""

    def __init__(self, terminal: Timed) -> None:
        self._terminal = terminal
        self._at = time.monotonic()
        self._tail = b""
        self.screen = pyte.Screen(COLUMNS, ROWS)
        self._stream = pyte.ByteStream(self.screen)
        self.last_at = 0.0

    def read(self, seconds: float, *, quiet: float = float("inf")) -> int:
        """Read for so long, or until nothing came for `quiet` seconds after something did."""
        ends, got = time.monotonic() + seconds, 0
        while (now := time.monotonic()) < ends and not (got and now - self.last_at > quiet):
            time.sleep(0.005)
            self._at = max(self._at, time.monotonic() - 0.02)
            due = int((time.monotonic() - self._at) * _BYTES_A_SECOND)
            master = self._terminal.master
            if due < 1 or not select.select([master], [], [], 0)[0]:
                continue
            data = os.read(master, due)
            self._at += len(data) / _BYTES_A_SECOND
            self.last_at = time.monotonic()
            got += len(data)
            self._stream.feed(data)
            # As every terminal does: it answers when it has received the question.
            seen = self._tail + data
            os.write(master, b"\x1b[1;1R" * (seen.count(b"\x1b[6n") - self._tail.count(b"\x1b[6n")))
            self._tail = seen[-3:]
        return got

    def shows(self, text: str) -> bool:
        return any(text in row for row in self.screen.display)


def measure(stage: Stage) -> list[Figure]:
    with (
        stage.platform() as sources,
        WireProxy(sources.prometheus.url) as proxy,
        stage.console(sources.environ(PROMETHEUS_URL=proxy.url)) as terminal,
    ):
        line = Line(terminal)
        line.read(60.0, quiet=6.0)
        drawn, whole, sizes = [], [], []
        for number in range(_CHANGES):
            _clear_of_the_minute(line)
            value = 731 + number
            proxy.watch(f'"{value}"'.encode())
            changed_at = time.monotonic()
            sources.exporter.set(_SERIES, float(value))
            sizes.append(line.read(12.0, quiet=1.5))
            if not line.shows(str(value)) or proxy.seen_at is None:
                raise AssertionError(f"{value} did not appear:\n" + "\n".join(line.screen.display))
            drawn.append(line.last_at - proxy.seen_at)
            whole.append(line.last_at - changed_at)
    note = f"worst {max(drawn):.2f} s, {statistics.median(sizes):.0f} B"
    return [
        Figure("one value on 9,600 bit/s: answer to last byte", statistics.median(drawn), "s", 1.0, note),
        Figure(
            "the same from the change at the exporter, scraped and refreshed each second",
            statistics.median(whole),
            "s",
            None,
            f"worst {max(whole):.2f} s",
        ),
    ]


def _clear_of_the_minute(line: Line) -> None:
    """At a full minute the clock and the trends change too."""
    left = 60.0 - time.time() % 60.0
    if left < 10.0:
        line.read(left + 4.0)
    else:
        line.read(1.0)
