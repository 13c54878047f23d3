"""The thread that looks at files, and how it notices a change."""

from __future__ import annotations

import os
import sqlite3
import threading
from pathlib import Path

import pytest
from limits import extend

from console.journal.file_watch import FileChanges, FileWatch


class _Watched:
    """Counts the changes of a file by a clock that a test sets."""

    def __init__(self, path: Path) -> None:
        self.found, self.now = 0, 0.0
        self.changes = FileChanges(path, self._count, clock=lambda: self.now)

    def _count(self) -> None:
        self.found += 1

    def look(self) -> int:
        """How many changes this look notices."""
        before = self.found
        self.changes.look()
        return self.found - before


def test_every_change_of_a_file_is_noticed(tmp_path: Path) -> None:
    """Its beginning, each write and its end; without any of them nothing is."""
    path = tmp_path / "a"
    watched = _Watched(path)
    assert [watched.look() for _ in range(3)] == [1, 0, 0]
    path.write_text("one")
    os.utime(path, (1000.5, 1000.5))
    watched.now = 2000.0
    assert [watched.look() for _ in range(3)] == [1, 0, 0]
    os.utime(path, (1000.5, 1000.6))
    assert [watched.look() for _ in range(3)] == [1, 0, 0]
    path.unlink()
    assert [watched.look() for _ in range(3)] == [1, 0, 0]


@pytest.mark.parametrize(("at", "again"), [(1000.25, 0.1), (1000.0, 2.0)], ids=["fine", "whole seconds"])
def test_a_second_write_in_the_tick_of_the_first_is_not_missed(tmp_path: Path, at: float, again: float) -> None:
    """The file's time does not tell it, so what was written just now is read once more."""
    path = tmp_path / "a"
    path.write_text("one")
    os.utime(path, (at, at))
    watched = _Watched(path)
    watched.now = at + again / 2
    assert [watched.look() for _ in range(3)] == [1, 1, 1]
    watched.now = at + again * 2
    assert [watched.look() for _ in range(3)] == [1, 0, 0]


def test_a_commit_of_another_connection_is_a_change(tmp_path: Path) -> None:
    """Of a database in one file, as the consoles of a host share it."""
    path = tmp_path / "db"
    with sqlite3.connect(path, isolation_level=None) as connection:
        connection.execute("CREATE TABLE a (b)")
        watched = _Watched(path)
        watched.look()
        watched.look()
        connection.execute("INSERT INTO a VALUES (1)")
        assert watched.look() == 1
    connection.close()


def test_a_look_that_fails_does_not_end_the_others() -> None:
    """One thread looks for all; it ends when it is closed, and a look that was removed is called no more."""
    called, gone = threading.Event(), threading.Event()

    def fail() -> None:
        raise OSError("gone")

    watch = FileWatch(0.001, name="a watch")
    watch.add(fail)
    watch.add(called.set)
    try:
        assert called.wait(extend(10.0))
        watch.remove(called.set)
        watch.add(gone.set)
        assert gone.wait(extend(10.0))
    finally:
        watch.close()
        watch.close()
    assert "a watch" not in {thread.name for thread in threading.enumerate()}


def test_a_look_is_called_after_all_others_were_removed() -> None:
    """The thread goes on without any, and does not start twice."""
    first, second = threading.Event(), threading.Event()
    watch = FileWatch(0.001, name="a watch")
    try:
        for called in (first, second):
            watch.add(called.set)
            assert called.wait(extend(10.0))
            watch.remove(called.set)
    finally:
        watch.close()
