"""The journal's file is private, and one process at a time opens it."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest
from limits import extend

from console.journal import process
from console.journal.errors import JournalError
from console.journal.file_lock import create_file, exclusive


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_folder_and_file_are_made_for_their_owner_alone(tmp_path: Path) -> None:
    """Whatever stands above them keeps the usual rights; a file that others could read is closed to them, with its content."""
    file = tmp_path / "a" / "b" / "j"
    create_file(file)
    assert (mode(file), mode(file.parent), mode(file.parent.parent) & 0o700) == (0o600, 0o700, 0o700)
    file.write_text("kept")
    for readable in (0o640, 0o604):
        file.chmod(readable)
        create_file(file)
        assert (mode(file), file.read_text()) == (0o600, "kept")


@pytest.mark.parametrize("name", ["j", "j-wal", "j-shm", ""])
def test_what_others_could_have_written_is_not_used(tmp_path: Path, name: str) -> None:
    """The file itself, its folder, and the two files that SQLite puts beside it: each alone is refused."""
    folder = tmp_path / "state"
    create_file(folder / "j")
    path = folder / name
    if name:
        path.touch()
    path.chmod(path.stat().st_mode | 0o002)
    with pytest.raises(JournalError, match="the journal cannot be used: "):
        create_file(folder / "j")


def test_a_second_one_waits_for_the_first_and_no_longer_than_its_limit(tmp_path: Path) -> None:
    """SQLite's own lock decides after that; once the first is done nobody waits."""
    with exclusive(tmp_path, 5.0):
        began = time.monotonic()
        with exclusive(tmp_path, 0.2):
            waited = time.monotonic() - began
    assert waited >= 0.2
    before = len(list(Path("/proc/self/fd").iterdir()))
    began = time.monotonic()
    for _ in range(3):
        with exclusive(tmp_path, extend(30.0)):
            pass
    assert time.monotonic() - began < extend(10.0)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_process_that_ended_but_was_not_waited_for_is_over() -> None:
    """A zombie keeps its number and its start time; whoever it was runs no longer, nor does one that is wholly gone."""
    child = subprocess.Popen(["sleep", "60"])
    me, stat = process.current(), Path(f"/proc/{child.pid}/stat").read_text()
    text = process.Process(me.host, me.boot, child.pid, stat.rpartition(")")[2].split()[19]).text()
    assert process.is_running(text) is True
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert process.is_running(text) is False
    child.wait()
    assert process.is_running(text) is False


@pytest.mark.parametrize("text", ["", "host boot 1", "host boot one 1", "host boot 1 1 more"])
def test_what_names_no_process_runs_nowhere(text: str) -> None:
    assert process.is_running(text) is False
