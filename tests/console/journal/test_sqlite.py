"""The journal's file: append-only, private, shared by processes, and honest about what is wrong with it."""

from __future__ import annotations

import os
import resource
import signal
import sqlite3
import stat
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from console.journal import process
from console.journal.event import Event
from console.journal.sqlite import INTENT, OUTCOME, Journal, JournalError

ROOT = Path(__file__).parents[3]


def event(kind: str = "note", subject: str = "s", at: float = 1000.0, **data: object) -> Event:
    return Event(at, kind, subject, "tester", "test", dict(data))


def script(text: str, *arguments: str, **named: object) -> subprocess.Popen[str]:
    code = "from console.journal.sqlite import *\nfrom console.journal.event import Event\nimport sys, os, time\n"
    return subprocess.Popen(
        [sys.executable, "-c", code + textwrap.dedent(text), *arguments],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **named,  # type: ignore[call-overload]
    )


def test_events_come_back_as_they_were(tmp_path: Path) -> None:
    """What was appended is read back in order, whatever characters it holds, by kind, after a sequence, the newest N."""
    with Journal.open(tmp_path / "j") as journal:
        first = journal.append(event(text="zeile\n\x1b[31m 🦊 [bold]"))
        second = journal.append(event(INTENT, "run"))
        third = journal.append(event(OUTCOME, "run", outcome="done"))
        assert journal.events() == (first, second, third)
        assert journal.events(kinds=(OUTCOME, INTENT)) == (second, third)
        assert journal.events(after=first.sequence) == (second, third)
        assert journal.events(limit=1) == (third,)


def test_the_file_is_private(tmp_path: Path) -> None:
    """A new journal is 0600 in a folder of 0700, whatever the umask; a loose old file is made private."""
    old = os.umask(0)
    try:
        path = tmp_path / "state" / "cad" / "journal.sqlite3"
        with Journal.open(path) as journal:
            journal.append(event())
            for file in path.parent.iterdir():
                assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    path.chmod(0o644)
    Journal.open(path).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_nothing_can_be_changed_or_deleted(tmp_path: Path) -> None:
    """UPDATE and DELETE are refused by the database itself, also from another program."""
    with Journal.open(tmp_path / "j") as journal:
        journal.append(event())
    other = sqlite3.connect(tmp_path / "j")
    for statement in ("UPDATE events SET author = 'x'", "DELETE FROM events"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            other.execute(statement)
    other.close()


def test_every_append_reaches_the_disk(tmp_path: Path) -> None:
    """WAL with synchronous=FULL, so that an intent survives a power cut."""
    with Journal.open(tmp_path / "j") as journal:
        assert journal._connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert journal._connection.execute("PRAGMA synchronous").fetchone() == (2,)


def test_two_processes_lose_nothing(tmp_path: Path) -> None:
    """Two processes open the same new file at once and append 500 events each: all 1000 are there, each once."""
    code = """
        journal = Journal.open(sys.argv[1])
        for number in range(500):
            journal.append(Event(float(number), "note", sys.argv[2], "p", "", {"number": number}))
    """
    running = [script(code, str(tmp_path / "j"), name) for name in ("a", "b")]
    for each in running:
        _, complaint = each.communicate(timeout=60)
        assert each.returncode == 0, complaint
    with Journal.open(tmp_path / "j") as journal:
        found = [(item.subject, item.data["number"]) for item in journal.events()]
    assert len(found) == 1000
    assert set(found) == {(name, number) for name in "ab" for number in range(500)}


def test_kill_9_in_the_middle_is_named_once(tmp_path: Path) -> None:
    """A process that is killed after its intent: it is unfinished while nobody settles it, and not before it is dead."""
    code = """
        journal = Journal.open(sys.argv[1])
        journal.append(Event(1.0, INTENT, "run-1", "p", "test", {"title": "Roll back deployment/x"}))
        print("written", flush=True)
        time.sleep(60)
    """
    with script(code, str(tmp_path / "j")) as child, Journal.open(tmp_path / "j") as journal:
        assert child.stdout is not None
        assert child.stdout.readline() == "written\n"
        assert journal.unfinished() == ()
        child.send_signal(signal.SIGKILL)
        child.wait()
        (found,) = journal.unfinished()
        assert (found.subject, found.data["title"]) == ("run-1", "Roll back deployment/x")
        journal.settle(found, now=2.0, author="next")
        assert journal.unfinished() == ()
        assert journal.events()[-1].data["outcome"] == "unknown"


def test_intents_of_living_processes_and_finished_ones_are_not_named(tmp_path: Path) -> None:
    """Our own open intent is under way; one with an outcome is finished."""
    with Journal.open(tmp_path / "j") as journal:
        journal.append(event(INTENT, "mine"))
        assert journal.unfinished() == ()
        journal.append(event(OUTCOME, "mine", outcome="done"))
        assert journal.unfinished() == ()


def test_a_reused_process_id_is_not_taken_for_the_old_process() -> None:
    """The same pid with another start or another boot is another process; another machine cannot be asked."""
    me = process.this()
    assert process.alive(me.text()) is True
    assert process.alive(process.Process(me.host, me.boot, me.pid, "1").text()) is False
    assert process.alive(process.Process(me.host, "other-boot", me.pid, me.started).text()) is False
    assert process.alive(process.Process("elsewhere", me.boot, me.pid, me.started).text()) is None
    assert process.alive("garbage") is False


def test_locked_is_said_within_the_limit(tmp_path: Path) -> None:
    """While another process holds the lock, appending and probing fail in bounded time, naming the lock."""
    with Journal.open(tmp_path / "j") as holder, Journal.open(tmp_path / "j", busy_seconds=0.2) as journal:
        holder._connection.execute("BEGIN IMMEDIATE")
        for call in (journal.probe, lambda: journal.append(event())):
            with pytest.raises(JournalError, match="locked by another process"):
                call()
        holder._connection.execute("ROLLBACK")
        journal.probe()
        journal.append(event())


def test_a_full_disk_is_said_and_does_no_harm(tmp_path: Path) -> None:
    """When the file may not grow, the append fails with a sentence, and what was there is still there."""
    with Journal.open(tmp_path / "j") as journal:
        journal.append(event())
    code = """
        import resource, signal
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))
        journal = Journal.open(sys.argv[1])
        try:
            for number in range(100):
                journal.append(Event(1.0, "note", "x" * 10_000, "p", ""))
        except JournalError as error:
            print(error)
    """
    with script(code, str(tmp_path / "j")) as child:
        told, complaint = child.communicate(timeout=30)
    assert "cannot be written" in told, complaint
    with Journal.open(tmp_path / "j") as journal:
        assert journal.events()[0] == event().__class__(1000.0, "note", "s", "tester", "test", {}, 1)
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    """Where the journal can be neither made nor opened, the sentence names the file."""
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalError, match="cannot be opened"):
        Journal.open(tmp_path / "file" / "state" / "journal")
    if os.geteuid() != 0:
        locked = tmp_path / "locked"
        locked.mkdir(mode=0o500)
        with pytest.raises(JournalError, match="cannot be opened"):
            Journal.open(locked / "journal")


