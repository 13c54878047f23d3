"""Snapshots of the state that a journal's events reduce to, kept in its file, so that a start does not read all events.

A snapshot records the stamp up to which it covers the events of its environment, the number of rows covered, and the file's
newest sequence and hash when it was written. It is used only if that entry still has that hash, the schema is unchanged
(editing a row by hand requires dropping a trigger), the same code wrote it, and its digest fits. A late event, with a stamp
that a snapshot covers, deletes the snapshot in the same transaction (by a trigger); older snapshots remain, at growing
distances. All of this is derived data: it may be deleted at any time and is rebuilt from the events.
"""

from __future__ import annotations

import hashlib
import math
import sqlite3
import sys
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import TYPE_CHECKING, Any

import msgspec

from console import __version__
from console.journal.ordered import FIRST
from console.journal.projection import Settled
from queries.model.frozen import dataclass

if TYPE_CHECKING:
    from console.journal.sqlite import Journal

_FORGOTTEN = 7 * 86_400 * 1_000_000
"""Microseconds after which the snapshots of other releases are deleted."""
_GROWTH = 4
"""The factor between the distances of two neighbouring snapshots from the newest event: a late event costs little more than
reducing the events after it."""


@dataclass(frozen=True, slots=True)
class StoredSnapshot:
    """A snapshot's stamp, which names it, the number of rows it covers, and its encoded state."""

    stamp: int
    covered: int
    body: bytes


class Snapshots:
    """The snapshots of one environment, written by this version of the code; for one thread only.

    A console of another release on the same file has its own.
    """

    def __init__(self, journal: Journal, environment: str, reducers: str) -> None:
        self._journal = journal
        self._scope = f"{environment} {reducers}"

    def newest(self) -> StoredSnapshot | None:
        """The newest valid snapshot; invalid ones after it are deleted. Raises JournalError."""
        wrong = False
        statement = (
            "SELECT stamp, covered, sequence, hash, tables, digest, body FROM snapshots WHERE scope = ? ORDER BY stamp DESC"
        )
        tables = self._tables()
        for *fields, digest, body in self._journal.select(statement, (self._scope,)):
            stamp, covered, sequence, hash_, seen = fields
            head = self._journal.select("SELECT hash FROM events WHERE sequence = ?", (sequence,))
            if seen == tables and head == [(hash_,)] and digest == _digest((self._scope, *fields), body):
                if wrong:
                    self.discard(after=stamp)
                return StoredSnapshot(stamp, covered, zlib.decompress(body))
            wrong = True
        self.discard()
        return None

    def store(self, stored: StoredSnapshot, settled: Iterable[Settled], *, after: int | None, read: int) -> bool:
        """Writes a snapshot and what settled with it, in one transaction. Returns False, and writes nothing, if another console
        stored one after `after`, or a row newer than the sequence `read` has a stamp that it covers. Raises JournalError.
        """
        scope, body, tables = self._scope, zlib.compress(stored.body, 1), self._tables()
        parts = [
            (scope, item.kind, item.id, item.part, stored.stamp, zlib.compress(encode_snapshot(item.value), 1))
            for item in settled
        ]
        with self._journal.writing() as connection:
            (newest,) = connection.execute("SELECT max(stamp) FROM snapshots WHERE scope = ?", (scope,)).fetchone()
            late = "SELECT 1 FROM events NOT INDEXED WHERE sequence > ? AND stamp <= ? LIMIT 1"
            if newest != after or connection.execute(late, (read, stored.stamp)).fetchone():
                return False
            head = "SELECT sequence, hash FROM events WHERE sequence <= ? ORDER BY sequence DESC LIMIT 1"
            fields = (stored.stamp, stored.covered, *connection.execute(head, (read,)).fetchone(), tables)
            # Settled rows of a deleted snapshot may be stored again now, perhaps in other parts.
            later = FIRST if after is None else after
            connection.execute("DELETE FROM settled WHERE scope = ? AND stamp > ?", (scope, later))
            connection.executemany(
                "INSERT OR REPLACE INTO settled (scope, kind, id, part, stamp, body) VALUES (?, ?, ?, ?, ?, ?)", parts
            )
            connection.execute(
                """INSERT INTO snapshots (scope, stamp, covered, sequence, hash, tables, digest, body)
                   VALUES (?, ?, ?, ?, ?, ?, ?, ?)""",
                (scope, *fields, _digest((scope, *fields), body), body),
            )
            _tidy(connection, scope, stored.stamp)
        return True

    def discard(self, *, after: int = FIRST) -> None:
        """Deletes the snapshots after a stamp. Raises JournalError."""
        there = "SELECT 1 FROM snapshots WHERE scope = ? UNION ALL SELECT 1 FROM settled WHERE scope = ? LIMIT 1"
        if not self._journal.select(there, (self._scope, self._scope)):
            return
        with self._journal.writing() as connection:
            for table in ("snapshots", "settled"):
                connection.execute(f"DELETE FROM {table} WHERE scope = ? AND stamp > ?", (self._scope, after))  # noqa: S608 - two names

    # Settled items

    def settled(self, kind: str, id: str, *, until: int) -> Iterator[tuple[int, bytes]]:
        """The parts of an item as of the snapshot of the stamp `until`, in order."""
        statement = """SELECT part, body, max(stamp) FROM settled
            WHERE scope = ? AND kind = ? AND id = ? AND stamp <= ? GROUP BY part ORDER BY part"""
        for part, body, _ in self._journal.select(statement, (self._scope, kind, id, until)):
            yield part, zlib.decompress(body)

    def listed(self, kind: str, *, until: int, before: int, limit: int) -> tuple[bytes, ...]:
        """The newest `limit` items of a kind whose part is less than `before`, newest first."""
        statement = """SELECT body, max(stamp) FROM settled
            WHERE scope = ? AND kind = ? AND stamp <= ? AND part < ? GROUP BY id ORDER BY part DESC LIMIT ?"""
        rows = self._journal.select(statement, (self._scope, kind, until, before, limit))
        return tuple(zlib.decompress(body) for body, _ in rows)

    def ids(self, kind: str, start: str, *, until: int, part: int | None = None) -> tuple[str, ...]:
        """The ids of a kind with a prefix, or with a part; at most two, enough to tell whether it is unique."""
        column, value = ("substr(id, 1, ?) = ?", (len(start), start)) if part is None else ("part = ?", (part,))
        statement = f"SELECT DISTINCT id FROM settled WHERE scope = ? AND kind = ? AND stamp <= ? AND {column} LIMIT 2"  # noqa: S608 - no input
        return tuple(id for (id,) in self._journal.select(statement, (self._scope, kind, until, *value)))

    def _tables(self) -> int:
        """SQLite's schema version: editing a row by hand requires dropping a trigger, which changes it."""
        ((count,),) = self._journal.select("PRAGMA schema_version", ())
        return int(count)


