"""The log file, for errors that must not be written over the screen."""

from __future__ import annotations

import asyncio
import logging
import os
import traceback
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from console.config.permissions import refuse_state
from queries.model.text import visible

_NAME = "cad-console"
_SHORTEST = 4
"""Characters; to remove a shorter text of an exception would mangle the message."""


class LogFormatter(logging.Formatter):
    """Printable lines without what looks like a secret. Of an exception they have its type and frames, never its message or
    variables, which may contain secrets of any form, also where the record's own message quotes it.
    """

    def format(self, record: logging.LogRecord) -> str:
        # `exc_text`, which another handler cached, contains the exception's message.
        clean = logging.makeLogRecord({**vars(record), "msg": _redact_message(record), "args": None, "exc_text": None})
        return "\n".join(visible(line) for line in super().format(clean).splitlines())

    def formatException(
        self, ei: tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
    ) -> str:
        return "\n".join(_frames(ei[1])) if ei[1] else "  no exception"


def _redact_message(record: logging.LogRecord) -> str:
    """asyncio quotes the exception of a task that nobody awaited in the message of its record."""
    from queries.text.secrets import redact_text  # noqa: PLC0415  # most commands log nothing

    message = record.getMessage()
    quoted: dict[str, str] = {}
    for error in _chain(record.exc_info[1]) if record.exc_info else ():
        name = type(error).__name__
        quoted |= {text: name for text in (str(error), repr(error)) if text != name and len(text) >= _SHORTEST}
    for text in sorted(quoted, key=len, reverse=True):
        message = message.replace(text, quoted[text])
    return redact_text(message)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The exception, its causes, and all members of groups."""
    if error is not None:
        yield error
        yield from _chain(error.__cause__ or error.__context__)
        for member in error.exceptions if isinstance(error, BaseExceptionGroup) else ():
            yield from _chain(member)


def _frames(error: BaseException, indent: str = "  ") -> Iterator[str]:
    """The cause first, as Python prints it; of a group every member."""
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None:
        yield from _frames(before, indent)
        yield f"{indent}then"
    yield f"{indent}{type(error).__name__}"
    for frame in traceback.extract_tb(error.__traceback__):
        yield f"{indent}{frame.filename}:{frame.lineno} in {frame.name}"
    for member in error.exceptions if isinstance(error, BaseExceptionGroup) else ():
        yield from _frames(member, indent + "  ")


class _LogFile(logging.Handler):
    """A file that is opened, and its class imported, with the first record: most commands log nothing."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path
        self._file: logging.Handler | None = None

    def emit(self, record: logging.LogRecord) -> None:
        if self._file is None:
            from logging.handlers import RotatingFileHandler  # noqa: PLC0415  # not before the first record

            self._file = RotatingFileHandler(self._path, maxBytes=1_000_000, backupCount=1, encoding="utf-8", delay=True)
            self._file.setFormatter(self.formatter)
            self._file.handleError = _drop  # type: ignore[assignment, method-assign]
        self._file.emit(record)

    def close(self) -> None:
        if self._file is not None:
            with suppress(OSError):  # the rest of a record, on a full disk
                self._file.close()
        super().close()


def _drop(_record: logging.LogRecord) -> None:
    """On a full disk: Python would print a traceback over the screen."""


class UnwritableLog(logging.NullHandler):
    """Replaces a log that cannot be written; `problem` says why."""

    problem = ""


def log_to(path: str) -> str:
    """Sends warnings of the whole process to this file (0600, at most 2 MB); returns why it cannot be written, or empty.

    The first file named stays the log.
    """
    root = logging.getLogger()
    existing = next((handler for handler in root.handlers if handler.name == _NAME), None)
    if existing is not None:
        return existing.problem if isinstance(existing, UnwritableLog) else ""
    handler: logging.Handler
    why = refuse_state(Path(path).parent) or refuse_state(Path(path))
    try:
        if why:
            raise PermissionError(0, why)
        Path(path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
        handler = _LogFile(path)
    except OSError as error:
        handler = UnwritableLog()
        handler.problem = error.strerror or type(error).__name__
    handler.name = _NAME
    handler.setLevel(logging.WARNING)
    handler.setFormatter(LogFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root.addHandler(handler)
    return handler.problem if isinstance(handler, UnwritableLog) else ""


def report_error(what: str, error: Exception) -> None:
    """Passes the error to the running loop's exception handler: a notice in the console, the log in a headless command."""
    loop = asyncio.get_running_loop()
    loop.call_exception_handler({"message": what, "exception": error})
