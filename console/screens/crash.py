"""What an exception that nobody foresaw leaves behind: its frames in the log, and one sentence for the person."""

from __future__ import annotations

import logging
import traceback
from pathlib import Path

from rich.text import Text

from console.config.errors import ConfigError
from console.journal.errors import JournalError
from console.log import log_to
from queries.errors import SourceError

_log = logging.getLogger(__name__)


def error_sentence(what: str, error: BaseException, log_file: str) -> str:
    """`asking for the log failed: KeyError in logs.py:60, a defect of the console; the traceback is in FILE`.

    Writes the frames to the log. What the exception says itself may hold a secret, and is not repeated; the sentence
    of a source, of the journal or of the configuration is made for people and is all that there is to say, and the operating
    system's names a file.
    """
    if isinstance(error, SourceError | JournalError | ConfigError):
        return f"{what} failed: {error}"
    where = _where(log_file)
    place = record_error(what, error)
    if isinstance(error, OSError):
        return f"{what} failed: {error}; {where}"
    return f"{what} failed: {place}, a defect of the console; {where}"


def record_error(what: str, error: BaseException | None) -> str:
    """Writes the frames to the log; gives `KeyError in logs.py:60`."""
    name = type(error).__name__ if error else "an unknown error"
    _log.error("%s failed", what, exc_info=error)
    frames = traceback.extract_tb(error.__traceback__) if error else []
    return f"{name} in {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else f"{name} in an unknown place"


def crash_lines(error: BaseException | None, log_file: str) -> Text:
    """Writes the frames to the log and gives the sentence for the terminal."""
    where = _where(log_file)
    return Text(f"cad-console stopped because of a defect of its own: {record_error('the console', error)}; {where}")


def _where(log_file: str) -> str:
    """Opens the log: it may have been the session that failed, which opens it else."""
    problem = log_to(log_file)
    return f"the log {log_file} could not be written: {problem}" if problem else f"the traceback is in {log_file}"
