"""What the shared store reads, sends and says, against a database in memory; the real one is in test_postgresql.py."""

from __future__ import annotations

import contextlib
import json
import socket
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import psycopg
import pytest
from memory_database import MemoryDatabase, Notification
from psycopg import errors
from shared_host import until

from console.config.settings import POSTGRESQL, StoreSettings
from console.journal import postgresql
from console.journal.event import Event
from console.journal.postgresql import PostgreSQL
from console.journal.shared_store import EVENT_BYTES, to_json
from queries.errors import AccessDenied, NotConfigured, RateLimited, RequestRejected, SourceError, TimedOut, Unreachable
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


def test_a_database_without_its_driver_says_what_to_install(
    database: MemoryDatabase, open_store: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The extra of the package, which not everybody installs."""
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(NotConfigured, match="psycopg is not installed") as told:
        open_store().ping()
    assert told.value.fault.hint == "install cad-console with its extra: cad-console[postgresql]"
    assert told.value.fault.where == open_store().where and database.made == []


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


@pytest.mark.parametrize(("passed", "again"), [(59.999, False), (60.0, False), (60.001, True)])
def test_what_was_left_out_is_looked_at_again_after_a_minute(
    database: MemoryDatabase, monkeypatch: pytest.MonkeyPatch, passed: float, again: bool
) -> None:
    """Sixteen at a time, which is what fits into a page; those that became valid are delivered once, and are named no
    longer. Where nothing changed nothing is delivered.
    """
    clock = SimpleNamespace(at=1000.0, now=NOW)
    clock.monotonic = lambda: clock.at
    clock.time = lambda: clock.now
    monkeypatch.setattr("console.journal.postgresql.time", clock)
    settings = StoreSettings(POSTGRESQL, url=URL)
    store = PostgreSQL(settings, read_only=False, clock=lambda: clock.now)
    ahead = [replace(event(number), at=NOW + 86_400.0 + 500.0, stamp=100 - number) for number in range(17)]
    store.push([event(100), *ahead])
    _, cursor = read(store)
    assert len(json.loads(cursor)[2]) == 17 and store.left_out
    found, cursor = read(store, cursor)
    before = len(database.statements)
    assert found == [] and read(store, cursor)[0] == []
    clock.at += passed
    assert read(store, cursor) == ([], cursor)
    looks = [len(values[0]) for statement, values in database.asked[before:] if statement.startswith("SELECT position, CASE")]
    assert looks == ([16, 1] if again else [])
    clock.at += 60.001
    clock.now += 1000.0
    found, cursor = read(store, cursor)
    assert [sorted(delivery) for delivery in found] == [sorted(f"s{number}" for number in range(17))]
    assert json.loads(cursor)[2] == [] and store.left_out == ()
    assert read(store, cursor) == ([], cursor)


def test_a_cursor_names_a_thousand_that_are_left_out(database: MemoryDatabase, open_store: Open) -> None:
    """However many somebody wrote; what is read still goes on after the last one."""
    database.page = 2000
    store = open_store()
    store.push([event(0)])
    for number in range(1001):
        database.add(f"{number:032x}", "no event")
    _, cursor = read(store)
    after, last, left = json.loads(cursor)
    assert (after, last, len(left)) == (1002, f"{1000:032x}", 1000)


def listen(store: PostgreSQL) -> list[int]:
    """Counts how often the store said that something changed."""
    calls: list[int] = []
    store.listen(lambda: calls.append(1))
    return calls


def test_a_notification_wakes_the_reader_and_a_heartbeat_the_board(database: MemoryDatabase, open_store: Open) -> None:
    """Each only what it is for; the board knows who is on from its connection on, and the end closes what listened."""
    store = open_store()
    board = store.board()
    beats: list[int] = []
    board.open(lambda: beats.append(1))
    calls = listen(store)
    until(lambda: beats)
    assert board.entries() == {} and store.fault is None and (len(calls), len(beats)) == (1, 1)
    assert [text for text in database.statements if text.startswith("LISTEN")] == [
        "LISTEN cad_console_journal", "LISTEN cad_console_presence",
    ]  # fmt: skip
    database.notifications.put(Notification("cad_console_presence", "bob {}"))
    until(lambda: len(beats) == 2)
    assert board.entries() == {"bob": "{}"} and len(calls) == 1
    for expected in (2, 3):
        database.notifications.put(Notification("cad_console_journal"))
        until(lambda expected=expected: len(calls) == expected)
    assert len(beats) == 2
    until(lambda: database.statements[-1] == "SELECT 1")  # each silence is checked
    store.close()
    assert database.closed == 1


def test_without_a_board_nobody_listens_for_heartbeats(database: MemoryDatabase, open_store: Open) -> None:
    store = open_store()
    calls = listen(store)
    until(lambda: calls)
    database.notifications.put(Notification("cad_console_presence", "bob {}"))
    database.notifications.put(Notification("cad_console_journal"))
    until(lambda: len(calls) == 2)
    assert [text for text in database.statements if text.startswith("LISTEN")] == ["LISTEN cad_console_journal"]
    store.close()


@pytest.mark.parametrize(
    ("failure", "what"),
    [(errors.AdminShutdown("secret"), "PostgreSQL is starting or stopping"), (KeyError("x"), "listening failed: KeyError")],
)
def test_a_connection_that_listens_no_longer_is_a_fault_until_the_next_one(
    database: MemoryDatabase, open_store: Open, failure: Exception, what: str
) -> None:
    """Both its beginning and its end wake the reader, for something may have come meanwhile; the broken one is closed."""
    store = open_store()
    calls = listen(store)
    until(lambda: len(calls) == 1)
    database.failure = failure
    database.notifications.put(failure)
    until(lambda: len(calls) >= 2)
    assert store.fault is not None and store.fault.what == what and store.fault.where == store.where
    count = len(calls)
    database.failure = None
    until(lambda: store.fault is None and len(calls) > count)
    until(lambda: database.closed == len(database.made) - 1)
    store.close()
    assert database.closed == len(database.made)


class SilentServer:
    """A database that lets everybody in, answers what is asked first, and then nothing."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.answers = 2
        """How many questions of each connection are answered: the two settings."""
        self.connections = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self._serve, args=(self._listener.accept()[0],), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        self.connections += 1
        with connection, contextlib.suppress(OSError):
            while connection.recv(8192)[4:8] in (b"\x04\xd2\x16\x2f", b"\x04\xd2\x16\x30"):  # TLS, GSS?
                connection.sendall(b"N")
            connection.sendall(b"R\x00\x00\x00\x08\x00\x00\x00\x00" + b"Z\x00\x00\x00\x05I")
            for _ in range(self.answers):
                connection.recv(8192)
                connection.sendall(b"C\x00\x00\x00\x08SET\x00" + b"Z\x00\x00\x00\x05I")
            while connection.recv(8192):
                pass

    def close(self) -> None:
        self._listener.close()


def test_a_database_that_stops_answering_is_left_in_time() -> None:
    """A second after the time that a call has; the next call opens another connection, and the end waits for neither."""
    server = SilentServer()
    store = PostgreSQL(
        StoreSettings(POSTGRESQL, url=f"postgresql://x@127.0.0.1:{server.port}/x"), read_only=False, call_seconds=0.2
    )
    try:
        for count in (1, 2):
            with pytest.raises(TimedOut, match="no answer within 1s200ms") as told:
                store.ping()
            assert told.value.fault.where == store.where and server.connections == count
    finally:
        store.close()
        server.close()
