"""Text exported as files, for terminals that confirm no clipboard."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

from console.config.permissions import refuse_state
from queries.text.times import format_time

_MAX_FILES = 20
"""Older exports are deleted."""


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
