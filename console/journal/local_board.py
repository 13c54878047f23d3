"""The board of the consoles of one host: a small SQLite file beside the journal, whose loss costs nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from console.journal.errors import JournalError
from console.journal.file_lock import create_file
from console.journal.file_watch import FileChanges, FileWatch
from queries.errors import Unreachable
from queries.model.fault import Fault

FILE = "presence.sqlite3"
EVERY_SECONDS = 0.5
"""How often the file is looked at."""
_BUSY_SECONDS = 1.0
_MOST = 200
_DAMAGED = ("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_ERROR")
"""SQLITE_ERROR: a table of another shape."""


class LocalBoard:
    """Used by one thread. Nothing is flushed to the disk: after a crash of the machine no console is on."""

    poll_seconds = 0.5
    live = False
    fault: Fault | None = None

    def __init__(self, path: Path, watch: FileWatch | None = None) -> None:
        """`watch` looks at the file too; None for one of its own."""
        self._path = path
        self._own_watch = FileWatch(EVERY_SECONDS, name="presence watch") if watch is None else None
        self._watch = watch or self._own_watch
        self._changes: FileChanges | None = None
        self._connection: sqlite3.Connection | None = None
        self._version: int | None = None
        self._entries: dict[str, str] = {}

    def open(self, changed: Callable[[], None]) -> None:
        """Another process wakes nobody, so a thread looks at the time of the file."""
        if self._watch is not None:
            self._changes = FileChanges(self._path, changed)
            self._watch.add(self._changes.look)

    def entries(self) -> Mapping[str, str]:
        with self._using() as connection:
            (version,) = connection.execute("PRAGMA data_version").fetchone()
            if version != self._version:
                self._entries = dict(connection.execute("SELECT id, entry FROM presence LIMIT ?", (_MOST,)).fetchall())
                self._version = version
        return self._entries

    def write(self, identity: str, text: str) -> None:
        with self._using() as connection:
            connection.execute("INSERT OR REPLACE INTO presence VALUES (?, ?)", (identity, text))

    def remove(self, identity: str) -> None:
        with self._using() as connection:
            connection.execute("DELETE FROM presence WHERE id = ?", (identity,))
        self._entries.pop(identity, None)

    def close(self) -> None:
        if self._changes is not None and self._watch is not None:
            self._watch.remove(self._changes.look)
        if self._own_watch is not None:
            self._own_watch.close()
        self._watch = self._own_watch = None
        self._disconnect()

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @contextmanager
    def _using(self) -> Iterator[sqlite3.Connection]:
        """The connection, opened on first use; after any error the next call opens another one. A damaged file is deleted."""
        try:
            if self._connection is None:
                self._connection = self._open()
            yield self._connection
        except (sqlite3.Error, OSError, JournalError) as error:
            self._disconnect()
            code = getattr(error, "sqlite_errorname", "") or ""
            if code.startswith(_DAMAGED):
                self._path.unlink(missing_ok=True)
            raise Unreachable(
                f"the file {self._path} cannot be used: {error}", hint="check the folder's permissions and the disk"
            ) from None

    def _open(self) -> sqlite3.Connection:
        create_file(self._path)
        connection = sqlite3.connect(self._path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA journal_mode = MEMORY")
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("CREATE TABLE IF NOT EXISTS presence (id TEXT PRIMARY KEY, entry TEXT NOT NULL) WITHOUT ROWID")
        self._version = None
        return connection
