"""The journal on this machine: an append-only SQLite file."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

from console.journal import process
from console.journal.errors import BUSY_SECONDS, JournalError, explain
from console.journal.event import AHEAD_SECONDS, Event, make_storable, replace_unstorable, validate
from console.journal.file_lock import create_file, exclusive
from console.journal.hash_chain import ChainEntry, Head
from console.journal.outbox import Outbox
from console.journal.payloads import ActionIntent, ActionOutcome, create_event, event_kinds
from console.journal.sqlite_tables import (
    CHAINED,
    COLUMNS,
    INSERT,
    OLD_COLUMNS,
    VERSION,
    among,
    decode_link,
    decode_row,
    prepare,
    row_of,
)
from console.journal.unfinished import STEP, Unfinished, add_step, examine, unknown_outcome

_CHUNK = 1000
_CACHE = "PRAGMA cache_size = -256"
"""256 KiB: only the newest events are read again; SQLite's default of 2 MB would fill with old pages."""


class Journal:
    """Append-only events, shared by all consoles of this user on this machine. Safe to use from any thread.

    Every method may block for one fsync, and for up to `BUSY_SECONDS` while another process writes. Raises JournalError.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        path: Path,
        *,
        store: str = "",
        kept: str = "",
        version: int = VERSION,
        busy_seconds: float = BUSY_SECONDS,
    ) -> None:
        self._connection = connection
        self._path = path
        self._store = store
        self._kept = kept
        self._busy_seconds = busy_seconds
        self._format_version = version
        self.columns = COLUMNS if version >= CHAINED else OLD_COLUMNS
        """The columns that a SELECT over events must return for `decode_row`."""
        self.outbox = Outbox(store, version, self.select, self.writing)
        self._lock = threading.Lock()
        self._writer = process.current().text()

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        store: str = "",
        former: Sequence[str] = (),
        kept: str = "",
        busy_seconds: float = BUSY_SECONDS,
    ) -> Journal:
        """Opens the file, or creates it with mode 0600 (and its folder with 0700).

        With the name of a shared `store`, appended events go to the outbox, marked with the reason `kept` if they must stay
        here. Events that are pending under a `former` name of the store are adopted.
        """
        file = Path(path).expanduser()
        try:
            create_file(file)
            connection = sqlite3.connect(file, timeout=busy_seconds, isolation_level=None, check_same_thread=False)
        except OSError as error:
            raise JournalError(f"the journal {file} cannot be opened: {error.strerror or error}") from None
        except sqlite3.Error as error:
            raise explain(error, file) from None
        with _closing_on_error(connection, file):
            with exclusive(file.parent, busy_seconds):
                _prepare(connection, file)
            journal = cls(connection, file, store=store, kept=kept, busy_seconds=busy_seconds)
            journal.outbox.adopt(former)
        return journal

    @classmethod
    def open_to_read(cls, path: str | Path) -> Journal:
        """Opens an existing file for reading only, even in a read-only folder. Also raises FileNotFoundError."""
        file = Path(path).expanduser()
        if not file.is_file():
            raise FileNotFoundError(str(file))
        # In a read-only folder SQLite cannot create its shared-memory file; there can be no writer either.
        mode = "mode=ro" if os.access(file.parent, os.W_OK) else "immutable=1"
        uri = f"{file.absolute().as_uri()}?{mode}"
        try:
            connection = sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        except sqlite3.Error as error:
            raise explain(error, file) from None
        with _closing_on_error(connection, file):
            connection.execute(_CACHE)
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            _refuse_newer(version, file)
            connection.execute("SELECT 1 FROM events LIMIT 1").fetchone()
        return cls(connection, file, version=version)

    @classmethod
    def in_memory(cls, events: Iterable[Event], *, name: str) -> Journal:
        """A journal of these events that is in no file; errors call it by `name`. Raises JournalError."""
        connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        prepare(connection)
        journal = cls(connection, Path(name))
        journal.merge(events)
        return journal

    @property
    def path(self) -> Path:
        return self._path

    @property
    def format_version(self) -> int:
        """VERSION, or that of an older file that is open for reading only."""
        return self._format_version

    def append(self, event: Event) -> Event:
        """Writes the event durably (one fsync) and returns it with its sequence, id and stamp."""
        written = self._append(event)
        assert written is not None  # noqa: S101 - an insert without a condition
        return written

    def append_once(self, event: Event) -> Event | None:
        """Appends unless any process has journalled an event of this kind and subject; returns None then."""
        return self._append(event, unless=(event.kind,))

    def append_if_last(self, event: Event, kinds: Sequence[str], after: int) -> Event | None:
        """Appends unless an event of these kinds and this subject is in the file after that sequence; returns None then. Of two
        processes on this file that try it from the same sequence, one succeeds.
        """
        return self._append(event, unless=kinds, after=after)

    def _append(self, event: Event, *, unless: Sequence[str] = (), after: int = 0) -> Event | None:
        try:
            event = make_storable(event)
        except ValueError as error:
            raise JournalError(f"this cannot be journalled: {error}") from None
        known = f"SELECT 1 FROM events WHERE kind {among(unless)} AND subject = ? AND sequence > ?"  # noqa: S608 - no input
        with self.writing() as connection:
            if unless and connection.execute(known, (*unless, event.subject, after)).fetchone():
                return None
            # A stamp beyond any plausible clock must not raise all later stamps.
            sequence, stamp, previous = _newest(connection, event.at + AHEAD_SECONDS)
            stamp = max(_microseconds(event.at), stamp + 1)
            event = replace(event, sequence=sequence + 1, id=event.id or uuid.uuid4().hex, stamp=stamp)
            if why := validate(event, now=event.at):
                raise JournalError(f"this cannot be journalled: {why}")
            connection.execute(INSERT, row_of(event, writer=self._writer, previous=previous))
            if self._store:
                connection.execute("INSERT INTO waiting VALUES (?, ?, ?)", (event.sequence, self._store, self._kept))
        return event

    def merge(self, events: Iterable[Event], *, cursor: str = "") -> int:
        """Adds the shared store's events in one transaction, each id once; returns how many were new here.

        Events of this console leave the outbox. `cursor` records how far the store has been read.
        """
        taken = 0
        with self.writing() as connection:
            sequence, _, previous = _newest(connection, 0.0)
            for event in events:
                known = connection.execute("SELECT sequence FROM events WHERE id = ?", (event.id,)).fetchone()
                if known:
                    connection.execute("DELETE FROM waiting WHERE sequence = ?", known)
                    continue
                sequence, taken = sequence + 1, taken + 1
                # The process that wrote it is unknown here.
                row = row_of(replace(event, sequence=sequence), writer="", previous=previous)
                connection.execute(INSERT, row)
                previous = row[-1]
            if cursor:
                connection.execute("INSERT OR REPLACE INTO cursors (store, value) VALUES (?, ?)", (self._store, cursor))
        return taken

    def cursor(self) -> str:
        """How far the shared store has been read; empty before the first read."""
        rows = self.select("SELECT value FROM cursors WHERE store = ?", (self._store,))
        return str(rows[0][0]) if rows else ""

    def identity(self) -> str:
        """The id of this file, shared by its copies; empty for a file of an older version."""
        rows = self.select("SELECT value FROM about WHERE name = 'journal'", ()) if self._format_version >= VERSION else []
        return str(rows[0][0]) if rows else ""

    def head(self) -> Head:
        """The newest entry of the hash chain: noted elsewhere, it later shows whether the file was rewritten."""
        if self._format_version < CHAINED:
            return Head("")
        rows = self.select("SELECT hash, sequence FROM events ORDER BY sequence DESC LIMIT 1", ())
        return Head(str(rows[0][0]), rows[0][1]) if rows else Head("")

    def known(self, ids: Iterable[str]) -> frozenset[str]:
        """The ids among these that this file has; pass a few hundred at a time."""
        requested = tuple(ids)
        rows = self.select(f"SELECT id FROM events WHERE id {among(requested)}", requested)  # noqa: S608 - no input
        return frozenset(identity for (identity,) in rows)

    def probe(self) -> None:
        """Raises JournalError if an event could not be written now; writes nothing."""
        with self._lock:
            try:
                self._begin()
                self._connection.execute("ROLLBACK")
            except sqlite3.Error as error:
                raise explain(error, self._path) from None
        try:
            disk = os.statvfs(self._path.parent)
        except OSError as error:
            raise JournalError(f"the journal {self._path} cannot be written: {error.strerror}") from None
        if disk.f_bavail * disk.f_frsize < 1 << 16:
            raise JournalError(f"the journal {self._path} cannot be written: the disk is full; free some space")

    def links(self, *, after: int = 0) -> Iterator[ChainEntry]:
        """The chain entries after a sequence, read a thousand at a time and without an index, which could be damaged."""
        if self._format_version < CHAINED:
            hint = "was written by an older cad-console and has no chain yet; open the console once to create it"
            raise JournalError(f"the journal {self._path} {hint}")
        statement = f"""SELECT sequence, previous, hash, writer, {COLUMNS} FROM events NOT INDEXED
            WHERE sequence > ? ORDER BY sequence LIMIT ?"""  # noqa: S608 - no input
        older = False
        while rows := self.select(statement, (after, _CHUNK)):
            for sequence, previous, hash_, writer, *columns in rows:
                link = decode_link(columns, previous, hash_, writer, older=older)
                older = link.writer is None
                yield link
                after = sequence

    def counted(self) -> int:
        """The highest sequence ever assigned, even if another program deleted that event."""
        rows = self.select("SELECT seq FROM sqlite_sequence WHERE name = 'events'", ())
        return int(rows[0][0]) if rows else 0

    def count(self, first: int, last: int) -> int:
        """The number of events from one sequence to another, both included, counted without an index."""
        ((count,),) = self.select("SELECT count(*) FROM events NOT INDEXED WHERE sequence BETWEEN ? AND ?", (first, last))
        return int(count)

    def change_counts(self) -> tuple[int, int]:
        """How often others and this process changed the file: it differs after every write, and needs no disk read."""
        with self._lock:
            try:
                (others,) = self._connection.execute("PRAGMA data_version").fetchone()
            except sqlite3.Error as error:
                raise explain(error, self._path) from None
            return others, self._connection.total_changes

    def last_sequence(self) -> int:
        """The newest event's sequence; 0 for an empty journal."""
        ((last,),) = self.select("SELECT max(sequence) FROM events", ())
        return last or 0

    def events(
        self,
        *,
        after: int = 0,
        until: int | None = None,
        kinds: Sequence[str] = (),
        environments: Sequence[str] = (),
        subject: str = "",
        limit: int | None = None,
    ) -> tuple[Event, ...]:
        """The newest `limit` matching events in order of their sequence.

        `after` is excluded, `until` included. A kind that ends in a dot matches every kind with that prefix. Without kinds,
        environments or subject, all match.
        """
        where = ["sequence > ?"]
        values: list[Any] = [after]
        if kinds:
            where.append(f"({' OR '.join('kind >= ? AND kind < ?' if _is_prefix(item) else 'kind = ?' for item in kinds)})")
            # "/" is the character after ".", so a kind with the prefix "walk." lies between "walk." and "walk/".
            values += [value for item in kinds for value in ((item, item[:-1] + "/") if _is_prefix(item) else (item,))]
        if environments:
            where.append(f"environment {among(environments)}")
            values += environments
        for condition, value in (("sequence <= ?", until), ("subject = ?", subject or None)):
            if value is not None:
                where.append(condition)
                values.append(value)
        # Newest first and without an index: a damaged index would hide events silently, and the index over kinds would read
        # every old event.
        statement = f"SELECT {self.columns} FROM events NOT INDEXED WHERE {' AND '.join(where)} ORDER BY sequence DESC"  # noqa: S608 - no input
        if limit is not None:
            statement += " LIMIT ?"
            values.append(limit)
        return tuple(decode_row(row) for row in reversed(self.select(statement, values)))

    def written(self, subject: str, kinds: Sequence[str], *, after: int = 0) -> tuple[tuple[Event, str], ...]:
        """The events of one subject in the order in which they came, each with the process that wrote it to this file; an
        empty text for one that the shared store delivered.
        """
        statement = f"""SELECT {self.columns}, writer FROM events NOT INDEXED
            WHERE sequence > ? AND subject = ? AND kind {among(kinds)} ORDER BY sequence"""  # noqa: S608 - no input
        rows = self.select(statement, (after, subject, *kinds))
        return tuple((decode_row(columns), writer) for *columns, writer in rows)

    def unfinished(self) -> tuple[Unfinished, ...]:
        """Intents without an outcome, except those whose process still runs on this machine.

        Intents of other hosts (a replaced pod, a colleague's machine) are included: whether they still run is unknown here.
        """
        if self._format_version >= VERSION:
            source, values = "events NOT INDEXED WHERE sequence IN (SELECT sequence FROM open_intents)", list[str]()
        else:
            source = """events AS intent WHERE kind = ? AND NOT EXISTS (
                SELECT 1 FROM events WHERE kind = ? AND subject = intent.subject AND sequence > intent.sequence)"""
            values = list(event_kinds(ActionIntent, ActionOutcome))
        rows = self.select(f"SELECT {self.columns}, writer FROM {source} ORDER BY sequence", values)  # noqa: S608 - no input
        found = [examine(decode_row(columns), writer) for *columns, writer in rows]
        return tuple(replace(item, intent=self._add_steps(item.intent)) for item in found if item is not None)

    def _add_steps(self, intent: Event) -> Event:
        statement = f"SELECT {self.columns} FROM events WHERE kind = ? AND subject = ? ORDER BY sequence"  # noqa: S608 - no input
        for columns in self.select(statement, (STEP, intent.subject)):
            intent = add_step(intent, decode_row(columns))
        return intent

    def settle(self, intent: Event, *, now: float, author: str) -> Event:
        """Journals an unknown outcome for an intent whose console ended, so that it is reported once and not at every start."""
        payload = unknown_outcome(intent, "the console ended before the outcome was known")
        return self.append(create_event(payload, at=now, subject=intent.subject, author=author, environment=intent.environment))

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction that holds the file's write lock from the beginning and rolls back on any exception."""
        with self._lock:
            connection = self._connection
            try:
                self._begin()
                yield connection
                connection.execute("COMMIT")
            except BaseException as error:
                _roll_back(connection)
                if isinstance(error, sqlite3.Error):
                    raise explain(error, self._path) from None
                raise

    def _begin(self) -> None:
        """Takes the write lock, retrying every millisecond: SQLite's own retries back off to 100 ms, longer than the pauses of
        a busy writer, so a second console would starve.
        """
        ends = time.monotonic() + self._busy_seconds
        self._connection.execute("PRAGMA busy_timeout = 0")
        try:
            while True:
                try:
                    self._connection.execute("BEGIN IMMEDIATE")
                    return
                except sqlite3.OperationalError as error:
                    if not error.sqlite_errorname.startswith("SQLITE_BUSY") or time.monotonic() >= ends:
                        raise
                time.sleep(0.001)
        finally:
            self._connection.execute(f"PRAGMA busy_timeout = {int(self._busy_seconds * 1000)}")

    def interrupt(self) -> None:
        """End the read that another thread is at, if any: it raises JournalError."""
        self._connection.interrupt()

    def select(self, statement: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        """The rows of a SELECT over the tables of schema.py."""
        with self._lock:
            try:
                return self._connection.execute(statement, replace_unstorable(values)).fetchall()
            except sqlite3.Error as error:
                raise explain(error, self._path) from None


@contextmanager
def _closing_on_error(connection: sqlite3.Connection, file: Path) -> Iterator[None]:
    """While a file is opened: whatever fails closes it again, and SQLite's errors become JournalError."""
    try:
        yield
    except BaseException as error:
        connection.close()
        if isinstance(error, sqlite3.Error):
            raise explain(error, file) from None
        raise


def _prepare(connection: sqlite3.Connection, file: Path) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    _refuse_newer(version, file)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(_CACHE)
    if version < VERSION:
        prepare(connection)


def _refuse_newer(version: int, file: Path) -> None:
    if version > VERSION:
        raise JournalError(f"the journal {file} was written by a newer cad-console; update this one")


def _newest(connection: sqlite3.Connection, until: float) -> tuple[int, int, str]:
    """The newest event's sequence, the largest stamp before a moment (Unix seconds), and the newest hash."""
    sequence, hash_ = connection.execute("SELECT sequence, hash FROM events ORDER BY sequence DESC LIMIT 1").fetchone() or (
        0,
        "",
    )
    (stamp,) = connection.execute("SELECT max(stamp) FROM events WHERE stamp < ?", (_microseconds(until),)).fetchone()
    return sequence, stamp or 0, hash_


def _microseconds(at: float) -> int:
    """Unix microseconds, clamped to what a column can hold; `validate` refuses anything that had to be clamped."""
    return int(min(max(0.0, at), 1e12) * 1e6)


def _roll_back(connection: sqlite3.Connection) -> None:
    try:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
    except sqlite3.Error:
        return  # the original error is raised, and SQLite rolls back when the file is next opened


def _is_prefix(kind: str) -> bool:
    return kind.endswith(".")
