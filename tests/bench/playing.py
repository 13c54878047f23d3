"""The past played at 60×: a key press to the first byte of what it changes, requests of a frame, and a jump on a slow wire."""

from __future__ import annotations

import random
import statistics
import time
from datetime import UTC, datetime

from figure import Figure, percentile
from stage import Stage, Timed
from wire_proxy import WireProxy

_PRESSES = 60
_TRIP = 0.040
_SECONDS = 10.0


def measure(stage: Stage) -> list[Figure]:
    with stage.platform(alerts=20) as sources, WireProxy(sources.prometheus.url) as proxy:
        with stage.console(sources.environ(PROMETHEUS_URL=proxy.url)) as terminal:
            terminal.read(6.0)
            _type(terminal, "at -50m")
            terminal.read(4.0)
            terminal.send("\x1b[19~")  # f8
            terminal.read(4.0)
            begun, frames = time.monotonic(), _moment(terminal)
            terminal.read(_SECONDS)
            asked = [one for one in proxy.exchanges if one.at >= begun]
            shown = (_moment(terminal) - frames) / 60.0
            waits = _presses(terminal)
        proxy.trip_seconds = _TRIP
        with stage.console(sources.environ(PROMETHEUS_URL=proxy.url)) as terminal:
            terminal.read(8.0)
            jumps = [_jump(terminal, proxy, minutes) for minutes in (20, 30, 40)]
    if shown < _SECONDS / 2:
        raise AssertionError(f"it did not play: {shown:.0f} frames in {_SECONDS:.0f} s")
    note = f"median {statistics.median(waits):.1f} ms, worst {max(waits):.1f} ms"
    return [
        Figure("key press to first byte, p95, playing at 60×", percentile(waits, 0.95), "ms", 25, note),
        Figure("requests of Prometheus a frame, playing at 60×", len(asked) / shown, "", 1.05, f"{shown:.0f} frames"),
        Figure("jump to a moment at 40 ms round trip ÷ round trip", statistics.median(jumps) / _TRIP, "×", 3),
    ]


def _type(terminal: Timed, command: str) -> None:
    terminal.send(":")
    terminal.settle(0.3, most=2.0)
    terminal.send(f"{command}\r")


def _moment(terminal: Timed) -> float:
    """The moment in line 1, Unix seconds of its day."""
    terminal.draw()
    words = terminal.text.splitlines()[0].partition("AS OF ")[2].split()
    clock = datetime.strptime(words[0].rstrip("Z"), "%H:%M:%S").replace(tzinfo=UTC)
    return clock.hour * 3600.0 + clock.minute * 60.0 + clock.second


def _presses(terminal: Timed) -> list[float]:
    """Cursor keys at a person's pace while frames go on; milliseconds. What a frame brings is read before each press."""
    chance = random.Random(7)
    waits = []
    terminal.send("g")  # from the first row on every key changes something: one that does not would wait for the next frame
    terminal.read(1.5)
    for number in range(_PRESSES):
        terminal.read(chance.uniform(0.1, 0.25))
        begun = time.perf_counter()
        terminal.send("j" if number % 6 < 3 else "k")
        if terminal.first_byte(1.0):
            waits.append((time.perf_counter() - begun) * 1000)
    if len(waits) < _PRESSES * 0.9:
        raise AssertionError(f"only {len(waits)} of {_PRESSES} keys changed anything")
    return waits


def _jump(terminal: Timed, proxy: WireProxy, minutes: int) -> float:
    """From the first request of a jump to the last answer, in seconds: what a live refresh is measured by too."""
    proxy.exchanges.clear()
    _type(terminal, f"at -{minutes}m")
    terminal.read(4.0)
    asked = [one for one in proxy.exchanges if "/query" in one.path]
    first = min(one.at for one in asked)
    # The marks of the timeline are read after the moment is shown, never before it.
    shown = [one for one in asked if one.at - first < 3 * _TRIP]
    return max(one.ended for one in shown) - first
