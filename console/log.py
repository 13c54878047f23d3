"""The log file, for errors that must not be written over the screen."""

from __future__ import annotations

import asyncio
import logging
import os
import traceback
from collections.abc import Iterator
from copy import copy
from logging.handlers import RotatingFileHandler
from pathlib import Path
from types import TracebackType

from console.config.permissions import refuse_state
from queries.model.text import visible

_NAME = "cad-console"


class _Frames(logging.Formatter):
    """Printable lines; of an exception its name and frames, never its words or variables, which may hold secrets."""

    def format(self, record: logging.LogRecord) -> str:
        record = copy(record)
        record.exc_text = None  # what another handler made of the exception holds its words
        return "\n".join(visible(line) for line in super().format(record).splitlines())

    def formatException(
        self, ei: tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
    ) -> str:
        return "\n".join(_frames(ei[1])) if ei[1] else "  no exception"


def _frames(error: BaseException, indent: str = "  ") -> Iterator[str]:
    """What it was raised from comes first, as Python prints it; of a group every member."""
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None:
        yield from _frames(before, indent)
        yield f"{indent}then"
    yield f"{indent}{type(error).__name__}"
    for frame in traceback.extract_tb(error.__traceback__):
        yield f"{indent}{frame.filename}:{frame.lineno} in {frame.name}"
    for member in error.exceptions if isinstance(error, BaseExceptionGroup) else ():
        yield from _frames(member, indent + "  ")


class _Nowhere(logging.NullHandler):
    """Stands for a log that cannot be written; `problem` says why."""

    problem = ""


def log_to(path: str) -> str:
    """Send warnings of the whole process to this file (0600, at most 2 MB); gives why it cannot be written, empty where it can.

    The file that was named first stays the log.
    """
    root = logging.getLogger()
    known = next((handler for handler in root.handlers if handler.name == _NAME), None)
    if known is not None:
        return known.problem if isinstance(known, _Nowhere) else ""
    handler: logging.Handler
    why = refuse_state(Path(path).parent) or refuse_state(Path(path))
    try:
        if why:
            raise PermissionError(0, why)
        Path(path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
        handler = RotatingFileHandler(path, maxBytes=1_000_000, backupCount=1, encoding="utf-8", delay=True)
    except OSError as error:
        handler = _Nowhere()
        handler.problem = error.strerror or type(error).__name__
    handler.name = _NAME
    handler.setLevel(logging.WARNING)
    handler.setFormatter(_Frames("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root.addHandler(handler)
    return handler.problem if isinstance(handler, _Nowhere) else ""


def report_error(what: str, error: Exception) -> None:
    """In the loop: to whoever handles its exceptions, the console with a notice, a headless command with its log."""
    loop = asyncio.get_running_loop()
    loop.call_exception_handler({"message": what, "exception": error})