def test_what_is_no_journal_is_left_alone(tmp_path: Path) -> None:
    """A file that is something else, or of a newer console, is named and not touched."""
    path = tmp_path / "j"
    path.write_text("dear diary, " * 100)
    with pytest.raises(JournalError, match="no journal"):
        Journal.open(path)
    assert path.read_text().startswith("dear diary")
    newer = tmp_path / "newer"
    with sqlite3.connect(newer) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(JournalError, match="newer cad-console"):
        Journal.open(newer)


def test_reading_makes_nothing(tmp_path: Path) -> None:
    """Reading a journal that is not there makes no file; reading one that is there cannot write."""
    with pytest.raises(FileNotFoundError):
        Journal.open_to_read(tmp_path / "none")
    assert list(tmp_path.iterdir()) == []
    with Journal.open(tmp_path / "j") as journal:
        journal.append(event())
        with Journal.open_to_read(tmp_path / "j") as reader:
            assert len(reader.events()) == 1
            with pytest.raises(JournalError, match="read-only"):
                reader.append(event())


def test_what_several_see_is_written_once(tmp_path: Path) -> None:
    """Of eight consoles that append the same kind and subject at the same time one does; another subject is another event."""
    path = tmp_path / "journal.sqlite3"
    Journal.open(path).close()
    seen = [Event(float(number), "incident.seen", f"i1/{number % 5}", f"console {number % 8}") for number in range(200)]

    def write(own: list[Event]) -> int:
        with Journal.open(path) as journal:
            return sum(journal.append_once(event) is not None for event in own)

    with ThreadPoolExecutor(8) as hands:
        written = sum(hands.map(write, [seen[at::8] for at in range(8)]))
    with Journal.open(path) as journal:
        assert written == len(journal.events()) == 5
        assert {event.subject for event in journal.events()} == {f"i1/{number}" for number in range(5)}
