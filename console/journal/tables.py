"""The tables of the journal's file, and how a file of an older console becomes one of this."""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Iterable, Iterator
from typing import Any

from console.journal.chain import hash_of
from console.journal.event import Event

VERSION = 2

_EVENTS = """CREATE TABLE events (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    stamp INTEGER NOT NULL,
    at REAL NOT NULL,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    author TEXT NOT NULL,
    environment TEXT NOT NULL,
    data TEXT NOT NULL,
    writer TEXT NOT NULL,
    previous TEXT NOT NULL,
    hash TEXT NOT NULL
)"""
_REST = (
    "CREATE INDEX events_by_kind ON events (kind, subject)",
    "CREATE INDEX events_by_stamp ON events (stamp)",
    """CREATE TRIGGER events_are_not_changed BEFORE UPDATE ON events
       BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END""",
    """CREATE TRIGGER events_are_not_deleted BEFORE DELETE ON events
       BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END""",
    # What has not reached the shared store `store` yet; `trouble` says why it never will, where it cannot.
    """CREATE TABLE waiting (
        sequence INTEGER PRIMARY KEY,
        store TEXT NOT NULL,
        trouble TEXT NOT NULL DEFAULT ''
    )""",
    # Up to where a shared store was read.
    "CREATE TABLE cursors (store TEXT PRIMARY KEY, value TEXT NOT NULL)",
    f"PRAGMA user_version = {VERSION}",
)
INSERT = """INSERT INTO events (sequence, id, stamp, at, kind, subject, author, environment, data, writer, previous, hash)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""


def row_of(event: Event, *, writer: str, previous: str) -> tuple[Any, ...]:
    """The values for INSERT; the hash is the last of them."""
    data = json.dumps(event.data, ensure_ascii=False, sort_keys=True)
    texts = (event.kind, event.subject, event.author, event.environment, data, writer, previous)
    return (event.sequence, event.id, event.stamp, float(event.at), *texts, hash_of(event, previous))


def prepare(connection: sqlite3.Connection) -> None:
    """Brings an empty file, or one of an older version, to VERSION in one transaction. Raises sqlite3.Error."""
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Somebody else may have done it while this one waited for the lock.
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version < VERSION:
            if version == 1:
                for name in ("events_are_not_changed", "events_are_not_deleted"):
                    connection.execute(f"DROP TRIGGER {name}")
                connection.execute("DROP INDEX events_by_kind")
                connection.execute("ALTER TABLE events RENAME TO events_1")
            connection.execute(_EVENTS)
            if version == 1:
                connection.executemany(INSERT, _chained(connection.execute(_OLD)))
                connection.execute("DROP TABLE events_1")
            for statement in _REST:
                connection.execute(statement)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


_OLD = "SELECT at, kind, subject, author, environment, data, sequence, writer FROM events_1 ORDER BY sequence"


def _chained(rows: Iterable[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    """Events of version 1 with what they lack: an id, a stamp that grows with the sequence, and the chain."""
    previous, stamp = "", 0
    for at, kind, subject, author, environment, data, sequence, writer in rows:
        stamp = max(int(at * 1e6), stamp + 1)
        event = Event(at, kind, subject, author, environment, json.loads(data), sequence, uuid.uuid4().hex, stamp)
        row = row_of(event, writer=writer, previous=previous)
        previous = row[-1]
        yield row
