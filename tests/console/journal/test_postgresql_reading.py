"""What the shared store reads, sends and says, against a database in memory; the real one is in test_postgresql.py."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from memory_database import MemoryDatabase
from psycopg import errors

from console.config.settings import POSTGRESQL, StoreSettings
from console.journal import postgresql
from console.journal.event import Event
from console.journal.postgresql import PostgreSQL
from console.journal.shared_store import EVENT_BYTES, to_json
from queries.errors import AccessDenied, RateLimited, RequestRejected, SourceError, TimedOut, Unreachable
from queries.model.fault import FaultKind

NOW = 1_700_000_000.0
URL = "postgresql://me@db.test/journal"
Open = Callable[..., PostgreSQL]


def event(number: int, text: str = "x") -> Event:
    return Event(NOW + number, "note", f"s{number}", "bob@vm", "prod", {"text": text}, 0, f"{number:032}", number + 1)


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> MemoryDatabase:
    found = MemoryDatabase()
    monkeypatch.setattr(postgresql, "limited", lambda _: found)
    return found


@pytest.fixture
def open_store(database: MemoryDatabase) -> Open:
    def make(read_only: bool = False, password_file: str = "") -> PostgreSQL:
        settings = StoreSettings(POSTGRESQL, url=URL, password_file=password_file)
        return PostgreSQL(settings, read_only=read_only, clock=lambda: NOW + 1000.0)

    return make


def read(store: PostgreSQL, cursor: str = "") -> tuple[list[list[str]], str]:
    """The subjects of every delivery, and the last cursor."""
    found: list[list[str]] = []
    last = [cursor]

    def on_events(events: tuple[Event, ...], cursor: str) -> None:
        found.append([item.subject for item in events])
        last[0] = cursor

    assert store.read(cursor, on_events)
    return found, last[0]


def test_what_is_pushed_is_read_by_another_page_by_page(database: MemoryDatabase, open_store: Open) -> None:
    """Each once; from its cursor on only what is new, and an event that is pushed twice is there once."""
    one, two = open_store(), open_store()
    events = [event(number) for number in range(5)]
    assert one.push(events).stored == tuple(events) == one.push(events).stored
    found, cursor = read(two)
    assert found == [["s0", "s1"], ["s2", "s3"], ["s4"]]
    assert read(two, cursor) == ([], cursor)
    one.push([event(7)])
    assert read(two, cursor)[0] == [["s7"]] == read(open_store(), cursor)[0]
    assert database.notified == [("cad_console_journal", "")] * 3


@pytest.mark.parametrize("cursor", ["", "x", "[1]", "null", '["a", "b", []]', '[1, "another id", []]', '[99, "", []]'])
def test_a_cursor_of_another_table_begins_anew(database: MemoryDatabase, open_store: Open, cursor: str) -> None:
    """One that cannot be read, or names a place where another event is or none: everything is read again."""
    store = open_store()
    store.push([event(0), event(1), event(2)])
    assert read(store, cursor)[0] == [["s0", "s1"], ["s2"]]


def test_one_that_nobody_takes_is_left_out_until_it_is_gone(database: MemoryDatabase, open_store: Open) -> None:
    """It is named, stands in the cursor so that the next process names it too, and is forgotten once somebody deleted it."""
    store = open_store()
    store.push([event(0)])
    bad, worse = database.add("f" * 32, "no event"), database.add("e" * 32, "")
    store.push([event(3)])
    found, cursor = read(store)
    assert found == [["s0"], ["s3"]] and store.left_out and str(bad) in " ".join(store.left_out)
    fresh = open_store()
    assert read(fresh, cursor)[0] == [] and fresh.left_out == store.left_out
    assert database.rows is not None
    database.rows[bad] = ("f" * 32, to_json(event(4)))
    del database.rows[worse]
    late = open_store()
    assert read(late, cursor)[0] == [["s4"]] and late.left_out == ()


@pytest.mark.parametrize(("more", "refused"), [(0, 0), (1, 1)])
def test_an_event_of_256_kib_is_shared_and_a_larger_one_stays(open_store: Open, more: int, refused: int) -> None:
    """The one beside it is shared either way."""
    size = EVENT_BYTES - len(to_json(event(1, ""))) + more
    big, small = event(1, "x" * size), event(2)
    result = open_store().push([big, small])
    assert len(to_json(big)) == EVENT_BYTES + more
    assert result.refused == (((big, "it is too large to be shared"),) if refused else ())
    assert result.stored == ((small,) if refused else (big, small))


def test_the_first_with_write_access_makes_the_table(database: MemoryDatabase, open_store: Open) -> None:
    """One that only reads makes none, finds nothing, sends nothing, and tells the server that it writes nothing."""
    only = open_store(read_only=True)
    assert read(only) == ([], "") and database.rows is None
    with pytest.raises(PermissionError, match="read-only"):
        only.push([event(0)])
    assert any("read_only" in text for text in database.statements)
    before = len(database.statements)
    store = open_store()
    assert read(store) == ([], "") and database.rows == {}
    assert not any("read_only" in text for text in database.statements[before:])
    store.push([event(0)])
    assert read(only)[0] == [["s0"]]


@pytest.mark.parametrize(
    ("failure", "kind", "words"),
    [
        (errors.InvalidPassword("secret"), AccessDenied, "refuses the user or the password"),
        (psycopg.OperationalError('role "x" is not there'), AccessDenied, "refuses the user or the password"),
        (errors.InsufficientPrivilege("secret"), AccessDenied, "forbids this user to use the table"),
        (errors.InvalidCatalogName("secret"), RequestRejected, "no such database"),
        (errors.ReadOnlySqlTransaction("secret"), RequestRejected, "takes no writes"),
        (errors.DiskFull("secret"), RequestRejected, "disk of PostgreSQL is full"),
        (errors.TooManyConnections("secret"), RateLimited, "takes no more connections"),
        (errors.AdminShutdown("secret"), Unreachable, "starting or stopping"),
        (errors.QueryCanceled("secret"), TimedOut, "does not answer in time"),
        (errors.LockNotAvailable("secret"), TimedOut, "does not answer in time"),
        (errors.ConnectionTimeout("secret"), TimedOut, "does not answer in time"),
        (psycopg.OperationalError("secret"), Unreachable, "no connection to PostgreSQL"),
        (psycopg.InterfaceError("secret"), Unreachable, "no connection to PostgreSQL"),
        (psycopg.ProgrammingError("secret"), RequestRejected, "not one that libpq takes"),
        (errors.UndefinedColumn("secret"), RequestRejected, "refuses this (42703)"),
        (psycopg.DataError("secret"), RequestRejected, "refuses this (DataError)"),
    ],
)
def test_what_the_server_refuses_is_said_in_our_own_words(
    database: MemoryDatabase, open_store: Open, failure: Exception, kind: type[SourceError], words: str
) -> None:
    """Never in the server's, which may quote what was sent; with the place, and the next call opens another connection."""
    store = open_store()
    store.push([event(0)])
    database.failure = failure
    calls: tuple[Callable[[], object], ...] = (
        store.ping, lambda: store.push([event(1)]), lambda: read(store), lambda: store.board().write("me", "{}"),
    )  # fmt: skip
    for count, call in enumerate(calls, start=1):
        with pytest.raises(kind) as told:
            call()
        fault = told.value.fault
        assert words in fault.what and "secret" not in f"{fault.sentence()}{fault.hint}" and fault.where == store.where
        assert (len(database.made), database.closed) == (count, count)
    database.failure = None
    store.ping()
    assert len(database.made) == len(calls) + 1 and store.fault is None


