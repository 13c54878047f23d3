"""The tables of the journal's file, its rows, and the migration of files of older releases."""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Iterable, Iterator, Sequence, Sized
from typing import Any

from console.journal.event import Event, parse_data
from console.journal.hash_chain import ChainEntry, chain_entry, hash_of

VERSION = 3
CHAINED = 2
"""The first version with ids, stamps and the hash chain."""
COLUMNS = "sequence, at, kind, subject, author, environment, data, id, stamp"
"""The columns of an event, in the order that `decode_row` expects."""
OLD_COLUMNS = "sequence, at, kind, subject, author, environment, data, '', 0"
"""The same for a file of version 1 that is open for reading only, and so is not migrated."""

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
    # The outbox (outbox.py): events that the shared store `store` lacks; `trouble` is the reason if it rejected one for good.
    """CREATE TABLE waiting (
        sequence INTEGER PRIMARY KEY,
        store TEXT NOT NULL,
        trouble TEXT NOT NULL DEFAULT ''
    )""",
    # How far each shared store has been read.
    "CREATE TABLE cursors (store TEXT PRIMARY KEY, value TEXT NOT NULL)",
)
_OF_3 = (
    # `journal`: the id of this file, by which the shared store knows its heads.
    "CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    # Intents without an outcome: a start looks at these few instead of all events.
    "CREATE TABLE open_intents (sequence INTEGER PRIMARY KEY, subject TEXT NOT NULL)",
    """CREATE TRIGGER an_intent_is_open AFTER INSERT ON events WHEN NEW.kind = 'action.intent'
       BEGIN INSERT INTO open_intents VALUES (NEW.sequence, NEW.subject); END""",
    """CREATE TRIGGER an_outcome_ends_it AFTER INSERT ON events WHEN NEW.kind = 'action.outcome'
       BEGIN DELETE FROM open_intents WHERE subject = NEW.subject; END""",
    # The state that the events up to a stamp reduce to: derived, and deleted as soon as it could be wrong (snapshots.py).
    # `covered` counts the file's events up to that stamp; `hash` belongs to `sequence`, the newest event at that time;
    # `tables` is SQLite's schema version.
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
    # What is over and therefore outside the snapshots: closed incidents, and the earlier part of long timelines.
    # A row belongs to the snapshot of its stamp; the newest row up to a stamp is the state at that stamp.
    """CREATE TABLE settled (
        scope TEXT NOT NULL,
        kind TEXT NOT NULL,
        id TEXT NOT NULL,
        part INTEGER NOT NULL,
        stamp INTEGER NOT NULL,
        body BLOB NOT NULL,
        PRIMARY KEY (scope, kind, id, part, stamp)
    ) WITHOUT ROWID""",
    # A late event, from a console that was offline, invalidates every snapshot with a later stamp.
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
    """The CREATE statement of each table, index and trigger of a file of this version, by name."""
    statements = (_EVENTS, *_OF_2, *(_OF_3 if version >= VERSION else ()))
    return {statement.split()[2]: statement for statement in statements}


def data_text(data: dict[str, Any]) -> str:
    """An event's data as its column holds it: canonical, so that any change shows."""
    return json.dumps(data, ensure_ascii=False, sort_keys=True)


def row_of(event: Event, *, writer: str, previous: str) -> tuple[Any, ...]:
    """The values for INSERT; the last one is the hash."""
    texts = (event.kind, event.subject, event.author, event.environment, data_text(event.data), writer, previous)
    return (event.sequence, event.id, event.stamp, float(event.at), *texts, hash_of(event, previous, writer))


def among(values: Sized) -> str:
    """`IN (?, ?)`: the condition with a placeholder for each value; true of nothing without any."""
    return f"IN ({', '.join('?' * len(values))})"


def decode_row(row: Sequence[Any]) -> Event:
    """The event of a row of COLUMNS. Where the file was changed from outside, its data is `{"damaged": text}` and its time 0:
    the screens still show it, and `journal verify` reports it.
    """
    sequence, at, kind, subject, author, environment, data, identity, stamp = row
    texts = (kind, subject, author, environment, identity)
    try:
        decoded = parse_data(data)
        if isinstance(stamp, int) and all(isinstance(text, str) for text in texts):
            return Event(float(at), kind, subject, author, environment, decoded, sequence, identity, stamp)
    except (TypeError, ValueError):
        pass
    kind, subject, author, environment, identity = map(str, texts)
    number = stamp if isinstance(stamp, int) else 0
    return Event(0.0, kind, subject, author, environment, {"damaged": str(data)}, sequence, identity, number)


def decode_link(row: Sequence[Any], previous: Any, hash_: Any, writer: Any, *, older: bool) -> ChainEntry:
    """The chain entry of a row of COLUMNS; `intact` where every column is as the console writes it."""
    event = decode_row(row)
    texts = isinstance(previous, str) and isinstance(hash_, str) and isinstance(writer, str)
    intact = texts and isinstance(row[1], float) and data_text(event.data) == row[6]
    return chain_entry(event, str(previous), str(hash_), str(writer), intact=intact, older=older)


def prepare(connection: sqlite3.Connection) -> None:
    """Migrates an empty file, or one of an older version, to VERSION in one transaction. Raises sqlite3.Error.

    The rows of a version-2 file stay untouched; only derived tables are added, and these fill gradually when they are used.
    """
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Another process may have migrated it while this one waited for the lock.
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
    """Creates the tables of version 2, with the rows of version 1 if there are any."""
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
    """Adds to events of version 1 an id, a stamp that grows with the sequence, and the hash chain."""
    previous, stamp = "", 0
    for at, kind, subject, author, environment, data, sequence, writer in rows:
        stamp = max(int(at * 1e6), stamp + 1)
        event = Event(at, kind, subject, author, environment, json.loads(data), sequence, uuid.uuid4().hex, stamp)
        row = row_of(event, writer=writer, previous=previous)
        previous = row[-1]
        yield row