def _tidy(connection: sqlite3.Connection, scope: str, stamp: int) -> None:
    """Deletes snapshots too near to a newer one, and those of releases that no longer run."""
    newest = "SELECT stamp, covered FROM snapshots WHERE scope = ? ORDER BY stamp DESC"
    rows = connection.execute(newest, (scope,)).fetchall()
    delete = "DELETE FROM snapshots WHERE scope = ? AND stamp = ?"
    connection.executemany(delete, [(scope, near) for near in _too_near(rows)])
    environment = scope.rpartition(" ")[0]
    others = "SELECT scope FROM snapshots WHERE scope <> ? GROUP BY scope HAVING max(stamp) < ?"
    for (other,) in connection.execute(others, (scope, stamp - _FORGOTTEN)).fetchall():
        if other.rpartition(" ")[0] == environment:
            for table in ("snapshots", "settled"):
                connection.execute(f"DELETE FROM {table} WHERE scope = ?", (other,))  # noqa: S608 - of two names


def _too_near(rows: Sequence[tuple[int, int]]) -> Iterator[int]:
    """The stamps of redundant snapshots: among those 4 to 16 events from the newest the oldest stays, likewise 16 to 64, and so
    on.
    """
    newest = rows[0][1]
    seen = set()
    for stamp, covered in reversed(rows[1:]):
        step = int(math.log(max(newest - covered, 1), _GROWTH))
        if step in seen:
            yield stamp
        seen.add(step)


def _digest(fields: tuple[Any, ...], body: bytes) -> str:
    return hashlib.sha256(repr(fields).encode() + body).hexdigest()


@cache
def reducer_fingerprint(classes: tuple[type, ...]) -> str:
    """A text that changes with the version and the source of the code that writes or reads snapshots of these classes."""
    digest = hashlib.sha256(__version__.encode())
    modules = sorted({name for each in classes for name in _modules(each)})
    for name in modules:
        file = getattr(sys.modules[name], "__file__", None)
        digest.update(name.encode())
        if file:
            digest.update(Path(file).read_bytes())
    return digest.hexdigest()[:24]


def _modules(each: type) -> set[str]:
    """The modules of a class and its bases, and every console module that they import from, through `console.state`
    transitively.
    """
    names: set[str] = set()
    pending = [base.__module__ for base in each.__mro__ if _own(base.__module__) and base.__module__ in sys.modules]
    expanded = set(pending)
    while pending:
        name = pending.pop()
        imported = set(_imported(sys.modules[name]))
        names |= {name, *imported}
        more = {item for item in imported if item.startswith("console.state.")} - expanded
        expanded |= more
        pending += more
    return names


def _imported(module: ModuleType) -> Iterator[str]:
    for value in vars(module).values():
        name = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
        if isinstance(name, str) and _own(name) and name in sys.modules:
            yield name


def _own(name: str) -> bool:
    return name.partition(".")[0] in ("console", "queries")


def encode_snapshot(value: Any) -> bytes:
    """Encodes a state, or a part of one, as MessagePack."""
    return _ENCODER.encode(value)


def decode_snapshot(body: bytes, kind: Any) -> Any:
    """Decodes a state of this kind. Raises ValueError for any other body."""
    try:
        return _decoder(kind).decode(body)
    except msgspec.DecodeError as error:
        raise ValueError(str(error)) from None


@cache
def _decoder(kind: Any) -> msgspec.msgpack.Decoder[Any]:
    return msgspec.msgpack.Decoder(kind)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping | MappingProxyType):
        return dict(value)
    raise TypeError(type(value))


_ENCODER = msgspec.msgpack.Encoder(enc_hook=_plain)
