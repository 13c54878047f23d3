"""Creates the journal's private file and folder, and lets one process at a time open them."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from console.config.permissions import refuse_state
from console.journal.errors import JournalError


def create_file(file: Path) -> None:
    """Creates folder and file if missing. Raises JournalError where another user could have written to them."""
    for path in (file.parent, file, *(file.with_name(file.name + part) for part in ("-wal", "-shm"))):
        if why := refuse_state(path):
            raise JournalError(f"the journal cannot be used: {why}")
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
def exclusive(folder: Path, limit_seconds: float) -> Iterator[None]:
    """One process at a time: SQLite's own lock is not fair, and a busy writer could starve a process that opens the file."""
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
                pass  # a file system without flock: SQLite's own lock has to suffice
            break
        yield
    finally:
        os.close(descriptor)
