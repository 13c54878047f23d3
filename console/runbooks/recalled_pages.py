"""The runbooks that ship with the console, read once on this machine: all of them together, because most commands only look
for the page of an alert.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import msgspec

from console.runbooks import page
from console.runbooks.page import MAX_BYTES, Runbook, read_page
from queries.catalogue.recalled_query import expansion_stamp
from queries.shipped import recall


def recall_pages(paths: Sequence[Path], *, root: Path) -> tuple[Runbook, ...]:
    """As `read_page` of each; from the cache while no file, signal or reader changed."""
    read = partial(_read_all, paths, root)
    texts = [_read_text(path) for path in paths]
    if not paths or None in texts:
        return read()
    facts = "\0".join(
        [expansion_stamp(), reader_stamp(), *(f"{path}\0{text}" for path, text in zip(paths, texts, strict=True))]
    )
    rows = recall("runbooks", facts, lambda: msgspec.msgpack.decode(msgspec.msgpack.encode(read())))
    try:
        return msgspec.convert(rows, tuple[Runbook, ...])
    except msgspec.ValidationError:  # kept by a release whose pages were others
        return read()


def _read_all(paths: Sequence[Path], root: Path) -> tuple[Runbook, ...]:
    return tuple(read_page(path, root=root) for path in paths)


def _read_text(path: Path) -> str | None:
    """None for what `read_page` has to look at: a symlink, another kind of file, one that is too large or no text."""
    try:
        number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        status = os.fstat(number)
        if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_BYTES:
            return None
        content = os.read(number, MAX_BYTES + 1)
        return content.decode() if len(content) <= MAX_BYTES else None
    except (OSError, UnicodeDecodeError):
        return None
    finally:
        os.close(number)


def reader_stamp() -> str:
    """Differs where the code that reads a page does."""
    status = Path(page.__file__).stat()
    return f"{status.st_size} {status.st_mtime_ns}"
