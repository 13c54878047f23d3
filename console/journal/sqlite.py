"""The journal's store on this machine: an SQLite file that only ever grows."""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

from console.journal import process
from console.journal.event import Event, storable, written_out

BUSY_SECONDS = 2.0
VERSION = 1

INTENT = "action.intent"
OUTCOME = "action.outcome"

_SCHEMA = (
    """CREATE TABLE IF NOT EXISTS events (
        sequence INTEGER PRIMARY KEY AUTOINCREMENT,
        at REAL NOT NULL,
        kind TEXT NOT NULL,
        subject TEXT NOT NULL,
        author TEXT NOT NULL,
        environment TEXT NOT NULL,
        data TEXT NOT NULL,
        writer TEXT NOT NULL
    )""",
    "CREATE INDEX IF NOT EXISTS events_by_kind ON events (kind, subject)",
    """CREATE TRIGGER IF NOT EXISTS events_are_not_changed BEFORE UPDATE ON events
       BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END""",
    """CREATE TRIGGER IF NOT EXISTS events_are_not_deleted BEFORE DELETE ON events
       BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END""",
    f"PRAGMA user_version = {VERSION}",
)
_COLUMNS = "sequence, at, kind, subject, author, environment, data"


class JournalError(Exception):
    """The journal cannot be read or written; the message says which file, why, and what to try."""


class Journal:
    """Append-only events, shared by all consoles of this user on this machine; may be used from any thread.

    Every call may block for `BUSY_SECONDS` while another process writes, and for one fsync. Raises JournalError.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path
        self._lock = threading.Lock()
        self._writer = process.this().text()

    @classmethod
    def open(cls, path: str | Path, *, busy_seconds: float = BUSY_SECONDS) -> Journal:
        """Opens or makes the file (0600, in a folder of 0700 where that has to be made too)."""
        file = Path(path).expanduser()
        try:
            _make(file)
            connection = sqlite3.connect(file, timeout=busy_seconds, isolation_level=None, check_same_thread=False)
        except OSError as error:
            raise JournalError(f"the journal {file} cannot be opened: {error.strerror or error}") from None
        except sqlite3.Error as error:
            raise _explained(error, file) from None
        try:
            with _alone(file.parent, busy_seconds):
                _prepare(connection, file)
        except sqlite3.Error as error:
            connection.close()
            raise _explained(error, file) from None
        except JournalError:
            connection.close()
            raise
        return cls(connection, file)

    @classmethod
    def open_to_read(cls, path: str | Path) -> Journal:
        """Opens an existing file for reading alone, also in a read-only folder. Raises FileNotFoundError too."""
        file = Path(path).expanduser()
        if not file.is_file():
            raise FileNotFoundError(str(file))
        # Without a writable folder SQLite cannot share its memory with writers; there can be none then.
        mode = "mode=ro" if os.access(file.parent, os.W_OK) else "immutable=1"
        try:
            uri = f"{file.absolute().as_uri()}?{mode}"
            connection = sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
            connection.execute("SELECT count(*) FROM events").fetchone()
        except sqlite3.Error as error:
            raise _explained(error, file) from None
        return cls(connection, file)

    @property
    def path(self) -> Path:
        return self._path

    def append(self, event: Event) -> Event:
        """Writes the event and waits until the disk has it; gives it back as it stands there, with its sequence."""
        written = self._append(event, "VALUES (?, ?, ?, ?, ?, ?, ?)")
        assert written is not None  # noqa: S101 - an insert without a condition
        return written

    def append_once(self, event: Event) -> Event | None:
        """As `append`, where there is no event of this kind and subject yet, in whatever process; None where there is one."""
        kept = "WHERE NOT EXISTS (SELECT 1 FROM events WHERE kind = ?2 AND subject = ?3)"
        return self._append(event, f"SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7 {kept}")

    def _append(self, event: Event, values: str) -> Event | None:
        event = storable(event)
        data = json.dumps(event.data, ensure_ascii=False, sort_keys=True)
        row = (event.at, event.kind, event.subject, event.author, event.environment, data, self._writer)
        statement = f"INSERT INTO events (at, kind, subject, author, environment, data, writer) {values}"
        with self._lock:
            try:
                cursor = self._connection.execute(statement, row)
            except sqlite3.Error as error:
                raise _explained(error, self._path) from None
            return replace(event, sequence=int(cursor.lastrowid or 0)) if cursor.rowcount else None

    def probe(self) -> None:
        """Raises JournalError where an event could not be written now; writes nothing."""
        with self._lock:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                self._connection.execute("ROLLBACK")
            except sqlite3.Error as error:
                raise _explained(error, self._path) from None
        try:
            disk = os.statvfs(self._path.parent)
        except OSError as error:
            raise JournalError(f"the journal {self._path} cannot be written: {error.strerror}") from None
        if disk.f_bavail * disk.f_frsize < 1 << 16:
            raise JournalError(f"the journal {self._path} cannot be written: the disk is full; free some space")

    def version(self) -> tuple[int, int]:
        """Another one whenever something was written, by this process or another; costs no read of the disk."""
        with self._lock:
            try:
                (others,) = self._connection.execute("PRAGMA data_version").fetchone()
            except sqlite3.Error as error:
                raise _explained(error, self._path) from None
            return others, self._connection.total_changes

    def last_sequence(self) -> int:
        """Of the newest event; 0 where there is none."""
        ((last,),) = self._rows("SELECT max(sequence) FROM events", ())
        return last or 0

    def events(
        self,
        *,
        after: int = 0,
        until: int | None = None,
        kinds: Sequence[str] = (),
        environments: Sequence[str] = (),
        subject: str | None = None,
        limit: int | None = None,
    ) -> tuple[Event, ...]:
        """Events in order of their sequence: the newest `limit` of those after one sequence and until another (included), of
        these kinds, these environments and this subject, where any are given.
        """
        where = ["sequence > ?"]
        values: list[Any] = [after]
        for column, wanted in (("kind", kinds), ("environment", environments)):
            if wanted:
                # What is new is found by its sequence; the index over the kinds would bring all that is old too.
                where.append(f"{'+' if after else ''}{column} IN ({', '.join('?' * len(wanted))})")
                values += wanted
        for condition, value in (("sequence <= ?", until), ("subject = ?", subject)):
            if value is not None:
                where.append(condition)
                values.append(value)
        statement = f"SELECT {_COLUMNS} FROM events WHERE {' AND '.join(where)} ORDER BY sequence DESC"  # noqa: S608 - no input
        if limit is not None:
            statement += " LIMIT ?"
            values.append(limit)
        return tuple(_event(row) for row in reversed(self._rows(statement, values)))

    def unfinished(self) -> tuple[Event, ...]:
        """Intents without an outcome whose process is gone: actions of which nobody knows how they ended.

        An intent of a process on another machine (a shared home) counts once it is an hour older than the newest event.
        """
        rows = self._rows(
            f"""SELECT {_COLUMNS}, writer, (SELECT max(at) FROM events) FROM events AS intent
                WHERE kind = ? AND NOT EXISTS (
                    SELECT 1 FROM events WHERE kind = ? AND subject = intent.subject AND sequence > intent.sequence)
                ORDER BY sequence""",  # noqa: S608 - no input
            [INTENT, OUTCOME],
        )
        found = []
        for *columns, writer, newest in rows:
            event = _event(tuple(columns))
            alive = process.alive(writer)
            if alive is False or (alive is None and newest - event.at > 3600.0):
                found.append(event)
        return tuple(found)

    def settle(self, intent: Event, *, now: float, author: str) -> Event:
        """Journals that the outcome of an unfinished intent is unknown, so that it is named once and not at every start."""
        data: dict[str, Any] = {
            "outcome": "unknown",
            "text": "the console ended before the outcome was known",
            **{key: intent.data[key] for key in ("action", "title", "target") if key in intent.data},
        }
        return self.append(Event(now, OUTCOME, intent.subject, author, intent.environment, data))

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _rows(self, statement: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        with self._lock:
            try:
                return self._connection.execute(statement, written_out(values)).fetchall()
            except sqlite3.Error as error:
                raise _explained(error, self._path) from None


def _make(file: Path) -> None:
    if not file.parent.is_dir():
        file.parent.parent.mkdir(parents=True, exist_ok=True)
        file.parent.mkdir(mode=0o700, exist_ok=True)
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if os.fstat(descriptor).st_mode & 0o077:
            os.fchmod(descriptor, 0o600)
    finally:
        os.close(descriptor)


@contextmanager
def _alone(folder: Path, limit_seconds: float) -> Iterator[None]:
    """One process at a time makes the journal: SQLite's own lock is not fair, and a busy writer could keep an opener out."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        deadline = time.monotonic() + limit_seconds
        while time.monotonic() < deadline:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(0.01)
                continue
            except OSError:
                pass  # a file system without such locks: SQLite's own has to do
            break
        yield
    finally:
        os.close(descriptor)


