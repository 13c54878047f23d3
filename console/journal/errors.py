"""Errors of the journal's file, with what to do about each."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from queries.text.durations import format_duration

BUSY_SECONDS = 2.0
VERIFY = "`cad-console journal verify` says more"


class JournalError(Exception):
    """The journal cannot be read or written; the message says which file, why, and what to try."""


def explain(error: sqlite3.Error, file: Path) -> JournalError:
    """The error that a person can act on."""
    code = getattr(error, "sqlite_errorname", "") or ""
    for start, text in _TEXTS:
        if code.startswith(start):
            return JournalError(f"the journal {file} {text}")
    return JournalError(f"the journal {file} cannot be used: {error}")


_TEXTS = (
    (
        "SQLITE_BUSY",
        f"has been locked by another process for over {format_duration(BUSY_SECONDS)}; stop that process or try again",
    ),
    ("SQLITE_LOCKED", "is locked by another process; stop that process or try again"),
    ("SQLITE_FULL", "cannot be written: the disk is full; free some space"),
    ("SQLITE_READONLY", "cannot be written: it is read-only; check its permissions"),
    ("SQLITE_CANTOPEN", "cannot be opened; check the folder's permissions"),
    ("SQLITE_PERM", "cannot be opened; check its permissions"),
    ("SQLITE_IOERR", "cannot be written: disk I/O error (full, over quota, or failing)"),
    ("SQLITE_CORRUPT", "is damaged; `cad-console journal verify` says where; move it away, the console creates a new one"),
    ("SQLITE_NOTADB", "is not a journal; move it away, the console creates a new one"),
)
