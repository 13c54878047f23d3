"""Text files for their owner alone: the state folder, exports for terminals that confirm no clipboard, and saved logs."""

from __future__ import annotations

import errno
import os
import re
import tempfile
from collections.abc import Iterable
from pathlib import Path

from console.config.permissions import refuse_state
from queries.text.times import format_time

_MAX_FILES = 20
"""Older exports are deleted."""
_MAX_CHARACTERS = 1 << 16


def read_state(state_dir: str, name: str) -> str:
    """The text of a file in the state folder, at most 64 KiB; empty if there is none. Raises OSError and UnicodeDecodeError."""
    path = Path(state_dir).expanduser() / name
    if why := refuse_state(path.parent) or refuse_state(path):
        raise PermissionError(errno.EPERM, why)
    try:
        with path.open(encoding="utf-8") as file:
            return file.read(_MAX_CHARACTERS)
    except FileNotFoundError:
        return ""


def write_state(state_dir: str, name: str, text: str) -> None:
    """Replaces a file in the state folder (0600, the folder 0700) in one step. Raises OSError."""
    folder = Path(state_dir).expanduser()
    if why := refuse_state(folder):
        raise PermissionError(errno.EPERM, why)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    number, new = tempfile.mkstemp(prefix=f".{name}-", dir=folder)
    try:
        with os.fdopen(number, "w", encoding="utf-8") as file:
            file.write(text)
        Path(new).replace(folder / name)
    except OSError:
        Path(new).unlink(missing_ok=True)
        raise


def write_export(state_dir: str, name: str, text: str, *, now: float) -> Path:
    """Writes `exports/NAME-TIME.txt` (0600, its folder 0700) and returns its path. Raises OSError."""
    folder = Path(state_dir).expanduser() / "exports"
    if why := refuse_state(folder.parent) or refuse_state(folder):
        raise PermissionError(errno.EPERM, why)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40] or "text"
    path = folder / f"{slug}-{format_time(now, '%Y%m%dT%H%M%SZ', unknown='undated')}.txt"
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "w", encoding="utf-8") as file:
        file.write(text if text.endswith("\n") else f"{text}\n")
    for old in sorted(folder.glob("*.txt"), key=lambda item: item.lstat().st_mtime)[:-_MAX_FILES]:
        old.unlink(missing_ok=True)
    return path


def write_private(path: Path, parts: Iterable[str], *, replace: bool = False) -> None:
    """Writes a file (0600) completely or not at all. Raises OSError; without `replace` FileExistsError if it exists."""
    if not replace and (path.exists() or path.is_symlink()):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.writelines(parts)
        if replace:
            temporary.replace(path)
        else:
            path.hardlink_to(temporary)  # unlike a rename, it fails if the file has appeared meanwhile
    finally:
        temporary.unlink(missing_ok=True)
