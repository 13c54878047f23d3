"""The board of a database's consoles: what a heartbeat changes, what an end changes, and how many there may be."""

from __future__ import annotations

from typing import Any

import pytest

from console.journal.postgresql import NotifyBoard
from queries.model.fault import Fault, FaultKind


class Store:
    """Keeps what is sent to the others."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.fault: Fault | None = None

    def notify_presence(self, payload: str) -> None:
        self.sent.append(payload)


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def board(store: Store) -> NotifyBoard:
    own: Any = store
    return NotifyBoard(own)


def test_nobody_is_known_before_the_connection_and_everybody_since_stays(board: NotifyBoard, store: Store) -> None:
    """Not knowing is not being alone; a second connection forgets nobody. The fault is the store's."""
    calls: list[int] = []
    board.open(lambda: calls.append(1))
    assert board.entries() is None and board.fault is None
    board.connect()
    assert board.entries() == {} and len(calls) == 1
    board.ingest('a {"user": "ann b"}')
    board.ingest("b {}")
    board.connect()
    assert board.entries() == {"a": '{"user": "ann b"}', "b": "{}"} and len(calls) == 4
    store.fault = Fault(FaultKind.UNREACHABLE, "gone")
    assert board.fault is store.fault


def test_a_later_heartbeat_replaces_the_one_before_and_an_id_alone_ends_it(board: NotifyBoard) -> None:
    """Of two consoles each has its own; the end of one that nobody knew changes nothing."""
    for payload in ("a one", "b one", "a two", "c", "b"):
        board.ingest(payload)
    assert board.entries() == {"a": "two"}


def test_what_is_read_is_a_copy(board: NotifyBoard) -> None:
    """A heartbeat that comes later does not change it."""
    board.ingest("a one")
    entries = board.entries()
    board.ingest("b one")
    assert entries == {"a": "one"}


def test_two_hundred_consoles_are_kept(board: NotifyBoard) -> None:
    """One more is left out until one ends; those that are known are heard still."""
    for number in range(201):
        board.ingest(f"c{number} first")
    entries = board.entries()
    assert entries is not None and len(entries) == 200 and "c200" not in entries
    board.ingest("c0 second")
    board.ingest("c1")
    board.ingest("c200 first")
    entries = board.entries()
    assert entries is not None and len(entries) == 200
    assert (entries["c0"], entries["c200"], "c1" in entries) == ("second", "first", False)


def test_the_own_heartbeat_goes_to_the_others(board: NotifyBoard, store: Store) -> None:
    """With the id before it; the end is the id alone, and it is off the own board at once."""
    board.write("me", "{}")
    board.ingest("me {}")
    board.ingest("you {}")
    board.remove("me")
    board.remove("nobody")
    assert store.sent == ["me {}", "me", "nobody"]
    assert board.entries() == {"you": "{}"}
