"""A journal of a million events of the release before: its first start, and every later one against that of an empty one."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path

import opening
from figure import Figure
from journal_files import events, write_old
from stage import Stage

from console.journal.sqlite import Journal

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
    return figures
