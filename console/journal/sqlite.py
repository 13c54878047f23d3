"""The journal's store on this machine: an SQLite file that only ever grows."""

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
from console.journal.event import AHEAD_SECONDS, Anchor, Event, make_storable, parse_data, replace_unstorable, validate
from console.journal.file_lock import create_file, exclusive
from console.journal.hash_chain import ChainEntry, Head, chain_entry
from console.journal.payloads import ActionIntent, ActionOutcome, create_event, event_kinds
from console.journal.schema import CHAINED, INSERT, VERSION, data_text, prepare, row_of
from console.journal.unfinished import Unfinished, examine, unknown_outcome

__all__ = ("BUSY_SECONDS", "Journal", "JournalError")

_COLUMNS = "sequence, at, kind, subject, author, environment, data, id, stamp"
_OLD_COLUMNS = "sequence, at, kind, subject, author, environment, data, '', 0"
"""In a file of version 1, which is read as it is where it cannot be brought to this one."""
_CHUNK = 1000
_CACHE = "PRAGMA cache_size = -256"
"""What is read again is the newest; SQLite's own 2 MB would fill up with old pages."""


class Journal:
    """Append-only events, shared by all consoles of this user on this machine; may be used from any thread.

    Every call may block for `BUSY_SECONDS` while another process writes, and for one fsync. Raises JournalError.
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
        self._version = version
        self.columns = _COLUMNS if version >= CHAINED else _OLD_COLUMNS
        """Those that `event` takes, of a SELECT over events."""
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
        """Opens or makes the file (0600, in a folder of 0700 where that has to be made too).

        With the name of a shared `store`, what is appended waits to be brought there; or never is, for the reason `kept`. What
        waits for it under a `former` name waits under this one from now on.
        """
        file = Path(path).expanduser()
        try:
            create_file(file)
            connection = sqlite3.connect(file, timeout=busy_seconds, isolation_level=None, check_same_thread=False)
        except OSError as error:
            raise JournalError(f"the journal {file} cannot be opened: {error.strerror or error}") from None
        except sqlite3.Error as error:
            raise explain(error, file) from None
        try:
            with exclusive(file.parent, busy_seconds):
                _prepare(connection, file)
        except sqlite3.Error as error:
            connection.close()
            raise explain(error, file) from None
        except JournalError:
            connection.close()
            raise
        journal = cls(connection, file, store=store, kept=kept, busy_seconds=busy_seconds)
        try:
            journal._rename_store(former)
        except JournalError:
            journal.close()
            raise
        return journal

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
            connection.execute(_CACHE)
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            _not_newer(version, file)
            connection.execute("SELECT 1 FROM events LIMIT 1").fetchone()
        except sqlite3.Error as error:
            raise explain(error, file) from None
        return cls(connection, file, version=version)

    @property
    def path(self) -> Path:
        return self._path

    @property
    def file_version(self) -> int:
        """VERSION, or that of an older file which is read as it is."""
        return self._version

    def append(self, event: Event) -> Event:
        """Writes the event and waits until the disk has it; gives it back as it stands there, with sequence, id and stamp."""
        written = self._append(event)
        assert written is not None  # noqa: S101 - an insert without a condition
        return written

    def append_once(self, event: Event) -> Event | None:
        """As `append`, where there is no event of this kind and subject yet, in whatever process; None where there is one."""
        return self._append(event, once=True)

    def _append(self, event: Event, *, once: bool = False) -> Event | None:
        try:
            event = make_storable(event)
        except ValueError as error:
            raise JournalError(f"this cannot be journalled: {error}") from None
        known = "SELECT 1 FROM events WHERE kind = ? AND subject = ?"
        with self.writing() as connection:
            if once and connection.execute(known, (event.kind, event.subject)).fetchone():
                return None
            # What is stamped beyond every clock is none of ours, and must not draw what comes after it along.
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
        """Takes in what the shared store has, in one transaction, each id once; gives how many events were new here.

        One of our own no longer waits then. `cursor` is remembered as the place up to which the store was read.
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
                # Without a writer: which process it was cannot be seen from here.
                row = row_of(replace(event, sequence=sequence), writer="", previous=previous)
                connection.execute(INSERT, row)
                previous = row[-1]
            if cursor:
                connection.execute("INSERT OR REPLACE INTO cursors (store, value) VALUES (?, ?)", (self._store, cursor))
        return taken

    def cursor(self) -> str:
        """Up to where the shared store was read; empty where it never was."""
        rows = self.select("SELECT value FROM cursors WHERE store = ?", (self._store,))
        return str(rows[0][0]) if rows else ""

    def _rename_store(self, former: Sequence[str]) -> None:
        """The cursor is not taken along: from the store's beginning nothing is missed, and what is known is taken once."""
        marks = ", ".join("?" * len(former))
        if former and self.select(f"SELECT 1 FROM waiting WHERE store IN ({marks}) LIMIT 1", former):  # noqa: S608 - no input
            with self.writing() as connection:
                connection.execute(f"UPDATE waiting SET store = ? WHERE store IN ({marks})", (self._store, *former))  # noqa: S608

    def waiting(self, *, limit: int = 100) -> tuple[Event, ...]:
        """The oldest events that the shared store does not have yet and can have, in their order."""
        statement = f"""SELECT hash, {_COLUMNS} FROM events WHERE sequence IN (
            SELECT sequence FROM waiting WHERE store = ? AND trouble = '' ORDER BY sequence LIMIT ?) ORDER BY sequence"""  # noqa: S608 - no input
        journal = self.identity()
        return tuple(
            replace(_event(tuple(columns)), anchor=Anchor(journal, columns[0], hash_))
            for hash_, *columns in self.select(statement, (self._store, limit))
        )

    def identity(self) -> str:
        """The id of this file, which a copy of it has too; empty where it is of an older version."""
        rows = self.select("SELECT value FROM about WHERE name = 'journal'", ()) if self._version >= VERSION else []
        return str(rows[0][0]) if rows else ""

    def head(self) -> Head:
        """The newest entry's place in the hash chain: whoever notes it can tell later whether the file was written again."""
        if self._version < CHAINED:
            return Head("")
        rows = self.select("SELECT hash, sequence FROM events ORDER BY sequence DESC LIMIT 1", ())
        return Head(str(rows[0][0]), rows[0][1]) if rows else Head("")

    def waiting_count(self) -> int:
        """How many events the shared store does not have yet and can have."""
        statement = "SELECT count(*) FROM waiting WHERE store = ? AND trouble = ''"
        ((count,),) = self.select(statement, (self._store,))
        return int(count)

    def waiting_elsewhere(self) -> int:
        """How many events wait for another store than this journal's."""
        ((count,),) = self.select("SELECT count(*) FROM waiting WHERE store <> ? AND trouble = ''", (self._store,))
        return int(count)

    def kept(self) -> dict[str, int]:
        """How many will never be there, by the reason."""
        statement = "SELECT trouble, count(*) FROM waiting WHERE store = ? AND trouble <> '' GROUP BY trouble"
        return {str(reason): int(count) for reason, count in self.select(statement, (self._store,))}

    def known(self, ids: Iterable[str]) -> frozenset[str]:
        """Which of these events are here; a few hundred at a time."""
        requested = tuple(ids)
        rows = self.select(f"SELECT id FROM events WHERE id IN ({', '.join('?' * len(requested))})", requested)  # noqa: S608 - no input
        return frozenset(identity for (identity,) in rows)

    def delivered(self, events: Iterable[Event]) -> None:
        """The shared store has these."""
        with self.writing() as connection:
            connection.executemany("DELETE FROM waiting WHERE sequence = ?", [(event.sequence,) for event in events])

    def kept_here(self, event: Event, reason: str) -> None:
        """The shared store cannot take this one, and why; it is not offered again."""
        with self.writing() as connection:
            connection.execute("UPDATE waiting SET trouble = ? WHERE sequence = ?", (reason, event.sequence))

    def unshared(self) -> tuple[tuple[int, str, str], ...]:
        """The sequence of every event that is only here and ought to be shared, the store it is for, and why it cannot be."""
        if self._version < CHAINED:
            return ()
        return tuple(self.select("SELECT sequence, store, trouble FROM waiting ORDER BY sequence", ()))

    @staticmethod
    def event(columns: Sequence[Any]) -> Event:
        return _event(tuple(columns))

    def probe(self) -> None:
        """Raises JournalError where an event could not be written now; writes nothing."""
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
        """Every event after a sequence with its place in the hash chain, read a thousand at a time, by no index."""
        if self._version < CHAINED:
            hint = "was written by an older cad-console and has no chain yet; open the console once to create it"
            raise JournalError(f"the journal {self._path} {hint}")
        statement = f"""SELECT previous, hash, writer, {_COLUMNS} FROM events NOT INDEXED
            WHERE sequence > ? ORDER BY sequence LIMIT ?"""  # noqa: S608 - no input
        older = False
        while rows := self.select(statement, (after, _CHUNK)):
            for previous, hash_, writer, *columns in rows:
                link = _link(tuple(columns), previous, hash_, writer, older=older)
                older = link.writer is None
                yield link
            after = rows[-1][3]

    def counted(self) -> int:
        """The sequence of the newest event that was ever written, also where it is not there any more."""
        rows = self.select("SELECT seq FROM sqlite_sequence WHERE name = 'events'", ())
        return int(rows[0][0]) if rows else 0

    def count(self, first: int, last: int) -> int:
        """How many events there are from one sequence to another, by no index; all of them, where none was lost."""
        ((count,),) = self.select("SELECT count(*) FROM events NOT INDEXED WHERE sequence BETWEEN ? AND ?", (first, last))
        return int(count)

    def version(self) -> tuple[int, int]:
        """Another one whenever something was written, by this process or another; costs no read of the disk."""
        with self._lock:
            try:
                (others,) = self._connection.execute("PRAGMA data_version").fetchone()
            except sqlite3.Error as error:
                raise explain(error, self._path) from None
            return others, self._connection.total_changes

    def last_sequence(self) -> int:
        """Of the newest event; 0 where there is none."""
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
        """Events in order of their sequence: the newest `limit` of those after one sequence and until another (included), of
        these kinds, these environments and this subject, where any are given. A kind that ends in a dot stands for all
        that begin with it.
        """
        where = ["sequence > ?"]
        values: list[Any] = [after]
        if kinds:
            where.append(f"({' OR '.join('kind >= ? AND kind < ?' if _open(item) else 'kind = ?' for item in kinds)})")
            values += [value for item in kinds for value in ((item, item[:-1] + "/") if _open(item) else (item,))]
        if environments:
            where.append(f"environment IN ({', '.join('?' * len(environments))})")
            values += environments
        for condition, value in (("sequence <= ?", until), ("subject = ?", subject or None)):
            if value is not None:
                where.append(condition)
                values.append(value)
        # From the newest back and by no index: one that is damaged would hide events without a word, and an index over the
        # kinds would bring all that is old too.
        statement = f"SELECT {self.columns} FROM events NOT INDEXED WHERE {' AND '.join(where)} ORDER BY sequence DESC"  # noqa: S608 - no input
        if limit is not None:
            statement += " LIMIT ?"
            values.append(limit)
        return tuple(_event(row) for row in reversed(self.select(statement, values)))

    def unfinished(self) -> tuple[Unfinished, ...]:
        """Intents without an outcome, but for those whose process still runs on this machine.

        Whether one on another host still runs (a pod that was replaced, a colleague's) nobody can see from here: it counts.
        """
        if self._version >= VERSION:
            source, values = "events NOT INDEXED WHERE sequence IN (SELECT sequence FROM open_intents)", list[str]()
        else:
            source = """events AS intent WHERE kind = ? AND NOT EXISTS (
                SELECT 1 FROM events WHERE kind = ? AND subject = intent.subject AND sequence > intent.sequence)"""
            values = list(event_kinds(ActionIntent, ActionOutcome))
        rows = self.select(f"SELECT {self.columns}, writer FROM {source} ORDER BY sequence", values)  # noqa: S608 - no input
        found = (examine(_event(tuple(columns)), writer) for *columns, writer in rows)
        return tuple(item for item in found if item is not None)

    def settle(self, intent: Event, *, now: float, author: str) -> Event:
        """Journals that the outcome of an intent whose console ended is unknown: it is named once and not at every start."""
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
        """One transaction with the file's lock from its first moment; whatever fails in it leaves nothing behind."""
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
        """Takes the file's lock, trying again each millisecond: SQLite's own waits grow to a tenth of a second, and between two
        transactions of a busy writer there is less, so that a console could starve beside another.
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

    def select(self, statement: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        """The rows of one SELECT over the tables of tables.py."""
        with self._lock:
            try:
                return self._connection.execute(statement, replace_unstorable(values)).fetchall()
            except sqlite3.Error as error:
                raise explain(error, self._path) from None


def _prepare(connection: sqlite3.Connection, file: Path) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    _not_newer(version, file)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(_CACHE)
    if version < VERSION:
        prepare(connection)


def _not_newer(version: int, file: Path) -> None:
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
    """As a column can hold it; `validate` says no to what is none."""
    return int(min(max(0.0, at), 1e12) * 1e6)


def _roll_back(connection: sqlite3.Connection) -> None:
    try:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
    except sqlite3.Error:
        return  # what broke the transaction is told, and SQLite undoes it at the next opening


def _open(kind: str) -> bool:
    return kind.endswith(".")


def _event(row: tuple[Any, ...]) -> Event:
    sequence, at, kind, subject, author, environment, data, identity, stamp = row
    texts = (kind, subject, author, environment, identity)
    try:
        decoded = parse_data(data)
        if isinstance(stamp, int) and all(isinstance(text, str) for text in texts):
            return Event(float(at), kind, subject, author, environment, decoded, sequence, identity, stamp)
    except (TypeError, ValueError):
        pass
    # Somebody changed the file by other means. It is shown, and `verify` names it; the rest is still good.
    kind, subject, author, environment, identity = map(str, texts)
    number = stamp if isinstance(stamp, int) else 0
    return Event(0.0, kind, subject, author, environment, {"damaged": str(data)}, sequence, identity, number)


def _link(row: tuple[Any, ...], previous: Any, hash_: Any, writer: Any, *, older: bool) -> ChainEntry:
    """The entry, and whether every column of it is as the console writes it."""
    event = _event(row)
    texts = isinstance(previous, str) and isinstance(hash_, str) and isinstance(writer, str)
    intact = texts and isinstance(row[1], float) and data_text(event.data) == row[6]
    return chain_entry(event, str(previous), str(hash_), str(writer), intact=intact, older=older)
