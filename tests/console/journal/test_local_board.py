"""The board of one host's consoles in a small file: what each sees of the other, and what becomes of a file that is damaged."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from console.journal.local_board import FILE, LocalBoard
from queries.errors import Unreachable


@pytest.fixture
def boards(tmp_path: Path) -> Iterator[tuple[LocalBoard, LocalBoard]]:
    two = LocalBoard(tmp_path / FILE), LocalBoard(tmp_path / FILE)
    yield two
    for board in two:
        board.close()


def test_two_consoles_see_each_other(boards: tuple[LocalBoard, LocalBoard]) -> None:
    """What one writes the other reads with its next look; an entry is replaced, and removed alone."""
    ann, bob = boards
    ann.open(lambda: None)
    assert ann.entries() == bob.entries() == {}
    ann.write("ann", "1")
    ann.write("a2", "1")
    assert bob.entries() == {"ann": "1", "a2": "1"}
    ann.write("ann", "2")
    assert bob.entries() == {"ann": "2", "a2": "1"}
    ann.remove("ann")
    ann.remove("nobody")
    assert bob.entries() == {"a2": "1"}
    assert (ann.fault, ann.live) == (None, False)


def test_what_one_removes_it_no_longer_sees(boards: tuple[LocalBoard, LocalBoard]) -> None:
    """The entry of a console that was killed: whoever removes it sees it gone at once, not with the next change of another."""
    ann, bob = boards
    bob.write("bob", "1")
    bob.write("b2", "1")
    assert ann.entries() == {"bob": "1", "b2": "1"}
    ann.remove("bob")
    assert ann.entries() == {"b2": "1"} == bob.entries()


@pytest.mark.parametrize(("count", "seen"), [(199, 199), (200, 200), (201, 200)])
def test_two_hundred_entries_are_read(boards: tuple[LocalBoard, LocalBoard], count: int, seen: int) -> None:
    """Whoever can write the file cannot make a console read for ever."""
    ann, bob = boards
    for number in range(count):
        bob.write(f"c{number}", "x")
    entries = ann.entries()
    assert entries is not None and len(entries) == seen


def test_a_table_of_another_shape_is_made_anew(tmp_path: Path) -> None:
    """Of a later release, or of another program: said once, and then the board works."""
    with closing(sqlite3.connect(tmp_path / FILE)) as connection:
        connection.execute("CREATE TABLE presence (other TEXT)")
        connection.commit()
    board = LocalBoard(tmp_path / FILE)
    with pytest.raises(Unreachable, match="cannot be used"):
        board.write("ann", "1")
    board.write("ann", "1")
    assert board.entries() == {"ann": "1"}
    board.close()


def test_a_file_that_is_only_locked_is_not_deleted(tmp_path: Path) -> None:
    """Another console writes at this moment: that is said, and its entries stay."""
    board = LocalBoard(tmp_path / FILE)
    board.write("ann", "1")
    with closing(sqlite3.connect(tmp_path / FILE, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(Unreachable, match="locked") as told:
            board.write("bob", "1")
        assert str(tmp_path / FILE) in told.value.fault.what
        other.execute("ROLLBACK")
    board.write("bob", "1")
    assert board.entries() == {"ann": "1", "bob": "1"}
    board.close()
    board.close()  # a second time does nothing
