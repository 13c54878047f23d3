"""A journal of a million events of the release before: its first start, every later one against that of an empty one, and pages
and searches on the screen.
"""

from __future__ import annotations

import os
import sqlite3
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import opening
from figure import Figure
from journal_files import events, write_old
from keys import latency
from stage import Stage, Timed
from subject import PROGRAM

from console.journal.sqlite import Journal

_KEY_GOAL_MS = 25
_PAGES = 30
_FEW = 1_000
"""Events of a journal in which every search is short, and finds a page."""
_TIMES = 5
_ANSWER_SECONDS = 0.5
_SEARCHES = ("kind:alert.", "by:dee", "queue", "by:ann kind:action rollback")
_NOWHERE = "no-such-word"
"""Every event is read for it."""
EVENTS = int(os.environ.get("BENCH_JOURNAL_EVENTS", "1000000"))


def measure(stage: Stage) -> list[Figure]:
    long, journal = opening.home(Path(stage.place("long")))
    began = time.monotonic()
    if given := os.environ.get("BENCH_JOURNAL"):
        with sqlite3.connect(given) as source, sqlite3.connect(journal) as target:
            source.backup(target)
    else:
        write_old(journal, events(EVENTS))
    made = time.monotonic() - began
    empty, other = opening.home(Path(stage.place("empty")))
    Journal.open(other).close()
    first, idle = opening.cost(long, ()), opening.cost(empty, ())
    figures = [
        Figure(f"journal of {EVENTS:,} events written by the generator", made, "s", None),
        Figure("its first start after the update, all of it read", first.seconds, "s", None, f"{first.cpu_seconds:.0f} s CPU"),
        Figure("memory of that ÷ empty journal", first.megabytes / idle.megabytes, "×", None, f"{first.megabytes:.0f} MB"),
    ]
    for verb in ((), *opening.VERBS):
        name = " ".join(verb) or "session opened"
        one, zero, ratio = opening.compare(long, empty, verb)
        told = f"{one.seconds * 1000:.0f} against {zero.seconds * 1000:.0f} ms"
        figures.append(Figure(f"{name}, long ÷ empty journal: time", ratio.seconds, "×", 1.5, told))
        told = f"{one.megabytes:.0f} against {zero.megabytes:.0f} MB"
        figures.append(Figure(f"{name}, long ÷ empty journal: memory", ratio.megabytes, "×", 1.2, told))
    short, path = opening.home(Path(stage.place("short")))
    write_old(path, events(_FEW))
    opening.cost(short, ())
    return [*figures, *on_the_screen(long, short)]


def on_the_screen(long: dict[str, str], short: dict[str, str]) -> list[Figure]:
    """From a key to its answer: older pages, searches that are pasted, and cursor keys while a search reads every event."""
    with _opened(long, f"of {EVENTS}") as terminal:
        pages = [_answer_ms(terminal, "o", f"page {number + 2} ")[1] for number in range(_PAGES)]
        terminal.send("u")
        terminal.read(1.0)
        searches = _search(terminal)
        keys, took = _press_during_a_search(terminal)
    with _opened(short, f"of {_FEW}") as terminal:
        few_found = _search(terminal)
    name = f"journal of {EVENTS:,} events"
    many, few = (statistics.median(answer for _, answer in found) for found in (searches, few_found))
    return [
        latency(f"an older page, p95, {name}", pages, _KEY_GOAL_MS),
        latency(f"key press to first byte, p95, a search in the {name}", [first for first, _ in searches], _KEY_GOAL_MS),
        latency(f"key press to first byte, p95, while a search reads the whole {name}", keys, _KEY_GOAL_MS),
        Figure(f"answer of a search, {name} ÷ {_FEW:,}", many / few, "×", 1.2, f"{many:.1f} against {few:.1f} ms"),
        Figure(f"a search that finds nothing, {name}", took, "s"),
    ]


@contextmanager
def _opened(environ: dict[str, str], shown: str) -> Iterator[Timed]:
    """The console with the journal on the screen."""
    with Timed(PROGRAM, "--refresh", "1", env={"TERM": "xterm-256color", "LANG": "C.UTF-8", **environ}) as terminal:
        _wait_for(terminal, "No server is configured")
        terminal.send("6")
        _wait_for(terminal, shown)
        yield terminal


def _search(terminal: Timed) -> list[tuple[float, float]]:
    found = []
    for words in _SEARCHES * _TIMES:
        terminal.send("/")
        terminal.read(0.3)
        found.append(_answer_ms(terminal, f"\x1b[200~{words}\x1b[201~", f"filter: {words}"))
        terminal.send("\x1b")
        terminal.read(0.6)
    return found


def _answer_ms(terminal: Timed, key: str, shown: str) -> tuple[float, float]:
    """Milliseconds until the first byte, and until these words are on the screen which were not there before."""
    terminal.draw()
    assert shown not in terminal.text, terminal.text
    sent = time.perf_counter()
    terminal.send(key)
    terminal.read(_ANSWER_SECONDS)
    chunks, terminal.chunks = terminal.chunks, []
    for at, data in chunks:  # drawn after the measurement, of which it would be a part
        terminal.chunks.append((at, data))
        terminal.draw()
        if shown in terminal.text:
            terminal.chunks += [item for item in chunks if item[0] > at]
            return (terminal.begun + chunks[0][0] - sent) * 1000, (terminal.begun + at - sent) * 1000
    raise AssertionError(f"{shown!r} did not appear after {key!r}:\n{terminal.text}")


def _press_during_a_search(terminal: Timed) -> tuple[list[float], float]:
    """Milliseconds to the first byte of each cursor key until the search ends, and the seconds of the search."""
    waits: list[float] = []
    terminal.send(f"/{_NOWHERE}\r")
    begun = time.perf_counter()
    while True:
        terminal.read(0.06)
        sent = time.perf_counter()
        terminal.send("j")
        terminal.first_byte(1.0)
        wait = (time.perf_counter() - sent) * 1000
        terminal.read(0.01)
        terminal.draw()
        if "nothing matches" in terminal.text:  # and no row is left for the last key
            return waits, sent - begun
        waits.append(wait)


def _wait_for(terminal: Timed, shown: str) -> None:
    begun = time.perf_counter()
    while shown not in terminal.text:
        terminal.read(0.2)
        terminal.draw()
        if time.perf_counter() - begun > 60.0:
            raise AssertionError(f"{shown!r} did not appear:\n{terminal.text}")
