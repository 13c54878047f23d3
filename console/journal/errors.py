"""Why the journal's file cannot be used, in words that a person can act on."""

from __future__ import annotations

import sqlite3
from pathlib import Path

BUSY_SECONDS = 2.0
VERIFY = "`cad-console journal verify` says more"


class JournalError(Exception):
    """The journal cannot be read or written; the message says which file, why, and what to try."""


def explain(error: sqlite3.Error, file: Path) -> JournalError:
    """The SQLite error as one that says what to try."""
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
    ("SQLITE_CORRUPT", "is damaged; `cad-console journal verify` says where; move it away, a new one will be made"),
    ("SQLITE_NOTADB", "is no journal; move that file away, a new one will be made"),
)