def test_what_is_not_the_server_s_fault_is_told_as_it_is(database: MemoryDatabase, open_store: Open) -> None:
    """An error of the code stays one, and its connection is not used again."""
    store = open_store()
    database.failure = ZeroDivisionError("ours")
    with pytest.raises(ZeroDivisionError):
        store.ping()
    assert database.closed == 1


def test_the_password_comes_from_its_file(database: MemoryDatabase, open_store: Open, tmp_path: Path) -> None:
    """Without line end, read for each connection; without a file libpq looks where it always does, and one that cannot be read
    is named without its path.
    """
    (tmp_path / "word").write_text("opensesame\n")
    open_store(password_file=str(tmp_path / "word")).ping()
    open_store().ping()
    assert [made.get("password") for made in database.made] == ["opensesame", None]
    with pytest.raises(AccessDenied, match="the password file of the store cannot be read") as told:
        open_store(password_file=str(tmp_path / "none")).ping()
    assert told.value.fault.kind is FaultKind.DENIED and "opensesame" not in str(told.value)


def test_a_heartbeat_is_a_notification_alone(database: MemoryDatabase, open_store: Open) -> None:
    """It needs no table; the board of a store is told in the channel of its own."""
    board = open_store(read_only=True).board()
    board.write("me", "{}")
    board.remove("me")
    assert database.notified == [("cad_console_presence", "me {}"), ("cad_console_presence", "me")]
    assert database.rows is None


def test_the_events_of_a_page_come_in_their_own_order(database: MemoryDatabase, open_store: Open) -> None:
    """Two consoles may have pushed in another order than they happened."""
    database.page = 10
    store = open_store()
    store.push([replace(event(5), stamp=50), replace(event(1), stamp=10)])
    assert read(store)[0] == [["s1", "s5"]]
