"""What an unexpected exception leaves behind: a traceback in the log, and one sentence for the person."""

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


def describe_error(what: str, error: BaseException, log_file: str) -> str:
    """`fetching the log failed: KeyError in logs.py:60, a defect of the console; the traceback is in FILE`.

    Logs the traceback. The exception's own message is not repeated, because it may contain a secret. The exceptions are those
    of sources, journal and configuration, whose message is written for people, and of the operating system, which names a file.
    """
    if isinstance(error, SourceError | JournalError | ConfigError):
        return f"{what} failed: {error}"
    log_status = _open_log(log_file)
    place = log_error(what, error)
    if isinstance(error, OSError):
        return f"{what} failed: {error}; {log_status}"
    return f"{what} failed: {place}, a defect of the console; {log_status}"


def log_error(what: str, error: BaseException | None) -> str:
    """Log the traceback; returns `KeyError in logs.py:60`."""
    name = type(error).__name__ if error else "an unknown error"
    _log.error("%s failed", what, exc_info=error)
    frames = traceback.extract_tb(error.__traceback__) if error else []
    return f"{name} in {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else f"{name} in an unknown place"


def render_crash(error: BaseException | None, log_file: str) -> Text:
    """Log the traceback; returns the sentence for the terminal."""
    log_status = _open_log(log_file)
    return Text(f"cad-console crashed; this is a bug in cad-console: {log_error('the console', error)}; {log_status}")


def _open_log(log_file: str) -> str:
    """Open the log, which the session would have opened if it had not failed; returns where the traceback is."""
    problem = log_to(log_file)
    return f"the log {log_file} could not be written: {problem}" if problem else f"the traceback is in {log_file}"