def _prepare(connection: sqlite3.Connection, file: Path) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > VERSION:
        raise JournalError(f"the journal {file} was written by a newer cad-console; update this one")
    connection.execute("PRAGMA synchronous = FULL")
    if version == VERSION:
        return
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("BEGIN IMMEDIATE")
    for statement in _SCHEMA:
        connection.execute(statement)
    connection.execute("COMMIT")


def _event(row: tuple[Any, ...]) -> Event:
    sequence, at, kind, subject, author, environment, data = row
    return Event(at, kind, subject, author, environment, json.loads(data), sequence)


def _explained(error: sqlite3.Error, file: Path) -> JournalError:
    code = getattr(error, "sqlite_errorname", "") or ""
    for start, words in _WORDS:
        if code.startswith(start):
            return JournalError(f"the journal {file} {words}")
    return JournalError(f"the journal {file} cannot be used: {error}")


_WORDS = (
    ("SQLITE_BUSY", f"is locked by another process for more than {BUSY_SECONDS:g} s; end that one or try again"),
    ("SQLITE_LOCKED", "is locked by another process; end that one or try again"),
    ("SQLITE_FULL", "cannot be written: the disk is full; free some space"),
    ("SQLITE_READONLY", "cannot be written: it is read-only; check its permissions"),
    ("SQLITE_CANTOPEN", "cannot be opened; check the folder's permissions"),
    ("SQLITE_PERM", "cannot be opened; check its permissions"),
    ("SQLITE_IOERR", "cannot be written: the disk refuses (full, a quota, or broken)"),
    ("SQLITE_CORRUPT", "is damaged; move it away, a new one will be made"),
    ("SQLITE_NOTADB", "is no journal; move that file away, a new one will be made"),
)
