"""The log file: where what nobody foresaw is written, instead of over the screen."""

from __future__ import annotations

import logging
import os
import traceback
from logging.handlers import RotatingFileHandler
from pathlib import Path
from types import TracebackType

from queries.model.text import visible

_NAME = "cad-console"


class _Frames(logging.Formatter):
    """Printable lines; of an exception its name and frames, never its words or variables, which may hold secrets."""

    def format(self, record: logging.LogRecord) -> str:
        return "\n".join(visible(line) for line in super().format(record).splitlines())

    def formatException(
        self, ei: tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
    ) -> str:
        kind, _, trace = ei
        frames = [f"  {frame.filename}:{frame.lineno} in {frame.name}" for frame in traceback.extract_tb(trace)]
        return "\n".join([f"  {kind.__name__ if kind else 'no exception'}", *frames])


def log_to(path: str) -> None:
    """Send warnings of the whole process to this file (0600, at most 2 MB); to nowhere where it cannot be written."""
    root = logging.getLogger()
    if any(handler.name == _NAME for handler in root.handlers):
        return
    handler: logging.Handler
    try:
        Path(path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
        handler = RotatingFileHandler(path, maxBytes=1_000_000, backupCount=1, encoding="utf-8", delay=True)
    except OSError:
        handler = logging.NullHandler()
    handler.name = _NAME
    handler.setLevel(logging.WARNING)
    handler.setFormatter(_Frames("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root.addHandler(handler)
