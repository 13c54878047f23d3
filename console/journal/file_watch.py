"""One thread that looks several times a second whether other processes changed a file, so that nobody else has to."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

_log = logging.getLogger(__name__)

_TICK_SECONDS = 0.1
"""Longer than the tick of any kernel's clock, by which files have their times."""
_COARSE_SECONDS = 2.0
"""The same for a file system that keeps whole seconds, or every second one."""

Look: TypeAlias = Callable[[], None]


class FileWatch:
    """Calls every look in turn. None may block for long, and none that fails ends the others. Any thread may add one."""

    def __init__(self, every_seconds: float, *, name: str) -> None:
        """`name` is that of the thread, which starts with the first look."""
        self._every_seconds = every_seconds
        self._lock = threading.Lock()
        self._looks: tuple[Look, ...] = ()
        self._stopped = threading.Lock()
        self._stopped.acquire()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def add(self, look: Look) -> None:
        """Calls it from now on."""
        with self._lock:
            self._looks = (*self._looks, look)
            if self._thread.ident is None:
                self._thread.start()

    def remove(self, look: Look) -> None:
        """Calls it no more, except for a call that has begun."""
        with self._lock:
            self._looks = tuple(item for item in self._looks if item != look)

    def close(self) -> None:
        """Ends the thread; returns when it has ended."""
        if self._stopped.locked():
            self._stopped.release()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        # A lock's own timeout: an event allocates one for every wait, for a thread that is to cost next to nothing.
        while not self._stopped.acquire(timeout=self._every_seconds):
            for look in self._looks:
                try:
                    look()
                except Exception:
                    _log.exception("a file cannot be watched")


class FileChanges:
    """Notices changes of a file by its size and time, without opening it: `changed` is called for each, and once too often
    rather than never.
    """

    def __init__(self, path: Path, changed: Callable[[], None], *, clock: Callable[[], float] = time.time) -> None:
        """`clock` is that of the file system."""
        self._path = path
        self._changed = changed
        self._clock = clock
        self._seen: tuple[int, int, int] | None = None
        self._again = True

    def look(self) -> None:
        try:
            found = self._path.stat()
        except OSError:
            stamp, recent = None, False
        else:
            stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
            least = _TICK_SECONDS if found.st_mtime_ns % 1_000_000_000 else _COARSE_SECONDS
            recent = abs(self._clock() - found.st_mtime_ns / 1e9) < least
        again, self._again = self._again, recent
        # A second write within one tick leaves the file's time as it is.
        if again or stamp != self._seen:
            self._seen = stamp
            self._changed()
