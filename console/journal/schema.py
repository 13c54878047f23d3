"""The tables of the journal's file, and how a file of an older console becomes one of this."""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Iterable, Iterator
from typing import Any

from console.journal.event import Event
from console.journal.hash_chain import hash_of

VERSION = 3
CHAINED = 2
"""From this version on a file has ids, stamps and the hash chain."""

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
_OF_2 = (
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
)
_OF_3 = (
    # `journal`: the id of this file, by which the shared store knows its heads.
    "CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    # Intents without an outcome, so that nobody has to look through all of them to find the few.
    "CREATE TABLE open_intents (sequence INTEGER PRIMARY KEY, subject TEXT NOT NULL)",
    """CREATE TRIGGER an_intent_is_open AFTER INSERT ON events WHEN NEW.kind = 'action.intent'
       BEGIN INSERT INTO open_intents VALUES (NEW.sequence, NEW.subject); END""",
    """CREATE TRIGGER an_outcome_ends_it AFTER INSERT ON events WHEN NEW.kind = 'action.outcome'
       BEGIN DELETE FROM open_intents WHERE subject = NEW.subject; END""",
    # What the events up to a stamp add up to: derived, and thrown away as soon as it could be wrong (snapshots.py).
    # `covered` events of the file have no later stamp; `hash` is that of `sequence`, the file's newest then; `tables` is
    # SQLite's count of changes to the schema.
    """CREATE TABLE snapshots (
        stamp INTEGER NOT NULL,
        scope TEXT NOT NULL,
        covered INTEGER NOT NULL,
        sequence INTEGER NOT NULL,
        hash TEXT NOT NULL,
        tables INTEGER NOT NULL,
        digest TEXT NOT NULL,
        body BLOB NOT NULL,
        PRIMARY KEY (stamp, scope)
    ) WITHOUT ROWID""",
    # What a snapshot does not hold any more because it is over: whole incidents, and the earlier part of long timelines.
    # A row belongs to the snapshot of its stamp; the newest row up to a stamp is how things were then.
    """CREATE TABLE settled (
        scope TEXT NOT NULL,
        kind TEXT NOT NULL,
        id TEXT NOT NULL,
        part INTEGER NOT NULL,
        stamp INTEGER NOT NULL,
        body BLOB NOT NULL,
        PRIMARY KEY (scope, kind, id, part, stamp)
    ) WITHOUT ROWID""",
    # An event that comes late, from a console that was cut off, belongs before what a snapshot holds already.
    """CREATE TRIGGER a_late_event_ends_snapshots AFTER INSERT ON events
       WHEN EXISTS (SELECT 1 FROM snapshots WHERE stamp >= NEW.stamp)
       BEGIN
           DELETE FROM settled WHERE stamp >= NEW.stamp;
           DELETE FROM snapshots WHERE stamp >= NEW.stamp;
       END""",
)
_OPEN_INTENTS = """INSERT INTO open_intents
    SELECT sequence, subject FROM events AS intent WHERE kind = 'action.intent' AND NOT EXISTS (
        SELECT 1 FROM events WHERE kind = 'action.outcome' AND subject = intent.subject AND sequence > intent.sequence)"""
INSERT = """INSERT INTO events (sequence, id, stamp, at, kind, subject, author, environment, data, writer, previous, hash)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""


def schema(version: int) -> dict[str, str]:
    """The statement that made each table, index and trigger of a file of this version, by name."""
    statements = (_EVENTS, *_OF_2, *(_OF_3 if version >= VERSION else ()))
    return {statement.split()[2]: statement for statement in statements}


def data_text(data: dict[str, Any]) -> str:
    """How an event's data stands in its column: one way only, so that a change shows."""
    return json.dumps(data, ensure_ascii=False, sort_keys=True)


def row_of(event: Event, *, writer: str, previous: str) -> tuple[Any, ...]:
    """The values for INSERT; the hash is the last of them."""
    texts = (event.kind, event.subject, event.author, event.environment, data_text(event.data), writer, previous)
    return (event.sequence, event.id, event.stamp, float(event.at), *texts, hash_of(event, previous, writer))


def prepare(connection: sqlite3.Connection) -> None:
    """Brings an empty file, or one of an older version, to VERSION in one transaction. Raises sqlite3.Error.

    A file of version 2 keeps every row as it is: only what is derived from them is new, and that is filled later, a piece
    at a time, by whoever needs it.
    """
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Somebody else may have done it while this one waited for the lock.
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version < CHAINED:
            _chain(connection, version)
        if version < VERSION:
            for statement in _OF_3:
                connection.execute(statement)
            connection.execute(_OPEN_INTENTS)
            connection.execute("INSERT INTO about VALUES ('journal', ?)", (uuid.uuid4().hex,))
            connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _chain(connection: sqlite3.Connection, version: int) -> None:
    """Makes the tables of version 2, from those of version 1 where these are there."""
    if version == 1:
        for name in ("events_are_not_changed", "events_are_not_deleted"):
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute("DROP INDEX events_by_kind")
        connection.execute("ALTER TABLE events RENAME TO events_1")
    connection.execute(_EVENTS)
    if version == 1:
        connection.executemany(INSERT, _chained(connection.execute(_OLD)))
        connection.execute("DROP TABLE events_1")
    for statement in _OF_2:
        connection.execute(statement)


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
