"""The log file: what went wrong and where, and no secret, whoever wrote the record."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

from console.log import LogFormatter

UNRETRIEVED = """
import asyncio, gc, sys
from console.log import log_to

async def fail():
    raise RuntimeError("refused hunter2-of-nobody")

async def main():
    asyncio.create_task(fail())
    await asyncio.sleep(0)
    gc.collect()

assert log_to(sys.argv[1]) == ""
asyncio.run(main())
"""
FULL_DISK = """
import logging, resource, sys
from console.log import log_to

assert log_to(sys.argv[1]) == ""
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
logging.error("it broke")
"""


def format_record(message: str, *args: object, error: BaseException | None = None) -> str:
    info = (type(error), error, None) if error else None
    return LogFormatter("%(message)s").format(logging.LogRecord("x", logging.WARNING, "f", 1, message, args, info))


def test_what_asyncio_writes_about_a_task_has_no_message_of_its_error(tmp_path: Path) -> None:
    """asyncio's own record quotes the error of a task that nobody awaited; the log has its type and place only."""
    path = tmp_path / "log"
    subprocess.run([sys.executable, "-c", UNRETRIEVED, str(path)], check=True)
    text = path.read_text()
    assert "Task exception was never retrieved" in text and "RuntimeError" in text and "in fail" in text
    assert "hunter2" not in text


def test_a_record_s_own_message_has_no_secret() -> None:
    """What looks like a secret is hidden wherever a library puts it: in the message, or in an argument of it."""
    for shown in (
        format_record("Retrying after connection broken: /api/v1?token=hunter2"),
        format_record("%s refused the connection", f"postgresql://console:{'hunter2'}@db/journal"),
        format_record("sent Authorization: Bearer hunter2hunter2"),
    ):
        assert "hunter2" not in shown and "(hidden " in shown


def test_the_error_of_a_record_is_not_quoted_in_its_message() -> None:
    """Neither the error itself, nor its cause, nor a member of a group is quoted; the message says the rest."""
    error = RuntimeError("outer hunter2")
    error.__cause__ = ExceptionGroup("several hunter3", [ValueError("inner hunter4")])
    shown = format_record("sync failed: %s, %r: %s", error, error.__cause__, error.__cause__.exceptions[0], error=error)
    assert shown.startswith("sync failed: ") and "RuntimeError" in shown and "ValueError" in shown
    assert "hunter" not in shown


def test_a_full_disk_prints_nothing(tmp_path: Path) -> None:
    """A record that cannot be written is dropped: a traceback of Python's own would be drawn over the screen."""
    path = tmp_path / "log"
    done = subprocess.run([sys.executable, "-c", FULL_DISK, str(path)], check=True, capture_output=True)
    assert (done.stdout, done.stderr, path.read_bytes()) == (b"", b"", b"")


def test_a_plain_message_stays() -> None:
    """Without a secret the message is what was logged, also with an error whose text is a common word or empty."""
    assert format_record("reading %s failed", "the journal") == "reading the journal failed"
    assert format_record("a task failed", error=KeyError("a")).startswith("a task failed\n")
    assert format_record("a task failed", error=TimeoutError()).startswith("a task failed\n")
